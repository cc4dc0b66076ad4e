//! What can be asked of the firewall's stand-in: answers to what is not documented, and troubles.

use serde_json::{Map, Value, json};

use super::{Firewall, LIB, STATE};
use crate::support::host::Host;

/// What no source tells about the vendor's command; the first of each is played unless another is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Knob {
    /// `--list-json` prints the pending set.
    ListsPending,
    /// `--list-json` prints the active set.
    ListsActive,
    /// The three policies are in the list.
    PoliciesListed,
    /// They are not.
    PoliciesHidden,
    /// Ids in the list are numbers.
    NumberIds,
    /// They are strings.
    StringIds,
    /// Rules get new ids when one set is copied over the other. Ids published years apart suggest it.
    IdsReissued,
    /// They keep them.
    IdsKept,
    /// Sources are read back as given.
    SourcesKept,
    /// They are read back sorted, without `/32` and `/128`.
    SourcesShort,
    /// A service rule with sources of one family only shuts the other.
    OtherFamilyClosed,
    /// It says nothing in the other, so that the policy decides.
    OtherFamilyPolicy,
    /// It leaves the other open.
    OtherFamilyOpen,
    /// An apply or a confirmation outside of ssh can be confirmed and confirms. Published cron jobs rely on
    /// it.
    WithoutSshAccepted,
    /// It cannot and does not.
    WithoutSshRefused,
    /// A second apply in the window loads its rules, which cannot be confirmed; this much the vendor says.
    SecondApplyLoads,
    /// It is refused.
    SecondApplyRefused,
    /// `--apply` ends when the kernel has the rules.
    ApplyEndsLoaded,
    /// It ends at once.
    ApplyEndsAtOnce,
    /// `--apply` is refused while rules management is off.
    ApplyOffRefused,
    /// It loads the rules all the same.
    ApplyOffLoads,
    /// The option to apply without a window is known.
    AutoConfirmKnown,
    /// It is not: older releases.
    AutoConfirmUnknown,
    /// `--list-json` is known.
    ListJsonKnown,
    /// It is not, as it may be before the extension.
    ListJsonUnknown,
}

impl Knob {
    fn setting(self) -> (&'static str, &'static str) {
        match self {
            Self::ListsPending => ("listed", "pending"),
            Self::ListsActive => ("listed", "active"),
            Self::PoliciesListed => ("policies", "listed"),
            Self::PoliciesHidden => ("policies", "hidden"),
            Self::NumberIds => ("id", "number"),
            Self::StringIds => ("id", "string"),
            Self::IdsReissued => ("ids", "reissued"),
            Self::IdsKept => ("ids", "kept"),
            Self::SourcesKept => ("form", "kept"),
            Self::SourcesShort => ("form", "short"),
            Self::OtherFamilyClosed => ("other_family", "closed"),
            Self::OtherFamilyPolicy => ("other_family", "policy"),
            Self::OtherFamilyOpen => ("other_family", "open"),
            Self::WithoutSshAccepted => ("without_ssh", "accepted"),
            Self::WithoutSshRefused => ("without_ssh", "refused"),
            Self::SecondApplyLoads => ("second_apply", "loads"),
            Self::SecondApplyRefused => ("second_apply", "refused"),
            Self::ApplyEndsLoaded => ("apply_ends", "loaded"),
            Self::ApplyEndsAtOnce => ("apply_ends", "at-once"),
            Self::ApplyOffRefused => ("apply_off", "refused"),
            Self::ApplyOffLoads => ("apply_off", "loads"),
            Self::AutoConfirmKnown => ("auto_confirm", "known"),
            Self::AutoConfirmUnknown => ("auto_confirm", "unknown"),
            Self::ListJsonKnown => ("list_json", "known"),
            Self::ListJsonUnknown => ("list_json", "unknown"),
        }
    }
}

/// A call of the command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// `--list-json`
    List,
    /// `--set-rule`
    Set,
    /// `--apply`
    Apply,
    /// `--confirm`
    Confirm,
    /// `--reset`
    Reset,
    /// `--is-enabled`
    IsEnabled,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::List => "--list-json",
            Self::Set => "--set-rule",
            Self::Apply => "--apply",
            Self::Confirm => "--confirm",
            Self::Reset => "--reset",
            Self::IsEnabled => "--is-enabled",
        }
    }
}

/// A way in which a call goes wrong.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Takes this many seconds longer.
    Slow(f64),
    /// Does nothing for ten minutes.
    HangBefore,
    /// Does it, then hangs for ten minutes.
    HangAfter,
    /// Says that it succeeded, and did nothing: a confirmation is lost.
    Lie,
    /// Says that it failed, and did nothing.
    Fail,
    /// Does it, and says that it failed.
    DoAndFail,
    /// The generated script stops with an error before it comes to POP3; only for an apply.
    HalfLoaded,
    /// All rules have other ids after the call: those of a list are stale at once.
    NewIds,
    /// Another administrator edits the sources of a class after the call, without applying: class, and list.
    OthersEdit(&'static str, &'static str),
}

impl Trouble {
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Slow(seconds) => ("slow", seconds.to_string()),
            Self::HangBefore => ("hang-before", String::new()),
            Self::HangAfter => ("hang-after", String::new()),
            Self::Lie => ("lie", String::new()),
            Self::Fail => ("fail", String::new()),
            Self::DoAndFail => ("do-and-fail", String::new()),
            Self::HalfLoaded => ("half", String::new()),
            Self::NewIds => ("meddle", "ids".to_owned()),
            Self::OthersEdit(class, sources) => ("meddle", format!("from {class} {sources}")),
        }
    }
}

impl Firewall {
    /// Answers one question about the vendor's command; others stay answered as they are.
    pub fn set(self, host: &Host, knob: Knob) {
        let path = format!("{STATE}/knobs");
        let mut knobs: Map<String, Value> = match host.try_read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("JSON"),
            Err(_) => Map::new(),
        };
        let (name, value) = knob.setting();
        knobs.insert(name.to_owned(), value.into());
        host.write(&path, Value::Object(knobs).to_string());
    }

    /// Has every call of one kind go wrong from now on; several troubles of one call act together.
    pub fn misbehave(self, host: &Host, verb: Verb, trouble: &Trouble) {
        self.ask_for(host, verb, trouble, -1);
    }

    /// Has the next call of one kind go wrong, and no other.
    pub fn misbehave_once(self, host: &Host, verb: Verb, trouble: &Trouble) {
        self.ask_for(host, verb, trouble, 1);
    }

    /// Ends all troubles.
    pub fn behave(self, host: &Host) {
        host.write(&format!("{STATE}/troubles"), "[]");
    }

    /// Has another administrator edit the sources of a class now, without applying it.
    pub fn others_edit(self, host: &Host, class: &str, sources: &str) {
        self.meddle(host, &["from", class, sources]);
    }

    /// Gives a class of rules another name: the vendor's names for those of mail are not documented.
    pub fn rename_class(self, host: &Host, old: &str, new: &str) {
        self.meddle(host, &["class", old, new]);
    }

    /// Sets the policy for what no rule matches in both sets, without loading it: `allow` or `deny`, which it
    /// is at first.
    pub fn set_policy(self, host: &Host, action: &str) {
        self.meddle(host, &["policy", action]);
    }

    /// Loads rules of other makers: Docker's in `nat` and `FORWARD`, which an apply flushes, with its link
    /// `docker0`, a ban of Fail2ban's on `192.0.2.66`, which it spares, and a jump into a chain `imunify` in
    /// `INPUT`, which it removes.
    pub fn neighbours(self, host: &Host) {
        let script = "set -e
            ip link add docker0 type bridge
            ip addr add 172.17.0.1/16 dev docker0
            iptables -t nat -N DOCKER
            iptables -t nat -A PREROUTING -j DOCKER
            iptables -t nat -A DOCKER -p tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:80
            iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
            iptables -N DOCKER-USER
            iptables -A FORWARD -j DOCKER-USER
            iptables -N imunify
            iptables -A INPUT -j imunify
            iptables -N f2b-postfix
            iptables -A f2b-postfix -s 192.0.2.66 -j REJECT
            iptables -I INPUT -p tcp --dport 25 -j f2b-postfix";
        host.run(&["sh", "-c", script]).success();
    }

    fn meddle(self, host: &Host, words: &[&str]) {
        let program = format!("{LIB}/meddle.py");
        let mut argv = vec!["/usr/bin/python3", "-SE", &program];
        argv.extend(words);
        host.run(&argv).success();
    }

    fn ask_for(self, host: &Host, verb: Verb, trouble: &Trouble, times: i32) {
        let path = format!("{STATE}/troubles");
        let mut all: Vec<Value> = match host.try_read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("JSON"),
            Err(_) => Vec::new(),
        };
        let (kind, detail) = trouble.words();
        all.push(json!({ "verb": verb.word(), "kind": kind, "detail": detail, "times": times }));
        host.write(&path, Value::Array(all).to_string());
    }
}

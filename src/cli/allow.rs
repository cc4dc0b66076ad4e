//! `--allow NAME`: what a run may do beyond the safety rules, for once. The manifest cannot say it, since
//! that would disarm a rule for good.

use std::str::FromStr;

use crate::plan::{OverridePermission, SafetyOverrides};

/// One thing that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// `account-changes=N`: so many accounts may change.
    AccountChanges(u32),
    /// `panel-command`: the panel's command may be tried again that was seen to do something else than it
    /// should.
    PanelCommand,
    /// `inbound-mail`: rules may keep other mail servers away.
    InboundMail,
    /// `docker`: Plesk's firewall may be applied where it takes the network from Docker's containers.
    Docker,
    /// `own-rules`: mailward's own rules of which nothing is written down any more may be taken for what was
    /// confirmed.
    OwnRules,
    /// `unproven-confirm`: a change of access may be confirmed without showing that somebody still gets in.
    UnprovenConfirm,
    /// `unseen-metadata`: files may be replaced whose ACL and extended attributes the host has no tool to
    /// show.
    UnseenMetadata,
}

/// All of them, as they are listed for people.
const KNOWN: &str =
    "account-changes=N, panel-command, inbound-mail, docker, own-rules, unproven-confirm and unseen-metadata";

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match (name, value) {
            ("account-changes", Some(value)) => value
                .parse()
                .map(Self::AccountChanges)
                .map_err(|_| "account-changes needs a number of accounts".to_owned()),
            ("account-changes", None) => {
                Err("account-changes needs a number, as account-changes=120".to_owned())
            }
            ("panel-command", None) => Ok(Self::PanelCommand),
            ("inbound-mail", None) => Ok(Self::InboundMail),
            ("docker", None) => Ok(Self::Docker),
            ("own-rules", None) => Ok(Self::OwnRules),
            ("unproven-confirm", None) => Ok(Self::UnprovenConfirm),
            ("unseen-metadata", None) => Ok(Self::UnseenMetadata),
            _ => Err(format!("what can be allowed is {KNOWN}")),
        }
    }
}

/// All that is allowed; of one thing allowed twice the later counts.
pub(super) fn allowed(allowances: &[Allowance]) -> SafetyOverrides {
    let mut allowed = SafetyOverrides::default();
    for allowance in allowances {
        match allowance {
            Allowance::AccountChanges(number) => allowed.account_changes = Some(*number),
            Allowance::PanelCommand => allowed.panel_command = OverridePermission::Given,
            Allowance::InboundMail => allowed.inbound_mail = OverridePermission::Given,
            Allowance::Docker => allowed.docker = OverridePermission::Given,
            Allowance::OwnRules => allowed.own_rules = OverridePermission::Given,
            // The way to the host asks for the one, `confirm` for the other.
            Allowance::UnseenMetadata | Allowance::UnprovenConfirm => {}
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_can_be_allowed() {
        let parsed: Allowance = "account-changes=120".parse().unwrap();
        assert_eq!(
            allowed(&[parsed]),
            SafetyOverrides { account_changes: Some(120), ..SafetyOverrides::default() }
        );
        let mail: Allowance = "inbound-mail".parse().unwrap();
        assert_eq!(allowed(&[mail]).inbound_mail, OverridePermission::Given);
        assert_eq!(allowed(&[]).inbound_mail, OverridePermission::Withheld);
        for bad in [
            "",
            "account-changes",
            "account-changes=",
            "account-changes=-1",
            "all=1",
            "unseen-metadata=1",
            "inbound-mail=1",
        ] {
            assert!(bad.parse::<Allowance>().is_err(), "{bad}");
        }
    }
}

//! Plans who may reach mail services: what enforces it, which rules that needs, what they do to whom, and
//! what is refused.
//!
//! Pure.

mod beside;
mod kept;
mod own;
mod plesk;
mod proof;
mod translation;
mod way;

use std::time::Duration;

use super::boot::{BootObserved, BootSite};
use super::checkpoint::{Checkpoint, TimeLeft, WaitingCheckpoint};
use super::confirmed::{self, ConfirmedRules};
use super::effect::{FilterStack, changes};
use super::methods::{BootMethod, LoadMethod};
use super::note::DisplacingRules;
use super::observed::{ObservedFirewall, PacketEntrance};
use super::recall::RecalledFirewall;
use super::{PortAllowlist, allowlists};
use crate::capability::PartNote;
use crate::capability::{OverridePermission, SafetyOverrides};
use crate::facts::Facts;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker, declared_at};
use crate::firewall::note::FirewallNote;
use crate::firewall::step::{
    AddressExtent, AllowlistChange, BootStep, FilterBackend, FirewallCause, FirewallStep, ReachChange,
    RetireStep,
};
use crate::firewall::text::allowed_sources;
use crate::host::{ProcessesAbove, RunConnection};
use crate::model::{AllowedSources as Who, Desired, MailService};

/// How long a change stays without a confirmation where the manifest does not say, in seconds.
const CONFIRM_WITHIN: u32 = 60;

/// What the source networks contribute to a plan.
#[derive(Debug, Default)]
pub struct FirewallPart {
    /// Who may reach services changes.
    pub change: Option<FirewallStep>,
    /// What a boot does about it, then.
    pub boot: Option<BootStep>,
    /// Own rules that go, then.
    pub retired: Vec<RetireStep>,
    /// What is not done, or worth a look.
    pub notes: Vec<PartNote<FirewallNote>>,
    /// What keeps a plan from being made.
    pub blockers: Vec<PlanBlocker>,
}

/// Everything that is known when a plan is made.
struct FirewallScene<'a> {
    desired: &'a Desired,
    facts: &'a Facts,
    recalled: &'a RecalledFirewall,
    observed: &'a ObservedFirewall,
    boot: &'a BootObserved,
    connection: Option<&'a RunConnection>,
    allowed: &'a SafetyOverrides,
    unnamed: UnnamedServices,
    deadline: Duration,
}

/// What becomes of allowlists that nobody names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnnamedServices {
    /// They stay: what a manifest does not name is not touched.
    Stays,
    /// They go.
    Goes,
}

/// What a way needs: the change of its rules, if any, and how the host's filters are with it.
struct BackendNeeds {
    /// Each service whose rules change; none where the rules are right.
    change: Option<(Vec<AllowlistChange>, LoadMethod, Vec<FirewallCause>)>,
    /// The allowlists that are in force afterwards, those included that nobody names any more.
    allowlists: Vec<PortAllowlist>,
    /// Those of them that nobody names.
    kept: Vec<PortAllowlist>,
    /// What is taken over as confirmed before the change begins, by way.
    adopted: Vec<(FilterBackend, Vec<PortAllowlist>)>,
    /// The host's filters before.
    before: FilterStack,
    /// The same afterwards.
    after: FilterStack,
}

/// What is known of who may reach a host's services.
#[derive(Debug, Clone, Copy)]
pub struct KnownFirewall<'a> {
    /// The packet filters.
    pub filters: &'a ObservedFirewall,
    /// What a boot does about mailward's own rules.
    pub boot: Option<&'a BootObserved>,
    /// The ssh connection by which this run stands on the host.
    pub connection: Option<&'a RunConnection>,
    /// What the host remembers.
    pub recalled: &'a RecalledFirewall,
}

/// Plans.
pub fn plan(
    desired: &Desired,
    facts: &Facts,
    known: &KnownFirewall<'_>,
    allowed: &SafetyOverrides,
    deadline: Duration,
) -> FirewallPart {
    let mut part = FirewallPart::default();
    if let Some(unread) = &known.recalled.unread {
        part.blockers.push(PlanBlocker { kind: PlanBlocked::Unknown, diagnostic: unread.clone() });
        return part;
    }
    let none = BootObserved::default();
    let scene = FirewallScene {
        desired,
        facts,
        recalled: known.recalled,
        observed: known.filters,
        boot: known.boot.unwrap_or(&none),
        connection: known.connection,
        allowed,
        unnamed: UnnamedServices::Stays,
        deadline,
    };
    if desired.access.allow.is_empty() {
        scene.left_alone(&mut part);
        return part;
    }
    match scene.try_plan(&mut part) {
        Ok(()) => scene.waits(&mut part),
        Err(blockers) => part.blockers.extend(blockers),
    }
    part
}

fn blocked(kind: PlanBlocked, diagnostic: Diagnostic) -> Vec<PlanBlocker> {
    vec![PlanBlocker { kind, diagnostic }]
}

impl FirewallScene<'_> {
    fn try_plan(&self, part: &mut FirewallPart) -> Result<(), Vec<PlanBlocker>> {
        let way = way::choose(self)?;
        let mut declared = allowlists(&self.desired.access);
        let needs = match way {
            FilterBackend::Nftables => own::nftables(self, &declared)?,
            FilterBackend::Iptables => own::iptables(self, &declared)?,
            FilterBackend::PleskFirewall => {
                // What own rules restrict beyond it moves too: they are removed.
                declared.extend(kept::kept_anywhere(self, &declared)?.allowlists);
                declared.sort_by_key(|allowlist| allowlist.service);
                plesk::needs(self, &declared)?
            }
        };
        (part.notes).extend(translation::changed_before(self, way, &needs.allowlists)?);
        self.notes(part, way, &needs);
        let adopted = needs.adopted.clone();
        if let Some((change, how, causes)) = needs.change {
            self.inbound_mail(&change)?;
            proof::nobody_is_shut_out(self, &change, &needs.before, &needs.after, part)?;
            self.to_confirm(part, way);
            // What somebody else has put among own rules goes, too.
            let live = own::both(self).into_iter();
            let beside: Vec<PortAllowlist> =
                live.flat_map(|(_, rules)| super::allowlists::kept(&rules, &needs.allowlists)).collect();
            let services: Vec<(MailService, &'static [u16])> = (needs.allowlists.iter().chain(&beside))
                .map(|allowlist| (allowlist.service, allowlist.ports))
                .collect();
            let effects = changes(&needs.before, &needs.after, &services);
            part.change = Some(FirewallStep {
                way,
                allowlists: change,
                effects: effects
                    .into_iter()
                    .map(|change| ReachChange {
                        service: change.service,
                        ports: change.ports,
                        gains: AddressExtent::of(change.gains),
                        loses: AddressExtent::of(change.loses),
                        unclear: AddressExtent::of(change.unclear),
                    })
                    .collect(),
                confirm_within: self.confirm_within(way)?,
                causes,
                how: Some(Box::new(how)),
                guard: match way {
                    FilterBackend::Nftables | FilterBackend::Iptables => self.guard(&adopted),
                    FilterBackend::PleskFirewall => None,
                },
            });
        }
        part.boot = self.site().step(way, &needs.allowlists);
        for other in [FilterBackend::Nftables, FilterBackend::Iptables] {
            if other != way
                && let Some(how) = own::retire(self, other)?
            {
                part.retired.push(RetireStep { way: other, instead: way, how: Some(Box::new(how)) });
            }
        }
        Ok(())
    }

    /// The host, as far as its boot is concerned.
    fn site(&self) -> BootSite<'_> {
        BootSite {
            manager: &self.facts.manager,
            tools: &self.facts.tools,
            firewall: self.observed,
            observed: self.boot,
            deadline: self.deadline,
        }
    }

    /// What is done before a change goes live, so that a boot takes it back; rules that are taken over are
    /// written down then.
    fn guard(&self, adopted: &[(FilterBackend, Vec<PortAllowlist>)]) -> Option<Box<BootMethod>> {
        self.site().guard(adopted).map(Box::new)
    }

    /// Whether a change waits, or is not settled yet.
    fn covered(&self) -> bool {
        match &self.recalled.waiting {
            WaitingCheckpoint::Nothing | WaitingCheckpoint::Reverted(_) => false,
            WaitingCheckpoint::Open(_)
            | WaitingCheckpoint::Reverting(_)
            | WaitingCheckpoint::Confirmed(_) => true,
        }
    }

    /// The allowlists that were confirmed last, where the own rules of a way are in force and nobody has
    /// confirmed them.
    fn unconfirmed(&self, way: FilterBackend) -> Option<Vec<PortAllowlist>> {
        match (self.allowed.own_rules, confirmed::record(self.observed, self.boot, way)) {
            // They are taken over as confirmed.
            (OverridePermission::Given, ConfirmedRules::Nothing | ConfirmedRules::Lost) => None,
            (OverridePermission::Given, ConfirmedRules::Of(_) | ConfirmedRules::Unread)
            | (OverridePermission::Withheld, _) => {
                unconfirmed(self.facts, self.recalled, self.observed, self.boot, way)
            }
        }
    }

    /// How long a change stays without a confirmation, in seconds.
    fn confirm_within(&self, way: FilterBackend) -> Result<u32, Vec<PlanBlocker>> {
        let declared = self.desired.safety.confirm_within.as_ref();
        match way {
            FilterBackend::Nftables | FilterBackend::Iptables => {
                Ok(declared.map_or(CONFIRM_WITHIN, |declared| declared.value))
            }
            FilterBackend::PleskFirewall => plesk::checkpoint(self, declared),
        }
    }

    /// Other servers deliver mail to port 25 from anywhere.
    fn inbound_mail(&self, change: &[AllowlistChange]) -> Result<(), Vec<PlanBlocker>> {
        let cuts = change.iter().find(|change| {
            change.ports.contains(&25)
                && change.to != Who::Anyone
                && !change.from.as_ref().is_some_and(|from| change.to.networks().covers(&from.networks()))
        });
        match (cuts, self.allowed.inbound_mail) {
            (None, _) | (_, OverridePermission::Given) => Ok(()),
            (Some(change), OverridePermission::Withheld) => {
                let diagnostic = Diagnostic::new("restricting `smtp` cuts inbound mail from the internet")
                    .because("other servers deliver to port 25 of this host, from anywhere")
                    .hint("restrict `submission` (587) for your users' programs; if this host gets no mail from elsewhere: --allow inbound-mail");
                Err(blocked(PlanBlocked::Refused, self.at(change.service, diagnostic)))
            }
        }
    }

    /// A message with the place where the manifest names a service.
    fn at(&self, service: MailService, diagnostic: Diagnostic) -> Diagnostic {
        match self.desired.access.allow.get(&service) {
            Some(allow) => diagnostic.at(declared_at(&allow.origin)),
            None => diagnostic,
        }
    }

    fn notes(&self, part: &mut FirewallPart, way: FilterBackend, needs: &BackendNeeds) {
        let remark = |text: String| PartNote::remark(text);
        for allowlist in &needs.kept {
            part.notes.push(remark(format!(
                "{} is not named any more and stays restricted to {} by {}; \"anyone\" opens it",
                allowlist.service,
                allowed_sources(&allowlist.allowed),
                way.words()
            )));
        }
        part.notes.extend(beside::plesk(self, way, needs));
        part.notes.extend(beside::flushed(self, way));
        part.notes.extend(self.foreign("an apply takes it away"));
        for neighbour in &self.observed.neighbours {
            part.notes.push(remark(neighbour.meaning().to_owned()));
        }
        let restricts = needs.allowlists.iter().any(|allowlist| allowlist.allowed != Who::Anyone);
        if restricts {
            part.notes.extend(translation::form(self, way));
        }
        if restricts && way != FilterBackend::PleskFirewall && !self.boot.can_hook(&self.facts.manager) {
            part.notes.push(remark(
                "the rules do not come back at boot: this host has neither systemd nor folders of init scripts"
                    .to_owned(),
            ));
        }
    }

    /// Who will be able to confirm; Plesk's firewall has a confirmation of its own.
    fn to_confirm(&self, part: &mut FirewallPart, way: FilterBackend) {
        let mut at = self.observed.entrances.clone();
        if (self.connection).is_some_and(|connection| connection.above == ProcessesAbove::Sshd) {
            at.insert(PacketEntrance::Ssh);
        }
        match way {
            FilterBackend::Nftables | FilterBackend::Iptables => {
                part.notes.push(PartNote::Own(FirewallNote::ToConfirm { at: at.into_iter().collect() }))
            }
            FilterBackend::PleskFirewall => {}
        }
    }

    /// A change that waits, or one that was taken back and not yet settled.
    fn waits(&self, part: &mut FirewallPart) {
        let changes = part.change.is_some();
        let in_force = match changes {
            true => UnconfirmedRules::No,
            false => UnconfirmedRules::Yes,
        };
        part.notes.extend(waiting(self.facts, self.recalled, in_force));
        (part.notes).extend(provisional(self.facts, self.recalled, self.observed, self.boot));
    }

    /// What stands among own rules that mailward does not make.
    fn foreign(&self, then: &str) -> Vec<PartNote<FirewallNote>> {
        (kept::foreign(self).into_iter())
            .map(|(way, found)| {
                PartNote::remark(format!(
                    "{} holds what mailward does not make: {}; {then}",
                    way.words(),
                    found.join(", ")
                ))
            })
            .collect()
    }

    /// A manifest without access leaves what earlier ones set.
    fn left_alone(&self, part: &mut FirewallPart) {
        let own = own::both(self).into_iter().map(|(way, live)| {
            let rules = match confirmed::record(self.observed, self.boot, way) {
                ConfirmedRules::Of(rules) => rules,
                ConfirmedRules::Nothing | ConfirmedRules::Lost | ConfirmedRules::Unread => live,
            };
            (way, super::allowlists::kept(&rules, &[]))
        });
        part.notes.extend(self.foreign("a manifest with `access` takes it away"));
        for (way, allowlists) in own.chain([(FilterBackend::PleskFirewall, plesk::restricted(self))]) {
            for allowlist in allowlists {
                part.notes.push(PartNote::remark(format!(
                    "{} is not named any more and stays restricted to {} by {}; \"anyone\" opens it",
                    allowlist.service,
                    allowed_sources(&allowlist.allowed),
                    way.words()
                )));
            }
        }
        self.waits(part);
    }
}

/// The allowlists that were confirmed last, where the own rules of a way are in force, nobody has confirmed
/// them, and no change waits that would have them confirmed or take them back.
#[must_use]
pub fn unconfirmed(
    facts: &Facts,
    recalled: &RecalledFirewall,
    observed: &ObservedFirewall,
    boot: &BootObserved,
    way: FilterBackend,
) -> Option<Vec<PortAllowlist>> {
    let booted =
        |checkpoint: &Checkpoint| checkpoint.left(facts.boot.as_deref(), facts.uptime) == TimeLeft::Booted;
    let covered = match &recalled.waiting {
        WaitingCheckpoint::Nothing | WaitingCheckpoint::Reverted(_) => false,
        // Its timer did not live over the boot.
        WaitingCheckpoint::Open(checkpoint) | WaitingCheckpoint::Reverting(checkpoint) => !booted(checkpoint),
        WaitingCheckpoint::Confirmed(_) => true,
    };
    match covered {
        true => None,
        false => confirmed::unconfirmed(observed, boot, way),
    }
}

/// What there is to say of own rules that nobody has confirmed, and of a change that waits and is not in
/// force.
#[must_use]
pub fn provisional(
    facts: &Facts,
    recalled: &RecalledFirewall,
    observed: &ObservedFirewall,
    boot: &BootObserved,
) -> Vec<PartNote<FirewallNote>> {
    let mut notes: Vec<PartNote<FirewallNote>> = [FilterBackend::Nftables, FilterBackend::Iptables]
        .into_iter()
        .filter(|way| unconfirmed(facts, recalled, observed, boot, *way).is_some())
        .map(|way| PartNote::Own(FirewallNote::NeverConfirmed { way }))
        .collect();
    if let WaitingCheckpoint::Open(checkpoint) = &recalled.waiting
        && matches!(checkpoint.left(facts.boot.as_deref(), facts.uptime), TimeLeft::Seconds(_))
        && checkpoint.way != FilterBackend::PleskFirewall
    {
        let now = confirmed::in_force(observed, checkpoint.way);
        if !allowlist_changes(&now, &allowlists(&checkpoint.desired.access)).is_empty() {
            let by = match confirmed::unconfirmed(observed, boot, checkpoint.way) {
                None => DisplacingRules::Before,
                Some(_) => DisplacingRules::Others,
            };
            notes.push(PartNote::Own(FirewallNote::Displaced { by }));
        }
    }
    notes
}

/// How the own rules of a way are made those that were confirmed last, whatever they are.
///
/// # Errors
/// What keeps it from being done.
pub fn back_to_confirmed(
    facts: &Facts,
    recalled: &RecalledFirewall,
    observed: &ObservedFirewall,
    boot: &BootObserved,
    (way, confirmed): (FilterBackend, &[PortAllowlist]),
    deadline: Duration,
) -> Result<Option<LoadMethod>, Vec<PlanBlocker>> {
    let scene = FirewallScene {
        desired: &Desired::default(),
        facts,
        recalled,
        observed,
        boot,
        connection: None,
        allowed: &SafetyOverrides::everything(),
        unnamed: UnnamedServices::Goes,
        deadline,
    };
    let needs = match way {
        FilterBackend::Nftables => own::nftables(&scene, confirmed)?,
        FilterBackend::Iptables => own::iptables(&scene, confirmed)?,
        FilterBackend::PleskFirewall => return Ok(None),
    };
    Ok(needs.change.map(|(_, how, _)| how))
}

/// Whether the rules that nobody has confirmed yet are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnconfirmedRules {
    /// They are, or that was not looked at.
    Yes,
    /// Others are.
    No,
}

/// What there is to say of a change that waits, or that was taken back and is not settled yet.
#[must_use]
pub fn waiting(
    facts: &Facts,
    recalled: &RecalledFirewall,
    in_force: UnconfirmedRules,
) -> Option<PartNote<FirewallNote>> {
    let back = |why: &str| match in_force {
        UnconfirmedRules::No => PartNote::remark(why.to_owned()),
        // It is still in force, and that is not yet decided.
        UnconfirmedRules::Yes => PartNote::Own(FirewallNote::Waits { seconds: 0 }),
    };
    Some(match &recalled.waiting {
        WaitingCheckpoint::Open(checkpoint) => match checkpoint.left(facts.boot.as_deref(), facts.uptime) {
            TimeLeft::Seconds(seconds) if recalled.is_unwatched(facts) => {
                PartNote::Own(FirewallNote::Unwatched { seconds })
            }
            TimeLeft::Seconds(seconds) => PartNote::Own(FirewallNote::Waits { seconds }),
            TimeLeft::Nothing => back("a change of access that nobody confirmed is taken back"),
            // What is in force is what the boot brought back.
            TimeLeft::Booted => PartNote::remark(
                "the host has booted since the last change of access, which nobody had confirmed: it is gone"
                    .to_owned(),
            ),
        },
        WaitingCheckpoint::Reverting(_) => back("a change of access that nobody confirmed is taken back"),
        WaitingCheckpoint::Reverted(_) => {
            PartNote::remark("the last change of access was taken back: nobody confirmed it".to_owned())
        }
        WaitingCheckpoint::Confirmed(_) => PartNote::remark(
            "the last change of access is confirmed, and what follows is still to be done".to_owned(),
        ),
        WaitingCheckpoint::Nothing => return None,
    })
}

/// The changes from the allowlists that rules have to those that they shall have, services that stay as they
/// are left out.
fn allowlist_changes(rules: &FilterStack, allowlists: &[PortAllowlist]) -> Vec<AllowlistChange> {
    allowlists
        .iter()
        .map(|allowlist| AllowlistChange {
            service: allowlist.service,
            ports: allowlist.ports.to_vec(),
            from: super::allowlists::of_ports(rules, allowlist.ports),
            to: allowlist.allowed.clone(),
        })
        .filter(|change| change.from.as_ref() != Some(&change.to))
        .collect()
}

//! What others decide about the same services: notes, since mailward leaves it alone.

use super::{BackendNeeds, FirewallScene};
use crate::capability::PartNote;
use crate::firewall::note::FirewallNote;
use crate::firewall::observed::{NeighbourProgram, PleskFirewallState};
use crate::firewall::plesk::{self, PleskRuleAction, PleskRuleSource};
use crate::firewall::rules::few;
use crate::firewall::step::FilterBackend;
use crate::model::Networks;

/// Where an own way enforces the networks, Plesk's firewall may restrict the same services too: a connection
/// must pass both.
pub(super) fn plesk(
    scene: &FirewallScene<'_>,
    way: FilterBackend,
    needs: &BackendNeeds,
) -> Vec<PartNote<FirewallNote>> {
    let firewall = match (&scene.observed.plesk, way) {
        (Some(firewall), FilterBackend::Nftables | FilterBackend::Iptables)
            if firewall.enabled == PleskFirewallState::Yes =>
        {
            firewall
        }
        (Some(_) | None, _) => return Vec::new(),
    };
    let Ok(list) = &firewall.list else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    for allowlist in &needs.allowlists {
        let Some(rule) = plesk::find(list, allowlist.service).ok().and_then(|index| list.get(index)) else {
            continue;
        };
        let sources = (rule.from.iter()).fold(Networks::default(), |all, origin| match origin {
            PleskRuleSource::Networks(networks) => all.union(networks),
            PleskRuleSource::Other(_) => all,
        });
        let who = match rule.action {
            PleskRuleAction::Deny => "nobody".to_owned(),
            PleskRuleAction::Allow if rule.from.is_empty() || sources == Networks::everything() => {
                continue;
            }
            PleskRuleAction::Allow => few(&sources),
        };
        notes.push(PartNote::remark(format!(
                "Plesk's firewall itself lets only {who} reach {}, and a connection must pass both; to give that up, \
                 open its rule in Plesk, Tools & Settings > Firewall",
                allowlist.service,
            )));
    }
    notes
}

/// Own chains that others flush are gone then; firewalld does so at each boot, and they are not made beside
/// it.
pub(super) fn flushed(scene: &FirewallScene<'_>, way: FilterBackend) -> Vec<PartNote<FirewallNote>> {
    match way {
        FilterBackend::Iptables => {}
        FilterBackend::Nftables | FilterBackend::PleskFirewall => return Vec::new(),
    }
    let by = |neighbour: &NeighbourProgram| match neighbour {
        NeighbourProgram::Csf => Some("CSF"),
        NeighbourProgram::Apf => Some("APF"),
        NeighbourProgram::Firewalld | NeighbourProgram::Imunify | NeighbourProgram::Docker => None,
    };
    let all = (scene.observed.neighbours.iter().filter_map(by)).map(|name| {
        format!(
            "own chains of iptables may not last: where {name} flushes all tables as it starts, also at boot, the services \
             are open until the next apply; the own table of nftables stays"
        )
    });
    let plesk = scene.observed.plesk.as_ref().filter(|plesk| match &plesk.enabled {
        PleskFirewallState::Yes | PleskFirewallState::Unknown(_) => true,
        PleskFirewallState::No => false,
    });
    let plesk = plesk.map(|_| {
        "own chains of iptables may not all last: Plesk's firewall flushes the table mangle whenever it applies, also at boot, \
         and a port that others redirect to a restricted one is open then until the next apply; the own table of nftables stays"
            .to_owned()
    });
    (all.chain(plesk)).map(PartNote::remark).collect()
}

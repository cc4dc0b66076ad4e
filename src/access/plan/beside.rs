//! What others decide about the same services: notes, since mailward leaves it alone.

use super::{Needs, Scene};
use crate::access::observed::{Enabled, Neighbour};
use crate::access::plesk::{self, Action, Origin};
use crate::access::rules::few;
use crate::model::Networks;
use crate::plan::{Note, Way};

/// Where an own way enforces the networks, Plesk's firewall may restrict the same services too: a connection must pass both.
pub(super) fn plesk(scene: &Scene<'_>, way: Way, needs: &Needs) -> Vec<Note> {
    let firewall = match (&scene.observed.plesk, way) {
        (Some(firewall), Way::Nftables | Way::Iptables) if firewall.enabled == Enabled::Yes => {
            firewall
        }
        (Some(_) | None, _) => return Vec::new(),
    };
    let Ok(list) = &firewall.list else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    for gate in &needs.gates {
        let Some(rule) = plesk::find(list, gate.service)
            .ok()
            .and_then(|index| list.get(index))
        else {
            continue;
        };
        let sources = (rule.from.iter()).fold(Networks::default(), |all, origin| match origin {
            Origin::Networks(networks) => all.union(networks),
            Origin::Other(_) => all,
        });
        let who = match rule.action {
            Action::Deny => "nobody".to_owned(),
            Action::Allow if rule.from.is_empty() || sources == Networks::everything() => continue,
            Action::Allow => few(&sources),
        };
        notes.push(Note::Remark {
            text: format!(
                "Plesk's firewall itself lets only {who} reach {}, and a connection must pass both; to give that up, \
                 open its rule in Plesk, Tools & Settings > Firewall",
                gate.service,
            ),
        });
    }
    notes
}

/// Own chains that others flush are gone then; firewalld does so at each boot, and they are not made beside it.
pub(super) fn flushed(scene: &Scene<'_>, way: Way) -> Vec<Note> {
    match way {
        Way::Iptables => {}
        Way::Nftables | Way::PleskFirewall => return Vec::new(),
    }
    let by = |neighbour: &Neighbour| match neighbour {
        Neighbour::Csf => Some("CSF"),
        Neighbour::Apf => Some("APF"),
        Neighbour::Firewalld | Neighbour::Imunify | Neighbour::Docker => None,
    };
    let all = (scene.observed.neighbours.iter().filter_map(by)).map(|name| {
        format!(
            "own chains of iptables may not last: where {name} flushes all tables as it starts, also at boot, the services \
             are open until the next apply; the own table of nftables stays"
        )
    });
    let plesk = scene
        .observed
        .plesk
        .as_ref()
        .filter(|plesk| match &plesk.enabled {
            Enabled::Yes | Enabled::Unknown(_) => true,
            Enabled::No => false,
        });
    let plesk = plesk.map(|_| {
        "own chains of iptables may not all last: Plesk's firewall flushes the table mangle whenever it applies, also at boot, \
         and a port that others redirect to a restricted one is open then until the next apply; the own table of nftables stays"
            .to_owned()
    });
    (all.chain(plesk))
        .map(|text| Note::Remark { text })
        .collect()
}

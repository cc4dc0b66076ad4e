//! What others decide about the same services: notes, since mailward leaves it alone.

use super::{Needs, Scene};
use crate::access::observed::Enabled;
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

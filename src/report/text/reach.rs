//! Who reaches the mail services of a host, as a table.

use super::{HEADING, WARNING};
use crate::firewall::rules::few;
use crate::firewall::show::{OwnerEntry, PortEntry, ReachedBy, ShownFirewall};
use crate::model::printable::printable;
use crate::model::{AddressFamily, Network, Networks};
use crate::report::Colour;
use crate::report::safe::SafeText;

/// The most rules that one line names.
const NAMED: usize = 3;

/// One line for ports of a service, and families, of which the same is so; below it notes.
#[must_use]
pub fn reach(shown: &ShownFirewall, colour: Colour) -> SafeText {
    let mut rows = vec![["SERVICE", "PORTS", "IP", "REACHED BY", "DECIDED BY"].map(str::to_owned)];
    let mut left: Vec<&PortEntry> = shown.services.iter().collect();
    while let Some(first) = left.first().copied() {
        let told = tells(first);
        let (alike, others): (Vec<&PortEntry>, Vec<&PortEntry>) =
            left.into_iter().partition(|entry| entry.service == first.service && tells(entry) == told);
        left = others;
        // A rectangle of ports and families is one line; anything else is one line a family.
        let ports = |family| -> Vec<String> {
            (alike.iter())
                .filter(|entry| entry.family == family)
                .map(|entry| entry.port.to_string())
                .collect()
        };
        let [four, six] = AddressFamily::ALL.map(ports);
        let lines = if four == six {
            vec![("both".to_owned(), four)]
        } else {
            [(AddressFamily::Ipv4, four), (AddressFamily::Ipv6, six)]
                .into_iter()
                .filter(|(_, ports)| !ports.is_empty())
                .map(|(family, ports)| (family.name().to_owned(), ports))
                .collect()
        };
        for (families, ports) in lines {
            let [who, by] = told.clone();
            rows.push([first.service.to_string(), ports.join(", "), families, who, by]);
        }
    }
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [a, b, c, d] = widths;
    let mut text = SafeText::new(colour);
    for (number, [service, ports, ip, who, by]) in rows.iter().enumerate() {
        let line = format!("{service:a$}  {ports:b$}  {ip:c$}  {who:d$}  {by}");
        let line = line.trim_end();
        if number == 0 {
            text.painted(HEADING, line);
        } else {
            text.line(line);
        }
    }
    for note in notes(shown) {
        text.painted(WARNING, format_args!("    ! {}", note));
    }
    text
}

/// Who reaches it, and what decides.
fn tells(entry: &PortEntry) -> [String; 2] {
    let networks = words(&entry.networks);
    let unclear = || {
        let all = Networks::all_of(entry.family);
        let unclear: Networks = entry.unclear.iter().copied().collect();
        let others = all.difference(&unclear);
        if others.is_empty() {
            "everybody".to_owned()
        } else if others.iter().count() < entry.unclear.len() {
            format!("everybody but {}", few(&others))
        } else {
            few(&unclear)
        }
    };
    let who = match entry.reached_by {
        ReachedBy::Everybody => "everybody".to_owned(),
        ReachedBy::Nobody => "nobody".to_owned(),
        ReachedBy::Only => networks,
        ReachedBy::AllBut => format!("everybody but {networks}"),
        ReachedBy::Unknown => format!("unclear for {}", unclear()),
    };
    let who = match entry.reached_by {
        ReachedBy::Only | ReachedBy::AllBut if !entry.unclear.is_empty() => {
            format!("{who}; unclear for {}", unclear())
        }
        ReachedBy::Everybody
        | ReachedBy::Nobody
        | ReachedBy::Only
        | ReachedBy::AllBut
        | ReachedBy::Unknown => who,
    };
    let mut by: Vec<String> = (entry.decided_by.iter())
        .take(NAMED)
        .map(|decider| {
            let rule = printable(&decider.rule);
            match decider.owner {
                OwnerEntry::Mailward => format!("mailward's {rule}"),
                OwnerEntry::Other => rule.into_owned(),
            }
        })
        .collect();
    if by.is_empty() && entry.reached_by != ReachedBy::Unknown {
        by.push("no rule".to_owned());
    }
    let more = entry.decided_by.len().saturating_sub(NAMED);
    if more > 0 {
        by.push(format!("{more} more"));
    }
    [who, by.join("; ")]
}

fn words(networks: &[Network]) -> String {
    few(&networks.iter().copied().collect())
}

fn notes(shown: &ShownFirewall) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(shown.own.iter().map(|own| format!("mailward has in force: {own}")));
    if let Some(plesk) = &shown.plesk_firewall {
        notes.push(
            match plesk.enabled {
                Some(true) => "Plesk's firewall is on",
                Some(false) => "Plesk's firewall is off",
                None => "it is not known whether Plesk's firewall is on",
            }
            .to_owned(),
        );
        if plesk.waits {
            notes.push("an apply of Plesk's firewall waits for its confirmation".to_owned());
        }
    }
    notes.extend((shown.neighbours.iter()).map(|neighbour| neighbour.meaning.clone()));
    notes
}

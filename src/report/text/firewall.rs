//! Changes of who may reach mail services as text: the rules, what they do to whom, and how they are
//! confirmed.

use super::{DIM, HEADING, WARNING, count};
use crate::firewall::boot::way_of;
use crate::firewall::effect::{AddressCount, PortsChange};
use crate::firewall::text::allowed_sources;
use crate::model::{AddressFamily, AllowedSources, Networks};
use crate::plan::{
    AddressExtent, AllowlistChange, BootHook, BootStep, FirewallCause, FirewallStep, RetireStep,
};
use crate::report::Colour;
use crate::report::safe::SafeText;

/// `restrict imap, pop3 by mailward's own nftables table`.
pub(super) fn name(step: &FirewallStep) -> String {
    let services: Vec<&str> = step.allowlists.iter().map(|allowlist| allowlist.service.name()).collect();
    let opens = step.allowlists.iter().all(|allowlist| allowlist.to == AllowedSources::Anyone);
    let verb = if opens { "open" } else { "restrict" };
    format!("{verb} {} by {}", services.join(", "), step.way.words())
}

/// `have mailward's own nftables table at boot`.
pub(super) fn boot_name(step: &BootStep) -> String {
    match step.boot {
        BootHook::Restores => format!("have {} at boot", step.way.words()),
        BootHook::Records => format!("write down {} as confirmed", step.way.words()),
        BootHook::Forgets => format!("have {} no longer at boot", step.way.words()),
    }
}

/// `remove mailward's own iptables chain`.
pub(super) fn retire_name(step: &RetireStep) -> String {
    format!("remove {}", step.way.words())
}

pub(super) fn step(step: &FirewallStep, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    text.painted(HEADING, name(step));
    for allowlist in &step.allowlists {
        text.line(format_args!("  {}", allowlist_text(allowlist)));
        if let Some(closed) = closed_family(allowlist) {
            let closed = format!("    closed on {closed}: no {closed} network is declared");
            text.painted(WARNING, closed);
        }
    }
    for effect in &step.effects {
        let change = PortsChange {
            service: effect.service,
            ports: effect.ports.clone(),
            gains: effect.gains.networks(),
            loses: effect.loses.networks(),
            unclear: effect.unclear.networks(),
        };
        text.line(format_args!("  effect: {change}"));
        for (word, networks) in [("gain", &effect.gains), ("lose", &effect.loses)] {
            let counted = match networks {
                AddressExtent::Only(networks) if networks.is_empty() => continue,
                AddressExtent::Only(networks) => format!("{} {word} it", size(networks)),
                AddressExtent::AllBut(others) if others.is_empty() => format!("all {word} it"),
                AddressExtent::AllBut(others) => {
                    format!("all but {} {word} it", size(others))
                }
            };
            text.line(format_args!("    {counted}"));
        }
    }
    if step.effects.is_empty() {
        text.line("  effect: none now, since other rules of this host decide alike");
    }
    text.line("  open connections live on; this host itself always gets in");
    text.line(format_args!(
        "  goes back by itself unless it is confirmed from a new connection within {} s",
        step.confirm_within
    ));
    causes(&mut text, &step.causes);
    text
}

pub(super) fn boot(step: &BootStep, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    text.painted(HEADING, boot_name(step));
    for path in &step.paths {
        let verb = match step.boot {
            // The other way's rules must not come back beside these.
            BootHook::Restores | BootHook::Records if way_of(path).is_some_and(|way| way != step.way) => {
                "remove"
            }
            BootHook::Restores | BootHook::Records => "write",
            BootHook::Forgets => "remove",
        };
        text.line(format_args!("  {verb} {path}"));
    }
    text
}

pub(super) fn retire(step: &RetireStep, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    text.painted(HEADING, retire_name(step));
    let instead = step.instead.words();
    text.painted(DIM, format_args!("  because {instead} does it now"));
    text
}

/// `imap (143, 993): anyone → 203.0.113.0/24, 2001:db8:51::/48`.
fn allowlist_text(allowlist: &AllowlistChange) -> String {
    let ports: Vec<String> = allowlist.ports.iter().map(u16::to_string).collect();
    let from = allowlist.from.as_ref().map_or_else(|| "unclear".to_owned(), allowed_sources);
    let change = if allowlist.from.as_ref() == Some(&allowlist.to) {
        format!("{from}, as before")
    } else {
        format!("{from} → {}", allowed_sources(&allowlist.to))
    };
    format!("{} ({}): {change}", allowlist.service, ports.join(", "))
}

/// The family of which no network is allowed, where one of the other is.
fn closed_family(allowlist: &AllowlistChange) -> Option<AddressFamily> {
    let AllowedSources::Only(networks) = &allowlist.to else {
        return None;
    };
    let mut closed = AddressFamily::ALL.into_iter().filter(|family| networks.of_family(*family).is_empty());
    match (closed.next(), closed.next()) {
        (Some(family), None) => Some(family),
        (Some(_), Some(_)) | (None, _) => None,
    }
}

/// `2 IPv4 networks (512 addresses), 1 IPv6 network`.
fn size(networks: &Networks) -> String {
    let size = AddressCount::of(networks);
    let mut parts = Vec::new();
    if size.v4_networks > 0 {
        let addresses = match size.v4_addresses {
            1 => "1 address".to_owned(),
            many => format!("{many} addresses"),
        };
        parts.push(format!("{} ({addresses})", count(size.v4_networks, "IPv4 network")));
    }
    if size.v6_networks > 0 {
        parts.push(count(size.v6_networks, "IPv6 network"));
    }
    parts.join(", ")
}

fn causes(text: &mut SafeText, causes: &[FirewallCause]) {
    for cause in causes {
        let cause = match cause {
            FirewallCause::Declared { service, origin } => {
                format!("{}:{} declares who may reach {service}", origin.layer, origin.line)
            }
            FirewallCause::RulesDiffer => {
                "the rules are not those that mailward makes: somebody has changed them".to_owned()
            }
            FirewallCause::RulesGone => "the rules are gone from the kernel, though they come back \
                                       at boot: somebody has removed them"
                .to_owned(),
            FirewallCause::NeverConfirmed => {
                "the rules in force were never confirmed: something has changed them, or \
                                            brought them back"
                    .to_owned()
            }
        };
        text.painted(DIM, format_args!("  because {cause}"));
    }
}

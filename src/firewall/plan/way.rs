//! Chooses what enforces source networks on a host.

use super::{FirewallScene, blocked};
use crate::facts::tools::NftablesSupport;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker, declared_at};
use crate::firewall::observed::{NeighbourProgram, PleskFirewallState};
use crate::firewall::step::FilterBackend;
use crate::model::{AddressFamily, Declared, EnforcedBy};

/// The first kernel of which it is certain that it has all of nftables that is used; older ones may (4.18 is
/// that of Red Hat Enterprise Linux 8, whose own tools are built on it).
const CERTAIN: (u32, u32) = (4, 18);

/// The way that the manifest names, or the one that fits.
pub(super) fn choose(scene: &FirewallScene<'_>) -> Result<FilterBackend, Vec<PlanBlocker>> {
    let way = chosen(scene)?;
    match way {
        FilterBackend::Iptables if scene.observed.neighbours.contains(&NeighbourProgram::Firewalld) => {
            Err(flushed(scene))
        }
        FilterBackend::Iptables | FilterBackend::Nftables | FilterBackend::PleskFirewall => Ok(way),
    }
}

/// Own chains that would be gone at the next boot are not made.
fn flushed(scene: &FirewallScene<'_>) -> Vec<PlanBlocker> {
    let diagnostic = Diagnostic::new("own chains of iptables do not last beside firewalld").because(
        "firewalld flushes the table raw whenever it starts, reloads or stops, also at each boot and after mailward's hook: \
         the services would be open to everybody",
    );
    let diagnostic = match scene.observed.tools.nft {
        Some(_) => diagnostic.hint(
            "declare `enforce = \"nftables\"`: firewalld leaves the own table alone; or disable firewalld",
        ),
        None => {
            diagnostic.hint("install nft, for an own table that firewalld leaves alone; or disable firewalld")
        }
    };
    let declared = scene.desired.access.enforce.as_ref();
    blocked(PlanBlocked::Refused, place(declared, diagnostic))
}

fn chosen(scene: &FirewallScene<'_>) -> Result<FilterBackend, Vec<PlanBlocker>> {
    let declared = scene.desired.access.enforce.as_ref();
    match declared.map(|declared| declared.value) {
        None | Some(EnforcedBy::Auto) => automatic(scene),
        Some(EnforcedBy::PleskFirewall) => plesk(scene, declared),
        Some(EnforcedBy::Nftables) => match &scene.observed.tools.nft {
            Some(_) => Ok(FilterBackend::Nftables),
            None => Err(missing(declared, "nft is not installed")),
        },
        Some(EnforcedBy::Iptables) => match lacking(scene) {
            None => Ok(FilterBackend::Iptables),
            Some(lacking) => Err(missing(declared, &format!("{lacking} is not installed"))),
        },
    }
}

fn missing(declared: Option<&Declared<EnforcedBy>>, why: &str) -> Vec<PlanBlocker> {
    let diagnostic = Diagnostic::new("this host has not what shall enforce `access`").because(why);
    blocked(PlanBlocked::Manifest, place(declared, diagnostic))
}

fn place(declared: Option<&Declared<EnforcedBy>>, diagnostic: Diagnostic) -> Diagnostic {
    match declared {
        Some(declared) => diagnostic.at(declared_at(&declared.origin)),
        None => diagnostic,
    }
}

fn automatic(scene: &FirewallScene<'_>) -> Result<FilterBackend, Vec<PlanBlocker>> {
    if let Some(firewall) = &scene.observed.plesk {
        match &firewall.enabled {
            PleskFirewallState::Yes => return Ok(FilterBackend::PleskFirewall),
            PleskFirewallState::No => {}
            PleskFirewallState::Unknown(unread) => {
                let diagnostic = Diagnostic::new(
                    "it is not known whether Plesk's firewall manages the rules of this host",
                )
                .because(unread.to_string())
                .hint("say in `access.enforce` what shall enforce the networks");
                return Err(blocked(PlanBlocked::Unknown, diagnostic));
            }
        }
    }
    let tools = &scene.observed.tools;
    let able =
        tools.kernel.nf_tables == NftablesSupport::Present || is_certain(tools.kernel.release.as_deref());
    if tools.nft.is_some() && able {
        return Ok(FilterBackend::Nftables);
    }
    match lacking(scene) {
        None => Ok(FilterBackend::Iptables),
        Some(lacking) => {
            let diagnostic = Diagnostic::new("nothing on this host can enforce `access`")
                .because(format!(
                    "there is no Plesk firewall that manages rules, no nft for this kernel, and no {lacking}"
                ))
                .hint("install nftables, or iptables on a kernel before 4.18");
            Err(blocked(PlanBlocked::Manifest, diagnostic))
        }
    }
}

/// What iptables needs and is not there.
fn lacking(scene: &FirewallScene<'_>) -> Option<&'static str> {
    let tools = &scene.observed.tools;
    let has = |family| {
        let tools = tools.of(family);
        tools.save.is_some() && tools.restore.is_some()
    };
    if !has(AddressFamily::Ipv4) {
        return Some("iptables-save and iptables-restore");
    }
    // Without them what comes by IPv6 would not be restricted.
    (scene.observed.speaks_ipv6 && !has(AddressFamily::Ipv6))
        .then_some("ip6tables-save and ip6tables-restore")
}

fn is_certain(release: Option<&str>) -> bool {
    let mut numbers = release
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= CERTAIN
}

fn plesk(
    scene: &FirewallScene<'_>,
    declared: Option<&Declared<EnforcedBy>>,
) -> Result<FilterBackend, Vec<PlanBlocker>> {
    let Some(firewall) = &scene.observed.plesk else {
        return Err(missing(declared, "there is no Plesk firewall with a command"));
    };
    match &firewall.enabled {
        PleskFirewallState::Yes => Ok(FilterBackend::PleskFirewall),
        PleskFirewallState::No => {
            let diagnostic = Diagnostic::new("Plesk's firewall does not manage the rules of this host")
                .because("switching it on would change what reaches every service of the host")
                .hint("switch it on in Plesk and see that all is well, or take another `access.enforce`");
            Err(blocked(PlanBlocked::Refused, place(declared, diagnostic)))
        }
        PleskFirewallState::Unknown(unread) => {
            let diagnostic =
                Diagnostic::new("it is not known whether Plesk's firewall manages the rules of this host")
                    .because(unread.to_string());
            Err(blocked(PlanBlocked::Unknown, place(declared, diagnostic)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_certain;

    #[test]
    fn a_kernel_is_judged_by_its_first_two_numbers() {
        for certain in ["4.18.0-513.el8.x86_64", "6.1.0-13-amd64", "5.4", "10.0-rc1"] {
            assert!(is_certain(Some(certain)), "{certain}");
        }
        for not in ["2.6.18-8.el5", "3.10.0-1160.el7", "4.9.0-19-amd64", "", "x"] {
            assert!(!is_certain(Some(not)), "{not}");
        }
        assert!(!is_certain(None));
    }
}

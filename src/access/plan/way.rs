//! Chooses what enforces source networks on a host.

use super::{Scene, blocked};
use crate::access::observed::{Enabled, Neighbour};
use crate::access::tools::NfTables;
use crate::failure::{Blocked, Blocker, Diagnostic};
use crate::limits::declared_at;
use crate::model::{Declared, Enforce, Family};
use crate::plan::Way;

/// The first kernel of which it is certain that it has all of nftables that is used; older ones may (4.18 is that of Red Hat
/// Enterprise Linux 8, whose own tools are built on it).
const CERTAIN: (u32, u32) = (4, 18);

/// The way that the manifest names, or the one that fits.
pub(super) fn choose(scene: &Scene<'_>) -> Result<Way, Vec<Blocker>> {
    let way = chosen(scene)?;
    match way {
        Way::Iptables if scene.observed.neighbours.contains(&Neighbour::Firewalld) => {
            Err(flushed(scene))
        }
        Way::Iptables | Way::Nftables | Way::PleskFirewall => Ok(way),
    }
}

/// Own chains that would be gone at the next boot are not made.
fn flushed(scene: &Scene<'_>) -> Vec<Blocker> {
    let diagnostic = Diagnostic::new("own chains of iptables do not last beside firewalld").because(
        "firewalld flushes the table raw whenever it starts, reloads or stops, also at each boot and after mailward's hook: \
         the services would be open to everybody",
    );
    let diagnostic = match scene.observed.tools.nft {
        Some(_) => diagnostic.hint(
            "declare `enforce = \"nftables\"`: firewalld leaves the own table alone; or disable firewalld",
        ),
        None => diagnostic.hint(
            "install nft, for an own table that firewalld leaves alone; or disable firewalld",
        ),
    };
    let declared = scene.desired.access.enforce.as_ref();
    blocked(Blocked::Refused, place(declared, diagnostic))
}

fn chosen(scene: &Scene<'_>) -> Result<Way, Vec<Blocker>> {
    let declared = scene.desired.access.enforce.as_ref();
    match declared.map(|declared| declared.value) {
        None | Some(Enforce::Auto) => automatic(scene),
        Some(Enforce::PleskFirewall) => plesk(scene, declared),
        Some(Enforce::Nftables) => match &scene.observed.tools.nft {
            Some(_) => Ok(Way::Nftables),
            None => Err(missing(declared, "nft is not installed")),
        },
        Some(Enforce::Iptables) => match lacking(scene) {
            None => Ok(Way::Iptables),
            Some(lacking) => Err(missing(declared, &format!("{lacking} is not installed"))),
        },
    }
}

fn missing(declared: Option<&Declared<Enforce>>, why: &str) -> Vec<Blocker> {
    let diagnostic = Diagnostic::new("this host has not what shall enforce `access`").because(why);
    blocked(Blocked::Manifest, place(declared, diagnostic))
}

fn place(declared: Option<&Declared<Enforce>>, diagnostic: Diagnostic) -> Diagnostic {
    match declared {
        Some(declared) => diagnostic.at(declared_at(&declared.origin)),
        None => diagnostic,
    }
}

fn automatic(scene: &Scene<'_>) -> Result<Way, Vec<Blocker>> {
    if let Some(firewall) = &scene.observed.plesk {
        match &firewall.enabled {
            Enabled::Yes => return Ok(Way::PleskFirewall),
            Enabled::No => {}
            Enabled::Unknown(unread) => {
                let diagnostic = Diagnostic::new(
                    "it is not known whether Plesk's firewall manages the rules of this host",
                )
                .because(unread.to_string())
                .hint("say in `access.enforce` what shall enforce the networks");
                return Err(blocked(Blocked::Unknown, diagnostic));
            }
        }
    }
    let tools = &scene.observed.tools;
    let able =
        tools.kernel.nf_tables == NfTables::Present || is_certain(tools.kernel.release.as_deref());
    if tools.nft.is_some() && able {
        return Ok(Way::Nftables);
    }
    match lacking(scene) {
        None => Ok(Way::Iptables),
        Some(lacking) => {
            let diagnostic = Diagnostic::new("nothing on this host can enforce `access`")
                .because(format!(
                    "there is no Plesk firewall that manages rules, no nft for this kernel, and no {lacking}"
                ))
                .hint("install nftables, or iptables on a kernel before 4.18");
            Err(blocked(Blocked::Manifest, diagnostic))
        }
    }
}

/// What iptables needs and is not there.
fn lacking(scene: &Scene<'_>) -> Option<&'static str> {
    let tools = &scene.observed.tools;
    let has = |family| {
        let tools = tools.of(family);
        tools.save.is_some() && tools.restore.is_some()
    };
    if !has(Family::Ipv4) {
        return Some("iptables-save and iptables-restore");
    }
    // Without them what comes by IPv6 would not be restricted.
    (scene.observed.speaks_ipv6 && !has(Family::Ipv6))
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

fn plesk(scene: &Scene<'_>, declared: Option<&Declared<Enforce>>) -> Result<Way, Vec<Blocker>> {
    let Some(firewall) = &scene.observed.plesk else {
        return Err(missing(
            declared,
            "there is no Plesk firewall with a command",
        ));
    };
    match &firewall.enabled {
        Enabled::Yes => Ok(Way::PleskFirewall),
        Enabled::No => {
            let diagnostic = Diagnostic::new(
                "Plesk's firewall does not manage the rules of this host",
            )
            .because("switching it on would change what reaches every service of the host")
            .hint(
                "switch it on in Plesk and see that all is well, or take another `access.enforce`",
            );
            Err(blocked(Blocked::Refused, place(declared, diagnostic)))
        }
        Enabled::Unknown(unread) => {
            let diagnostic = Diagnostic::new(
                "it is not known whether Plesk's firewall manages the rules of this host",
            )
            .because(unread.to_string());
            Err(blocked(Blocked::Unknown, place(declared, diagnostic)))
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

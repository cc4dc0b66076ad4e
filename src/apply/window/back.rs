//! Takes a change back: what was written down beforehand is loaded, and looked for in the kernel.

use std::time::Duration;

use super::load::{self, LIST_CAP, Loader};
use super::open::{printed, saved};
use super::record::Window;
use crate::access::{Ends, Gate, boot, iptables, nft};
use crate::apply::ApplyFailure;
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::batch;
use crate::host::timer::Load;
use crate::host::{Command, End, Found, ReadHost, WriteHost};
use crate::model::{Family, HostPath, known};
use crate::observe::{Observed, Scope};
use crate::plan::Way;

/// Whether the host has booted since a change went live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Booted {
    /// It has: the kernel has what the boot brought back.
    Since,
    /// It has not.
    No,
}

/// What became of a change that was to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a change may have been confirmed by others"]
pub(super) enum Taken {
    /// It is taken back.
    Back,
    /// It stays: the vendor's own command has confirmed it.
    Stays,
}

/// Loads what was before, and looks whether it is there.
pub(super) fn take_back(
    host: &mut dyn WriteHost,
    facts: &Facts,
    window: &Window,
    booted: Booted,
    deadline: Duration,
) -> Result<Taken, ApplyFailure> {
    let Some(load) = &window.load else {
        return super::plesk::reset(host, window, booted, deadline);
    };
    // Whatever the programs say and whatever happened meanwhile, a boot included: what the kernel has decides.
    let loaded = if is_back(host, window, deadline)? {
        Ok(())
    } else {
        restore(host, load, deadline)
    };
    let Err(failure) = loaded else {
        tidy(host, facts, window, deadline)?;
        return if is_back(host, window, deadline)? {
            Ok(Taken::Back)
        } else {
            Err(not_back().into())
        };
    };
    if is_back(host, window, deadline)? {
        return Ok(Taken::Back);
    }
    Err(failure.and(vec![not_back()]))
}

fn not_back() -> Diagnostic {
    Diagnostic::new("the rules of before are not in the kernel").hint(
        "`mailward revert` tries again; look at the rules with `nft list ruleset` or `iptables-save`; what was before \
         lies in /var/lib/mailward/access/revert.*",
    )
}

/// Loads the files that were written beforehand.
fn restore(host: &mut dyn WriteHost, load: &Load, deadline: Duration) -> Result<(), ApplyFailure> {
    match load {
        Load::Nftables { nft } => {
            let arguments = vec!["-f".to_owned(), boot::state("revert.nft").to_string()];
            load::run(host, Command::new(nft.clone(), arguments, deadline))
        }
        Load::Iptables { v4, v6 } => {
            // One that fails keeps nobody from loading the other.
            let mut all = Ok(());
            for (restore, name) in [(v4, "revert.v4"), (v6, "revert.v6")] {
                let (Some(restore), Some(text)) = (restore, text(host, name)?) else {
                    continue;
                };
                let loaded = load::script_of_iptables(host, restore, &text, Loader::Run, deadline);
                all = all.and(loaded);
            }
            all
        }
    }
}

/// Takes away what a script could not: empty chains that were not there before.
pub(super) fn tidy(
    host: &mut dyn WriteHost,
    facts: &Facts,
    window: &Window,
    deadline: Duration,
) -> Result<(), ApplyFailure> {
    if window.way != Way::Iptables {
        return Ok(());
    }
    let observed = Observed::read(host, facts, Scope::Of(&window.desired))?;
    let Some(access) = &observed.access else {
        return Ok(());
    };
    let Some(Load::Iptables { v4, v6 }) = &window.load else {
        return Ok(());
    };
    for (restore, name, family) in [
        (v4, "revert.v4", Family::Ipv4),
        (v6, "revert.v6", Family::Ipv6),
    ] {
        let (Some(restore), Some(was)) = (restore, text(host, name)?) else {
            continue;
        };
        for chains in access.own_chains(family).unwrap_or_default() {
            let present = [(chains.end, chains.own.present.clone())].into();
            if let Some(script) = iptables::removal(&iptables::idle(&present, &was)) {
                load::script_of_iptables(host, restore, &script, Loader::Run, deadline)?;
            }
        }
    }
    Ok(())
}

/// Whether the own table has exactly these gates.
fn has_gates(
    host: &dyn ReadHost,
    nft: &HostPath,
    gates: &[Gate],
    deadline: Duration,
) -> Result<bool, ApplyFailure> {
    let words = ["-j", "list", "ruleset"];
    let now = printed(host, nft, &words, deadline)?;
    let table = nft::own(now.as_bytes())?;
    Ok(match table {
        None => nft::rules(gates, Ends::Both).is_empty(),
        // A version before made it for one end.
        Some(table) => Ends::ALL
            .into_iter()
            .any(|ends| table.is_made_of(gates, ends)),
    })
}

/// A file of access in mailward's state.
pub(super) fn text(host: &dyn ReadHost, name: &str) -> Result<Option<String>, ApplyFailure> {
    text_at(host, boot::state(name))
}

/// A file of mailward's own; none where it is missing.
pub(super) fn text_at(host: &dyn ReadHost, path: HostPath) -> Result<Option<String>, ApplyFailure> {
    match batch::ask(host, |batch| batch.file(path.clone()))? {
        Found::File(state) => Ok(Some(String::from_utf8_lossy(&state.bytes).into_owned())),
        Found::Missing => Ok(None),
        Found::NotRegular | Found::Unreadable(_) => {
            Err(Diagnostic::new(format!("cannot read {path}")).into())
        }
    }
}

/// Whether the own rules are those that were written down before the change.
pub(super) fn is_back(
    host: &dyn ReadHost,
    window: &Window,
    deadline: Duration,
) -> Result<bool, ApplyFailure> {
    match &window.load {
        Some(Load::Nftables { nft }) => {
            let words = ["list", "table", "inet", nft::TABLE];
            let mut command = Command::new(
                nft.clone(),
                words.iter().map(|&word| word.to_owned()).collect(),
                deadline,
            );
            command.cap = LIST_CAP;
            let output = batch::ask(host, |batch| batch.output(command))?;
            let now = match output.end {
                End::Code(0) => String::from_utf8_lossy(&output.stdout).into_owned(),
                // There is none.
                End::Code(_) => String::new(),
                End::Signal(_) | End::TimedOut | End::NotStarted => return Ok(false),
            };
            let Some(was) = text(host, "revert.nft")? else {
                return Ok(false);
            };
            if nft::same_listing(&was, &nft::revert(Some(&now))) {
                return Ok(true);
            }
            // What was confirmed last is written in another form than it is listed in.
            match nft::gates_of(&was) {
                Some(gates) => has_gates(host, nft, &gates, deadline),
                None => Ok(false),
            }
        }
        Some(Load::Iptables { v4, v6 }) => {
            for (restore, name, family) in [
                (v4, "revert.v4", Family::Ipv4),
                (v6, "revert.v6", Family::Ipv6),
            ] {
                let (Some(restore), Some(was)) = (restore, text(host, name)?) else {
                    continue;
                };
                let save = known(&restore.as_str().replace("-restore", "-save"));
                let now = saved(host, &save, deadline)?;
                let is_same = |end| {
                    let own = iptables::own_lines(&was, end);
                    // Without a jump to them they are not in force.
                    let in_force = own.is_empty() || iptables::is_hooked(&now, end);
                    in_force && iptables::own_lines(&now, end) == own
                };
                if iptables::End::ALL.into_iter().all(is_same) {
                    continue;
                }
                if !iptables::same_rules(&was, &now, family) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        None => Ok(true),
    }
}

//! Takes a change back: what was written down beforehand is loaded, and looked for in the kernel.

use std::time::Duration;

use super::context::WindowContext;
use super::load::{self, LoadContext};
use super::open::{SavedTables, lister, printed};
use crate::engine::ApplyFailure;
use crate::engine::observe::{ObserveScope, Observed};
use crate::failure::Diagnostic;
use crate::firewall::checkpoint::Checkpoint;
use crate::firewall::{NatEnds, PortAllowlist, boot, iptables, nft};
use crate::host::batch::Batch;
use crate::host::timer::TimerLoad;
use crate::host::{CommandEnding, FileFound, HostCommand, ReadHost, WriteHost};
use crate::model::{AddressFamily, HostPath, known};
use crate::plan::FilterBackend;

/// Whether the host has booted since a change went live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BootSince {
    /// It has: the kernel has what the boot brought back.
    Since,
    /// It has not.
    No,
}

/// What became of a change that was to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a change may have been confirmed by others"]
pub(super) enum TakenBack {
    /// It is taken back.
    Back,
    /// It stays: the vendor's own command has confirmed it.
    Stays,
}

/// Loads what was before, and looks whether it is there.
pub(super) fn take_back(
    cx: &mut WindowContext<'_>,
    checkpoint: &Checkpoint,
    booted: BootSince,
) -> Result<TakenBack, ApplyFailure> {
    let Some(load) = &checkpoint.load else {
        return super::plesk::reset(cx.host, checkpoint, booted, cx.deadline);
    };
    // Whatever the programs say and whatever happened meanwhile, a boot included: what the kernel has
    // decides.
    let loaded =
        if is_back(cx.host, checkpoint, cx.deadline)? { Ok(()) } else { restore(cx.host, load, cx.deadline) };
    let Err(failure) = loaded else {
        tidy(cx, checkpoint)?;
        return if is_back(cx.host, checkpoint, cx.deadline)? {
            Ok(TakenBack::Back)
        } else {
            Err(not_back().into())
        };
    };
    if is_back(cx.host, checkpoint, cx.deadline)? {
        return Ok(TakenBack::Back);
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
fn restore(host: &mut dyn WriteHost, load: &TimerLoad, deadline: Duration) -> Result<(), ApplyFailure> {
    match load {
        TimerLoad::Nftables { nft } => {
            let arguments = vec!["-f".to_owned(), boot::state("revert.nft").to_string()];
            load::run(host, HostCommand::new(nft.clone(), arguments, deadline))
        }
        TimerLoad::Iptables { v4, v6 } => {
            let [was_v4, was_v6] = texts(host, ["revert.v4", "revert.v6"])?;
            let mut cx = LoadContext::of_run(host, deadline);
            // One that fails keeps nobody from loading the other.
            let mut all = Ok(());
            for (restore, was) in [(v4, was_v4), (v6, was_v6)] {
                let (Some(restore), Some(was)) = (restore, was) else {
                    continue;
                };
                let loaded = load::script_of_iptables(&mut cx, restore, &was);
                all = all.and(loaded);
            }
            all
        }
    }
}

/// Takes away what a script could not: empty chains that were not there before.
pub(super) fn tidy(cx: &mut WindowContext<'_>, checkpoint: &Checkpoint) -> Result<(), ApplyFailure> {
    if checkpoint.way != FilterBackend::Iptables {
        return Ok(());
    }
    let observed = Observed::read(cx.host, cx.survey, ObserveScope::Of(&checkpoint.desired))?;
    let Some(access) = &observed.firewall else {
        return Ok(());
    };
    let Some(TimerLoad::Iptables { v4, v6 }) = &checkpoint.load else {
        return Ok(());
    };
    let [was_v4, was_v6] = texts(cx.host, ["revert.v4", "revert.v6"])?;
    let mut loading = LoadContext::of_run(cx.host, cx.deadline);
    for (restore, was, family) in [(v4, was_v4, AddressFamily::Ipv4), (v6, was_v6, AddressFamily::Ipv6)] {
        let (Some(restore), Some(was)) = (restore, was) else {
            continue;
        };
        for chains in access.own_chains(family).unwrap_or_default() {
            let present = [(chains.end, chains.own.present.clone())].into();
            if let Some(script) = iptables::removal(&iptables::idle(&present, &was)) {
                load::script_of_iptables(&mut loading, restore, &script)?;
            }
        }
    }
    Ok(())
}

/// Whether the own table has exactly these allowlists.
fn has_allowlists(
    host: &dyn ReadHost,
    nft: &HostPath,
    allowlists: &[PortAllowlist],
    deadline: Duration,
) -> Result<bool, ApplyFailure> {
    let words = ["-j", "list", "ruleset"];
    let now = printed(host, nft, &words, deadline)?;
    let table = nft::own(now.as_bytes())?;
    Ok(match table {
        None => nft::rules(allowlists, NatEnds::Both).is_empty(),
        // A version before made it for one end.
        Some(table) => NatEnds::ALL.into_iter().any(|ends| table.is_made_of(allowlists, ends)),
    })
}

/// Files of access in mailward's state; none where one is missing.
pub(super) fn texts<const N: usize>(
    host: &dyn ReadHost,
    names: [&str; N],
) -> Result<[Option<String>; N], ApplyFailure> {
    let mut batch = Batch::default();
    let tickets = names.map(|name| batch.file(boot::state(name)));
    let mut answers = batch.read(host)?;
    let mut texts = [const { None }; N];
    for ((text, name), ticket) in texts.iter_mut().zip(names).zip(tickets) {
        *text = text_of(&boot::state(name), answers.take(ticket)?)?;
    }
    Ok(texts)
}

/// The text of a file of mailward's own; none where it is missing.
pub(super) fn text_of(path: &HostPath, found: FileFound) -> Result<Option<String>, ApplyFailure> {
    match found {
        FileFound::File(state) => Ok(Some(String::from_utf8_lossy(&state.bytes).into_owned())),
        FileFound::Missing => Ok(None),
        FileFound::NotRegular | FileFound::Unreadable(_) => {
            Err(Diagnostic::new(format!("cannot read {path}")).into())
        }
    }
}

/// Whether the own rules are those that were written down before the change.
pub(super) fn is_back(
    host: &dyn ReadHost,
    checkpoint: &Checkpoint,
    deadline: Duration,
) -> Result<bool, ApplyFailure> {
    match &checkpoint.load {
        Some(TimerLoad::Nftables { nft }) => {
            let words = ["list", "table", "inet", nft::TABLE];
            let path = boot::state("revert.nft");
            let mut batch = Batch::default();
            let listed = batch.output(lister(nft, &words, deadline));
            let was = batch.file(path.clone());
            let mut answers = batch.read(host)?;
            let output = answers.take(listed)?;
            let now = match output.end {
                CommandEnding::Code(0) => String::from_utf8_lossy(&output.stdout).into_owned(),
                // There is none.
                CommandEnding::Code(_) => String::new(),
                CommandEnding::Signal(_) | CommandEnding::TimedOut | CommandEnding::NotStarted => {
                    return Ok(false);
                }
            };
            let Some(was) = text_of(&path, answers.take(was)?)? else {
                return Ok(false);
            };
            if nft::same_listing(&was, &nft::revert(Some(&now))) {
                return Ok(true);
            }
            // What was confirmed last is written in another form than it is listed in.
            match nft::allowlists_of(&was) {
                Some(allowlists) => has_allowlists(host, nft, &allowlists, deadline),
                None => Ok(false),
            }
        }
        Some(TimerLoad::Iptables { v4, v6 }) => {
            for (restore, name, family) in
                [(v4, "revert.v4", AddressFamily::Ipv4), (v6, "revert.v6", AddressFamily::Ipv6)]
            {
                let Some(restore) = restore else {
                    continue;
                };
                let path = boot::state(name);
                let save = known(&restore.as_str().replace("-restore", "-save"));
                let mut batch = Batch::default();
                let was = batch.file(path.clone());
                let tables = SavedTables::ask(&mut batch, &save, deadline);
                let mut answers = batch.read(host)?;
                let Some(was) = text_of(&path, answers.take(was)?)? else {
                    continue;
                };
                let now = tables.text(&mut answers)?;
                let is_same = |end| {
                    let own = iptables::own_lines(&was, end);
                    // Without a jump to them they are not in force.
                    let in_force = own.is_empty() || iptables::is_hooked(&now, end);
                    in_force && iptables::own_lines(&now, end) == own
                };
                if iptables::NatEnd::ALL.into_iter().all(is_same) {
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

//! Changes of panel access as text: by direction and domain, the first accounts named, or all, or none.

use std::fmt::Write as _;

use super::{DIM, HEADING, count};
use crate::plan::{AccountAct, PanelAccessCause, PanelAccessNote, PanelAccessStep, Plan, Step};
use crate::report::safe::SafeText;

/// How much of what concerns accounts is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountDetail {
    /// The first few domains, and of each the first few accounts.
    Brief,
    /// Everything.
    Full,
    /// All domains, and of each only how many accounts.
    Counts,
}

/// Accounts of a domain that are named in brief.
const FEW: usize = 3;

/// Domains that are named in brief.
const DOMAINS: usize = 20;

/// Lines of a manifest that are named in brief.
const LINES: usize = 8;

/// `deny panel access to 3 accounts of example.jp`.
pub(super) fn name(step: &PanelAccessStep) -> String {
    let accounts = count(step.count, "account");
    let domain = &step.domain;
    format!("{} {accounts} of {domain}", verb(step.act))
}

/// Every act, in the order in which they are told.
const ACTS: [AccountAct; 5] =
    [AccountAct::Forbid, AccountAct::Lock, AccountAct::Permit, AccountAct::Unlock, AccountAct::CreateUser];

const fn verb(act: AccountAct) -> &'static str {
    match act {
        AccountAct::Forbid | AccountAct::Lock => "deny panel access to",
        AccountAct::Permit | AccountAct::Unlock => "grant panel access to",
        AccountAct::CreateUser => "grant panel access by a new user to",
    }
}

/// `deny panel access to 300 accounts in 20 domains`, for each act.
pub(super) fn in_brief<'a>(steps: impl Iterator<Item = &'a PanelAccessStep> + Clone) -> Vec<String> {
    let mut brief = Vec::new();
    for act in ACTS {
        let steps: Vec<&PanelAccessStep> = steps.clone().filter(|step| step.act == act).collect();
        match steps.as_slice() {
            [] => {}
            [one] => brief.push(name(one)),
            several => brief.push(heading(several, act)),
        }
    }
    brief
}

/// `3 accounts keep panel access that the manifest denies, and are left alone`; nothing where none is left as
/// it is.
pub(super) fn left_alone(plan: &Plan) -> Option<String> {
    let (keep, lack) = super::left_alone(plan);
    let keep = (keep > 0).then(|| {
        let verb = if keep == 1 { "keeps" } else { "keep" };
        let accounts = count(keep, "account");
        format!("{accounts} {verb} panel access that the manifest denies")
    });
    let lack = (lack > 0).then(|| {
        let verb = if lack == 1 { "lacks" } else { "lack" };
        let accounts = count(lack, "account");
        format!("{accounts} {verb} panel access that the manifest grants")
    });
    let said: Vec<String> = keep.into_iter().chain(lack).collect();
    (!said.is_empty()).then(|| format!("{}, left alone", said.join(" and ")))
}

fn heading(steps: &[&PanelAccessStep], act: AccountAct) -> String {
    let accounts = steps.iter().map(|step| step.count).sum();
    format!("{} {} in {}", verb(act), count(accounts, "account"), count(steps.len(), "domain"))
}

/// The steps on accounts of a plan.
pub(super) fn steps(plan: &Plan) -> impl Iterator<Item = &PanelAccessStep> + Clone {
    plan.steps.iter().filter_map(Step::as_panel_access)
}

/// Everything that a plan does to accounts.
pub(super) fn text(text: &mut SafeText, plan: &Plan, detail: AccountDetail) {
    for act in ACTS {
        let steps: Vec<&PanelAccessStep> = self::steps(plan).filter(|step| step.act == act).collect();
        if steps.is_empty() {
            continue;
        }
        text.painted(HEADING, heading(&steps, act));
        let shown = match detail {
            AccountDetail::Brief => DOMAINS,
            AccountDetail::Full | AccountDetail::Counts => usize::MAX,
        };
        for step in steps.iter().take(shown) {
            domain(text, step, detail);
        }
        if steps.len() > shown {
            let rest = steps.iter().skip(shown);
            let accounts = rest.map(|step| step.count).sum();
            let (domains, accounts) = (count(steps.len() - shown, "more domain"), count(accounts, "account"));
            text.line(format_args!("  {domains}, {accounts} (--verbose names them)"));
        }
        for cause in causes(&steps, detail) {
            text.painted(DIM, format_args!("  because {cause}"));
        }
        text.end();
    }
}

fn domain(text: &mut SafeText, step: &PanelAccessStep, detail: AccountDetail) {
    let domain = &step.domain;
    let names = || {
        (step.accounts.iter()).map(|change| {
            let name = change.account.rsplit_once('@');
            name.map_or(change.account.as_str(), |(name, _)| name).to_owned()
        })
    };
    let said = match detail {
        AccountDetail::Counts => count(step.count, "account"),
        AccountDetail::Full => names().collect::<Vec<_>>().join(", "),
        AccountDetail::Brief => {
            let first: Vec<String> = names().take(FEW).collect();
            match step.count.saturating_sub(first.len()) {
                0 => first.join(", "),
                more => format!("{} and {more} more", first.join(", ")),
            }
        }
    };
    text.line(format_args!("  {domain}: {said}"));
}

fn causes(steps: &[&PanelAccessStep], detail: AccountDetail) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut domains = 0;
    let mut layers: Vec<(&str, Vec<u32>)> = Vec::new();
    for (cause, access) in
        (steps.iter()).flat_map(|step| step.causes.iter().map(|cause| (cause, step.access)))
    {
        match cause {
            PanelAccessCause::Default { origin } => {
                let (layer, line) = (&origin.layer, origin.line);
                let cause = format!("{layer}:{line} declares default = {}", access.word());
                if !said.contains(&cause) {
                    said.push(cause);
                }
            }
            PanelAccessCause::Domain { origin } => {
                domains += 1;
                if domains <= DOMAINS || detail == AccountDetail::Full {
                    let (layer, line) = (&origin.layer, origin.line);
                    let text = origin.text.trim();
                    said.push(format!("{layer}:{line} declares {text}"));
                }
            }
            PanelAccessCause::Accounts { layer, lines } => {
                match layers.iter_mut().find(|(name, _)| name == layer) {
                    Some((_, all)) => all.extend(lines),
                    None => layers.push((layer, lines.clone())),
                }
            }
        }
    }
    for (layer, mut lines) in layers {
        lines.sort_unstable();
        let shown = match detail {
            AccountDetail::Full => lines.len(),
            AccountDetail::Brief | AccountDetail::Counts => LINES,
        };
        let first: Vec<String> = lines.iter().take(shown).map(u32::to_string).collect();
        let mut cause = format!("{layer}:{}", first.join(", "));
        if lines.len() > shown {
            let _ = write!(cause, " and {} more lines", lines.len() - shown);
        }
        cause.push_str(if lines.len() == 1 { " names it" } else { " name them" });
        said.push(cause);
    }
    said
}

/// What a note says.
pub(super) fn note(note: &PanelAccessNote, detail: AccountDetail) -> String {
    match note {
        PanelAccessNote::AccountsLeftAlone { reason, count: number, keep, lack, accounts } => {
            let shown = match detail {
                AccountDetail::Brief => 3,
                AccountDetail::Full => accounts.len(),
                AccountDetail::Counts => 0,
            };
            let mut named: Vec<String> = (accounts.iter().take(shown)).cloned().collect();
            if named.is_empty() {
                named.push(count(*number, "account"));
            } else if *number > named.len() {
                named.push(format!("and {} more", number - named.len()));
            }
            let verb = if *number == 1 { "is" } else { "are" };
            let differs = match (keep, lack) {
                (0, 0) => String::new(),
                (keep, 0) => format!(" ({keep} with panel access that the manifest denies)"),
                (0, lack) => format!(" ({lack} without panel access that the manifest grants)"),
                (keep, lack) => format!(
                    " ({keep} with panel access that the manifest denies, {lack} without access that it grants)"
                ),
            };
            let named = named.join(", ");
            format!("{named} {verb} left alone: {}{differs}", reason.words())
        }
        PanelAccessNote::Missing(advice) => super::advice(advice),
    }
}

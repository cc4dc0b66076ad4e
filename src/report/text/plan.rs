//! A plan as text: what changes and why, which service actions follow and what they cost, what is left alone.

use super::change::change;
use super::panel_access::{self, AccountDetail};
use super::{DIM, HEADING, WARNING, count, effect};
use super::{firewall, notes};
use crate::limits::{self, text::value};
use crate::model::printable;
use crate::plan::{
    ActionCost, ActionVerb, AlsoLiveSessions, CommonNote, Daemon, FileEdit, FirewallNote, LimitsNote, Note,
    PanelAccessNote, PanelLimitStep, Plan, ServiceAction, SettingNamed, Step, StepCause,
};
use crate::report::Colour;
use crate::report::safe::SafeText;

/// The whole plan.
#[must_use]
pub fn plan(plan: &Plan, detail: AccountDetail, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    let head = notes::unwatched(&plan.notes);
    if let Some(unwatched) = head {
        text.add(&waiting(unwatched, colour)).end().end();
    }
    for step in &plan.steps {
        match step {
            Step::Edit(edit) => edit_text(&mut text, edit),
            Step::Panel(panel) => panel_text(&mut text, panel),
            Step::Action(action) => action_text(&mut text, action),
            // Below.
            Step::PanelAccess(_) | Step::Firewall(_) | Step::Boot(_) | Step::Retire(_) => continue,
        }
        text.end();
    }
    panel_access::text(&mut text, plan, detail);
    for step in &plan.steps {
        let said = match step {
            Step::Firewall(step) => firewall::step(step, colour),
            Step::Boot(step) => firewall::boot(step, colour),
            Step::Retire(step) => firewall::retire(step, colour),
            Step::Edit(_) | Step::Panel(_) | Step::Action(_) | Step::PanelAccess(_) => continue,
        };
        text.add(&said);
        text.end();
    }
    let notes = notes::lines(&plan.notes, head, detail, colour);
    text.add(&notes);
    if !notes.is_empty() {
        text.end();
    }
    text.line(summary(plan));
    text.painted(DIM, format_args!("fingerprint {}", plan.fingerprint));
    text
}

/// What there is to say of a change of access that waits, in a line that begins with the word for it.
#[must_use]
pub fn waiting(waiting: &Note, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    let said = note(waiting, AccountDetail::Brief);
    match waiting {
        Note::Firewall(FirewallNote::Unwatched { .. }) => {
            text.paint(WARNING, format_args!("UNWATCHED: {said}"))
        }
        Note::Firewall(FirewallNote::Waits { .. }) => text.paint(WARNING, format_args!("WAITS: {said}")),
        Note::Firewall(FirewallNote::NeverConfirmed { .. }) => {
            text.paint(WARNING, format_args!("UNCONFIRMED: {said}"))
        }
        Note::Limits(LimitsNote::NotRunning { .. })
        | Note::Limits(LimitsNote::Stranger { .. })
        | Note::Limits(LimitsNote::NotRestarted { .. })
        | Note::Limits(LimitsNote::Problem { .. })
        | Note::Limits(LimitsNote::Unmanaged { .. })
        | Note::PanelAccess(PanelAccessNote::AccountsLeftAlone { .. })
        | Note::PanelAccess(PanelAccessNote::Missing(_))
        | Note::Common(CommonNote::Advice(_))
        | Note::Firewall(FirewallNote::ToConfirm { .. })
        | Note::Firewall(FirewallNote::Displaced { .. })
        | Note::Common(CommonNote::Remark { .. }) => text.say(said),
    };
    text
}

/// The plan in one line.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        return match panel_access::left_alone(plan) {
            None => "Nothing to do: the host is as desired.".to_owned(),
            Some(left) => format!("Nothing to do: the host is as desired, but {left}."),
        };
    }
    let (mut files, mut lines, mut panels) = (0, 0, 0);
    let (mut actions, mut rules) = (Vec::new(), Vec::new());
    for step in &plan.steps {
        match step {
            Step::Edit(edit) => {
                files += 1;
                lines += edit.lines.len();
            }
            Step::Panel(_) => panels += 1,
            Step::PanelAccess(_) | Step::Boot(_) | Step::Retire(_) => {}
            Step::Firewall(step) => rules.push(firewall::name(step)),
            Step::Action(action) => actions.push(format!("{} {}", action.verb.name(), action.unit)),
        }
    }
    let mut parts = Vec::new();
    if files > 0 {
        parts.push(format!("change {} in {}", count(lines, "line"), count(files, "file")));
    }
    if panels > 0 {
        parts.push(format!("run {} of the panel", count(panels, "command")));
    }
    if actions.is_empty() && (rules.is_empty() || files + panels > 0) {
        parts.push("no service action".to_owned());
    }
    parts.extend(actions);
    parts.extend(panel_access::in_brief(panel_access::steps(plan)));
    let later = plan.steps.iter().filter_map(|step| match step {
        Step::Boot(step) => Some(firewall::boot_name(step)),
        Step::Retire(step) => Some(firewall::retire_name(step)),
        Step::Edit(_) | Step::Panel(_) | Step::Action(_) | Step::PanelAccess(_) | Step::Firewall(_) => None,
    });
    parts.extend(rules.into_iter().chain(later));
    format!("Plan: {}.", parts.join(", "))
}

/// The drift of a host, for monitoring: one summary line, and below it the notes.
#[must_use]
pub fn check(plan: &Plan, detail: AccountDetail, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    let notes = notes::lines(&plan.notes, head_of_check(plan), detail, colour);
    text.line(drift(plan)).add(&notes);
    text
}

/// The note that a check's summary tells.
fn head_of_check(plan: &Plan) -> Option<&Note> {
    (notes::unwatched(&plan.notes))
        .or_else(|| notes::waits(&plan.notes))
        .or_else(|| notes::never_confirmed(&plan.notes))
}

/// The drift of a host in one line.
#[must_use]
pub fn drift(plan: &Plan) -> String {
    if let Some(waits) = head_of_check(plan) {
        let word = match waits {
            Note::Firewall(FirewallNote::Unwatched { .. }) => "UNWATCHED",
            Note::Firewall(FirewallNote::NeverConfirmed { .. }) => "UNCONFIRMED",
            Note::Firewall(FirewallNote::Waits { .. })
            | Note::Firewall(FirewallNote::Displaced { .. })
            | Note::Limits(LimitsNote::NotRunning { .. })
            | Note::Limits(LimitsNote::Stranger { .. })
            | Note::Limits(LimitsNote::NotRestarted { .. })
            | Note::Limits(LimitsNote::Problem { .. })
            | Note::Limits(LimitsNote::Unmanaged { .. })
            | Note::PanelAccess(PanelAccessNote::AccountsLeftAlone { .. })
            | Note::PanelAccess(PanelAccessNote::Missing(_))
            | Note::Common(CommonNote::Advice(_))
            | Note::Firewall(FirewallNote::ToConfirm { .. })
            | Note::Common(CommonNote::Remark { .. }) => "WAITS",
        };
        let more = [Some(steps_in_brief(&plan.steps)), panel_access::left_alone(plan)];
        let more: String = (more.into_iter().flatten())
            .filter(|part| !part.is_empty())
            .map(|part| format!("; {part}"))
            .collect();
        let waits = note(waits, AccountDetail::Brief);
        return format!("{word}: {waits}{more} ({})", plan.fingerprint);
    }
    let left = panel_access::left_alone(plan);
    if plan.is_empty() {
        let left = left.map_or_else(String::new, |left| format!(", but {left}"));
        return format!("OK: as desired{left} ({})", plan.fingerprint);
    }
    let brief = steps_in_brief(&plan.steps);
    let left = left.map_or_else(String::new, |left| format!("; {left}"));
    let brief = format!("{brief}{left}");
    let owed = (plan.steps.iter())
        .filter_map(Step::as_action)
        .any(|action| action.causes.contains(&StepCause::Owed));
    let word = if owed { "OWED" } else { "DRIFT" };
    format!("{word}: {brief} ({})", plan.fingerprint)
}

/// How many accounts keep access that the manifest denies, and how many lack access that it grants, since
/// they are left alone.
#[must_use]
pub fn left_alone(plan: &Plan) -> (usize, usize) {
    plan.notes.iter().fold((0, 0), |(all, none), note| match note {
        Note::PanelAccess(PanelAccessNote::AccountsLeftAlone { keep, lack, .. }) => (all + keep, none + lack),
        Note::Limits(LimitsNote::NotRunning { .. })
        | Note::Limits(LimitsNote::Stranger { .. })
        | Note::Limits(LimitsNote::NotRestarted { .. })
        | Note::Limits(LimitsNote::Problem { .. })
        | Note::Limits(LimitsNote::Unmanaged { .. })
        | Note::PanelAccess(PanelAccessNote::Missing(_))
        | Note::Common(CommonNote::Advice(_))
        | Note::Firewall(FirewallNote::Waits { .. })
        | Note::Firewall(FirewallNote::Unwatched { .. })
        | Note::Firewall(FirewallNote::ToConfirm { .. })
        | Note::Firewall(FirewallNote::NeverConfirmed { .. })
        | Note::Firewall(FirewallNote::Displaced { .. })
        | Note::Common(CommonNote::Remark { .. }) => (all, none),
    })
}

/// A step in as few words as name it, for progress.
#[must_use]
pub fn step_name(step: &Step) -> String {
    match step {
        Step::Edit(edit) => format!("edit {}", edit.path),
        Step::Panel(panel) => format!("run {}", run(panel)),
        Step::Action(action) => format!("{} {}", action.verb.name(), action.unit),
        Step::PanelAccess(step) => panel_access::name(step),
        Step::Firewall(step) => firewall::name(step),
        Step::Boot(step) => firewall::boot_name(step),
        Step::Retire(step) => firewall::retire_name(step),
    }
}

/// Steps in a few words each, for messages.
#[must_use]
pub fn steps_in_brief(steps: &[Step]) -> String {
    let mut brief: Vec<String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Edit(edit) => {
                let effects: Vec<String> = edit.effects.iter().map(effect).collect();
                Some(format!("edit {} ({})", edit.path, effects.join(", ")))
            }
            Step::Panel(panel) => Some(run(panel)),
            Step::Action(action) => Some(format!("{} {}", action.verb.name(), action.unit)),
            Step::PanelAccess(_) => None,
            Step::Firewall(step) => Some(firewall::name(step)),
            Step::Boot(step) => Some(firewall::boot_name(step)),
            Step::Retire(step) => Some(firewall::retire_name(step)),
        })
        .collect();
    let changes = steps.iter().filter_map(Step::as_panel_access);
    brief.extend(panel_access::in_brief(changes));
    brief.join("; ")
}

fn edit_text(text: &mut SafeText, edit: &FileEdit) {
    text.painted(HEADING, format_args!("edit {}", edit.path));
    for line in &edit.lines {
        change(text, line);
    }
    effects_text(text, &edit.effects);
    causes_text(text, &edit.causes);
}

fn panel_text(text: &mut SafeText, panel: &PanelLimitStep) {
    text.painted(HEADING, format_args!("run {}", run(panel)));
    effects_text(text, &panel.effects);
    causes_text(text, &panel.causes);
}

/// The panel's command as somebody would type it.
fn run(panel: &PanelLimitStep) -> String {
    printable::command(panel.argv.iter().map(String::as_str))
}

/// The effective values; many that change alike are one line.
fn effects_text(text: &mut SafeText, effects: &[crate::plan::LimitEffect]) {
    let mut shown: Vec<(&crate::plan::LimitEffect, Vec<&str>)> = Vec::new();
    for effect in effects {
        let same = shown.iter_mut().find(|(first, _)| {
            (first.setting, first.from, first.to, first.named)
                == (effect.setting, effect.from, effect.to, effect.named)
        });
        match same {
            Some((_, services)) => services.push(&effect.service),
            None => shown.push((effect, vec![&effect.service])),
        }
    }
    for (first, services) in shown {
        let along = match first.named {
            SettingNamed::ByManifest => "",
            SettingNamed::Inherits => " (inherited)",
        };
        let services = services.join(", ");
        let (from, to) = (value(first.from), value(first.to));
        text.line(format_args!("  {services} {}: {from} → {to}{along}", first.setting.name()));
    }
}

fn causes_text(text: &mut SafeText, causes: &[StepCause]) {
    let mut said: Vec<String> = Vec::new();
    for cause in causes {
        let cause = cause_text(cause);
        if !said.contains(&cause) {
            said.push(cause);
        }
    }
    for cause in said {
        text.painted(DIM, format_args!("  because {cause}"));
    }
}

fn cause_text(cause: &StepCause) -> String {
    match cause {
        StepCause::Declared { service, setting, value: declared, origin } => {
            let (layer, line) = (&origin.layer, origin.line);
            format!("{layer}:{line} declares {service} {} = {}", setting.name(), value(*declared))
        }
        StepCause::NotInForce { service, key, effect } => {
            format!("{key} of {service} was not in force: {effect}")
        }
        StepCause::RunningDiffers { service, setting, running, value: wanted } => {
            format!(
                "{service} runs with {} = {}, and shall have {}",
                setting.name(),
                value(*running),
                value(*wanted)
            )
        }
        StepCause::RunningUnknown { paths } => {
            let paths: Vec<&str> = paths.iter().map(crate::model::HostPath::as_str).collect();
            format!("{} changed since it was read, and what runs is not known", paths.join(", "))
        }
        StepCause::ProgramReplaced { service } => {
            format!("{service} runs a program file that was replaced or removed since, as by an upgrade")
        }
        StepCause::Owed => "an earlier run wrote it down and did not complete it".to_owned(),
    }
}

fn action_text(text: &mut SafeText, action: &ServiceAction) {
    let verb = action.verb.name();
    let services = action.services.join(", ");
    let how = match (action.daemon, action.verb) {
        (Daemon::Xinetd, ActionVerb::Start) => "start: a reload ended it",
        (Daemon::Xinetd, ActionVerb::Reload | ActionVerb::Restart) => "SIGHUP: it reads its files again",
        (Daemon::Courier, ActionVerb::Restart | ActionVerb::Reload) => {
            "stop and start: new limits need a new command line"
        }
        (Daemon::Courier, ActionVerb::Start) => "start: an earlier run stopped it",
    };
    text.paint(HEADING, format_args!("{verb} {}", action.unit)).line(format_args!(" ({how})"));
    text.line(format_args!("  concerns {}", services));
    let cost = match action.cost {
        ActionCost::SessionsSurvive => "open sessions live on".to_owned(),
        ActionCost::SessionsDropped => {
            format!("open {} sessions are dropped", services.to_uppercase())
        }
        ActionCost::Nothing => "nothing is served now, so no session is lost".to_owned(),
    };
    text.line(format_args!("  cost: {cost}"));
    causes_text(text, &action.causes);
    let files: Vec<&str> = action
        .also_live
        .iter()
        .filter_map(|also| match also {
            AlsoLiveSessions::File { path } => Some(path.as_str()),
            AlsoLiveSessions::Variable { .. }
            | AlsoLiveSessions::Unknown { .. }
            | AlsoLiveSessions::Setting { .. } => None,
        })
        .collect();
    if !files.is_empty() {
        let also =
            format!("  also makes live: whatever others changed since xinetd read {}", files.join(", "));
        text.painted(WARNING, also);
    }
    for also in &action.also_live {
        let also = match also {
            AlsoLiveSessions::File { .. } => continue,
            AlsoLiveSessions::Variable { service, name } => {
                format!("a changed {} for {service}, edited by others since it was started", name)
            }
            AlsoLiveSessions::Unknown { service, reason } => {
                format!("perhaps more for {service}: what it was started with cannot be read ({reason})")
            }
            AlsoLiveSessions::Setting { service, setting, from, to } => {
                format!("{service} {}: {} → {}, edited by others", setting.name(), value(*from), value(*to))
            }
        };
        text.painted(WARNING, format_args!("  also makes live: {also}"));
    }
}

/// A note in one sentence.
pub(super) fn note(note: &Note, detail: AccountDetail) -> String {
    match note {
        Note::Limits(note) => limits::text::note(note),
        Note::PanelAccess(note) => panel_access::note(note, detail),
        Note::Firewall(note) => crate::firewall::text::note(note),
        Note::Common(CommonNote::Advice(advice)) => super::advice(advice),
        Note::Common(CommonNote::Remark { text }) => text.clone(),
    }
}

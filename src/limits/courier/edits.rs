//! Which of Courier's files are edited, and what every listener then gets.

use std::collections::BTreeMap;

use super::files::{ContentAbsent, CourierFiles, ParsedCourierFiles, SourcedSetting};
use super::{CourierListener, CourierWanted, CourierWants, SETTINGS, key};
use crate::edit::{LineEdit, shellvars};
use crate::failure::{Diagnostic, PlanBlocked, declared_at, place};
use crate::host::Digest;
use crate::limits::step::{FileEdit, LimitEffect, LimitSetting, LimitValue, SettingNamed, StepCause};
use crate::limits::{LimitsPart, join, lines};

/// What every listener gets from the files as they will be.
pub(super) struct ListenersAfter {
    /// The values.
    pub values: BTreeMap<(CourierListener, LimitSetting), LimitValue>,
    /// The files, parsed.
    pub parsed: ParsedCourierFiles,
}

/// Plans the edits; `None` where something blocks them.
pub(super) fn plan(
    wants: &CourierWants,
    files: &CourierFiles,
    part: &mut LimitsPart,
) -> Option<ListenersAfter> {
    let wants = provable(wants, files, part)?;
    let before = files.parse();
    let (edited, changed) = ensure_all(&wants, files, part);
    let files_after = files.with(&edited);
    let after = files_after.parse();
    let effects = effects(&wants, &before, &after, files, &files_after, part);
    if !part.blockers.is_empty() {
        return None;
    }
    for (name, edits) in changed {
        let (Some(file), Some(old), Some(bytes)) = (files.0.get(name), files.bytes(name), edited.get(name))
        else {
            continue;
        };
        if let Some(obstacle) = &file.obstacle {
            part.block(
                PlanBlocked::Refused,
                Diagnostic::new(format!("{} is not edited: it {obstacle}", file.path)),
            );
            continue;
        }
        let decided = |listener: &CourierListener, setting: &LimitSetting| {
            after.reading(*listener, *setting).at.is_some_and(|(path, _)| path == file.path)
        };
        let mine = effects.iter().filter(|((listener, setting), _)| decided(listener, setting));
        part.edits.push(FileEdit {
            path: file.path.clone(),
            before: Digest::of(old),
            lines: lines(&edits),
            effects: mine.map(|(_, effect)| effect.clone()).collect(),
            causes: causes(&wants, name, &before, &after, &edits),
            bytes: bytes.clone(),
            old: old.to_vec(),
        });
    }
    Some(ListenersAfter { values: values(&after), parsed: after })
}

/// The wants of listeners that are there; blocks where a file cannot be read or its meaning cannot be proved.
pub(super) fn provable(
    wants: &CourierWants,
    files: &CourierFiles,
    part: &mut LimitsPart,
) -> Option<CourierWants> {
    let wants = present(wants, files, part)?;
    refuse_unprovable(&wants, files, &files.parse(), part);
    part.blockers.is_empty().then_some(wants)
}

/// What every listener gets from some files.
#[must_use]
pub fn values(parsed: &ParsedCourierFiles) -> BTreeMap<(CourierListener, LimitSetting), LimitValue> {
    let all =
        CourierListener::ALL.into_iter().flat_map(|listener| SETTINGS.map(|setting| (listener, setting)));
    all.map(|(listener, setting)| ((listener, setting), parsed.reading(listener, setting).value)).collect()
}

/// The wants of listeners whose file is there; a TLS listener that is not installed needs none of the plain
/// one's.
fn present(wants: &CourierWants, files: &CourierFiles, part: &mut LimitsPart) -> Option<CourierWants> {
    let mut present = CourierWants::new();
    for ((listener, setting), want) in wants {
        let absent = files.0.get(listener.file()).map(|file| (&file.path, file.bytes.as_ref().err()));
        match absent {
            Some((_, None)) => {
                present.insert((*listener, *setting), want.clone());
            }
            Some((path, Some(ContentAbsent::Unreadable(reason)))) => part.block(
                PlanBlocked::Unknown,
                Diagnostic::new(format!("cannot read {path}: {reason}"))
                    .hint("see what stands there, and whether this user may read it"),
            ),
            Some((_, Some(ContentAbsent::Missing))) | None if want.by != listener.service() => {}
            Some((path, Some(ContentAbsent::Missing))) => missing(want, &path.to_string(), part),
            None => missing(want, "/etc/courier-imap and /etc/courier", part),
        }
    }
    part.blockers.is_empty().then_some(present)
}

fn missing(want: &CourierWanted, path: &str, part: &mut LimitsPart) {
    let service = want.by;
    part.block(
        PlanBlocked::Manifest,
        Diagnostic::new(format!("no daemon that mailward knows serves {service} here"))
            .at(declared_at(&want.declared.origin))
            .because(format!("there is nothing at {path}, and no other mail server runs for it"))
            .hint(format!("take [limits.{service}] out of this host's manifest")),
    );
}

/// Blocks what the shell computes, and what `TCPDOPTS` overrides.
fn refuse_unprovable(
    wants: &CourierWants,
    files: &CourierFiles,
    before: &ParsedCourierFiles,
    part: &mut LimitsPart,
) {
    for (listener, setting) in wants.keys() {
        let Some(key) = key(*setting) else { continue };
        if let SourcedSetting::Unreadable { path, why } = before.sourced(*listener, key) {
            part.block(
                PlanBlocked::Unknown,
                Diagnostic::new(format!("cannot read {path}: {why}"))
                    .because(format!("{} takes {key} from it, or may", listener.service()))
                    .hint("see what stands there, and whether this user may read it"),
            );
        }
        if let SourcedSetting::Uncertain { path, spot, why } = before.sourced(*listener, key) {
            let bytes =
                files.0.values().find(|file| file.path == *path).and_then(|file| file.bytes.as_deref().ok());
            part.block(
                PlanBlocked::Refused,
                Diagnostic::new(format!("what {key} is for {} cannot be proved", listener.service()))
                    .at(place(path, bytes.unwrap_or_default(), spot.line, spot.column, spot.width))
                    .because(why)
                    .hint(format!("make it a plain `{key}=NUMBER` at the start of a line, then plan again")),
            );
        }
        if let Some(over) = before.overridden(*listener, *setting) {
            let bytes = files
                .0
                .values()
                .find(|file| file.path == over.path)
                .and_then(|file| file.bytes.as_deref().ok());
            part.block(
                PlanBlocked::Refused,
                Diagnostic::new(format!("{key} does not decide for {}", listener.service()))
                    .at(place(
                        &over.path,
                        bytes.unwrap_or_default(),
                        over.spot.line,
                        over.spot.column,
                        over.spot.width,
                    ))
                    .because(
                        "TCPDOPTS comes later on couriertcpd's command line, where the last option counts",
                    )
                    .hint("take the limit out of TCPDOPTS, then plan again"),
            );
        }
    }
}

type CourierEdits = BTreeMap<&'static str, Vec<u8>>;
type ChangedListeners = BTreeMap<&'static str, Vec<LineEdit>>;

/// Ensures each wanted value in the file that decides. An edit can uncover a value behind it, so that a
/// second and third look may be needed; more are not, since each file is edited at most once for each of two
/// settings.
fn ensure_all(
    wants: &CourierWants,
    files: &CourierFiles,
    part: &mut LimitsPart,
) -> (CourierEdits, ChangedListeners) {
    let (mut edited, mut changed) = (CourierEdits::new(), ChangedListeners::new());
    for _ in 0..3 {
        let now = files.with(&edited);
        let parsed = now.parse();
        let mut again = false;
        for ((listener, setting), want) in wants {
            let (name, Some(key)) = (listener.file(), key(*setting)) else {
                continue;
            };
            let Some((_, own)) = parsed.sources(*listener).last() else {
                continue;
            };
            let own = own.value(key);
            let broken = matches!(own, shellvars::SourcedValue::Broken { .. });
            let satisfied = parsed.reading(*listener, *setting).value == super::value(want.value);
            // A TLS listener that inherits is edited only where its file sets the key itself.
            let inherits = want.by != listener.service() && own == shellvars::SourcedValue::Untouched;
            if (satisfied && !broken) || inherits {
                continue;
            }
            let bytes = edited.get(name).map(Vec::as_slice).or_else(|| now.bytes(name)).unwrap_or_default();
            match shellvars::ensure(bytes, key, want.value) {
                Ok(result) if result.lines.is_empty() => {}
                Ok(result) => {
                    join(changed.entry(name).or_default(), result.lines);
                    edited.insert(name, result.bytes);
                    again = true;
                }
                Err(refusal) => {
                    let path = files.0.get(name).map(|file| file.path.clone());
                    if let Some(path) = path {
                        let spot = refusal.spot;
                        part.block(
                            PlanBlocked::Refused,
                            Diagnostic::new(format!("{key} in {path} cannot be set safely"))
                                .at(place(&path, bytes, spot.line, spot.column, spot.width))
                                .because(refusal.why.to_string())
                                .hint("mend the file by hand, then plan again"),
                        );
                    }
                }
            }
        }
        if !again || !part.blockers.is_empty() {
            break;
        }
    }
    (edited, changed)
}

type ListenerEffects = BTreeMap<(CourierListener, LimitSetting), LimitEffect>;

/// What changes for each listener; blocks where a wanted value does not come out, or one that is not wanted
/// changes.
fn effects(
    wants: &CourierWants,
    before: &ParsedCourierFiles,
    after: &ParsedCourierFiles,
    files: &CourierFiles,
    files_after: &CourierFiles,
    part: &mut LimitsPart,
) -> ListenerEffects {
    let mut effects = ListenerEffects::new();
    for listener in CourierListener::ALL.into_iter().filter(|listener| files.bytes(listener.file()).is_some())
    {
        for setting in SETTINGS {
            let (from, to) =
                (before.reading(listener, setting).value, after.reading(listener, setting).value);
            let want = wants.get(&(listener, setting));
            match want {
                Some(want) if to != super::value(want.value) => {
                    unreached(listener, setting, want, after, files_after, part);
                }
                None if from != to => {
                    let service = listener.service();
                    part.block(
                        PlanBlocked::Refused,
                        Diagnostic::new(format!(
                            "{service} {} would change along, which the manifest does not name",
                            setting.name()
                        ))
                        .because(format!("{service} takes the value from the same line"))
                        .hint(format!("declare [limits.{service}] {} too", setting.name())),
                    );
                }
                Some(_) | None => {}
            }
            if let Some(want) = want
                && from != to
            {
                let named = if want.by == listener.service() {
                    SettingNamed::ByManifest
                } else {
                    SettingNamed::Inherits
                };
                let service = listener.service().name().to_owned();
                effects.insert((listener, setting), LimitEffect { service, setting, from, to, named });
            }
        }
    }
    effects
}

fn unreached(
    listener: CourierListener,
    setting: LimitSetting,
    want: &CourierWanted,
    after: &ParsedCourierFiles,
    files: &CourierFiles,
    part: &mut LimitsPart,
) {
    let service = listener.service();
    let mut fatal = after.fatal(listener).into_iter();
    if let Some((path, spot, why)) = fatal.next() {
        let bytes =
            files.0.values().find(|file| file.path == *path).and_then(|file| file.bytes.as_deref().ok());
        part.block(
            PlanBlocked::Refused,
            Diagnostic::new(format!("{service} would not start with {path}"))
                .at(place(path, bytes.unwrap_or_default(), spot.line, spot.column, spot.width))
                .because(why)
                .hint("mend the file by hand, then plan again"),
        );
        return;
    }
    let reading = after.reading(listener, setting);
    part.block(
        PlanBlocked::Refused,
        Diagnostic::new(format!("{service} {} would not become {}", setting.name(), want.value))
            .at(declared_at(&want.declared.origin))
            .because(reading.problems.join("; ")),
    );
}

/// Why a file is edited: the declarations that differ, and the lines that were not in force.
fn causes(
    wants: &CourierWants,
    name: &str,
    before: &ParsedCourierFiles,
    after: &ParsedCourierFiles,
    edits: &[LineEdit],
) -> Vec<StepCause> {
    let mut causes = Vec::new();
    for ((listener, setting), want) in wants.iter().filter(|((listener, _), _)| listener.file() == name) {
        let (from, to) = (before.reading(*listener, *setting), after.reading(*listener, *setting));
        if from.value != to.value {
            causes.push(super::declared(*listener, *setting, want));
        }
        let Some(key) = key(*setting) else { continue };
        let broken = before.sources(*listener).last().map(|(_, file)| file.value(key));
        if let Some(shellvars::SourcedValue::Broken { spot, why }) = broken
            && edits.iter().any(|edit| edit.line == spot.line || edit.before.is_some())
        {
            let service = listener.service().name().to_owned();
            causes.push(StepCause::NotInForce { service, key: key.to_owned(), effect: why.to_string() });
        }
    }
    causes
}

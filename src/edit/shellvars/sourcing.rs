//! Several files sourced one after another by one shell: what the variables hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::acts::{CommandCertainty, ShellAct};
use super::words::unquote;
use super::{LineBreakage, ShellAssignment, ShellFile, SourcedValue, ValueDoubt};

/// The state of a shell that has sourced files one after another, as `. a; . b` does.
#[derive(Debug, Clone, Default)]
pub struct Sourcing<'a> {
    files: Vec<&'a ShellFile>,
    held: BTreeMap<&'a [u8], HeldValue>,
    broken: BTreeMap<&'a [u8], BrokenAssignment>,
    functions: BTreeSet<&'a [u8]>,
    /// The variables that may be read-only, and whether they are.
    read_only: BTreeMap<&'a [u8], CommandCertainty>,
    /// The first thing after which nothing is certain any more.
    doubt: Option<(usize, Range<usize>, ValueDoubt)>,
}

/// What the last assignment left in a variable.
#[derive(Debug, Clone)]
pub(super) struct HeldValue {
    pub(super) file: usize,
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) doubt: Option<ValueDoubt>,
}

/// The last line that names a variable in vain.
#[derive(Debug, Clone)]
pub(super) struct BrokenAssignment {
    pub(super) file: usize,
    pub(super) name: Range<usize>,
    pub(super) line: Range<usize>,
    pub(super) why: LineBreakage,
    pub(super) repair: Option<Range<usize>>,
}

/// A variable's value after several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcedVariable {
    /// Which of the files decides, counted from 0; none where no file names the variable.
    pub file: Option<usize>,
    /// The value, with the spot in that file.
    pub value: SourcedValue,
}

/// What sourcing files one after another does to one variable: the last one that assigns it wins.
#[must_use]
pub fn sourced<'a>(files: impl IntoIterator<Item = &'a ShellFile>, name: &str) -> SourcedVariable {
    Sourcing::of(files).value(name)
}

impl<'a> Sourcing<'a> {
    /// Sources the files in this order.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = &'a ShellFile>) -> Self {
        let mut shell = Self::default();
        for file in files {
            shell.source(file);
        }
        shell
    }

    /// What a variable holds in the end.
    #[must_use]
    pub fn value(&self, name: &str) -> SourcedVariable {
        if let Some((file, value)) = self.doubt() {
            return SourcedVariable { file: Some(file), value };
        }
        if let Some(held) = self.held.get(name.as_bytes()) {
            return SourcedVariable { file: Some(held.file), value: self.read(held) };
        }
        match self.broken.get(name.as_bytes()) {
            Some(broken) => SourcedVariable {
                file: Some(broken.file),
                value: SourcedValue::Broken {
                    spot: self.files[broken.file].spot(&broken.line),
                    why: broken.why,
                },
            },
            None => SourcedVariable { file: None, value: SourcedValue::Untouched },
        }
    }

    /// What puts every variable in doubt: the file, and the value that each variable then has.
    #[must_use]
    pub fn doubt(&self) -> Option<(usize, SourcedValue)> {
        let (file, at, why) = self.doubt.as_ref()?;
        let spot = self.files[*file].spot(at);
        Some((*file, SourcedValue::Uncertain { spot, why: *why }))
    }

    /// Every variable that is provably a literal in the end, by name, with the file that decides.
    pub fn assignments(&self) -> impl Iterator<Item = (usize, ShellAssignment)> + '_ {
        let certain = self.doubt.is_none();
        self.held.iter().filter(move |_| certain).filter_map(|(name, held)| match self.read(held) {
            SourcedValue::Literal { bytes, spot } => {
                let name = String::from_utf8_lossy(name).into_owned();
                Some((held.file, ShellAssignment { name, bytes, spot }))
            }
            SourcedValue::Untouched | SourcedValue::Broken { .. } | SourcedValue::Uncertain { .. } => None,
        })
    }

    pub(super) fn held(&self, name: &str) -> Option<&HeldValue> {
        self.held.get(name.as_bytes())
    }

    pub(super) fn broken(&self, name: &str) -> Option<&BrokenAssignment> {
        self.broken.get(name.as_bytes())
    }

    /// Every name with what is known of it, without places, for comparing two states.
    pub(super) fn meaning(&self) -> BTreeMap<&'a [u8], Result<Vec<u8>, ValueDoubt>> {
        let values = self.held.iter().map(|(name, held)| {
            let value = match held.doubt {
                Some(doubt) => Err(doubt),
                None => Ok(unquote(self.files[held.file].text(&held.value))),
            };
            (*name, value)
        });
        values.collect()
    }

    fn read(&self, held: &HeldValue) -> SourcedValue {
        let file = self.files[held.file];
        let spot = file.spot(&(held.name.start..held.value.end));
        match held.doubt {
            Some(why) => SourcedValue::Uncertain { spot, why },
            None => SourcedValue::Literal { bytes: unquote(file.text(&held.value)), spot },
        }
    }

    fn source(&mut self, file: &'a ShellFile) {
        let index = self.files.len();
        self.files.push(file);
        let mut returned = false;
        for act in &file.acts {
            match act {
                ShellAct::Assign { name, value, doubt } => {
                    let text = file.text(name);
                    if let Some(sure) = self.read_only.get(text) {
                        let certain = *sure == CommandCertainty::Always && doubt.is_none() && !returned;
                        let why = if certain { ValueDoubt::ReadOnly } else { ValueDoubt::MayEnd };
                        self.give_up(index, name.clone(), why);
                    }
                    let late = returned.then_some(ValueDoubt::AfterReturn);
                    let held = HeldValue {
                        file: index,
                        name: name.clone(),
                        value: value.clone(),
                        doubt: late.or(*doubt),
                    };
                    self.held.insert(text, held);
                }
                ShellAct::Broken { name, line, why, repair } => {
                    let text = file.text(name);
                    if *why == LineBreakage::GivenToCommand && self.read_only.contains_key(text) {
                        self.give_up(index, name.clone(), ValueDoubt::MayEnd);
                    }
                    let broken = BrokenAssignment {
                        file: index,
                        name: name.clone(),
                        line: line.clone(),
                        why: *why,
                        repair: repair.clone(),
                    };
                    self.broken.insert(text, broken);
                }
                ShellAct::ReadOnly { name, sure } => {
                    let sure = if returned { CommandCertainty::Maybe } else { *sure };
                    let known = self.read_only.entry(file.text(name)).or_insert(sure);
                    if sure == CommandCertainty::Always {
                        *known = sure;
                    }
                }
                ShellAct::Define { name } => _ = self.functions.insert(file.text(name)),
                ShellAct::Run { name } => {
                    let text = file.text(name);
                    let runs = !self.functions.is_empty()
                        && (self.functions.contains(text)
                            || self.functions.contains(unquote(text).as_slice()));
                    if runs {
                        self.give_up(index, name.clone(), ValueDoubt::FunctionRuns);
                    }
                }
                ShellAct::Return { .. } => returned = true,
                // What stands behind a `return` may or may not have been read with it.
                ShellAct::Doubt { at, why } if returned && why.ends() => {
                    self.give_up(index, at.clone(), ValueDoubt::MayEnd);
                }
                ShellAct::Doubt { at, why } => self.give_up(index, at.clone(), *why),
            }
        }
    }

    fn give_up(&mut self, file: usize, at: Range<usize>, why: ValueDoubt) {
        self.doubt.get_or_insert((file, at, why));
    }
}

//! Several files sourced one after another by one shell: what the variables hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::acts::Act;
use super::words::unquote;
use super::{Assignment, Breakage, Doubt, File, Value};

/// The state of a shell that has sourced files one after another, as `. a; . b` does.
#[derive(Debug, Clone, Default)]
pub struct Sourcing<'a> {
    files: Vec<&'a File>,
    held: BTreeMap<&'a [u8], Held>,
    broken: BTreeMap<&'a [u8], Broken>,
    functions: BTreeSet<&'a [u8]>,
    read_only: BTreeSet<&'a [u8]>,
    /// The first thing after which nothing is certain any more.
    doubt: Option<(usize, Range<usize>, Doubt)>,
}

/// What the last assignment left in a variable.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) file: usize,
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) doubt: Option<Doubt>,
}

/// The last line that names a variable in vain.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) file: usize,
    pub(super) name: Range<usize>,
    pub(super) line: Range<usize>,
    pub(super) why: Breakage,
    pub(super) repair: Option<Range<usize>>,
}

/// A variable's value after several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// Which of the files decides, counted from 0; none where no file names the variable.
    pub file: Option<usize>,
    /// The value, with the spot in that file.
    pub value: Value,
}

/// What sourcing files one after another does to one variable: the last one that assigns it wins.
#[must_use]
pub fn sourced<'a>(files: impl IntoIterator<Item = &'a File>, name: &str) -> Sourced {
    Sourcing::of(files).value(name)
}

impl<'a> Sourcing<'a> {
    /// Sources the files in this order.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = &'a File>) -> Self {
        let mut shell = Self::default();
        for file in files {
            shell.source(file);
        }
        shell
    }

    /// What a variable holds in the end.
    #[must_use]
    pub fn value(&self, name: &str) -> Sourced {
        if let Some((file, value)) = self.doubt() {
            return Sourced {
                file: Some(file),
                value,
            };
        }
        if let Some(held) = self.held.get(name.as_bytes()) {
            return Sourced {
                file: Some(held.file),
                value: self.read(held),
            };
        }
        match self.broken.get(name.as_bytes()) {
            Some(broken) => Sourced {
                file: Some(broken.file),
                value: Value::Broken {
                    spot: self.files[broken.file].spot(&broken.line),
                    why: broken.why,
                },
            },
            None => Sourced {
                file: None,
                value: Value::Untouched,
            },
        }
    }

    /// What puts every variable in doubt: the file, and the value that each variable then has.
    #[must_use]
    pub fn doubt(&self) -> Option<(usize, Value)> {
        let (file, at, why) = self.doubt.as_ref()?;
        let spot = self.files[*file].spot(at);
        Some((*file, Value::Uncertain { spot, why: *why }))
    }

    /// Every variable that is provably a literal in the end, by name, with the file that decides.
    pub fn assignments(&self) -> impl Iterator<Item = (usize, Assignment)> + '_ {
        let certain = self.doubt.is_none();
        self.held
            .iter()
            .filter(move |_| certain)
            .filter_map(|(name, held)| match self.read(held) {
                Value::Literal { bytes, spot } => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    Some((held.file, Assignment { name, bytes, spot }))
                }
                Value::Untouched | Value::Broken { .. } | Value::Uncertain { .. } => None,
            })
    }

    pub(super) fn held(&self, name: &str) -> Option<&Held> {
        self.held.get(name.as_bytes())
    }

    pub(super) fn broken(&self, name: &str) -> Option<&Broken> {
        self.broken.get(name.as_bytes())
    }

    /// Every name with what is known of it, without places, for comparing two states.
    pub(super) fn meaning(&self) -> BTreeMap<&'a [u8], Result<Vec<u8>, Doubt>> {
        let values = self.held.iter().map(|(name, held)| {
            let value = match held.doubt {
                Some(doubt) => Err(doubt),
                None => Ok(unquote(self.files[held.file].text(&held.value))),
            };
            (*name, value)
        });
        values.collect()
    }

    fn read(&self, held: &Held) -> Value {
        let file = self.files[held.file];
        let spot = file.spot(&(held.name.start..held.value.end));
        match held.doubt {
            Some(why) => Value::Uncertain { spot, why },
            None => Value::Literal {
                bytes: unquote(file.text(&held.value)),
                spot,
            },
        }
    }

    fn source(&mut self, file: &'a File) {
        let index = self.files.len();
        self.files.push(file);
        let mut returned = false;
        for act in &file.acts {
            match act {
                Act::Assign { name, value, doubt } => {
                    let text = file.text(name);
                    if self.read_only.contains(text) {
                        self.give_up(index, name.clone(), Doubt::ReadOnly);
                    }
                    let late = returned.then_some(Doubt::AfterReturn);
                    let held = Held {
                        file: index,
                        name: name.clone(),
                        value: value.clone(),
                        doubt: late.or(*doubt),
                    };
                    self.held.insert(text, held);
                }
                Act::Broken {
                    name,
                    line,
                    why,
                    repair,
                } => {
                    let text = file.text(name);
                    if self.read_only.contains(text) {
                        self.give_up(index, name.clone(), Doubt::ReadOnly);
                    }
                    let broken = Broken {
                        file: index,
                        name: name.clone(),
                        line: line.clone(),
                        why: *why,
                        repair: repair.clone(),
                    };
                    self.broken.insert(text, broken);
                }
                Act::ReadOnly { name } => _ = self.read_only.insert(file.text(name)),
                Act::Define { name } => _ = self.functions.insert(file.text(name)),
                Act::Run { name } => {
                    let text = file.text(name);
                    let runs = !self.functions.is_empty()
                        && (self.functions.contains(text)
                            || self.functions.contains(unquote(text).as_slice()));
                    if runs {
                        self.give_up(index, name.clone(), Doubt::FunctionRuns);
                    }
                }
                Act::Return { .. } => returned = true,
                Act::Doubt { at, why } => self.give_up(index, at.clone(), *why),
            }
        }
    }

    fn give_up(&mut self, file: usize, at: Range<usize>, why: Doubt) {
        self.doubt.get_or_insert((file, at, why));
    }
}

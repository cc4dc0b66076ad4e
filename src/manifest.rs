//! The manifest as written, one TOML file or several layers, → the checked [`Desired`].
//!
//! Pure: bytes in, value or diagnostics out. It knows no host, opens no file, and finds all problems of all
//! layers at once. What a value means to a daemon beyond its range is not decided here.

mod access;
mod accounts;
mod desired;
mod host;
mod keys;
mod names;
mod problem;
mod read;
mod reader;
mod recognised;
mod resolved;
mod schema;
mod source;
mod syntax;
mod together;
mod values;
mod written;

use crate::failure::Diagnostic;
use crate::model::{Desired, XinetdLimits};

pub use schema::schema;

use host::HostGuards;
use problem::ManifestProblem;
use read::ReadLayer;
use reader::LayerText;
use source::{LayerMark, LayerSource};
use written::{DroppedLeaves, LeafDropped, WrittenManifest};

/// Most bytes of a layer: far above the largest fleet's manifest, far below what hurts.
const LARGEST: usize = 16 << 20;

/// One file of a manifest; a later one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestLayer {
    /// The file as given, or `<stdin>`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A manifest without problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedManifest {
    /// What the layers declare together.
    pub desired: Desired,
    /// What is worth a look, sorted by layer, line and column.
    pub notes: Vec<Diagnostic>,
}

/// Checks a manifest.
///
/// # Errors
/// That the layers are for no common host, and nothing else; or every problem of every layer, sorted by
/// layer, line and column.
pub fn check(layers: &[ManifestLayer]) -> Result<CheckedManifest, Vec<Diagnostic>> {
    check_all(layers, LARGEST)
}

/// Checks a manifest of which each layer has at most so many bytes.
fn check_all(layers: &[ManifestLayer], most: usize) -> Result<CheckedManifest, Vec<Diagnostic>> {
    if layers.is_empty() {
        return Err(vec![ManifestProblem::NoLayer.diagnostic(None)]);
    }
    let mut written = WrittenManifest::default();
    let mut drops = DroppedLeaves::new();
    let mut problems = Vec::new();
    let mut text = LayerText::Whole;
    let mut top = None;
    let mut guards = HostGuards::default();
    for (index, layer) in layers.iter().enumerate() {
        let read = read_layer(index, layer, most);
        problems.extend(read.problems);
        guards.add(&read.written.host);
        written.cover(read.written, &mut drops);
        match read.text {
            LayerText::Whole => {}
            LayerText::Broken => text = LayerText::Broken,
        }
        top = Some(read.top);
    }
    // Before anything else: what layers of two hosts say together is nobody's manifest.
    if let Err(problems) = guards.settle(&mut written) {
        return Err(told(problems));
    }
    let judgement = together::judge(&written, text);
    problems.extend(judgement.problems);
    if !problems.is_empty() {
        return Err(told(problems));
    }
    let desired = desired::desired(written);
    let mut notes = judgement.notes;
    for ((mark, key), dropped) in drops {
        match dropped {
            LeafDropped::Something => {}
            LeafDropped::Nothing => notes.push((mark, ManifestProblem::NothingToDrop { key })),
        }
    }
    if let Some(top) = top
        && manages_nothing(&desired)
    {
        notes.push((top, ManifestProblem::ManagesNothing));
    }
    Ok(CheckedManifest { desired, notes: told(notes) })
}

fn read_layer(index: usize, layer: &ManifestLayer, most: usize) -> ReadLayer {
    let wrong = if layer.bytes.len() > most {
        Some(ManifestProblem::TooLarge)
    } else if !recognised::is_manifest(&layer.bytes) {
        Some(ManifestProblem::NoManifest)
    } else {
        None
    };
    if let Some(problem) = wrong {
        let start = ManifestLayer { name: layer.name.clone(), bytes: Vec::new() };
        let top = LayerSource::new(index, &start).mark(&(0..0));
        let problems = vec![(top.clone(), problem)];
        return ReadLayer { written: WrittenManifest::default(), problems, text: LayerText::Broken, top };
    }
    read::read(&LayerSource::new(index, layer))
}

/// A guard and the safety rules alone manage nothing.
fn manages_nothing(desired: &Desired) -> bool {
    let Desired { host: _, limits, xinetd_defaults, xinetd_services, access, panel_access, safety: _ } =
        desired;
    limits.is_empty()
        && *xinetd_defaults == XinetdLimits::default()
        && xinetd_services.is_empty()
        && access.allow.is_empty()
        && panel_access.decides_nothing()
}

/// Problems in the order of their places, as a person is told them.
fn told(mut problems: Vec<(LayerMark, ManifestProblem)>) -> Vec<Diagnostic> {
    problems.sort_by(|(one, _), (other, _)| one.cmp(other));
    problems.iter().map(|(mark, problem)| problem.diagnostic(Some(mark))).collect()
}

//! Pure renderers: one value in, one text out. Nothing here reads, writes or decides.

pub mod diagnostic;
pub mod json;
pub mod redact;
pub mod safe;
pub mod text;

/// Whether a text carries colours for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Off,
    /// With ANSI escapes.
    On,
}

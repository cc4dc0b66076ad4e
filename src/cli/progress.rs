//! How far a run has come with accounts: a bar on a terminal, lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::{self, OperatorTerminal, ProgressOutput};
use crate::report::Colour;
use crate::report::safe::SafeText;

/// Accounts between two lines where there is no terminal.
const LINE_EVERY: usize = 100;

/// Progress of one run.
#[derive(Default)]
pub(super) struct RunProgress(Option<ProgressBar>);

impl RunProgress {
    /// So many are done.
    pub(super) fn at(&mut self, terminal: &OperatorTerminal, done: usize, of: usize) {
        if terminal::shows_progress() {
            let bar = self.0.get_or_insert_with(|| bar(of));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
            if done >= of {
                self.clear();
            }
        } else if done.is_multiple_of(LINE_EVERY) && done < of {
            let mut said = SafeText::new(Colour::Off);
            said.line(format_args!("{done} of {of} accounts"));
            terminal.say(&said);
        }
    }

    /// Whether a bar is shown, which lines would tear.
    pub(super) const fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(of: usize) -> ProgressBar {
    let target = ProgressDrawTarget::term_like(Box::new(ProgressOutput));
    let length = u64::try_from(of).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} accounts, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

//! The operator's terminal: text out, one question in, and the signals that ask a run to end.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::When;
use crate::failure::{Diagnostic, Exit};
use crate::report::Colour;
use crate::report::diagnostic::{Severity, render};
use crate::report::redact::{self, Names};

/// Standard output and error.
pub(super) struct Terminal {
    /// For standard output.
    pub colour: Colour,
    /// Whether accounts are named.
    pub names: Names,
    errors: Colour,
    broken: Option<io::Error>,
}

impl Terminal {
    pub(super) fn new(when: When, names: Names) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = |terminal: bool| match (when, terminal && !plain) {
            (When::Always, _) | (When::Auto, true) => Colour::On,
            (When::Never, _) | (When::Auto, false) => Colour::Off,
        };
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            colour: colour(out),
            names,
            errors: colour(err),
            broken: None,
        }
    }

    /// Prints to standard output. A reader that went away is fine; a full disk is remembered.
    pub(super) fn print(&mut self, text: &str) {
        let text = self.shown(text);
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.broken.get_or_insert(error);
        }
    }

    /// Prints to standard error; where that fails there is nobody to tell.
    pub(super) fn say(&self, text: &str) {
        let text = self.shown(text);
        let mut err = io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// The text as it may be shown: whatever says it, no account is named where none shall be.
    fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.names {
            Names::Shown => Cow::Borrowed(text),
            Names::Withheld => redact::text(text),
        }
    }

    /// Prints diagnostics to standard error.
    pub(super) fn tell(&self, diagnostics: &[Diagnostic], severity: Severity) {
        let shown = match self.names {
            Names::Shown => render(diagnostics, severity, self.errors),
            Names::Withheld => {
                let diagnostics: Vec<Diagnostic> =
                    diagnostics.iter().map(redact::diagnostic).collect();
                render(&diagnostics, severity, self.errors)
            }
        };
        self.say(&shown);
    }

    /// Prints what became of a run to standard output; where that is lost, to standard error too, as `text`.
    ///
    /// A change of access may be live, and whoever reads must not miss it.
    pub(super) fn print_outcome(&mut self, shown: &str, text: impl FnOnce() -> String) {
        self.print(shown);
        if self.lost().is_some() {
            self.say(&text());
        }
    }

    /// The exit code of a command that only prints, or that of an output that was lost.
    pub(super) fn end(&self, exit: Exit) -> Exit {
        match self.lost() {
            Some(error) => {
                self.say(&format!(
                    "mailward: the output could not be written: {error}\n"
                ));
                exit.max(Exit::Internal)
            }
            None => exit,
        }
    }

    /// The exit code of a run that may have changed something. An output that was lost does not hide it: what the run came
    /// to counts for more, be it a change of access that waits. Only where there is nothing to say it takes its place.
    pub(super) fn end_run(&self, exit: Exit) -> Exit {
        match (self.end(exit), exit) {
            (lost, Exit::AsDesired) => lost,
            (_, exit) => exit,
        }
    }

    /// Why something that was printed is lost. A terminal that went away (EIO) has no reader either.
    fn lost(&self) -> Option<&io::Error> {
        let gone = Some(rustix::io::Errno::IO.raw_os_error());
        (self.broken.as_ref()).filter(|error| error.raw_os_error() != gone)
    }
}

/// Whether somebody can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question; anything but `y` or `yes` is no, and so is a signal.
pub(super) fn ask(terminal: &Terminal, question: &str, signals: &Signals) -> bool {
    terminal.say(question);
    let mut answer = Vec::new();
    let mut byte = [0_u8; 1];
    while answer.len() < 64 && signals.came().is_none() {
        match rustix::io::read(rustix::stdio::stdin(), &mut byte) {
            Ok(1) if byte[0] != b'\n' => answer.push(byte[0]),
            Ok(_) => break,
            Err(_) => {
                answer.clear();
                break;
            }
        }
    }
    signals.came().is_none() && matches!(answer.to_ascii_lowercase().trim_ascii(), b"y" | b"yes")
}

/// Has the kernel keep how children end, also where whoever started this program ignored the signal that tells: otherwise no
/// command could be waited for.
pub(super) fn hear_of_children() {
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    // Registering fails for signals that cannot be caught, which this is not.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGCHLD, ended);
}

/// Remembers the first signal that asks the run to end, so that a run ends between two steps, never within one.
pub(super) struct Signals(Arc<AtomicUsize>);

impl Signals {
    pub(super) fn catch() -> Self {
        let came = Arc::new(AtomicUsize::new(0));
        for signal in [
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGHUP,
        ] {
            let number = usize::try_from(signal).unwrap_or_default();
            // Registering fails for signals that cannot be caught, which these are not.
            let _ = signal_hook::flag::register_usize(signal, Arc::clone(&came), number);
        }
        Self(came)
    }

    pub(super) fn came(&self) -> Option<&'static str> {
        match i32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or_default() {
            signal_hook::consts::SIGINT => Some("SIGINT"),
            signal_hook::consts::SIGTERM => Some("SIGTERM"),
            signal_hook::consts::SIGHUP => Some("SIGHUP"),
            _ => None,
        }
    }
}

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

    /// The exit code, or that of an output that was lost.
    pub(super) fn end(&self, exit: Exit) -> Exit {
        match &self.broken {
            // A terminal that went away (EIO) has no reader either.
            Some(error) if error.raw_os_error() != Some(rustix::io::Errno::IO.raw_os_error()) => {
                self.say(&format!(
                    "mailward: the output could not be written: {error}\n"
                ));
                exit.max(Exit::Internal)
            }
            Some(_) | None => exit,
        }
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

//! The operator's terminal: text out, one question in, and the signals that ask a run to end.
//!
//! All text leaves the program here, and all of it is [`SafeText`].

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::TermLike;

use super::ColourChoice;
use crate::failure::{Diagnostic, Exit};
use crate::report::Colour;
use crate::report::diagnostic::{WorstSeverity, render};
use crate::report::redact::{self, NameVisibility};
use crate::report::safe::SafeText;

/// Standard output and error.
pub(super) struct OperatorTerminal {
    /// For standard output.
    pub colour: Colour,
    /// Whether accounts are named.
    pub names: NameVisibility,
    errors: Colour,
    broken: Option<io::Error>,
}

impl OperatorTerminal {
    pub(super) fn new(when: ColourChoice, names: NameVisibility) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = |terminal: bool| match (when, terminal && !plain) {
            (ColourChoice::Always, _) | (ColourChoice::Auto, true) => Colour::On,
            (ColourChoice::Never, _) | (ColourChoice::Auto, false) => Colour::Off,
        };
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self { colour: colour(out), names, errors: colour(err), broken: None }
    }

    /// Prints to standard output. A reader that went away is fine; a full disk is remembered.
    pub(super) fn print(&mut self, text: &SafeText) {
        let text = self.shown(text);
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.broken.get_or_insert(error);
        }
    }

    /// Prints what the command line's definition says of arguments that may be shown.
    pub(super) fn usage(&mut self, error: &clap::Error) {
        let (colour, styled) =
            if error.use_stderr() { (self.errors, error.render()) } else { (self.colour, error.render()) };
        let text = SafeText::generated(match colour {
            Colour::On => styled.ansi().to_string(),
            Colour::Off => styled.to_string(),
        });
        if error.use_stderr() {
            self.say(&text);
        } else {
            self.print(&text);
        }
    }

    /// Prints to standard error; where that fails there is nobody to tell.
    pub(super) fn say(&self, text: &SafeText) {
        let text = self.shown(text);
        let mut err = io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// The text as it may be shown: whatever says it, no account is named where none shall be.
    fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.names {
            NameVisibility::Shown => Cow::Borrowed(text),
            NameVisibility::Withheld => redact::text(text),
        }
    }

    /// Prints diagnostics to standard error.
    pub(super) fn tell(&self, diagnostics: &[Diagnostic], severity: WorstSeverity) {
        let shown = match self.names {
            NameVisibility::Shown => render(diagnostics, severity, self.errors),
            NameVisibility::Withheld => {
                let diagnostics: Vec<Diagnostic> = diagnostics.iter().map(redact::diagnostic).collect();
                render(&diagnostics, severity, self.errors)
            }
        };
        self.say(&shown);
    }

    /// Prints what became of a run to standard output; where that is lost, to standard error too, as `text`.
    ///
    /// A change of access may be live, and whoever reads must not miss it.
    pub(super) fn print_outcome(&mut self, shown: &SafeText, text: impl FnOnce() -> SafeText) {
        self.print(shown);
        if self.lost().is_some() {
            self.say(&text());
        }
    }

    /// The exit code of a command that only prints, or that of an output that was lost.
    pub(super) fn end(&self, exit: Exit) -> Exit {
        match self.lost() {
            Some(error) => {
                let mut said = SafeText::new(Colour::Off);
                said.line(format_args!("mailward: the output could not be written: {error}"));
                self.say(&said);
                exit.max(Exit::Internal)
            }
            None => exit,
        }
    }

    /// The exit code of a run that may have changed something. An output that was lost does not hide it: what
    /// the run came to counts for more, be it a change of access that waits. Only where there is nothing to
    /// say it takes its place.
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

/// Tells of a bug, and where it is; what it was about may come from a host.
pub(super) fn internal_error(panic: &std::panic::PanicHookInfo<'_>) {
    let mut text = SafeText::new(Colour::Off);
    text.say("mailward: internal error");
    if let Some(place) = panic.location() {
        text.say(format_args!(" at {}:{}", place.file(), place.line()));
    }
    text.line(format_args!(": {}", panic.payload_as_str().unwrap_or("no reason given")));
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Standard error as a progress bar draws on it; it is given numbers and the program's own words alone.
#[derive(Debug)]
pub(super) struct ProgressOutput;

impl TermLike for ProgressOutput {
    fn width(&self) -> u16 {
        rustix::termios::tcgetwinsize(rustix::stdio::stderr()).map_or(80, |size| size.ws_col.max(20))
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.turn(lines, 'A')
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.turn(lines, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.turn(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.turn(columns, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        let mut text = SafeText::new(Colour::Off);
        text.line(line);
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn write_str(&self, said: &str) -> io::Result<()> {
        let text = match said {
            "\r" => SafeText::own("\r"),
            words => SafeText::own("").say(words).clone(),
        };
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        io::stderr().lock().write_all(b"\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

impl ProgressOutput {
    fn turn(&self, by: usize, direction: char) -> io::Result<()> {
        match by {
            0 => Ok(()),
            by => write!(io::stderr().lock(), "\x1b[{by}{direction}"),
        }
    }
}

/// Whether a bar can be drawn.
pub(super) fn shows_progress() -> bool {
    io::stderr().is_terminal()
}

/// Whether somebody can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question; anything but `y` or `yes` is no, and so is a signal.
pub(super) fn ask(terminal: &OperatorTerminal, question: &'static str, signals: &EndSignals) -> bool {
    terminal.say(&SafeText::own(question));
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

/// Has the kernel keep how children end, also where whoever started this program ignored the signal that
/// tells: otherwise no command could be waited for.
pub(super) fn hear_of_children() {
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    // Registering fails for signals that cannot be caught, which this is not.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGCHLD, ended);
}

/// Remembers the first signal that asks the run to end, so that a run ends between two steps, never within
/// one.
pub(super) struct EndSignals(Arc<AtomicUsize>);

impl EndSignals {
    pub(super) fn catch() -> Self {
        let came = Arc::new(AtomicUsize::new(0));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
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

//! The vendor's own command for mail accounts, the only thing that ever changes one: `bin/mail`, or `mail.sh`
//! in old releases.
//!
//! Its option is `-cp_access` in old releases and `-cp-access` in new ones; which from when is not
//! documented, so its own `--help` decides. What it prints is read for that and never shown: `--info` of old
//! releases prints passwords, and is not used at all.

use std::time::Duration;

use crate::facts::Plesk;
use crate::host::{CommandEnding, CommandOutput, HostCommand};
use crate::model::{HostPath, PanelLogin, known};

/// How the option may be spelled.
const OPTIONS: [&str; 2] = ["-cp-access", "-cp_access"];

/// The vendor's command, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailCommand {
    /// It was not asked.
    NotAsked,
    /// There is none; the paths where it was looked for.
    Missing(Vec<HostPath>),
    /// It is there, and does not list the option.
    WithoutOption(HostPath),
    /// It is there, and did not tell its options; the reason.
    Silent(HostPath, &'static str),
    /// It is there, and spells the option so.
    Spelled(HostPath, &'static str),
}

/// The commands that tell the options, the likely one first.
#[must_use]
pub fn probes(plesk: &Plesk) -> Vec<HostCommand> {
    ["mail", "mail.sh"]
        .map(|name| {
            let program = plesk
                .root
                .join(&format!("bin/{name}"))
                .unwrap_or_else(|_| known(&format!("/usr/local/psa/bin/{name}")));
            let arguments = vec!["--help".to_owned()];
            HostCommand::new(program, arguments, Duration::from_secs(60))
        })
        .to_vec()
}

impl MailCommand {
    /// Reads the answer of the first that could be started.
    #[must_use]
    pub fn read(probes: &[HostCommand], answer: Option<(usize, CommandOutput)>) -> Self {
        let answer = answer.and_then(|(place, output)| Some((probes.get(place)?, output)));
        let Some((probe, output)) = answer else {
            return Self::Missing(probes.iter().map(|probe| probe.program.clone()).collect());
        };
        let program = probe.program.clone();
        let text = [output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat();
        let text = String::from_utf8_lossy(&text);
        let words = || text.split(|c: char| c.is_whitespace() || "[]|<>,".contains(c));
        let listed = OPTIONS.iter().find(|option| words().any(|word| word == **option));
        match (output.end, listed) {
            (CommandEnding::TimedOut, _) => Self::Silent(program, "its --help did not end in time"),
            (_, Some(option)) => Self::Spelled(program, option),
            (_, None) if text.trim().is_empty() => Self::Silent(program, "its --help printed nothing"),
            (_, None) => Self::WithoutOption(program),
        }
    }
}

/// How the vendor's command is run on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorCommand {
    /// The program.
    pub program: HostPath,
    /// The option as it lists it.
    pub option: &'static str,
    /// How long one account may take.
    pub deadline: Duration,
}

impl VendorCommand {
    /// The command that gives an account an access.
    #[must_use]
    pub fn give(&self, account: &str, access: PanelLogin) -> HostCommand {
        let arguments = ["--update", account, self.option, access.word()];
        HostCommand::new(self.program.clone(), arguments.map(str::to_owned).to_vec(), self.deadline)
    }
}

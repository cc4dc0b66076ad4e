//! Where the host is: this machine, another one, or a folder; what the command line says of it, and how it is
//! reached.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::CommandEnd;
use crate::engine::make::ACTION_DEADLINE;
use crate::failure::Exit;
use crate::host::WriteHost;
use crate::host::deadline::{Deadline, LimitedHost};
use crate::host::local::LocalHost;
use crate::host::ssh::{MetadataPolicy, SignalReceiver, SshDestination, SshHost, SshLogin};

/// Where the host is.
#[derive(Debug, Args)]
pub(super) struct HostArgs {
    /// Another machine, through the system's own `ssh`; nothing is installed there
    ///
    /// A host, `user@host`, an alias of your ssh configuration, or a URI. It needs a POSIX shell and the
    /// usual small tools.
    #[arg(long, value_name = "DEST", conflicts_with = "root")]
    pub(super) host: Option<String>,

    /// An option for `ssh` as in ssh_config(5), e.g. ConnectTimeout=5; one that begins with `-` is passed as
    /// it is
    #[arg(long, value_name = "OPTION", requires = "host", allow_hyphen_values = true)]
    ssh_option: Vec<String>,

    /// How long the connection may be silent before it is given up, in seconds, beside the time of service
    /// actions
    #[arg(long, requires = "host", value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    ssh_timeout: u64,

    /// Become root on the other machine through `sudo` without a password
    #[arg(long, requires = "host")]
    sudo: bool,

    /// A folder that looks like a host, instead of this machine; programs in it are executed
    ///
    /// Files, links, commands, processes and sockets are those inside the folder. Commands of the folder run
    /// on this machine, so use only folders that you trust.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// How long the run may take in all, in seconds; a question to you and `--wait` do not count
    ///
    /// Before anything is changed the run ends then with exit code 11. Later no further step begins, and what
    /// was done is undone, which takes the time that it needs. `confirm_within` stays what it is.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600,
          value_parser = clap::value_parser!(u64).range(1..=604_800))]
    deadline: u64,

    /// How long a service action or a vendor command may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = ACTION_DEADLINE.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    action_timeout: u64,
}

impl HostArgs {
    pub(super) fn open(
        &self,
        metadata: MetadataPolicy,
        signals: SignalReceiver,
        limit: &Deadline,
    ) -> Result<Box<dyn WriteHost>, CommandEnd> {
        if let Some(name) = &self.host {
            let login = if self.sudo { SshLogin::Sudo } else { SshLogin::Direct };
            let program = std::env::var_os("MAILWARD_SSH").unwrap_or_else(|| "ssh".into());
            let host = SshHost::new(SshDestination {
                program: program.into(),
                name: name.clone(),
                options: self.ssh_option.clone(),
                signals,
                patience: Duration::from_secs(self.ssh_timeout),
                login,
                metadata,
            });
            let host = Box::new(host.within(limit.clone()));
            return Ok(Box::new(LimitedHost::new(host, limit.clone())));
        }
        let host = match &self.root {
            None => LocalHost::machine(),
            Some(root) => match LocalHost::tree(root.clone()) {
                Ok(host) => host,
                Err(error) => return Err(CommandEnd::new(Exit::Unknown, &error)),
            },
        };
        Ok(Box::new(LimitedHost::new(Box::new(host), limit.clone())))
    }

    /// Opens a connection of its own, shared with no other: that it comes about shows that one still gets in.
    pub(super) fn open_anew(&self, limit: &Deadline) -> Result<Box<dyn WriteHost>, CommandEnd> {
        let mut anew = Self {
            host: self.host.clone(),
            ssh_option: Vec::new(),
            ssh_timeout: self.ssh_timeout,
            sudo: self.sudo,
            root: self.root.clone(),
            deadline: self.deadline,
            action_timeout: self.action_timeout,
        };
        // The first of two equal options counts (ssh_config(5)).
        anew.ssh_option.extend(["ControlMaster=no", "ControlPath=none"].map(str::to_owned));
        anew.ssh_option.extend(self.ssh_option.iter().cloned());
        anew.open(MetadataPolicy::Shown, SignalReceiver::RunOnly, limit)
    }

    /// The time of a run that begins now.
    pub(super) fn limit(&self) -> Deadline {
        Deadline::new(Duration::from_secs(self.deadline))
    }

    pub(super) const fn deadline(&self) -> Duration {
        Duration::from_secs(self.action_timeout)
    }
}

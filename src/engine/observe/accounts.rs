//! Asks for a panel's accounts: one run of the database's client for all of them, and one of the vendor's
//! command, which lists its options, where something may have to be changed.

use crate::facts::{Facts, Plesk};
use crate::host::batch::{Answers, Batch, FirstAnswer, Ticket};
use crate::host::{CommandOutput, FileFound, HostCommand, HostError, PathExistence, ReadHost};
use crate::panel_access::client::{self, AccountsUnread};
use crate::panel_access::command::{self, MailCommand};
use crate::panel_access::memory::{self, CommandMemory};
use crate::panel_access::observed::ObservedPanelAccess;
use crate::panel_access::sql::{self, ReadDepth};

/// Whether the vendor's command is asked for its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOptions {
    /// It is.
    Asked,
    /// It is not: nothing will be changed.
    NotAsked,
}

/// Requests under way.
pub(super) enum AccountTickets {
    Nothing(AccountsUnread),
    Everything {
        clients: Vec<HostCommand>,
        answer: Ticket<FirstAnswer<CommandOutput>>,
        exist: Vec<Ticket<PathExistence>>,
        probes: Vec<HostCommand>,
        options: Option<Ticket<FirstAnswer<CommandOutput>>>,
        depth: ReadDepth,
        memory: Ticket<FileFound>,
        version: Option<String>,
    },
}

pub(super) fn ask(
    batch: &mut Batch,
    facts: &Facts,
    options: CommandOptions,
    depth: ReadDepth,
) -> AccountTickets {
    let plesk = match &facts.plesk {
        None => return AccountTickets::Nothing(AccountsUnread::NoPlesk),
        Some(Plesk { secret: PathExistence::Missing, .. }) => {
            return AccountTickets::Nothing(AccountsUnread::NoSecret);
        }
        Some(plesk) => plesk,
    };
    let clients = client::candidates(plesk, &sql::everything(depth));
    let probes = command::probes(plesk);
    AccountTickets::Everything {
        answer: batch.first_output(clients.iter().cloned()),
        exist: (clients.iter()).map(|client| batch.exists(client.program.clone())).collect(),
        options: match options {
            CommandOptions::Asked => Some(batch.first_output(probes.iter().cloned())),
            CommandOptions::NotAsked => None,
        },
        memory: batch.file(memory::path()),
        version: plesk.version.clone(),
        clients,
        probes,
        depth,
    }
}

impl AccountTickets {
    pub(super) fn accounts(self, answers: &mut Answers) -> Result<ObservedPanelAccess, HostError> {
        let (clients, answer, exist, probes, options, depth, memory, version) = match self {
            Self::Nothing(unread) => return Ok(ObservedPanelAccess::unread(unread)),
            Self::Everything { clients, answer, exist, probes, options, depth, memory, version } => {
                (clients, answer, exist, probes, options, depth, memory, version)
            }
        };
        let answer = answers.take(answer)?;
        let exist = (exist.into_iter()).map(|ticket| answers.take(ticket)).collect::<Result<Vec<_>, _>>()?;
        let command = match options {
            Some(ticket) => MailCommand::read(&probes, answers.take(ticket)?),
            None => MailCommand::NotAsked,
        };
        let memory = CommandMemory::read(answers.take(memory)?, version.as_deref());
        let Some((place, output)) = answer else {
            let unread = client::none_started(&clients, &exist);
            return Ok(ObservedPanelAccess { command, ..ObservedPanelAccess::unread(unread) });
        };
        let accounts = client::accounts(output, depth);
        // The wrapper answers where the client itself may not be started, and then it may not ask either.
        let wrapped = clients.get(place).is_some_and(|c| c.secret.is_none());
        let there = exist.iter().any(|found| matches!(found, PathExistence::File(_)));
        let accounts = match accounts {
            Err(_) if wrapped && there => Err(client::none_started(&clients, &exist)),
            accounts => accounts,
        };
        let client = clients.into_iter().nth(place).map(|mut client| {
            client.input = Vec::new();
            client
        });
        Ok(ObservedPanelAccess { accounts, client, command, memory, version })
    }
}

/// Reads the accounts alone, whole.
///
/// # Errors
/// [`HostError`] when the host cannot be asked; an answer that cannot be had is part of the state.
pub fn accounts(host: &dyn ReadHost, facts: &Facts) -> Result<ObservedPanelAccess, HostError> {
    let mut batch = Batch::default();
    let asked = ask(&mut batch, facts, CommandOptions::NotAsked, ReadDepth::Whole);
    let mut answers = batch.read(host)?;
    asked.accounts(&mut answers)
}

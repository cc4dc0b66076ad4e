//! How the panel's database is asked: by its own client, as the vendor's scripts do, with the password from
//! the file that they take it from.

use std::time::Duration;

use super::accounts::{self, AccountList, AccountsMisread};
use super::sql::{self, ReadDepth};
use crate::facts::{Plesk, SECRET};
use crate::host::{CommandEnding, CommandOutput, HostCommand, PathExistence, SecretVariable};
use crate::model::{HostPath, known};

/// A million accounts take some seconds.
const DEADLINE: Duration = Duration::from_secs(300);

/// Ten million accounts; a longer answer is an error.
const CAP: usize = 512 << 20;

/// The accounts cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsUnread {
    /// Without Plesk there is no panel.
    #[error("Plesk is not installed here")]
    NoPlesk,
    /// There is no database of a panel.
    #[error("there is no {SECRET}, so this Plesk has no database here")]
    NoSecret,
    /// There is no client.
    #[error("there is no database client; looked for {}", .0.join(", "))]
    NoClient(Vec<String>),
    /// There is a client, and it could not be started.
    #[error("{0} could not be started")]
    NotStarted(String),
    /// It did not answer in time.
    #[error("the database did not answer within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// The client was ended.
    #[error("the database's client was ended by signal {0}")]
    Signal(i32),
    /// The database refuses.
    #[error("the database says error {number}{}", meaning(*.number))]
    Refused {
        /// MySQL's error number.
        number: u32,
    },
    /// The answer is longer than what is kept.
    #[error("the answer is longer than {} MiB", CAP >> 20)]
    TooLong,
    /// The answer is not what was asked for.
    #[error(transparent)]
    Misread(#[from] AccountsMisread),
}

/// What the usual errors of MySQL mean.
const fn meaning(number: u32) -> &'static str {
    match number {
        1044 | 1045 => ": it denies the administrator access",
        1049 => ": it has no database `psa`",
        1142 => ": it denies the administrator a table",
        1146 => ": a table is missing",
        2002 | 2003 => ": the server does not answer; is it running?",
        2006 | 2013 => ": the server went away",
        _ => "",
    }
}

/// The clients that may be there, the likely one first; each with an input.
#[must_use]
pub fn candidates(plesk: &Plesk, input: &str) -> Vec<HostCommand> {
    let own = plesk.mysql.iter();
    let own = own.flat_map(|folder| ["mysql", "mariadb"].map(|name| folder.join(name)));
    let mut programs: Vec<HostPath> = own.filter_map(Result::ok).collect();
    for usual in ["/usr/bin/mysql", "/usr/local/mysql/bin/mysql", "/usr/bin/mariadb"] {
        if !programs.iter().any(|program| program.as_str() == usual) {
            programs.push(known(usual));
        }
    }
    let direct = programs.into_iter().map(|program| {
        let mut command = command(program, &[], input);
        command.secret = Some(SecretVariable { variable: "MYSQL_PWD", file: known(SECRET) });
        command
    });
    // The panel's own wrapper of the client knows the password by itself.
    let wrapped =
        ["/usr/sbin/plesk", "/usr/bin/plesk"].map(|wrapper| command(known(wrapper), &["db"], input));
    direct.chain(wrapped).collect()
}

fn command(program: HostPath, before: &[&str], input: &str) -> HostCommand {
    let arguments = before.iter().chain(&sql::ARGUMENTS);
    // The wrapper names the administrator and the database itself.
    let arguments = arguments.filter(|word| before.is_empty() || !is_login(word));
    let arguments = arguments.map(|word| (*word).to_owned()).collect();
    let mut command = HostCommand::new(program, arguments, DEADLINE);
    command.input = input.as_bytes().to_vec();
    command.cap = CAP;
    command
}

fn is_login(word: &str) -> bool {
    word.starts_with("-u") || word.starts_with("-D")
}

/// The question for all accounts, for a client that has answered.
#[must_use]
pub fn again(client: &HostCommand, depth: ReadDepth) -> HostCommand {
    let mut client = client.clone();
    client.input = sql::everything(depth).into_bytes();
    client.cap = CAP;
    client
}

/// Judges how the first client that could be started ended, and gives what it printed.
///
/// # Errors
/// [`AccountsUnread`] says why there is no answer.
pub fn answer(output: CommandOutput) -> Result<Vec<u8>, AccountsUnread> {
    match output.end {
        CommandEnding::TimedOut => Err(AccountsUnread::TimedOut),
        CommandEnding::Signal(signal) => Err(AccountsUnread::Signal(signal)),
        CommandEnding::NotStarted => Err(AccountsUnread::NotStarted("the database's client".to_owned())),
        CommandEnding::Code(_) if output.stdout.len() >= CAP => Err(AccountsUnread::TooLong),
        // Going on after errors, the client's code says little: the marks in its answer do.
        CommandEnding::Code(_) => Ok(output.stdout),
    }
}

/// Reads the answer to [`sql::everything`].
///
/// # Errors
/// [`AccountsUnread`] says why there is no list of accounts.
pub fn accounts(output: CommandOutput, depth: ReadDepth) -> Result<AccountList, AccountsUnread> {
    let CommandOutput { stderr, .. } = &output;
    let stderr = stderr.clone();
    let answer = answer(output)?;
    let usual = match accounts::schema(&answer) {
        Some(schema) => sql::usual_errors(schema, depth),
        None => Vec::new(),
    };
    AccountList::read(answer, depth).map_err(|misread| {
        match (misread, first_error(&stderr, &usual)) {
            // Nothing came at all, it broke off, or a query failed: the database's own error says more.
            (
                AccountsMisread::CutShort
                | AccountsMisread::UnknownSchema
                | AccountsMisread::NotTold(_)
                | AccountsMisread::Count { .. },
                Some(number),
            ) => AccountsUnread::Refused { number },
            (misread, _) => AccountsUnread::Misread(misread),
        }
    })
}

/// Errors of a query that is meant for the other schema: an unknown or ambiguous column, a table that is not
/// there.
const OF_THE_OTHER_SCHEMA: [u32; 3] = [1052, 1054, 1146];

/// The number of the first error that the client prints and that is not usual; the rest of its text is never
/// shown.
///
/// An error is usual where its number is one of the other schema's, and its line, if the client names it, is
/// one of those given.
pub(super) fn first_error(stderr: &[u8], usual: &[usize]) -> Option<u32> {
    String::from_utf8_lossy(stderr)
        .lines()
        .filter_map(|line| {
            let text = line.split_once("ERROR ")?.1;
            let number: u32 = text.split([' ', ':']).next()?.parse().ok()?;
            let place = text.split_once(" at line ").map(|(_, rest)| rest);
            let place = place.and_then(|rest| rest.split(':').next()?.trim().parse::<usize>().ok());
            let is_usual = !usual.is_empty()
                && OF_THE_OTHER_SCHEMA.contains(&number)
                && place.is_none_or(|place| usual.contains(&place));
            (!is_usual).then_some(number)
        })
        .next()
}

/// Why no client could be started.
#[must_use]
pub fn none_started(commands: &[HostCommand], exist: &[PathExistence]) -> AccountsUnread {
    let there = commands.iter().zip(exist).find(|(_, existence)| matches!(existence, PathExistence::File(_)));
    match there {
        Some((command, _)) => AccountsUnread::NotStarted(command.program.to_string()),
        None => AccountsUnread::NoClient(commands.iter().map(|c| c.program.to_string()).collect()),
    }
}

impl AccountsUnread {
    /// What to do now.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoPlesk | Self::NoSecret => "take `[panel_access]` out of the manifest of this host",
            Self::NoClient(_) => "install the client, or name its folder as MYSQL_BIN_D in /etc/psa/psa.conf",
            Self::NotStarted(_) => "run mailward as root: the password is in /etc/psa/.psa.shadow",
            Self::Refused { number: 1045 } => {
                "see whether /root/.my.cnf names another password: the client prefers it to that in /etc/psa/.psa.shadow"
            }
            Self::TimedOut | Self::Signal(_) | Self::Refused { .. } => {
                "see whether the panel itself works, and the log of its database"
            }
            Self::TooLong | Self::Misread(_) => "see what the panel's database holds, and report it",
        }
    }
}

//! A panel in memory: a database of either schema behind a stand-in client, and a vendor's command that acts
//! on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use mailward::host::memory::{MemoryFile, MemoryHost};
use mailward::host::{CommandEnding, CommandOutput, HostCommand};

/// What no output may ever hold.
pub const CANARY: &str = "geheim-4711";

/// Which Plesk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generation {
    /// `mail.perm_id` and `Permissions`.
    Nine,
    /// `mail.userId` and `smb_users`.
    Ten,
}

/// What the vendor's command does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Does {
    What,
    /// From the account with this place in its log: nothing, and says that all is well.
    LiesFrom(usize),
    /// At this place: nothing, exit code 1.
    FailsAt(usize),
    /// At this place: nothing, past its deadline.
    HangsAt(usize),
    /// Denying unlinks the user.
    Unlinks,
    /// Denying deletes the user.
    Deletes,
    /// At this place the account is done, and the database goes away.
    LosesDatabaseAt(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub login: String,
    pub email: String,
    pub locked: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub domain: u32,
    /// `userId`; none is NULL.
    pub user: Option<u32>,
    /// The permission; none without a row.
    pub permission: Option<String>,
}

pub struct Panel {
    pub generation: Generation,
    pub domains: BTreeMap<u32, String>,
    pub accounts: BTreeMap<u32, Account>,
    pub users: BTreeMap<u32, User>,
    pub clients: Vec<String>,
    pub does: Does,
    pub option: &'static str,
    /// Whether the database answers.
    pub up: bool,
    /// The arguments of each change.
    pub log: Vec<Vec<String>>,
    /// How many processes were started.
    pub started: usize,
    /// Bytes after which the client's answer stops.
    pub cut: usize,
}

impl Panel {
    pub fn new(generation: Generation) -> Self {
        Self {
            generation,
            domains: BTreeMap::new(),
            accounts: BTreeMap::new(),
            users: BTreeMap::new(),
            clients: vec!["admin".to_owned(), "jdoe".to_owned()],
            does: Does::What,
            option: match generation {
                Generation::Nine => "-cp_access",
                Generation::Ten => "-cp-access",
            },
            up: true,
            log: Vec::new(),
            started: 0,
            cut: usize::MAX,
        }
    }

    pub fn domain(&mut self, name: &str) -> u32 {
        let known = self.domains.iter().find(|(_, known)| *known == name);
        if let Some((id, _)) = known {
            return *id;
        }
        let id = u32::try_from(self.domains.len() + 1).unwrap();
        self.domains.insert(id, name.to_owned());
        id
    }

    /// Adds an account with or without access; on Plesk 10 one without has no user.
    pub fn account(&mut self, address: &str, access: bool) -> u32 {
        let (name, domain) = address.rsplit_once('@').unwrap();
        let domain = self.domain(domain);
        let id = u32::try_from(self.accounts.len() + 1).unwrap();
        let user = match (self.generation, access) {
            (Generation::Ten, true) => {
                self.users.insert(
                    1000 + id,
                    User { login: address.to_owned(), email: address.to_owned(), locked: "0".to_owned() },
                );
                Some(1000 + id)
            }
            (Generation::Ten, false) => Some(0),
            (Generation::Nine, _) => None,
        };
        let permission = (self.generation == Generation::Nine).then(|| access.to_string());
        self.accounts.insert(id, Account { name: name.to_owned(), domain, user, permission });
        id
    }

    pub fn address(&self, id: u32) -> String {
        let account = &self.accounts[&id];
        format!("{}@{}", account.name, self.domains[&account.domain])
    }

    pub fn may(&self, address: &str) -> bool {
        let id = *self.accounts.keys().find(|id| self.address(**id) == address).unwrap();
        let account = &self.accounts[&id];
        match self.generation {
            Generation::Nine => account.permission.as_deref() == Some("true"),
            Generation::Ten => {
                account.user.and_then(|user| self.users.get(&user)).is_some_and(|user| user.locked == "0")
            }
        }
    }

    /// Everything that tells who may log in.
    pub fn state(&self) -> (BTreeMap<u32, Account>, BTreeMap<u32, User>) {
        (self.accounts.clone(), self.users.clone())
    }

    fn everything(&self, whole: bool) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            let _ = writeln!(out, "{text}");
        };
        line("mailward\tbegin".to_owned());
        for column in ["id", "mail_name", "perm_id", "dom_id"] {
            line(format!("{column}\tint(10) unsigned\tNO\t\tNULL\t"));
        }
        if self.generation == Generation::Ten {
            line("userId\tint(10) unsigned\tYES\t\t0\t".to_owned());
        }
        line("mailward\tcolumns".to_owned());
        for (id, name) in &self.domains {
            line(format!("d\t{id}\t{name}"));
        }
        line(format!("mailward\tdomains\t{}", self.domains.len()));
        for (id, login) in self.clients.iter().enumerate() {
            line(format!("c\t{}\t{login}", id + 1));
        }
        line(format!("mailward\tclients\t{}", self.clients.len()));
        if self.generation == Generation::Nine {
            line("mailward\tshared\t0".to_owned());
        }
        for (id, account) in &self.accounts {
            let Account { name, domain, user, permission } = account;
            match self.generation {
                Generation::Nine => {
                    let may = u8::from(permission.as_deref() == Some("true"));
                    let rest = match whole {
                        true => format!("\t{id}\t{}", permission.clone().unwrap_or_default()),
                        false => String::new(),
                    };
                    line(format!("p\t{id}\t{domain}\t{name}\t{may}{rest}"));
                }
                Generation::Ten => {
                    let address = self.address(*id);
                    let own = |said: &str| match said == address {
                        true => "=".to_owned(),
                        false => format!("+{said}"),
                    };
                    let more = match (whole, user.and_then(|user| self.users.get(&user))) {
                        (false, _) => String::new(),
                        (true, None) => format!("\t{}\t\t", user.unwrap_or(0)),
                        (true, Some(found)) => {
                            format!("\t{}\t4\t+{}", user.unwrap_or(0), found.email)
                        }
                    };
                    let rest = match user {
                        None | Some(0) => "-\t".to_owned(),
                        Some(user) => match self.users.get(user) {
                            None => "?\t".to_owned(),
                            Some(user) => format!("{}\t{}", user.locked, own(&user.login)),
                        },
                    };
                    line(format!("u\t{id}\t{domain}\t{name}\t{rest}{more}"));
                }
            }
        }
        line(format!("mailward\taccounts\t{}", self.accounts.len()));
        if whole {
            match self.generation {
                Generation::Nine => line("mailward\tpermissions\t0".to_owned()),
                Generation::Ten => {
                    let linked =
                        |user: &&u32| (self.accounts.values()).any(|account| account.user == Some(**user));
                    let others: Vec<&u32> = self.users.keys().filter(|user| !linked(user)).collect();
                    for user in &others {
                        let found = &self.users[*user];
                        line(format!("v\t{user}\t{}\t4\t{}\t{}", found.locked, found.login, found.email));
                    }
                    line(format!("mailward\tusers\t{}", others.len()));
                }
            }
        }
        line("mailward\tend".to_owned());
        out
    }

    fn some(&self, input: &str) -> String {
        let numbers = |after: &str| -> Vec<u32> {
            let rest = input.split(after).nth(1).unwrap_or(")");
            let list = rest.split(')').next().unwrap();
            list.split(',').filter_map(|id| id.parse().ok()).collect()
        };
        let mut out = "mailward\tbegin\n".to_owned();
        for id in numbers("m.id IN (") {
            let Some(account) = self.accounts.get(&id) else {
                continue;
            };
            match self.generation {
                Generation::Nine => {
                    let value = account.permission.clone().unwrap_or_default();
                    let _ = writeln!(out, "mailward\taccount\t{id}\t{id}\t{value}");
                }
                Generation::Ten => {
                    let link = account.user.unwrap_or(0);
                    let rest = match self.users.get(&link) {
                        None => "0\t\t\t\t".to_owned(),
                        Some(user) => {
                            format!("{link}\t{}\t{}\t4\t{}", user.login, user.email, user.locked)
                        }
                    };
                    let _ = writeln!(out, "mailward\taccount\t{id}\t{link}\t{rest}");
                }
            }
        }
        for user in numbers("smb_users WHERE id IN (") {
            if self.users.contains_key(&user) {
                let _ = writeln!(out, "mailward\tuser\t{user}");
            }
        }
        out.push_str("mailward\tend\n");
        out
    }

    fn ask(&mut self, command: &HostCommand) -> CommandOutput {
        self.started += 1;
        assert!(!command.arguments.iter().any(|word| word.contains(CANARY)), "the password is an argument");
        let secret = command.secret.as_ref().expect("the password's file");
        assert_eq!(secret.file.as_str(), "/etc/psa/.psa.shadow");
        if !self.up {
            return ended(1, "", "ERROR 2002 (HY000): Can't connect; password geheim-4711\n");
        }
        let input = String::from_utf8(command.input.clone()).unwrap();
        let (mut text, said) = if input.contains("SHOW COLUMNS") {
            let said = "ERROR 1054 (42S22) at line 14: Unknown column\n";
            (self.everything(input.contains("SELECT 'v'")), said)
        } else {
            (self.some(&input), "")
        };
        text.truncate(self.cut);
        ended(0, &text, said)
    }

    fn mail(&mut self, command: &HostCommand) -> CommandOutput {
        self.started += 1;
        let words: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        if words == ["--help"] {
            let usage = format!(
                "Usage: mail.sh command <mail_name> [options]\n    {}         <true|false>    enables control panel access (default: true)\n",
                self.option
            );
            return ended(0, &usage, "");
        }
        let ["--update", address, option, value] = words.as_slice() else {
            panic!("the vendor's command is run as {words:?}");
        };
        assert_eq!(*option, self.option);
        if !self.up {
            return ended(1, "", "ERROR: the panel's database is not available\n");
        }
        let place = self.log.len();
        self.log.push(command.arguments.clone());
        let says = format!("Password: {CANARY}\nSUCCESS: Update of '{address}' complete.\n");
        match self.does {
            Does::FailsAt(at) if at == place => {
                return ended(1, "", &format!("An error occured; Password: {CANARY}\n"));
            }
            Does::HangsAt(at) if at == place => {
                return CommandOutput {
                    end: CommandEnding::TimedOut,
                    stdout: Vec::new(),
                    stderr: Vec::new(),
                };
            }
            Does::LiesFrom(at) if at <= place => return ended(0, &says, ""),
            _ => {}
        }
        let id = *self.accounts.keys().find(|id| self.address(**id) == *address).unwrap();
        let account = self.accounts.get_mut(&id).unwrap();
        match (self.generation, *value) {
            (Generation::Nine, value) => account.permission = Some(value.to_owned()),
            (Generation::Ten, "true") => {
                let user = account.user.filter(|user| *user != 0).unwrap_or(5000 + id);
                account.user = Some(user);
                let made = User {
                    login: (*address).to_owned(),
                    email: (*address).to_owned(),
                    locked: "0".to_owned(),
                };
                self.users.entry(user).or_insert(made).locked = "0".to_owned();
            }
            (Generation::Ten, _) => {
                let user = account.user.unwrap_or(0);
                match self.does {
                    Does::Unlinks => account.user = Some(0),
                    Does::Deletes => {
                        account.user = Some(0);
                        self.users.remove(&user);
                    }
                    _ => {
                        if let Some(user) = self.users.get_mut(&user) {
                            user.locked = "1".to_owned();
                        }
                    }
                }
            }
        }
        if self.does == Does::LosesDatabaseAt(place) {
            self.up = false;
        }
        ended(0, &says, "")
    }
}

fn ended(code: i32, stdout: &str, stderr: &str) -> CommandOutput {
    CommandOutput {
        end: CommandEnding::Code(code),
        stdout: stdout.as_bytes().to_vec(),
        stderr: stderr.as_bytes().to_vec(),
    }
}

/// A host with a panel.
pub struct Host {
    pub host: MemoryHost,
    panel: Arc<Mutex<Panel>>,
}

impl Host {
    pub fn new(panel: Panel) -> Self {
        let host = MemoryHost::new();
        let panel = Arc::new(Mutex::new(panel));
        {
            let mut world = host.world();
            let mut file = |path: &str, text: &str| {
                let file = MemoryFile::new(text).into();
                world.files.insert(path.as_bytes().to_vec(), file);
            };
            file("/proc/sys/kernel/hostname", "mx1\n");
            file("/etc/psa/psa.conf", "PRODUCT_ROOT_D\t/usr/local/psa\n");
            file("/etc/psa/.psa.shadow", &format!("{CANARY}\n"));
            file("/usr/local/psa/version", "11.0.9 CentOS 6 110120608.16\n");
            let shared = Arc::clone(&panel);
            world.commands.insert(
                "/usr/bin/mysql".to_owned(),
                Box::new(move |_, command| shared.lock().unwrap().ask(command)),
            );
            let shared = Arc::clone(&panel);
            world.commands.insert(
                "/usr/local/psa/bin/mail".to_owned(),
                Box::new(move |_, command| shared.lock().unwrap().mail(command)),
            );
        }
        Self { host, panel }
    }

    pub fn panel(&self) -> MutexGuard<'_, Panel> {
        self.panel.lock().unwrap()
    }
}

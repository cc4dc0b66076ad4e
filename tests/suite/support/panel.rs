//! A Plesk host's panel as far as mail accounts go: a real MariaDB with the vendor's database in one of its
//! two generations, and stand-ins for the vendor's programs that act on it and misbehave on demand.
//!
//! It lives in a copy of the tree in `examples/office`, for `--root`, or at the real paths of a private host.
//! The server ends with the [`PanelWorld`], with the thread that made it, and with the test program if that
//! is killed; only what was started here is ever signalled. Must not know what mailward does.

mod accounts;
mod database;
mod effects;
mod knobs;
mod place;

use std::collections::BTreeMap;
use std::path::Path;

use self::database::Database;
use self::place::Place;
use super::host::{Host, Output};

pub use accounts::{HOSTILE_NAMES, bulk_access, bulk_address, small_world};
pub use effects::Effect;
pub use knobs::{Knob, OnFalse, OnTrue, Spelling, When};

/// What every password of an account holds; the server's password for `admin` does too.
pub const CANARY: &str = "canary";

/// The folder of what the stand-ins remember and what is asked of them.
const STATE: &str = "/var/lib/stand-in/panel";

/// Which of the two shapes the vendor's database has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Generation {
    /// Plesk 7.5 to 9: a row of `Permissions`.
    Nine,
    /// Plesk 10 to Obsidian: `mail.userId` and a row of `smb_users`.
    Ten,
}

impl Generation {
    /// Both, for tests that hold on each.
    pub const ALL: [Self; 2] = [Self::Nine, Self::Ten];

    fn name(self) -> &'static str {
        match self {
            Self::Nine => "nine",
            Self::Ten => "ten",
        }
    }
}

/// A host with a panel; its server is ended when dropped.
pub struct PanelWorld {
    generation: Generation,
    // The server goes first: its files are in the place.
    database: Database,
    place: Place,
}

impl PanelWorld {
    /// Makes a copy of the office with a panel that holds the accounts of [`small_world`].
    pub fn tree(generation: Generation) -> Self {
        Self::at(Place::Tree(super::office_copy()), generation)
    }

    /// Gives a running private host a panel that holds the accounts of [`small_world`].
    ///
    /// The product is in `/opt/psa`, with a link in `/usr/local`, as on Debian. After a reboot of the host
    /// the server wants [`PanelWorld::start_database`].
    pub fn in_host(host: Host, generation: Generation) -> Self {
        Self::at(Place::Host(Box::new(host)), generation)
    }

    fn at(place: Place, generation: Generation) -> Self {
        place.install(generation);
        let database = Database::start(&place);
        database.create(generation, place.password().trim_end_matches('\n'));
        let world = Self { generation, database, place };
        world.set_on_true(OnTrue::CreatesUser);
        world.set_on_false(OnFalse::Lock);
        world.set_spelling(match generation {
            Generation::Nine => Spelling::Underscore,
            Generation::Ten => Spelling::Hyphen,
        });
        world
    }

    /// The folder to name with `--root`; fails where the world is in a host.
    pub fn root(&self) -> &Path {
        match &self.place {
            Place::Tree(tree) => tree.path(),
            Place::Host(_) => panic!("this world is in a host, not in a tree"),
        }
    }

    /// The private host; fails where the world is in a tree.
    pub fn host(&self) -> &Host {
        match &self.place {
            Place::Tree(_) => panic!("this world is in a tree, not in a host"),
            Place::Host(host) => host,
        }
    }

    /// The private host, to reboot it; fails where the world is in a tree.
    pub fn host_mut(&mut self) -> &mut Host {
        match &mut self.place {
            Place::Tree(_) => panic!("this world is in a tree, not in a host"),
            Place::Host(host) => host,
        }
    }

    /// Which shape the database has.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Runs a program of this place, by its path there, in the environment that mailward gives to programs.
    pub fn run(&self, argv: &[&str]) -> Output {
        self.place.run(argv, &[])
    }

    /// Runs a program like [`PanelWorld::run`]; after so many seconds it is killed with its children, by
    /// signal 9.
    pub fn run_within(&self, seconds: f64, argv: &[&str]) -> Output {
        let program = self.place.program(argv[0]);
        let limit = seconds.to_string();
        let mut all = vec!["/usr/bin/timeout", "--signal=KILL", &limit, &program];
        all.extend(&argv[1..]);
        self.place.start(&all, &[])
    }

    /// Runs the panel's client as root does it by hand: user `admin`, the password from
    /// `/etc/psa/.psa.shadow` in `MYSQL_PWD`, database `psa`; then `arguments`.
    pub fn client(&self, arguments: &[&str]) -> Output {
        let mut argv = vec!["/usr/bin/mysql", "-uadmin", "-Dpsa"];
        argv.extend(arguments);
        let password = self.place.password();
        let password = password.trim_end_matches('\n');
        self.place.run(&argv, &[("MYSQL_PWD", password)])
    }

    /// Reads a file of this place.
    pub fn read(&self, path: &str) -> Vec<u8> {
        self.place.read(path)
    }

    /// Writes a file of this place.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        self.place.write(path, bytes.as_ref());
    }

    /// Removes a file of this place, if it is there.
    pub fn remove(&self, path: &str) {
        self.place.remove(path);
    }

    /// Runs statements as another administrator; returns what they print: fields between tabs, lines
    /// unescaped.
    pub fn sql(&self, statements: &str) -> String {
        self.database.sql(statements)
    }

    /// Returns whether an account may log in, `None` where there is no such account.
    ///
    /// Read row by row, not by the query of the vendor, of the stand-ins or of mailward. The domain in its
    /// ASCII form.
    pub fn access(&self, address: &str) -> Option<bool> {
        self.accesses().remove(address)
    }

    /// Returns whether each account may log in, as it is stored: `mail_name@name`.
    pub fn accesses(&self) -> BTreeMap<String, bool> {
        accounts::accesses(&self.database, self.generation)
    }

    /// Returns all rows of all tables that have to do with accounts, to compare before with after.
    pub fn contents(&self) -> String {
        let mut tables =
            vec!["clients", "domains", "accounts", "Permissions", "mail", "mail_aliases", "cp_access"];
        if self.generation == Generation::Ten {
            tables.extend(["smb_roles", "smb_users"]);
        }
        let statements: Vec<_> = tables
            .iter()
            .map(|table| format!("SELECT '{table}', t.* FROM {table} t ORDER BY 2, 3;"))
            .collect();
        self.sql(&statements.join("\n"))
    }

    /// Keeps a copy of all accounts, users and permissions in the database, for [`PanelWorld::restore`].
    pub fn keep(&self) {
        let statements: Vec<_> = (self.kept().iter())
            .map(|table| {
                format!("DROP TABLE IF EXISTS kept_{table}; CREATE TABLE kept_{table} SELECT * FROM {table};")
            })
            .collect();
        self.sql(&statements.join("\n"));
    }

    /// Puts back what was kept.
    pub fn restore(&self) {
        let statements: Vec<_> = (self.kept().iter())
            .map(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table};"))
            .collect();
        self.sql(&statements.join("\n"));
    }

    fn kept(&self) -> &'static [&'static str] {
        match self.generation {
            Generation::Nine => &["mail", "Permissions"],
            Generation::Ten => &["mail", "Permissions", "smb_users"],
        }
    }

    /// Removes all accounts, their users and domains; customers stay.
    pub fn empty(&self) {
        self.sql("DELETE FROM mail; DELETE FROM accounts; DELETE FROM domains; DELETE FROM mail_aliases; DELETE FROM Permissions;");
        if self.generation == Generation::Ten {
            self.sql("DELETE FROM smb_users WHERE login NOT IN (SELECT login FROM clients);");
        }
    }

    /// Adds many accounts in many domains: [`bulk_address`] names them, [`bulk_access`] tells which may log
    /// in.
    pub fn fill_bulk(&self, accounts: u32, domains: u32) {
        self.database.fill_bulk(self.generation, accounts, domains);
    }

    /// Adds one account of `example.net` for each of [`HOSTILE_NAMES`]; the first, third, … may log in.
    pub fn fill_hostile(&self) {
        self.database.fill_hostile(self.generation);
    }

    /// Ends the server at once, as a lack of memory does; its data stay.
    pub fn kill_database(&mut self) {
        self.database.kill(&self.place);
    }

    /// Starts the server again after it was ended, by whomever.
    pub fn start_database(&mut self) {
        self.database.kill(&self.place);
        self.database.restart(&self.place);
    }

    /// Stops the server's processes where they are: who asks waits.
    pub fn freeze_database(&self) {
        self.database.signal(&self.place, "STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw_database(&self) {
        self.database.signal(&self.place, "CONT");
    }

    /// Returns what `admin` had the server do: statements, without those that clients send on their own.
    pub fn queries(&self) -> Vec<String> {
        self.database.queries()
    }

    /// Returns how often `admin` connected.
    pub fn connections(&self) -> usize {
        self.database.connections()
    }
}

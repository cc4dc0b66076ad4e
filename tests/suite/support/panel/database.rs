//! The server: Debian's MariaDB, without network, on a data folder that is copied from a template. Must not
//! know what the stand-ins do.

mod template;

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Generation;
use super::accounts::HOSTILE_NAMES;
use super::place::{FILES, Place, copy};

use self::template::{CLIENT, MAKING, MARIADBD, as_root, template};
use crate::support::in_time::{ChildInTime as _, PATIENCE};

const DATA: &str = "/var/lib/mysql";
const PID_FILE: &str = "/var/lib/mysql/server.pid";

/// How the server runs, besides. Commits reach the kernel, so that a killed server loses none.
const RUNNING: [&str; 15] = [
    "--skip-networking",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-temp-data-file-path=ibtmp1:2M:autoextend",
    "--innodb-log-buffer-size=2M",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--aria-pagecache-buffer-size=4M",
    "--key-buffer-size=1M",
    "--max-connections=50",
    "--performance-schema=OFF",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--general-log",
    "--log-output=TABLE",
    "--character-set-server=utf8",
];

/// Time in which a server must be up.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Database {
    /// The socket, as the machine sees it.
    socket: PathBuf,
    /// The server of a tree; that of a host is the host's, and ends with it.
    child: Option<Child>,
}

impl Database {
    /// Puts a data folder into the place and starts a server on it.
    pub(super) fn start(place: &Place) -> Self {
        let data = place.on_machine(DATA);
        copy(template().to_str().expect("paths of tests are text"), &data, "-a");
        if let Place::Host(host) = place {
            host.run(&["chown", "-R", "mysql:mysql", DATA]).success();
        }
        let mut database = Self { socket: PathBuf::new(), child: None };
        database.restart(place);
        database
    }

    /// Starts a server on the data folder that is there.
    pub(super) fn restart(&mut self, place: &Place) {
        match place {
            Place::Tree(_) => {
                self.socket = place.on_machine(place.socket());
                let _ = fs::remove_file(&self.socket);
                let length = self.socket.as_os_str().len();
                assert!(
                    length < 108,
                    "a socket's path has at most 107 bytes, {} has {length}: set TMPDIR to a shorter one",
                    self.socket.display()
                );
                let log = fs::File::create(place.on_machine("/var/lib/mysql/server.log"))
                    .expect("a file of the tree");
                // Only its parent's death would otherwise go unseen: the end of the test's thread is the end
                // of the server.
                let child = Command::new("setpriv")
                    .args(["--pdeathsig", "KILL", "--", MARIADBD, "--no-defaults"])
                    .args(MAKING)
                    .args(RUNNING)
                    .args(as_root())
                    .args(places(&data_of(place), &self.socket))
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(log)
                    .spawn()
                    .expect("setpriv (util-linux) can be run");
                self.child = Some(child);
            }
            Place::Host(host) => {
                host.run(&["install", "-d", "-o", "mysql", "-g", "mysql", "/run/mysqld"]).success();
                // The folder exists now; that is where its socket will be seen.
                self.socket = place.on_machine(place.socket());
                let mut argv = vec!["mariadbd".to_owned(), "--no-defaults".to_owned()];
                argv.extend(MAKING.iter().chain(&RUNNING).map(|&word| word.to_owned()));
                argv.push("--user=mysql".to_owned());
                argv.extend(places(Path::new(DATA), Path::new(place.socket())));
                argv.push("--log-error=/var/lib/mysql/server.log".to_owned());
                let argv: Vec<_> = argv.iter().map(String::as_str).collect();
                host.exec_detached(&argv);
            }
        }
        self.wait(place);
    }

    /// Waits until the server greets.
    fn wait(&mut self, place: &Place) {
        let end = Instant::now() + LIMIT;
        let greets = || -> std::io::Result<()> {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.read_exact(&mut [0; 5])
        };
        while let Err(error) = greets() {
            let ended = match &mut self.child {
                Some(child) => child.try_wait().expect("a child of ours"),
                None => None,
            };
            assert!(
                ended.is_none() && Instant::now() < end,
                "the database server does not answer: {error}; {ended:?}; {}",
                String::from_utf8_lossy(&place.read("/var/lib/mysql/server.log"))
            );
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Ends the server at once, if it runs.
    pub(super) fn kill(&mut self, place: &Place) {
        match place {
            Place::Tree(_) => {
                if let Some(mut child) = self.child.take() {
                    let _ = child.kill();
                    child.wait().expect("a child of ours");
                }
            }
            Place::Host(host) => {
                if self.greeted() {
                    self.signal(place, "KILL");
                }
                host.wait_until("the database server is gone", || {
                    !host
                        .processes()
                        .iter()
                        .any(|process| process.argv.first().is_some_and(|name| name.ends_with("mariadbd")))
                });
            }
        }
    }

    fn greeted(&self) -> bool {
        UnixStream::connect(&self.socket).is_ok()
    }

    /// Sends the server a signal.
    pub(super) fn signal(&self, place: &Place, signal: &str) {
        match place {
            Place::Tree(_) => {
                let child = self.child.as_ref().expect("the server runs");
                let status = Command::new("kill")
                    .args(["-s", signal, &child.id().to_string()])
                    .status()
                    .expect("kill (procps) can be run");
                assert!(status.success(), "kill: {status}");
            }
            Place::Host(host) => {
                let pid = host.read_text(PID_FILE);
                host.run(&["kill", "-s", signal, pid.trim()]).success();
            }
        }
    }

    /// Makes the vendor's database of a generation, with the small world, and the login `admin`.
    pub(super) fn create(&self, generation: Generation, password: &str) {
        let name = generation.name();
        let password = password.replace('\\', "\\\\").replace('\'', "''");
        let mut statements = format!(
            "CREATE USER admin@localhost IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO admin@localhost WITH GRANT OPTION;\n\
             CREATE DATABASE psa DEFAULT CHARACTER SET utf8;\nUSE psa;\n"
        );
        for part in ["both", name, "both-world", &format!("{name}-world")] {
            statements.push_str(&file(part));
        }
        self.ask("mysql", &statements);
    }

    pub(super) fn fill_bulk(&self, generation: Generation, accounts: u32, domains: u32) {
        let fill = file(&format!("{}-bulk", generation.name()));
        self.sql(&format!(
            "SET @accounts = {accounts}, @domains = {domains};\nSTART TRANSACTION;\n{fill}\nCOMMIT;"
        ));
    }

    pub(super) fn fill_hostile(&self, generation: Generation) {
        let mut statements = "CREATE TEMPORARY TABLE hostile (number INT PRIMARY KEY, \
             name VARCHAR(245) CHARACTER SET ascii NOT NULL);\n"
            .to_owned();
        for (place, name) in HOSTILE_NAMES.iter().enumerate() {
            let hex: Vec<_> = name.bytes().map(|byte| format!("{byte:02x}")).collect();
            statements.push_str(&format!(
                "INSERT INTO hostile VALUES ({}, x'{}');\n",
                place + 1,
                hex.concat()
            ));
        }
        statements.push_str(&file(&format!("{}-hostile", generation.name())));
        self.sql(&statements);
    }

    /// Runs statements in the vendor's database, as a user of the fixture's own.
    pub(super) fn sql(&self, statements: &str) -> String {
        self.ask("psa", statements)
    }

    fn ask(&self, database: &str, statements: &str) -> String {
        let mut input = tempfile::tempfile().expect("a temporary file");
        std::io::Write::write_all(&mut input, statements.as_bytes()).expect("a temporary file");
        std::io::Seek::rewind(&mut input).expect("a temporary file");
        let output = Command::new(CLIENT)
            .args(["--no-defaults", "--default-character-set=utf8", "-ufixture"])
            .args(["--batch", "--raw", "--skip-column-names"])
            .arg(format!("--socket={}", self.socket.display()))
            .arg(database)
            .env("MYSQL_PWD", "fixture")
            .stdin(Stdio::from(input))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|child| child.output_within(PATIENCE))
            .expect("mysql can be run");
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the client speaks UTF-8")
    }

    pub(super) fn queries(&self) -> Vec<String> {
        // As hexadecimal: a statement may have lines.
        let text = self.logged("HEX(argument)", "command_type = 'Query'");
        text.lines()
            .map(unhex)
            // The client's first words.
            .filter(|query| query != "select @@version_comment limit 1")
            .collect()
    }

    pub(super) fn connections(&self) -> usize {
        self.logged("1", "command_type = 'Connect'").lines().count()
    }

    fn logged(&self, what: &str, which: &str) -> String {
        self.sql(&format!(
            "SELECT {what} FROM mysql.general_log WHERE user_host LIKE '%[admin] @%' AND {which};"
        ))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn data_of(place: &Place) -> PathBuf {
    place.on_machine(DATA)
}

/// Where the server has its things.
fn places(data: &Path, socket: &Path) -> [String; 4] {
    [
        // A server that starts removes the temporary tables of all others that share this folder.
        format!("--tmpdir={}", data.display()),
        format!("--datadir={}", data.display()),
        format!("--socket={}", socket.display()),
        format!("--pid-file={}/server.pid", data.display()),
    ]
}

fn file(name: &str) -> String {
    let path = format!("{FILES}/sql/{name}.sql");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Text from the server's `HEX`.
pub(super) fn unhex(hex: &str) -> String {
    let bytes: Vec<_> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

//! Ways to hosts by the system's `ssh`: a configuration, keys and known hosts of their own, made for one
//! test.
//!
//! A host's network is private: its sshd is reached by a connection that a helper of `ssh` opens there and
//! hands over, so that nothing stands in between and many hosts can be reached by one program. Must know
//! nothing of the program but the options that name a host.

mod keys;
mod line;
mod slow;
mod terminal;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::host::{Client, Family};
use super::in_time::ChildInTime as _;
use super::run::Run;
use slow::Slow;

pub use keys::keys;
pub use line::{Fate, Line, Moment, Trip};
pub use terminal::Terminal;

/// The name by which the configuration knows a host unless it is given another.
const ALIAS: &str = "mx1";

/// Time for a shared connection to end.
const FAREWELL: Duration = Duration::from_secs(20);

/// The host's address on its network card.
const ADDRESS: &str = "192.0.2.1";

/// A way to one host; its files and helpers go when it is dropped.
pub struct Ssh {
    folder: TempDir,
    alias: String,
    settings: BTreeMap<&'static str, String>,
    keeper: Option<u32>,
    variables: BTreeMap<String, String>,
    master: Option<Child>,
    leaves_master: bool,
    slow: Option<Slow>,
    socket: Option<OwnedFd>,
}

impl Ssh {
    /// Makes a way to the host of this keeper.
    pub(super) fn to(keeper: u32) -> Self {
        let mut ssh = Self::new(ADDRESS, 22);
        ssh.keeper = Some(keeper);
        ssh.dial(None);
        ssh
    }

    /// Makes a way to a port of this machine that refuses every connection.
    pub fn refusing() -> Self {
        // Bound, so that nobody else gets it, but not listened on.
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        rustix::net::bind(&socket, &any).expect("a free port");
        let bound = rustix::net::getsockname(&socket).expect("a bound socket");
        let bound = SocketAddr::try_from(bound).expect("an address of IPv4");
        let mut ssh = Self::new("127.0.0.1", bound.port());
        ssh.socket = Some(socket);
        ssh
    }

    /// Makes a way to a port of this machine that accepts every connection and never says a word.
    pub fn silent() -> Self {
        // The kernel accepts; nobody ever reads.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let mut ssh = Self::new("127.0.0.1", port);
        ssh.socket = Some(listener.into());
        ssh
    }

    fn new(address: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| format!("\"{}\"", folder.path().join(name).display());
        let settings = BTreeMap::from([
            ("HostName", address.to_owned()),
            ("Port", port.to_string()),
            ("User", "root".to_owned()),
            ("HostKeyAlias", "host.test".to_owned()),
            ("IdentityFile", at("key")),
            ("IdentitiesOnly", "yes".to_owned()),
            ("IdentityAgent", "none".to_owned()),
            ("UserKnownHostsFile", at("known_hosts")),
            ("GlobalKnownHostsFile", "/dev/null".to_owned()),
            ("StrictHostKeyChecking", "yes".to_owned()),
        ]);
        let key = folder.path().join("key");
        std::fs::write(&key, &keys().client).expect("a temporary file");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a file of our own");
        let known = format!("host.test {}", keys().host_public);
        std::fs::write(folder.path().join("known_hosts"), known).expect("a temporary file");
        let ssh = Self {
            folder,
            alias: ALIAS.to_owned(),
            settings,
            keeper: None,
            variables: BTreeMap::new(),
            master: None,
            leaves_master: false,
            slow: None,
            socket: None,
        };
        ssh.write();
        ssh
    }

    /// Logs in as another user.
    pub fn user(self, name: &str) -> Self {
        self.option("User", name)
    }

    /// Gives the host another name in the configuration.
    pub fn alias_is(mut self, alias: &str) -> Self {
        alias.clone_into(&mut self.alias);
        self.write();
        self
    }

    /// Connects from another address of the client's network, see [`super::host::Host::connect`].
    pub fn from(mut self, source: Ipv4Addr) -> Self {
        self.dial(Some(source));
        self
    }

    /// Connects from a client of [`super::host::Host::network`], which is whom `SSH_CLIENT` names on the
    /// host.
    pub fn at_client(mut self, client: &Client, family: Family) -> Self {
        let dial = format!(
            "/usr/bin/nsenter --net={} /bin/nc.openbsd -F -s {} %h %p",
            client.namespace().display(),
            client.address(family)
        );
        self.settings.insert("HostName", family.host().to_string());
        self.option("ProxyCommand", &dial)
    }

    /// Sets one option of the configuration.
    pub fn option(mut self, name: &'static str, value: &str) -> Self {
        self.settings.insert(name, value.to_owned());
        self.write();
        self
    }

    /// Makes every byte arrive `delay` later, in each direction.
    pub fn slow(mut self, delay: Duration) -> Self {
        let keeper = self.keeper.expect("a way to a host");
        let slow = Slow::new(keeper, delay);
        self.settings.remove("ProxyCommand");
        self.settings.remove("ProxyUseFdpass");
        self.settings.insert("HostName", "127.0.0.1".to_owned());
        self.settings.insert("Port", slow.port().to_string());
        self.slow = Some(slow);
        self.write();
        self
    }

    /// Opens a connection now that every later `ssh` of this configuration shares; it ends with this value.
    pub fn warm(mut self) -> Self {
        // It ends with its shell, which ends when the test closes its end of the pipe or dies. Not with a
        // TERM: ssh 9.2 overlooks one that comes while it puts a session away, and then stays for ever.
        let mut command = Command::new("sh");
        command
            .args(["-c", r#""$@" </dev/null & read -r _; kill -KILL $!; wait"#, "sh"])
            .args(["ssh", "-M", "-N", "-F"])
            .arg(self.config())
            .arg("-o")
            .arg(format!("ControlPath={}", self.control().display()))
            .arg(&self.alias)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let master = command.spawn().expect("sh runs");
        let end = Instant::now() + Duration::from_secs(60);
        while !self.control().exists() {
            assert!(Instant::now() < end, "no shared connection in a minute");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.master = Some(master);
        let control = self.control().display().to_string();
        self.option("ControlPath", &control)
    }

    /// Has the first `ssh` leave its connection behind for later ones, as `ControlMaster auto` does; it ends
    /// with this value.
    pub fn auto_master(mut self) -> Self {
        self.leaves_master = true;
        let control = self.control().display().to_string();
        self.option("ControlPath", &control).option("ControlMaster", "auto").option("ControlPersist", "60")
    }

    /// Has the program use `line` for its `ssh`.
    pub fn over(mut self, line: &Line) -> Self {
        let program = line.program().display().to_string();
        self.variables.insert("MAILWARD_SSH".to_owned(), program);
        self
    }

    /// The file to give to `ssh -F`.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The host's name in the configuration.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// Prepares a plain `ssh` that has the host's login shell run `script`.
    pub fn bare(&self, script: &str) -> Run {
        let config = self.config().display().to_string();
        self.command(&["ssh", "-F", &config, &self.alias, script])
    }

    /// Prepares the program to run here on the host: its arguments, and the options that lead there.
    pub fn mailward(&self, arguments: &[&str]) -> Run {
        let config = format!("--ssh-option=-F{}", self.config().display());
        let mut argv = vec![env!("CARGO_BIN_EXE_mailward")];
        argv.extend(arguments);
        argv.extend(["--host", &self.alias, &config]);
        self.command(&argv)
    }

    /// Prepares any program on this machine, in an environment in which nothing but these ways leads to a
    /// host.
    pub fn command(&self, argv: &[&str]) -> Run {
        let (program, arguments) = argv.split_first().expect("a program has a name");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", super::host::PATH)
            .env("HOME", self.folder.path())
            .env("LANG", "C.UTF-8")
            .envs(&self.variables);
        Run::new(argv.iter().map(|&word| word.to_owned()).collect(), command)
    }

    /// Returns one configuration for the hosts of several ways, which must have different aliases.
    pub fn configs(ways: &[Self]) -> String {
        let all = ways.iter().map(Self::text);
        all.collect::<Vec<_>>().join("\n")
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    /// Sets the helper that opens the connection in the client's network and hands it to `ssh`.
    fn dial(&mut self, source: Option<Ipv4Addr>) {
        let keeper = self.keeper.expect("a way to a host");
        let source = source.map_or(String::new(), |address| format!("-s {address} "));
        let dial = format!("/usr/bin/nsenter --net=/proc/{keeper}/ns/net /bin/nc.openbsd -F {source}%h %p");
        self.settings.insert("ProxyCommand", dial);
        self.settings.insert("ProxyUseFdpass", "yes".to_owned());
        self.write();
    }

    fn text(&self) -> String {
        let mut text = format!("Host {}\n", self.alias);
        for (name, value) in &self.settings {
            text.push_str(&format!("    {name} {value}\n"));
        }
        text
    }

    fn write(&self) {
        std::fs::write(self.config(), self.text()).expect("a temporary file");
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        if let Some(master) = &mut self.master {
            master.end_within(FAREWELL);
        }
        if self.leaves_master && self.control().exists() {
            end_master(&self.config(), &self.alias);
        }
    }
}

/// Ends a connection that an `ssh` has left behind, and waits until its process is gone.
fn end_master(config: &Path, alias: &str) {
    let mut command = Command::new("ssh");
    command.arg("-F").arg(config).args(["-O", "exit", alias]);
    if let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        child.end_within(FAREWELL);
    }
}

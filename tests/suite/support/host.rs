//! Private hosts: a real init, Debian's courier and xinetd, and a network of their own, made for one test.
//!
//! A host is a set of namespaces over an overlay of the machine's root on a tmpfs. Nothing on the machine is
//! ever written or mounted; everything ends with the [`Host`] value, or with the test program if that is
//! killed. Must not know what mailward does.

mod files;
mod inside;
mod keeper;
mod kind;
pub mod needs;
mod net;
mod session;
mod sshd;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use keeper::Keeper;

use super::strace::{self, Fault, Point};

pub use super::run::{Output, Run};
pub use inside::{PATH, Process};
pub use kind::{Kind, Layout};
pub use net::{Client, Family, Net, PacketFilter, Reach};
pub use session::{Session, dial};
pub use sshd::{OPERATOR, VISITOR};

/// The ports that a freshly booted host serves: ftp, smtp, pop3, imap, smtps, submission, imaps, pop3s.
pub const PORTS: [u16; 8] = [21, 25, 110, 143, 465, 587, 993, 995];

/// Time in which anything that a host does must be done.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A private host; ended, with all that runs in it, when dropped.
pub struct Host {
    kind: Kind,
    layout: Layout,
    keeper: Keeper,
    init: Option<u32>,
    sshd: bool,
    network: bool,
}

impl Host {
    /// Makes a host run by systemd, boots it and waits until it serves; `None` where no host can be made.
    pub fn systemd() -> Option<Self> {
        Self::start(Kind::Systemd)
    }

    /// Makes a host run by init scripts, boots it and waits until it serves; `None` where no host can be
    /// made.
    pub fn init() -> Option<Self> {
        Self::start(Kind::SysV)
    }

    /// Makes a host whose only userland is BusyBox, boots it and waits until it serves; `None` where no host
    /// can be made.
    pub fn busybox() -> Option<Self> {
        Self::start_with(Kind::BusyBox, Layout::PleskSplit)
    }

    /// Makes a host, boots it and waits until it serves all of [`PORTS`]; `None` where no host can be made.
    pub fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, Layout::Debian)
    }

    /// Makes a host like [`Host::start`], with Courier laid out as asked.
    pub fn start_with(kind: Kind, layout: Layout) -> Option<Self> {
        let mut host = Self::prepare(kind, layout)?;
        host.boot();
        Some(host)
    }

    /// Makes a host that is switched off: its files can be written before [`Host::boot`].
    ///
    /// `None`, and a line about the running test, on a machine that is not Debian or without root's powers.
    pub fn prepare(kind: Kind, layout: Layout) -> Option<Self> {
        if !needs::met() {
            return None;
        }
        assert!(
            kind != Kind::BusyBox || layout != Layout::Debian,
            "Debian's init scripts need Debian's userland"
        );
        Some(Self {
            kind,
            layout,
            keeper: Keeper::new(kind, layout),
            init: None,
            sshd: false,
            network: false,
        })
    }

    /// Who is PID 1 here.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How Courier is laid out here.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Boots the host and waits until it serves all of [`PORTS`], ssh if it has an sshd, and what
    /// [`Host::network`] adds.
    pub fn boot(&mut self) {
        self.boot_only();
        self.wait_for_ports(&PORTS);
        if self.sshd {
            self.wait_for_ports(&[22]);
        }
        if self.network {
            self.wait_for_ports(&net::PANEL_PORTS);
        }
        match self.kind {
            // Jobs that are still queued would make the next `systemctl` wait or change their order.
            Kind::Systemd => {
                self.run(&["systemctl", "is-system-running", "--wait"]);
            }
            Kind::SysV | Kind::BusyBox => {
                self.wait_until("the start scripts are through", || self.exists("/run/rc-done"))
            }
        }
    }

    /// Boots the host and waits for nothing more than its init: for a host whose files keep daemons from
    /// running.
    pub fn boot_only(&mut self) {
        assert!(self.init.is_none(), "the host is already running");
        let answer = self.keeper.ask("boot");
        let pid = answer.strip_prefix("up ").map(str::parse);
        let Some(Ok(pid)) = pid else {
            panic!("the host did not boot: {answer}");
        };
        self.init = Some(pid);
    }

    /// Ends every process of the host at once, as a power cut does; its files stay, `/run` and `/tmp` do not.
    pub fn halt(&mut self) {
        assert_eq!(self.keeper.ask("halt"), "halted");
        self.init = None;
    }

    /// Halts the host and boots it again on the same files.
    pub fn reboot(&mut self) {
        self.halt();
        self.boot();
    }

    /// Runs a program in the host as root, without input, and waits for it within [`LIMIT`].
    pub fn run(&self, argv: &[&str]) -> Output {
        self.command(argv).run()
    }

    /// Prepares a program to run in the host, where more than its arguments matters.
    pub fn command(&self, argv: &[&str]) -> Run {
        inside::command(self.kind, self.init_pid(), argv)
    }

    /// Starts a program in the host, in a session of its own, and does not wait for it; it ends with the
    /// host.
    pub fn exec_detached(&self, argv: &[&str]) {
        let mut all = vec!["setsid", "--fork"];
        all.extend(argv);
        self.run(&all).success();
    }

    /// Runs a service action the way an administrator of this host would: `systemctl` or the init script.
    pub fn service(&self, name: &str, action: &str) -> Output {
        match self.kind {
            Kind::Systemd => self.run(&["systemctl", action, name]),
            Kind::SysV | Kind::BusyBox => self.run(&[&format!("/etc/init.d/{name}"), action]),
        }
    }

    /// Runs a program in the host under strace and returns the points at which it changed something.
    pub fn points(&self, argv: &[&str]) -> Vec<Point> {
        self.points_ending_with(argv, 0)
    }

    /// Does the same with a program that ends with another exit code.
    pub fn points_ending_with(&self, argv: &[&str], code: i32) -> Vec<Point> {
        let log = "/tmp/strace.log";
        let traced = strace::tracing(argv, log);
        let traced: Vec<_> = traced.iter().map(String::as_str).collect();
        let output = self.run(&traced);
        assert_eq!(output.code(), code, "{output:#?}");
        strace::points(&self.read_text(log))
    }

    /// Runs a program in the host under strace with one fault at one point.
    pub fn inject(&self, argv: &[&str], point: &Point, fault: &Fault) -> Output {
        let traced = strace::injecting(argv, point, fault);
        let traced: Vec<_> = traced.iter().map(String::as_str).collect();
        self.run(&traced)
    }

    /// Returns the processes of the host, by their numbers there, without those that run for the asking.
    pub fn processes(&self) -> Vec<Process> {
        inside::processes(self.init_pid())
    }

    /// Returns the arguments of the running couriertcpd that listens on `port`.
    pub fn couriertcpd(&self, port: u16) -> Option<Vec<String>> {
        let port = port.to_string();
        self.processes().into_iter().map(|process| process.argv).find(|argv| {
            argv.first().is_some_and(|name| name.ends_with("/couriertcpd")) && argv.contains(&port)
        })
    }

    /// Returns the TCP ports on which something in the host listens; makes no connection.
    pub fn listening(&self) -> BTreeSet<u16> {
        inside::listening(self.init_pid())
    }

    /// Waits until something listens on each of `ports`.
    pub fn wait_for_ports(&self, ports: &[u16]) {
        self.wait_until(&format!("all of {ports:?} are served"), || {
            let open = self.listening();
            ports.iter().all(|port| open.contains(port))
        });
    }

    /// Waits until `done` is true; fails after [`LIMIT`], naming what it waited for.
    pub fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let end = Instant::now() + LIMIT;
        while !done() {
            assert!(
                Instant::now() < end,
                "waited {LIMIT:?} in vain until {what}; listening: {:?}; running: {:#?}",
                self.listening(),
                self.processes(),
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Opens a TCP connection to a port of the host from `source`.
    ///
    /// An address of 127.0.0.0/8 or `::1` connects inside the host; one of 192.0.2.128/25, 198.51.100.0/24,
    /// 203.0.113.0/24 or 2001:db8:51::/48 comes in over the host's network card.
    pub fn connect(&self, port: u16, source: &str) -> Session {
        self.try_connect(port, source).unwrap_or_else(|error| panic!("port {port} from {source}: {error}"))
    }

    /// Opens a TCP connection like [`Host::connect`]; a refusal, or no answer in three seconds, is an error.
    pub fn try_connect(&self, port: u16, source: &str) -> std::io::Result<Session> {
        session::connect(self.keeper.pid(), self.init_pid(), port, source)
    }

    /// Opens connections one after the other until one is closed without text, at most `most`; returns those
    /// greeted.
    pub fn open_until_cut(&self, port: u16, source: &str, most: usize) -> Vec<Session> {
        let mut served = Vec::new();
        while served.len() < most {
            let mut session = self.connect(port, source);
            if session.greeting().is_none() {
                break;
            }
            served.push(session);
        }
        served
    }

    /// The number by which the machine knows the host's PID 1.
    pub fn init_pid(&self) -> u32 {
        self.init.expect("the host is running")
    }

    /// The number by which the machine knows the process that keeps the host.
    pub fn keeper_pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// Where the machine sees the root of the host.
    fn root(&self) -> PathBuf {
        match self.init {
            Some(pid) => PathBuf::from(format!("/proc/{pid}/root")),
            None => PathBuf::from(format!("/proc/{}/root{}/root", self.keeper.pid(), keeper::place())),
        }
    }
}

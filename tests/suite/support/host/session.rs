//! TCP connections to a host from chosen addresses, made by a thread that enters the network namespace of the
//! client or of the host; the socket then belongs to the test.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect as connect_socket, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Time in which a daemon greets or closes a connection.
const GREETING: Duration = Duration::from_secs(30);

/// Time in which a connection is made or refused.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Connects from the client's network namespace, or, from a loopback address, from the host's own.
pub(super) fn connect(keeper: u32, init: u32, port: u16, source: &str) -> io::Result<Session> {
    let address: IpAddr = source.parse().expect("a source is an address");
    let namespace = if address.is_loopback() { init } else { keeper };
    dial(namespace, port, source).map(Session::over)
}

/// Opens a connection to a host from `source`, in the network namespace of the process `inside`.
pub fn dial(inside: u32, port: u16, source: &str) -> io::Result<TcpStream> {
    let source: IpAddr = source.parse().expect("a source is an address");
    let host = match source {
        IpAddr::V4(address) if address.is_loopback() => "127.0.0.1",
        IpAddr::V4(_) => "192.0.2.1",
        IpAddr::V6(address) if address.is_loopback() => "::1",
        IpAddr::V6(_) => "2001:db8:25::1",
    };
    let host: IpAddr = host.parse().expect("an address");
    let namespace = PathBuf::from(format!("/proc/{inside}/ns/net"));
    dial_in(&namespace, source, SocketAddr::new(host, port), HANDSHAKE)
}

/// Opens a connection from `source` in a network namespace; a time limit that ends is an error of kind
/// `TimedOut`.
pub(super) fn dial_in(
    namespace: &Path,
    source: IpAddr,
    target: SocketAddr,
    limit: Duration,
) -> io::Result<TcpStream> {
    let namespace = File::open(namespace)?;
    // A namespace belongs to a thread: this one has no other use and ends in it.
    std::thread::scope(|scope| {
        let dial = || -> io::Result<TcpStream> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            let family = match source {
                IpAddr::V4(_) => AddressFamily::INET,
                IpAddr::V6(_) => AddressFamily::INET6,
            };
            // A handshake that blocks ends with any signal; this one waits in `handshake`.
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(family, SocketType::STREAM, flags, None)?;
            bind(&socket, &SocketAddr::new(source, 0))?;
            match connect_socket(&socket, &target) {
                Ok(()) => {}
                Err(Errno::INPROGRESS | Errno::INTR) => handshake(&socket, Instant::now() + limit)?,
                Err(error) => return Err(error.into()),
            }
            let stream = TcpStream::from(socket);
            stream.set_nonblocking(false)?;
            Ok(stream)
        };
        scope.spawn(dial).join().expect("the thread does not panic")
    })
}

/// Waits until a connection that was begun is made or has failed, whatever signals come meanwhile.
fn handshake(socket: &OwnedFd, end: Instant) -> io::Result<()> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&left)) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(socket_error(socket)??),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// An open connection to a service of a host.
pub struct Session {
    stream: TcpStream,
    unread: Vec<u8>,
    closed: bool,
}

impl Session {
    pub(super) fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new(), closed: false }
    }

    /// Returns the first line that the service says, or `None` where it closes without text.
    ///
    /// Fails where neither happens within half a minute.
    pub fn greeting(&mut self) -> Option<String> {
        match self.line_within(GREETING) {
            Ok(line) => line,
            Err(error) => panic!("neither greeted nor closed: {error}"),
        }
    }

    /// Sends text as it is.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// Returns the next line without its end, or `None` where the service has closed; fails after half a
    /// minute.
    pub fn receive(&mut self) -> Option<String> {
        self.greeting()
    }

    /// Sends one line and returns the answer; fails where the service has closed.
    pub fn exchange(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n")).expect("the service takes a line");
        self.receive().expect("the service answers")
    }

    /// Returns the next line within `limit`, `None` at the end; silence is an error of kind `TimedOut`.
    pub fn line_within(&mut self, limit: Duration) -> io::Result<Option<String>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(at) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<_> = self.unread.drain(..=at).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
            }
            if self.closed {
                return Ok(None);
            }
            self.fill(end)?;
        }
    }

    /// Returns whether the service has not closed the connection by now.
    pub fn still_open(&mut self) -> bool {
        !self.closes_within(Duration::from_millis(1))
    }

    /// Waits until the service closes the connection; returns whether it does so within `limit`.
    ///
    /// Last words are kept for [`Session::receive`].
    pub fn closes_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while !self.closed {
            match self.fill(end) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => panic!("an open connection can be read: {error}"),
            }
        }
        self.closed
    }

    /// Reads once, waiting until `end` at most; silence is an error of kind `TimedOut`.
    fn fill(&mut self, end: Instant) -> io::Result<()> {
        // A time limit of zero would be none at all.
        let left = end.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_micros(1));
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset => self.closed = true,
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                _ => return Err(error),
            },
        }
        Ok(())
    }
}

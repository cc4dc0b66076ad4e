//! The hosts that are reached by ssh are what they claim to be: each kind comes up with a real sshd, its bad
//! ends are bad in the way they say, and a line that is to break breaks where it should.

mod connection;
mod ends;
mod kinds;
mod lines;

use crate::support::host::{Host, Kind, Layout};

/// Every kind of host, in the layout that it has here.
const KINDS: [(Kind, Layout); 3] =
    [(Kind::Systemd, Layout::Debian), (Kind::SysV, Layout::Debian), (Kind::BusyBox, Layout::PleskSplit)];

/// Makes a host with init scripts, as `change` has it, and an sshd; `None` where no host can be made.
fn host_with(change: impl Fn(&mut Host)) -> Option<Host> {
    let mut host = Host::prepare(Kind::SysV, Layout::Debian)?;
    host.sshd();
    change(&mut host);
    host.boot();
    Some(host)
}

//! What Debian's courier and xinetd do in a private host, under systemd and under init scripts: the facts
//! that the plan rests on, and the proof that the hosts are what they claim to be.

mod courier;
mod hosts;
mod xinetd;

use crate::support::host::{Host, Kind};

/// Runs a case on a fresh host of each kind.
fn on_each_kind(case: impl Fn(&mut Host)) {
    for kind in Kind::ALL {
        let Some(mut host) = Host::start(kind) else {
            return;
        };
        println!("on a host with {kind:?}");
        case(&mut host);
    }
}

//! Conditions added one by one, as the statements of a rule come; two that exclude each other leave nothing.
//!
//! What returns an option adds nothing where it is `None`: the condition is not understood.

use super::point::{Is, Point, Tracking, Traffic};
use super::{On, Ports, Protocol, Stage, When};
use crate::model::{Family, Network, Networks};

/// The ports that clients connect from. Those below are for programs of their systems.
const CLIENTS: (u16, u16) = (1024, u16::MAX);

/// The flags of TCP that are known of a packet: of a first one SYN alone is set; of a later one ACK, and neither SYN nor
/// RST, while FIN, PSH and URG come and go. ECE and CWR may always be there.
const FLAGS: [&str; 6] = ["fin", "syn", "rst", "psh", "ack", "urg"];

/// One of the two ends of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::access) enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// What is compared with flags of TCP.
#[derive(Debug, Clone, Copy)]
pub(in crate::access) enum Flags<'f> {
    /// Of these, exactly those are set.
    Exactly {
        /// All that are looked at.
        of: &'f [&'f str],
        /// Those that are set.
        set: &'f [&'f str],
    },
    /// At least one of these is set.
    Any(&'f [&'f str]),
}

/// Whether something holds of every packet of a stage, of none, or of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    All,
    None,
    Some,
}

impl When {
    /// A condition that no packet meets.
    pub(in crate::access) fn never(&mut self) {
        self.ports = Some(Ports::default());
    }

    pub(in crate::access) fn narrow_protocol(&mut self, to: Protocol) {
        self.protocol = match (self.protocol, to) {
            (Protocol::Any, only) | (only, Protocol::Any) => only,
            (Protocol::Tcp, Protocol::Tcp) => Protocol::Tcp,
            (Protocol::NotTcp, _) | (_, Protocol::NotTcp) => Protocol::NotTcp,
        };
    }

    pub(in crate::access) fn narrow_stage(&mut self, to: Stage) {
        match self.stage {
            Some(other) if other != to => self.never(),
            Some(_) | None => self.stage = Some(to),
        }
    }

    pub(in crate::access) fn narrow_family(&mut self, to: Family) {
        match self.family {
            Some(other) if other != to => self.never(),
            Some(_) | None => self.family = Some(to),
        }
    }

    /// That an address at one end of a packet is among these, or is not.
    pub(in crate::access) fn narrow_address(
        &mut self,
        point: Point,
        end: End,
        of: Family,
        is: Is,
        listed: &Networks,
    ) -> Option<()> {
        let wanted = match is {
            Is::So => listed.of_family(of),
            Is::Not => Networks::all_of(of).difference(listed),
        };
        match (point.traffic, end) {
            // On `lo` both ends have the same address.
            (Traffic::Arriving, End::Source)
            | (Traffic::Answers, End::Destination)
            | (Traffic::Leaving, End::Source | End::Destination) => {
                self.sources = Some(match &self.sources {
                    Some(others) => others.intersection(&wanted),
                    None => wanted,
                });
            }
            (Traffic::Arriving, End::Destination) | (Traffic::Answers, End::Source) => {
                if wanted.intersection(&possible(of)).is_empty() {
                    self.never();
                } else if !possible(of).difference(&wanted).is_empty() {
                    return None;
                }
            }
        }
        Some(())
    }

    /// That a port at one end of a packet is among these.
    pub(in crate::access) fn narrow_port(
        &mut self,
        point: Point,
        end: End,
        to: &Ports,
    ) -> Option<()> {
        match (point.traffic, end) {
            (Traffic::Arriving | Traffic::Leaving, End::Destination)
            | (Traffic::Answers, End::Source) => {
                self.ports = Some(match &self.ports {
                    Some(others) => others.both(to),
                    None => to.clone(),
                });
            }
            (Traffic::Arriving | Traffic::Leaving, End::Source)
            | (Traffic::Answers, End::Destination) => {
                let clients = Ports::of([CLIENTS]);
                let common = clients.both(to);
                if common.is_empty() {
                    self.never();
                } else if common != clients {
                    return None;
                }
            }
        }
        Some(())
    }

    /// That the interface is one of these, or none; the last letter of a pattern is `any`.
    pub(in crate::access) fn narrow_interfaces(
        &mut self,
        is: Is,
        names: &[&str],
        any: char,
    ) -> Option<()> {
        let pattern = |name: &str| name.strip_suffix(any).map(str::to_owned);
        let (mut loopback, mut others, mut all) = (false, false, false);
        for name in names {
            let start = pattern(name);
            loopback |=
                *name == "lo" || start.as_ref().is_some_and(|start| "lo".starts_with(start));
            others |= *name != "lo";
            all |= start.is_some_and(|start| start.is_empty());
        }
        let list = || names.join(", ");
        let on = match (is, loopback, others) {
            (Is::So, _, _) if all => On::Any,
            (Is::Not, _, _) if all => {
                self.never();
                return Some(());
            }
            (Is::So, false, false) => {
                self.never();
                return Some(());
            }
            (Is::Not, false, false) => On::Any,
            (Is::So, true, false) => On::Loopback,
            (Is::Not, true, false) => On::NotLoopback,
            (Is::So, false, true) => On::Named(list()),
            (Is::Not, true, true) => On::Named(format!("not {}", list())),
            (Is::So, true, true) => On::LoopbackAnd(list()),
            (Is::Not, false, true) => On::LoopbackAnd(format!("not {}", list())),
        };
        self.narrow_interface(on)
    }

    /// `None` for a second condition on the interface that makes none with the first.
    fn narrow_interface(&mut self, to: On) -> Option<()> {
        let both = match (std::mem::take(&mut self.on), to) {
            (On::Any, on) | (on, On::Any) => on,
            (On::Loopback, On::Loopback | On::LoopbackAnd(_))
            | (On::LoopbackAnd(_), On::Loopback) => On::Loopback,
            (On::NotLoopback, On::NotLoopback) => On::NotLoopback,
            (On::NotLoopback, On::Named(name) | On::LoopbackAnd(name))
            | (On::Named(name) | On::LoopbackAnd(name), On::NotLoopback) => On::Named(name),
            (On::Loopback, On::NotLoopback | On::Named(_))
            | (On::NotLoopback | On::Named(_), On::Loopback) => {
                self.never();
                On::Loopback
            }
            (first @ (On::Named(_) | On::LoopbackAnd(_)), On::Named(_) | On::LoopbackAnd(_)) => {
                self.on = first;
                return None;
            }
        };
        self.on = both;
        Some(())
    }

    /// States of connection tracking, in small letters. A connection that is asked about is of its own: no other expects it,
    /// nobody has translated its addresses, and its packets are tracked. What does that or keeps them from being tracked is
    /// [`super::Then::Unknown`].
    pub(in crate::access) fn narrow_states(
        &mut self,
        point: Point,
        is: Is,
        states: &[&str],
    ) -> Option<()> {
        const KNOWN: [&str; 7] = [
            "new",
            "established",
            "related",
            "invalid",
            "untracked",
            "snat",
            "dnat",
        ];
        if states.iter().any(|state| !KNOWN.contains(state)) {
            return None;
        }
        let has = |state| states.contains(&state) == (is == Is::So);
        let (new, established, invalid) = (has("new"), has("established"), has("invalid"));
        match (point.tracking, point.traffic) {
            (Tracking::Either, _) => return None,
            (Tracking::Before, Traffic::Arriving) => match (invalid, new, established) {
                (true, true, true) => {}
                (true, false, false) => self.narrow_interface(On::NotLoopback)?,
                (true, true, false) | (true, false, true) => return None,
                (false, new, established) => {
                    self.narrow_interface(On::Loopback)?;
                    self.narrow_stages(new, established);
                }
            },
            (Tracking::Before, Traffic::Answers | Traffic::Leaving) => {
                if !invalid {
                    self.never();
                }
            }
            (Tracking::Behind, _) => self.narrow_stages(new, established),
        }
        Some(())
    }

    fn narrow_stages(&mut self, opening: bool, established: bool) {
        match (opening, established) {
            (true, true) => {}
            (true, false) => self.narrow_stage(Stage::Opening),
            (false, true) => self.narrow_stage(Stage::Established),
            (false, false) => self.never(),
        }
    }

    /// Flags of TCP, in small letters.
    pub(in crate::access) fn narrow_flags(
        &mut self,
        point: Point,
        is: Is,
        flags: Flags<'_>,
    ) -> Option<()> {
        let stages = [Stage::Opening, Stage::Established].map(|stage| {
            let of = hold(point.traffic, stage, flags);
            match (is, of) {
                (Is::So, of) => of,
                (Is::Not, Of::All) => Of::None,
                (Is::Not, Of::None) => Of::All,
                (Is::Not, Of::Some) => Of::Some,
            }
        });
        match stages {
            [Of::Some, _] | [_, Of::Some] => return None,
            [opening, established] => {
                self.narrow_protocol(Protocol::Tcp);
                self.narrow_stages(opening == Of::All, established == Of::All);
            }
        }
        Some(())
    }
}

/// Whether flags are so in the packets of a stage.
fn hold(traffic: Traffic, stage: Stage, flags: Flags<'_>) -> Of {
    let is_set = |flag: &str| match (traffic, stage, flag) {
        (_, _, "ecn" | "cwr" | "ece") => Of::Some,
        (Traffic::Arriving | Traffic::Leaving, Stage::Opening, "syn")
        | (Traffic::Arriving | Traffic::Leaving, Stage::Established, "ack")
        | (Traffic::Answers, _, "ack") => Of::All,
        // The answer to the first packet has both.
        (Traffic::Answers, _, "syn") => Of::Some,
        (Traffic::Arriving | Traffic::Leaving, Stage::Opening, _) | (_, _, "syn" | "rst") => {
            Of::None
        }
        (_, Stage::Established, _) | (Traffic::Answers, Stage::Opening, _) => Of::Some,
    };
    match flags {
        Flags::Any(flags) => {
            if flags.iter().any(|flag| is_set(flag) == Of::All) {
                Of::All
            } else if flags.iter().all(|flag| is_set(flag) == Of::None) {
                Of::None
            } else {
                Of::Some
            }
        }
        Flags::Exactly { of, set } => {
            if set.iter().any(|flag| !of.contains(flag)) {
                return Of::None;
            }
            let fits = of
                .iter()
                .map(|flag| match (is_set(flag), set.contains(flag)) {
                    (Of::Some, _) => Of::Some,
                    (Of::All, true) | (Of::None, false) => Of::All,
                    (Of::All, false) | (Of::None, true) => Of::None,
                });
            fits.fold(Of::All, |all, one| match (all, one) {
                (Of::None, _) | (_, Of::None) => Of::None,
                (Of::Some, _) | (_, Of::Some) => Of::Some,
                (Of::All, Of::All) => Of::All,
            })
        }
    }
}

/// All that is a flag of TCP by name.
pub(in crate::access) fn is_flag(word: &str) -> bool {
    FLAGS.contains(&word) || matches!(word, "ecn" | "ece" | "cwr")
}

/// The addresses that a host may have: which of them it has is not known here.
fn possible(of: Family) -> Networks {
    let never = match of {
        Family::Ipv4 => "224.0.0.0/3",
        Family::Ipv6 => "ff00::/8",
    };
    let never = Network::parse(never).ok().map(Networks::from);
    Networks::all_of(of).difference(&never.unwrap_or_default())
}

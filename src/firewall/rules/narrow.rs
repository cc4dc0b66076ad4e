//! Conditions added one by one, as the statements of a rule come; two that exclude each other leave nothing.
//!
//! What returns an option adds nothing where it is `None`: the condition is not understood.

use super::point::{HookPoint, MatchSense, PacketTracking, PacketTraffic};
use super::{ConnectionStage, PortSet, RuleInterfaces, RuleMatch, RuleProtocol};
use crate::model::{AddressFamily, Network, Networks};

/// The ports that clients connect from. Those below are for programs of their systems.
const CLIENTS: (u16, u16) = (1024, u16::MAX);

/// The flags of TCP that are known of a packet: of a first one SYN alone is set; of a later one ACK, and
/// neither SYN nor RST, while FIN, PSH and URG come and go. ECE and CWR may always be there.
const FLAGS: [&str; 6] = ["fin", "syn", "rst", "psh", "ack", "urg"];

/// One of the two ends of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::firewall) enum PacketEnd {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// What is compared with flags of TCP.
#[derive(Debug, Clone, Copy)]
pub(in crate::firewall) enum FlagMatch<'f> {
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
enum StageShare {
    All,
    None,
    Some,
}

impl RuleMatch {
    /// A condition that no packet meets.
    pub(in crate::firewall) fn never(&mut self) {
        self.ports = Some(PortSet::default());
    }

    pub(in crate::firewall) fn narrow_protocol(&mut self, to: RuleProtocol) {
        self.protocol = match (self.protocol, to) {
            (RuleProtocol::Any, only) | (only, RuleProtocol::Any) => only,
            (RuleProtocol::Tcp, RuleProtocol::Tcp) => RuleProtocol::Tcp,
            (RuleProtocol::NotTcp, _) | (_, RuleProtocol::NotTcp) => RuleProtocol::NotTcp,
        };
    }

    pub(in crate::firewall) fn narrow_stage(&mut self, to: ConnectionStage) {
        match self.stage {
            Some(other) if other != to => self.never(),
            Some(_) | None => self.stage = Some(to),
        }
    }

    pub(in crate::firewall) fn narrow_family(&mut self, to: AddressFamily) {
        match self.family {
            Some(other) if other != to => self.never(),
            Some(_) | None => self.family = Some(to),
        }
    }

    /// That an address at one end of a packet is among these, or is not.
    pub(in crate::firewall) fn narrow_address(
        &mut self,
        point: HookPoint,
        end: PacketEnd,
        of: AddressFamily,
        is: MatchSense,
        listed: &Networks,
    ) -> Option<()> {
        let wanted = match is {
            MatchSense::So => listed.of_family(of),
            MatchSense::Not => Networks::all_of(of).difference(listed),
        };
        match (point.traffic, end) {
            // On `lo` both ends have the same address.
            (PacketTraffic::Arriving, PacketEnd::Source)
            | (PacketTraffic::Answers, PacketEnd::Destination)
            | (PacketTraffic::Leaving, PacketEnd::Source | PacketEnd::Destination) => {
                self.sources = Some(match &self.sources {
                    Some(others) => others.intersection(&wanted),
                    None => wanted,
                });
            }
            (PacketTraffic::Arriving, PacketEnd::Destination)
            | (PacketTraffic::Answers, PacketEnd::Source) => {
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
    pub(in crate::firewall) fn narrow_port(
        &mut self,
        point: HookPoint,
        end: PacketEnd,
        to: &PortSet,
    ) -> Option<()> {
        match (point.traffic, end) {
            (PacketTraffic::Arriving | PacketTraffic::Leaving, PacketEnd::Destination)
            | (PacketTraffic::Answers, PacketEnd::Source) => {
                self.ports = Some(match &self.ports {
                    Some(others) => others.both(to),
                    None => to.clone(),
                });
            }
            (PacketTraffic::Arriving | PacketTraffic::Leaving, PacketEnd::Source)
            | (PacketTraffic::Answers, PacketEnd::Destination) => {
                let clients = PortSet::of([CLIENTS]);
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
    pub(in crate::firewall) fn narrow_interfaces(
        &mut self,
        is: MatchSense,
        names: &[&str],
        any: char,
    ) -> Option<()> {
        let pattern = |name: &str| name.strip_suffix(any).map(str::to_owned);
        let (mut loopback, mut others, mut all) = (false, false, false);
        for name in names {
            let start = pattern(name);
            loopback |= *name == "lo" || start.as_ref().is_some_and(|start| "lo".starts_with(start));
            others |= *name != "lo";
            all |= start.is_some_and(|start| start.is_empty());
        }
        let list = || names.join(", ");
        let on = match (is, loopback, others) {
            (MatchSense::So, _, _) if all => RuleInterfaces::Any,
            (MatchSense::Not, _, _) if all => {
                self.never();
                return Some(());
            }
            (MatchSense::So, false, false) => {
                self.never();
                return Some(());
            }
            (MatchSense::Not, false, false) => RuleInterfaces::Any,
            (MatchSense::So, true, false) => RuleInterfaces::Loopback,
            (MatchSense::Not, true, false) => RuleInterfaces::NotLoopback,
            (MatchSense::So, false, true) => RuleInterfaces::Named(list()),
            (MatchSense::Not, true, true) => RuleInterfaces::Named(format!("not {}", list())),
            (MatchSense::So, true, true) => RuleInterfaces::LoopbackAnd(list()),
            (MatchSense::Not, false, true) => RuleInterfaces::LoopbackAnd(format!("not {}", list())),
        };
        self.narrow_interface(on)
    }

    /// `None` for a second condition on the interface that makes none with the first.
    fn narrow_interface(&mut self, to: RuleInterfaces) -> Option<()> {
        let both = match (std::mem::take(&mut self.on), to) {
            (RuleInterfaces::Any, on) | (on, RuleInterfaces::Any) => on,
            (RuleInterfaces::Loopback, RuleInterfaces::Loopback | RuleInterfaces::LoopbackAnd(_))
            | (RuleInterfaces::LoopbackAnd(_), RuleInterfaces::Loopback) => RuleInterfaces::Loopback,
            (RuleInterfaces::NotLoopback, RuleInterfaces::NotLoopback) => RuleInterfaces::NotLoopback,
            (
                RuleInterfaces::NotLoopback,
                RuleInterfaces::Named(name) | RuleInterfaces::LoopbackAnd(name),
            )
            | (
                RuleInterfaces::Named(name) | RuleInterfaces::LoopbackAnd(name),
                RuleInterfaces::NotLoopback,
            ) => RuleInterfaces::Named(name),
            (RuleInterfaces::Loopback, RuleInterfaces::NotLoopback | RuleInterfaces::Named(_))
            | (RuleInterfaces::NotLoopback | RuleInterfaces::Named(_), RuleInterfaces::Loopback) => {
                self.never();
                RuleInterfaces::Loopback
            }
            (
                first @ (RuleInterfaces::Named(_) | RuleInterfaces::LoopbackAnd(_)),
                RuleInterfaces::Named(_) | RuleInterfaces::LoopbackAnd(_),
            ) => {
                self.on = first;
                return None;
            }
        };
        self.on = both;
        Some(())
    }

    /// States of connection tracking, in small letters. A connection that is asked about is of its own: no
    /// other expects it, nobody has translated its addresses, and its packets are tracked. What does that or
    /// keeps them from being tracked is [`super::Then::Unknown`].
    pub(in crate::firewall) fn narrow_states(
        &mut self,
        point: HookPoint,
        is: MatchSense,
        states: &[&str],
    ) -> Option<()> {
        const KNOWN: [&str; 7] = ["new", "established", "related", "invalid", "untracked", "snat", "dnat"];
        if states.iter().any(|state| !KNOWN.contains(state)) {
            return None;
        }
        let has = |state| states.contains(&state) == (is == MatchSense::So);
        let (new, established, invalid) = (has("new"), has("established"), has("invalid"));
        match (point.tracking, point.traffic) {
            (PacketTracking::Either, _) => return None,
            (PacketTracking::Before, PacketTraffic::Arriving) => match (invalid, new, established) {
                (true, true, true) => {}
                (true, false, false) => self.narrow_interface(RuleInterfaces::NotLoopback)?,
                (true, true, false) | (true, false, true) => return None,
                (false, new, established) => {
                    self.narrow_interface(RuleInterfaces::Loopback)?;
                    self.narrow_stages(new, established);
                }
            },
            (PacketTracking::Before, PacketTraffic::Answers | PacketTraffic::Leaving) => {
                if !invalid {
                    self.never();
                }
            }
            (PacketTracking::Behind, _) => self.narrow_stages(new, established),
        }
        Some(())
    }

    fn narrow_stages(&mut self, opening: bool, established: bool) {
        match (opening, established) {
            (true, true) => {}
            (true, false) => self.narrow_stage(ConnectionStage::Opening),
            (false, true) => self.narrow_stage(ConnectionStage::Established),
            (false, false) => self.never(),
        }
    }

    /// Flags of TCP, in small letters.
    pub(in crate::firewall) fn narrow_flags(
        &mut self,
        point: HookPoint,
        is: MatchSense,
        flags: FlagMatch<'_>,
    ) -> Option<()> {
        let stages = [ConnectionStage::Opening, ConnectionStage::Established].map(|stage| {
            let of = hold(point.traffic, stage, flags);
            match (is, of) {
                (MatchSense::So, of) => of,
                (MatchSense::Not, StageShare::All) => StageShare::None,
                (MatchSense::Not, StageShare::None) => StageShare::All,
                (MatchSense::Not, StageShare::Some) => StageShare::Some,
            }
        });
        match stages {
            [StageShare::Some, _] | [_, StageShare::Some] => return None,
            [opening, established] => {
                self.narrow_protocol(RuleProtocol::Tcp);
                self.narrow_stages(opening == StageShare::All, established == StageShare::All);
            }
        }
        Some(())
    }
}

/// Whether flags are so in the packets of a stage.
fn hold(traffic: PacketTraffic, stage: ConnectionStage, flags: FlagMatch<'_>) -> StageShare {
    let is_set = |flag: &str| match (traffic, stage, flag) {
        (_, _, "ecn" | "cwr" | "ece") => StageShare::Some,
        (PacketTraffic::Arriving | PacketTraffic::Leaving, ConnectionStage::Opening, "syn")
        | (PacketTraffic::Arriving | PacketTraffic::Leaving, ConnectionStage::Established, "ack")
        | (PacketTraffic::Answers, _, "ack") => StageShare::All,
        // The answer to the first packet has both.
        (PacketTraffic::Answers, _, "syn") => StageShare::Some,
        (PacketTraffic::Arriving | PacketTraffic::Leaving, ConnectionStage::Opening, _)
        | (_, _, "syn" | "rst") => StageShare::None,
        (_, ConnectionStage::Established, _) | (PacketTraffic::Answers, ConnectionStage::Opening, _) => {
            StageShare::Some
        }
    };
    match flags {
        FlagMatch::Any(flags) => {
            if flags.iter().any(|flag| is_set(flag) == StageShare::All) {
                StageShare::All
            } else if flags.iter().all(|flag| is_set(flag) == StageShare::None) {
                StageShare::None
            } else {
                StageShare::Some
            }
        }
        FlagMatch::Exactly { of, set } => {
            if set.iter().any(|flag| !of.contains(flag)) {
                return StageShare::None;
            }
            let fits = of.iter().map(|flag| match (is_set(flag), set.contains(flag)) {
                (StageShare::Some, _) => StageShare::Some,
                (StageShare::All, true) | (StageShare::None, false) => StageShare::All,
                (StageShare::All, false) | (StageShare::None, true) => StageShare::None,
            });
            fits.fold(StageShare::All, |all, one| match (all, one) {
                (StageShare::None, _) | (_, StageShare::None) => StageShare::None,
                (StageShare::Some, _) | (_, StageShare::Some) => StageShare::Some,
                (StageShare::All, StageShare::All) => StageShare::All,
            })
        }
    }
}

/// All that is a flag of TCP by name.
pub(in crate::firewall) fn is_flag(word: &str) -> bool {
    FLAGS.contains(&word) || matches!(word, "ecn" | "ece" | "cwr")
}

/// The addresses that a host may have: which of them it has is not known here.
fn possible(of: AddressFamily) -> Networks {
    let never = match of {
        AddressFamily::Ipv4 => "224.0.0.0/3",
        AddressFamily::Ipv6 => "ff00::/8",
    };
    let never = Network::parse(never).ok().map(Networks::from);
    Networks::all_of(of).difference(&never.unwrap_or_default())
}

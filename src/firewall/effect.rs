//! What a change of rules does: which sources gain or lose which service, and whether somebody is shut out
//! who must not be.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::rules::{
    ChainPolicy, ConnectionStage, FurtherPacket, IncomingInterface, PacketDecidedBy, PacketTraffic, RuleSet,
    SourceReach, TcpPacket, few,
};
use crate::model::{AddressFamily, MailService, Networks};

/// The ports of the panel.
pub const PANEL: [u16; 2] = [8443, 8880];

/// Sets of rules that a connection goes through, in the kernel's order; all must let its packets pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterStack(pub Vec<RuleSet>);

/// One direction of a connection's packets, and how far it is then.
type DirectionPass = (PacketTraffic, ConnectionStage);

/// What must pass for a packet to lead to an open connection, in order: itself, where it comes from; the
/// answer; and what the client sends then.
fn passes(interface: IncomingInterface, stage: ConnectionStage) -> impl Iterator<Item = DirectionPass> {
    let later = [
        (PacketTraffic::Leaving, ConnectionStage::Established),
        (PacketTraffic::Answers, ConnectionStage::Established),
        (PacketTraffic::Arriving, ConnectionStage::Established),
    ];
    let first = match stage {
        ConnectionStage::Opening => Some([
            (PacketTraffic::Leaving, ConnectionStage::Opening),
            (PacketTraffic::Arriving, ConnectionStage::Opening),
        ]),
        ConnectionStage::Established => None,
    };
    (first.into_iter().flatten()).chain(later).filter(move |(traffic, _)| goes(*traffic, interface))
}

/// Whether traffic of a kind is there on an interface.
fn goes(traffic: PacketTraffic, interface: IncomingInterface) -> bool {
    match (traffic, interface) {
        (PacketTraffic::Arriving | PacketTraffic::Answers, _)
        | (PacketTraffic::Leaving, IncomingInterface::Loopback) => true,
        (PacketTraffic::Leaving, IncomingInterface::Other) => false,
    }
}

/// In which stages packets go through rules of a kind while a connection is opened.
pub(super) fn stages(traffic: PacketTraffic) -> &'static [ConnectionStage] {
    match traffic {
        PacketTraffic::Arriving | PacketTraffic::Leaving => {
            &[ConnectionStage::Opening, ConnectionStage::Established]
        }
        PacketTraffic::Answers => &[ConnectionStage::Established],
    }
}

impl FilterStack {
    /// What becomes of a connection from this packet on, and what decides, with the position of its rules.
    #[must_use]
    pub fn decide(&self, packet: &TcpPacket) -> (ChainPolicy, usize, PacketDecidedBy) {
        let mut open = (ChainPolicy::Accept, 0, PacketDecidedBy::Nothing);
        for (traffic, stage) in passes(packet.interface, packet.stage) {
            let packet = TcpPacket { stage, ..*packet };
            for (index, rules) in self.0.iter().enumerate() {
                if rules.traffic != traffic {
                    continue;
                }
                let decision = rules.decide(&packet);
                match decision.verdict {
                    ChainPolicy::Accept => {}
                    ChainPolicy::Drop => return (ChainPolicy::Drop, index, decision.by),
                    ChainPolicy::Unknown if open.0 == ChainPolicy::Accept => {
                        open = (ChainPolicy::Unknown, index, decision.by);
                    }
                    ChainPolicy::Unknown => {}
                }
                match decision.further {
                    FurtherPacket::Same => {}
                    FurtherPacket::Changed => return open,
                }
            }
        }
        open
    }

    /// What becomes of connections from all sources, from a packet of this stage on.
    #[must_use]
    pub fn reach(&self, port: u16, interface: IncomingInterface, stage: ConnectionStage) -> SourceReach {
        let mut reach = SourceReach::open();
        for (traffic, stage) in passes(interface, stage) {
            for rules in self.0.iter().filter(|rules| rules.traffic == traffic) {
                reach = reach.and(&rules.reach(port, interface, stage));
            }
        }
        reach
    }
}

/// What changes for ports of one service that change alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortsChange {
    /// The service.
    pub service: MailService,
    /// The ports, sorted.
    pub ports: Vec<u16>,
    /// Who may connect afterwards and could not before.
    pub gains: Networks,
    /// Who could connect before and may not afterwards.
    pub loses: Networks,
    /// Whose case changes, but of whom it cannot be told before or afterwards.
    pub unclear: Networks,
}

/// What changes for new connections, by service; ports that nothing changes for are left out.
#[must_use]
pub fn changes(
    before: &FilterStack,
    after: &FilterStack,
    services: &[(MailService, &'static [u16])],
) -> Vec<PortsChange> {
    let mut changes: Vec<PortsChange> = Vec::new();
    for (service, ports) in services {
        for port in *ports {
            let was = before.reach(*port, IncomingInterface::Other, ConnectionStage::Opening);
            let is = after.reach(*port, IncomingInterface::Other, ConnectionStage::Opening);
            let gains = is.accepted.intersection(&was.dropped);
            let loses = was.accepted.intersection(&is.dropped);
            let unclear = was.unknown.difference(&is.unknown).union(&is.unknown.difference(&was.unknown));
            if gains.is_empty() && loses.is_empty() && unclear.is_empty() {
                continue;
            }
            let alike = changes.iter_mut().find(|change| {
                change.service == *service
                    && change.gains == gains
                    && change.loses == loses
                    && change.unclear == unclear
            });
            match alike {
                Some(change) => change.ports.push(*port),
                None => {
                    changes.push(PortsChange { service: *service, ports: vec![*port], gains, loses, unclear })
                }
            }
        }
    }
    changes
}

/// How many networks and addresses a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressCount {
    /// The fewest IPv4 networks that make it up.
    pub v4_networks: usize,
    /// Its IPv4 addresses.
    pub v4_addresses: u64,
    /// The fewest IPv6 networks that make it up.
    pub v6_networks: usize,
}

impl AddressCount {
    /// Counts a set.
    #[must_use]
    pub fn of(networks: &Networks) -> Self {
        let mut size = Self { v4_networks: 0, v4_addresses: 0, v6_networks: 0 };
        for network in networks.iter() {
            match network.family() {
                AddressFamily::Ipv4 => {
                    size.v4_networks += 1;
                    size.v4_addresses += 1 << (32 - u32::from(network.prefix()));
                }
                AddressFamily::Ipv6 => size.v6_networks += 1,
            }
        }
        size
    }
}

impl fmt::Display for PortsChange {
    /// In one line, with at most three networks of a kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        write!(f, "{} ({})", self.service, ports.join(", "))?;
        let kinds = [("opened to", &self.gains), ("closed to", &self.loses), ("unclear for", &self.unclear)];
        let mut mark = ":";
        for (word, networks) in kinds {
            if networks.is_empty() {
                continue;
            }
            let everybody_else = Networks::everything().difference(networks);
            let inverse = everybody_else.iter().count() < networks.iter().count();
            let who = if everybody_else.is_empty() {
                "everybody".to_owned()
            } else if inverse {
                format!("everybody but {}", few(&everybody_else))
            } else {
                few(networks)
            };
            write!(f, "{mark} {word} {who}")?;
            mark = ";";
        }
        Ok(())
    }
}

/// Whose connections must not be shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProtectedClient {
    /// The operator whose connection this run has.
    Operator,
    /// An address of `must_reach`.
    MustReach,
    /// This host itself.
    Loopback,
}

/// A connection that must be possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtectedConnection {
    /// Whose.
    pub who: ProtectedClient,
    /// The connection's first packet.
    pub packet: TcpPacket,
}

/// The connections that must stay possible: those of the operator and of `must_reach` to sshd and the panel,
/// and those of this host itself to these and to the mail services, in both families.
#[must_use]
pub fn probes(
    operator: Option<IpAddr>,
    must_reach: &[IpAddr],
    ssh_ports: &BTreeSet<u16>,
    services: &[(MailService, &'static [u16])],
) -> Vec<ProtectedConnection> {
    let admin: BTreeSet<u16> = ssh_ports.iter().copied().chain(PANEL).collect();
    let mail = services.iter().flat_map(|(_, ports)| ports.iter().copied());
    let all: BTreeSet<u16> = admin.iter().copied().chain(mail).collect();
    let people = operator
        .map(|address| (ProtectedClient::Operator, address))
        .into_iter()
        .chain(must_reach.iter().map(|address| (ProtectedClient::MustReach, *address)));
    let remote = people.flat_map(|(who, source)| {
        admin.iter().map(move |port| ProtectedConnection { who, packet: TcpPacket::opening(source, *port) })
    });
    let own: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let local = own.into_iter().flat_map(|source| {
        all.iter().map(move |port| ProtectedConnection {
            who: ProtectedClient::Loopback,
            packet: TcpPacket { interface: IncomingInterface::Loopback, ..TcpPacket::opening(source, *port) },
        })
    });
    remote.chain(local).collect()
}

/// A connection that must be possible and would not be, or of which it cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutOut {
    /// The connection.
    pub probe: ProtectedConnection,
    /// What becomes of it afterwards: dropped or unknown.
    pub verdict: ChainPolicy,
    /// What became of it before.
    pub before: ChainPolicy,
    /// Which of the filters decides, and what in it.
    pub by: (usize, PacketDecidedBy),
}

/// The connections of these that would be shut out. One of which it cannot be told before or afterwards is
/// among them: whether the change has anything to do with it is for the caller to judge.
#[must_use]
pub fn shut_out(before: &FilterStack, after: &FilterStack, probes: &[ProtectedConnection]) -> Vec<ShutOut> {
    probes
        .iter()
        .filter_map(|probe| {
            let (verdict, index, by) = after.decide(&probe.packet);
            let before = before.decide(&probe.packet).0;
            (verdict != ChainPolicy::Accept).then_some(ShutOut {
                probe: *probe,
                verdict,
                before,
                by: (index, by),
            })
        })
        .collect()
}

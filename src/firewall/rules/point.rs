//! Where in the kernel rules are gone through: what a condition on an address, a port or a state means there.

/// Which packets of a connection go through rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketTraffic {
    /// Those of the client, as they come in.
    #[default]
    Arriving,
    /// This host's answers, as they go out.
    Answers,
    /// Those of a client on this host itself, as they go out to `lo`.
    Leaving,
}

/// Whether connection tracking has seen a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketTracking {
    /// Not yet: it is `invalid`, unless it came by `lo`, where it was seen when it went out.
    Before,
    /// It comes at the same turn.
    Either,
    /// It has.
    Behind,
}

/// Whether a packet's way may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketPath {
    /// It is looked for later: a mark or a type of service may lead the packet elsewhere.
    Open,
    /// It is found.
    Found,
}

/// Where rules are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HookPoint {
    /// By which packets.
    pub traffic: PacketTraffic,
    /// Before or behind connection tracking.
    pub tracking: PacketTracking,
    /// Before or behind the choice of their way.
    pub path: PacketPath,
}

/// The priority of connection tracking, at the hooks that have it.
const TRACKING: i64 = -200;

impl HookPoint {
    /// The hook where incoming packets end, behind connection tracking.
    pub const INPUT: Self =
        Self { traffic: PacketTraffic::Arriving, tracking: PacketTracking::Behind, path: PacketPath::Found };

    /// That of a priority at a hook before the choice of a packet's way.
    #[must_use]
    pub fn early(traffic: PacketTraffic, priority: i64) -> Self {
        Self {
            traffic,
            tracking: match priority.cmp(&TRACKING) {
                std::cmp::Ordering::Less => PacketTracking::Before,
                std::cmp::Ordering::Equal => PacketTracking::Either,
                std::cmp::Ordering::Greater => PacketTracking::Behind,
            },
            path: PacketPath::Open,
        }
    }
}

/// Whether a condition asks for something or for its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::firewall) enum MatchSense {
    /// For it.
    So,
    /// For anything else.
    Not,
}

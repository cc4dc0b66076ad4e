//! The targets of iptables: what each does, as far as it decides what becomes of a packet.
//!
//! The list is that of iptables-extensions(8), with those of older versions. What is not in it, as those of
//! other packages, makes what becomes of the packet unclear.

use crate::firewall::rules::{HookPoint, PacketPath, RuleTarget};

/// What a rule does that jumps to this, whose own options follow its name.
pub(super) fn target(words: &[&str], point: HookPoint, is_chain: &impl Fn(&str) -> bool) -> RuleTarget {
    let unclear = || RuleTarget::Unknown(format!("-j {}", words.join(" ")));
    let Some((name, options)) = words.split_first() else {
        return unclear();
    };
    // A rule of routing may heed a mark or a type of service.
    let by_path = || match point.path {
        PacketPath::Open => unclear(),
        PacketPath::Found => RuleTarget::Continue,
    };
    if is_chain(name) {
        return RuleTarget::Jump((*name).to_owned());
    }
    match *name {
        "ACCEPT" => RuleTarget::Accept,
        "DROP" | "REJECT" => RuleTarget::Drop,
        "RETURN" => RuleTarget::Return,
        // They count, log, or note something that no rule heeds which is understood.
        "AUDIT" | "CHECKSUM" | "CLASSIFY" | "IDLETIMER" | "LED" | "LOG" | "NFLOG" | "RATEEST" | "TCPMSS"
        | "TRACE" | "ULOG" => RuleTarget::Continue,
        "MARK" | "HMARK" | "TOS" | "DSCP" => by_path(),
        "CONNMARK" if options.contains(&"--restore-mark") => by_path(),
        "CONNMARK" => RuleTarget::Continue,
        // What `--map-set` takes from a set may be a mark.
        "SET" if options.contains(&"--map-set") => by_path(),
        "SET" => RuleTarget::Continue,
        "CT" if events_alone(options) => RuleTarget::Continue,
        // They change a packet, its connection or its way, or hand it to somebody else.
        "CLUSTERIP" | "CONNSECMARK" | "CT" | "DNAT" | "DNPT" | "ECN" | "HL" | "MASQUERADE" | "MIRROR"
        | "NETMAP" | "NFQUEUE" | "NOTRACK" | "QUEUE" | "REDIRECT" | "ROUTE" | "SAME" | "SECMARK" | "SNAT"
        | "SNPT" | "SYNPROXY" | "TARPIT" | "TCPOPTSTRIP" | "TEE" | "TPROXY" | "TTL" => unclear(),
        _ => unclear(),
    }
}

/// Whether the target `CT` chooses which events of a connection are told, and nothing else.
fn events_alone(options: &[&str]) -> bool {
    let own = |option: &&&str| option.starts_with('-');
    let mut known = options.iter().filter(own);
    known.next().is_some()
        && (options.iter().filter(own)).all(|option| matches!(*option, "--ctevents" | "--expevents"))
}

//! stub
use super::{Act, Command};
use crate::facts::Manager;
use crate::model::{HostPath, known};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Load {
    /// a
    Nftables {
        /// b
        nft: HostPath,
    },
    /// a
    Iptables {
        /// b
        v4: Option<HostPath>,
        /// c
        v6: Option<HostPath>,
    },
}

/// pid
#[must_use]
pub fn pid_file() -> HostPath {
    known("/var/lib/mailward/access/timer.pid")
}

/// arm
#[must_use]
pub fn arm(_manager: &Manager, seconds: u32, load: &Load) -> Vec<Act> {
    let text = "cd /var/lib/mailward/access; (trap '' HUP; sleep $1; mv window.json reverting.json || exit; if [ \"$2\" ]; then $2 -f revert.nft; fi; [ ! \"$3\" ] || $3 --noflush <revert.v4; [ ! \"$4\" ] || $4 --noflush <revert.v6; mv reverting.json reverted.json) </dev/null >/dev/null 2>&1 &";
    let mut arguments = vec![
        "-c".to_owned(),
        text.to_owned(),
        "sh".to_owned(),
        seconds.to_string(),
    ];
    let s = |p: &Option<HostPath>| p.as_ref().map_or(String::new(), |p| p.to_string());
    match load {
        Load::Nftables { nft } => arguments.push(nft.to_string()),
        Load::Iptables { v4, v6 } => {
            arguments.push(String::new());
            arguments.push(s(v4));
            arguments.push(s(v6));
        }
    }
    vec![Act::Run(Command::new(
        known("/bin/sh"),
        arguments,
        Duration::from_secs(20),
    ))]
}

/// disarm
#[must_use]
pub fn disarm(_manager: &Manager) -> Vec<Act> {
    Vec::new()
}

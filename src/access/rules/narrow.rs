//! Conditions added one by one, as the statements of a rule come; two that exclude each other leave nothing.

use super::{On, Ports, Protocol, Stage, When};
use crate::model::{Family, Networks};

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

    pub(in crate::access) fn narrow_sources(&mut self, to: Networks) {
        self.sources = Some(match &self.sources {
            Some(others) => others.intersection(&to),
            None => to,
        });
    }

    pub(in crate::access) fn narrow_ports(&mut self, to: Ports) {
        self.ports = Some(match &self.ports {
            Some(others) => others.both(&to),
            None => to,
        });
    }

    /// `None` for a second condition on the interface.
    pub(in crate::access) fn narrow_interface(&mut self, to: On) -> Option<()> {
        match self.on {
            On::Any => {
                self.on = to;
                Some(())
            }
            On::Loopback | On::NotLoopback | On::Named(_) => None,
        }
    }

    /// States of connection tracking, in small letters: packets that are asked about are new or established. `None` where
    /// a packet may have one of them that is asked about as something else.
    pub(in crate::access) fn narrow_states(&mut self, states: &[&str]) -> Option<()> {
        match (states.contains(&"new"), states.contains(&"established")) {
            (true, true) => {}
            (true, false) => self.narrow_stage(Stage::Opening),
            (false, true) => self.narrow_stage(Stage::Established),
            (false, false) => {
                // A first packet can be related to another connection, and untracked where somebody says so.
                if states.is_empty() || states.iter().any(|state| *state != "invalid") {
                    return None;
                }
                self.never();
            }
        }
        Some(())
    }
}

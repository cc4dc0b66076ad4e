//! Which service of the host runs which listener. Whether it runs is not looked at.

use super::super::CourierListener;
use crate::facts::Facts;

/// The services that may run one listener alone, the usual one first.
const fn own_units(listener: CourierListener) -> &'static [&'static str] {
    match listener {
        CourierListener::Imap => &["courier-imapd"],
        CourierListener::Imaps => &["courier-imaps", "courier-imapd-ssl", "courier-imap-ssl"],
        CourierListener::Pop3 => &["courier-pop3d", "courier-pop"],
        CourierListener::Pop3s => &["courier-pop3s", "courier-pop3d-ssl", "courier-pop-ssl"],
    }
}

/// The service that runs a listener on this host. `courier-imap` is IMAP's alone where others of its kind
/// exist (Debian), else the one script for all four.
pub(super) fn unit(listener: CourierListener, facts: &Facts) -> Option<&'static str> {
    let own = own_units(listener).iter().find(|name| facts.services.contains(**name));
    let shared = facts.services.get("courier-imap");
    let split = ["courier-imap-ssl", "courier-pop", "courier-pop-ssl"]
        .iter()
        .any(|name| facts.services.contains(name));
    match (own, shared, split) {
        (Some(own), _, _) => Some(own),
        (None, Some(shared), false) => Some(shared),
        (None, Some(shared), true) if listener == CourierListener::Imap => Some(shared),
        (None, None | Some(_), _) => None,
    }
}

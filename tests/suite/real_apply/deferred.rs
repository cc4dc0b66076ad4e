//! Restarts that are put off stay owed until an apply runs them.

use super::{MANIFEST, POP3D, apply, daemons, mailward, on_each_kind};
use crate::support::host::Session;

#[test]
fn deferred_restarts_are_owed_and_the_next_apply_runs_them() {
    on_each_kind(|host| {
        let before = daemons(host);
        let mut held = host.open_until_cut(110, "198.51.100.7", 4);
        let deferred = mailward(host, &["apply", "--yes", "--defer-restarts"], MANIFEST);
        assert_eq!(deferred.code(), 3, "{deferred:#?}");
        assert_eq!(before, daemons(host));
        assert!(held.iter_mut().all(Session::still_open));
        assert!(host.read_text(POP3D).contains("\nMAXPERIP=20\n"));
        let check = mailward(host, &["check"], MANIFEST);
        assert_ne!(check.code(), 0, "{check:#?}");
        drop(held);

        let applied = apply(host, MANIFEST);
        assert_eq!(applied.code(), 0, "{applied:#?}");
        for port in [25, 110, 143] {
            let served = host.open_until_cut(port, "198.51.100.7", 30);
            assert_eq!(served.len(), 20, "port {port}");
        }
        let after = daemons(host);
        let again = apply(host, MANIFEST);
        assert_eq!(again.code(), 0, "{again:#?}");
        assert_eq!(after, daemons(host), "nothing is owed any more");
    });
}

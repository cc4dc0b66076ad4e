//! A sample of kills on real daemons: the next apply brings everything to the same end.

use super::{FILES, MANIFEST, Place, apply, contents, mailward};
use crate::support::host::Kind;
use crate::support::strace::Fault;

const APPLY: [&str; 4] = ["/usr/local/bin/mailward", "apply", "--yes", "/root/mail.toml"];

/// How many kills are spread over an apply, on each kind of host.
const SAMPLE: usize = 6;

#[test]
fn an_apply_that_is_killed_is_completed_by_the_next_one() {
    for kind in Kind::ALL {
        let Some(mut first) = Place::prepare(kind) else {
            return;
        };
        first.boot();
        first.write("/root/mail.toml", MANIFEST);
        let old = contents(&first);
        let points = first.points(&APPLY);
        let new = contents(&first);
        for number in 1..=SAMPLE {
            let point = &points[number * (points.len() - 1) / SAMPLE];
            let mut host = Place::prepare(kind).expect("made before");
            host.write("/root/mail.toml", MANIFEST);
            host.boot();
            let host = Place::inside(host);
            let killed = host.inject(&APPLY, point, &Fault::Kill);
            assert_eq!(killed.signal(), Some(9), "{point:?}: {killed:?}");
            for (now, (old, new)) in contents(&host).iter().zip(old.iter().zip(&new)) {
                assert!(now == old || now == new, "{point:?}: {} is torn", now.0);
            }
            let next = apply(&host, MANIFEST);
            assert_eq!(next.code(), 0, "{point:?}: {next:#?}");
            assert_eq!(contents(&host), new, "{point:?}");
            for port in [25, 110, 143] {
                let served = host.open_until_cut(port, "198.51.100.7", 30);
                assert_eq!(served.len(), 20, "{point:?}: port {port}");
            }
            let check = mailward(&host, &["check"], MANIFEST);
            assert_eq!(check.code(), 0, "{point:?}: {check:#?}");
            let lying = host.run(&["sh", "-c", "ls -A /etc/courier /etc/xinetd.d /etc | grep mailward || :"]);
            assert_eq!(lying.success(), "", "{point:?}");
            assert!(!host.exists("/var/lib/mailward/journal.json"), "{point:?}");
        }
        crate::support::covered(&format!("{SAMPLE} of {} points over {} files", points.len(), FILES.len()));
    }
}

//! What a reload with one more line does to the services that run, as the daemon's own log and dump have it.

use std::collections::{BTreeMap, BTreeSet};

use mailward::edit::xinetd::dump::{DaemonSeen, DumpDifference};

use super::daemon::{Case, judge};
use super::generate::{self, Dice};
use super::{BATCH, is_root, number, unclear};
use crate::support::not_run;

const RELOADS: u64 = 200;

#[test]
fn a_reload_with_any_one_line_more_ends_what_we_say_it_ends() {
    if !is_root() {
        not_run("reloads of a real xinetd", "root");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let first = number("MAILWARD_SEED", 1);
    let count = number("MAILWARD_RELOADS", RELOADS);
    let seeds: Vec<u64> = (first..first + count).collect();
    let (mut ended, mut exited, mut kept, mut unsure) = (0, 0, 0, 0);
    for batch in seeds.chunks(BATCH) {
        let mut cases = Vec::new();
        for &seed in batch {
            // Other trees than those that are only read.
            let mut dice = Dice::new(seed ^ 0x5eed_0000);
            let mut files = generate::tree(&mut dice);
            let next = generate::changed(&mut dice, &files["xinetd.conf"]);
            files.insert("next.conf".to_owned(), next);
            cases.push(Case::new(scratch.path(), &format!("r{seed}"), &files));
        }
        for (seed, (case, verdict)) in batch.iter().zip(cases.iter().zip(judge(&cases))) {
            let (before, after) = (case.config(), case.next());
            let Some(dump) = &verdict.dump else { continue };
            if before.is_unforeseeable() || after.is_unforeseeable() {
                continue;
            }
            let doubts: BTreeSet<String> = unclear(&before).into_iter().chain(unclear(&after)).collect();
            unsure += doubts.len();
            let expected = dump.differs(&after, &DaemonSeen::default());
            let exits = expected.contains(&DumpDifference::DaemonExits);
            let Some(dumped) = &verdict.after else {
                assert!(
                    exits || !after.doubts.is_empty(),
                    "seed {seed}: it exits\n{}\n{}",
                    verdict.log,
                    case.show()
                );
                exited += 1;
                continue;
            };
            assert!(
                !exits || !after.doubts.is_empty(),
                "seed {seed}: it runs\n{}\n{}",
                verdict.log,
                case.show()
            );
            let mut counts: BTreeMap<String, (i64, i64)> = BTreeMap::new();
            for service in &dump.services {
                counts.entry(service.id.to_ascii_lowercase()).or_default().0 += 1;
            }
            for difference in &expected {
                let (id, change) = match difference {
                    DumpDifference::Vanishes { id } => (id, -1),
                    DumpDifference::Appears { id } => (id, 1),
                    DumpDifference::Restarts { .. }
                    | DumpDifference::Limit { .. }
                    | DumpDifference::DaemonExits => continue,
                };
                counts.entry(id.to_ascii_lowercase()).or_default().0 += change;
                ended += i32::from(change < 0);
            }
            for service in &dumped.services {
                counts.entry(service.id.to_ascii_lowercase()).or_default().1 += 1;
            }
            counts.retain(|id, _| !doubts.contains(id));
            for (id, (ours, theirs)) in counts {
                assert_eq!(ours, theirs, "seed {seed}: {id}: {expected:?}\n{}\n{}", verdict.log, case.show());
                kept += theirs;
            }
        }
        for case in &cases {
            std::fs::remove_dir_all(&case.dir).unwrap();
        }
    }
    println!(
        "reloads: {count}, services kept: {kept}, ended: {ended}, daemons that exited: {exited}, unclear: {unsure}"
    );
}

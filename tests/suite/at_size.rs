//! Correctness at size, and how often the host is asked.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;

use mailward::engine::make::{ACTION_DEADLINE, make};
use mailward::engine::observe::{ObserveScope, Observed};
use mailward::engine::recall::HostSurvey;
use mailward::host::local::LocalHost;
use mailward::host::{HostError, ReadHost, ReadReply, ReadRequest};
use mailward::manifest::{ManifestLayer, check};
use mailward::plan::{SafetyOverrides, Step};

use crate::support::office_copy;

/// Counts the trips to a host.
struct Counting<'a>(&'a LocalHost, Cell<usize>);

impl ReadHost for Counting<'_> {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        self.1.set(self.1.get() + 1);
        self.0.read(requests)
    }
}

fn plan(host: &LocalHost, manifest: &str) -> (mailward::plan::Plan, usize) {
    let layer = ManifestLayer { name: "manifest.toml".to_owned(), bytes: manifest.as_bytes().to_vec() };
    let desired = check(&[layer]).unwrap().desired;
    let counting = Counting(host, Cell::new(0));
    let survey = HostSurvey::read(&counting).unwrap();
    let observed = Observed::read(&counting, &survey, ObserveScope::Of(&desired)).unwrap();
    let plan = make(&desired, &[], &survey, &observed, ACTION_DEADLINE, &SafetyOverrides::default()).unwrap();
    (plan, counting.1.get())
}

#[test]
fn a_plan_asks_the_host_twice_and_once_more_for_xinetds_programs_and_each_level_of_includes() {
    let copy = office_copy();
    let host = LocalHost::tree(copy.path().to_owned()).unwrap();
    let manifest = fs::read_to_string("examples/office/mailward.toml").unwrap();
    assert_eq!(plan(&host, &manifest).1, 3);
    // So does one of access, which also looks where sshd listens or is started.
    let access = fs::read_to_string("examples/office/access.toml").unwrap();
    assert_eq!(plan(&host, &access).1, 3);
    let conf = copy.path().join("etc/xinetd.conf");
    let mut text = fs::read_to_string(&conf).unwrap();
    text.push_str("include /etc/xinetd.extra\n");
    fs::write(&conf, text).unwrap();
    let extra = copy.path().join("etc/xinetd.extra");
    fs::write(&extra, "includedir /etc/xinetd.more\n").unwrap();
    fs::create_dir(copy.path().join("etc/xinetd.more")).unwrap();
    assert_eq!(plan(&host, &manifest).1, 5);
}

#[test]
fn a_thousand_xinetd_files_are_each_edited_in_their_one_line() {
    let copy = office_copy();
    let mut manifest = "version = 1\n".to_owned();
    for n in 0..1000 {
        let block = format!(
            "service s{n}\n{{\n\ttype = UNLISTED\n\tport = {}\n\tsocket_type = stream\n\tprotocol = tcp\n\twait = no\n\tuser = root\n\tserver = /bin/sh\n\tper_source = 3\n}}\n",
            20000 + n
        );
        fs::write(copy.path().join(format!("etc/xinetd.d/s{n}")), block).unwrap();
        writeln!(manifest, "[xinetd.services.s{n}]\nper_source = {}", n + 4).unwrap();
    }
    let host = LocalHost::tree(copy.path().to_owned()).unwrap();
    let (plan, trips) = plan(&host, &manifest);
    assert_eq!(trips, 3);
    let mut edits = 0;
    for step in &plan.steps {
        if let Step::Edit(edit) = step {
            edits += 1;
            let n: u32 = edit.path.name()[1..].parse().unwrap();
            assert_eq!(edit.lines.len(), 1);
            assert_eq!(edit.lines[0].after, format!("\tper_source = {}", n + 4));
        }
    }
    assert_eq!(edits, 1000);
}

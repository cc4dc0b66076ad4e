//! Panel access of mail accounts over ssh, on a real MariaDB in a private host: the same plan as on the host
//! itself, one message for each account that is changed, and what a panel or a line that fails half-way
//! leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::host::{Host, Kind, Layout, Output};
use crate::support::panel::{
    CANARY, Generation, Knob, PanelWorld, When, bulk_access, bulk_address, small_world,
};
use crate::support::ssh::{Fate, Line, Moment, Ssh};

const DENY: &str = "version = 1\n[panel_access]\ndefault = false\n[safety]\nmax_account_changes = \"100%\"\n";

/// Accounts of two domains that have access on either panel.
const FOUR: [&str; 4] = ["100%@example.net", "axb@example.net", "nobox@example.jp", "o'brien@example.jp"];

/// What is in the file with the database's password, and nowhere else but in the environment of its client.
const SHADOW: &str = "canary-shadow";

fn world(kind: Kind, generation: Generation) -> Option<PanelWorld> {
    let mut host = Host::prepare(kind, Layout::Debian)?;
    host.sshd();
    host.boot();
    Some(PanelWorld::in_host(host, generation))
}

fn four(access: bool) -> String {
    let names: Vec<String> = (FOUR.iter()).map(|name| format!("\"{name}\" = {access}\n")).collect();
    format!("version = 1\n[panel_access.accounts]\n{}", names.concat())
}

fn run(ssh: &Ssh, arguments: &[&str], manifest: &str) -> Output {
    let arguments: Vec<_> = arguments.iter().copied().chain(["-"]).collect();
    let run = ssh.mailward(&arguments).stdin(manifest);
    run.within(Duration::from_secs(180)).run()
}

fn inside(host: &Host, arguments: &[&str], manifest: &str) -> Output {
    let mut argv = vec!["/usr/local/bin/mailward"];
    argv.extend(arguments);
    argv.push("-");
    host.command(&argv).stdin(manifest).run()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
}

fn told(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

/// No password is in what was printed, or written on the host.
fn no_secret(world: &PanelWorld, output: &Output) {
    assert!(!told(output).contains(CANARY), "{output:#?}");
    let script = format!("grep -rl {CANARY} /var/lib/mailward /tmp /run /dev/shm 2>/dev/null || :");
    let found = world.host().run(&["sh", "-c", &script]).success();
    assert_eq!(found.trim(), "");
}

/// Runs something, and gives the programs that had the database's password in their arguments and in their
/// environment meanwhile, here and on the host: this machine sees the processes of its private hosts.
fn watched<T>(run: impl FnOnce() -> T) -> (T, BTreeSet<String>, BTreeSet<String>) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut arguments, mut environments) = (BTreeSet::new(), BTreeMap::new());
            while !ended.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    let read = |name: &str| {
                        let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
                        String::from_utf8_lossy(&bytes).into_owned()
                    };
                    let has = |name: &str| read(name).contains(SHADOW);
                    if has("cmdline") {
                        arguments.insert(read("cmdline"));
                    }
                    if has("environ") {
                        // A process becomes another program by exec: what it is at last counts.
                        environments.insert(entry.file_name(), read("comm").trim().to_owned());
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            (arguments, environments.into_values().collect())
        });
        // A run that fails must end the watch as well, or the scope would wait for it for ever.
        let done = catch_unwind(AssertUnwindSafe(run));
        ended.store(true, Ordering::Relaxed);
        let (arguments, environments) = watch.join().unwrap();
        let done = done.unwrap_or_else(|failure| resume_unwind(failure));
        (done, arguments, environments)
    })
}

#[test]
fn accounts_are_planned_shown_and_changed_as_on_the_host_itself() {
    for (generation, kind) in [(Generation::Nine, Kind::SysV), (Generation::Ten, Kind::Systemd)] {
        let Some(world) = world(kind, generation) else {
            return;
        };
        let host = world.host();
        let ssh = host.ssh();
        for (command, code) in [("plan", 2), ("check", 2), ("show", 0)] {
            for format in ["json", "text"] {
                let arguments = [command, "--format", format];
                let here = run(&ssh, &arguments, DENY);
                let there = inside(host, &arguments, DENY);
                assert_eq!((here.code(), there.code()), (code, code), "{here:#?}");
                assert_eq!(here.stdout, there.stdout, "{generation:?} {command}");
                no_secret(&world, &here);
            }
        }
        let shown = json(&run(&ssh, &["show", "--format", "json"], DENY));
        let accounts = shown["panel_access"]["accounts"].as_array().unwrap();
        assert_eq!(accounts.len(), small_world(generation).len());

        let before = world.connections();
        let (planned, arguments, _) = watched(|| run(&ssh, &["plan", "--format", "json"], DENY));
        assert_eq!(world.connections(), before + 1, "one query reads all");
        assert_eq!(arguments, BTreeSet::new());
        let fingerprint = json(&planned)["fingerprint"].as_str().unwrap().to_owned();

        let apply = ["apply", "--yes", "--expect", &fingerprint];
        let (applied, arguments, _) = watched(|| run(&ssh, &apply, DENY));
        assert_eq!(applied.code(), 0, "{applied:#?}");
        assert_eq!(arguments, BTreeSet::new());
        no_secret(&world, &applied);
        let now = world.accesses();
        let mut changed = 0;
        for account in small_world(generation) {
            let wanted = account.access && !account.plain;
            assert_eq!(now[account.address], wanted, "{}", account.address);
            changed += usize::from(account.access && account.plain);
        }
        assert_eq!(world.updates().len(), changed);
        assert_eq!(run(&ssh, &["check"], DENY).code(), 0);
        assert_eq!(inside(host, &["check"], DENY).code(), 0);
        let again = run(&ssh, &["apply", "--yes"], DENY);
        assert_eq!(again.code(), 0, "{again:#?}");
        assert_eq!(world.updates().len(), changed, "nothing is done twice");
    }
}

#[test]
fn only_the_databases_client_ever_has_its_password() {
    let Some(world) = world(Kind::SysV, Generation::Ten) else {
        return;
    };
    // Long enough to be seen.
    world.empty();
    world.fill_bulk(20_000, 20);
    let ssh = world.host().ssh();
    let (plan, arguments, environments) = watched(|| run(&ssh, &["plan"], DENY));
    assert_eq!(plan.code(), 2, "{plan:#?}");
    assert_eq!(arguments, BTreeSet::new());
    let client = ["mysql", "mariadb"].map(str::to_owned);
    let others: Vec<_> = (environments.iter()).filter(|name| !client.contains(name)).collect();
    assert_eq!(others, [""; 0]);
    assert!(!environments.is_empty(), "the client was not seen at all");
}

#[test]
fn each_account_is_one_message_and_the_first_three() {
    for generation in Generation::ALL {
        let Some(world) = world(Kind::SysV, generation) else {
            return;
        };
        let messages = |arguments: &[&str], manifest: &str, code: i32| {
            let line = Line::counting();
            let output = run(&world.host().ssh().over(&line), arguments, manifest);
            assert_eq!(output.code(), code, "{output:#?}");
            assert_eq!(line.connections(), 1);
            line.trips().len()
        };
        assert_eq!(messages(&["plan"], DENY, 2), 2);
        assert_eq!(messages(&["check"], DENY, 2), 2);
        // One of them for the paths of xinetd's services.
        assert_eq!(messages(&["show"], DENY, 0), 3);
        // The lock, the plan's two, the journal, the accounts, the first of which is read before and after,
        // two to look, one to write it down.
        assert_eq!(messages(&["apply", "--yes"], &four(false), 0), 4 + 6 + 3);
        assert_eq!(messages(&["apply", "--yes"], &four(false), 0), 3);
        assert_eq!(messages(&["plan"], &four(false), 0), 2);
    }
}

#[test]
fn a_third_account_that_goes_wrong_is_undone_or_told_and_the_next_run_converges() {
    for generation in Generation::ALL {
        let Some(mut world) = world(Kind::SysV, generation) else {
            return;
        };
        for (knob, code) in &Knob::ACCIDENTS {
            let what = format!("{generation:?} {knob:?}");
            let before = world.contents();
            world.misbehave(&Knob::PrintPassword, When::Always);
            world.misbehave(knob, When::At(3));
            let apply = ["apply", "--yes", "--action-timeout", "4"];
            let ssh = world.host().ssh();
            let failed = run(&ssh, &apply, &four(false));
            assert_eq!(failed.code(), *code, "{what}: {failed:#?}");
            no_secret(&world, &failed);
            if *code == 8 {
                assert_eq!(world.contents(), before, "{what}");
                world.behave();
                continue;
            }
            let told = told(&failed);
            assert!(told.contains("whose state is not known now"), "{told}");
            assert!(!told.contains("rolled back"), "{told}");
            world.start_database();
            world.behave();
            for access in [false, true] {
                let next = run(&ssh, &apply, &four(access));
                assert_eq!(next.code(), 0, "{what}: {next:#?}");
            }
            world.behave();
        }
        let ssh = world.host().ssh();
        assert_eq!(run(&ssh, &["apply", "--yes"], &four(false)).code(), 0);
        assert!(FOUR.iter().all(|name| world.access(name) == Some(false)));
    }
}

/// Fails unless the outcome of a run that lost its host says nothing that is not so.
fn is_true(outcome: &Value, before: &BTreeMap<String, bool>, now: &BTreeMap<String, bool>, what: &str) {
    for step in outcome["steps"].as_array().expect("a list") {
        let wanted = step["step"]["access"].as_bool().expect("an access");
        for change in step["step"]["accounts"].as_array().expect("a list") {
            let name = change["account"].as_str().expect("an address");
            match step["state"].as_str().expect("a word") {
                "done" => assert_eq!(now[name], wanted, "{what}: {name}"),
                "not-tried" | "undone" => assert_eq!(now[name], before[name], "{what}: {name}"),
                "unknown" => {}
                other => panic!("{what}: {name} is {other}"),
            }
        }
    }
}

/// Waits until the host has carried out what arrived: then its shell ends, and the lock with it.
fn wait_for_the_host(host: &Host) {
    host.wait_until("the lock is free", || {
        let script = "[ ! -e /var/lib/mailward/lock ] || flock -n /var/lib/mailward/lock true";
        host.run(&["sh", "-c", script]).code() == 0
    });
}

/// Breaks an apply at one message, and has the next run end it. Gives whether there was such a message.
fn breaks(world: &PanelWorld, access: bool, fate: Fate, moment: Moment, message: usize) -> bool {
    let what = format!("{fate:?} {moment:?} of message {message}");
    let before = world.accesses();
    let line = Line::failing(fate, moment, message);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcome.json");
    // A line that is cut ends by itself; the time to give up a silent one is waited for.
    let patience = match fate {
        Fate::Cut => "--ssh-timeout=20",
        Fate::Hang => "--ssh-timeout=4",
    };
    let apply = ["apply", "--yes", patience, "--action-timeout=5", "--outcome", file.to_str().unwrap()];
    let manifest = four(access);
    let lost = run(&world.host().ssh().over(&line), &apply, &manifest);
    let failed = line.failed();
    world.behave();
    if !failed {
        return false;
    }
    let outcome: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(outcome["exit"], lost.code(), "{what}");
    wait_for_the_host(world.host());
    is_true(&outcome, &before, &world.accesses(), &what);
    match lost.code() {
        11 => {
            assert!(!lost.stdout.contains("rolled back"), "{what}: {lost:#?}");
            assert!(lost.stdout.contains("help: "), "{what}: {lost:#?}");
        }
        // All was done and seen; only that it is written down on the host is not known.
        3 => assert!(FOUR.iter().all(|name| world.access(name) == Some(access)), "{what}"),
        other => panic!("{what}: exit {other}: {lost:#?}"),
    }
    no_secret(world, &lost);
    let ssh = world.host().ssh();
    let next = run(&ssh, &["apply", "--yes"], &manifest);
    assert_eq!(next.code(), 0, "{what}: {next:#?}");
    assert_eq!(run(&ssh, &["check"], &manifest).code(), 0, "{what}");
    assert!(FOUR.iter().all(|name| world.access(name) == Some(access)), "{what}");
    let changed = world.accesses().into_iter().filter(|(name, access)| before[name] != *access);
    assert!(changed.into_iter().all(|(name, _)| FOUR.contains(&name.as_str())), "{what}");
    if let Some(run) = outcome["run"].as_str()
        && world.accesses() != before
        && lost.code() == 11
        && outcome["steps"].as_array().unwrap().iter().any(|step| step["state"] != "not-tried")
    {
        let entry = format!("/var/lib/mailward/history/{run}.json");
        assert!(world.host().exists(&entry), "{what}: the lost run has its entry");
    }
    true
}

#[test]
fn a_line_that_breaks_among_the_accounts_leaves_what_the_next_run_completes() {
    for (generation, fate) in [(Generation::Nine, Fate::Cut), (Generation::Ten, Fate::Cut)] {
        let Some(world) = world(Kind::SysV, generation) else {
            return;
        };
        let (mut broken, mut access) = (0, true);
        loop {
            access = !access;
            let moment = Moment::ALL[broken % Moment::ALL.len()];
            if !breaks(&world, access, fate, moment, broken + 1) {
                break;
            }
            broken += 1;
        }
        assert_eq!(broken, 13, "{generation:?}");
    }
}

#[test]
fn a_line_that_breaks_while_accounts_are_given_back_claims_nothing() {
    let Some(world) = world(Kind::SysV, Generation::Ten) else {
        return;
    };
    let mut access = true;
    // The third account fails at message nine; then all is read, two are given back, and all is read again.
    let mut broken = 0;
    for message in 10..20 {
        access = !access;
        world.behave();
        world.misbehave(&Knob::Fail, When::At(3));
        let moment = Moment::ALL[message % Moment::ALL.len()];
        if !breaks(&world, access, Fate::Cut, moment, message) {
            break;
        }
        broken += 1;
    }
    assert!(broken >= 5, "only {broken} messages");
}

#[test]
fn a_line_that_falls_silent_among_the_accounts_is_given_up() {
    let Some(world) = world(Kind::SysV, Generation::Ten) else {
        return;
    };
    for (message, access) in [(6, false), (8, true)] {
        assert!(breaks(&world, access, Fate::Hang, Moment::ALL[0], message));
    }
}

#[test]
fn a_hundred_thousand_accounts_are_planned_right() {
    const ACCOUNTS: u32 = 100_000;
    const DOMAINS: u32 = 2000;
    let Some(world) = world(Kind::SysV, Generation::Ten) else {
        return;
    };
    world.empty();
    world.fill_bulk(ACCOUNTS, DOMAINS);
    let planned = run(&world.host().ssh(), &["plan", "--format", "json"], DENY);
    assert_eq!(planned.code(), 2, "{}", planned.stderr);
    let plan = json(&planned);
    let changes: BTreeSet<&str> = (plan["steps"].as_array().unwrap().iter())
        .flat_map(|step| step["accounts"].as_array().unwrap())
        .map(|change| change["account"].as_str().unwrap())
        .collect();
    let wanted: BTreeSet<String> = (0..ACCOUNTS)
        .filter(|number| bulk_access(*number))
        .map(|number| bulk_address(number, DOMAINS))
        .collect();
    assert_eq!(changes.len(), wanted.len());
    assert!(wanted.iter().all(|name| changes.contains(name.as_str())));
}

#[test]
fn what_roots_own_settings_of_the_client_say_changes_no_answer() {
    let Some(world) = world(Kind::SysV, Generation::Ten) else {
        return;
    };
    world.fill_hostile();
    let ssh = world.host().ssh();
    let before = run(&ssh, &["show", "--format", "json"], DENY).success();
    for settings in [
        "[mysql]\nsafe-updates\nselect_limit=3\nmax_join_size=1\nno-auto-rehash\n",
        "[mysql]\ncolumn-names\nsilent\n",
        "[client]\nuser=somebody\ndefault-character-set=latin1\n",
        "[mysql]\ndatabase=test\npager=cat\ntee=/tmp/tee\nshow-warnings\n",
    ] {
        world.host().write("/root/.my.cnf", settings);
        let now = run(&ssh, &["show", "--format", "json"], DENY);
        assert_eq!(now.code(), 0, "{settings}: {now:#?}");
        assert_eq!(now.stdout, before, "{settings}");
    }
    // What would make the answer ambiguous is refused, never guessed at.
    for (settings, why) in [
        ("[mysql]\nraw\n", "not as it was asked for"),
        ("[mysql]\nxml\n", ""),
        ("[mysql]\nverbose\n", ""),
        ("[client]\npassword=another\n", "/root/.my.cnf"),
    ] {
        world.host().write("/root/.my.cnf", settings);
        let now = run(&ssh, &["show", "--format", "json"], DENY);
        assert_eq!(now.code(), 11, "{settings}: {now:#?}");
        assert!(now.stderr.contains(why), "{settings}: {now:#?}");
    }
}

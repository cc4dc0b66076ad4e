//! xinetd judges our reading of its files and our edits: generated trees, and files found in the wild.
//!
//! `MAILWARD_DIFFERENTIAL=N` runs N trees from the seed on (default below), `MAILWARD_SEED=N` begins
//! elsewhere.

mod daemon;
mod generate;
mod kinds;
mod reload;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mailward::edit::xinetd::dump::{DaemonSeen, DumpDifference, XinetdDump};
use mailward::edit::xinetd::{
    Attribute, BlockRef, FileTree, ProblemEffect, ServiceSocket, ServiceState, TreeEntry, XinetdConfig,
    ensure,
};
use mailward::model::HostPath;

use crate::support::not_run;
use daemon::{Case, Files, Verdict, judge};
use generate::Dice;

const TREES: u64 = 600;
const BATCH: usize = 50;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// A service as both sides can be asked for it.
fn line(name: &str, id: &str, port: Option<&str>, limits: [String; 3]) -> String {
    format!("{name} id={id} port={} {}", port.unwrap_or("?"), limits.join(" / "))
}

/// The ids of services whose fate is unclear: xinetd's own verdict on them counts, whatever it is.
fn unclear(config: &XinetdConfig) -> BTreeSet<String> {
    let doubted = config.services.iter().filter(|service| !service.doubts.is_empty());
    doubted.map(|service| service.id.to_ascii_lowercase()).collect()
}

fn ours(config: &XinetdConfig) -> Vec<String> {
    let unclear = unclear(config);
    let mut lines: Vec<String> = config
        .services
        .iter()
        .filter(|service| service.state == ServiceState::Offered)
        .filter(|service| !unclear.contains(&service.id.to_ascii_lowercase()))
        .map(|service| {
            let socket = service.socket.as_ref().and_then(ServiceSocket::port);
            let port = socket.map(|port| port.to_string());
            line(
                &service.name,
                &service.id,
                port.as_deref(),
                [
                    service.per_source.value.to_string(),
                    service.instances.value.to_string(),
                    service.cps.value.to_string(),
                ],
            )
        })
        .collect();
    lines.sort();
    lines
}

fn theirs(dump: &XinetdDump, unclear: &BTreeSet<String>) -> Vec<String> {
    let mut lines: Vec<String> = dump
        .services
        .iter()
        .filter(|service| !unclear.contains(&service.id.to_ascii_lowercase()))
        .map(|service| {
            line(
                &service.name,
                &service.id,
                service.port.map(|port| port.to_string()).as_deref(),
                [
                    dump.per_source(service).to_string(),
                    dump.instances(service).to_string(),
                    dump.cps(service).to_string(),
                ],
            )
        })
        .collect();
    lines.sort();
    lines
}

fn agree(what: &str, case: &Case, config: &XinetdConfig, verdict: &Verdict) {
    let complain = |ours: &str, theirs: &str| {
        let problems: Vec<String> = config
            .problems
            .iter()
            .map(|p| format!("{}:{} {}: {}", p.path, p.spot.line, p.text.escape_ascii(), p.kind))
            .collect();
        panic!(
            "{what}: we disagree with xinetd\nwe:\n{ours}\nxinetd:\n{theirs}\nour problems:\n{}\nits log:\n{}\n{}",
            problems.join("\n"),
            verdict.log,
            case.show()
        )
    };
    if config.is_unforeseeable() {
        return;
    }
    let Some(dump) = &verdict.dump else {
        if !config.doubts.is_empty() {
            return;
        }
        if !config.daemon_exits() {
            complain("runs", "exits");
        }
        return;
    };
    if config.daemon_exits() {
        complain("exits", "runs");
    }
    let unclear = unclear(config);
    let (our, their) = (ours(config), theirs(dump, &unclear));
    if our != their {
        complain(&our.join("\n"), &their.join("\n"));
    }
    let show = |p: Option<String>, i: Option<String>, c: Option<String>| format!("{p:?} {i:?} {c:?}");
    let our = show(
        config.defaults.per_source().map(|v| v.value.to_string()),
        config.defaults.instances().map(|v| v.value.to_string()),
        config.defaults.cps().map(|v| v.value.to_string()),
    );
    let their = show(
        dump.per_source.map(|v| v.to_string()),
        dump.instances.map(|v| v.to_string()),
        dump.cps.map(|v| v.to_string()),
    );
    if our != their {
        complain(&our, &their);
    }
    let seen = DaemonSeen { loaded: config.files.iter().cloned().collect(), ..DaemonSeen::default() };
    let mut differences = dump.differs(config, &seen);
    differences.retain(|difference| match difference {
        DumpDifference::Vanishes { id }
        | DumpDifference::Restarts { id, .. }
        | DumpDifference::Appears { id }
        | DumpDifference::Limit { id, .. } => !unclear.contains(&id.to_ascii_lowercase()),
        DumpDifference::DaemonExits => true,
    });
    if !differences.is_empty() {
        complain(&format!("{differences:?}"), "no difference from its own files");
    }
}

#[test]
fn xinetd_has_what_we_read_and_what_we_ensure() {
    if !is_root() {
        not_run("the comparison with a real xinetd", "root");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (first, count) = (number("MAILWARD_SEED", 1), number("MAILWARD_DIFFERENTIAL", TREES));
    let seeds: Vec<u64> = (first..first + count).collect();
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for batch in seeds.chunks(BATCH) {
        let mut cases = Vec::new();
        let mut wishes = Vec::new();
        for &seed in batch {
            let mut dice = Dice::new(seed);
            let files = generate::tree(&mut dice);
            let case = Case::new(scratch.path(), &format!("{seed}"), &files);
            let wish = wish(&mut dice, &case, &mut tally);
            if let Some(wish) = &wish {
                let after = Case::new(scratch.path(), &format!("{seed}-after"), &wish.files);
                cases.push(after);
            }
            cases.push(case);
            wishes.push((seed, wish));
        }
        let verdicts = judge(&cases);
        let mut judged = cases.iter().zip(&verdicts);
        for (seed, wish) in wishes {
            if let Some(wish) = wish {
                let (case, verdict) = judged.next().unwrap();
                let config = case.config();
                agree(&format!("seed {seed}, after {}", wish.what), case, &config, verdict);
                wish.is_fulfilled(seed, case, &config, verdict, &mut tally);
            }
            let (case, verdict) = judged.next().unwrap();
            let config = case.config();
            agree(&format!("seed {seed}"), case, &config, verdict);
            *tally.entry("trees").or_default() += 1;
            *tally.entry("services offered").or_default() += ours(&config).len();
            *tally.entry("services not offered").or_default() += config.services.len() - ours(&config).len();
            *tally.entry("services that are unclear").or_default() += unclear(&config).len();
            *tally.entry("daemons that exit").or_default() += usize::from(config.daemon_exits());
            for problem in &config.problems {
                let effect = match problem.kind.effect() {
                    ProblemEffect::Warning => "warnings",
                    ProblemEffect::LineIgnored => "lines ignored",
                    ProblemEffect::FileSkipped => "files skipped",
                    ProblemEffect::ServiceDropped => "services dropped",
                    ProblemEffect::BlockLost => "blocks lost",
                    ProblemEffect::NotFollowed => "files not followed",
                    ProblemEffect::Unclear => "unclear",
                    ProblemEffect::DaemonExits => "bad defaults",
                    ProblemEffect::Unforeseeable => "unforeseeable",
                };
                *tally.entry(effect).or_default() += 1;
            }
        }
        for case in &cases {
            std::fs::remove_dir_all(&case.dir).unwrap();
        }
    }
    println!("compared with xinetd: {tally:?}");
    let of = |what: &str| tally.get(what).copied().unwrap_or_default();
    assert!(of("edits") > of("refusals"), "most edits are made: {tally:?}");
}

/// An edit of a case, and what must then be so.
struct Wish {
    what: String,
    files: Files,
    file: String,
    block: BlockRef,
    attribute: Attribute,
    value: String,
}

fn wish(dice: &mut Dice, case: &Case, tally: &mut BTreeMap<&str, usize>) -> Option<Wish> {
    let config = case.config();
    let mut blocks: Vec<(HostPath, BlockRef)> =
        config.defaults.blocks.iter().map(|at| (at.path.clone(), BlockRef::Defaults)).collect();
    blocks.extend(config.services.iter().map(|service| {
        let line = service.line;
        (service.path.clone(), BlockRef::Service { line })
    }));
    if blocks.is_empty() {
        return None;
    }
    let (path, block) = blocks[dice.below(blocks.len())].clone();
    let attribute = dice.of(&Attribute::ALL);
    let value = match attribute {
        Attribute::Cps => dice.of(&["50 10", "7 8", "1000 1"]),
        Attribute::PerSource | Attribute::Instances => dice.of(&["20", "3", "UNLIMITED", "400"]),
    };
    let file = path.as_str().strip_prefix(&format!("{}/", case.dir.display())).unwrap().to_owned();
    let what = format!("{file} {block:?} {} = {value}", attribute.name());
    let before = &case.files[&file];
    let edited = match ensure(before, block, attribute, value) {
        Ok(edited) => edited,
        Err(refusal) => {
            *tally.entry("refusals").or_default() += 1;
            if std::env::var_os("MAILWARD_SHOW_REFUSALS").is_some() {
                println!("{what}: {refusal:?}\n{}", before.escape_ascii());
            }
            return None;
        }
    };
    let again = ensure(&edited.bytes, block, attribute, value).expect("a second time");
    assert_eq!(again.bytes, edited.bytes, "{what}: not idempotent");
    assert!(again.lines.is_empty(), "{what}: a second edit is reported");
    let lines: Vec<&[u8]> = edited.bytes.split(|&b| b == b'\n').collect();
    for line in &edited.lines {
        let there = lines[line.line as usize - 1];
        assert_eq!(there, line.after, "{what}: the report names the wrong line");
    }
    *tally.entry("edits").or_default() += 1;
    let mut files = case.files.clone();
    files.insert(file.clone(), edited.bytes);
    let dir = case.dir.to_str().unwrap();
    let after = format!("{dir}-after");
    for bytes in files.values_mut() {
        *bytes = replace(bytes, dir, &after);
    }
    Some(Wish { what, files, file, block, attribute, value: value.to_lowercase() })
}

fn replace(bytes: &[u8], what: &str, with: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|w| w == what.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(with.as_bytes());
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}

impl Wish {
    fn is_fulfilled(
        &self,
        seed: u64,
        case: &Case,
        config: &XinetdConfig,
        verdict: &Verdict,
        tally: &mut BTreeMap<&str, usize>,
    ) {
        let Some(dump) = &verdict.dump else { return };
        if config.is_unforeseeable() {
            return;
        }
        let path = case.path(&self.file);
        let found = match self.block {
            BlockRef::Defaults => {
                let line = config.defaults.attribute(self.attribute.name()).unwrap();
                if line.at.path != path {
                    // Another file's defaults come first, as the winning line says.
                    return;
                }
                match self.attribute {
                    Attribute::PerSource => dump.per_source.map(|v| v.to_string()),
                    Attribute::Instances => dump.instances.map(|v| v.to_string()),
                    Attribute::Cps => dump.cps.map(|v| v.to_string()),
                }
            }
            BlockRef::Service { line } => {
                let service = config
                    .services
                    .iter()
                    .find(|service| service.path == path && service.line == line)
                    .unwrap();
                if service.state != ServiceState::Offered {
                    return;
                }
                if !service.doubts.is_empty() {
                    return;
                }
                let port = service.socket.as_ref().and_then(ServiceSocket::port);
                let value = |running| match self.attribute {
                    Attribute::PerSource => dump.per_source(running).to_string(),
                    Attribute::Instances => dump.instances(running).to_string(),
                    Attribute::Cps => dump.cps(running).to_string(),
                };
                // Two of datagrams may have one name and one port: one of them is meant.
                let values = dump.services.iter().filter(|running| {
                    running.id == service.id
                        && running.port == port
                        && service.identity["protocol"][0].eq_ignore_ascii_case(running.protocol.as_bytes())
                });
                let first = values.clone().next().map(value);
                let mut values = values.map(value);
                values.find(|value| *value == self.value).or(first)
            }
        };
        assert_eq!(
            found.as_deref(),
            Some(self.value.as_str()),
            "seed {seed}: xinetd has another value after {}\n{}",
            self.what,
            case.show()
        );
        *tally.entry("edits in force").or_default() += 1;
    }
}

/// A service block for the reload cases: these lines, and what is needed beside them.
fn block(name: &str, port: u16, lines: &str) -> String {
    let mut text = format!("service {name}\n{{\n{lines}\n");
    for (attribute, value) in [
        ("type", "UNLISTED"),
        ("socket_type", "stream"),
        ("protocol", "tcp"),
        ("wait", "no"),
        ("user", "root"),
        ("server", "/bin/cat"),
        ("port", &port.to_string()),
    ] {
        if !lines.lines().any(|line| line.starts_with(&format!("{attribute} ="))) {
            text.push_str(&format!("\t{attribute} = {value}\n"));
        }
    }
    text + "}\n"
}

#[test]
fn a_reload_ends_the_services_that_we_say_it_ends() {
    if !is_root() {
        not_run("reloads of a real xinetd", "root");
        return;
    }
    let plain = block("a", 2001, "") + &block("b", 2002, "");
    let with = |lines: &str| block("a", 2001, lines) + &block("b", 2002, "");
    let defaults = |lines: &str| format!("defaults\n{{\n{lines}\n}}\n{plain}");
    let cases: [(&str, String, String); 17] = [
        ("nothing", plain.clone(), plain.clone()),
        ("a limit", plain.clone(), with("per_source = 3")),
        ("two limits", with("cps = 3 4\ninstances = 3"), plain.clone()),
        ("a default", defaults("per_source = 5"), defaults("per_source = 6")),
        ("a bad default", plain.clone(), defaults("per_source = x")),
        ("gone", plain.clone(), block("b", 2002, "")),
        ("disabled", plain.clone(), with("disable = yes")),
        ("broken", plain.clone(), with("per_source=3")),
        ("new", block("b", 2002, ""), plain.clone()),
        ("port", plain.clone(), with("port = 2003")),
        ("port as octal digits", plain.clone(), with("port = 02001")),
        ("wait", plain.clone(), with("wait = yes")),
        ("id", plain.clone(), with("id = other")),
        ("protocol", plain.clone(), with("protocol = udp\nsocket_type = dgram\nwait = yes")),
        ("user, server_args", plain.clone(), with("user = daemon\nserver_args = -u")),
        ("renamed under its id", with("id = x"), block("c", 2001, "id = x") + &block("b", 2002, "")),
        ("moved in the file", plain.clone(), block("b", 2002, "") + &block("a", 2001, "")),
    ];
    let scratch = tempfile::tempdir().unwrap();
    let folders: Vec<Case> = cases
        .iter()
        .enumerate()
        .map(|(n, (_, before, after))| {
            let files = Files::from([
                ("xinetd.conf".to_owned(), before.clone().into_bytes()),
                ("next.conf".to_owned(), after.clone().into_bytes()),
            ]);
            Case::new(scratch.path(), &n.to_string(), &files)
        })
        .collect();
    for ((case, verdict), (what, _, after)) in folders.iter().zip(judge(&folders)).zip(&cases) {
        let mut tree = FileTree::default();
        let main = case.path("xinetd.conf");
        tree.files.insert(main.clone(), TreeEntry::File(after.clone().into_bytes()));
        let config = XinetdConfig::read(&main, &tree);
        let differences = verdict.dump.unwrap().differs(&config, &DaemonSeen::default());
        let Some(after) = verdict.after else {
            assert_eq!(differences, [DumpDifference::DaemonExits], "{what}");
            continue;
        };
        let mut ended = Vec::new();
        let mut fresh = Vec::new();
        for difference in &differences {
            match difference {
                DumpDifference::Vanishes { id } => ended.push(id.clone()),
                DumpDifference::Restarts { id, .. } => {
                    ended.push(id.clone());
                    fresh.push(id.clone());
                }
                DumpDifference::Appears { id } => fresh.push(id.clone()),
                DumpDifference::Limit { .. } | DumpDifference::DaemonExits => {}
            }
        }
        let logged = |end: &str| -> Vec<String> {
            verdict
                .log
                .lines()
                .filter_map(|line| line.split_once("NOTICE: service ")?.1.strip_suffix(end))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(ended, logged(" deactivated"), "{what}: {differences:?}\n{}", verdict.log);
        let new = format!("new={} ", fresh.len());
        assert!(verdict.log.contains(&new), "{what}: {differences:?}\n{}", verdict.log);
        assert_eq!(
            after.differs(&config, &DaemonSeen::default()),
            [],
            "{what}: what runs then is what the file says"
        );
    }
}

/// What in a daemon's log says that the host, not the file, keeps a service from being offered.
const HOST: &[&str] = &[
    "is not executable",
    "Unknown user",
    "Unknown group",
    "not in /etc/services",
    "with getservbyname",
    "not in /etc/protocols",
    "expects port",
    "bind failed",
    "bad address",
    "no addresses returned",
    "Failed adding",
    "unknown RPC service",
    "pmap_set",
];

#[test]
fn xinetd_has_what_we_read_in_files_from_the_wild() {
    let Some(corpus) = std::env::var_os("MAILWARD_CORPUS") else {
        not_run("the xinetd files of the corpus", "MAILWARD_CORPUS naming it");
        return;
    };
    if !is_root() {
        not_run("the xinetd files of the corpus", "root");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    let mut edits = 0;
    let (mut tried, mut refused) = (0, Vec::new());
    let mut names: Vec<_> = std::fs::read_dir(Path::new(&corpus).join("xinetd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".tsv"))
        .collect();
    names.sort();
    for name in &names {
        let bytes = std::fs::read(Path::new(&corpus).join("xinetd").join(name)).unwrap();
        // As it is, as it would run on this host, and with a limit set in each block of that.
        let here = at_home(&bytes);
        let mut limited = here.clone();
        let limits = limit_all(&mut limited);
        edits += limits.edits;
        tried += limits.tried;
        refused.extend(limits.refused.iter().map(|why| format!("{name}: {why}")));
        for (kind, bytes) in [("as-is", bytes), ("here", here), ("limited", limited)] {
            let files = Files::from([("xinetd.conf".to_owned(), bytes)]);
            cases.push(Case::new(scratch.path(), &format!("{name}-{kind}"), &files));
        }
    }
    let verdicts = judge(&cases);
    let mut offered = 0;
    for (case, verdict) in cases.iter().zip(&verdicts) {
        let name = case.dir.display();
        let config = case.config();
        let Some(dump) = &verdict.dump else {
            assert!(config.daemon_exits(), "{name}: the daemon exits\n{}", verdict.log);
            continue;
        };
        let (our, their) = (ours_by_id(&config), theirs(dump, &BTreeSet::new()));
        offered += their.len();
        // What cannot be told of a service keeps xinetd from being reloaded.
        let doubted = config.services.iter().filter(|s| !s.doubts.is_empty());
        refused.extend(doubted.map(|s| format!("{name}: {}: {:?}", s.id, s.doubts)));
        let host = HOST.iter().any(|text| verdict.log.contains(text));
        for service in &dump.services {
            let ours = our
                .get(&service.id)
                .unwrap_or_else(|| panic!("{name}: xinetd offers {}, we do not", service.id));
            let limits = [
                dump.per_source(service).to_string(),
                dump.instances(service).to_string(),
                dump.cps(service).to_string(),
            ];
            assert_eq!(*ours, limits, "{name}: {}", service.id);
            if name.to_string().ends_with("-limited") {
                assert_eq!(limits[0], "20", "{name}: {}", service.id);
            }
        }
        if !host {
            assert_eq!(our.len(), their.len(), "{name}: {our:?} {their:?}\n{}", verdict.log);
        }
    }
    println!(
        "compared with xinetd: {} files, {offered} services, {edits} edits, {} of {tried} refused: {refused:#?}",
        names.len(),
        refused.len()
    );
    assert!(refused.len() * 100 < tried * 3, "{refused:#?}");
    assert!(offered > names.len(), "most of them run here: {offered}");
}

/// The same file with a server, user and group that every host has, and nothing disabled.
fn at_home(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split(|&b| b == b'\n').map(|line| {
        let text = String::from_utf8_lossy(line).into_owned();
        let value = match text.split_whitespace().next() {
            Some("server") => "/bin/cat",
            Some("user" | "group") => "root",
            Some("disable") => "no",
            _ => return line.to_vec(),
        };
        match text.split_once('=') {
            Some((before, _)) => format!("{before}= {value}").into_bytes(),
            None => line.to_vec(),
        }
    });
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// Sets `per_source = 20` in each block that allows it, and says in how many something was to be done.
/// What came of setting a limit in each block of a file.
#[derive(Default)]
struct Limits {
    tried: usize,
    edits: usize,
    refused: Vec<String>,
}

fn limit_all(bytes: &mut Vec<u8>) -> Limits {
    let main = HostPath::new("/x").unwrap();
    let mut limits = Limits::default();
    // From the last block to the first: an edit moves only what is behind it.
    let mut tree = FileTree::default();
    tree.files.insert(main.clone(), TreeEntry::File(bytes.clone()));
    let config = XinetdConfig::read(&main, &tree);
    let services = config.services.iter().rev().map(|service| service.line);
    for line in services {
        let block = BlockRef::Service { line };
        limits.tried += 1;
        match ensure(bytes, block, Attribute::PerSource, "20") {
            Ok(edited) => {
                limits.edits += usize::from(!edited.lines.is_empty());
                *bytes = edited.bytes;
            }
            Err(why) => limits.refused.push(format!("line {line}: {why}")),
        }
    }
    limits
}

fn ours_by_id(config: &XinetdConfig) -> BTreeMap<String, [String; 3]> {
    config
        .services
        .iter()
        .filter(|service| service.state == ServiceState::Offered)
        .map(|service| {
            (
                service.id.clone(),
                [
                    service.per_source.value.to_string(),
                    service.instances.value.to_string(),
                    service.cps.value.to_string(),
                ],
            )
        })
        .collect()
}

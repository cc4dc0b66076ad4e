//! The judge: a real xinetd in a namespace of its own, asked for its state.

use std::collections::BTreeMap;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mailward::edit::xinetd::dump::XinetdDump;
use mailward::edit::xinetd::{
    FileTree, NameDatabases, NameFiles, PathStanding, TreeEntry, WantedPath, XinetdConfig, XinetdHost,
    XinetdVersion,
};
use mailward::model::HostPath;

use crate::support::in_time::{ChildInTime as _, CommandInTime as _};

const DRIVER: &str = include_str!("daemon.sh");

/// Time for all cases of one driver, which takes half a second for each on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(900);

/// Files by their path below the case's folder; `@DIR@` in them stands for that folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a real daemon made of a case.
pub struct Verdict {
    /// None where the daemon exited over `defaults`.
    pub dump: Option<XinetdDump>,
    /// What it is after a SIGHUP with the case's `next.conf`; none where it exited over that.
    pub after: Option<XinetdDump>,
    /// What it logged.
    pub log: String,
}

/// A folder with the files of one case.
pub struct Case {
    pub dir: PathBuf,
    pub files: Files,
}

impl Case {
    pub fn new(below: &Path, name: &str, files: &Files) -> Self {
        let dir = below.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let shown = dir.to_str().unwrap();
        let files: Files = files
            .iter()
            .map(|(path, bytes)| (path.clone(), replace(bytes, b"@DIR@", shown.as_bytes())))
            .collect();
        for (path, bytes) in &files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        Self { dir, files }
    }

    pub fn path(&self, file: &str) -> HostPath {
        HostPath::new(format!("{}/{file}", self.dir.display())).unwrap()
    }

    /// What is known of this machine, and of the xinetd that judges.
    pub fn host() -> XinetdHost {
        let read = |name: &str| std::fs::read(name).unwrap_or_default();
        let files = ["passwd", "group", "protocols", "services", "rpc", "nsswitch.conf"]
            .map(|name| read(&format!("/etc/{name}")));
        let [passwd, group, protocols, services, rpc, switch] = files.each_ref();
        let names = NameDatabases::read(&NameFiles {
            passwd: Some(passwd),
            group: Some(group),
            protocols: Some(protocols),
            services: Some(services),
            rpc: Some(rpc),
            switch: Some(switch),
        });
        XinetdHost { names: Some(names), paths: BTreeMap::new(), version: version() }
    }

    /// The case as our reader gets it.
    pub fn tree(&self) -> FileTree {
        let mut tree = FileTree::default();
        tree.dirs.insert(HostPath::new("/etc/xinetd.d").unwrap(), Some(Vec::new()));
        tree.dirs.insert(self.path("gone"), None);
        tree.files.insert(self.path("gone"), TreeEntry::Missing);
        for (file, bytes) in &self.files {
            let path = self.path(file);
            if let Some(folder) = path.parent() {
                tree.dirs
                    .entry(folder)
                    .or_insert_with(|| Some(Vec::new()))
                    .as_mut()
                    .unwrap()
                    .push(path.name().as_bytes().to_vec());
            }
            tree.files.insert(path, TreeEntry::File(bytes.clone()));
        }
        tree
    }

    /// What our reader makes of it; what the case does not have is not there.
    pub fn config(&self) -> XinetdConfig {
        self.config_of(self.tree())
    }

    /// The same, with `next.conf` in the place of the main file.
    pub fn next(&self) -> XinetdConfig {
        let mut tree = self.tree();
        let next = TreeEntry::File(self.files["next.conf"].clone());
        tree.files.insert(self.path("xinetd.conf"), next);
        self.config_of(tree)
    }

    fn config_of(&self, mut tree: FileTree) -> XinetdConfig {
        tree.host = Self::host();
        loop {
            let config = XinetdConfig::read(&self.path("xinetd.conf"), &tree);
            if config.wanted.is_empty() && config.paths.is_empty() {
                return config;
            }
            for path in config.paths {
                let there = standing(path.as_str());
                tree.host.paths.insert(path, there);
            }
            for wanted in config.wanted {
                match wanted {
                    WantedPath::File(path) => drop(tree.files.insert(path, TreeEntry::Missing)),
                    WantedPath::Dir(path) => drop(tree.dirs.insert(path, None)),
                }
            }
        }
    }

    /// Whether something in `defaults` is unclear.
    fn is_unclear(&self) -> bool {
        !self.config().doubts.is_empty()
    }

    pub fn foresees_nothing(&self) -> bool {
        let reloads = self.dir.join("next.conf").exists();
        self.config().is_unforeseeable() || reloads && self.next().is_unforeseeable()
    }

    pub fn show(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        for (file, bytes) in &self.files {
            writeln!(text, "--- {file}").unwrap();
            for line in bytes.split(|&b| b == b'\n') {
                let line = if line.len() > 300 { &line[..300] } else { line };
                writeln!(text, "    {}", line.escape_ascii()).unwrap();
            }
        }
        text
    }
}

fn standing(path: &str) -> PathStanding {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::metadata(path) {
        Err(_) => PathStanding::Missing,
        Ok(found) if found.is_dir() => PathStanding::Folder,
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => PathStanding::Program,
        Ok(found) if found.is_file() => PathStanding::File,
        Ok(_) => PathStanding::Other,
    }
}

/// The xinetd that judges: the packaged one, or the one that `MAILWARD_XINETD` names.
pub fn program() -> String {
    std::env::var("MAILWARD_XINETD").unwrap_or_else(|_| "/usr/sbin/xinetd".to_owned())
}

/// Its version.
fn version() -> Option<XinetdVersion> {
    static VERSION: std::sync::OnceLock<Option<XinetdVersion>> = std::sync::OnceLock::new();
    *VERSION.get_or_init(|| {
        let output = Command::new(program()).arg("-version").output_in_time().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        text.split_whitespace().find_map(XinetdVersion::parse)
    })
}

fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|w| w == what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Runs a real xinetd on each case.
pub fn judge(cases: &[Case]) -> Vec<Verdict> {
    for (tool, package) in
        [(program().as_str(), "xinetd"), ("/usr/bin/unshare", "util-linux"), ("/usr/bin/ip", "iproute2")]
    {
        let here = Path::new(tool).exists() || Path::new(&tool.replace("/usr/bin", "/usr/sbin")).exists();
        assert!(here, "{tool} is missing: install the package {package}");
    }
    // A file, not a pipe: a driver that hangs would not take all of it.
    let mut folders = tempfile::tempfile().unwrap();
    for case in cases {
        writeln!(folders, "{}", case.dir.display()).unwrap();
    }
    folders.rewind().unwrap();
    let status = Command::new("unshare")
        .args(["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", DRIVER])
        .env("XINETD", program())
        .stdin(folders)
        .spawn()
        .and_then(|mut child| child.wait_within(LIMIT))
        .unwrap();
    assert!(status.success(), "the driver ends with {status}");
    cases.iter().map(verdict).collect()
}

fn verdict(case: &Case) -> Verdict {
    let read = |name: &str| {
        let bytes = std::fs::read(case.dir.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let dump = |name: &str| {
        let bytes = std::fs::read(case.dir.join(name)).unwrap();
        XinetdDump::last(&bytes).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&bytes);
            panic!("the daemon's {name} has no end:\n{text}\n{}\n{}", read("log"), case.show())
        })
    };
    let log = read("log");
    let state = read("state");
    let verdict = match state.trim() {
        "exited 0" if case.dir.join("dump").exists() => Some(dump("dump")),
        "exited 0" if log.contains("while parsing the default section") => None,
        "exited 1" if case.is_unclear() => None,
        "running 0" => Some(dump("dump")),
        // Nobody can say what such a daemon does; crash is one thing that it does.
        _ if case.foresees_nothing() => None,
        other => panic!("the daemon misbehaves ({other})\n{log}\n{}{}", read("out"), case.show()),
    };
    // It may die in the middle of its dump as well.
    let is_told = case.dir.join("after").exists() && !case.foresees_nothing();
    let after = is_told.then(|| dump("after"));
    Verdict { dump: verdict, after, log }
}

//! An `ssh` that asks for a password on the terminal.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::support::ssh::{Ssh, Terminal};

/// Stands in for an `ssh` that asks, as ssh does: on the terminal itself, without echo, which a signal brings
/// back. It leaves its number in a file.
const ASKS: &str = "#!/usr/bin/python3\nimport getpass, os, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\nopen(os.path.dirname(sys.argv[0]) + '/pid', 'w').write(str(os.getpid()))\ngetpass.getpass('password: ')\n";

/// A plan whose `ssh` asks for a password.
struct Asked {
    folder: tempfile::TempDir,
    terminal: Terminal,
}

impl Asked {
    fn new(timeout: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (program, manifest) = (folder.path().join("asks"), folder.path().join("mx1.toml"));
        std::fs::write(&program, ASKS).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(&manifest, super::MANIFEST).unwrap();
        let ssh = Ssh::refusing();
        let timeout = format!("--ssh-timeout={timeout}");
        let plan = ssh.mailward(&["plan", &timeout, manifest.to_str().unwrap()]);
        let plan = plan.env("MAILWARD_SSH", program.to_str().unwrap());
        let mut terminal = Terminal::run(plan);
        terminal.wait_for("password: ");
        Self { folder, terminal }
    }

    /// How the plan ended; fails unless its `ssh` is gone and the terminal echoes.
    fn end(self) -> (Option<i32>, String) {
        let ended = self.terminal.end();
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|argv| !argv.is_empty()) {
            assert!(Instant::now() < end, "its ssh is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
        ended
    }
}

#[test]
fn a_prompt_that_outlasts_the_patience_leaves_the_terminal_as_it_was() {
    let (code, said) = Asked::new(1).end();
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("no answer for 1 s"), "{said}");
}

#[test]
fn an_interrupt_at_a_prompt_of_a_plan_ends_it_and_its_ssh() {
    let mut asked = Asked::new(60);
    asked.terminal.say(b"\x03");
    let (code, said) = asked.end();
    assert_eq!(code, None, "{said}");
}

//! Programs of this build, started where its folder may not be seen: in a host, or under mounts that cover
//! the folder. The build can lie anywhere, `/tmp`, `/media` and `/var/lib` included. Must not know what the
//! cases look at.

use std::path::{Path, PathBuf};

/// The program itself as the machine has it.
pub const MAILWARD: &str = env!("CARGO_BIN_EXE_mailward");

/// Where every host but one with BusyBox has this test program.
pub const IN_HOST: &str = "/usr/local/lib/mailward-suite";

/// Returns this test program as the machine has it.
pub fn suite() -> PathBuf {
    std::env::current_exe().expect("/proc is mounted")
}

/// Returns the arguments by which this test program runs one case that the harness leaves out, and nothing
/// else.
pub fn hidden(case: &str) -> [&str; 5] {
    ["--exact", "--ignored", "--nocapture", "--test-threads=1", case]
}

/// Returns the words that run a script of `sh` in which `"$program"` starts `program`, whatever the script
/// mounts over its folder; `"$@"` are the words that follow.
pub fn sheltered(script: &str, program: &Path) -> [String; 4] {
    let program = program.to_str().expect("paths of tests are text");
    // An open file needs no way that leads to it.
    let script = format!("exec 3<\"$0\" && program=/proc/self/fd/3 && {script}");
    ["sh", "-c", &script, program].map(str::to_owned)
}

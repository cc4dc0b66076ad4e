//! One pair of keys for all clients and one for all hosts of a test program; kept in memory, for no file to
//! stay.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The keys, as `ssh-keygen` writes them.
pub struct Keys {
    /// The clients' private key.
    pub client: String,
    /// The clients' public key.
    pub public: String,
    /// The hosts' private key.
    pub host: String,
    /// The hosts' public key.
    pub host_public: String,
}

/// Returns the keys, made at the first call.
pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let (client, public) = pair();
        let (host, host_public) = pair();
        Keys { client, public, host, host_public }
    })
}

fn pair() -> (String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("key");
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .expect("ssh-keygen runs");
    assert!(status.success());
    let read = |path| std::fs::read_to_string(path).expect("ssh-keygen has written");
    (read(&path), read(&path.with_extension("pub")))
}

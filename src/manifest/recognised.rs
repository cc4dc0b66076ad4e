//! Whether a file is a manifest at all: of any other, which may be somebody's secrets, no message shows a
//! word.

use super::keys::ManifestTable;

/// Mistakes in a word that are still taken for one.
const SLIPS: usize = 2;

/// Whether the first line that says something is `version =`, or the heading of a table of a manifest; slips
/// of the pen are allowed. A file that says nothing is a manifest that lacks its version.
pub(super) fn is_manifest(bytes: &[u8]) -> bool {
    let says = |line: &&[u8]| !line.is_empty() && !line.starts_with(b"#");
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    let plain = lines.map(plain);
    let Some(first) = plain.map(|line| line.trim_ascii().to_vec()).find(|line| says(&line.as_slice())) else {
        return true;
    };
    let Ok(first) = String::from_utf8(first) else {
        return false;
    };
    match first.strip_prefix('[') {
        Some(heading) => {
            let heading = heading.trim_start_matches('[');
            let word = heading.split(['.', ']']).next().unwrap_or_default();
            ManifestTable::Root.keys().iter().any(|key| is_near(word, key))
        }
        None => (first.split_once('=')).is_some_and(|(key, _)| is_near(key, "version")),
    }
}

/// A line without what marks an encoding: the errors of a manifest that was saved as UTF-16 say so.
fn plain(line: &[u8]) -> Vec<u8> {
    let marks = [b"\xef\xbb\xbf".as_slice(), b"\xff\xfe", b"\xfe\xff"];
    let line = (marks.iter()).find_map(|mark| line.strip_prefix(*mark)).unwrap_or(line);
    line.iter().copied().filter(|byte| *byte != 0).collect()
}

fn is_near(word: &str, key: &str) -> bool {
    let word = word.trim().trim_matches('"');
    word.len() <= key.len() + SLIPS && strsim::damerau_levenshtein(word, key) <= SLIPS
}

#[cfg(test)]
mod tests {
    use super::is_manifest;

    #[test]
    fn a_manifest_is_known_by_its_first_words_and_nothing_else_is_one() {
        for text in [
            "",
            "\n# mx1\n\nversion = 1\n",
            "verison = 1",
            "\u{feff}version = 1\r\n",
            "[limit.pop3]\nper_ip = 1\n",
            "\"version\" = 2",
        ] {
            assert!(is_manifest(text.as_bytes()), "{text:?}");
        }
        for text in [
            "root:$6$salt$hash:19000:0:99999:7:::\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
            "password = hunter2\n",
            "[client]\npassword = hunter2\n",
            "host = db\npassword = hunter2\n",
            "localhost:5432:*:me:hunter2\n",
            "\u{7f}ELF",
        ] {
            assert!(!is_manifest(text.as_bytes()), "{text:?}");
        }
    }
}

//! An installed Plesk, by its own files. Pure.

use super::{FactsError, text};
use crate::host::{FileFound, PathExistence};
use crate::model::{HostPath, known};

/// Where Plesk may be installed.
pub(super) const PRODUCT_ROOTS: [&str; 2] = ["/usr/local/psa", "/opt/psa"];

/// An installed Plesk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plesk {
    /// `PRODUCT_ROOT_D`.
    pub root: HostPath,
    /// The version file's first word that holds a number with a dot, e.g. `11.0.9`.
    pub version: Option<String>,
    /// `MYSQL_BIN_D`: the folder of the database's client.
    pub mysql: Option<HostPath>,
    /// Whether there is a file with the password of the panel's database.
    pub secret: PathExistence,
}

/// `psa.conf` has lines of a key, blanks and a value; `#` starts a comment.
pub(super) fn plesk(
    conf: Option<&str>,
    version: Option<(usize, FileFound)>,
    secret: PathExistence,
) -> Result<Option<Plesk>, FactsError> {
    let folder = |wanted: &str| {
        conf.and_then(|conf| {
            conf.lines()
                .map(|line| line.split('#').next().unwrap_or_default())
                .filter_map(|line| line.trim().split_once(char::is_whitespace))
                .find(|(key, _)| *key == wanted)
                .and_then(|(_, value)| HostPath::new(value.trim()).ok())
        })
    };
    let root = folder("PRODUCT_ROOT_D");
    let (found, version) = match version {
        Some((index, found)) => {
            let root = PRODUCT_ROOTS[index];
            let text = text(found, &format!("{root}/version"))?.unwrap_or_default();
            (Some(known(root)), version_in(&text))
        }
        None => (None, None),
    };
    Ok(root.or(found).map(|root| Plesk { root, version, mysql: folder("MYSQL_BIN_D"), secret }))
}

/// The oldest version files are not number-first: `psa v8.6.0_build86080722.00 os_Ubuntu 8.04`.
fn version_in(text: &str) -> Option<String> {
    text.split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .map(|word| word.split('_').next().unwrap_or_default())
        .find(|word| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.'))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_old_and_new_version_files() {
        assert_eq!(version_in("psa v8.6.0_build86080722.00 os_Ubuntu 8.04").as_deref(), Some("8.6.0"));
        assert_eq!(version_in("11.0.9 CentOS 6 110120608.16\n").as_deref(), Some("11.0.9"));
        assert_eq!(version_in("nothing here"), None);
    }
}

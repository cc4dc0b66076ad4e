//! Names that end up in a comparison or in a daemon's file, checked letter by letter.

use super::keys::short;
use super::problem::ManifestProblem;

/// Longest name of an xinetd service.
const LONGEST_SERVICE: usize = 64;
/// Longest name of a host (RFC 1035).
const LONGEST_HOST: usize = 253;

/// Checks that xinetd reads the name as one word, and that nothing reads it as something else.
///
/// # Errors
/// The problem with the name.
pub(super) fn check_service(name: &str) -> Result<(), ManifestProblem> {
    let (why, hint) = if name.eq_ignore_ascii_case("defaults") {
        ("it would be taken for xinetd's defaults block", "write `[xinetd.defaults]`".to_owned())
    } else if name.is_empty() {
        ("it is empty", "write `[xinetd.services.NAME]`".to_owned())
    } else if name.len() > LONGEST_SERVICE {
        ("it is too long", format!("a name has at most {LONGEST_SERVICE} characters"))
    } else if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.+/-".contains(*c))) {
        let why = if bad.is_whitespace() {
            "xinetd would read it as several words"
        } else {
            "it has a character that names of services do not have"
        };
        (why, "use letters, digits and `_` `.` `+` `/` `-`, as after `service` in xinetd's file".to_owned())
    } else {
        return Ok(());
    };
    Err(ManifestProblem::ServiceName { found: short(name), why, hint })
}

/// Checks a node name or FQDN and gives it in lower case.
///
/// # Errors
/// The problem with the name.
pub(super) fn host(name: &str) -> Result<String, ManifestProblem> {
    let (why, hint) = if name.is_empty() {
        ("it is empty", "write what `hostname` or `hostname -f` prints")
    } else if name.len() > LONGEST_HOST {
        ("it is too long", "write what `hostname` or `hostname -f` prints")
    } else if name.ends_with('.') {
        ("it ends with a dot", "leave the last dot out")
    } else if name.contains('*') {
        ("it is a pattern", "name each host; the key takes a list")
    } else if !name.is_ascii() {
        ("it has letters outside ASCII", "write the name in its ASCII form, with `xn--`")
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        (
            "it has a character that names of hosts do not have",
            "write what `hostname` or `hostname -f` prints",
        )
    } else if name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        ("a part between dots is empty or longer than 63", "write what `hostname` or `hostname -f` prints")
    } else {
        return Ok(name.to_ascii_lowercase());
    };
    Err(ManifestProblem::HostName { found: short(name), why, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_are_one_word_of_xinetd() {
        for good in ["smtp", "smtp_alt", "a.b+c/d-e", "9p"] {
            assert_eq!(check_service(good), Ok(()), "{good}");
        }
        for bad in ["", "defaults", "DEFAULTS", "a b", "a\tb", "ä", "a{", "a#b", "\0", &"x".repeat(65)] {
            assert!(check_service(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_of_hosts_are_stored_in_lower_case() {
        assert_eq!(host("MX1.Example.JP"), Ok("mx1.example.jp".to_owned()));
        for bad in
            ["", ".", "a..b", "mx1.", "*.jp", "mx 1", "größe", "mx1/", &"a".repeat(64), &"a.".repeat(200)]
        {
            assert!(host(bad).is_err(), "{bad:?}");
        }
    }
}

//! The one form of domains and mail addresses, by which the manifest's spelling and the panel's are compared.
//!
//! Letters are of lower case, and a domain is in its ASCII form (`xn--…`), as the panel keeps it.

/// A text that is no domain or no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotAName {
    /// Why.
    pub why: String,
}

/// The longest name of a mail account before the `@`: the panel's column has so many characters.
const LONGEST_NAME: usize = 245;

/// The longest domain in its ASCII form (RFC 1035).
const LONGEST_DOMAIN: usize = 253;

fn no(why: &str) -> NotAName {
    NotAName { why: why.to_owned() }
}

/// The one form of a domain.
///
/// # Errors
/// [`NotAName`] says what is wrong with it.
pub fn domain(text: &str) -> Result<String, NotAName> {
    let problem = if text.is_empty() {
        "it is empty"
    } else if text.contains('@') {
        "it has an @"
    } else if text.chars().any(char::is_whitespace) {
        "it has a blank"
    } else if text.contains('*') {
        "patterns are not known here"
    } else if text.ends_with('.') {
        "it ends with a dot"
    } else {
        let ascii = idna::domain_to_ascii(text).map_err(|_| no("it is no domain name"))?;
        return if is_safe_domain(&ascii) { Ok(ascii) } else { Err(no("it is no domain name")) };
    };
    Err(no(problem))
}

/// The one form of an address.
///
/// # Errors
/// [`NotAName`] says what is wrong with it.
pub fn account(text: &str) -> Result<String, NotAName> {
    let Some((name, of)) = text.split_once('@') else {
        return Err(no("it has no @"));
    };
    if name.is_empty() {
        return Err(no("there is nothing before the @"));
    }
    if name.starts_with('-') {
        return Err(no("it starts with a dash"));
    }
    if !is_safe_name(name.as_bytes()) {
        return Err(no("the part before the @ has a character that the panel's mail accounts do not have"));
    }
    let of = domain(of)?;
    Ok(format!("{}@{of}", name.to_ascii_lowercase()))
}

/// Whether a name before the `@` can stand in a command's arguments: printable ASCII that no mail system
/// quotes.
#[must_use]
pub fn is_safe_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with(b"-")
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-./=?^_`{|}~".contains(byte))
}

/// Whether a domain is in its ASCII form and can stand in a command's arguments.
#[must_use]
pub fn is_safe_domain(domain: &str) -> bool {
    !domain.is_empty()
        && domain.len() <= LONGEST_DOMAIN
        && !domain.starts_with('-')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_international_domain_and_any_case_are_one() {
        assert_eq!(domain("Bücher.Example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(domain("xn--BCHER-kva.example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(domain("例え.jp").unwrap(), domain("xn--r8jz45g.jp").unwrap());
        assert_eq!(account("Owner@Bücher.example").unwrap(), "owner@xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_name_says_why() {
        for bad in ["", "a b", "a@b.jp", "*.jp", "a.", "a..b", "-a.jp", "a/b"] {
            assert!(domain(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a", "@b.jp", "a@", "a b@c.jp", "-a@b.jp", "a@b@c", "ä@b.jp"] {
            assert!(account(bad).is_err(), "{bad:?}");
        }
    }
}

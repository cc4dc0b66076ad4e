//! `--allow NAME`: what a run may do beyond the safety rules, for once. The manifest cannot say it, since that
//! would disarm a rule for good.

use std::str::FromStr;

use crate::plan::Allowed;

/// One thing that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// `account-changes=N`: so many accounts may change.
    AccountChanges(u32),
    /// `unseen-metadata`: files may be replaced whose ACL and extended attributes the host has no tool to show.
    UnseenMetadata,
}

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match (name, value) {
            ("account-changes", Some(value)) => value
                .parse()
                .map(Self::AccountChanges)
                .map_err(|_| "account-changes needs a number of accounts".to_owned()),
            ("account-changes", None) => {
                Err("account-changes needs a number, as account-changes=120".to_owned())
            }
            ("unseen-metadata", None) => Ok(Self::UnseenMetadata),
            _ => Err("what can be allowed is account-changes=N and unseen-metadata".to_owned()),
        }
    }
}

/// All that is allowed; of one thing allowed twice the later counts.
pub(super) fn allowed(allowances: &[Allowance]) -> Allowed {
    let mut allowed = Allowed::default();
    for allowance in allowances {
        match allowance {
            Allowance::AccountChanges(number) => allowed.account_changes = Some(*number),
            // The way to the host asks for it.
            Allowance::UnseenMetadata => {}
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_can_be_allowed() {
        let parsed: Allowance = "account-changes=120".parse().unwrap();
        assert_eq!(
            allowed(&[parsed]),
            Allowed {
                account_changes: Some(120)
            }
        );
        for bad in [
            "",
            "account-changes",
            "account-changes=",
            "account-changes=-1",
            "all=1",
            "unseen-metadata=1",
        ] {
            assert!(bad.parse::<Allowance>().is_err(), "{bad}");
        }
    }
}

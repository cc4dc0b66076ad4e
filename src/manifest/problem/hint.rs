//! What a person can do about a problem. Why it is one is said elsewhere.

use super::{LimitRange, MAX, ManifestProblem, SameFix};

impl ManifestProblem {
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoLayer => "name at least one file, or `-` for standard input".to_owned(),
            Self::NoManifest => "a manifest begins with `version = 1`".to_owned(),
            Self::TooLarge => "is this the right file?".to_owned(),
            Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::Syntax { hint, .. } => return hint.clone(),
            Self::More { .. } => "correct those above first".to_owned(),
            Self::VersionMissing => "every layer starts with `version = 1`".to_owned(),
            Self::VersionUnknown { .. } => "this version of mailward reads `version = 1`".to_owned(),
            Self::UnknownKey { hint, .. }
            | Self::WrongType { hint, .. }
            | Self::Word { hint, .. }
            | Self::Number { hint, .. }
            | Self::Address { hint, .. }
            | Self::Network { hint, .. }
            | Self::UnknownSet { hint, .. }
            | Self::Everybody { hint, .. }
            | Self::Name { hint, .. }
            | Self::ServiceName { hint, .. } => hint.clone(),
            Self::Limit { range, .. } => range.hint(),
            Self::Duration { .. } => {
                "write a whole number and `s`, `m` or `h`, as \"10s\", \"2m\", \"1h\"".to_owned()
            }
            Self::DurationRange { least, .. } => format!("write for example \"{least}\""),
            Self::EmptyList { .. } => {
                "leave the key out, or write \"unmanaged\" to drop an inherited one".to_owned()
            }
            Self::SetName { .. } => {
                "a name begins with a small letter; small letters, digits, `_` and `-` follow, \
                 64 characters in all"
                    .to_owned()
            }
            Self::NotAlone { word, .. } => {
                format!("write \"{word}\" alone, or only sets and networks")
            }
            Self::SmtpsOfPlesk { .. } => {
                "leave `smtps` out, or write `enforce = \"nftables\"` or \"iptables\"".to_owned()
            }
            Self::Covered { .. } => "nothing is wrong with it; it can be taken out".to_owned(),
            Self::InboundMail => "clients that send mail use `submission`; \
                for these on port 465 alone there is `smtps`"
                .to_owned(),
            Self::HostName { hint, .. } | Self::Incomplete { hint, .. } => (*hint).to_owned(),
            Self::TotalBelow { each, each_value, each_place, .. }
            | Self::TotalBelowTwice { each, each_value, each_place, .. } => {
                let twice = each_value.saturating_mul(2).min(MAX);
                format!("`{each}` is {each_value} at {each_place}; {twice} or more leaves room for others")
            }
            Self::SameSetting { fix, other, .. } => match fix {
                SameFix::KeepOne => "keep one of the two".to_owned(),
                SameFix::DropInherited => {
                    format!("keep one of the two; `{other} = \"unmanaged\"` drops the inherited one")
                }
                SameFix::SetApart { key } => format!("set it as `{key}` instead"),
            },
            Self::TotalOfUnlimited { each, .. } => {
                format!("give `{each}` a number, half of the total or less")
            }
            Self::SameName { .. } => "keep one of the two".to_owned(),
            Self::NothingToDrop { .. } => {
                "take the line out, or look whether the layers are in the right order".to_owned()
            }
            Self::ManyHosts { .. } => "run once for each host, with the layers of that host alone".to_owned(),
            Self::ManagesNothing => "what it does not name is not touched; \
                a first limit is `[limits.pop3]` with `per_ip = 20`"
                .to_owned(),
        };
        Some(hint)
    }
}

impl LimitRange {
    /// What may stand there.
    pub(in crate::manifest) fn hint(self) -> String {
        match self {
            Self::Courier => format!("write a whole number from 1 to {MAX}"),
            Self::Xinetd => format!("write a whole number from 1 to {MAX}, or \"unlimited\""),
        }
    }
}

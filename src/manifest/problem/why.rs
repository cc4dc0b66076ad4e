//! Why a problem is one, where that is not plain from what is said. What to do about it is said elsewhere.

use super::{LimitMisfit, LimitRange, ManifestProblem, SameFix, WrongNetwork};

impl ManifestProblem {
    pub(super) fn why(&self) -> Option<String> {
        let why = match self {
            Self::Limit { misfit, range, .. } => misfit.why(*range).to_owned(),
            Self::Number { why, .. } => return why.map(str::to_owned),
            Self::EmptyList { why, .. } | Self::HostName { why, .. } | Self::ServiceName { why, .. } => {
                (*why).to_owned()
            }
            Self::Network { wrong, .. } => return wrong.why().map(str::to_owned),
            Self::SetName { why, .. } => (*why).to_owned(),
            Self::Everybody { .. } => "a restriction to everybody restricts nothing".to_owned(),
            Self::SmtpsOfPlesk { place } => {
                format!("its one rule for SMTP opens 25 and 465 together, and {place} says to enforce by it")
            }
            Self::Covered { one, other, .. } => format!("`{one}` is in `{other}` already"),
            Self::InboundMail => {
                "servers of everybody else deliver on port 25, which this closes to them".to_owned()
            }
            Self::Name { why, .. } => why.clone(),
            Self::SameName { other_place, .. } => format!("the other one stands at {other_place}"),
            Self::TotalBelow { each_value, .. } => {
                format!("so no address could ever have its {each_value} connections")
            }
            Self::SameSetting { other_place, other, fix, .. } => match fix {
                SameFix::KeepOne | SameFix::DropInherited => {
                    format!("`{other}` is set at {other_place}")
                }
                SameFix::SetApart { .. } => {
                    format!("`limits.smtp` covers smtps too; see {other_place}")
                }
            },
            Self::TotalBelowTwice { total_value, each_value, .. } if total_value == each_value => {
                "one busy address can take every connection".to_owned()
            }
            Self::TotalBelowTwice { .. } => "two busy addresses can take every connection".to_owned(),
            Self::TotalOfUnlimited { total_value, .. } => {
                format!("one busy address can take all {total_value} connections")
            }
            Self::NoLayer
            | Self::TooLarge
            | Self::NoManifest
            | Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::More { .. }
            | Self::VersionMissing
            | Self::VersionUnknown { .. }
            | Self::UnknownKey { .. }
            | Self::WrongType { .. }
            | Self::Word { .. }
            | Self::Duration { .. }
            | Self::DurationRange { .. }
            | Self::Address { .. }
            | Self::UnknownSet { .. }
            | Self::NotAlone { .. }
            | Self::Incomplete { .. }
            | Self::NothingToDrop { .. }
            | Self::ManyHosts { .. }
            | Self::ManagesNothing => return None,
        };
        Some(why)
    }
}

impl WrongNetwork {
    const fn why(self) -> Option<&'static str> {
        match self {
            Self::Zone => Some("an address with a zone is known on its own link only"),
            Self::HostBits => Some("which of the two is meant is not certain"),
            Self::Mapped => Some("packets from there arrive as IPv4"),
            Self::Everything(_) => Some("a restriction to everybody restricts nothing"),
            Self::Syntax | Self::Neither | Self::Mask | Self::Unspecified => None,
        }
    }
}

impl LimitMisfit {
    const fn why(self, range: LimitRange) -> &'static str {
        match (self, range) {
            (Self::Zero, LimitRange::Courier) => "Courier's couriertcpd does not start with 0",
            (Self::Negative, LimitRange::Courier) => {
                "Courier's couriertcpd does not start with a negative number"
            }
            (Self::TooLarge, LimitRange::Courier) => "Courier cannot read a number as large as that",
            (Self::Unlimited, LimitRange::Courier | LimitRange::Xinetd) => {
                "Courier, which serves POP3 and IMAP, always has a limit"
            }
            (Self::Zero, LimitRange::Xinetd) => "with 0 the service would refuse everybody",
            (Self::Negative, LimitRange::Xinetd) => "xinetd cannot read a negative limit",
            (Self::TooLarge, LimitRange::Xinetd) => "xinetd would silently make another number of it",
        }
    }
}

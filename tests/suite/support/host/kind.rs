//! What kinds of host there are. Must do nothing.

/// Who is PID 1 of a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// systemd, with Debian's units.
    Systemd,
    /// A plain init and the scripts in `/etc/init.d`; no trace of systemd.
    SysV,
    /// BusyBox's init, with BusyBox as the only userland beside iptables, without the program; Courier as
    /// Plesk lays it out.
    BusyBox,
}

impl Kind {
    /// The kinds with Debian's userland and the program, for tests that hold on each.
    pub const ALL: [Self; 2] = [Self::Systemd, Self::SysV];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::SysV => "sysv",
            Self::BusyBox => "busybox",
        }
    }
}

/// Where Courier's files are, and which services run its daemons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layout {
    /// `/etc/courier`; `courier-imap`, `courier-imap-ssl`, `courier-pop`, `courier-pop-ssl`.
    Debian,
    /// `/etc/courier-imap`; `courier-imapd`, `courier-imaps`, `courier-pop3d`, `courier-pop3s`, as since
    /// Plesk 11.
    PleskSplit,
    /// `/etc/courier-imap`; one `courier-imap` for all four daemons, as before Plesk 11.
    PleskSingle,
}

impl Layout {
    /// All layouts, for tests that hold on each.
    pub const ALL: [Self; 3] = [Self::Debian, Self::PleskSplit, Self::PleskSingle];

    /// The folder of Courier's files.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Debian => "/etc/courier",
            Self::PleskSplit | Self::PleskSingle => "/etc/courier-imap",
        }
    }

    /// The service that runs the daemon on a port: 110, 143, 993 or 995.
    pub fn service(self, port: u16) -> &'static str {
        match (self, port) {
            (Self::PleskSingle, _) | (Self::Debian, 143) => "courier-imap",
            (Self::Debian, 110) => "courier-pop",
            (Self::Debian, 993) => "courier-imap-ssl",
            (Self::Debian, _) => "courier-pop-ssl",
            (Self::PleskSplit, 110) => "courier-pop3d",
            (Self::PleskSplit, 143) => "courier-imapd",
            (Self::PleskSplit, 993) => "courier-imaps",
            (Self::PleskSplit, _) => "courier-pop3s",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::PleskSplit => "plesk-split",
            Self::PleskSingle => "plesk-single",
        }
    }
}

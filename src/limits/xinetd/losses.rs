//! What xinetd serves now and would end or restart by reading its files: told before the signal, by file and
//! line.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{InetdServices, XinetdFiles};
use crate::edit::xinetd::dump::{DaemonSeen, DumpDifference, XinetdDump};
use crate::edit::xinetd::{
    ProblemEffect, ServiceEntry, ServiceSocket, ServiceState, SocketFit, TreeEntry, XinetdConfig,
    XinetdProblem, XinetdProblemKind,
};
use crate::failure::{Diagnostic, PlanBlocked, place};
use crate::host::Process;
use crate::limits::LimitsPart;
use crate::model::HostPath;

/// What is known of a running xinetd and of its files as they will be.
pub struct XinetdReload<'a> {
    /// The files as they are.
    pub xinetd: &'a XinetdFiles,
    /// What xinetd makes of them as they will be.
    pub after: &'a XinetdConfig,
    /// The process.
    pub process: &'a Process,
    /// The files that it has not loaded as they are.
    pub changed: &'a [HostPath],
}

impl XinetdReload<'_> {
    /// Blocks what a plan can see: every socket that xinetd listens on must have a service.
    pub(super) fn by_sockets(&self, part: &mut LimitsPart) {
        self.inetd(part);
        for lost in self.defaults() {
            part.block(PlanBlocked::Refused, lost);
        }
        for lost in self.sockets() {
            part.block(PlanBlocked::Refused, lost);
        }
    }

    /// What xinetd's own dump shows.
    #[must_use]
    pub fn by_dump(&self, dump: &XinetdDump) -> Vec<Diagnostic> {
        let mut losses = self.defaults();
        let seen = self.seen();
        for difference in dump.differs(self.after, &seen) {
            losses.extend(match difference {
                DumpDifference::Vanishes { id } => {
                    let entries = self.after.services.iter();
                    let what = format!("a reload of xinetd would end the service {id}");
                    let lost = entries
                        .filter(|entry| entry.id.eq_ignore_ascii_case(&id))
                        .find(|entry| entry.state != ServiceState::Offered);
                    Some(match lost {
                        Some(entry) => self.dropped(what, entry),
                        None => Diagnostic::new(what),
                    })
                }
                DumpDifference::Restarts {
                    id,
                    attribute,
                    running,
                    configured,
                } => Some(Diagnostic::new(format!(
                    "a reload of xinetd would restart the service {id}, since its {attribute} differs ({running} \
                     runs, {configured} is in the files)"
                ))),
                DumpDifference::DaemonExits => Some(Diagnostic::new(
                    "xinetd would exit when it reads its files",
                )),
                DumpDifference::Appears { .. } | DumpDifference::Limit { .. } => None,
            });
        }
        let served = |entry: &&ServiceEntry| {
            let mut running = dump.services.iter();
            running.any(|service| service.id.eq_ignore_ascii_case(&entry.id))
        };
        let entries = self.after.services.iter().filter(served);
        losses.extend(entries.filter_map(|entry| self.doubted(entry)));
        let hint = "nothing was changed; mend it, or reload xinetd by hand if that is meant";
        losses
            .into_iter()
            .map(|lost| {
                let told = lost.why.is_some();
                let lost = lost.hint(hint);
                if told { lost } else { lost.because("it is offered now, as xinetd's own dump says") }
            })
            .collect()
    }

    /// The files that are loaded as they are; none where `defaults`, which decides about all, is not.
    fn seen(&self) -> DaemonSeen {
        let defaults = &self.after.defaults.blocks;
        let whole = defaults.iter().all(|at| !self.changed.contains(&at.path));
        let files = self.after.files.iter().filter(|_| whole);
        let loaded: BTreeSet<HostPath> = files.filter(|path| !self.changed.contains(path)).cloned().collect();
        DaemonSeen { listens: self.process.listens.clone().unwrap_or_default(), loaded }
    }

    fn inetd(&self, part: &mut LimitsPart) {
        let mut arguments = self.process.argv.iter();
        let compat = arguments.any(|argument| argument == b"-inetd_compat");
        if compat && self.xinetd.inetd == InetdServices::Services {
            part.block(
                PlanBlocked::Refused,
                Diagnostic::new(
                    "xinetd is not reloaded: it runs with -inetd_compat and /etc/inetd.conf has services",
                )
                .because(
                    "it cannot be shown that those would survive, since mailward does not read that file",
                )
                .hint("move them to /etc/xinetd.d, or reload xinetd by hand"),
            );
        }
    }

    /// What is unclear in `defaults` that xinetd has not loaded: a bad value there ends it.
    fn defaults(&self) -> Vec<Diagnostic> {
        let doubts = self.after.doubts.iter();
        doubts
            .filter(|doubt| self.changed.contains(&doubt.path))
            .map(|doubt| self.at(Diagnostic::new("it cannot be shown that xinetd survives a reload"), doubt))
            .collect()
    }

    fn sockets(&self) -> Vec<Diagnostic> {
        let Some(listens) = &self.process.listens else {
            return Vec::new();
        };
        let rpc = |entry: &ServiceEntry| {
            let line = entry.attribute("type");
            line.is_some_and(|line| line.values.iter().any(|v| v.eq_ignore_ascii_case(b"RPC")))
        };
        // Their ports are nobody's choice.
        if self.after.services.iter().any(rpc) {
            return Vec::new();
        }
        let hint = format!(
            "mend it, or reload xinetd by hand (`kill -HUP {}`) if it should end",
            self.process.id.pid
        );
        let lost = listens.iter().flat_map(|socket| self.socket(*socket, listens));
        lost.map(|lost| lost.hint(hint.clone())).collect()
    }

    /// What a reload does to one socket that xinetd listens on.
    fn socket(&self, socket: SocketAddr, all: &[SocketAddr]) -> Option<Diagnostic> {
        let six = SocketAddr::from(([0; 8], socket.port()));
        let fit = |entry: &ServiceEntry| {
            let fit = entry.socket.as_ref().map_or(SocketFit::No, |own| own.is_at(socket));
            // Where IPv6's socket is there too, a service of IPv6 is not the one on IPv4's.
            if fit == SocketFit::Perhaps
                && entry.socket.as_ref().is_some_and(|own| own.is_at(six) == SocketFit::Yes)
                && all.contains(&six)
            {
                SocketFit::No
            } else {
                fit
            }
        };
        let services = &self.after.services;
        let best = services
            .iter()
            .filter(|entry| entry.state == ServiceState::Offered)
            .max_by_key(|entry| fit(entry))
            .filter(|entry| fit(entry) > SocketFit::No);
        if let Some(entry) = best {
            return self.doubted(entry);
        }
        let at_port = |entry: &&ServiceEntry| {
            // A service with another port than its name's is dropped, and had that of the name.
            if let ServiceState::Dropped(XinetdProblemKind::OtherPort { expected }) = entry.state {
                return expected == socket.port();
            }
            let own = entry.socket.as_ref();
            own.and_then(ServiceSocket::port) == Some(socket.port())
        };
        let lost = services
            .iter()
            .filter(|entry| entry.state != ServiceState::Offered)
            .filter(at_port)
            .max_by_key(|entry| fit(entry));
        if let Some(entry) = lost {
            // Versions may differ over it, and the one that runs has it as it stands there.
            if !entry.doubts.is_empty() && self.seen().loaded.contains(&entry.path) {
                return None;
            }
            let what = format!("a reload of xinetd would end the service {}", entry.name);
            return Some(self.dropped(what, entry));
        }
        let moved = services.iter().find(at_port);
        Some(match moved {
            Some(entry) => {
                Diagnostic::new(format!("a reload of xinetd would restart the service {}", entry.name))
                    .because(format!(
                        "xinetd serves it on {socket} now, and its block has another address ({}:{})",
                        entry.path, entry.line
                    ))
            }
            None => Diagnostic::new(format!(
                "a reload of xinetd would end what it serves on port {}",
                socket.port()
            ))
            .because("none of the files that xinetd reads has a service on it"),
        })
    }

    /// What makes a service's fate unclear, unless xinetd offers it already with these very bytes.
    fn doubted(&self, entry: &ServiceEntry) -> Option<Diagnostic> {
        let doubt = entry.doubts.first()?;
        if self.seen().loaded.contains(&entry.path) {
            return None;
        }
        let what = format!("it cannot be shown that the service {} survives a reload of xinetd", entry.name);
        Some(self.at(Diagnostic::new(what), doubt))
    }

    /// A service that is there and would not be offered.
    fn dropped(&self, what: String, entry: &ServiceEntry) -> Diagnostic {
        let diagnostic = Diagnostic::new(what);
        let bytes = self.bytes(&entry.path);
        match &entry.state {
            ServiceState::Dropped(kind) => {
                let own =
                    |problem: &&XinetdProblem| problem.path == entry.path && problem.spot.line >= entry.line;
                let problems = || self.after.problems.iter().filter(own);
                let found = problems()
                    .find(|problem| problem.kind == *kind)
                    .or_else(|| problems().find(|p| p.kind.effect() >= ProblemEffect::ServiceDropped));
                let spot = found.map_or((entry.line, 1, 1), |problem| {
                    (problem.spot.line, problem.spot.column, problem.spot.width)
                });
                diagnostic.because(format!("xinetd serves it now, and would drop it: {kind}")).at(place(
                    &entry.path,
                    bytes,
                    spot.0,
                    spot.1,
                    spot.2,
                ))
            }
            ServiceState::Disabled => diagnostic
                .because("xinetd serves it now, and its file has it disabled")
                .at(place(&entry.path, bytes, entry.line, 1, 1)),
            ServiceState::Offered => diagnostic,
        }
    }

    fn at(&self, diagnostic: Diagnostic, problem: &XinetdProblem) -> Diagnostic {
        let spot = &problem.spot;
        let bytes = self.bytes(&problem.path);
        diagnostic.because(problem.kind.to_string()).at(place(
            &problem.path,
            bytes,
            spot.line,
            spot.column,
            spot.width,
        ))
    }

    fn bytes(&self, path: &HostPath) -> &[u8] {
        match self.xinetd.tree.files.get(path) {
            Some(TreeEntry::File(bytes)) => bytes,
            Some(TreeEntry::NotRegular | TreeEntry::Missing | TreeEntry::Unreadable(_)) | None => b"",
        }
    }
}

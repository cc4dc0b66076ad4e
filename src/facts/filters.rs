//! Asks which packet filter commands exist and what the kernel shows of packet filters; runs none of them.

use super::text;
use crate::facts::tools::{FilterTools, IptablesTools, KernelEvidence, KernelFilters};
use crate::host::batch::{Answers, Batch, Ticket};
use crate::host::{FileFound, HostError, PathExistence};
use crate::model::{HostPath, known};

/// Where such commands are, in the order of preference: `/sbin` alone has them on Debian 10 and older and on
/// CentOS 6.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

const RELEASE: &str = "/proc/sys/kernel/osrelease";

const NETFILTER: [&str; 3] =
    ["/proc/net/netfilter", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

const ENDINGS: [&str; 7] =
    ["", "-save", "-restore", "-legacy-save", "-legacy-restore", "-nft-save", "-nft-restore"];

/// Requests under way.
pub(super) struct FilterToolTickets {
    nft: FilterProgram,
    families: [Vec<FilterProgram>; 2],
    kernel: KernelShownTickets,
}

/// Requests for what the kernel shows, which loading rules may change.
pub(super) struct KernelShownTickets {
    release: Ticket<FileFound>,
    netfilter: Vec<Ticket<PathExistence>>,
    nf_tables: Ticket<PathExistence>,
    modules: Ticket<PathExistence>,
}

struct FilterProgram {
    name: String,
    ticket: Ticket<Option<usize>>,
}

fn paths(name: &str) -> impl Iterator<Item = HostPath> + '_ {
    FOLDERS.iter().map(move |folder| known(&format!("{folder}/{name}")))
}

fn program(batch: &mut Batch, name: String) -> FilterProgram {
    let ticket = batch.first_existing(paths(&name));
    FilterProgram { name, ticket }
}

pub(super) fn ask(batch: &mut Batch) -> FilterToolTickets {
    FilterToolTickets {
        nft: program(batch, "nft".to_owned()),
        families: ["iptables", "ip6tables"]
            .map(|name| ENDINGS.iter().map(|ending| program(batch, format!("{name}{ending}"))).collect()),
        kernel: ask_kernel(batch),
    }
}

pub(super) fn ask_kernel(batch: &mut Batch) -> KernelShownTickets {
    KernelShownTickets {
        release: batch.file(known(RELEASE)),
        netfilter: NETFILTER.iter().map(|path| batch.exists(known(path))).collect(),
        nf_tables: batch.exists(known("/sys/module/nf_tables")),
        modules: batch.exists(known("/proc/modules")),
    }
}

impl KernelShownTickets {
    pub(super) fn kernel(self, answers: &mut Answers) -> Result<KernelFilters, super::FactsError> {
        let release = text(answers.take(self.release)?, RELEASE)?.map(|text| text.trim().to_owned());
        let mut netfilter = Vec::new();
        for ticket in self.netfilter {
            netfilter.push(answers.take(ticket)?);
        }
        let shown = KernelEvidence {
            netfilter,
            nf_tables: answers.take(self.nf_tables)?,
            modules: answers.take(self.modules)?,
        };
        Ok(KernelFilters::seen(release, &shown))
    }
}

impl FilterProgram {
    fn path(&self, answers: &mut Answers) -> Result<Option<HostPath>, HostError> {
        let place = answers.take(self.ticket)?;
        Ok(place.and_then(|place| paths(&self.name).nth(place)))
    }
}

impl FilterToolTickets {
    pub(super) fn tools(self, answers: &mut Answers) -> Result<FilterTools, super::FactsError> {
        let nft = self.nft.path(answers)?;
        let mut families = Vec::new();
        for programs in self.families {
            let mut tools = IptablesTools::default();
            let slots = [
                &mut tools.plain,
                &mut tools.save,
                &mut tools.restore,
                &mut tools.legacy_save,
                &mut tools.legacy_restore,
                &mut tools.nft_save,
                &mut tools.nft_restore,
            ];
            for (slot, program) in slots.into_iter().zip(&programs) {
                *slot = program.path(answers)?;
            }
            families.push(tools);
        }
        let mut families = families.into_iter();
        Ok(FilterTools {
            nft,
            v4: families.next().unwrap_or_default(),
            v6: families.next().unwrap_or_default(),
            kernel: self.kernel.kernel(answers)?,
        })
    }
}

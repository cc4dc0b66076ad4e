//! `[panel_access]` of one layer: domains and accounts by the one form that each has, whatever way it is
//! spelled.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use toml::de::DeTable;

use crate::model::PanelLogin;
use crate::model::address::{self, NotAName};

use super::keys::{ManifestTable, short};
use super::problem::ManifestProblem;
use super::reader::{TableContent, TableReader};
use super::source::LayerMark;
use super::values;
use super::written::{MarkedValue, WrittenLeaf, WrittenPanelAccess};

/// What the keys of a table are.
#[derive(Clone, Copy)]
enum KeyNames {
    Domains,
    Accounts,
}

impl KeyNames {
    const fn one(self) -> &'static str {
        match self {
            Self::Domains => "domain",
            Self::Accounts => "account",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Domains => "domains",
            Self::Accounts => "accounts",
        }
    }

    const fn table(self) -> ManifestTable {
        match self {
            Self::Domains => ManifestTable::AccessDomains,
            Self::Accounts => ManifestTable::AccessAccounts,
        }
    }

    fn canonical(self, name: &str) -> Result<String, ManifestProblem> {
        let (canonical, what) = match self {
            Self::Domains => (address::domain(name), "a domain"),
            Self::Accounts => (address::account(name), "a mail address"),
        };
        canonical.map_err(|NotAName { why }| ManifestProblem::Name {
            found: short(name),
            what,
            why,
            hint: match self {
                Self::Domains if name.contains('@') => {
                    "an account is written in `[panel_access.accounts]`".to_owned()
                }
                Self::Domains => "write a domain, as \"example.jp\"".to_owned(),
                Self::Accounts if !name.contains('@') && name.contains('.') => {
                    "a whole domain is written in `[panel_access.domains]`".to_owned()
                }
                Self::Accounts => "write an address, as \"owner@example.jp\"".to_owned(),
            },
        })
    }
}

/// A name as it is spelled, and where.
struct SpelledName {
    name: String,
    mark: LayerMark,
    at: Range<usize>,
}

impl TableReader<'_> {
    /// What a layer says about panel access.
    pub(super) fn panel_access(&mut self, root: &DeTable<'_>) -> WrittenPanelAccess {
        let table = ManifestTable::PanelAccess;
        match self.table(&ManifestTable::Root, root, "panel_access") {
            TableContent::Table(content) => {
                self.known(&table, content);
                WrittenPanelAccess {
                    default: self.leaf(&table, content, "default", |to, key, value| {
                        values::access(to, key, value, &value.span())
                    }),
                    missing: self.leaf(&table, content, "missing", values::missing),
                    domains: self.names(content, KeyNames::Domains),
                    accounts: self.names(content, KeyNames::Accounts),
                }
            }
            TableContent::Absent => WrittenPanelAccess::default(),
            TableContent::Wrong => WrittenPanelAccess {
                default: WrittenLeaf::Wrong,
                missing: WrittenLeaf::Wrong,
                ..WrittenPanelAccess::default()
            },
        }
    }

    fn names(
        &mut self,
        outer: &DeTable<'_>,
        names: KeyNames,
    ) -> BTreeMap<String, WrittenLeaf<MarkedValue<PanelLogin>>> {
        let mut found = BTreeMap::new();
        let TableContent::Table(content) = self.table(&ManifestTable::PanelAccess, outer, names.key()) else {
            return found;
        };
        let table = names.table();
        let mut spelled: BTreeMap<String, SpelledName> = BTreeMap::new();
        for (key, _) in content {
            let name: &str = key.get_ref();
            let at = key.span();
            let leaf = self.leaf(&table, content, name, |to, key, value| values::access(to, key, value, &at));
            // The value's own problem is enough where the name is only half of one, for lack of quotes.
            if matches!(leaf, WrittenLeaf::Wrong) {
                continue;
            }
            let canonical = match names.canonical(name) {
                Ok(canonical) => canonical,
                Err(problem) => {
                    self.report(&at, problem);
                    continue;
                }
            };
            let here = SpelledName { name: name.to_owned(), mark: self.marked(&at, ()).mark, at };
            match spelled.entry(canonical.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(here);
                    found.insert(canonical, leaf);
                }
                Entry::Occupied(entry) => {
                    let (first, later) = if here.mark > entry.get().mark {
                        (entry.get(), &here)
                    } else {
                        (&here, entry.get())
                    };
                    let problem = ManifestProblem::SameName {
                        one: table.key(&later.name),
                        other: table.key(&first.name),
                        other_place: first.mark.short(),
                        what: names.one(),
                    };
                    self.report(&later.at, problem);
                }
            }
        }
        found
    }
}

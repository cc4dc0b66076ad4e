//! `[panel_access]` of one layer: domains and accounts by the one form that each has, whatever way it is spelled.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use toml::de::DeTable;

use crate::model::Access;
use crate::panel_access::address::{self, NotAName};

use super::keys::{Table, short};
use super::problem::Problem;
use super::reader::{Content, Reader};
use super::source::Mark;
use super::values;
use super::written::{Leaf, Marked, WrittenAccess};

/// What the keys of a table are.
#[derive(Clone, Copy)]
enum Names {
    Domains,
    Accounts,
}

impl Names {
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

    const fn table(self) -> Table {
        match self {
            Self::Domains => Table::AccessDomains,
            Self::Accounts => Table::AccessAccounts,
        }
    }

    fn canonical(self, name: &str) -> Result<String, Problem> {
        let (canonical, what) = match self {
            Self::Domains => (address::domain(name), "a domain"),
            Self::Accounts => (address::account(name), "a mail address"),
        };
        canonical.map_err(|NotAName { why }| Problem::Name {
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
struct Spelled {
    name: String,
    mark: Mark,
    at: Range<usize>,
}

impl Reader<'_> {
    /// What a layer says about panel access.
    pub(super) fn panel_access(&mut self, root: &DeTable<'_>) -> WrittenAccess {
        let table = Table::PanelAccess;
        match self.table(&Table::Root, root, "panel_access") {
            Content::Table(content) => {
                self.known(&table, content);
                WrittenAccess {
                    default: self.leaf(&table, content, "default", |to, key, value| {
                        values::access(to, key, value, &value.span())
                    }),
                    missing: self.leaf(&table, content, "missing", values::missing),
                    domains: self.names(content, Names::Domains),
                    accounts: self.names(content, Names::Accounts),
                }
            }
            Content::Absent => WrittenAccess::default(),
            Content::Wrong => WrittenAccess {
                default: Leaf::Wrong,
                missing: Leaf::Wrong,
                ..WrittenAccess::default()
            },
        }
    }

    fn names(
        &mut self,
        outer: &DeTable<'_>,
        names: Names,
    ) -> BTreeMap<String, Leaf<Marked<Access>>> {
        let mut found = BTreeMap::new();
        let Content::Table(content) = self.table(&Table::PanelAccess, outer, names.key()) else {
            return found;
        };
        let table = names.table();
        let mut spelled: BTreeMap<String, Spelled> = BTreeMap::new();
        for (key, _) in content {
            let name: &str = key.get_ref();
            let at = key.span();
            let leaf = self.leaf(&table, content, name, |to, key, value| {
                values::access(to, key, value, &at)
            });
            // The value's own problem is enough where the name is only half of one, for lack of quotes.
            if matches!(leaf, Leaf::Wrong) {
                continue;
            }
            let canonical = match names.canonical(name) {
                Ok(canonical) => canonical,
                Err(problem) => {
                    self.report(&at, problem);
                    continue;
                }
            };
            let here = Spelled {
                name: name.to_owned(),
                mark: self.marked(&at, ()).mark,
                at,
            };
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
                    let problem = Problem::SameName {
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

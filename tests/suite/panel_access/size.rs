//! A hundred thousand accounts in two thousand domains.

use std::cell::Cell;
use std::collections::BTreeMap;

use mailward::host::{FileFound, HostError, ReadHost, ReadReply, ReadRequest};

use super::panel::{Generation, Host, Panel};
use super::{changes, desired, plan, try_plan};

/// Weighs the replies, and keeps the heaviest.
struct Weighing<'a>(&'a Host, Cell<usize>);

fn weight(reply: &ReadReply) -> usize {
    match reply {
        ReadReply::Output(output) => output.stdout.len() + output.stderr.len(),
        ReadReply::File(FileFound::File(state)) => state.bytes.len(),
        ReadReply::FirstOf(Some((_, reply))) => weight(reply),
        _ => 0,
    }
}

impl ReadHost for Weighing<'_> {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        let replies = self.0.host.read(requests)?;
        let whole = replies.iter().map(weight).sum();
        self.1.set(self.1.get().max(whole));
        Ok(replies)
    }
}

#[test]
fn a_hundred_thousand_accounts_in_two_thousand_domains_are_planned_right() {
    for generation in [Generation::Nine, Generation::Ten] {
        let mut panel = Panel::new(generation);
        for domain in 0..2000 {
            // Not in the order of their names, and each with its own number.
            panel.domains.insert(5000 - domain, format!("d{domain}.jp"));
        }
        let mut expected = BTreeMap::new();
        for number in 0..100_000_u32 {
            let (domain, has) = (number % 2000, number % 3 == 0);
            let id = number + 1;
            let address = format!("u{number}@d{domain}.jp");
            let user = 200_000 + number;
            panel.accounts.insert(
                id,
                super::panel::Account {
                    name: format!("u{number}"),
                    domain: 5000 - domain,
                    user: Some(if has { user } else { 0 }),
                    permission: Some(has.to_string()),
                },
            );
            if has && generation == Generation::Ten {
                let (login, email) = (address.clone(), address.clone());
                let locked = "0".to_owned();
                let user_row = super::panel::User { login, email, locked };
                panel.users.insert(user, user_row);
            }
            // Every tenth domain may, the account u7 of each domain too; the others may not.
            let want = match number {
                _ if number < 2000 && number % 7 == 0 => true,
                _ => domain % 10 == 0,
            };
            if want != has {
                expected.insert(format!("{address}={want}"), ());
            }
        }
        let mut manifest = "[panel_access]\ndefault = false\n[panel_access.domains]\n".to_owned();
        for domain in (0..2000).step_by(10) {
            manifest.push_str(&format!("\"d{domain}.jp\" = true\n"));
        }
        manifest.push_str("[panel_access.accounts]\n");
        for number in (0..2000).step_by(7) {
            manifest.push_str(&format!("\"u{number}@d{number}.jp\" = true\n"));
        }
        manifest.push_str("[safety]\nmax_account_changes = \"100%\"\n");
        let host = Host::new(panel);
        let weighing = Weighing(&host, Cell::new(0));
        try_plan(&weighing, &desired(&manifest)).unwrap();
        // What ssh takes in one reply is 128 MiB.
        let largest = weighing.1.get();
        assert!((1 << 20..16 << 20).contains(&largest), "{largest} bytes");
        host.panel().started = 0;
        let mut planned = changes(&plan(&host, &manifest));
        planned.sort();
        assert_eq!(planned.len(), expected.len());
        assert!(planned.iter().eq(expected.keys()), "other accounts than expected");
        assert_eq!(host.panel().started, 2);
    }
}

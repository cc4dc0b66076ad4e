//! The accounts of a host as a table: by domain, or each.

use super::{HEADING, WARNING};
use crate::model::PanelLogin;
use crate::model::printable::printable;
use crate::panel_access::show::ShownAccounts;
use crate::report::Colour;
use crate::report::safe::SafeText;

/// One line a domain; with accounts that are listed, one a account.
#[must_use]
pub fn accounts(shown: &ShownAccounts, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    let rows: Vec<[String; 4]> = if shown.accounts.is_empty() {
        let rows = shown.domains.iter().map(|entry| {
            [
                printable(&entry.domain).into_owned(),
                entry.accounts.to_string(),
                entry.access.to_string(),
                if entry.problems == 0 {
                    String::new()
                } else {
                    format!("{} that mailward does not change", entry.problems)
                },
            ]
        });
        std::iter::once(head(["DOMAIN", "ACCOUNTS", "PANEL ACCESS", ""])).chain(rows).collect()
    } else {
        let rows = shown.accounts.iter().map(|entry| {
            let problems: Vec<&str> = entry.problems.iter().map(|p| p.words()).collect();
            [
                printable(&entry.account).into_owned(),
                match entry.access {
                    PanelLogin::Granted => "yes".to_owned(),
                    PanelLogin::Denied => "no".to_owned(),
                },
                problems.join("; "),
                String::new(),
            ]
        });
        std::iter::once(head(["ACCOUNT", "PANEL ACCESS", "", ""])).chain(rows).collect()
    };
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [a, b, c, _] = widths;
    for (number, [one, two, three, four]) in rows.iter().enumerate() {
        let line = format!("{one:a$}  {two:b$}  {three:c$}  {four}");
        let style = (number == 0).then_some(HEADING);
        let style = style.or((!four.is_empty()).then_some(WARNING));
        match style {
            Some(style) => text.painted(style, line.trim_end()),
            None => text.line(line.trim_end()),
        };
    }
    text
}

fn head(words: [&str; 4]) -> [String; 4] {
    words.map(str::to_owned)
}

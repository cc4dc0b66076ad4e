//! What a host is called. Pure.

use std::collections::BTreeSet;

/// The node name and what `/etc/hosts` calls the same address.
pub(super) fn names(node: Option<&str>, hosts: &str) -> BTreeSet<String> {
    let Some(node) = node.map(str::to_lowercase) else {
        return BTreeSet::new();
    };
    let mut names = BTreeSet::from([node.clone()]);
    for line in hosts.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let found: Vec<String> = line.split_whitespace().skip(1).map(str::to_lowercase).collect();
        if found.contains(&node) {
            names.extend(found.into_iter().filter(|name| !name.starts_with("localhost")));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_host_come_from_the_lines_that_hold_its_node_name() {
        let names = names(
            Some("MX1"),
            "127.0.0.1 localhost\n203.0.113.5 mx1.example.jp mx1 # mail\n203.0.113.6 mx2\n",
        );
        assert_eq!(names, BTreeSet::from(["mx1".to_owned(), "mx1.example.jp".to_owned()]));
    }
}

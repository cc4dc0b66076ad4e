//! Sets of ports as sorted ranges that neither overlap nor touch.

use std::fmt;

/// A set of ports; two are equal when they hold the same ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet(Vec<(u16, u16)>);

impl PortSet {
    /// The ports of all these ranges, each with its first and its last; ranges in the wrong order hold
    /// nothing.
    #[must_use]
    pub fn of(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut ranges: Vec<(u16, u16)> = ranges.into_iter().filter(|(first, last)| first <= last).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Single ports.
    #[must_use]
    pub fn single(ports: &[u16]) -> Self {
        Self::of(ports.iter().map(|port| (*port, *port)))
    }

    /// Whether it holds a port.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether it holds no port.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first and the last port of each of its ranges.
    pub fn edges(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|(first, last)| [*first, *last])
    }

    /// All ports that it does not hold.
    #[must_use]
    pub fn others(&self) -> Self {
        let mut others = Vec::new();
        let mut next = Some(0u16);
        for (first, last) in &self.0 {
            if let (Some(from), Some(to)) = (next, first.checked_sub(1))
                && from <= to
            {
                others.push((from, to));
            }
            next = last.checked_add(1);
        }
        others.extend(next.map(|from| (from, u16::MAX)));
        Self(others)
    }

    /// The ports in both.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        Self::of(
            self.0.iter().flat_map(|one| other.0.iter().map(move |two| (one.0.max(two.0), one.1.min(two.1)))),
        )
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self
            .0
            .iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        f.write_str(&ranges.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_sets() {
        let ports = PortSet::of([(993, 993), (143, 143), (144, 150), (9, 3)]);
        assert_eq!(ports.to_string(), "143-150,993");
        assert_eq!(ports.others().others(), ports);
        assert!(!ports.others().contains(144));
        assert!(ports.others().contains(0) && ports.others().contains(u16::MAX));
        assert_eq!(PortSet::of([(0, u16::MAX)]).others(), PortSet::default());
        assert_eq!(PortSet::default().others(), PortSet::of([(0, u16::MAX)]));
        assert_eq!(ports.both(&PortSet::of([(149, 1000)])), PortSet::of([(149, 150), (993, 993)]));
    }
}

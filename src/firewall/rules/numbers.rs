//! Which rule of its program each rule of a chain is: one that is a `goto` or looks a verdict up is several
//! here.

use std::collections::BTreeMap;

/// The programs' numbers of the rules of chains in which these differ from their positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleNumbers(BTreeMap<String, Vec<usize>>);

impl RuleNumbers {
    /// Notes how many rules each one of a chain has become, in their order.
    pub fn note(&mut self, chain: &str, parts: &[usize]) {
        if parts.iter().all(|parts| *parts == 1) {
            return;
        }
        let numbers =
            (parts.iter().zip(1..)).flat_map(|(parts, number)| std::iter::repeat_n(number, *parts)).collect();
        self.0.insert(chain.to_owned(), numbers);
    }

    /// The number that its program gives the rule at a position of a chain, both counted from 1.
    #[must_use]
    pub fn of(&self, chain: &str, position: usize) -> usize {
        let known = self.0.get(chain).zip(position.checked_sub(1));
        known.and_then(|(numbers, index)| numbers.get(index).copied()).unwrap_or(position)
    }
}

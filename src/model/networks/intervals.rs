//! Sets of numbers as sorted intervals that neither overlap nor touch, so that equal sets have one form.

/// Numbers that are counted one by one.
pub(super) trait CountedNumber: Copy + Ord {
    /// The next one, if there is one.
    fn after(self) -> Option<Self>;
    /// The one before, if there is one.
    fn before(self) -> Option<Self>;
}

impl CountedNumber for u32 {
    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl CountedNumber for u128 {
    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// A set of numbers; each interval has its first and its last number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NumberIntervals<T>(Vec<(T, T)>);

impl<T> Default for NumberIntervals<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: CountedNumber> NumberIntervals<T> {
    /// The numbers of all these intervals, in any order.
    pub(super) fn of(mut intervals: Vec<(T, T)>) -> Self {
        intervals.sort_unstable();
        Self::of_sorted(intervals)
    }

    fn of_sorted(intervals: impl IntoIterator<Item = (T, T)>) -> Self {
        let mut merged: Vec<(T, T)> = Vec::new();
        for (first, last) in intervals {
            match merged.last_mut() {
                Some((_, end)) if end.after().is_none_or(|next| first <= next) => {
                    *end = (*end).max(last);
                }
                Some(_) | None => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, number: T) -> bool {
        self.holds(number, number)
    }

    /// Whether all numbers from `from` to `to` are in it.
    pub(super) fn holds(&self, from: T, to: T) -> bool {
        let begun = self.0.partition_point(|(first, _)| *first <= from);
        begun > 0 && self.0[begun - 1].1 >= to
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (T, T)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let (mut one, mut two) = (self.0.iter().peekable(), other.0.iter().peekable());
        Self::of_sorted(std::iter::from_fn(|| {
            match (one.peek(), two.peek()) {
                (Some(a), Some(b)) if a <= b => one.next(),
                (Some(_), None) => one.next(),
                (Some(_) | None, _) => two.next(),
            }
            .copied()
        }))
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut i, mut j) = (0, 0);
        while let (Some(a), Some(b)) = (self.0.get(i), other.0.get(j)) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                both.push((first, last));
            }
            if a.1 <= b.1 {
                i += 1;
            } else {
                j += 1;
            }
        }
        Self(both)
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut from = 0;
        for &(first, last) in &self.0 {
            while other.0.get(from).is_some_and(|(_, end)| *end < first) {
                from += 1;
            }
            let mut start = Some(first);
            for &(out_first, out_last) in &other.0[from..] {
                let Some(begin) = start else { break };
                if out_first > last {
                    break;
                }
                if let Some(end) = out_first.before()
                    && begin <= end
                {
                    left.push((begin, end));
                }
                start = out_last.after();
                if out_last < last {
                    from += 1;
                }
            }
            if let Some(begin) = start
                && begin <= last
            {
                left.push((begin, last));
            }
        }
        Self(left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Numbers at both ends of the range, where counting on would overflow.
    fn numbers() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let one = (0u32..40, 0u32..8, prop::bool::ANY).prop_map(|(first, length, high)| {
            if high {
                (u32::MAX - first, u32::MAX - first.saturating_sub(length))
            } else {
                (first, first + length)
            }
        });
        prop::collection::vec(one, 0..12)
    }

    fn naive(intervals: &[(u32, u32)]) -> BTreeSet<u32> {
        intervals.iter().flat_map(|(first, last)| *first..=*last).collect()
    }

    fn spread(set: &NumberIntervals<u32>) -> BTreeSet<u32> {
        naive(&set.0)
    }

    proptest! {
        #[test]
        fn intervals_are_the_sets_that_they_stand_for(one in numbers(), two in numbers()) {
            let (a, b) = (NumberIntervals::of(one.clone()), NumberIntervals::of(two.clone()));
            let (na, nb) = (naive(&one), naive(&two));
            prop_assert_eq!(spread(&a), na.clone());
            prop_assert_eq!(spread(&a.union(&b)), &na | &nb);
            prop_assert_eq!(spread(&a.intersection(&b)), &na & &nb);
            prop_assert_eq!(spread(&a.difference(&b)), &na - &nb);
            prop_assert_eq!(a == b, na == nb);
            for number in (0..60).chain(u32::MAX - 60..=u32::MAX) {
                prop_assert_eq!(a.contains(number), na.contains(&number));
            }
            // Every result is in the one form that equality relies on.
            for set in [a.union(&b), a.intersection(&b), a.difference(&b)] {
                prop_assert_eq!(NumberIntervals::of(set.0.clone()), set);
            }
        }
    }
}

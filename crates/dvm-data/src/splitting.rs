//! Assigns pictures to splits.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use crate::Split;
use crate::random::stream;

/// The share of each class in each split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shares {
    val: f64,
    test: f64,
}

impl Shares {
    /// Shares of validation and test; the rest is for training. None if there is no rest.
    pub(crate) fn new(val: f64, test: f64) -> Option<Self> {
        (val >= 0.0 && test >= 0.0 && val + test < 1.0).then_some(Self { val, test })
    }

    /// Number of pictures in train, val and test, of `count`. Train gets its share rounded down, but at least
    /// one; val and test divide the rest.
    fn of(self, count: usize) -> [usize; 3] {
        if count == 0 {
            return [0; 3];
        }
        let held = self.val + self.test;
        if held == 0.0 {
            return [count, 0, 0];
        }
        // In floating point, 0.8 · 5 can be a little less than 4.
        let train = ((count as f64 * (1.0 - held) + 1e-9) as usize).max(1);
        let rest = count - train;
        let val = (rest as f64 * self.val / held).round() as usize;
        [train, val, rest - val]
    }
}

/// The splits of the `count` pictures of a class. Each class is shuffled separately, so other classes make
/// no difference.
pub(crate) fn by_picture(class: &str, count: usize, shares: Shares, seed: u64) -> Vec<Split> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut stream(seed, &[number(class)]));
    let mut splits = vec![Split::Train; count];
    let [train, val, _] = shares.of(count);
    for (position, &picture) in order.iter().enumerate().skip(train) {
        splits[picture] = if position < train + val {
            Split::Val
        } else {
            Split::Test
        };
    }
    splits
}

/// A random part of the numbers below `count`, sorted, at least one. Each name `of` has its own random
/// order.
pub(crate) fn part(of: &str, count: usize, fraction: f64, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut stream(seed, &[number(of)]));
    order.truncate(((count as f64 * fraction).round() as usize).max(1));
    order.sort_unstable();
    order
}

/// The splits of pictures with the groups `groups[class][picture]`. Each group is in one split.
///
/// Groups are assigned in order of size, equal ones in random order. Each goes into the split that brings
/// the classes closest to their shares (least sum of squares). A class of one group is in train.
pub(crate) fn by_group(groups: &[Vec<String>], shares: Shares, seed: u64) -> Vec<Vec<Split>> {
    let classes = groups.len();
    let mut sizes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (class, groups) in groups.iter().enumerate() {
        for group in groups {
            sizes.entry(group).or_insert_with(|| vec![0.0; classes])[class] += 1.0;
        }
    }
    let mut order: Vec<(&str, &Vec<f64>)> = sizes.iter().map(|(name, of)| (*name, of)).collect();
    order.shuffle(&mut stream(seed, &[number("")]));
    order.sort_by(|(_, a), (_, b)| b.iter().sum::<f64>().total_cmp(&a.iter().sum()));

    // The pictures of each class that each split still lacks, as a fraction of the class.
    let counts: Vec<f64> = groups.iter().map(|of| of.len() as f64).collect();
    let parts = [1.0 - shares.val - shares.test, shares.val, shares.test];
    let mut lacking = parts.map(|part| vec![part; classes]);
    let mut trained = vec![false; classes];
    let mut left: Vec<usize> = (0..classes)
        .map(|class| order.iter().filter(|(_, of)| of[class] > 0.0).count())
        .collect();
    let mut chosen: BTreeMap<&str, Split> = BTreeMap::new();
    for (name, of) in order {
        let has = |class: &usize| of[*class] > 0.0;
        // The last group of a class that is not yet in train.
        let needed = (0..classes)
            .filter(has)
            .any(|c| !trained[c] && left[c] == 1);
        let gain = |split: Split| -> f64 {
            let lacking = &lacking[split as usize];
            let of = (0..classes).map(|c| (of[c] / counts[c], lacking[c]));
            of.map(|(part, lacking)| part * (2.0 * lacking - part))
                .sum()
        };
        let open = |split: &Split| parts[*split as usize] > 0.0;
        let split = if needed {
            Split::Train
        } else {
            let splits = Split::ALL.into_iter().filter(open);
            // The first of equals.
            splits
                .rev()
                .max_by(|a, b| gain(*a).total_cmp(&gain(*b)))
                .unwrap_or(Split::Train)
        };
        for class in (0..classes).filter(has) {
            lacking[split as usize][class] -= of[class] / counts[class];
            trained[class] |= split == Split::Train;
            left[class] -= 1;
        }
        chosen.insert(name, split);
    }
    let of = |groups: &Vec<String>| groups.iter().map(|group| chosen[group.as_str()]).collect();
    groups.iter().map(of).collect()
}

/// A hash of a name.
fn number(name: &str) -> u64 {
    let hash = Sha256::digest(name);
    u64::from_le_bytes(*hash.first_chunk().expect("a SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTH: Shares = Shares {
        val: 0.2,
        test: 0.0,
    };

    fn count(splits: &[Split], split: Split) -> usize {
        splits.iter().filter(|s| **s == split).count()
    }

    #[test]
    fn training_gets_its_share_rounded_down_but_at_least_one() {
        let thirds = Shares::new(0.2, 0.1).unwrap();
        // By hand: what 80 % or 70 % of the count are.
        for (count, expected, expected_thirds) in [
            (0, [0, 0, 0], [0, 0, 0]),
            (1, [1, 0, 0], [1, 0, 0]),
            (2, [1, 1, 0], [1, 1, 0]),
            (5, [4, 1, 0], [3, 1, 1]),
            (9, [7, 2, 0], [6, 2, 1]),
            (10, [8, 2, 0], [7, 2, 1]),
            (593, [474, 119, 0], [415, 119, 59]),
        ] {
            assert_eq!(FIFTH.of(count), expected, "{count}");
            assert_eq!(thirds.of(count), expected_thirds, "{count}");
        }
        assert_eq!(Shares::new(0.0, 0.0).unwrap().of(3), [3, 0, 0]);
        assert_eq!(Shares::new(0.5, 0.5), None);
        assert_eq!(Shares::new(-0.1, 0.5), None);
        assert_eq!(Shares::new(f64::NAN, 0.5), None);
    }

    #[test]
    fn a_split_depends_on_seed_and_class_only() {
        let splits = by_picture("cats", 100, FIFTH, 1);
        assert_eq!(count(&splits, Split::Train), 80);
        assert_eq!(splits, by_picture("cats", 100, FIFTH, 1));
        assert_ne!(splits, by_picture("cats", 100, FIFTH, 2));
        assert_ne!(splits, by_picture("dogs", 100, FIFTH, 1));
        // Validation pictures are not simply the last ones.
        assert!(splits[..50].contains(&Split::Val));
        assert!(splits[50..].contains(&Split::Val));
    }

    #[test]
    fn a_part_is_random_sorted_and_never_empty() {
        let tenth = part("train/cats", 200, 0.1, 1);
        assert_eq!(tenth.len(), 20);
        assert!(tenth.is_sorted_by(|a, b| a < b));
        assert!(tenth.iter().any(|n| *n < 100) && tenth.iter().any(|n| *n >= 100));
        assert_ne!(tenth, part("train/cats", 200, 0.1, 2));
        assert_ne!(tenth, part("train/dogs", 200, 0.1, 1));
        assert_eq!(part("train/cats", 3, 0.01, 1).len(), 1);
        assert_eq!(part("train/cats", 3, 1.0, 1), [0, 1, 2]);
    }

    /// Two classes of 40 and 10 patients, patient n with 1 + n % 7 pictures; every fifth patient of
    /// the first class has pictures of the second, too.
    fn patients() -> Vec<Vec<String>> {
        let of = |prefix: &str, count: usize| {
            let patients = (0..count).map(|n| (format!("{prefix}{n}"), 1 + n % 7));
            patients
                .flat_map(|(name, n)| vec![name; n])
                .collect::<Vec<_>>()
        };
        let (mut first, mut second) = (of("a", 40), of("b", 10));
        for n in (0..40).step_by(5) {
            second.push(format!("a{n}"));
        }
        first.reverse();
        vec![first, second]
    }

    #[test]
    fn each_group_is_in_one_split_and_classes_keep_their_shares() {
        let groups = patients();
        let shares = Shares::new(0.2, 0.1).unwrap();
        for seed in 0..20 {
            let splits = by_group(&groups, shares, seed);
            let mut of: BTreeMap<&str, Split> = BTreeMap::new();
            for (groups, splits) in groups.iter().zip(&splits) {
                assert_eq!(groups.len(), splits.len());
                for (group, split) in groups.iter().zip(splits) {
                    assert_eq!(of.entry(group).or_insert(*split), split, "{group}");
                }
                // A split can miss its share by the size of a group.
                let all = splits.len() as f64;
                for (split, share) in [(Split::Val, 0.2), (Split::Test, 0.1)] {
                    let found = count(splits, split) as f64;
                    assert!(
                        (found - share * all).abs() <= 4.0,
                        "{seed} {split:?} {found}"
                    );
                }
            }
            assert_eq!(splits, by_group(&groups, shares, seed));
        }
        assert_ne!(by_group(&groups, shares, 1), by_group(&groups, shares, 2));
    }

    #[test]
    fn a_class_of_one_group_is_in_train() {
        let many: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        for seed in 0..20 {
            let splits = by_group(&[many.clone(), vec!["only".into(); 3]], FIFTH, seed);
            assert_eq!(splits[1], [Split::Train; 3]);
            assert_eq!(count(&splits[0], Split::Val), 2);
        }
    }
}

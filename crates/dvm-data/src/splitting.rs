//! Which picture goes into which split.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use crate::Split;
use crate::random::stream;

/// How much of each class goes into each split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shares {
    val: f64,
    test: f64,
}

impl Shares {
    /// These shares for validation and test, and what is left for training; none if nothing is.
    pub(crate) fn new(val: f64, test: f64) -> Option<Self> {
        (val >= 0.0 && test >= 0.0 && val + test < 1.0).then_some(Self { val, test })
    }

    /// So many of `count` pictures go into train, val and test: train gets its share rounded down,
    /// but at least one, and the two others divide what is left.
    fn of(self, count: usize) -> [usize; 3] {
        if count == 0 {
            return [0; 3];
        }
        let held = self.val + self.test;
        if held == 0.0 {
            return [count, 0, 0];
        }
        // 0.8 · 5 is a little less than 4 in some shares' arithmetic.
        let train = ((count as f64 * (1.0 - held) + 1e-9) as usize).max(1);
        let rest = count - train;
        let val = (rest as f64 * self.val / held).round() as usize;
        [train, val, rest - val]
    }
}

/// The splits of the `count` pictures of a class, which is shuffled by itself: what other classes
/// there are makes no difference.
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

/// The splits of pictures whose groups are `groups[class][picture]`: a group is in one split.
///
/// Groups come in a random order, the largest first, and each goes where it brings the classes'
/// parts nearest to their shares, by the sum of squares. A class of one group is all in train.
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

    // How many pictures of each class each split still lacks, as parts of the class.
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
        // The last group of a class that train has nothing of.
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
            // Of equals the first.
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

/// A number that stands for a name.
fn number(name: &str) -> u64 {
    let hash = Sha256::digest(name);
    u64::from_le_bytes(*hash.first_chunk().expect("a SHA-256 has 32 bytes"))
}

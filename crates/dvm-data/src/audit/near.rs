//! Finds hashes that differ in few bits, without comparing all pairs.

/// Most bits in which near hashes differ.
pub(super) const RADIUS: u32 = 11;

/// Number of bands of a hash. If two hashes differ in at most 11 bits, one of their bands differs in at most
/// two.
const BANDS: u32 = 4;
const BAND_BITS: u32 = 64 / BANDS;
const BAND_VALUES: usize = 1 << BAND_BITS;

/// Calls `pair(i, j)`, i < j, for each two hashes that differ in at most [`RADIUS`] bits. The order depends
/// only on the hashes; a pair may occur more than once.
///
/// Multi-index hashing (Norouzi, Punjani, Fleet 2012, arXiv:1307.2982): n uniformly distributed hashes need
/// n · 548 look-ups in lists of n / 65536 entries each.
pub(super) fn pairs(hashes: &[u64], mut pair: impl FnMut(usize, usize)) {
    // Flips of no bit, one bit and two bits of a band.
    let bit = |bit| 1usize << bit;
    let mut masks = vec![0];
    for first in 0..BAND_BITS {
        masks.push(bit(first));
        masks.extend((0..first).map(|second| bit(first) | bit(second)));
    }
    for band in 0..BANDS {
        let key = |hash: u64| (hash >> (band * BAND_BITS)) as usize & (BAND_VALUES - 1);
        let table = Table::new(hashes, key);
        for (i, &hash) in hashes.iter().enumerate() {
            let own = key(hash);
            for flipped in &masks {
                for &j in table.entries(own ^ flipped) {
                    let j = j as usize;
                    if i < j && (hash ^ hashes[j]).count_ones() <= RADIUS {
                        pair(i, j);
                    }
                }
            }
        }
    }
}

/// The hashes by the value of one band.
struct Table {
    /// Start of the entries of each value.
    starts: Vec<u32>,
    entries: Vec<u32>,
}

impl Table {
    fn new(hashes: &[u64], key: impl Fn(u64) -> usize) -> Self {
        let mut starts = vec![0u32; BAND_VALUES + 1];
        for &hash in hashes {
            starts[key(hash) + 1] += 1;
        }
        for value in 0..BAND_VALUES {
            starts[value + 1] += starts[value];
        }
        let mut next = starts.clone();
        let mut entries = vec![0; hashes.len()];
        for (index, &hash) in hashes.iter().enumerate() {
            let at = &mut next[key(hash)];
            entries[*at as usize] = index as u32;
            *at += 1;
        }
        Self { starts, entries }
    }

    fn entries(&self, value: usize) -> &[u32] {
        &self.entries[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng;

    use super::*;
    use crate::random::stream;

    #[test]
    fn it_finds_the_same_pairs_as_comparing_all() {
        let mut random = stream(1, &[]);
        let mut hashes: Vec<u64> = (0..300).map(|_| random.next_u64()).collect();
        // Each hash again, with up to 14 bits flipped.
        for n in 0..300 {
            let bits = (0..n % 15).map(|_| 1u64 << (random.next_u32() % 64));
            hashes.push(bits.fold(hashes[n], |hash, bit| hash ^ bit));
        }
        hashes.extend([0, 0, u64::MAX]);
        let mut found = BTreeSet::new();
        pairs(&hashes, |i, j| {
            found.insert((i, j));
        });
        let mut expected = BTreeSet::new();
        for i in 0..hashes.len() {
            for j in i + 1..hashes.len() {
                if (hashes[i] ^ hashes[j]).count_ones() <= RADIUS {
                    expected.insert((i, j));
                }
            }
        }
        assert!(expected.len() >= 230, "{}", expected.len());
        assert_eq!(found, expected);
    }
}

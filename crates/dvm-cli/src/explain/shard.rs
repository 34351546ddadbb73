//! A shard of many pictures: `3/64`.

use std::path::Path;
use std::str::FromStr;

/// A shard: every picture is in exactly one of `of`. It depends only on the name of the picture's results, so it is
/// the same on every machine, and new pictures do not move the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 1.
    pub number: u32,
    /// The number of shards.
    pub of: u32,
}

/// Most shards: the names of manifests have five digits.
const MOST: u32 = 99_999;

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/');
        let parts = parts.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if number >= 1 && number <= of && of <= MOST => {
                Ok(Self { number, of })
            }
            _ => Err(format!(
                "must be N/OF, such as 3/64 for the third of 64, with OF at most {MOST}"
            )),
        }
    }
}

impl Shard {
    /// Whether the picture of this name is in it.
    pub fn holds(self, name: &Path) -> bool {
        let sum = checksum(&slashed(name));
        sum % u64::from(self.of) == u64::from(self.number - 1)
    }
}

/// A path with `/` between its parts, on every system.
pub fn slashed(path: &Path) -> String {
    let parts = path.components();
    let parts: Vec<_> = parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// FNV-1a of the text, mixed so that every bit depends on the whole text. Do not change it: runs of different
/// versions may share the work.
fn checksum(text: &str) -> u64 {
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    sum = (sum ^ sum >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    sum = (sum ^ sum >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    sum ^ sum >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_one_shard_and_shards_have_similar_sizes() {
        let mut sizes = [0; 8];
        for picture in 0..8000 {
            let name = format!("n{:05}/n{picture:08}", picture / 100);
            let holding: Vec<u32> = (1..=8)
                .filter(|&number| Shard { number, of: 8 }.holds(Path::new(&name)))
                .collect();
            assert_eq!(holding.len(), 1, "{name}");
            sizes[holding[0] as usize - 1] += 1;
        }
        assert!(
            sizes.iter().all(|size| (880..1120).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn checksums_are_the_same_as_in_earlier_versions() {
        // FNV-1a's own test value, mixed by MurmurHash3's last step; both computed in Python.
        assert_eq!(checksum("a/x"), 0x9530_21a7_5799_5576);
    }

    #[test]
    fn shards_that_do_not_exist_are_errors() {
        assert_eq!("3/64".parse(), Ok(Shard { number: 3, of: 64 }));
        for wrong in ["0/4", "5/4", "1", "1/0", "-1/3", "1/100000", "a/b", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}

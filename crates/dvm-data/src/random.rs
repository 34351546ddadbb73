//! Random numbers that do not depend on the order of requests.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A separate stream of random numbers for each list of numbers `of`, such as (epoch, sample). The numbers
/// are the same in another order, on more threads and after an interruption.
///
/// SplitMix64 over `seed` and `of` fills the key of ChaCha8, so streams of neighbouring numbers are
/// independent.
pub fn stream(seed: u64, of: &[u64]) -> ChaCha8Rng {
    let mut state = mix(seed.wrapping_add(GOLDEN));
    for &number in of {
        state = mix(state ^ mix(number.wrapping_add(GOLDEN)));
    }
    let mut key = [0; 32];
    for chunk in key.chunks_exact_mut(8) {
        state = state.wrapping_add(GOLDEN);
        chunk.copy_from_slice(&mix(state).to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// The increment of SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn a_stream_depends_on_every_number_and_on_their_order() {
        let first = |seed, of: &[u64]| stream(seed, of).next_u64();
        let all = [
            first(1, &[2, 3]),
            first(1, &[3, 2]),
            first(2, &[2, 3]),
            first(1, &[2]),
            first(1, &[]),
            first(1, &[2, 3, 0]),
        ];
        for (index, number) in all.iter().enumerate() {
            assert!(!all[..index].contains(number), "{index}");
        }
        assert_eq!(first(1, &[2, 3]), all[0]);
    }
}

//! Numbers that follow from a name: SplitMix64 (Steele, Lea, Flood 2014) in counter form. Value `i` is
//! `mix(fnv1a64(name) + (i + 1) · 0x9E3779B97F4A7C15)`, its upper 24 bits taken as a number in [0, 1).

/// `len` numbers in [0, 1), each a multiple of 2⁻²⁴, that depend on `name` only.
pub fn unit(name: &str, len: usize) -> Vec<f32> {
    unit_from(name, 0, len)
}

/// The numbers of [`unit()`] from the one at `first` on.
pub fn unit_from(name: &str, first: u64, len: usize) -> Vec<f32> {
    let key = fnv1a64(name.as_bytes());
    (first..first + len as u64)
        .map(|i| {
            let z = key.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            (mix(z) >> 40) as f32 / (1u32 << 24) as f32
        })
        .collect()
}

/// `len` numbers in [`low`, `high`), computed in f64 as `low + (high − low) · unit` and rounded
/// once to f32.
pub fn uniform(name: &str, len: usize, low: f64, high: f64) -> Vec<f32> {
    unit(name, len)
        .into_iter()
        .map(|u| (low + (high - low) * f64::from(u)) as f32)
        .collect()
}

/// 64-bit FNV-1a.
fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// The finaliser of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv1a() {
        // Published test vector of the FNV authors.
        assert_eq!(fnv1a64(b"foobar"), 0x8594_4171_F739_67E8);
    }

    #[test]
    fn the_stream_is_splitmix64() {
        // First output of the reference implementation for seed 0, whose first state is the
        // golden-ratio increment itself.
        assert_eq!(mix(0x9E37_79B9_7F4A_7C15), 0xE220_A839_7B1D_CDAF);
    }
}

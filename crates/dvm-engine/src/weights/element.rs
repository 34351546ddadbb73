//! Element types and their conversion to f32.

use half::{bf16, f16};

/// An element type that has an f32 value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Element {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The values of little-endian `bytes`, rounded to the nearest f32 if they have no exact one.
    pub fn values(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            Self::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Self::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
            Self::U64 => each(bytes, |b| u64::from_le_bytes(b) as f32),
            Self::U32 => each(bytes, |b| u32::from_le_bytes(b) as f32),
            Self::U16 => each(bytes, |b| f32::from(u16::from_le_bytes(b))),
            Self::U8 => each(bytes, |[b]| f32::from(b)),
            Self::Bool => each(bytes, |[b]| f32::from(u8::from(b != 0))),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&chunk| value(chunk))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        // 0x3555 is the f16 nearest to 1/3: 1365/4096. 0x3EAB is the bf16: 171/512.
        assert_eq!(Element::F16.values(&[0x55, 0x35]), [1365.0 / 4096.0]);
        assert_eq!(Element::BF16.values(&[0xAB, 0x3E]), [171.0 / 512.0]);
    }

    #[test]
    fn doubles_and_integers_round_to_the_nearest() {
        let third = (1.0f64 / 3.0).to_le_bytes();
        assert_eq!(Element::F64.values(&third), [1.0f32 / 3.0]);
        let odd = 16_777_219i64; // 2^24 + 3 is between two f32: the even one is 2^24 + 4.
        assert_eq!(Element::I64.values(&odd.to_le_bytes()), [16_777_220.0]);
        assert_eq!(Element::I8.values(&[0x80]), [-128.0]);
        assert_eq!(Element::U8.values(&[0x80]), [128.0]);
    }

    #[test]
    fn any_nonzero_byte_is_true() {
        assert_eq!(Element::Bool.values(&[0, 1, 7]), [0.0, 1.0, 1.0]);
    }
}

//! Types of numbers, and their conversion to f64.

/// A type of stored numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
}

impl Element {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// The number in the first [`size`](Self::size) bytes. 64-bit integers are rounded to the nearest f64.
    pub fn value(self, bytes: &[u8], big_endian: bool) -> f64 {
        let mut all = [0; 8];
        let size = self.size();
        all[..size].copy_from_slice(&bytes[..size]);
        if big_endian {
            all[..size].reverse();
        }
        let word = u64::from_le_bytes(all);
        match self {
            Self::Bool => f64::from(u8::from(word != 0)),
            Self::I8 => f64::from(word as u8 as i8),
            Self::I16 => f64::from(word as u16 as i16),
            Self::I32 => f64::from(word as u32 as i32),
            Self::I64 => word as i64 as f64,
            Self::U8 | Self::U16 | Self::U32 => word as u32 as f64,
            Self::U64 => word as f64,
            Self::F16 => half(word as u16),
            Self::F32 => f64::from(f32::from_bits(word as u32)),
            Self::F64 => f64::from_bits(word),
        }
    }
}

/// The value of an IEEE 754 half-precision number.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_and_byte_order_are_respected() {
        assert_eq!(Element::I8.value(&[0xff], false), -1.0);
        assert_eq!(Element::U8.value(&[0xff], false), 255.0);
        assert_eq!(Element::I16.value(&[0x80, 0x01], true), -32767.0);
        assert_eq!(Element::U32.value(&[1, 0, 0, 0x80], false), 2_147_483_649.0);
        assert_eq!(Element::I64.value(&(-5i64).to_be_bytes(), true), -5.0);
        assert_eq!(Element::F32.value(&1.5f32.to_le_bytes(), false), 1.5);
        assert_eq!(Element::F64.value(&(-0.1f64).to_be_bytes(), true), -0.1);
    }

    #[test]
    fn halves_are_exact() {
        // numpy.array([…], '<u2').view('<f2')
        for (bits, value) in [
            (0x3555u16, 1365.0 / 4096.0),
            (0xc000, -2.0),
            (0x0001, 2f64.powi(-24)),
            (0x7bff, 65504.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(Element::F16.value(&bits.to_le_bytes(), false), value);
        }
        assert!(half(0x7e00).is_nan());
    }
}

//! Arrays of numbers as compressed text with 8 or 16 bits for each number.

use std::io::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;

/// The numbers of an array, row-major, as integer codes between its minimum and its maximum.
///
/// A value is `low + code / (2^bits − 2) · (high − low)`; the code `2^bits − 1` is a number that is not finite. In each
/// row (the last axis), codes are stored as differences from the code before, modulo `2^bits`, little-endian. All is
/// compressed (zlib) and written in base64.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Packed {
    shape: Vec<usize>,
    bits: u8,
    low: f32,
    high: f32,
    data: String,
}

impl Packed {
    /// Packs `values`, row-major of this shape, in codes of 8 or 16 bits.
    ///
    /// # Panics
    /// If the number of values does not fit the shape.
    pub fn new(shape: &[usize], values: &[f32], bits: u8) -> Self {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = match finite().next() {
            None => (0.0, 0.0),
            Some(_) => (
                finite().fold(f32::INFINITY, f32::min),
                finite().fold(f32::NEG_INFINITY, f32::max),
            ),
        };
        Self::between(shape, values, bits, (low, high))
    }

    /// Packs integers from 0, such as indices of segments, exactly.
    ///
    /// # Panics
    /// As [`Packed::new`].
    pub fn whole(shape: &[usize], values: &[f32]) -> Self {
        Self::between(shape, values, 16, (0.0, 65534.0))
    }

    fn between(shape: &[usize], values: &[f32], bits: u8, (low, high): (f32, f32)) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "{shape:?}");
        let most = (1_u32 << bits) - 2;
        let span = f64::from(high) - f64::from(low);
        let code = |value: f32| match value.is_finite() {
            false => most + 1,
            true if span == 0.0 => 0,
            true => {
                let position = (f64::from(value) - f64::from(low)) / span;
                (position * f64::from(most))
                    .round()
                    .clamp(0.0, f64::from(most)) as u32
            }
        };
        let mut bytes = Vec::with_capacity(values.len() * usize::from(bits / 8));
        for row in values.chunks(shape.last().copied().unwrap_or(1).max(1)) {
            let mut before = 0;
            for &value in row {
                let code = code(value);
                let difference = code.wrapping_sub(before);
                bytes.extend(&difference.to_le_bytes()[..usize::from(bits / 8)]);
                before = code;
            }
        }
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::new(6));
        deflated
            .write_all(&bytes)
            .and_then(|()| deflated.try_finish())
            .expect("writing to memory does not fail");
        let bytes = deflated.finish().expect("writing to memory does not fail");
        Self {
            shape: shape.to_vec(),
            bits,
            low,
            high,
            data: BASE64_STANDARD.encode(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    /// Unpacks as the browser does, written independently from the description.
    fn unpacked(packed: &Packed) -> Vec<f64> {
        let mut bytes = Vec::new();
        let deflated = BASE64_STANDARD.decode(&packed.data).unwrap();
        ZlibDecoder::new(&deflated[..])
            .read_to_end(&mut bytes)
            .unwrap();
        let width = usize::from(packed.bits / 8);
        let modulus = 1_u64 << packed.bits;
        let mut values = Vec::new();
        let mut before = 0;
        for (index, code) in bytes.chunks(width).enumerate() {
            let difference = code
                .iter()
                .rev()
                .fold(0, |all, &byte| all << 8 | u64::from(byte));
            let is_first = index % packed.shape.last().unwrap() == 0;
            let code = if is_first {
                difference
            } else {
                (before + difference) % modulus
            };
            before = code;
            let (low, high) = (f64::from(packed.low), f64::from(packed.high));
            values.push(match code {
                code if code == modulus - 1 => f64::NAN,
                code => low + code as f64 / (modulus - 2) as f64 * (high - low),
            });
        }
        values
    }

    #[test]
    fn values_are_restored_within_half_a_step() {
        let values: Vec<f32> = (0..60)
            .map(|i| ((i * 37 % 60) as f32 - 20.0) * 1.7)
            .collect();
        for (bits, steps) in [(8, 254.0), (16, 65534.0)] {
            let packed = Packed::new(&[3, 4, 5], &values, bits);
            let half = f64::from(packed.high - packed.low) / steps / 2.0 + 1e-5;
            for (&value, back) in values.iter().zip(unpacked(&packed)) {
                assert!(
                    (f64::from(value) - back).abs() <= half,
                    "{bits}: {value} {back}"
                );
            }
        }
    }

    #[test]
    fn integers_are_restored_exactly() {
        let values = [0.0, 7.0, 65533.0, 1.0];
        let back = unpacked(&Packed::whole(&[2, 2], &values));
        assert_eq!(back, values.map(f64::from));
    }

    #[test]
    fn numbers_that_are_not_finite_have_a_code() {
        let back = unpacked(&Packed::new(&[3], &[1.0, f32::NAN, 2.0], 8));
        assert_eq!((back[0], back[2]), (1.0, 2.0));
        assert!(back[1].is_nan());
    }

    #[test]
    fn equal_values_are_restored() {
        assert_eq!(unpacked(&Packed::new(&[2], &[0.25; 2], 16)), [0.25; 2]);
    }
}

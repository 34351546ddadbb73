//! Pictures with values of any type, and their conversion to 8 bits.

use crate::{Picture, Range};

/// A picture before conversion to 8 bits: `[H, W, channels]`.
#[derive(Clone, Debug)]
pub struct Raster {
    height: usize,
    width: usize,
    channels: usize,
    samples: Samples,
    whole: Whole,
    /// Whether small values are bright.
    is_negative: bool,
}

/// Values of one type.
#[derive(Clone, Debug)]
pub enum Samples {
    /// Bytes.
    U8(Vec<u8>),
    /// Unsigned 16-bit numbers.
    U16(Vec<u16>),
    /// Numbers that a 32-bit float represents exactly.
    F32(Vec<f32>),
    /// All other numbers.
    F64(Vec<f64>),
}

/// The meaning of [`Range::File`] for a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Whole {
    /// The full range of the type. A picture that uses little of it gets a warning.
    OfType {
        /// The value of black.
        black: f64,
        /// The value of white.
        white: f64,
        /// Bits of a whole number; `None` for floats.
        bits: Option<u32>,
    },
    /// Black and white as the file defines them.
    Stated {
        /// The value of black.
        black: f64,
        /// The value of white.
        white: f64,
    },
    /// The smallest and the largest value of the picture.
    OfValues,
}

impl Whole {
    /// The range of unsigned numbers with this many bits.
    pub fn unsigned(bits: u32) -> Self {
        Self::OfType {
            black: 0.0,
            white: 2f64.powi(bits as i32) - 1.0,
            bits: Some(bits),
        }
    }

    /// The range of signed numbers with this many bits.
    pub fn signed(bits: u32) -> Self {
        let half = 2f64.powi(bits as i32 - 1);
        Self::OfType {
            black: -half,
            white: half - 1.0,
            bits: Some(bits),
        }
    }

    /// Floats: by convention 0 is black and 1 is white.
    pub const FLOAT: Self = Self::OfType {
        black: 0.0,
        white: 1.0,
        bits: None,
    };
}

/// A value is infinite or not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "has a value that is infinite or not a number at row {row}, column {column}; replace such values"
)]
pub struct NotFinite {
    /// The row, from 0.
    pub row: usize,
    /// The column, from 0.
    pub column: usize,
}

/// The original values of a picture, and which became black and white.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// The smallest value.
    pub least: f64,
    /// The largest value.
    pub largest: f64,
    /// The value that became 0.
    pub black: f64,
    /// The value that became 255.
    pub white: f64,
    is_negative: bool,
    concern: Option<Concern>,
}

/// Why a picture may look wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Concern {
    /// It uses only a small part of the range of its type.
    Narrow(Option<u32>),
    /// Floats outside 0 to 1.
    Beyond,
    /// It uses only a small part of the requested range.
    Missed,
}

impl Levels {
    /// A warning about the range, starting with "its".
    pub fn warning(&self) -> Option<String> {
        let Self {
            least,
            largest,
            black,
            white,
            ..
        } = self;
        let (dark, bright) = match self.is_negative {
            false => ("nearly black", "nearly white"),
            true => ("nearly white", "nearly black"),
        };
        let looks = match () {
            () if *largest <= black + (white - black) / 4.0 => dark,
            () if *least >= white - (white - black) / 4.0 => bright,
            () => "grey with almost no contrast",
        };
        let advice = match self.suggestion() {
            Some(range) => format!("set the range of its values to {range} or to auto"),
            None => "set the range of its values, or auto".into(),
        };
        Some(match self.concern? {
            Concern::Narrow(bits) => {
                let kind = bits.map_or("float".into(), |bits| format!("{bits}-bit"));
                format!(
                    "its {kind} values are between {least} and {largest}, but {black} is black and \
                     {white} is white, so it is {looks}: {advice}"
                )
            }
            Concern::Beyond => format!(
                "its float values are between {least} and {largest}, but {black} is black and \
                 {white} is white, so values outside are clipped: {advice}"
            ),
            Concern::Missed => format!(
                "its values are between {least} and {largest}, and with {black} as black and \
                 {white} as white it is {looks}: the range may be wrong for it"
            ),
        })
    }

    /// The probable range, if there is a warning.
    pub fn suggestion(&self) -> Option<Range> {
        if matches!(self.concern?, Concern::Missed) || self.least < 0.0 {
            return None;
        }
        let white = match self.concern? {
            Concern::Beyond => [255.0, 1023.0, 4095.0, 16383.0, 65535.0]
                .into_iter()
                .find(|white| self.largest <= *white)?,
            Concern::Narrow(Some(_)) if self.largest < self.white / 2.0 => {
                let bits = (self.largest + 1.0).log2().ceil().max(1.0);
                2f64.powf(bits) - 1.0
            }
            _ => return None,
        };
        Some(Range::Values { black: 0.0, white })
    }
}

/// A picture that uses a smaller share of its type's range gets a warning (14 of 16 bits).
const NARROW: f64 = 0.25;

/// A picture that uses a smaller share of the requested range gets a warning.
const MISSED: f64 = 1.0 / 16.0;

impl Raster {
    /// A grey (1 channel) or RGB (3 channels) picture.
    ///
    /// # Panics
    /// If a side is zero, the channels are not 1 or 3, or the number of values does not match.
    pub fn new(
        height: usize,
        width: usize,
        channels: usize,
        samples: Samples,
        whole: Whole,
    ) -> Self {
        assert!(height > 0 && width > 0, "a picture has at least one pixel");
        assert!(matches!(channels, 1 | 3), "a picture is grey or RGB");
        assert_eq!(samples.len(), height * width * channels);
        Self {
            height,
            width,
            channels,
            samples,
            whole,
            is_negative: false,
        }
    }

    /// Sets whether small values are bright, as in DICOM's MONOCHROME1: the result is inverted.
    #[must_use]
    pub fn negative(self, is_negative: bool) -> Self {
        Self {
            is_negative,
            ..self
        }
    }

    /// Converts to 8 bits; [`Picture::levels`] keeps the original values.
    ///
    /// # Errors
    /// [`NotFinite`] for a float that is infinite or not a number.
    pub fn picture(&self, range: Range) -> Result<Picture, NotFinite> {
        let (least, largest) = self.samples.extent().map_err(|at| {
            let pixel = at / self.channels;
            NotFinite {
                row: pixel / self.width,
                column: pixel % self.width,
            }
        })?;
        let (black, white) = match (range, self.whole) {
            (Range::Values { black, white }, _) => (black, white),
            (Range::Percentile { low, high }, _) => self.samples.percentiles(low, high),
            (Range::File, Whole::OfType { black, white, .. } | Whole::Stated { black, white }) => {
                (black, white)
            }
            (Range::Auto, _) | (Range::File, Whole::OfValues) => (least, largest),
        };
        let mut grey = self.samples.to_bytes(black, white);
        if self.is_negative {
            grey.iter_mut().for_each(|value| *value = 255 - *value);
        }
        let rgb = match self.channels {
            1 => grey.iter().flat_map(|&value| [value; 3]).collect(),
            _ => grey,
        };
        let levels = Levels {
            least,
            largest,
            black,
            white,
            is_negative: self.is_negative,
            concern: self.concern(range, (least, largest), (black, white)),
        };
        Ok(Picture::new(self.height, self.width, rgb).with_levels(levels))
    }

    fn concern(
        &self,
        range: Range,
        (least, largest): (f64, f64),
        (black, white): (f64, f64),
    ) -> Option<Concern> {
        let span = largest - least;
        match (range, self.whole) {
            (Range::File, Whole::OfType { bits: None, .. }) if least < black || largest > white => {
                Some(Concern::Beyond)
            }
            // A picture of a single value gets no warning.
            (Range::File, Whole::OfType { bits, .. })
                if bits != Some(8)
                    && span > 0.0
                    && span < NARROW * (white - black)
                    && !self.samples.were_bytes() =>
            {
                Some(Concern::Narrow(bits))
            }
            (Range::Values { .. }, _) => {
                let seen = largest.min(white) - least.max(black);
                (span > 0.0 && seen < MISSED * (white - black)).then_some(Concern::Missed)
            }
            _ => None,
        }
    }
}

impl Samples {
    fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// The smallest and the largest value, or the index of a value that is not finite.
    fn extent(&self) -> Result<(f64, f64), usize> {
        fn of<T: Copy>(values: &[T], float: impl Fn(T) -> f64) -> Result<(f64, f64), usize> {
            let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
            for (at, &value) in values.iter().enumerate() {
                let value = float(value);
                if !value.is_finite() {
                    return Err(at);
                }
                least = least.min(value);
                largest = largest.max(value);
            }
            Ok((least, largest))
        }
        match self {
            Self::U8(values) => of(values, f64::from),
            Self::U16(values) => of(values, f64::from),
            Self::F32(values) => of(values, f64::from),
            Self::F64(values) => of(values, |value| value),
        }
    }

    /// Whether these are bytes that were stored as 16 bits, `v · 257`: then a dark picture gets no
    /// warning.
    fn were_bytes(&self) -> bool {
        match self {
            Self::U16(values) => values.iter().all(|value| value.is_multiple_of(257)),
            _ => false,
        }
    }

    fn to_bytes(&self, black: f64, white: f64) -> Vec<u8> {
        // NumPy's order of operations. If black equals white, the result is black.
        let byte = |value: f64| {
            let scaled = (value - black) / (white - black) * 255.0;
            if white > black {
                scaled.round_ties_even() as u8
            } else {
                0
            }
        };
        fn tabled<T: Copy + Into<usize>>(
            values: &[T],
            size: u32,
            byte: impl Fn(f64) -> u8,
        ) -> Vec<u8> {
            let table: Vec<u8> = (0..size).map(|value| byte(value.into())).collect();
            values.iter().map(|&value| table[value.into()]).collect()
        }
        match self {
            Self::U8(values) => tabled(values, 1 << 8, byte),
            Self::U16(values) => tabled(values, 1 << 16, byte),
            Self::F32(values) => values.iter().map(|&value| byte(value.into())).collect(),
            Self::F64(values) => values.iter().map(|&value| byte(value)).collect(),
        }
    }

    /// Two percentiles, with linear interpolation.
    fn percentiles(&self, low: f64, high: f64) -> (f64, f64) {
        match self {
            Self::U8(values) => {
                let ranked = counted(values.iter().map(|&value| value.into()), 1 << 8);
                (ranked.percentile(low), ranked.percentile(high))
            }
            Self::U16(values) => {
                let ranked = counted(values.iter().map(|&value| value.into()), 1 << 16);
                (ranked.percentile(low), ranked.percentile(high))
            }
            Self::F32(values) => {
                let mut sorted: Vec<f32> = values.clone();
                sorted.sort_unstable_by(f32::total_cmp);
                let at = |index: usize| f64::from(sorted[index]);
                (
                    percentile(sorted.len(), low, at),
                    percentile(sorted.len(), high, at),
                )
            }
            Self::F64(values) => {
                let mut sorted: Vec<f64> = values.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                let at = |index: usize| sorted[index];
                (
                    percentile(sorted.len(), low, at),
                    percentile(sorted.len(), high, at),
                )
            }
        }
    }
}

/// For each value, how many values are less or equal.
struct Ranked(Vec<usize>);

fn counted(values: impl Iterator<Item = usize>, size: usize) -> Ranked {
    let mut counts = vec![0; size];
    values.for_each(|value| counts[value] += 1);
    let mut sum = 0;
    for count in &mut counts {
        sum += *count;
        *count = sum;
    }
    Ranked(counts)
}

impl Ranked {
    fn percentile(&self, percent: f64) -> f64 {
        let all = self.0.last().copied().unwrap_or(0);
        percentile(all, percent, |index| {
            self.0.partition_point(|&below| below <= index) as f64
        })
    }
}

/// The percentile of `count` values, given in order by `sorted`: NumPy's method `linear`.
fn percentile(count: usize, percent: f64, sorted: impl Fn(usize) -> f64) -> f64 {
    let place = (count - 1) as f64 * (percent / 100.0);
    let below = place.floor() as usize;
    let above = (below + 1).min(count - 1);
    let (a, b, share) = (sorted(below), sorted(above), place - place.floor());
    // NumPy's order of operations.
    if share < 0.5 {
        a + (b - a) * share
    } else {
        b - (b - a) * (1.0 - share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(samples: Samples, whole: Whole, range: &str) -> Vec<u8> {
        let raster = Raster::new(1, samples.len(), 1, samples, whole);
        let picture = raster.picture(range.parse().unwrap()).unwrap();
        picture.rgb().iter().step_by(3).copied().collect()
    }

    fn warning(samples: Samples, whole: Whole, range: &str) -> Option<String> {
        let raster = Raster::new(1, samples.len(), 1, samples, whole);
        let picture = raster.picture(range.parse().unwrap()).unwrap();
        picture.levels().unwrap().warning()
    }

    const U16: fn(Vec<u16>) -> Samples = Samples::U16;

    #[test]
    fn converted_values_equal_numpys() {
        // numpy.clip(numpy.round((x - low) / (high - low) * 255), 0, 255)
        let whole = Whole::unsigned(16);
        let values = vec![0, 1, 8, 2048, 4095, 5000];
        assert_eq!(
            bytes(U16(values.clone()), whole, "0..4095"),
            [0, 0, 0, 128, 255, 255]
        );
        // 127.5 becomes 128 and 126.5 becomes 126: halves are rounded to even.
        assert_eq!(bytes(U16(vec![255, 253]), whole, "0..510"), [128, 126]);
        assert_eq!(bytes(U16(values), whole, "file"), [0, 0, 0, 8, 16, 19]);
        assert_eq!(bytes(U16(vec![10, 20, 30]), whole, "auto"), [0, 128, 255]);
        assert_eq!(
            bytes(
                Samples::U8(vec![0, 50, 100, 200]),
                Whole::unsigned(8),
                "0..100"
            ),
            [0, 128, 255, 255]
        );
    }

    #[test]
    fn percentiles_equal_numpys() {
        // numpy.percentile([0, 10, 20, 1000], [10, 60]) = [3, 18]
        for samples in [
            U16(vec![1000, 20, 10, 0]),
            Samples::F32(vec![1000.0, 20.0, 10.0, 0.0]),
            Samples::F64(vec![1000.0, 20.0, 10.0, 0.0]),
        ] {
            let (low, high) = samples.percentiles(10.0, 60.0);
            assert!((low - 3.0).abs() < 1e-12, "{low}");
            assert!((high - 18.0).abs() < 1e-12, "{high}");
        }
    }

    #[test]
    fn a_constant_picture_is_black_with_its_own_range() {
        assert_eq!(bytes(U16(vec![7; 2]), Whole::OfValues, "file"), [0, 0]);
    }

    #[test]
    fn twelve_bits_in_sixteen_give_a_warning_with_the_range_to_set() {
        let warned = warning(U16(vec![0, 4080]), Whole::unsigned(16), "file").unwrap();
        assert!(
            warned.contains("16-bit values are between 0 and 4080"),
            "{warned}"
        );
        assert!(warned.contains("nearly black"), "{warned}");
        assert!(warned.contains("0..4095 or to auto"), "{warned}");
        for range in ["0..4095", "auto", "percentile"] {
            assert_eq!(
                warning(U16(vec![0, 4080]), Whole::unsigned(16), range),
                None
            );
        }
    }

    #[test]
    fn values_around_an_offset_give_a_warning() {
        // Signed values that were written as unsigned ones, 32768 being 0.
        let warned = warning(U16(vec![31744, 35000]), Whole::unsigned(16), "file").unwrap();
        assert!(warned.contains("almost no contrast"), "{warned}");
        assert!(!warned.contains("0..65535"), "{warned}");
    }

    #[test]
    fn a_picture_that_uses_its_range_or_was_made_of_bytes_gives_no_warning() {
        for values in [vec![0, 40000], vec![257, 257 * 30], vec![5, 5]] {
            assert_eq!(warning(U16(values), Whole::unsigned(16), "file"), None);
        }
        let dark = Samples::U8(vec![0, 3]);
        assert_eq!(warning(dark, Whole::unsigned(8), "file"), None);
    }

    #[test]
    fn floats_greater_than_one_give_a_warning() {
        let floats = |values: [f32; 2]| Samples::F32(values.into());
        let warned = warning(floats([0.0, 200.0]), Whole::FLOAT, "file").unwrap();
        assert!(warned.contains("clipped"), "{warned}");
        assert!(warned.contains("0..255"), "{warned}");
        assert_eq!(warning(floats([0.0, 0.9]), Whole::FLOAT, "file"), None);
        assert!(warning(floats([0.0, 0.01]), Whole::FLOAT, "file").is_some());
    }

    #[test]
    fn a_range_that_misses_the_picture_gives_a_warning() {
        let eight = Samples::U8(vec![0, 255]);
        let warned = warning(eight, Whole::unsigned(8), "0..4095").unwrap();
        assert!(warned.contains("the range may be wrong for it"), "{warned}");
    }

    #[test]
    fn the_error_for_nan_names_row_and_column() {
        let samples = Samples::F32(vec![0.0, 1.0, 0.0, f32::NAN]);
        let raster = Raster::new(2, 2, 1, samples, Whole::FLOAT);
        let error = raster.picture(Range::Auto).unwrap_err();
        assert_eq!((error.row, error.column), (1, 1));
    }
}

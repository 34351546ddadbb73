//! Antialiased resizing, with the same results as Pillow.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Picture;

/// The filter of [`resize`]. When shrinking, both are widened, so that no pixel is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The triangle, support 1 (Pillow's `BILINEAR`).
    Bilinear,
    /// The cubic with a = −0.5, support 2 (Pillow's `BICUBIC`).
    Bicubic,
}

impl Interpolation {
    /// Half the width of the filter at scale 1, in pixels.
    pub fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// Resizes a picture to `height` × `width` pixels. Every value equals that of Pillow 13's
/// `Image.resize` for an 8-bit RGB image: two passes with an 8-bit picture in between, and weights
/// rounded to multiples of 2⁻²² (`Resample.c`). Older versions of Pillow always resize along the
/// rows first; pictures that lose more than twice as many rows as columns can differ from those by
/// one level. The arithmetic uses integers and doubles without fused operations, so the result does
/// not depend on the processor.
///
/// # Panics
/// If `height` or `width` is zero.
pub fn resize(
    picture: &Picture,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Picture {
    resize_region(picture, (height, width), 0..height, 0..width, interpolation)
}

/// The part `rows` × `columns` of the result of [`resize`] for `size` (height, width). Only that
/// part is computed, so `size` may be larger than the memory.
///
/// # Panics
/// If the part is empty or not inside `size`.
pub fn resize_region(
    picture: &Picture,
    size: (usize, usize),
    rows: Range<usize>,
    columns: Range<usize>,
    interpolation: Interpolation,
) -> Picture {
    let whole = Cut::new(picture, 0..picture.height(), 0..picture.width());
    resized(&whole, size, rows, columns, interpolation)
}

/// Crops `rows` × `columns` and resizes the crop to `size` (height, width): torchvision's
/// `resized_crop`. Pixels outside the crop have no influence.
///
/// # Panics
/// If the part is empty or not inside the picture, or a side of `size` is zero.
pub fn resize_crop(
    picture: &Picture,
    rows: Range<usize>,
    columns: Range<usize>,
    size: (usize, usize),
    interpolation: Interpolation,
) -> Picture {
    let cut = Cut::new(picture, rows, columns);
    resized(&cut, size, 0..size.0, 0..size.1, interpolation)
}

/// A part of a picture.
struct Cut<'a> {
    picture: &'a Picture,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl<'a> Cut<'a> {
    fn new(picture: &'a Picture, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(
            !rows.is_empty() && !columns.is_empty(),
            "the part {rows:?} × {columns:?} is empty"
        );
        assert!(
            rows.end <= picture.height() && columns.end <= picture.width(),
            "the part {rows:?} × {columns:?} is not inside {picture:?}"
        );
        Self {
            picture,
            rows,
            columns,
        }
    }

    fn height(&self) -> usize {
        self.rows.len()
    }

    fn width(&self) -> usize {
        self.columns.len()
    }

    fn row(&self, y: usize) -> &'a [u8] {
        let start = (self.rows.start + y) * self.picture.width() + self.columns.start;
        &self.picture.rgb()[start * 3..(start + self.width()) * 3]
    }
}

fn resized(
    cut: &Cut,
    size: (usize, usize),
    rows: Range<usize>,
    columns: Range<usize>,
    interpolation: Interpolation,
) -> Picture {
    assert!(
        rows.end <= size.0 && columns.end <= size.1,
        "the part {rows:?} × {columns:?} is not inside {size:?}"
    );
    let vertical = Taps::new(cut.height(), size.0, rows.clone(), interpolation);
    let horizontal = Taps::new(cut.width(), size.1, columns.clone(), interpolation);
    let rgb = if rows_come_first(cut, size) {
        let needed = horizontal.inputs();
        let bytes = needed.start * 3..needed.end * 3;
        let shortened = vertical.down(|y| &cut.row(y)[bytes.clone()], bytes.len());
        let rows = shortened.chunks_exact(bytes.len());
        horizontal.along(rows, needed.start)
    } else {
        let needed = vertical.inputs();
        let narrowed = horizontal.along(needed.clone().map(|y| cut.row(y)), 0);
        let stride = columns.len() * 3;
        let row = |y| &narrowed[(y - needed.start) * stride..][..stride];
        vertical.down(row, stride)
    };
    Picture::new(rows.len(), columns.len(), rgb)
}

/// Whether Pillow 13 resizes vertically first: if the picture loses more than twice as many rows as
/// columns.
fn rows_come_first(cut: &Cut, (height, width): (usize, usize)) -> bool {
    let taken = |from: usize, to: usize| from as i128 - to as i128;
    height < cut.height() && taken(cut.height(), height) > 2 * taken(cut.width(), width)
}

/// Fraction bits of a weight: of 32 bits, 8 are for the value and 2 for overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// For each output position, its inputs and their weights.
struct Taps {
    /// The first input, and the range of its weights in `weights`.
    spans: Vec<(usize, Range<usize>)>,
    weights: Vec<i32>,
}

impl Taps {
    fn new(input: usize, output: usize, range: Range<usize>, interpolation: Interpolation) -> Self {
        let scale = input as f64 / output as f64;
        let filter_scale = scale.max(1.0);
        let support = interpolation.support() * filter_scale;
        let inverse = 1.0 / filter_scale;
        let mut spans = Vec::with_capacity(range.len());
        let mut weights = Vec::new();
        let mut exact = Vec::new();
        for position in range {
            let centre = (position as f64 + 0.5) * scale;
            // The cast rounds towards zero, as in C, and saturates at zero.
            let first = (centre - support + 0.5) as usize;
            let last = ((centre + support + 0.5) as usize).min(input);
            exact.clear();
            exact.extend((first..last).map(|x| {
                let distance = (x - first) as f64 + first as f64 - centre + 0.5;
                interpolation.weight(distance * inverse)
            }));
            let sum: f64 = exact.iter().sum();
            let start = weights.len();
            weights.extend(exact.iter().map(|w| fixed_point(w / sum)));
            spans.push((first, start..weights.len()));
        }
        Self { spans, weights }
    }

    /// The range of inputs that are used.
    fn inputs(&self) -> Range<usize> {
        let start = self.spans.iter().map(|(first, _)| *first).min();
        let end = self.spans.iter().map(|(first, at)| first + at.len()).max();
        start.unwrap_or(0)..end.unwrap_or(0)
    }

    /// Resizes rows of pixels `[W, 3]`, which start at input `offset`, to `[positions, 3]`.
    fn along<'a>(&self, rows: impl ExactSizeIterator<Item = &'a [u8]>, offset: usize) -> Vec<u8> {
        // All positions have the same number of weights, padded with zeros, so the inner loop has a
        // fixed length.
        let count = self.spans.iter().map(|(_, at)| at.len()).max();
        let count = count.unwrap_or(0);
        let starts: Vec<usize> = self
            .spans
            .iter()
            .map(|(first, _)| (first - offset) * 3)
            .collect();
        let mut weights = Vec::with_capacity(starts.len() * count);
        for (position, (_, at)) in self.spans.iter().enumerate() {
            weights.extend_from_slice(&self.weights[at.clone()]);
            weights.resize((position + 1) * count, 0);
        }
        let stride = self.spans.len() * 3;
        let mut out = vec![0; rows.len() * stride + 1];
        let mut padded = Vec::new();
        for (index, row) in rows.enumerate() {
            padded.clear();
            padded.extend_from_slice(row);
            padded.resize(row.len() + count * 3 + 1, 0);
            let (row, starts, weights) = (&padded[..], &starts[..], &weights[..]);
            let out = &mut out[index * stride..][..stride + 1];
            vectorised(
                #[inline(always)]
                || match count {
                    // The same, with loops that can be unrolled.
                    2 => narrow(row, starts, weights, 2, out),
                    3 => narrow(row, starts, weights, 3, out),
                    4 => narrow(row, starts, weights, 4, out),
                    _ => narrow(row, starts, weights, count, out),
                },
            );
        }
        out.pop();
        out
    }

    /// Resizes the rows of `stride` bytes, given by `row`, vertically.
    fn down<'a>(&self, row: impl Fn(usize) -> &'a [u8], stride: usize) -> Vec<u8> {
        let mut out = vec![0; self.spans.len() * stride];
        let mut rows = Vec::new();
        for ((first, at), out) in self.spans.iter().zip(out.chunks_exact_mut(stride)) {
            let weights = &self.weights[at.clone()];
            rows.clear();
            rows.extend(
                (*first..)
                    .map(&row)
                    .zip(weights.iter().copied())
                    .take(weights.len()),
            );
            let rows = rows.as_slice();
            vectorised(
                #[inline(always)]
                || weighted_sum(rows, out),
            );
        }
        out
    }
}

/// For each byte index in `starts`: the weighted sum of `count` pixels from there. Pixels are read
/// and written four bytes at a time, so `row` and `out` have spare bytes at the end.
#[inline(always)]
fn narrow(row: &[u8], starts: &[usize], weights: &[i32], count: usize, out: &mut [u8]) {
    for (position, (&start, weights)) in starts.iter().zip(weights.chunks_exact(count)).enumerate()
    {
        let pixels = &row[start..][..count * 3 + 1];
        let mut sums = [HALF; 4];
        for (tap, &weight) in weights.iter().enumerate() {
            for (sum, &value) in sums.iter_mut().zip(&pixels[tap * 3..][..4]) {
                *sum += i32::from(value) * weight;
            }
        }
        for (byte, sum) in out[position * 3..][..4].iter_mut().zip(sums) {
            *byte = clip(sum);
        }
    }
}

/// The weighted sum of `rows`, all as long as `out`.
#[inline(always)]
fn weighted_sum(rows: &[(&[u8], i32)], out: &mut [u8]) {
    /// Number of sums in registers.
    const TOGETHER: usize = 32;
    let (blocks, rest) = out.as_chunks_mut::<TOGETHER>();
    for (index, block) in blocks.iter_mut().enumerate() {
        let mut sums = [HALF; TOGETHER];
        for (row, weight) in rows {
            let values = &row.as_chunks::<TOGETHER>().0[index];
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += i32::from(value) * weight;
            }
        }
        for (value, sum) in block.iter_mut().zip(sums) {
            *value = clip(sum);
        }
    }
    for (at, value) in (blocks.len() * TOGETHER..).zip(rest) {
        let products = rows.iter().map(|(row, weight)| i32::from(row[at]) * weight);
        *value = clip(products.fold(HALF, |sum, product| sum + product));
    }
}

/// Runs `work` with the widest vector instructions of the machine, chosen at run time. The compiler
/// vectorises the loops; with integers, results are the same on every machine.
#[inline(always)]
fn vectorised(work: impl FnOnce()) {
    pulp::Arch::new().dispatch(work);
}

/// One half, for rounding.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(height: usize, width: usize) -> Picture {
        let rgb = (0..height * width * 3)
            .map(|i| (i * 37 % 251) as u8)
            .collect();
        Picture::new(height, width, rgb)
    }

    #[test]
    fn resizing_to_the_same_size_changes_nothing() {
        let picture = ramp(5, 7);
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            assert_eq!(resize(&picture, 5, 7, interpolation), picture);
        }
    }

    #[test]
    fn halving_two_columns_averages_and_rounds_half_up() {
        let picture = Picture::new(1, 2, vec![0, 10, 255, 1, 20, 255]);
        let halved = resize(&picture, 1, 1, Interpolation::Bilinear);
        assert_eq!(halved.rgb(), [1, 15, 255]);
    }

    #[test]
    fn a_region_equals_that_part_of_the_whole() {
        let picture = ramp(13, 9);
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            for size in [(7, 20), (30, 5)] {
                let whole = resize(&picture, size.0, size.1, interpolation);
                let part = resize_region(&picture, size, 2..6, 1..4, interpolation);
                for y in 0..4 {
                    for x in 0..3 {
                        assert_eq!(part.pixel(y, x), whole.pixel(y + 2, x + 1));
                    }
                }
            }
        }
    }
}

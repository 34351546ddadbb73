//! Feature maps of another size, computed from the pixels of the input map: resizing, and borders that mirror
//! or repeat pixels.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::conv2d::{Border, LONGEST_SIDE};
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, feature_map,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// Feature maps `[N, C, H, W]` to `[N, C, H', W']`: every pixel is a weighted sum of pixels of the same
/// channel. A weight is the product of one for the row and one for the column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resample {
    /// A border of the map's own pixels.
    Continued {
        /// Its width on each side.
        border: Border,
        /// The pixels that it repeats.
        by: Continuation,
    },
    /// Another number of rows and columns, as ONNX's `Resize` defines it.
    Scaled {
        /// The change of the number of rows.
        rows: Sampling,
        /// The change of the number of columns.
        columns: Sampling,
        /// The interpolation.
        interpolation: Interpolation,
        /// The position of a pixel in the input map.
        coordinates: Coordinates,
    },
    /// A mirrored map.
    Flipped {
        /// Whether the order of rows is reversed.
        rows: bool,
        /// Whether the order of columns is reversed.
        columns: bool,
    },
}

/// The source of pixels beyond the edge of a map, named as in PyTorch's `pad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// The pixels inside the edge in reverse order, without the edge itself (`reflect`).
    Mirrored,
    /// The pixel at the edge (`replicate`; ONNX's `edge`).
    Repeated,
}

/// The new size along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The number of output pixels.
    pub output: usize,
    /// The factor; not always the quotient of the sides, which are integers.
    pub factor: f32,
}

/// The interpolation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest(Rounding),
    /// The two nearest pixels along each axis.
    Linear,
    /// The four nearest pixels along each axis, with Keys' kernel of this parameter (−0.75 in PyTorch).
    Cubic(f32),
    /// All pixels in a kernel, which is widened when the map is reduced, so that every pixel counts (as in
    /// Pillow).
    Antialiased {
        /// The kernel.
        kernel: Kernel,
        /// The treatment of pixels beyond the edge.
        beyond: Beyond,
    },
}

/// An interpolation kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// 1 − |d| up to a distance of 1.
    Triangle,
    /// Keys' kernel of this parameter, up to a distance of 2.
    Cubic(f32),
}

/// The treatment of pixels beyond the edge of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The kernel is cut at the edge and normalised.
    Nothing,
    /// The pixel at the edge.
    Edge,
}

impl Kernel {
    fn radius(self) -> f32 {
        match self {
            Self::Triangle => 1.0,
            Self::Cubic(_) => 2.0,
        }
    }

    /// The weight at a distance, which is not negative.
    fn weight(self, d: f32) -> f32 {
        match self {
            Self::Triangle => (1.0 - d).max(0.0),
            Self::Cubic(a) if d < 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            Self::Cubic(a) if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            Self::Cubic(_) => 0.0,
        }
    }

    /// The input pixels and their weights for a position on an axis of `side` pixels; `factor` is the scale.
    fn taps(self, beyond: Beyond, place: f32, side: usize, factor: f32) -> Vec<(usize, f32)> {
        let narrow = factor.min(1.0);
        let reach = self.radius() / narrow;
        let last = side - 1;
        let (first, end) = (place - reach, place + reach);
        let (mut taps, mut sum) = (Vec::<(usize, f32)>::new(), 0.0);
        let mut add = |pixel: usize, weight: f32| {
            sum += weight;
            match taps.last_mut() {
                Some((known, weights)) if *known == pixel => *weights += weight,
                _ => taps.push((pixel, weight)),
            }
        };
        let weight = |pixel: f32| self.weight((pixel - place).abs() * narrow);
        if beyond == Beyond::Edge {
            let (mut pixel, until) = (first.ceil(), end.min(-1.0));
            while pixel <= until {
                add(0, weight(pixel));
                pixel += 1.0;
            }
        }
        let within = (first.ceil().max(0.0) as usize)..=(end.floor().max(0.0) as usize).min(last);
        for pixel in within {
            add(pixel, weight(pixel as f32));
        }
        if beyond == Beyond::Edge {
            let mut pixel = first.ceil().max(side as f32);
            while pixel <= end {
                add(last, weight(pixel));
                pixel += 1.0;
            }
        }
        taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
        taps
    }
}

/// The choice between two neighbouring pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Always the pixel before.
    Floor,
    /// Always the pixel after.
    Ceil,
    /// The nearer pixel; the one before if both are equally near.
    PreferFloor,
    /// The nearer pixel; the one after if both are equally near.
    PreferCeil,
}

/// The position of the output pixel `x` in the input map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// `(x + ½) / factor − ½`
    HalfPixel,
    /// The same, and 0 if there is only one output pixel.
    PytorchHalfPixel,
    /// `x · (before − 1) / (after − 1)`
    AlignCorners,
    /// `x / factor`
    Asymmetric,
}

/// The smallest factor.
const LEAST_FACTOR: f32 = 1.0 / LONGEST_SIDE as f32;

/// For every output pixel along an axis, its input pixels and their weights.
type Taps = Vec<Vec<(usize, f32)>>;

impl Continuation {
    /// The map pixel, of `side` along an axis, that is shown at this position, which may be beyond the edge.
    pub(crate) fn pixel(self, at: isize, side: usize) -> usize {
        let last = side as isize - 1;
        let within = match self {
            Self::Mirrored if at < 0 => -at,
            Self::Mirrored if at > last => 2 * last - at,
            Self::Mirrored => at,
            Self::Repeated => at.clamp(0, last),
        };
        within as usize
    }

    /// The smallest range of positions that contains all copies of these pixels, on an axis of `side` pixels
    /// with a border of `before` and `after` pixels. Positions are counted from the start of the border.
    pub(crate) fn reached(
        self,
        pixels: &Range<usize>,
        side: usize,
        (before, after): (usize, usize),
    ) -> Range<usize> {
        if pixels.is_empty() {
            return 0..0;
        }
        // The largest distance from an edge at which the border has a copy of these pixels; `first` and
        // `last` are their distances from that edge.
        let beyond = |first: usize, last: usize, most: usize| match self {
            Self::Repeated if first == 0 => most,
            Self::Mirrored if first <= most => last.min(most),
            _ => 0,
        };
        let (first, last) = (pixels.start, pixels.end - 1);
        let start = match beyond(first, last, before) {
            0 => before + first,
            places => before - places,
        };
        let end = match beyond(side - 1 - last, side - 1 - first, after) {
            0 => before + pixels.end,
            places => before + side + places,
        };
        start..end
    }

    /// The taps of an axis of `side` pixels with a border of `before` and `after` pixels.
    fn taps(self, side: usize, before: usize, after: usize) -> Taps {
        let all = 0..before + side + after;
        all.map(|at| vec![(self.pixel(at as isize - before as isize, side), 1.0)])
            .collect()
    }

    /// The widest border that `side` pixels can have.
    fn longest(self, side: usize) -> usize {
        match self {
            Self::Mirrored => side - 1,
            Self::Repeated => LONGEST_SIDE,
        }
    }
}

impl Coordinates {
    // In single precision, as in ONNX runtimes, because the nearest pixel depends on it.
    fn place(self, at: usize, side: usize, scale: Sampling) -> f32 {
        let x = at as f32;
        match self {
            Self::PytorchHalfPixel if scale.output == 1 => 0.0,
            Self::HalfPixel | Self::PytorchHalfPixel => (x + 0.5) / scale.factor - 0.5,
            Self::AlignCorners if scale.output == 1 => 0.0,
            Self::AlignCorners => x * (side - 1) as f32 / (scale.output - 1) as f32,
            Self::Asymmetric => x / scale.factor,
        }
    }
}

impl Interpolation {
    /// The input pixels and their weights for a position on an axis of `side` pixels; `factor` is the scale.
    fn taps(self, place: f32, side: usize, factor: f32) -> Vec<(usize, f32)> {
        let last = side - 1;
        let within = |at: f32| (at.max(0.0) as usize).min(last);
        match self {
            Self::Antialiased { kernel, beyond } => kernel.taps(beyond, place, side, factor),
            Self::Nearest(rounding) => {
                let nearest = match rounding {
                    Rounding::Floor => place.floor(),
                    Rounding::Ceil => place.ceil(),
                    Rounding::PreferFloor => (place - 0.5).ceil(),
                    Rounding::PreferCeil => (place + 0.5).floor(),
                };
                vec![(within(nearest), 1.0)]
            }
            Self::Linear => {
                let place = place.clamp(0.0, last as f32);
                let first = within(place.floor());
                let share = place - first as f32;
                match share == 0.0 {
                    true => vec![(first, 1.0)],
                    false => vec![(first, 1.0 - share), ((first + 1).min(last), share)],
                }
            }
            Self::Cubic(a) => {
                let first = place.floor();
                let t = place - first;
                let near = |d: f32| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
                let far = |d: f32| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
                let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
                let pixels = weights.into_iter().zip([-1.0, 0.0, 1.0, 2.0]);
                pixels
                    .map(|(weight, step)| (within(first + step), weight))
                    .collect()
            }
        }
    }
}

impl Resample {
    /// The taps of all rows and columns of a map of `h` rows and `w` columns.
    fn taps(&self, h: usize, w: usize) -> (Taps, Taps) {
        match *self {
            Self::Continued { border, by } => (
                by.taps(h, border.top, border.bottom),
                by.taps(w, border.left, border.right),
            ),
            Self::Scaled {
                rows,
                columns,
                interpolation,
                coordinates,
            } => {
                let along = |side: usize, scale: Sampling| {
                    let place = |at| coordinates.place(at, side, scale);
                    let all = 0..scale.output;
                    all.map(|at| interpolation.taps(place(at), side, scale.factor))
                        .collect()
                };
                (along(h, rows), along(w, columns))
            }
            Self::Flipped { rows, columns } => {
                let along = |side: usize, is_flipped: bool| {
                    let from = |at: usize| if is_flipped { side - 1 - at } else { at };
                    (0..side).map(|at| vec![(from(at), 1.0)]).collect()
                };
                (along(h, rows), along(w, columns))
            }
        }
    }
}

impl Op for Resample {
    fn kind(&self) -> &'static str {
        "resample"
    }

    fn class(&self) -> Class {
        Class::Resampling
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("expects one input, not {}", inputs.len()));
        };
        let (n, c, h, w) = feature_map(x)?;
        let (rows, columns) = match *self {
            Self::Continued { border, by } => {
                let longer = |side: usize, before: usize, after: usize| {
                    let fits = before.max(after) <= by.longest(side);
                    let padded = side.checked_add(before)?.checked_add(after)?;
                    (fits && padded <= LONGEST_SIDE).then_some(padded)
                };
                let rows = longer(h, border.top, border.bottom);
                rows.zip(longer(w, border.left, border.right))
                    .ok_or_else(|| {
                        format!("cannot extend {x:?} by {border:?} ({by:?})").to_lowercase()
                    })?
            }
            Self::Scaled { rows, columns, .. } => {
                for scale in [rows, columns] {
                    let is_size = (1..=LONGEST_SIDE).contains(&scale.output);
                    // A reduced map reads at most as many pixels as a map may have.
                    let is_factor = scale.factor.is_normal() && scale.factor > LEAST_FACTOR;
                    if !is_size || !is_factor {
                        return Err(format!(
                            "cannot resize to {} pixels by a factor of {}: the input is {x:?}",
                            scale.output, scale.factor
                        ));
                    }
                }
                (rows.output, columns.output)
            }
            Self::Flipped { .. } => (h, w),
        };
        Ok(vec![n, c, rows, columns])
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let (_, _, h, w) = feature_map(x.shape()).expect("checked");
        if matches!(self, Self::Continued { border, .. } if *border == Border::default()) {
            return x.clone().into();
        }
        let (rows, columns) = self.taps(h, w);
        sampled(x, &rows, &columns).into()
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        match *self {
            Self::Continued { border, by } => Reach::Continued {
                border,
                by,
                unpadded: Arc::new(Self::Continued {
                    border: Border::default(),
                    by,
                }),
            },
            Self::Scaled { .. } | Self::Flipped { .. } => Reach::Everything,
        }
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let (_, _, h, w) = feature_map(call.inputs[0].shape())?;
        let (rows, columns) = self.taps(h, w);
        let gradient = sampled(&grad_output, &turned(&rows, h), &turned(&columns, w));
        Ok(Gradients::input(gradient))
    }
}

/// For every input pixel, the output pixels that read it.
fn turned(taps: &Taps, side: usize) -> Taps {
    let mut turned = vec![Vec::new(); side];
    for (made, taps) in taps.iter().enumerate() {
        for &(from, weight) in taps {
            turned[from].push((made, weight));
        }
    }
    turned
}

/// The weighted sums of pixels.
fn sampled(x: &Tensor, rows: &Taps, columns: &Taps) -> Tensor {
    let (n, c, h, w) = feature_map(x.shape()).expect("checked");
    let shape = [n, c, rows.len(), columns.len()];
    let mut made = Buffer::zeroed(shape.iter().product());
    let line = columns.len() * c;
    made.par_chunks_mut(line)
        .enumerate()
        .for_each(|(at, made)| {
            let picture = at / rows.len() * h * w * c;
            let taps = &rows[at % rows.len()];
            for &(row, of_row) in taps {
                let source = &x.data()[picture + row * w * c..][..w * c];
                let is_only = taps.len() == 1 && of_row == 1.0;
                for (pixel, taps) in made.chunks_exact_mut(c).zip(columns) {
                    // A copy is exact, including the sign of a zero.
                    if let (true, &[(column, 1.0)]) = (is_only, &taps[..]) {
                        pixel.copy_from_slice(&source[column * c..][..c]);
                        continue;
                    }
                    for &(column, of_column) in taps {
                        let weight = of_row * of_column;
                        let values = &source[column * c..][..c];
                        for (sum, value) in pixel.iter_mut().zip(values) {
                            *sum += weight * value;
                        }
                    }
                }
            }
        });
    Tensor::from_buffer(&shape, made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_found_in_borders_that_repeat_them() {
        for by in [Continuation::Mirrored, Continuation::Repeated] {
            for (side, before, after) in [(7, 3, 2), (5, 4, 4), (4, 0, 3), (6, 2, 0), (1, 0, 0)] {
                let all = 0..side + before + after;
                let pixel = |at: usize| by.pixel(at as isize - before as isize, side);
                for (start, end) in (0..side).flat_map(|s| (s + 1..=side).map(move |e| (s, e))) {
                    let mut places = all.clone().filter(|&at| (start..end).contains(&pixel(at)));
                    let first = places.next().unwrap();
                    let end_of_places = places.next_back().unwrap_or(first) + 1;
                    assert_eq!(
                        by.reached(&(start..end), side, (before, after)),
                        first..end_of_places,
                        "{by:?}, {start}..{end} of {side} within {before} and {after}"
                    );
                }
            }
        }
    }
}

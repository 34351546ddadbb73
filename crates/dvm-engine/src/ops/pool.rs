//! Pooling: the maximum or the mean in a window, sliding, adaptive or global.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::conv2d::Border;
use super::layout::{NodeShapes, Reads, SpatialLayout, Steps, ValueShape};
use super::{
    Axis, BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach,
    feature_map,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// The reduction over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The maximum. Padding never wins.
    Max,
    /// The mean.
    Mean {
        /// Whether padding counts as zeros (PyTorch's default) or not at all.
        count_padding: bool,
    },
}

/// The windows of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// A sliding window.
    Sliding {
        /// Rows and columns of the window.
        kernel: (usize, usize),
        /// The stride.
        stride: (usize, usize),
        /// The padding.
        padding: Border,
        /// Whether a last window that crosses the edge is kept.
        ceil: bool,
    },
    /// Windows that divide the input into this many rows and columns, as PyTorch's adaptive
    /// pools: cell `i` covers `floor(i·L/n) .. ceil((i+1)·L/n)`. `(1, 1)` is global pooling.
    Adaptive {
        /// Rows and columns of the output.
        output: (usize, usize),
    },
}

/// A pool over feature maps `[N, C, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The reduction.
    pub reduction: Reduction,
    /// The windows.
    pub windows: Windows,
}

impl Pool {
    /// The maximum in a square window.
    pub fn max(kernel: usize, stride: usize, padding: usize, ceil: bool) -> Self {
        Self {
            reduction: Reduction::Max,
            windows: Windows::Sliding {
                kernel: (kernel, kernel),
                stride: (stride, stride),
                padding: Border::all(padding),
                ceil,
            },
        }
    }

    /// The mean in a square window, with padding counted as zeros.
    pub fn mean(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            reduction: Reduction::Mean {
                count_padding: true,
            },
            ..Self::max(kernel, stride, padding, false)
        }
    }

    /// Means that reduce every feature map to `side × side`.
    pub fn mean_to(side: usize) -> Self {
        Self {
            windows: Windows::Adaptive {
                output: (side, side),
            },
            ..Self::global_mean()
        }
    }

    /// The mean of each whole feature map, `[N, C, 1, 1]`.
    pub fn global_mean() -> Self {
        Self {
            reduction: Reduction::Mean {
                count_padding: false,
            },
            windows: Windows::Adaptive { output: (1, 1) },
        }
    }

    /// The windows along both axes of an `h × w` map, in order.
    ///
    /// # Errors
    /// If there is no window, as the end of a sentence.
    pub fn axes(&self, h: usize, w: usize) -> Result<(Vec<Span>, Vec<Span>), String> {
        match self.windows {
            Windows::Adaptive { output } => Ok((adaptive(h, output.0)?, adaptive(w, output.1)?)),
            Windows::Sliding {
                kernel,
                stride,
                padding: p,
                ceil,
            } => Ok((
                sliding(h, kernel.0, stride.0, (p.top, p.bottom), ceil)?,
                sliding(w, kernel.1, stride.1, (p.left, p.right), ceil)?,
            )),
        }
    }

    /// The number that a window's sum is divided by.
    fn divisor(&self, rows: &Span, columns: &Span) -> f32 {
        let count = match self.reduction {
            Reduction::Mean {
                count_padding: true,
            } => rows.padded * columns.padded,
            _ => rows.inside.len() * columns.inside.len(),
        };
        count as f32
    }
}

/// One window of a pool along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The pixels of the input that it covers.
    pub inside: Range<usize>,
    /// Its length including padding (but not pixels beyond the padding).
    pub padded: usize,
}

fn adaptive(length: usize, outputs: usize) -> Result<Vec<Span>, String> {
    if length == 0 || outputs == 0 || length.max(outputs) > super::conv2d::LONGEST_SIDE {
        return Err(format!(
            "cannot divide {length} pixels into {outputs} windows"
        ));
    }
    Ok((0..outputs)
        .map(|i| {
            let inside = i * length / outputs..((i + 1) * length).div_ceil(outputs);
            Span {
                padded: inside.len(),
                inside,
            }
        })
        .collect())
}

fn sliding(
    length: usize,
    kernel: usize,
    stride: usize,
    (before, after): (usize, usize),
    ceil: bool,
) -> Result<Vec<Span>, String> {
    // A window that is completely in the padding would have no value.
    if before >= kernel || after >= kernel {
        return Err(format!(
            "its padding of {before} and {after} must be less than its window of {kernel}"
        ));
    }
    let padded = length.saturating_add(before).saturating_add(after);
    let outputs = if ceil && stride > 0 && padded < kernel && kernel - padded < stride {
        // The only window crosses the edge.
        1
    } else {
        let outputs = super::conv2d::slide(length, before, after, kernel, 1, stride)?;
        // A window that crosses the edge is kept only if it starts inside the input or the padding
        // before it (PyTorch's rule).
        let rest = (padded - kernel) % stride;
        outputs + usize::from(ceil && rest > 0 && outputs * stride < length + before)
    };
    Ok((0..outputs)
        .map(|i| {
            let start = i * stride;
            let end = (start + kernel).min(length + before + after);
            let inside = start.saturating_sub(before)..end.saturating_sub(before).min(length);
            Span {
                inside,
                padded: end - start,
            }
        })
        .collect())
}

impl Pool {
    /// The windows in which one position of the output reads a map of shape `source`.
    fn windows_read(&self, source: &[usize], shape: &[usize]) -> Reads {
        match self.windows {
            Windows::Sliding {
                kernel,
                stride,
                padding,
                ..
            } => {
                let steps = |kernel, stride, before| {
                    Steps::from(Axis {
                        kernel,
                        stride,
                        before,
                    })
                };
                Reads::Window(
                    steps(kernel.0, stride.0, padding.top),
                    steps(kernel.1, stride.1, padding.left),
                )
            }
            Windows::Adaptive { output } => match (source, shape) {
                _ if output == (1, 1) => Reads::All,
                (&[_, _, h, w], &[_, _, rows, columns])
                    if rows > 0 && columns > 0 && h % rows == 0 && w % columns == 0 =>
                {
                    let side = |side: usize| Steps {
                        kernel: side,
                        stride: side,
                        first: 0,
                    };
                    Reads::Window(side(h / rows), side(w / columns))
                }
                _ => Reads::All,
            },
        }
    }
}

impl Op for Pool {
    fn kind(&self) -> &'static str {
        match self.reduction {
            Reduction::Max => "max_pool",
            Reduction::Mean { .. } => "avg_pool",
        }
    }

    fn class(&self) -> Class {
        Class::Pooling
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        self.windows_read(node.inputs[input].shape, node.output.shape)
    }

    fn is_affine(&self) -> bool {
        self.reduction != Reduction::Max
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("expects one input, not {}", inputs.len()));
        };
        let (n, c, h, w) = feature_map(x)?;
        let (rows, columns) = self.axes(h, w)?;
        Ok(vec![n, c, rows.len(), columns.len()])
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        match self.reduction {
            Reduction::Max => inputs[0],
            // Padding may count as zeros.
            Reduction::Mean { .. } => inputs[0].with(Bounds {
                low: 0.0,
                high: 0.0,
            }),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let (_, c, h, w) = feature_map(call.inputs[0].shape()).expect("checked");
        let (rows, columns) = self.axes(h, w).expect("checked");
        let input = call.inputs[0].data();
        let mut output = Buffer::unspecified(call.output_shape.iter().product());
        // A task is one row of windows, or a part of the channels if there is only one window.
        let task = if columns.len() * rows.len() == 1 {
            CHANNELS
        } else {
            c
        };
        output
            .par_chunks_mut(columns.len() * c)
            .enumerate()
            .for_each(|(index, values)| {
                let map = &input[index / rows.len() * h * w * c..][..h * w * c];
                let row = &rows[index % rows.len()];
                let parts = values.par_chunks_mut(columns.len() * task).enumerate();
                parts.for_each(|(part, values)| {
                    vectorised(
                        #[inline(always)]
                        || {
                            let channels = (part * task, c);
                            let pixels = values.chunks_mut(task);
                            for (pixel, column) in pixels.zip(&columns) {
                                self.window(map, w, (row, column), channels, pixel);
                            }
                        },
                    );
                });
            });
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn needs(&self) -> Needs {
        match self.reduction {
            Reduction::Max => Needs::INPUTS,
            Reduction::Mean { .. } => Needs::NOTHING,
        }
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = call.inputs[0].shape();
        let (_, c, h, w) = feature_map(shape)?;
        let (rows, columns) = self.axes(h, w)?;
        let windows = columns.len() * c;
        let band = h.div_ceil(BANDS).max(1);
        let mut gradient = Buffer::unspecified(shape.iter().product());
        gradient
            .par_chunks_mut(h * w * c)
            .enumerate()
            .flat_map(|(map, gradient)| {
                let bands = gradient.par_chunks_mut(band * w * c).enumerate();
                bands.map(move |(index, gradient)| (map, index * band, gradient))
            })
            .for_each(|(map, first, gradient)| {
                // Zeroed here, so that the values are still in cache for the sums below.
                gradient.fill(0.0);
                let input = match self.reduction {
                    Reduction::Max => &call.inputs[0].data()[map * h * w * c..][..h * w * c],
                    Reduction::Mean { .. } => &[],
                };
                let grad_output = &grad_output.data()[map * rows.len() * windows..];
                let own = first..first + gradient.len() / (w * c);
                let mut largest = vec![0.0; c];
                let mut pixels = vec![0; c];
                vectorised(
                    #[inline(always)]
                    || {
                        // A window across the edge of the band is processed for both bands; each band keeps
                        // its own rows.
                        let over =
                            |row: &Span| row.inside.start < own.end && row.inside.end > own.start;
                        let all = rows.iter().zip(grad_output.chunks_exact(windows));
                        for (row, grads) in all.filter(|(row, _)| over(row)) {
                            for (column, grad) in columns.iter().zip(grads.chunks_exact(c)) {
                                if self.reduction == Reduction::Max {
                                    let found = (&mut largest[..], &mut pixels[..]);
                                    find_largest(input, (w, c), row, column, found);
                                    let span = (row, column);
                                    to_largest(grad, &pixels, w, span, &own, gradient);
                                } else {
                                    let share = 1.0 / self.divisor(row, column);
                                    spread(grad, share, w, (row, column), &own, gradient);
                                }
                            }
                        }
                    },
                );
            });
        Ok(Gradients::input(Tensor::from_buffer(shape, gradient)))
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        let Windows::Sliding {
            kernel,
            stride,
            padding,
            ..
        } = self.windows
        else {
            return Reach::Everything;
        };
        let (_, _, h, w) = feature_map(inputs[0]).expect("checked");
        // A window larger than the map reads all of it.
        let is_larger = kernel.0 > h + padding.top + padding.bottom
            || kernel.1 > w + padding.left + padding.right;
        if is_larger {
            return Reach::Everything;
        }
        let border = match self.reduction {
            Reduction::Max => f32::NEG_INFINITY,
            Reduction::Mean { .. } => {
                let (rows, columns) = self.axes(h, w).expect("checked");
                let divisor = |row, column| self.divisor(row, column) as usize;
                let alike = rows.iter().all(|row| {
                    let full = kernel.0 * kernel.1;
                    columns.iter().all(|column| divisor(row, column) == full)
                });
                // Without the border, a mean is always divided by the number of pixels in the window.
                if !alike {
                    return Reach::Everything;
                }
                0.0
            }
        };
        let axis = |kernel, stride, before| Axis {
            kernel,
            stride,
            before,
        };
        Reach::Sliding {
            rows: axis(kernel.0, stride.0, padding.top),
            columns: axis(kernel.1, stride.1, padding.left),
            border,
            unpadded: Arc::new(Self {
                reduction: self.reduction,
                windows: Windows::Sliding {
                    kernel,
                    stride,
                    padding: Border::default(),
                    ceil: false,
                },
            }),
        }
    }
}

impl Pool {
    /// The value of one window, for the channels from `first` on, of `c` in total.
    #[inline(always)]
    fn window(
        &self,
        map: &[f32],
        w: usize,
        (row, column): (&Span, &Span),
        (first, c): (usize, usize),
        pixel: &mut [f32],
    ) {
        let window = (map, (w, c), row, column);
        let mut at = first;
        let mut blocks = pixel.chunks_exact_mut(BLOCK);
        for block in blocks.by_ref() {
            let values: &mut [f32; BLOCK] = block.try_into().expect("a block has this length");
            self.channels(window, at, values);
            at += BLOCK;
        }
        for value in blocks.into_remainder() {
            let mut one = [0.0];
            self.channels(window, at, &mut one);
            [*value] = one;
            at += 1;
        }
        if self.reduction != Reduction::Max {
            let divisor = self.divisor(row, column);
            pixel.iter_mut().for_each(|p| *p /= divisor);
        }
    }
}

/// Channels that are processed together, in registers.
const BLOCK: usize = 16;

/// Channels of one task, if a map has only one window.
const CHANNELS: usize = 4 * BLOCK;

/// A map, its columns and channels, and the rows and columns of a window.
type Window<'a> = (&'a [f32], (usize, usize), &'a Span, &'a Span);

impl Pool {
    /// The maximum, or the sum, in a window, for the `L` channels from `first` on.
    #[inline(always)]
    fn channels<const L: usize>(
        &self,
        (map, (w, c), row, column): Window,
        first: usize,
        values: &mut [f32; L],
    ) {
        let is_max = self.reduction == Reduction::Max;
        let mut found = [if is_max { f32::NEG_INFINITY } else { 0.0 }; L];
        // Separate from the values, so that the two computations do not wait for each other.
        let mut is_lost = [0u32; L];
        for y in row.inside.clone() {
            for x in column.inside.clone() {
                let seen = &map[(y * w + x) * c + first..][..L];
                if is_max {
                    for ((p, lost), &v) in found.iter_mut().zip(&mut is_lost).zip(seen) {
                        *p = if v > *p { v } else { *p };
                        *lost |= u32::from(v.is_nan());
                    }
                } else {
                    for (p, &v) in found.iter_mut().zip(seen) {
                        *p += v;
                    }
                }
            }
        }
        // NaN wins, as in PyTorch.
        for (p, lost) in found.iter_mut().zip(is_lost) {
            *p = if lost == 0 { *p } else { f32::NAN };
        }
        *values = found;
    }
}

/// Number of bands of rows in which a map's gradient is computed.
const BANDS: usize = 8;

/// Adds a window's gradient, times `share`, to every pixel of the window in the rows `own`; `gradient` holds
/// these rows.
#[inline(always)]
fn spread(
    grad: &[f32],
    share: f32,
    w: usize,
    (row, column): (&Span, &Span),
    own: &Range<usize>,
    gradient: &mut [f32],
) {
    let c = grad.len();
    for y in row.inside.start.max(own.start)..row.inside.end.min(own.end) {
        for x in column.inside.clone() {
            let pixel = &mut gradient[((y - own.start) * w + x) * c..][..c];
            for (p, &g) in pixel.iter_mut().zip(grad) {
                *p += g * share;
            }
        }
    }
}

/// Finds the pixel of the maximum in a window, for each channel (the first one if several are equal).
#[inline(always)]
fn find_largest(
    input: &[f32],
    (w, c): (usize, usize),
    row: &Span,
    column: &Span,
    (largest, pixels): (&mut [f32], &mut [u32]),
) {
    largest.fill(f32::NEG_INFINITY);
    pixels.fill((row.inside.start * w + column.inside.start) as u32);
    for y in row.inside.clone() {
        for x in column.inside.clone() {
            let pixel = y * w + x;
            let values = &input[pixel * c..][..c];
            for ((largest, at), &value) in largest.iter_mut().zip(pixels.iter_mut()).zip(values) {
                let wins = value > *largest || value.is_nan();
                *largest = if wins { value } else { *largest };
                *at = if wins { pixel as u32 } else { *at };
            }
        }
    }
}

/// Adds a window's gradient to the pixels found in the rows `own`; `gradient` holds these rows.
#[inline(always)]
fn to_largest(
    grad: &[f32],
    found: &[u32],
    w: usize,
    (row, column): (&Span, &Span),
    own: &Range<usize>,
    gradient: &mut [f32],
) {
    let c = grad.len();
    for y in row.inside.start.max(own.start)..row.inside.end.min(own.end) {
        for x in column.inside.clone() {
            let here = (y * w + x) as u32;
            let pixel = &mut gradient[((y - own.start) * w + x) * c..][..c];
            // All channels are tested, so that the compiler can vectorise the loop.
            for ((p, &g), &found) in pixel.iter_mut().zip(grad).zip(found) {
                *p += if found == here { g } else { 0.0 };
            }
        }
    }
}

//! Attention within windows of a feature map.

use rayon::prelude::*;

use super::attention::Head;
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::matmul::Matrix;
use super::simd::Shared;
use super::{
    BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, feature_map,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// Attention among the pixels of each window of a feature map (Swin, arXiv 2103.14030): queries, keys and
/// values, concatenated along the channels, `[N, 3 · C, H, W]`, become `[N, C, H, W]`. Both sides are
/// multiples of the window. The parameter `[(2 · window − 1)², heads]` is added to the scores by the offset
/// of two pixels. Windows are shifted down and to the right by `shift` pixels; the last windows wrap around
/// to the pixels before the first one, but pixels that are not neighbours do not attend to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAttention {
    /// Number of heads; divides C.
    pub heads: usize,
    /// Rows and columns of a window.
    pub window: usize,
    /// Rows and columns that windows are shifted by; ignored along an axis that one window covers.
    pub shift: usize,
}

/// Largest number of rows and columns of a window: the bias of all pairs of its pixels is stored.
const LARGEST: usize = 64;

/// One window of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its pixels, row by row of the window: each is `row · W + column` of the map.
    pub pixels: Vec<usize>,
    /// The region of each pixel; pixels of different regions do not attend to each other.
    pub regions: Vec<usize>,
    /// Whether there are several regions.
    is_mixed: bool,
}

/// Added to the score of two pixels that do not attend to each other, as in torchvision.
pub const UNSEEN: f32 = -100.0;

impl WindowAttention {
    /// The windows of a map of `h` × `w` pixels, multiples of the window, in order.
    pub fn windows(&self, h: usize, w: usize) -> Vec<Window> {
        let m = self.window;
        let shift = |length: usize| if length <= m { 0 } else { self.shift };
        // The position in the map of a position of the shifted map, and its region: before the last window,
        // in its first part, or wrapped around.
        let place = |at: usize, length: usize| {
            let shift = shift(length);
            let region = if shift == 0 || at < length - m {
                0
            } else if at < length - shift {
                1
            } else {
                2
            };
            ((at + shift) % length, region)
        };
        let mut windows = Vec::new();
        for top in (0..h).step_by(m) {
            for left in (0..w).step_by(m) {
                let (mut pixels, mut regions) = (Vec::new(), Vec::new());
                for row in top..top + m {
                    for column in left..left + m {
                        let ((y, above), (x, beside)) = (place(row, h), place(column, w));
                        pixels.push(y * w + x);
                        regions.push(above * 3 + beside);
                    }
                }
                let is_mixed = regions.iter().any(|region| *region != regions[0]);
                windows.push(Window {
                    pixels,
                    regions,
                    is_mixed,
                });
            }
        }
        windows
    }

    /// The row of the table for two pixels of a window, the query and the key, given by their positions in
    /// [`Window::pixels`].
    pub fn table_row(&self, from: usize, to: usize) -> usize {
        let m = self.window;
        let down = from / m + m - 1 - to / m;
        let right = from % m + m - 1 - to % m;
        down * (2 * m - 1) + right
    }

    /// The bias of each head's scores, `[heads, pixels, pixels]` for pixels of a window.
    fn bias(&self, table: &Tensor) -> Vec<f32> {
        let pixels = self.window * self.window;
        let mut bias = Vec::with_capacity(self.heads * pixels * pixels);
        for head in 0..self.heads {
            for (from, to) in (0..pixels).flat_map(|from| (0..pixels).map(move |to| (from, to))) {
                bias.push(table.data()[self.table_row(from, to) * self.heads + head]);
            }
        }
        bias
    }
}

impl Window {
    /// Queries, keys and values of one head, `[pixels, 3 · width]`, of a map of `3 · channels`.
    fn gathered(&self, qkv: &[f32], channels: usize, width: usize, head: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.pixels.len() * 3 * width);
        for pixel in &self.pixels {
            let pixel = &qkv[pixel * 3 * channels..][..3 * channels];
            for part in pixel.chunks_exact(channels) {
                rows.extend_from_slice(&part[head * width..][..width]);
            }
        }
        rows
    }

    /// Adds the head's bias to the scores of the query pixel `from`, and masks pixels of other regions.
    #[inline(always)]
    fn change(&self, bias: &[f32], from: usize, scores: &mut [f32]) {
        let own = &bias[from * scores.len()..];
        for (score, bias) in scores.iter_mut().zip(own) {
            *score += bias;
        }
        if self.is_mixed {
            for (score, region) in scores.iter_mut().zip(&self.regions) {
                if *region != self.regions[from] {
                    *score += UNSEEN;
                }
            }
        }
    }
}

impl Op for WindowAttention {
    fn kind(&self) -> &'static str {
        "window_attention"
    }

    fn class(&self) -> Class {
        Class::WindowAttention
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("expects one input, not {}", inputs.len()));
        };
        let (n, wide, h, w) = feature_map(x)?;
        let m = self.window;
        let table = [(2 * m.min(LARGEST)).saturating_sub(1).pow(2), self.heads];
        let fits = self.heads > 0
            && (1..=LARGEST).contains(&m)
            && self.shift < m
            && wide.is_multiple_of(3)
            && (wide / 3).is_multiple_of(self.heads)
            && h.is_multiple_of(m)
            && w.is_multiple_of(m)
            && parameters == [&table[..]];
        if !fits {
            return Err(format!(
                "expects [N, 3 · C, H, W] of {} heads with sides that are multiples of {m}, at most \
                 {LARGEST}, and a table \
                 {table:?}, not {inputs:?} and {parameters:?}",
                self.heads
            ));
        }
        Ok(vec![n, wide / 3, h, w])
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let &[n, channels, h, w] = call.output_shape else {
            unreachable!("output_shape made it");
        };
        let qkv = call.inputs[0].data();
        let (windows, bias) = (self.windows(h, w), self.bias(call.parameters[0]));
        let (width, tokens) = (channels / self.heads, self.window * self.window);
        let mut output = Buffer::unspecified(call.output_shape.iter().product());
        let target = Shared::new(&mut output);
        (0..n * windows.len() * self.heads)
            .into_par_iter()
            .for_each(|task| {
                let (index, task) = (task % self.heads, task / self.heads);
                let (window, picture) = (&windows[task % windows.len()], task / windows.len());
                let qkv = &qkv[picture * 3 * channels * h * w..];
                let rows = window.gathered(qkv, channels, width, index);
                let head = Head::new(&rows, 3 * width, width, tokens, width);
                let bias = &bias[index * tokens * tokens..];
                for queries in Head::blocks(tokens) {
                    let probabilities = head.probabilities(
                        &queries,
                        #[inline(always)]
                        |from, scores| window.change(bias, from, scores),
                    );
                    let attended = head.attended(&probabilities);
                    let pixels = window.pixels[queries].iter();
                    for (pixel, values) in pixels.zip(attended.chunks_exact(width)) {
                        let first = (picture * h * w + pixel) * channels + index * width;
                        // SAFETY: a pixel is in one window, so only this task writes this head's channels of
                        // it; they are inside the buffer.
                        unsafe { std::slice::from_raw_parts_mut(target.at(first), width) }
                            .copy_from_slice(values);
                    }
                }
            });
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn multiply_adds(&self, _: &[&[usize]], _: &[&[usize]]) -> usize {
        2 * self.window * self.window
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let &[n, channels, h, w] = grad_output.shape() else {
            unreachable!("output_shape made it");
        };
        let (qkv, table) = (call.inputs[0], call.parameters[0]);
        let (windows, bias) = (self.windows(h, w), self.bias(table));
        let (width, tokens) = (channels / self.heads, self.window * self.window);
        let wants_table = call.wants_parameter[0];
        let mut gradient = Buffer::unspecified(qkv.len());
        let target = Shared::new(&mut gradient);
        let mut of_table = vec![0.0f64; table.len()];
        for picture in 0..n {
            let own = &qkv.data()[picture * 3 * channels * h * w..];
            let grad = &grad_output.data()[picture * channels * h * w..];
            let slopes: Vec<Vec<f32>> = (0..windows.len() * self.heads)
                .into_par_iter()
                .map(|task| {
                    let (window, index) = (&windows[task / self.heads], task % self.heads);
                    let rows = window.gathered(own, channels, width, index);
                    let head = Head::new(&rows, 3 * width, width, tokens, width);
                    let bias = &bias[index * tokens * tokens..];
                    let pixels = window.pixels.iter();
                    let grad: Vec<f32> = pixels
                        .flat_map(|pixel| &grad[pixel * channels + index * width..][..width])
                        .copied()
                        .collect();
                    let mut slopes = Vec::new();
                    let found = head.gradients(
                        Matrix::rows(&grad, width),
                        #[inline(always)]
                        |from, scores| window.change(bias, from, scores),
                        |_, scores| {
                            if wants_table {
                                slopes.extend_from_slice(scores);
                            }
                        },
                    );
                    for (which, values) in [found.q, found.k, found.v].iter().enumerate() {
                        let pixels = window.pixels.iter();
                        for (pixel, values) in pixels.zip(values.chunks_exact(width)) {
                            let pixel = (picture * h * w + pixel) * 3 * channels;
                            let first = pixel + which * channels + index * width;
                            // SAFETY: a pixel is in one window, so only this task writes these channels of
                            // it; they are inside the buffer.
                            unsafe { std::slice::from_raw_parts_mut(target.at(first), width) }
                                .copy_from_slice(values);
                        }
                    }
                    slopes
                })
                .collect();
            for (task, slopes) in slopes.into_iter().enumerate() {
                for (from, row) in slopes.chunks_exact(tokens).enumerate() {
                    for (to, &grad) in row.iter().enumerate() {
                        let row = self.table_row(from, to);
                        of_table[row * self.heads + task % self.heads] += f64::from(grad);
                    }
                }
            }
        }
        let of_table = wants_table.then(|| {
            let sums = of_table.into_iter().map(|sum| sum as f32).collect();
            Tensor::from_stored(table.shape(), sums)
        });
        Ok(Gradients {
            inputs: vec![Some(Tensor::from_buffer(qkv.shape(), gradient))],
            parameters: vec![of_table],
        })
    }
}

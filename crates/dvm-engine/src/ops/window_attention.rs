//! Attention within windows of a feature map.

use rayon::prelude::*;

use super::attention::Head;
use super::{Call, Gradients, Needs, Op, Outcome, Site, feature_map};
use crate::Tensor;
use crate::buffer::Buffer;

/// Attention among the pixels of each window of a feature map (Swin, arXiv 2103.14030): queries, keys
/// and values side by side in the channels, `[N, 3 · C, H, W]`, become `[N, C, H, W]`. Both sides are
/// multiples of the window. Its parameter `[(2 · window − 1)², heads]` is added to the scores by how far
/// two pixels are apart. Windows begin `shift` pixels further down and to the right, those over the edge
/// taking up what the first ones leave, but pixels that are no neighbours do not see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAttention {
    /// Number of heads; divides C.
    pub heads: usize,
    /// Rows and columns of a window.
    pub window: usize,
    /// Rows and columns that windows are shifted by; ignored along an axis that one window covers.
    pub shift: usize,
}

/// One window: its pixels in storage, and which of them see each other.
struct Window {
    pixels: Vec<usize>,
    /// Pixels of different regions do not.
    regions: Vec<usize>,
}

impl WindowAttention {
    /// The windows of a map, in order.
    fn windows(&self, h: usize, w: usize) -> Vec<Window> {
        let m = self.window;
        let shift = |length: usize| if length <= m { 0 } else { self.shift };
        // Where a position of the shifted map lies in the map, and which of three stretches it is in:
        // before the last window, in its first part, or wrapped around.
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
                windows.push(Window { pixels, regions });
            }
        }
        windows
    }

    /// The row of the table for two pixels of a window.
    fn table_row(&self, from: usize, to: usize) -> usize {
        let m = self.window;
        let down = from / m + m - 1 - to / m;
        let right = from % m + m - 1 - to % m;
        down * (2 * m - 1) + right
    }

    fn head(&self, qkv: &[f32], channels: usize, window: &Window, head: usize) -> Head {
        let width = channels / self.heads;
        let part = |which: usize| -> Vec<f32> {
            let first = which * channels + head * width;
            let pixels = window.pixels.iter();
            pixels
                .flat_map(|pixel| &qkv[pixel * 3 * channels + first..][..width])
                .copied()
                .collect()
        };
        Head {
            q: part(0),
            k: part(1),
            v: part(2),
            tokens: window.pixels.len(),
            width,
        }
    }

    /// Who looks at whom.
    fn probabilities(
        &self,
        head: &Head,
        window: &Window,
        table: &Tensor,
        index: usize,
    ) -> Vec<f32> {
        head.probabilities(|from, row| {
            for (to, score) in row.iter_mut().enumerate() {
                *score += table.data()[self.table_row(from, to) * self.heads + index];
                // As torchvision masks.
                if window.regions[from] != window.regions[to] {
                    *score -= 100.0;
                }
            }
        })
    }
}

impl Op for WindowAttention {
    fn kind(&self) -> &'static str {
        "window_attention"
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("takes one input, not {}", inputs.len()));
        };
        let (n, wide, h, w) = feature_map(x)?;
        let m = self.window;
        let table = [(2 * m).saturating_sub(1).pow(2), self.heads];
        let fits = self.heads > 0
            && m > 0
            && self.shift < m
            && wide > 0
            && wide.is_multiple_of(3 * self.heads)
            && h.is_multiple_of(m)
            && w.is_multiple_of(m)
            && parameters == [&table[..]];
        if !fits {
            return Err(format!(
                "takes [N, 3 · C, H, W] of {} heads with sides that are multiples of {m}, and a table \
                 {table:?}, not {inputs:?} and {parameters:?}",
                self.heads
            ));
        }
        Ok(vec![n, wide / 3, h, w])
    }

    fn forward(&self, call: &Call) -> Outcome {
        let &[_, channels, h, w] = call.output_shape else {
            unreachable!("output_shape made it");
        };
        let (qkv, table) = (call.inputs[0], call.parameters[0]);
        let windows = self.windows(h, w);
        let width = channels / self.heads;
        let mut output = Buffer::stale(call.output_shape.iter().product());
        let maps = output.chunks_exact_mut(channels * h * w);
        for (output, qkv) in maps.zip(qkv.data().chunks_exact(3 * channels * h * w)) {
            let found: Vec<Vec<f32>> = (0..windows.len() * self.heads)
                .into_par_iter()
                .map(|task| {
                    let (window, index) = (&windows[task / self.heads], task % self.heads);
                    let head = self.head(qkv, channels, window, index);
                    head.attended(&self.probabilities(&head, window, table, index))
                })
                .collect();
            for (task, values) in found.into_iter().enumerate() {
                let (window, head) = (&windows[task / self.heads], task % self.heads);
                for (pixel, values) in window.pixels.iter().zip(values.chunks_exact(width)) {
                    output[pixel * channels + head * width..][..width].copy_from_slice(values);
                }
            }
        }
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, site: &Site, grad_output: Tensor) -> Result<Gradients, String> {
        let &[_, channels, h, w] = grad_output.shape() else {
            unreachable!("output_shape made it");
        };
        let (qkv, table) = (site.inputs[0], site.parameters[0]);
        let windows = self.windows(h, w);
        let width = channels / self.heads;
        let mut gradient = Buffer::stale(qkv.len());
        let mut of_table = vec![0.0f64; table.len()];
        let maps = gradient.chunks_exact_mut(3 * channels * h * w);
        let maps = maps.zip(qkv.data().chunks_exact(3 * channels * h * w));
        let grads = grad_output.data().chunks_exact(channels * h * w);
        for ((gradient, qkv), grad) in maps.zip(grads) {
            let found: Vec<(Head, Vec<f32>)> = (0..windows.len() * self.heads)
                .into_par_iter()
                .map(|task| {
                    let (window, index) = (&windows[task / self.heads], task % self.heads);
                    let head = self.head(qkv, channels, window, index);
                    let probabilities = self.probabilities(&head, window, table, index);
                    let pixels = window.pixels.iter();
                    let grad: Vec<f32> = pixels
                        .flat_map(|pixel| &grad[pixel * channels + index * width..][..width])
                        .copied()
                        .collect();
                    head.gradients(&probabilities, &grad)
                })
                .collect();
            for (task, (head, scores)) in found.into_iter().enumerate() {
                let (window, index) = (&windows[task / self.heads], task % self.heads);
                for (which, values) in [head.q, head.k, head.v].into_iter().enumerate() {
                    let first = which * channels + index * width;
                    for (pixel, values) in window.pixels.iter().zip(values.chunks_exact(width)) {
                        let target = &mut gradient[pixel * 3 * channels + first..][..width];
                        target.copy_from_slice(values);
                    }
                }
                let tokens = window.pixels.len();
                for (from, row) in scores.chunks_exact(tokens).enumerate() {
                    for (to, &grad) in row.iter().enumerate() {
                        of_table[self.table_row(from, to) * self.heads + index] += f64::from(grad);
                    }
                }
            }
        }
        let of_table = of_table.into_iter().map(|sum| sum as f32).collect();
        Ok(Gradients {
            inputs: vec![Some(Tensor::from_buffer(qkv.shape(), gradient))],
            parameters: vec![Some(Tensor::from_stored(table.shape(), of_table))],
        })
    }
}

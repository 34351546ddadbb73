//! Attention within windows of a feature map.

use dvm_engine::Tensor;
use dvm_engine::ops::window_attention::{UNSEEN, Window, WindowAttention};
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::OnGpu;
use super::attention::Heads;
use super::reduction::ordered;
use crate::kernels::copy::{View, copy};
use crate::kernels::index::{Part, indexed};
use crate::kernels::reduce::{Axes, How, reduced};
use crate::values::{Gpu, Values};

/// A map cut into windows.
struct Cut {
    windows: Vec<Window>,
    /// The pixel of each place, window by window.
    table: Values,
    batch: usize,
    channels: usize,
    pixels: usize,
    tokens: usize,
}

impl Cut {
    fn new(gpu: &Gpu, op: &WindowAttention, [n, channels, h, w]: [usize; 4]) -> Self {
        let windows = op.windows(h, w);
        let places = windows.iter().flat_map(|window| &window.pixels);
        let table: Vec<f32> = places.map(|&pixel| pixel as f32).collect();
        Self {
            table: gpu.upload(&table),
            windows,
            batch: n,
            channels,
            pixels: h * w,
            tokens: op.window * op.window,
        }
    }

    /// Pictures and windows, heads, tokens, features.
    fn sides(&self, op: &WindowAttention) -> [usize; 4] {
        let windows = self.batch * self.windows.len();
        [windows, op.heads, self.tokens, self.channels / op.heads]
    }

    /// Where the features of a head are in the rows of a window, of `wide` values each.
    fn view(&self, op: &WindowAttention, wide: usize, first: usize) -> View {
        View {
            first,
            steps: vec![self.tokens * wide, self.channels / op.heads, wide, 1],
        }
    }

    /// The pixels of a map with `wide` channels, window by window.
    fn gathered(&self, gpu: &Gpu, map: &Values, wide: usize) -> Values {
        self.moved(gpu, map, wide, false)
    }

    /// The inverse.
    fn scattered(&self, gpu: &Gpu, windows: &Values, wide: usize) -> Values {
        self.moved(gpu, windows, wide, true)
    }

    fn moved(&self, gpu: &Gpu, from: &Values, wide: usize, scatters: bool) -> Values {
        let to = gpu.empty(from.len());
        let whole = |values| Part {
            values,
            row: wide,
            first: 0,
        };
        let rows = (self.batch * self.pixels, wide);
        indexed(gpu, (whole(from), whole(&to)), &self.table, rows, scatters);
        to
    }

    fn heads(&self, gpu: &Gpu, op: &WindowAttention, qkv: &Values) -> Heads {
        let wide = 3 * self.channels;
        let rows = self.gathered(gpu, qkv, wide);
        let shape = self.sides(op);
        let part = |part: usize| {
            let view = self.view(op, wide, part * self.channels);
            ordered(gpu, &rows, &view, &shape)
        };
        Heads {
            parts: [part(0), part(1), part(2)],
            count: shape[0] * op.heads,
            tokens: self.tokens,
            width: shape[3],
        }
    }

    /// What is added to the scores, `[windows, heads, tokens, tokens]`.
    fn bias(&self, gpu: &Gpu, op: &WindowAttention, table: &Tensor) -> Values {
        let (t, table) = (self.tokens, table.data());
        let mut bias = Vec::with_capacity(self.windows.len() * op.heads * t * t);
        for window in &self.windows {
            for head in 0..op.heads {
                for (from, to) in (0..t).flat_map(|from| (0..t).map(move |to| (from, to))) {
                    let unseen = match window.regions[from] == window.regions[to] {
                        true => 0.0,
                        false => UNSEEN,
                    };
                    bias.push(table[op.table_row(from, to) * op.heads + head] + unseen);
                }
            }
        }
        gpu.upload(&bias)
    }
}

fn sides_of(shape: &[usize]) -> [usize; 4] {
    std::array::from_fn(|axis| shape[axis])
}

impl OnGpu for WindowAttention {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let cut = Cut::new(gpu, self, sides_of(call.output_shape));
        let heads = cut.heads(gpu, self, &gpu.of(call.inputs[0]));
        let bias = cut.bias(gpu, self, call.parameters[0]);
        let attended = heads.attended(gpu, &heads.probabilities(gpu, Some(&bias)));
        let (shape, rows) = (cut.sides(self), gpu.empty(attended.len()));
        let to = cut.view(self, cut.channels, 0);
        copy(gpu, (&attended, &View::rows(&shape)), (&rows, &to), &shape);
        super::value(cut.scattered(gpu, &rows, cut.channels), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let (qkv, table) = (call.inputs[0], call.parameters[0]);
        let cut = Cut::new(gpu, self, sides_of(gradient.shape()));
        let heads = cut.heads(gpu, self, &gpu.of(qkv));
        let bias = cut.bias(gpu, self, table);
        let probabilities = heads.probabilities(gpu, Some(&bias));
        let shape = cut.sides(self);
        let rows = cut.gathered(gpu, &gpu.of(gradient), cut.channels);
        let g = ordered(gpu, &rows, &cut.view(self, cut.channels, 0), &shape);
        let (found, of_scores) = heads.gradients(gpu, &probabilities, &g);
        let wide = 3 * cut.channels;
        let rows = gpu.empty(qkv.len());
        for (part, values) in found.iter().enumerate() {
            let to = cut.view(self, wide, part * cut.channels);
            copy(gpu, (values, &View::rows(&shape)), (&rows, &to), &shape);
        }
        let of_input = cut.scattered(gpu, &rows, wide).tensor(qkv.shape());
        let of_table = call.wants_parameter[0].then(|| {
            let pairs = [shape[0], self.heads, cut.tokens * cut.tokens];
            let of_pairs = summed_over_windows(gpu, &of_scores, pairs);
            table_gradient(self, &of_pairs, cut.tokens, table.shape())
        });
        Some(Gradients {
            inputs: vec![Some(of_input)],
            parameters: vec![of_table],
        })
    }
}

/// The sums of `[windows, heads, pairs]` over the windows.
fn summed_over_windows(gpu: &Gpu, values: &Values, shape: [usize; 3]) -> Tensor {
    let view = View::rows(&shape);
    let kept = Axes::chosen(&shape, (&view, &view), |axis| axis > 0);
    let summed = Axes::chosen(&shape, (&view, &view), |axis| axis == 0);
    let sums = reduced(gpu, (values, values), &kept, &summed, How::Sum);
    sums.tensor(&shape[1..])
}

/// The gradient of the table, from that of each head's bias `[heads, tokens · tokens]`.
fn table_gradient(op: &WindowAttention, of_pairs: &Tensor, t: usize, shape: &[usize]) -> Tensor {
    let mut sums = vec![0.0f64; shape.iter().product()];
    for (head, pairs) in of_pairs.data().chunks_exact(t * t).enumerate() {
        for (pair, &g) in pairs.iter().enumerate() {
            sums[op.table_row(pair / t, pair % t) * op.heads + head] += f64::from(g);
        }
    }
    Tensor::from_stored(shape, sums.into_iter().map(|sum| sum as f32).collect())
}

//! A second implementation of every op's forward pass: f64, row-major, one loop per index, simple enough to
//! be checked by reading.

pub mod loose;
pub mod transformers;

use dvm_engine::Tensor;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};

/// Row-major values with a shape.
#[derive(Clone)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Array {
    pub fn of(tensor: &Tensor) -> Self {
        Self {
            shape: tensor.shape().to_vec(),
            values: tensor.to_nchw().into_iter().map(f64::from).collect(),
        }
    }

    /// A value for every index `[n, c, y, x]`.
    fn from_indices(shape: [usize; 4], f: impl Fn([usize; 4]) -> f64) -> Self {
        let mut values = Vec::new();
        for n in 0..shape[0] {
            for c in 0..shape[1] {
                for y in 0..shape[2] {
                    for x in 0..shape[3] {
                        values.push(f([n, c, y, x]));
                    }
                }
            }
        }
        let shape = shape.to_vec();
        Self { shape, values }
    }

    /// A value for every index of a shape of any rank.
    fn of_indices(shape: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Self {
        let count: usize = shape.iter().product();
        let mut values = Vec::new();
        for flat in 0..count {
            let mut rest = flat;
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            values.push(f(&index));
        }
        let shape = shape.to_vec();
        Self { shape, values }
    }

    /// The value at an index of any rank.
    fn get(&self, index: &[usize]) -> f64 {
        assert_eq!(index.len(), self.shape.len());
        let pairs = index.iter().zip(&self.shape);
        self.values[pairs.fold(0, |flat, (i, side)| flat * side + i)]
    }

    fn dimensions(&self) -> [usize; 4] {
        self.shape[..].try_into().expect("a feature map")
    }

    fn at(&self, [n, c, y, x]: [usize; 4]) -> f64 {
        let [_, channels, h, w] = self.dimensions();
        self.values[((n * channels + c) * h + y) * w + x]
    }

    /// The value at a pixel that may be outside of the map.
    fn at_or_none(&self, n: usize, c: usize, y: isize, x: isize) -> Option<f64> {
        let [_, _, h, w] = self.dimensions();
        let inside = y >= 0 && x >= 0 && y < h as isize && x < w as isize;
        inside.then(|| self.at([n, c, y as usize, x as usize]))
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let values = self.values.iter().map(|&v| f(v)).collect();
        Self {
            shape: self.shape.clone(),
            values,
        }
    }

    fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        assert_eq!(self.shape, other.shape);
        let pairs = self.values.iter().zip(&other.values);
        Self {
            shape: self.shape.clone(),
            values: pairs.map(|(&a, &b)| f(a, b)).collect(),
        }
    }
}

/// TensorFlow's definition of `SAME`, for one axis: pixels before and after.
fn same(length: usize, kernel: usize, stride: usize, dilation: usize) -> (usize, usize) {
    let outputs = length.div_ceil(stride) as isize;
    let reach = ((kernel - 1) * dilation + 1) as isize;
    let total = ((outputs - 1) * stride as isize + reach - length as isize).max(0) as usize;
    (total / 2, total - total / 2)
}

pub fn conv2d(conv: &Conv2d, x: &Array, weight: &Array, bias: Option<&Array>) -> Array {
    let [n, _, h, w] = x.dimensions();
    let [outputs, per_group, kh, kw] = weight.dimensions();
    let (dy, dx) = conv.dilation;
    let border = match conv.padding {
        Padding::Fixed(border) => border,
        Padding::Same => {
            let (top, bottom) = same(h, kh, conv.stride.0, dy);
            let (left, right) = same(w, kw, conv.stride.1, dx);
            Border {
                top,
                left,
                bottom,
                right,
            }
        }
    };
    let oh = (h + border.top + border.bottom - dy * (kh - 1) - 1) / conv.stride.0 + 1;
    let ow = (w + border.left + border.right - dx * (kw - 1) - 1) / conv.stride.1 + 1;
    Array::from_indices([n, outputs, oh, ow], |[n, o, y, x_out]| {
        let group = o / (outputs / conv.groups);
        let mut sum = bias.map_or(0.0, |bias| bias.values[o]);
        for i in 0..per_group {
            for ky in 0..kh {
                for kx in 0..kw {
                    let iy = (y * conv.stride.0 + ky * dy) as isize - border.top as isize;
                    let ix = (x_out * conv.stride.1 + kx * dx) as isize - border.left as isize;
                    if let Some(value) = x.at_or_none(n, group * per_group + i, iy, ix) {
                        sum += value * weight.at([o, i, ky, kx]);
                    }
                }
            }
        }
        sum
    })
}

/// Over the channels of maps, or the last axis of other values.
pub fn linear(x: &Array, weight: &Array, bias: Option<&Array>) -> Array {
    let axis = if x.shape.len() == 4 {
        1
    } else {
        x.shape.len() - 1
    };
    let mut shape = x.shape.clone();
    shape[axis] = weight.shape[0];
    Array::of_indices(&shape, |index| {
        let o = index[axis];
        let mut sum = bias.map_or(0.0, |bias| bias.values[o]);
        for i in 0..weight.shape[1] {
            let mut from = index.to_vec();
            from[axis] = i;
            sum += x.get(&from) * weight.get(&[o, i]);
        }
        sum
    })
}

/// `(x − mean) / √(variance + eps) · weight + bias` with these statistics, one per channel.
pub fn batch_norm(x: &Array, eps: f32, [weight, bias, mean, variance]: [&Array; 4]) -> Array {
    let channels = x.shape[1];
    let pixels: usize = x.shape[2..].iter().product();
    let mut y = x.clone();
    for (index, value) in y.values.iter_mut().enumerate() {
        let c = index / pixels % channels;
        let deviation = (variance.values[c] + f64::from(eps)).sqrt();
        *value = (*value - mean.values[c]) / deviation * weight.values[c] + bias.values[c];
    }
    y
}

/// Mean and variance (divided by the count) of each channel, `[C]` each.
pub fn batch_statistics(x: &Array) -> (Array, Array) {
    let channels = x.shape[1];
    let pixels: usize = x.shape[2..].iter().product();
    let mut mean = vec![0.0; channels];
    let mut variance = vec![0.0; channels];
    for c in 0..channels {
        let own: Vec<f64> = (0..x.values.len())
            .filter(|index| index / pixels % channels == c)
            .map(|index| x.values[index])
            .collect();
        let count = own.len() as f64;
        mean[c] = own.iter().sum::<f64>() / count;
        variance[c] = own.iter().map(|v| (v - mean[c]).powi(2)).sum::<f64>() / count;
    }
    let array = |values| Array {
        shape: vec![channels],
        values,
    };
    (array(mean), array(variance))
}

pub fn activation(activation: Activation, x: &Array) -> Array {
    use std::f64::consts::PI;
    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
    x.map(|v| match activation {
        Activation::Relu => v.max(0.0),
        Activation::Relu6 => v.clamp(0.0, 6.0),
        Activation::Silu => v * sigmoid(v),
        Activation::Gelu => v * normal_probability(v),
        Activation::GeluTanh => {
            0.5 * v * (1.0 + ((2.0 / PI).sqrt() * (v + 0.044715 * v.powi(3))).tanh())
        }
        Activation::Sigmoid => sigmoid(v),
        Activation::Hardswish => v * (v + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Hardsigmoid => (v + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Tanh => v.tanh(),
        Activation::LeakyRelu(slope) => v.max(0.0) + f64::from(slope) * v.min(0.0),
        Activation::Elu(factor) => v.max(0.0) + f64::from(factor) * (v.min(0.0).exp() - 1.0),
        Activation::Softplus => (1.0 + v.exp()).ln(),
        Activation::Mish => v * (1.0 + v.exp()).ln().tanh(),
        Activation::ClippedRelu(high) => v.max(0.0).min(f64::from(high)),
        Activation::SquaredRelu => v.max(0.0).powi(2),
        Activation::ThresholdedRelu(threshold) => v * f64::from(u8::from(v > f64::from(threshold))),
        Activation::Selu { alpha, gamma } => {
            f64::from(gamma) * (v.max(0.0) + f64::from(alpha) * (v.min(0.0).exp() - 1.0))
        }
        Activation::Celu(alpha) => {
            let alpha = f64::from(alpha);
            v.max(0.0) + alpha * ((v.min(0.0) / alpha).exp() - 1.0)
        }
        Activation::Swish(factor) => v * sigmoid(f64::from(factor) * v),
        Activation::Softsign => v / (1.0 + v.abs()),
        Activation::Shrink { lambda, bias } => {
            let outside = v.abs() > f64::from(lambda);
            f64::from(u8::from(outside)) * (v - v.signum() * f64::from(bias))
        }
        Activation::HardsigmoidOf { slope, offset } => {
            (f64::from(slope) * v + f64::from(offset)).clamp(0.0, 1.0)
        }
    })
}

pub fn prelu(x: &Array, slopes: &Array) -> Array {
    let missing = x.shape.len() - slopes.shape.len();
    Array::of_indices(&x.shape, |index| {
        let own = slopes.shape.iter().zip(&index[missing..]);
        let own: Vec<usize> = own.map(|(&side, &at)| at.min(side - 1)).collect();
        let value = x.get(index);
        value.max(0.0) + slopes.get(&own) * value.min(0.0)
    })
}

pub fn local_response_norm(x: &Array, norm: LocalResponseNorm) -> Array {
    let mean_over = (norm.before + norm.after + 1) as f64;
    Array::of_indices(&x.shape, |index| {
        let neighbours = (0..x.shape[1]).filter(|channel| {
            *channel + norm.before >= index[1] && *channel <= index[1] + norm.after
        });
        let squares = neighbours.map(|channel| {
            let mut index = index.to_vec();
            index[1] = channel;
            x.get(&index).powi(2)
        });
        let sum = f64::from(norm.bias) + f64::from(norm.alpha) / mean_over * squares.sum::<f64>();
        x.get(index) / sum.powf(f64::from(norm.beta))
    })
}

/// Φ(x), integrated by Simpson's rule from 0.
fn normal_probability(x: f64) -> f64 {
    const STEPS: usize = 400;
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let step = x / STEPS as f64;
    let mut sum = density(0.0) + density(x);
    for i in 1..STEPS {
        sum += density(i as f64 * step) * if i % 2 == 1 { 4.0 } else { 2.0 };
    }
    0.5 + sum * step / 3.0
}

/// The windows of one axis in input coordinates, cut to the padded input.
fn windows(
    length: usize,
    kernel: usize,
    stride: usize,
    (before, after): (usize, usize),
    ceil: bool,
) -> Vec<(isize, isize)> {
    let (first, end) = (-(before as isize), (length + after) as isize);
    let mut all = Vec::new();
    let mut start = first;
    loop {
        let whole = start + kernel as isize <= end;
        let overhangs = ceil && start < length as isize;
        // Only the last window can cross the edge: it exists if the window before it does not reach the end.
        let previous_reaches_the_end = all.last().is_some_and(|&(_, e): &(isize, isize)| e == end);
        if !(whole || overhangs && !previous_reaches_the_end) {
            return all;
        }
        all.push((start, (start + kernel as isize).min(end)));
        start += stride as isize;
    }
}

/// PyTorch's adaptive windows of one axis: `floor(i·L/n) .. ceil((i+1)·L/n)`.
fn adaptive_windows(length: usize, outputs: usize) -> Vec<(isize, isize)> {
    (0..outputs)
        .map(|i| {
            let start = (i * length) as f64 / outputs as f64;
            let end = ((i + 1) * length) as f64 / outputs as f64;
            (start.floor() as isize, end.ceil() as isize)
        })
        .collect()
}

pub fn pool(pool: &Pool, x: &Array) -> Array {
    let [n, c, h, w] = x.dimensions();
    let (rows, columns) = match pool.windows {
        Windows::Adaptive { output } => {
            (adaptive_windows(h, output.0), adaptive_windows(w, output.1))
        }
        Windows::Sliding {
            kernel,
            stride,
            padding: p,
            ceil,
        } => (
            windows(h, kernel.0, stride.0, (p.top, p.bottom), ceil),
            windows(w, kernel.1, stride.1, (p.left, p.right), ceil),
        ),
    };
    Array::from_indices([n, c, rows.len(), columns.len()], |[n, c, i, j]| {
        let (mut inside, mut padded) = (Vec::new(), 0);
        for y in rows[i].0..rows[i].1 {
            for x_in in columns[j].0..columns[j].1 {
                padded += 1;
                inside.extend(x.at_or_none(n, c, y, x_in));
            }
        }
        let count = match pool.reduction {
            Reduction::Max => return inside.into_iter().fold(f64::NEG_INFINITY, f64::max),
            Reduction::Mean {
                count_padding: true,
            } => padded,
            Reduction::Mean {
                count_padding: false,
            } => inside.len(),
        };
        inside.iter().sum::<f64>() / count as f64
    })
}

pub fn add(a: &Array, b: &Array) -> Array {
    a.zip(b, |a, b| a + b)
}

/// The product; a factor `[N, C, 1, 1]` is first broadcast to the pixels.
pub fn mul(a: &Array, b: &Array) -> Array {
    let pixels = |array: &Array| array.shape.iter().skip(2).product::<usize>();
    let spread = |narrow: &Array, like: &Array| {
        Array::from_indices(like.dimensions(), |[n, c, _, _]| narrow.at([n, c, 0, 0]))
    };
    match (pixels(a), pixels(b)) {
        (1, many) if many > 1 => spread(a, b).zip(b, |a, b| a * b),
        (many, 1) if many > 1 => a.zip(&spread(b, a), |a, b| a * b),
        _ => a.zip(b, |a, b| a * b),
    }
}

pub fn concat(inputs: &[Array]) -> Array {
    let mut shape = inputs[0].shape.clone();
    shape[1] = inputs.iter().map(|i| i.shape[1]).sum();
    let mut values = Vec::new();
    for n in 0..shape[0] {
        for input in inputs {
            let own: usize = input.shape[1..].iter().product();
            values.extend_from_slice(&input.values[n * own..(n + 1) * own]);
        }
    }
    Array { shape, values }
}

pub fn flatten(x: &Array) -> Array {
    Array {
        shape: vec![x.shape[0], x.shape[1..].iter().product()],
        values: x.values.clone(),
    }
}

pub fn softmax(x: &Array) -> Array {
    let mut y = x.map(f64::exp);
    for row in y.values.chunks_exact_mut(x.shape[1]) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    y
}

/// The product with a given mask.
pub fn dropout(x: &Array, mask: &Array) -> Array {
    x.zip(mask, |x, m| x * m)
}

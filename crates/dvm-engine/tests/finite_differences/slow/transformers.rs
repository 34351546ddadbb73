//! Slow implementations of the ops of transformers.

use dvm_engine::ops::window_attention::WindowAttention;

use super::Array;

pub fn layer_norm(x: &Array, eps: f32, weight: &Array, bias: &Array) -> Array {
    // The features are the channels of maps, or the last axis of other values.
    let axis = if x.shape.len() == 4 {
        1
    } else {
        x.shape.len() - 1
    };
    let count = x.shape[axis];
    Array::of_indices(&x.shape, |index| {
        let along = |feature: usize| {
            let mut index = index.to_vec();
            index[axis] = feature;
            x.get(&index)
        };
        let mean = (0..count).map(along).sum::<f64>() / count as f64;
        let squares = (0..count).map(|i| (along(i) - mean).powi(2));
        let variance = squares.sum::<f64>() / count as f64;
        let normalised = (x.get(index) - mean) / (variance + f64::from(eps)).sqrt();
        normalised * weight.values[index[axis]] + bias.values[index[axis]]
    })
}

/// `Σ weight · value` over the keys, by the softmax of these scores.
fn weighed(scores: &[f64], value: impl Fn(usize) -> f64) -> f64 {
    let sum: f64 = scores.iter().map(|s| s.exp()).sum();
    let all = scores.iter().enumerate();
    all.map(|(key, s)| s.exp() / sum * value(key)).sum()
}

pub fn attention(qkv: &Array, heads: usize) -> Array {
    let (n, tokens, features) = (qkv.shape[0], qkv.shape[1], qkv.shape[2] / 3);
    let width = features / heads;
    Array::of_indices(&[n, tokens, features], |index| {
        let (picture, query, feature) = (index[0], index[1], index[2]);
        let first = feature / width * width;
        let score = |key: usize| {
            let products = (first..first + width)
                .map(|d| qkv.get(&[picture, query, d]) * qkv.get(&[picture, key, features + d]));
            products.sum::<f64>() / (width as f64).sqrt()
        };
        let scores: Vec<f64> = (0..tokens).map(score).collect();
        weighed(&scores, |key| {
            qkv.get(&[picture, key, 2 * features + feature])
        })
    })
}

/// Attention of each pixel to the pixels whose position on the shifted map is in the same window.
pub fn window_attention(op: &WindowAttention, qkv: &Array, table: &Array) -> Array {
    let [n, wide, h, w] = qkv.dimensions();
    let (features, m) = (wide / 3, op.window);
    let width = features / op.heads;
    let shift = |side: usize| if side == m { 0 } else { op.shift };
    // The position on the shifted map, and whether it was wrapped around the edge.
    let place = |at: usize, side: usize| ((at + side - shift(side)) % side, at < shift(side));
    Array::of_indices(&[n, features, h, w], |index| {
        let (picture, feature) = (index[0], index[1]);
        let head = feature / width;
        let (mut scores, mut values) = (Vec::new(), Vec::new());
        let ((row, above), (column, left)) = (place(index[2], h), place(index[3], w));
        for y in 0..h {
            for x in 0..w {
                let ((to_row, to_above), (to_column, to_left)) = (place(y, h), place(x, w));
                if (to_row / m, to_column / m) != (row / m, column / m) {
                    continue;
                }
                let products = (head * width..(head + 1) * width).map(|d| {
                    qkv.get(&[picture, d, index[2], index[3]])
                        * qkv.get(&[picture, features + d, y, x])
                });
                let down = row % m + m - 1 - to_row % m;
                let right = column % m + m - 1 - to_column % m;
                let bias = table.get(&[down * (2 * m - 1) + right, head]);
                let mut score = products.sum::<f64>() / (width as f64).sqrt() + bias;
                if (above, left) != (to_above, to_left) {
                    score -= 100.0;
                }
                scores.push(score);
                values.push(qkv.get(&[picture, 2 * features + feature, y, x]));
            }
        }
        weighed(&scores, |key| values[key])
    })
}

pub fn scale(x: &Array, factors: &Array) -> Array {
    Array::of_indices(&x.shape, |index| x.get(index) * factors.values[index[1]])
}

pub fn channel_affine(x: &Array, factor: &[f32], shift: &[f32]) -> Array {
    Array::of_indices(&x.shape, |index| {
        x.get(index) * f64::from(factor[index[1]]) + f64::from(shift[index[1]])
    })
}

/// Channel `i` of group `g` moves to position `i · groups + g`.
pub fn channel_shuffle(x: &Array, groups: usize) -> Array {
    let each = x.shape[1] / groups;
    Array::of_indices(&x.shape, |index| {
        let channel = index[1] % groups * each + index[1] / groups;
        x.get(&[index[0], channel, index[2], index[3]])
    })
}

/// Each picture times its factor.
pub fn stochastic_depth(x: &Array, factors: &Array) -> Array {
    Array::of_indices(&x.shape, |index| x.get(index) * factors.values[index[0]])
}

pub fn tokens(x: &Array) -> Array {
    let [n, c, h, w] = x.dimensions();
    Array::of_indices(&[n, h * w, c], |index| {
        x.get(&[index[0], index[2], index[1] / w, index[1] % w])
    })
}

pub fn repeat(x: &Array, parameter: &Array) -> Array {
    let mut shape = parameter.shape.clone();
    shape[0] = x.shape[0];
    Array::of_indices(&shape, |index| {
        let mut index = index.to_vec();
        index[0] = 0;
        parameter.get(&index)
    })
}

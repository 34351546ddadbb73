//! Attention of all tokens.

use dvm_engine::Tensor;
use dvm_engine::ops::attention::Attention;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::OnGpu;
use super::reduction::ordered;
use crate::kernels::copy::{View, copy};
use crate::kernels::product::{Finish, Matrix, Sliding, product};
use crate::kernels::rows::{softmax, softmax_back};
use crate::values::{Gpu, Values};

/// Queries, keys and values of many heads, `[heads, tokens, width]` each.
pub(super) struct Heads {
    pub parts: [Values; 3],
    /// Heads of all pictures or windows.
    pub count: usize,
    pub tokens: usize,
    pub width: usize,
}

impl Heads {
    fn product(&self, gpu: &Gpu, a: Matrix, b: Matrix, size: [usize; 3]) -> Values {
        let [m, n, k] = size;
        let size = [self.count, m, n, k];
        product(gpu, (a, b), size, Sliding::default(), Finish::default())
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// A matrix `[tokens, width]` per head, and its transpose.
    fn features<'a>(&self, values: &'a Values) -> [Matrix<'a>; 2] {
        let (t, d) = (self.tokens, self.width);
        [
            Matrix::stored(values, [t * d, d, 1]),
            Matrix::stored(values, [t * d, 1, d]),
        ]
    }

    /// A matrix `[tokens, tokens]` per head, and its transpose.
    fn pairs<'a>(&self, values: &'a Values) -> [Matrix<'a>; 2] {
        let t = self.tokens;
        [
            Matrix::stored(values, [t * t, t, 1]),
            Matrix::stored(values, [t * t, 1, t]),
        ]
    }

    /// The probabilities `[heads, tokens, tokens]`; a bias is added to the scores, whose heads repeat.
    pub fn probabilities(&self, gpu: &Gpu, bias: Option<&Values>) -> Values {
        let (t, d) = (self.tokens, self.width);
        let [queries, keys, _] = &self.parts;
        let (queries, keys) = (self.features(queries)[0], self.features(keys)[1]);
        let scores = self.product(gpu, queries, keys, [t, t, d]);
        softmax(gpu, &scores, bias, (t, self.scale()))
    }

    /// The weighted means of the values, `[heads, tokens, width]`.
    pub fn attended(&self, gpu: &Gpu, probabilities: &Values) -> Values {
        let (t, d) = (self.tokens, self.width);
        let (weights, values) = (
            self.pairs(probabilities)[0],
            self.features(&self.parts[2])[0],
        );
        self.product(gpu, weights, values, [t, d, t])
    }

    /// The gradients of queries, keys and values, and that of the scores after the bias was added.
    pub fn gradients(
        &self,
        gpu: &Gpu,
        probabilities: &Values,
        gradient: &Values,
    ) -> ([Values; 3], Values) {
        let (t, d) = (self.tokens, self.width);
        let [queries, keys, values] = &self.parts;
        let [g, _] = self.features(gradient);
        let of_values = self.product(gpu, self.pairs(probabilities)[1], g, [t, d, t]);
        let of_weights = self.product(gpu, g, self.features(values)[1], [t, t, d]);
        let of_scores = softmax_back(gpu, probabilities, &of_weights, (t, 1.0));
        let scaled = crate::kernels::pointwise::affine(gpu, &of_scores, self.scale(), 0.0);
        let [rows, columns] = self.pairs(&scaled);
        let of_queries = self.product(gpu, rows, self.features(keys)[0], [t, d, t]);
        let of_keys = self.product(gpu, columns, self.features(queries)[0], [t, d, t]);
        ([of_queries, of_keys, of_values], of_scores)
    }
}

/// Where the features of a head are in `[N, T, parts · D]`, for the axes picture, head, token, feature.
fn view([tokens, wide, width]: [usize; 3], part: usize, features: usize) -> View {
    View {
        first: part * features,
        steps: vec![tokens * wide, width, wide, 1],
    }
}

/// Picture, head, token, feature.
fn sides(op: &Attention, [n, t, features]: [usize; 3]) -> [usize; 4] {
    [n, op.heads, t, features / op.heads]
}

fn heads(gpu: &Gpu, op: &Attention, qkv: &Tensor) -> Heads {
    let &[n, t, wide] = qkv.shape() else {
        unreachable!("output_shape checked the rank");
    };
    let features = wide / 3;
    let shape = sides(op, [n, t, features]);
    let values = gpu.of(qkv);
    let part = |part: usize| {
        let view = view([t, wide, shape[3]], part, features);
        ordered(gpu, &values, &view, &shape)
    };
    Heads {
        parts: [part(0), part(1), part(2)],
        count: n * op.heads,
        tokens: t,
        width: shape[3],
    }
}

impl OnGpu for Attention {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let heads = heads(gpu, self, call.inputs[0]);
        let attended = heads.attended(gpu, &heads.probabilities(gpu, None));
        let &[n, t, features] = call.output_shape else {
            return None;
        };
        let shape = sides(self, [n, t, features]);
        let y = gpu.empty(attended.len());
        let to = view([t, features, heads.width], 0, 0);
        copy(gpu, (&attended, &View::rows(&shape)), (&y, &to), &shape);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let &[n, t, features] = gradient.shape() else {
            return None;
        };
        let heads = heads(gpu, self, call.inputs[0]);
        let shape = sides(self, [n, t, features]);
        let from = view([t, features, heads.width], 0, 0);
        let g = ordered(gpu, &gpu.of(gradient), &from, &shape);
        let probabilities = heads.probabilities(gpu, None);
        let (found, _) = heads.gradients(gpu, &probabilities, &g);
        let of_input = gpu.empty(call.inputs[0].len());
        for (part, values) in found.iter().enumerate() {
            let to = view([t, 3 * features, heads.width], part, features);
            copy(gpu, (values, &View::rows(&shape)), (&of_input, &to), &shape);
        }
        super::gradient(of_input, call.inputs[0].shape())
    }
}

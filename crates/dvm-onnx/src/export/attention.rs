//! Attention.

use dvm_engine::ops::attention::Attention;

use super::attribute::{int, ints};
use super::writer::{Site, Writer, Written};

pub(super) fn write(writer: &mut Writer, site: &Site) -> Written {
    let Some(attention) = site.node.op_as::<Attention>() else {
        return Ok(None);
    };
    let &[_, tokens, width] = site.output else {
        return Err(format!("which makes {:?}", site.output));
    };
    let heads = Heads {
        heads: attention.heads,
        tokens,
        width,
    };
    let [q, k, v] = heads.split(writer, site, site.inputs[0]);
    let scores = heads.scores(writer, site, &q, &k);
    let attended = heads.attended(writer, site, &scores, &v);
    let sides = [-1, tokens as i64, width as i64];
    let sides = writer.whole(&sides);
    writer.last(site, "Reshape", &[&attended, &sides], vec![])
}

/// Tokens of several heads, `width` features of all of them together.
pub(super) struct Heads {
    pub heads: usize,
    pub tokens: usize,
    pub width: usize,
}

impl Heads {
    /// Queries `[N, heads, T, d]`, keys `[N, heads, d, T]` and values `[N, heads, T, d]` of
    /// `[N, T, 3 · width]`.
    pub fn split(&self, writer: &mut Writer, site: &Site, qkv: &str) -> [String; 3] {
        let parts = ["queries", "keys", "values"];
        let axis = vec![int("axis", 2)];
        let parts = writer.steps(site, &parts, "Split", &[qkv], axis);
        let (tokens, heads) = (self.tokens as i64, self.heads as i64);
        let sides = [-1, tokens, heads, self.width as i64 / heads];
        let orders = [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]];
        std::array::from_fn(|part| {
            let name = ["q", "k", "v"][part];
            let split = writer.reshape(site, &format!("{name}_split"), &parts[part], &sides);
            writer.transpose(site, name, &split, &orders[part])
        })
    }

    /// How much each token looks at each, before the softmax, `[N, heads, T, T]`.
    pub fn scores(&self, writer: &mut Writer, site: &Site, q: &str, k: &str) -> String {
        let products = writer.step(site, "products", "MatMul", &[q, k], vec![]);
        let scale = 1.0 / ((self.width / self.heads) as f32).sqrt();
        let scale = writer.scalar(scale);
        writer.step(site, "scores", "Mul", &[&products, &scale], vec![])
    }

    /// The mean of the values looked at, `[N, T, heads, d]`.
    pub fn attended(&self, writer: &mut Writer, site: &Site, scores: &str, v: &str) -> String {
        let axis = vec![int("axis", 3)];
        let looks = writer.step(site, "looks", "Softmax", &[scores], axis);
        let found = writer.step(site, "found", "MatMul", &[&looks, v], vec![]);
        let order = vec![ints("perm", &[0, 2, 1, 3])];
        writer.step(site, "tokens", "Transpose", &[&found], order)
    }
}

//! Attention.

use dvm_engine::ops::attention::Attention;

use super::attribute::{int, ints};
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    let Some(attention) = ctx.node.op_as::<Attention>() else {
        return Ok(None);
    };
    let &[_, tokens, width] = ctx.output else {
        return Err(format!("computes shape {:?}", ctx.output));
    };
    let heads = Heads {
        heads: attention.heads,
        tokens,
        width,
    };
    let [q, k, v] = heads.split(writer, ctx, ctx.inputs[0]);
    let scores = heads.scores(writer, ctx, &q, &k);
    let attended = heads.attended(writer, ctx, &scores, &v);
    let sides = [-1, tokens as i64, width as i64];
    let sides = writer.integers(&sides);
    writer.last(ctx, "Reshape", &[&attended, &sides], vec![])
}

/// The sizes of multi-head attention; `width` is the features of all heads together.
pub(super) struct Heads {
    pub heads: usize,
    pub tokens: usize,
    pub width: usize,
}

impl Heads {
    /// Splits `[N, T, 3 · width]` into queries `[N, heads, T, d]`, keys `[N, heads, d, T]` and values `[N, heads, T, d]`.
    pub fn split(&self, writer: &mut Writer, ctx: &ExportContext, qkv: &str) -> [String; 3] {
        let parts = ["queries", "keys", "values"];
        let axis = vec![int("axis", 2)];
        let parts = writer.steps(ctx, &parts, "Split", &[qkv], axis);
        let (tokens, heads) = (self.tokens as i64, self.heads as i64);
        let sides = [-1, tokens, heads, self.width as i64 / heads];
        let orders = [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]];
        std::array::from_fn(|part| {
            let name = ["q", "k", "v"][part];
            let split = writer.reshape(ctx, &format!("{name}_split"), &parts[part], &sides);
            writer.transpose(ctx, name, &split, &orders[part])
        })
    }

    /// The scores before the softmax, `[N, heads, T, T]`.
    pub fn scores(&self, writer: &mut Writer, ctx: &ExportContext, q: &str, k: &str) -> String {
        let products = writer.step(ctx, "products", "MatMul", &[q, k], vec![]);
        let scale = 1.0 / ((self.width / self.heads) as f32).sqrt();
        let scale = writer.scalar(scale);
        writer.step(ctx, "scores", "Mul", &[&products, &scale], vec![])
    }

    /// The attended values, `[N, T, heads, d]`.
    pub fn attended(
        &self,
        writer: &mut Writer,
        ctx: &ExportContext,
        scores: &str,
        v: &str,
    ) -> String {
        let axis = vec![int("axis", 3)];
        let looks = writer.step(ctx, "looks", "Softmax", &[scores], axis);
        let found = writer.step(ctx, "found", "MatMul", &[&looks, v], vec![]);
        let order = vec![ints("perm", &[0, 2, 1, 3])];
        writer.step(ctx, "tokens", "Transpose", &[&found], order)
    }
}

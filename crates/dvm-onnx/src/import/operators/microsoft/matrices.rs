//! Matrix products fused with transpositions, scales, sums or activations.

use super::super::Table;
use super::super::expansion::{ints, number};
use super::super::shapes::sides;
use super::convolution::activated;
use crate::import::{Import, NodeContext, Result, Value};

pub(super) const TABLE: Table = &[
    ("FusedMatMul", fused_mat_mul),
    ("TransposeMatMul", fused_mat_mul),
    ("FusedGemm", fused_gemm),
];

/// `alpha · A · B`, each optionally transposed.
fn fused_mat_mul(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let name = ctx.name;
    let mut inputs = Vec::new();
    for (index, which) in ["A", "B"].into_iter().enumerate() {
        let value = ctx.value(index)?.clone();
        let rank = sides(import, &value)?.len();
        let order = order(
            rank,
            ctx.int(&format!("trans{which}"), 0) != 0,
            ctx.int(&format!("transBatch{which}"), 0) != 0,
        );
        if order.is_sorted() {
            inputs.push(Some(value));
            continue;
        }
        let order = ints("perm", &order);
        let name = format!("{name}.{which}");
        let turned = import.standard_op("Transpose", &name, vec![Some(value)], &[order])?;
        inputs.push(Some(turned));
    }
    // If one input is constant, the factor is multiplied with it.
    let factor = ctx.float("alpha", 1.0);
    let weights = inputs
        .iter()
        .position(|input| matches!(input, Some(Value::Constant(_))));
    if let (Some(weights), true) = (weights, factor != 1.0) {
        let scaled = vec![inputs[weights].take(), number(factor)];
        inputs[weights] =
            Some(import.standard_op("Mul", &format!("{name}.weights"), scaled, &[])?);
    }
    let product = import.standard_op("MatMul", name, inputs, &[])?;
    if weights.is_some() || factor == 1.0 {
        return Ok(vec![product]);
    }
    let scaled = vec![Some(product), number(factor)];
    let made = import.standard_op("Mul", &format!("{name}.scaled"), scaled, &[])?;
    Ok(vec![made])
}

/// The order of axes of an input: its first axis moved after all others of the stack, and the last two swapped.
fn order(rank: usize, is_transposed: bool, is_stack_last: bool) -> Vec<i64> {
    let mut order: Vec<i64> = (0..rank as i64).collect();
    if rank >= 2 && is_stack_last {
        order[..rank - 1].rotate_left(1);
    }
    if rank >= 2 && is_transposed {
        order.swap(rank - 1, rank - 2);
    }
    order
}

fn fused_gemm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let made = import.standard_op("Gemm", ctx.name, ctx.inputs.clone(), &ctx.node.attribute)?;
    let parameters = ["activation_alpha", "activation_beta", "activation_gamma"];
    let given = parameters.into_iter().filter(|name| ctx.has(name));
    let parameters: Vec<f32> = given.map(|name| ctx.float(name, 0.0)).collect();
    Ok(vec![activated(import, ctx, made, &parameters)?])
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn the_stack_is_rotated_before_matrices_are_transposed() {
        assert_eq!(order(4, false, true), [1, 2, 0, 3]);
        assert_eq!(order(4, true, false), [0, 1, 3, 2]);
        assert_eq!(order(4, true, true), [1, 2, 3, 0]);
        assert_eq!(order(1, true, true), [0]);
    }
}

//! Products of matrices that also transpose, scale, add or activate.

use super::super::super::Import;
use super::super::super::site::{Site, Value};
use super::super::super::trouble::Trouble;
use super::super::Table;
use super::super::expansion::{ints, number};
use super::super::shapes::sides;
use super::convolution::activated;

pub(super) const TABLE: Table = &[
    ("FusedMatMul", fused_mat_mul),
    ("TransposeMatMul", fused_mat_mul),
    ("FusedGemm", fused_gemm),
];

/// `alpha · A · B`, of which each may be transposed before.
fn fused_mat_mul(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let name = site.name;
    let mut inputs = Vec::new();
    for (index, which) in ["A", "B"].into_iter().enumerate() {
        let value = site.value(index)?.clone();
        let rank = sides(import, &value)?.len();
        let order = order(
            rank,
            site.int(&format!("trans{which}"), 0) != 0,
            site.int(&format!("transBatch{which}"), 0) != 0,
        );
        if order.is_sorted() {
            inputs.push(Some(value));
            continue;
        }
        let order = ints("perm", &order);
        let name = format!("{name}.{which}");
        let turned = import.ordinary("Transpose", &name, vec![Some(value)], &[order])?;
        inputs.push(Some(turned));
    }
    // A factor belongs to the weights, where one of the two is that.
    let factor = site.float("alpha", 1.0);
    let weights = inputs
        .iter()
        .position(|input| matches!(input, Some(Value::Constant(_))));
    if let (Some(weights), true) = (weights, factor != 1.0) {
        let scaled = vec![inputs[weights].take(), number(factor)];
        inputs[weights] = Some(import.ordinary("Mul", &format!("{name}.weights"), scaled, &[])?);
    }
    let product = import.ordinary("MatMul", name, inputs, &[])?;
    if weights.is_some() || factor == 1.0 {
        return Ok(vec![product]);
    }
    let scaled = vec![Some(product), number(factor)];
    Ok(vec![import.ordinary(
        "Mul",
        &format!("{name}.scaled"),
        scaled,
        &[],
    )?])
}

/// The order of axes that a matrix product takes an input in: with its first axis behind all others of the
/// stack, and with the last two the other way round.
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

fn fused_gemm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let made = import.ordinary("Gemm", site.name, site.inputs.clone(), &site.node.attribute)?;
    let parameters = ["activation_alpha", "activation_beta", "activation_gamma"];
    let given = parameters.into_iter().filter(|name| site.has(name));
    let parameters: Vec<f32> = given.map(|name| site.float(name, 0.0)).collect();
    Ok(vec![activated(import, site, made, &parameters)?])
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn a_stack_comes_last_before_its_matrices_are_transposed() {
        assert_eq!(order(4, false, true), [1, 2, 0, 3]);
        assert_eq!(order(4, true, false), [0, 1, 3, 2]);
        assert_eq!(order(4, true, true), [1, 2, 3, 0]);
        assert_eq!(order(1, true, true), [0]);
    }
}

//! Quantised layers with constant scales, as float layers.

use super::Table;
use crate::import::{Import, NodeContext, Result, Value};

pub(super) const TABLE: Table = &[
    ("QLinearConv", conv),
    ("QLinearMatMul", |i, s| {
        i.quantised_op("MatMul", s, &[(0, -2), (3, -1)], 6)
    }),
];

pub(super) fn conv(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let mut inputs = vec![
        import.dequantised_by(ctx, 0, 1)?,
        import.dequantised_by(ctx, 3, 0)?,
    ];
    if let Some(bias) = ctx.optional(8) {
        let scales = [ctx.value(1)?, ctx.value(4)?];
        let bias = import.dequantised_bias(bias, scales, 1.0, ctx.name)?;
        inputs.push(Some(bias));
    }
    let made = import.standard_op("Conv", ctx.name, inputs, &ctx.node.attribute)?;
    import.quantised_by(ctx, made, 6)
}

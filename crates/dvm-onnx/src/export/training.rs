//! Ops for training only.

use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::stochastic_depth::StochasticDepth;

use super::Purpose;
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    if let (Some(dropout), Purpose::Structure) = (ctx.node.op_as::<Dropout>(), writer.purpose) {
        let share = writer.scalar(dropout.p);
        return writer.last(ctx, "Dropout", &[ctx.inputs[0], &share], vec![]);
    }
    let idle =
        ctx.node.op_as::<Dropout>().is_some() || ctx.node.op_as::<StochasticDepth>().is_some();
    Ok(idle.then(|| ctx.inputs[0].to_owned()))
}

//! Ops for training only.

use dvm_engine::ops::Class;
use dvm_engine::ops::dropout::Dropout;

use super::Purpose;
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    if let (Some(dropout), Purpose::Structure) = (ctx.node.op_as::<Dropout>(), writer.purpose) {
        let share = writer.scalar(dropout.p);
        return writer.last(ctx, "Dropout", &[ctx.inputs[0], &share], vec![]);
    }
    let idle = ctx.node.op.class() == Class::Identity;
    Ok(idle.then(|| ctx.inputs[0].to_owned()))
}

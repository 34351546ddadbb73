//! Arithmetic, reductions and softmax.

use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::softmax::Softmax;

use super::attribute::{int, ints};
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    if ctx.node.op_as::<Add>().is_some() {
        return writer.last(ctx, "Add", &ctx.inputs, vec![]);
    }
    if ctx.node.op_as::<Mul>().is_some() {
        return writer.last(ctx, "Mul", &ctx.inputs, vec![]);
    }
    if let Some(softmax) = ctx.node.op_as::<Softmax>() {
        let axis = int("axis", softmax.axis as i64);
        return writer.last(ctx, "Softmax", &ctx.inputs, vec![axis]);
    }
    if let Some(reduce) = ctx.node.op_as::<Reduce>() {
        return reduction(writer, ctx, reduce);
    }
    if let Some(binary) = ctx.node.op_as::<Binary>() {
        return function(writer, ctx, binary);
    }
    Ok(None)
}

fn function(writer: &mut Writer, ctx: &ExportContext, binary: &Binary) -> Written {
    let op = match binary.function {
        Function::Add => "Add",
        Function::Sub => "Sub",
        Function::Mul => "Mul",
        Function::Div => "Div",
        Function::Pow => "Pow",
        Function::Min => "Min",
        Function::Max => "Max",
    };
    let a = ctx.inputs[0];
    let constant;
    let b = match &binary.other {
        Other::Input => ctx.inputs[1],
        Other::Parameter => ctx.parameters[0],
        Other::Constant(values) => {
            constant = writer.floats(values.shape(), &values.to_nchw());
            &constant
        }
    };
    let inputs = if binary.swapped { [b, a] } else { [a, b] };
    writer.last(ctx, op, &inputs, vec![])
}

fn reduction(writer: &mut Writer, ctx: &ExportContext, reduce: &Reduce) -> Written {
    let keeps = int("keepdims", reduce.keeps.into());
    let x = ctx.inputs[0];
    if reduce.axes.is_empty() {
        // In ONNX, no axes means all of them.
        return Ok(Some(x.to_owned()));
    }
    let op = match reduce.how {
        // Before opset 18, only this reduction has its axes as an input.
        How::Sum => {
            let axes: Vec<i64> = reduce.axes.iter().map(|&axis| axis as i64).collect();
            let axes = writer.integers(&axes);
            return writer.last(ctx, "ReduceSum", &[x, &axes], vec![keeps]);
        }
        How::Mean => "ReduceMean",
        How::Max => "ReduceMax",
    };
    writer.last(ctx, op, &[x], vec![ints("axes", &reduce.axes), keeps])
}

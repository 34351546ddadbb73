//! Sums, products and the like of two values, reductions, softmax.

use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::softmax::Softmax;

use super::attribute::{int, ints};
use super::writer::{Site, Writer, Written};

pub(super) fn write(writer: &mut Writer, site: &Site) -> Written {
    if site.node.op_as::<Add>().is_some() {
        return writer.last(site, "Add", &site.inputs, vec![]);
    }
    if site.node.op_as::<Mul>().is_some() {
        return writer.last(site, "Mul", &site.inputs, vec![]);
    }
    if let Some(softmax) = site.node.op_as::<Softmax>() {
        let axis = int("axis", softmax.axis as i64);
        return writer.last(site, "Softmax", &site.inputs, vec![axis]);
    }
    if let Some(reduce) = site.node.op_as::<Reduce>() {
        return reduction(writer, site, reduce);
    }
    if let Some(binary) = site.node.op_as::<Binary>() {
        return function(writer, site, binary);
    }
    Ok(None)
}

fn function(writer: &mut Writer, site: &Site, binary: &Binary) -> Written {
    let op = match binary.function {
        Function::Add => "Add",
        Function::Sub => "Sub",
        Function::Mul => "Mul",
        Function::Div => "Div",
        Function::Pow => "Pow",
        Function::Min => "Min",
        Function::Max => "Max",
    };
    let a = site.inputs[0];
    let constant;
    let b = match &binary.other {
        Other::Input => site.inputs[1],
        Other::Parameter => site.parameters[0],
        Other::Constant(values) => {
            constant = writer.floats(values.shape(), &values.to_nchw());
            &constant
        }
    };
    let inputs = if binary.swapped { [b, a] } else { [a, b] };
    writer.last(site, op, &inputs, vec![])
}

fn reduction(writer: &mut Writer, site: &Site, reduce: &Reduce) -> Written {
    let keeps = int("keepdims", reduce.keeps.into());
    let x = site.inputs[0];
    if reduce.axes.is_empty() {
        // To ONNX no axes would mean all of them.
        return Ok(Some(x.to_owned()));
    }
    let op = match reduce.how {
        // The axes of this one alone became an input before opset 18.
        How::Sum => {
            let axes: Vec<i64> = reduce.axes.iter().map(|&axis| axis as i64).collect();
            let axes = writer.whole(&axes);
            return writer.last(site, "ReduceSum", &[x, &axes], vec![keeps]);
        }
        How::Mean => "ReduceMean",
        How::Max => "ReduceMax",
    };
    writer.last(site, op, &[x], vec![ints("axes", &reduce.axes), keeps])
}

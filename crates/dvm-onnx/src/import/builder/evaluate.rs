//! Ops run on values that are known at import.

use dvm_engine::Tensor;
use dvm_engine::ops::{Arithmetic, ForwardCall, Mode, Op};

use crate::import::{Array, Result, unsupported};

/// The shape of an op's value.
///
/// # Errors
/// Why the op does not support these inputs.
pub(crate) fn output_shape(
    op: &dyn Op,
    inputs: &[&Tensor],
    parameters: &[&Tensor],
) -> Result<Vec<usize>, String> {
    let [inputs, parameters] = [inputs, parameters]
        .map(|tensors| tensors.iter().map(|t| t.shape()).collect::<Vec<&[usize]>>());
    op.output_shape(&inputs, &parameters)
}

/// An op's value, whose shape is `output_shape`.
pub(crate) fn forward(
    op: &dyn Op,
    inputs: &[&Tensor],
    parameters: &[&Tensor],
    output_shape: &[usize],
) -> Tensor {
    let outcome = op.forward(&ForwardCall {
        inputs,
        parameters,
        prepared: op.prepare().as_ref(),
        output_shape,
        mode: Mode::Inference,
        arithmetic: Arithmetic::Exact,
        random_stream: 0,
    });
    outcome.value
}

/// An op's value on constant arrays.
///
/// # Errors
/// If the op does not support them.
pub(crate) fn evaluate(op: &dyn Op, inputs: &[&Array], parameters: &[&Array]) -> Result<Array> {
    let tensors = |arrays: &[&Array]| -> Result<Vec<Tensor>> {
        arrays.iter().map(|array| array.tensor()).collect()
    };
    let (inputs, parameters) = (tensors(inputs)?, tensors(parameters)?);
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let parameters: Vec<&Tensor> = parameters.iter().collect();
    if inputs.iter().any(|input| input.is_empty()) {
        return Err(unsupported("computes with an empty constant"));
    }
    let shape = output_shape(op, &inputs, &parameters)
        .map_err(|detail| unsupported(format!("as {}: {detail}", op.kind())))?;
    let value = forward(op, &inputs, &parameters, &shape);
    Ok(Array::floats(&shape, value.to_nchw()))
}

//! One op, called as a graph calls it.

use std::sync::Arc;

use dvm_engine::Tensor;
use dvm_engine::ops::{Arithmetic, BackwardCall, ForwardCall, ForwardResult, Gradients, Mode, Op};

/// An op with its inputs and parameters.
pub struct SingleOp {
    /// The op.
    pub op: Arc<dyn Op>,
    /// Its inputs.
    pub inputs: Vec<Tensor>,
    /// Its parameters.
    pub parameters: Vec<Tensor>,
    /// Inference or training.
    pub mode: Mode,
}

impl SingleOp {
    /// The output, with statistics and saved activations.
    ///
    /// # Errors
    /// The message of the op for wrong shapes.
    ///
    /// # Panics
    /// If the output has another shape than announced.
    pub fn forward(&self) -> Result<ForwardResult, String> {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let parameters: Vec<&Tensor> = self.parameters.iter().collect();
        let input_shapes: Vec<&[usize]> = inputs.iter().map(|t| t.shape()).collect();
        let parameter_shapes: Vec<&[usize]> = parameters.iter().map(|t| t.shape()).collect();
        let output_shape = self.op.output_shape(&input_shapes, &parameter_shapes)?;
        let result = self.op.forward(&ForwardCall {
            inputs: &inputs,
            parameters: &parameters,
            prepared: self.op.prepare().as_ref(),
            output_shape: &output_shape,
            mode: self.mode,
            arithmetic: Arithmetic::Fast,
            random_stream: 7,
        });
        assert_eq!(
            result.value.shape(),
            output_shape,
            "the output has the announced shape"
        );
        Ok(result)
    }

    /// The gradients of all inputs and parameters, except for statistics.
    ///
    /// # Panics
    /// If the op has no backward pass.
    pub fn backward(&self, result: &ForwardResult, grad_output: &Tensor) -> Gradients {
        let prepared = self.op.prepare();
        let call = BackwardCall {
            inputs: &self.inputs.iter().collect::<Vec<_>>(),
            parameters: &self.parameters.iter().collect::<Vec<_>>(),
            prepared: prepared.as_ref(),
            output: &result.value,
            saved: &result.saved,
            mode: self.mode,
            arithmetic: Arithmetic::Fast,
            wants_input: &vec![true; self.inputs.len()],
            wants_parameter: &vec![true; self.parameters.len()],
        };
        self.op
            .backward(&call, grad_output.clone())
            .expect("the op has a backward pass")
    }
}

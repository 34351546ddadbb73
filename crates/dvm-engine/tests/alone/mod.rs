//! One op, called as a graph would call it.

use std::sync::Arc;

use dvm_engine::Tensor;
use dvm_engine::ops::{Arithmetic, BackwardCall, ForwardCall, ForwardResult, Gradients, Mode, Op};

/// An op with what it reads.
pub struct Alone {
    pub op: Arc<dyn Op>,
    pub inputs: Vec<Tensor>,
    pub parameters: Vec<Tensor>,
    pub mode: Mode,
}

impl Alone {
    /// The output and what comes with it.
    ///
    /// # Errors
    /// What the op says about shapes that do not fit.
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
            "the shape is as announced"
        );
        Ok(result)
    }

    /// All gradients for that of the output; the statistics among the parameters have none.
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
            .expect("the op can be walked backwards")
    }
}

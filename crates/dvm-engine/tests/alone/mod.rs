//! One op, called as a graph would call it.

use std::sync::Arc;

use dvm_engine::ops::{Arithmetic, Call, Gradients, Mode, Op, Outcome, Site};
use dvm_engine::{Node, Tensor};

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
    pub fn forward(&self) -> Result<Outcome, String> {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let parameters: Vec<&Tensor> = self.parameters.iter().collect();
        let input_shapes: Vec<&[usize]> = inputs.iter().map(|t| t.shape()).collect();
        let parameter_shapes: Vec<&[usize]> = parameters.iter().map(|t| t.shape()).collect();
        let output_shape = self.op.output_shape(&input_shapes, &parameter_shapes)?;
        let outcome = self.op.forward(&Call {
            inputs: &inputs,
            parameters: &parameters,
            prepared: self.op.prepare().as_ref(),
            output_shape: &output_shape,
            mode: self.mode,
            arithmetic: Arithmetic::Fast,
            node: 7,
        });
        assert_eq!(
            outcome.value.shape(),
            output_shape,
            "the shape is as announced"
        );
        Ok(outcome)
    }

    /// All gradients for that of the output; the statistics among the parameters have none.
    pub fn backward(&self, outcome: &Outcome, grad_output: &Tensor) -> Gradients {
        let node = Node {
            name: "alone".into(),
            op: Arc::clone(&self.op),
            inputs: Vec::new(),
            parameters: (0..self.parameters.len()).collect(),
            merged: Vec::new(),
        };
        let prepared = self.op.prepare();
        let site = Site {
            node: &node,
            inputs: &self.inputs.iter().collect::<Vec<_>>(),
            parameters: &self.parameters.iter().collect::<Vec<_>>(),
            prepared: prepared.as_ref(),
            output: &outcome.value,
            saved: &outcome.saved,
            mode: self.mode,
            arithmetic: Arithmetic::Fast,
            wants_input: &vec![true; self.inputs.len()],
            wants_parameter: &vec![true; self.parameters.len()],
        };
        self.op
            .backward(&site, grad_output.clone())
            .expect("the op can be walked backwards")
    }
}

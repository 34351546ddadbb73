//! Operators on constants: position embeddings that run through layers, for example.
//!
//! An operator that is written for computed values only gets the constant as the value of a batch, in a separate graph,
//! which is then evaluated.

use crate::import::builder::{GraphBuilder, evaluate};
use crate::import::operators::Operator;
use crate::import::{Array, Import, NodeContext, Result, Value, Values, View, unsupported};

/// How many multiply-adds count as one byte of memory.
const WORK_PER_BYTE: usize = 16;

impl Import<'_> {
    /// The outputs of an operator whose inputs are all constants.
    ///
    /// # Errors
    /// Those of the operator, and if it mixes pictures.
    pub fn fold(&mut self, operator: Operator, ctx: &NodeContext) -> Result<Vec<Value>> {
        let Some(Value::Constant(array)) = ctx.optional(0) else {
            return Err(unsupported("has no constant input"));
        };
        if !matches!(array.values, Values::Floats(_)) || array.rank() == 0 || array.len() == 0 {
            return Err(unsupported(
                "computes with a constant that is not an array of floats",
            ));
        }
        let scratch = self.graph.scratch(&array.shape);
        let view = scratch.view(0);
        let mut inputs = ctx.inputs.clone();
        inputs[0] = Some(Value::Computed(view));
        let ctx = NodeContext { inputs, ..*ctx };
        let outer = std::mem::replace(&mut self.graph, scratch);
        // The batch size is the length of the constant's first axis.
        let batch = self.file_batch.replace(array.shape[0] as i64);
        let made = operator(self, &ctx);
        let scratch = std::mem::replace(&mut self.graph, outer);
        self.file_batch = batch;
        self.graph.count_memory_of(&scratch);
        let mut values = Vec::new();
        for value in made? {
            values.push(match value {
                Value::Computed(view) => Value::Constant(self.value_of(&scratch, &view, array)?),
                other => other,
            });
        }
        Ok(values)
    }

    /// The value of a view, if the input of its graph is this array.
    fn value_of(&mut self, scratch: &GraphBuilder, view: &View, input: &Array) -> Result<Array> {
        let batch = input.shape[0];
        let needed = scratch.reachable(view.node);
        let mut values: Vec<Option<Array>> = vec![None; scratch.nodes.len()];
        values[0] = Some(input.clone());
        for (id, node) in scratch.nodes.iter().enumerate().skip(1) {
            if !needed[id] {
                continue;
            }
            let inputs: Vec<&Array> = node.inputs.iter().flat_map(|&i| &values[i]).collect();
            let parameters: Vec<&Array> =
                node.parameters.iter().map(|&p| scratch.array(p)).collect();
            let shapes = |arrays: &[&Array]| -> Vec<Vec<usize>> {
                arrays.iter().map(|array| array.shape.clone()).collect()
            };
            let (of_inputs, of_parameters) = (shapes(&inputs), shapes(&parameters));
            let of_inputs: Vec<&[usize]> = of_inputs.iter().map(|s| &s[..]).collect();
            let of_parameters: Vec<&[usize]> = of_parameters.iter().map(|s| &s[..]).collect();
            let each = node.op.multiply_adds(&of_inputs, &of_parameters);
            let mut shape = node.shape.clone();
            shape[0] = batch;
            self.graph.check_array(&shape)?;
            let count: usize = shape.iter().product();
            self.graph
                .count_work(count.saturating_mul(each) / WORK_PER_BYTE)?;
            values[id] = Some(evaluate(&*node.op, &inputs, &parameters)?);
        }
        let made = values[view.node].take().expect("it is needed");
        // In the order of the file's axes; the node's other axes have length 1.
        let mut order: Vec<usize> = view.axes.iter().flatten().copied().collect();
        let rest = (0..made.rank()).filter(|axis| !order.contains(axis));
        let rest: Vec<usize> = rest.collect();
        if rest.iter().any(|&axis| made.shape[axis] != 1) {
            return Err(unsupported("loses an axis of a constant"));
        }
        order.extend(rest);
        let side = |group: &Vec<usize>| group.iter().map(|&axis| made.shape[axis]).product();
        let shape: Vec<usize> = view.axes.iter().map(side).collect();
        self.graph.check_array(&shape)?;
        Array {
            name: None,
            repeated: false,
            ..made.transposed(&order)
        }
        .reshaped(&shape)
    }
}

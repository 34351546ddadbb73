//! What a network computes of its own constants: embeddings of places that run through layers, say.
//!
//! An operator that is only told for computed values is told for a constant by taking the constant for
//! the value of a batch, and what comes of it is computed at once.

use super::Import;
use super::array::{Array, Values};
use super::draft::{Draft, run};
use super::operators::Operator;
use super::site::{Site, Value};
use super::trouble::{Trouble, unsupported};
use super::view::View;

/// Multiply-adds that cost as much as a byte of memory.
const WORK_PER_BYTE: usize = 16;

impl Import<'_> {
    /// What an operator whose inputs are all constants makes of them.
    ///
    /// # Errors
    /// What the operator says of computed values; where pictures would be mixed.
    pub fn folded(&mut self, operator: Operator, site: &Site) -> Result<Vec<Value>, Trouble> {
        let Some(Value::Constant(array)) = site.optional(0) else {
            return Err(unsupported("computes of nothing"));
        };
        if !matches!(array.values, Values::Floats(_)) || array.rank() == 0 || array.len() == 0 {
            return Err(unsupported("computes of a constant that is no floats"));
        }
        let apart = self.draft.apart(&array.shape);
        let view = apart.whole(0);
        let mut inputs = site.inputs.clone();
        inputs[0] = Some(Value::Computed(view));
        let site = Site { inputs, ..*site };
        let outer = std::mem::replace(&mut self.draft, apart);
        // The constant is written for as many as it has.
        let batch = self.file_batch.replace(array.shape[0] as i64);
        let made = operator(self, &site);
        let apart = std::mem::replace(&mut self.draft, outer);
        self.file_batch = batch;
        self.draft.go_on_after(&apart);
        let mut values = Vec::new();
        for value in made? {
            values.push(match value {
                Value::Computed(view) => Value::Constant(self.value_of(&apart, &view, array)?),
                other => other,
            });
        }
        Ok(values)
    }

    /// The value that a view of a draft has whose input is this array.
    fn value_of(&mut self, apart: &Draft, view: &View, input: &Array) -> Result<Array, Trouble> {
        let batch = input.shape[0];
        let mut needed = vec![false; apart.nodes.len()];
        needed[view.node] = true;
        for id in (0..=view.node).rev().filter(|&id| id > 0) {
            if needed[id] {
                let inputs = apart.nodes[id].inputs.iter();
                inputs.for_each(|&input| needed[input] = true);
            }
        }
        let mut values: Vec<Option<Array>> = vec![None; apart.nodes.len()];
        values[0] = Some(input.clone());
        for (id, node) in apart.nodes.iter().enumerate().skip(1) {
            if !needed[id] {
                continue;
            }
            let inputs: Vec<&Array> = node.inputs.iter().flat_map(|&i| &values[i]).collect();
            let parameters: Vec<&Array> = node.parameters.iter().map(|&p| apart.array(p)).collect();
            let shapes = |arrays: &[&Array]| -> Vec<Vec<usize>> {
                arrays.iter().map(|array| array.shape.clone()).collect()
            };
            let (of_inputs, of_parameters) = (shapes(&inputs), shapes(&parameters));
            let of_inputs: Vec<&[usize]> = of_inputs.iter().map(|s| &s[..]).collect();
            let of_parameters: Vec<&[usize]> = of_parameters.iter().map(|s| &s[..]).collect();
            let each = node.op.multiply_adds(&of_inputs, &of_parameters);
            let mut shape = node.shape.clone();
            shape[0] = batch;
            self.draft.spend_on(&shape)?;
            let count: usize = shape.iter().product();
            self.draft
                .write(count.saturating_mul(each) / WORK_PER_BYTE)?;
            values[id] = Some(run(&*node.op, &inputs, &parameters)?);
        }
        let made = values[view.node].take().expect("it is needed");
        // In the order of the file's axes; an axis that none of them stands for is 1 long.
        let mut order: Vec<usize> = view.axes.iter().flatten().copied().collect();
        let rest = (0..made.rank()).filter(|axis| !order.contains(axis));
        let rest: Vec<usize> = rest.collect();
        if rest.iter().any(|&axis| made.shape[axis] != 1) {
            return Err(unsupported("loses an axis of a constant"));
        }
        order.extend(rest);
        let side = |group: &Vec<usize>| group.iter().map(|&axis| made.shape[axis]).product();
        let shape: Vec<usize> = view.axes.iter().map(side).collect();
        self.draft.spend_on(&shape)?;
        Array {
            name: None,
            repeated: false,
            ..made.transposed(&order)
        }
        .reshaped(&shape)
    }
}

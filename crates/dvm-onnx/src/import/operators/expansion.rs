//! Fused nodes, expanded to ONNX's own operators.

use super::find;
use crate::import::{Array, Import, NodeContext, NodeError, Result, Value, unsupported};
use crate::proto::{Attribute, Node};

/// The version of ONNX's operators that fused nodes are expanded to.
pub(super) const OPSET: i64 = 20;

/// An integer attribute.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: value,
        ..Attribute::default()
    }
}

/// A float attribute.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute {
        name: name.into(),
        f: value,
        ..Attribute::default()
    }
}

/// An attribute with a list of integers.
pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.to_vec(),
        ..Attribute::default()
    }
}

/// A single float as an input.
pub(super) fn number(value: f32) -> Option<Value> {
    Some(Value::Constant(Array::floats(&[], vec![value])))
}

impl Import<'_> {
    /// The sum of a value and an optional other one.
    ///
    /// # Errors
    /// Those of `Add`.
    pub fn plus(&mut self, x: Value, other: Option<&Value>, name: &str) -> Result<Value> {
        match other {
            Some(other) => {
                let inputs = vec![Some(x), Some(other.clone())];
                self.standard_op("Add", name, inputs, &[])
            }
            None => Ok(x),
        }
    }

    /// The first output of one of ONNX's own operators.
    ///
    /// # Errors
    /// Those of the operator.
    pub fn standard_op(
        &mut self,
        operator: &str,
        name: &str,
        inputs: Vec<Option<Value>>,
        attributes: &[Attribute],
    ) -> Result<Value> {
        self.standard_op_in(OPSET, operator, name, inputs, attributes)
    }

    /// The same in a given version of ONNX's operators.
    ///
    /// # Errors
    /// Those of the operator.
    pub fn standard_op_in(
        &mut self,
        opset: i64,
        operator: &str,
        name: &str,
        inputs: Vec<Option<Value>>,
        attributes: &[Attribute],
    ) -> Result<Value> {
        let take = find("", operator);
        let take = take.ok_or_else(|| unsupported(format!("needs the operator {operator}")))?;
        let node = Node {
            name: name.into(),
            op_type: operator.into(),
            output: vec![name.into()],
            attribute: attributes.to_vec(),
            ..Node::default()
        };
        let are_constants = {
            let mut given = inputs.iter().flatten();
            given.all(|input| matches!(input, Value::Constant(_)))
        };
        let ctx = NodeContext {
            used: &[true],
            node: &node,
            name,
            opset,
            inputs,
        };
        let taken = match take(self, &ctx) {
            Err(NodeError::Unsupported(_)) if are_constants => self.fold(take, &ctx),
            taken => taken,
        };
        let first = taken?.into_iter().next();
        first.ok_or_else(|| unsupported(format!("uses {operator}, which has no output")))
    }
}

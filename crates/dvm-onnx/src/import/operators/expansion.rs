//! A fused node as the ordinary operators that it stands for.

use super::super::Import;
use super::super::array::Array;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, unsupported};
use super::find;
use crate::proto::{Attribute, Node};

/// The version of ONNX's operators that the parts of a fused node are meant in.
pub(super) const OPSET: i64 = 20;

/// An attribute that is a whole number.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: value,
        ..Attribute::default()
    }
}

/// An attribute that is a float.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute {
        name: name.into(),
        f: value,
        ..Attribute::default()
    }
}

/// An attribute that is a row of whole numbers.
pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.to_vec(),
        ..Attribute::default()
    }
}

/// An input that is a single float.
pub(super) fn number(value: f32) -> Option<Value> {
    Some(Value::Constant(Array::floats(&[], vec![value])))
}

impl Import<'_> {
    /// The first output of one of ONNX's own operators, as if a node of the file had it.
    ///
    /// # Errors
    /// Those of the operator.
    pub fn ordinary(
        &mut self,
        operator: &str,
        name: &str,
        inputs: Vec<Option<Value>>,
        attributes: &[Attribute],
    ) -> Result<Value, Trouble> {
        self.ordinary_in(OPSET, operator, name, inputs, attributes)
    }

    /// The same in the meaning that the operator has in a version of ONNX's.
    ///
    /// # Errors
    /// Those of the operator.
    pub fn ordinary_in(
        &mut self,
        opset: i64,
        operator: &str,
        name: &str,
        inputs: Vec<Option<Value>>,
        attributes: &[Attribute],
    ) -> Result<Value, Trouble> {
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
        let site = Site {
            used: &[true],
            node: &node,
            name,
            opset,
            inputs,
        };
        let taken = match take(self, &site) {
            Err(Trouble::Unsupported(_)) if are_constants => self.folded(take, &site),
            taken => taken,
        };
        let first = taken?.into_iter().next();
        first.ok_or_else(|| unsupported(format!("{operator} computes nothing")))
    }
}

//! A node of the file with its inputs.

use crate::import::{Array, NodeError, Result, SymInt, Value, View, invalid, unsupported};
use crate::proto::{self, Attribute};

/// A node about to be imported.
pub(crate) struct NodeContext<'a> {
    pub node: &'a proto::Node,
    /// Its name, or that of its first output.
    pub name: &'a str,
    /// The version of ONNX's operators.
    pub opset: i64,
    pub inputs: Vec<Option<Value>>,
    /// For each output, whether any node reads it.
    pub used: &'a [bool],
}

impl NodeContext<'_> {
    /// An optional input.
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// An input.
    ///
    /// # Errors
    /// If it is missing.
    pub fn value(&self, index: usize) -> Result<&Value> {
        match self.optional(index) {
            Some(Value::Unknown) => Err(NodeError::Reported),
            Some(value) => Ok(value),
            None => Err(invalid(format!("has no input {index}"))),
        }
    }

    /// Whether any node reads an output after the first.
    pub fn has_more_outputs(&self) -> bool {
        self.used.iter().skip(1).any(|&is_used| is_used)
    }

    /// An input that is computed from the picture.
    ///
    /// # Errors
    /// If it is of another kind.
    pub fn view(&self, index: usize) -> Result<&View> {
        match self.value(index)? {
            Value::Computed(view) => Ok(view),
            _ => Err(unsupported(format!(
                "has an input {index} that is not computed from the picture"
            ))),
        }
    }

    /// A constant input.
    ///
    /// # Errors
    /// If it is of another kind.
    pub fn constant(&self, index: usize) -> Result<&Array> {
        match self.value(index)? {
            Value::Constant(array) => Ok(array),
            _ => Err(unsupported(format!(
                "has an input {index} that is computed from the picture; it must be constant"
            ))),
        }
    }

    /// An optional constant input.
    ///
    /// # Errors
    /// If it is of another kind.
    pub fn optional_constant(&self, index: usize) -> Result<Option<&Array>> {
        self.optional(index)
            .map(|_| self.constant(index))
            .transpose()
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.node.attribute.iter().find(|a| a.name == name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |a| a.f)
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|a| &a.ints[..])
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let attribute = self.attribute(name)?;
        std::str::from_utf8(&attribute.s).ok()
    }

    pub fn tensor(&self, name: &str) -> Option<&proto::Tensor> {
        self.attribute(name)?.t.as_ref()
    }

    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        self.attribute(name).map(|a| &a.floats[..])
    }

    /// The axis that an attribute names, counted from the front.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize> {
        axis(self.int(name, default), rank)
    }

    /// Integers that are an attribute in older opsets and an input in newer ones.
    ///
    /// # Errors
    /// If the input is not constant, or holds floats.
    pub fn integers(&self, input: usize, attribute: &str) -> Result<Option<Vec<SymInt>>> {
        Ok(match self.optional_constant(input)? {
            Some(array) => Some(array.as_integers()?.to_vec()),
            None => self
                .ints(attribute)
                .map(|ints| ints.iter().map(|&int| int.into()).collect()),
        })
    }

    /// The axes, an attribute in older opsets and an input in newer ones.
    ///
    /// # Errors
    /// If an axis does not exist, or the input is not constant.
    pub fn axes(&self, input: usize, rank: usize) -> Result<Option<Vec<usize>>> {
        let given = match self.optional_constant(input)? {
            Some(array) => Some(array.as_known()?),
            None => self.ints("axes").map(<[i64]>::to_vec),
        };
        given.map(|given| axes(&given, rank)).transpose()
    }
}

/// Axes counted from the front, as [`axis`].
///
/// # Errors
/// If one of them does not exist.
pub(crate) fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>> {
    given.iter().map(|&given| axis(given, rank)).collect()
}

/// An axis counted from the front; a negative one counts from the back.
///
/// # Errors
/// If there is no such axis.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 {
        axis.checked_add(rank as i64)
    } else {
        Some(axis)
    };
    counted
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|&axis| axis < rank)
        .ok_or_else(|| invalid(format!("has axis {axis}, but its value has {rank} axes")))
}

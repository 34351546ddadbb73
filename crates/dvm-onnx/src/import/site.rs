//! A node of the file with what it reads, as its operator sees it.

use super::array::Array;
use super::counted::Counted;
use super::rounded::{Rounded, Scale};
use super::trouble::{Trouble, invalid, unsupported};
use super::view::View;
use crate::proto::{self, Attribute};

/// What a name in the file stands for.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// An array that is known.
    Constant(Array),
    /// What is computed of pictures.
    Computed(View),
    /// What is computed of several versions of the pictures, which stand behind each other in one batch.
    Copies(Vec<View>),
    /// Whole numbers that go on from picture to picture.
    Counted(Counted),
    /// Where a computed value is not a number.
    IsNan(View),
    /// Whole numbers whose scale is computed for each picture.
    Rounded(Rounded),
    /// Such a scale, or a product of several and of constants.
    Scale(Scale),
    /// The zero point that goes with such a scale.
    Zero(usize),
    /// What a node would have computed that is not supported: it was told already.
    Unknown,
}

/// A node on its way into the draft.
pub(crate) struct Site<'a> {
    pub node: &'a proto::Node,
    /// Its name, or one made of its output's.
    pub name: &'a str,
    /// The version of ONNX's operators that it is meant in.
    pub opset: i64,
    pub inputs: Vec<Option<Value>>,
    /// For each output, whether anything reads it.
    pub used: &'a [bool],
}

impl Site<'_> {
    /// An input that may be left out.
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// An input.
    ///
    /// # Errors
    /// If it is left out.
    pub fn value(&self, index: usize) -> Result<&Value, Trouble> {
        match self.optional(index) {
            Some(Value::Unknown) => Err(Trouble::Hidden),
            Some(value) => Ok(value),
            None => Err(invalid(format!("lacks its input {index}"))),
        }
    }

    /// Whether anything reads an output behind the first.
    pub fn has_more_outputs(&self) -> bool {
        self.used.iter().skip(1).any(|&is_used| is_used)
    }

    /// An input that is computed.
    ///
    /// # Errors
    /// If it is an array that is known.
    pub fn view(&self, index: usize) -> Result<&View, Trouble> {
        match self.value(index)? {
            Value::Computed(view) => Ok(view),
            _ => Err(unsupported(format!(
                "its input {index} is no computed value"
            ))),
        }
    }

    /// An input that is known.
    ///
    /// # Errors
    /// If it is computed.
    pub fn constant(&self, index: usize) -> Result<&Array, Trouble> {
        match self.value(index)? {
            Value::Constant(array) => Ok(array),
            _ => Err(unsupported(format!(
                "its input {index} is computed from the picture, and not constant"
            ))),
        }
    }

    /// An input that is known, or left out.
    ///
    /// # Errors
    /// If it is computed.
    pub fn optional_constant(&self, index: usize) -> Result<Option<&Array>, Trouble> {
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

    /// The attribute's axis, counted from the front.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, Trouble> {
        axis(self.int(name, default), rank)
    }

    /// Axes that older operators have as an attribute and newer ones as an input.
    ///
    /// # Errors
    /// If one of them does not exist, or they are computed.
    pub fn axes(&self, input: usize, rank: usize) -> Result<Option<Vec<usize>>, Trouble> {
        let given = match self.optional_constant(input)? {
            Some(array) => Some(array.as_known()?),
            None => self.ints("axes").map(<[i64]>::to_vec),
        };
        let given = given.map(|axes| axes.into_iter().map(|a| axis(a, rank)).collect());
        given.transpose()
    }
}

/// An axis counted from the front, where a negative one counts from the back.
///
/// # Errors
/// If there is no such axis.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, Trouble> {
    let counted = if axis < 0 {
        axis.checked_add(rank as i64)
    } else {
        Some(axis)
    };
    counted
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|&axis| axis < rank)
        .ok_or_else(|| invalid(format!("has the axis {axis} of a value of {rank} axes")))
}

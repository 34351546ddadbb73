//! Quantised networks, which are computed with floats: weights by the numbers that they stand for, and
//! values as if they had never been rounded.

use std::sync::Arc;

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::Function;

use super::super::Import;
use super::super::array::Array;
use super::super::integer::Integer;
use super::super::numbers::Numbers;
use super::super::site::{Site, Value, axis};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::{Table, constant};
use crate::proto::{DataType, Node};

pub(super) const TABLE: Table = &[
    ("QuantizeLinear", quantise),
    ("DequantizeLinear", dequantise),
];

/// What whole numbers stand for: `(number - zero) · scale`.
#[derive(Clone, Copy)]
pub(crate) struct Code<'a> {
    pub scale: &'a Value,
    pub zero: Option<&'a Value>,
    /// The axis that several scales lie along.
    pub axis: i64,
    /// How many numbers along the axis share a scale; 0 where each has its own.
    pub block: i64,
}

impl<'a> Code<'a> {
    /// The scale and the zero point that are inputs of a node.
    ///
    /// # Errors
    /// If there is no scale.
    pub fn of(site: &'a Site, scale: usize, zero: usize, axis: i64) -> Result<Self, Trouble> {
        Ok(Self {
            scale: site.value(scale)?,
            zero: site.optional(zero),
            axis,
            block: 0,
        })
    }
}

fn known(value: &Value) -> Result<&Array, Trouble> {
    match value {
        Value::Constant(array) => Ok(array),
        _ => Err(unsupported(
            "has a scale or a zero point that is computed from the picture",
        )),
    }
}

/// Which of several scales, or zero points, is that of a value.
enum Which {
    Only,
    /// One for each of `along` positions of an axis, each of `inner` values.
    PerPosition {
        along: usize,
        inner: usize,
    },
    /// One for each `block` of them.
    PerBlock {
        along: usize,
        inner: usize,
        block: usize,
    },
}

impl Which {
    /// Of those in `by`, for the values of `x`.
    fn of(code: Code, x: &Array, by: &Array) -> Result<Self, Trouble> {
        if by.len() == 1 {
            return Ok(Self::Only);
        }
        let axis = axis(code.axis, x.rank())?;
        let along = x.shape[axis];
        let inner = x.shape[axis + 1..].iter().product();
        if by.rank() == 1 && by.len() == along {
            return Ok(Self::PerPosition { along, inner });
        }
        let block = usize::try_from(code.block).unwrap_or(0);
        let mut shape = x.shape.clone();
        shape[axis] = along.checked_div(block).unwrap_or(0);
        if block == 0 || !along.is_multiple_of(block) || by.shape != shape {
            return Err(invalid(format!("scales {:?} by {:?}", x.shape, by.shape)));
        }
        Ok(Self::PerBlock {
            along,
            inner,
            block,
        })
    }

    /// Its place among them, for the value at place `i`.
    fn place(&self, i: usize) -> usize {
        match *self {
            Self::Only => 0,
            Self::PerPosition { along, inner } => i / inner % along,
            Self::PerBlock {
                along,
                inner,
                block,
            } => {
                i / (inner * block) % (along / block) * inner
                    + i / (inner * along) * (along / block) * inner
                    + i % inner
            }
        }
    }
}

/// The scales and zero points of an array.
struct Steps {
    scales: Arc<Numbers<f32>>,
    scale: Which,
    zeros: Vec<i64>,
    zero: Which,
}

impl Steps {
    fn of(code: Code, x: &Array) -> Result<Self, Trouble> {
        let scales = known(code.scale)?;
        let (zeros, zero) = match code.zero.map(known).transpose()? {
            Some(zero) if zero.as_integers().is_ok() => {
                (zero.as_known()?, Which::of(code, x, zero)?)
            }
            Some(_) => return Err(unsupported("has a zero point of 8-bit floats")),
            None => (vec![0], Which::Only),
        };
        Ok(Self {
            scales: scales.as_floats()?.clone(),
            scale: Which::of(code, x, scales)?,
            zeros,
            zero,
        })
    }

    /// Scale and zero point of the value at place `i`.
    fn at(&self, i: usize) -> (f32, i64) {
        let zero = self.zeros[self.zero.place(i)];
        (self.scales[self.scale.place(i)], zero)
    }
}

pub(super) fn dequantise(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let code = Code {
        block: site.int("block_size", 0),
        ..Code::of(site, 1, 2, site.int("axis", 1))?
    };
    Ok(vec![import.dequantised(site.value(0)?, code, site.name)?])
}

pub(super) fn quantise(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let code = Code {
        block: site.int("block_size", 0),
        ..Code::of(site, 1, 2, site.int("axis", 1))?
    };
    let range = range(code.zero, site.int("output_dtype", 0))?;
    let Value::Constant(x) = site.value(0)? else {
        return import.quantised(site, site.value(0)?.clone(), code, range);
    };
    import.is_quantised = true;
    import.draft.spend_on(&x.shape)?;
    let steps = Steps::of(code, x)?;
    let values = x.as_floats()?.iter().enumerate().map(|(i, &x)| {
        let (scale, zero) = steps.at(i);
        let whole = (x / scale).round_ties_even() as i64;
        Integer::from(whole.saturating_add(zero).clamp(range.0, range.1))
    });
    constant(Array {
        name: x.name.clone(),
        repeated: x.repeated,
        ..Array::integers(&x.shape, values.collect())
    })
}

/// The least and the largest number of a type of whole numbers: that of the zero point, or the one that is said,
/// or else bytes.
fn range(zero: Option<&Value>, said: i64) -> Result<(i64, i64), Trouble> {
    let kind = match zero.map(known).transpose()? {
        Some(zero) => zero.data_type,
        None if said == 0 => DataType::Uint8 as i32,
        None => said as i32,
    };
    match DataType::try_from(kind) {
        Ok(DataType::Uint8) => Ok((0, 255)),
        Ok(DataType::Int8) => Ok((-128, 127)),
        Ok(DataType::Uint16) => Ok((0, 65535)),
        Ok(DataType::Int16) => Ok((-32768, 32767)),
        _ => Err(unsupported(
            "makes numbers of another type than 8 or 16 bits",
        )),
    }
}

impl Import<'_> {
    /// What whole numbers stand for. Computed ones were never rounded, and stand for themselves.
    ///
    /// # Errors
    /// Where scales and numbers do not go together.
    pub fn dequantised(&mut self, x: &Value, code: Code, name: &str) -> Result<Value, Trouble> {
        self.is_quantised = true;
        let x = match x {
            Value::Constant(x) => x,
            Value::Rounded(_) => return self.unrounded(x, code.scale, name),
            // Pixels that come as whole numbers were rounded by no node.
            Value::Computed(view)
                if self.is_raw(view.node) && !self.quantised_pixels.contains(&view.node) =>
            {
                return self.dequantised_pixels(x, code, name);
            }
            other => return Ok(other.clone()),
        };
        self.draft.spend_on(&x.shape)?;
        let steps = Steps::of(code, x)?;
        let values = x.as_known()?.into_iter().enumerate().map(|(i, x)| {
            let (scale, zero) = steps.at(i);
            x.saturating_sub(zero) as f32 * scale
        });
        Ok(Value::Constant(Array {
            name: x.name.as_deref().map(float_name),
            repeated: x.repeated,
            ..Array::floats(&x.shape, values.collect())
        }))
    }

    /// `(x − zero) · scale` of pixels that the file takes as whole numbers.
    fn dequantised_pixels(&mut self, x: &Value, code: Code, name: &str) -> Result<Value, Trouble> {
        let mut value = x.clone();
        if let Some(zero) = code.zero.map(known).transpose()? {
            let zero = Value::Constant(super::arithmetic::floats(zero)?);
            value = self.binary(&format!("{name}.zero"), Function::Sub, &value, &zero)?;
        }
        let scale = known(code.scale)?.clone();
        if scale.len() != 1 {
            return Err(unsupported(
                "scales the pixels of each channel by themselves",
            ));
        }
        self.binary(name, Function::Mul, &value, &Value::Constant(scale))
    }

    /// The output of a node that rounds a computed value: the value itself, without what is outside of the
    /// range of the whole numbers where that was a rectifier.
    ///
    /// # Errors
    /// As [`super::super::draft::Draft::emit`].
    pub fn quantised(
        &mut self,
        site: &Site,
        x: Value,
        code: Code,
        (low, high): (i64, i64),
    ) -> Result<Vec<Value>, Trouble> {
        self.is_quantised = true;
        let Value::Computed(view) = &x else {
            return Err(unsupported("rounds what is no number of the picture"));
        };
        if self.is_raw(view.node) {
            self.quantised_pixels.insert(view.node);
        }
        let zeros = match code.zero.map(known).transpose()? {
            Some(zero) => zero.as_known()?,
            None => vec![0],
        };
        let scales = known(code.scale)?.as_floats()?.clone();
        if let (&[scale], &[zero], Some(output)) =
            (&scales[..], &zeros[..], site.node.output.first())
        {
            self.codes.insert(output.clone(), (scale, zero));
        }
        // What begins at 0 is a rectifier: quantisation takes ReLUs away that are followed by one. If it
        // ends at 6, that was a ReLU6.
        let begins_at_zero = zeros.iter().all(|&zero| zero == low);
        let activation = self.draft.nodes[view.node].op_as::<Activation>();
        let is_one = matches!(
            activation,
            Some(
                Activation::Relu
                    | Activation::Relu6
                    | Activation::Sigmoid
                    | Activation::Hardsigmoid
            )
        );
        if !begins_at_zero || is_one || view.node == 0 || !self.passes_negatives(view.node, 0) {
            return Ok(vec![x]);
        }
        let most = match scales[..] {
            [scale] => (high - low) as f32 * scale,
            _ => f32::INFINITY,
        };
        let rectifier = if (most - 6.0).abs() < 6e-3 {
            Activation::Relu6
        } else {
            Activation::Relu
        };
        let view: View = view.clone();
        let name = match self.draft.nodes[view.node].name == site.name {
            true => format!("{}.rectifier", site.name),
            false => site.name.to_owned(),
        };
        let node = self.draft.emit(&name, rectifier, &[view.node], &[])?;
        Ok(vec![Value::Computed(view.of(node))])
    }

    /// The output of a node whose scale and zero point of the output are the inputs at these places.
    ///
    /// # Errors
    /// As [`Import::quantised`].
    pub fn quantised_by(
        &mut self,
        site: &Site,
        x: Value,
        scale: usize,
        zero: usize,
    ) -> Result<Vec<Value>, Trouble> {
        let code = Code::of(site, scale, zero, 1)?;
        let range = range(code.zero, 0)?;
        self.quantised(site, x, code, range)
    }

    /// What the whole numbers at an input stand for, whose scale and zero point are the next two inputs.
    ///
    /// # Errors
    /// As [`Import::dequantised`].
    pub fn dequantised_by(
        &mut self,
        site: &Site,
        input: usize,
        axis: i64,
    ) -> Result<Option<Value>, Trouble> {
        let code = Code::of(site, input + 1, input + 2, axis)?;
        let name = format!("{}.{input}", site.name);
        self.dequantised(site.value(input)?, code, &name).map(Some)
    }

    /// The whole numbers of a bias `[O]`, whose scale is the product of two others.
    ///
    /// # Errors
    /// As [`Import::dequantised`].
    pub fn dequantised_bias(
        &mut self,
        bias: &Value,
        scales: [&Value; 2],
        factor: f32,
        name: &str,
    ) -> Result<Value, Trouble> {
        let [a, b] = [
            known(scales[0])?.as_floats()?,
            known(scales[1])?.as_floats()?,
        ];
        let count = a.len().max(b.len());
        let at = |scales: &[f32], i: usize| match scales {
            [only] => Some(*only),
            several => several.get(i).copied(),
        };
        let product = (0..count).map(|i| Some(at(a, i)? * at(b, i)? * factor));
        let product: Option<Vec<f32>> = product.collect();
        let product = product.ok_or_else(|| invalid("has scales that do not go together"))?;
        let scale = Value::Constant(Array::floats(&[count], product));
        let code = Code {
            scale: &scale,
            zero: None,
            axis: -1,
            block: 0,
        };
        self.dequantised(bias, code, name)
    }

    /// Whether a node's value may be negative: pools and joined parts pass on what they are given.
    fn passes_negatives(&self, node: usize, depth: usize) -> bool {
        let made = &self.draft.nodes[node];
        let kind = made.op.kind();
        if made.op_as::<Activation>().is_some() {
            return !matches!(
                kind,
                "relu"
                    | "relu6"
                    | "clipped_relu"
                    | "squared_relu"
                    | "sigmoid"
                    | "hardsigmoid"
                    | "hardsigmoid_of"
            );
        }
        if matches!(kind, "softmax" | "exp" | "abs" | "sqrt") {
            return false;
        }
        let passes_on = [
            "max_pool", "avg_pool", "concat", "flatten", "reshape", "permute", "slice", "tokens",
        ];
        // Not far, for what is joined with itself again and again has many ways back.
        if passes_on.contains(&kind) && depth < 6 {
            let mut inputs = made.inputs.iter();
            return inputs.any(|&input| self.passes_negatives(input, depth + 1));
        }
        true
    }
}

/// What the quantised form of an initializer was called before: its layer still is.
fn float_name(name: &str) -> Arc<str> {
    let Some(before) = name.strip_suffix("_quantized") else {
        return name.into();
    };
    before.strip_suffix("_Transposed").unwrap_or(before).into()
}

/// Operators that move numbers and compute nothing of them, so that they stand for what they stood for.
const MOVING: [&str; 18] = [
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "GatherND",
    "Identity",
    "MaxPool",
    "NhwcMaxPool",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

impl Import<'_> {
    /// What the whole numbers of a node stand for that moves those of its first input.
    pub fn pass_on_code(&mut self, node: &Node) {
        let code = node.input.first().and_then(|name| self.codes.get(name));
        if let Some(&code) = code
            && MOVING.contains(&&node.op_type[..])
        {
            let names = node.output.iter().cloned();
            self.codes.extend(names.map(|name| (name, code)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Which;

    #[test]
    fn scales_along_an_axis_go_to_all_values_at_a_position() {
        let which = Which::PerPosition { along: 3, inner: 2 };
        let places: Vec<_> = (0..12).map(|i| which.place(i)).collect();
        assert_eq!(places, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn scales_of_blocks_lie_as_the_values_do() {
        // Values [2, 4, 2] with blocks of two along the second axis: scales [2, 2, 2].
        let which = Which::PerBlock {
            along: 4,
            inner: 2,
            block: 2,
        };
        let places: Vec<_> = (0..16).map(|i| which.place(i)).collect();
        assert_eq!(places, [0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7]);
    }
}

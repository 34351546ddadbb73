//! Quantised networks, computed with floats: weights are dequantised, and activations are not rounded.

use std::sync::Arc;

use dvm_engine::ops::Class;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::Function;

use super::pooling::is_never_negative;
use super::quantisation::{Quantisation, ScalesAndZeros, known};
use super::{Table, constant};
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, View, invalid, unsupported,
};
use crate::proto::{DataType, Node};

pub(super) const TABLE: Table = &[
    ("QuantizeLinear", quantise),
    ("DequantizeLinear", dequantise),
];

pub(super) fn dequantise(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let quantisation = Quantisation::with_blocks(ctx)?;
    let made = import.dequantised(ctx.value(0)?, quantisation, ctx.name)?;
    Ok(vec![made])
}

pub(super) fn quantise(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let quantisation = Quantisation::with_blocks(ctx)?;
    let range = range(quantisation.zero, ctx.int("output_dtype", 0))?;
    let Value::Constant(x) = ctx.value(0)? else {
        return import.quantised(ctx, ctx.value(0)?.clone(), quantisation, range);
    };
    import.is_quantised = true;
    import.graph.check_array(&x.shape)?;
    let steps = ScalesAndZeros::of(quantisation, x)?;
    let values = x.as_floats()?.iter().enumerate().map(|(i, &x)| {
        let (scale, zero) = steps.at(i);
        let whole = (x / scale).round_ties_even() as i64;
        SymInt::from(whole.saturating_add(zero).clamp(range.0, range.1))
    });
    constant(Array {
        name: x.name.clone(),
        repeated: x.repeated,
        ..Array::integers(&x.shape, values.collect())
    })
}

/// The smallest and largest integer of the type of the zero point, or else of `output_dtype`, or else of `uint8`.
fn range(zero: Option<&Value>, output_dtype: i64) -> Result<(i64, i64)> {
    let kind = match zero.map(known).transpose()? {
        Some(zero) => zero.data_type,
        None if output_dtype == 0 => DataType::Uint8 as i32,
        None => output_dtype as i32,
    };
    match DataType::try_from(kind) {
        Ok(DataType::Uint8) => Ok((0, 255)),
        Ok(DataType::Int8) => Ok((-128, 127)),
        Ok(DataType::Uint16) => Ok((0, 65535)),
        Ok(DataType::Int16) => Ok((-32768, 32767)),
        _ => Err(unsupported(
            "quantises to a type other than integers of 8 or 16 bits",
        )),
    }
}

impl Import<'_> {
    /// Dequantised integers. Computed ones were never rounded, so they stay.
    ///
    /// # Errors
    /// If the scales do not fit the array.
    pub fn dequantised(
        &mut self,
        x: &Value,
        quantisation: Quantisation,
        name: &str,
    ) -> Result<Value> {
        self.is_quantised = true;
        let x = match x {
            Value::Constant(x) => x,
            Value::Quantised(_) => return self.dequantise_dynamic(x, quantisation.scale, name),
            // Pixels that are integers in the file were not quantised by a node.
            Value::Computed(view)
                if self.is_raw_pixels(view.node) && !self.quantised_pixels.contains(&view.node) =>
            {
                return self.dequantised_pixels(x, quantisation, name);
            }
            other => return Ok(other.clone()),
        };
        self.graph.check_array(&x.shape)?;
        let steps = ScalesAndZeros::of(quantisation, x)?;
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

    /// `(x − zero) · scale` of pixels that are integers in the file.
    fn dequantised_pixels(
        &mut self,
        x: &Value,
        quantisation: Quantisation,
        name: &str,
    ) -> Result<Value> {
        let mut value = x.clone();
        if let Some(zero) = quantisation.zero.map(known).transpose()? {
            let zero = Value::Constant(super::arithmetic::floats(zero)?);
            value = self.binary(&format!("{name}.zero"), Function::Sub, &value, &zero)?;
        }
        let scale = known(quantisation.scale)?.clone();
        if scale.len() != 1 {
            return Err(unsupported(
                "dequantises the pixels with a scale per channel",
            ));
        }
        self.binary(name, Function::Mul, &value, &Value::Constant(scale))
    }

    /// The output of a node that quantises a computed value: the value itself, after a ReLU if the range of the integers acts
    /// as one.
    ///
    /// # Errors
    /// For values that are not computed, and as `GraphBuilder::emit`.
    pub fn quantised(
        &mut self,
        ctx: &NodeContext,
        x: Value,
        quantisation: Quantisation,
        (low, high): (i64, i64),
    ) -> Result<Vec<Value>> {
        self.is_quantised = true;
        let Value::Computed(view) = &x else {
            return Err(unsupported(
                "quantises a value that is not computed from the picture",
            ));
        };
        if self.is_raw_pixels(view.node) {
            self.quantised_pixels.insert(view.node);
        }
        let zeros = match quantisation.zero.map(known).transpose()? {
            Some(zero) => zero.as_known()?,
            None => vec![0],
        };
        let scales = known(quantisation.scale)?.as_floats()?.clone();
        if let (&[scale], &[zero], Some(output)) =
            (&scales[..], &zeros[..], ctx.node.output.first())
        {
            self.quantisations.insert(output.clone(), (scale, zero));
        }
        // A range that begins at 0 acts as a ReLU: quantisation removes a ReLU before it. If it ends at 6, it was a ReLU6.
        let begins_at_zero = zeros.iter().all(|&zero| zero == low);
        let activation = self.graph.nodes[view.node].op_as::<Activation>();
        let is_one = matches!(
            activation,
            Some(
                Activation::Relu
                    | Activation::Relu6
                    | Activation::Sigmoid
                    | Activation::Hardsigmoid
            )
        );
        if !begins_at_zero || is_one || view.node == 0 || !self.may_be_negative(view.node, 0) {
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
        let name = match self.graph.nodes[view.node].name == ctx.name {
            true => format!("{}.rectifier", ctx.name),
            false => ctx.name.to_owned(),
        };
        let node = self.graph.emit(&name, rectifier, &[view.node])?;
        Ok(vec![Value::Computed(view.of(node))])
    }

    /// An operator on dequantised integers, whose output is quantised again. `inputs` are the first of each value, scale and
    /// zero point, with the axis of several scales; `output` are the scale and zero point of the output.
    ///
    /// # Errors
    /// Those of the operator.
    pub fn quantised_op(
        &mut self,
        operator: &str,
        ctx: &NodeContext,
        inputs: &[(usize, i64)],
        output: usize,
    ) -> Result<Vec<Value>> {
        let inputs = inputs.iter();
        let inputs = inputs.map(|&(input, axis)| self.dequantised_by(ctx, input, axis));
        let inputs = inputs.collect::<Result<_>>()?;
        let made = self.standard_op(operator, ctx.name, inputs, &ctx.node.attribute)?;
        self.quantised_by(ctx, made, output)
    }

    /// The output of a node that has the scale of its output at this input, and the zero point at the next.
    ///
    /// # Errors
    /// As [`Import::quantised`].
    pub fn quantised_by(
        &mut self,
        ctx: &NodeContext,
        x: Value,
        scale: usize,
    ) -> Result<Vec<Value>> {
        let quantisation = Quantisation::of(ctx, scale, scale + 1, 1)?;
        let range = range(quantisation.zero, 0)?;
        self.quantised(ctx, x, quantisation, range)
    }

    /// The dequantised integers of an input, whose scale and zero point are the next two inputs.
    ///
    /// # Errors
    /// As [`Import::dequantised`].
    pub fn dequantised_by(
        &mut self,
        ctx: &NodeContext,
        input: usize,
        axis: i64,
    ) -> Result<Option<Value>> {
        let quantisation = Quantisation::of(ctx, input + 1, input + 2, axis)?;
        let name = format!("{}.{input}", ctx.name);
        self.dequantised(ctx.value(input)?, quantisation, &name)
            .map(Some)
    }

    /// The dequantised integers of a bias `[O]`, whose scale is the product of two others.
    ///
    /// # Errors
    /// As [`Import::dequantised`].
    pub fn dequantised_bias(
        &mut self,
        bias: &Value,
        scales: [&Value; 2],
        factor: f32,
        name: &str,
    ) -> Result<Value> {
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
        let product = product.ok_or_else(|| invalid("has scales of different lengths"))?;
        let scale = Value::Constant(Array::floats(&[count], product));
        let quantisation = Quantisation {
            scale: &scale,
            zero: None,
            axis: -1,
            block: 0,
        };
        self.dequantised(bias, quantisation, name)
    }

    /// Whether a node's value may be negative; pools, concatenations and moves depend on their inputs.
    fn may_be_negative(&self, node: usize, depth: usize) -> bool {
        let made = &self.graph.nodes[node];
        let kind = made.op.kind();
        if made.op.class() == Class::Activation {
            return !is_never_negative(self, node);
        }
        if matches!(kind, "softmax" | "exp" | "abs" | "sqrt") {
            return false;
        }
        let passes_on = [
            "max_pool", "avg_pool", "concat", "flatten", "reshape", "permute", "slice", "tokens",
        ];
        // The depth is limited, because repeated concatenations have many paths back.
        if passes_on.contains(&kind) && depth < 6 {
            let mut inputs = made.inputs.iter();
            return inputs.any(|&input| self.may_be_negative(input, depth + 1));
        }
        true
    }
}

/// The name of an initializer before it was quantised; its layer still has it.
fn float_name(name: &str) -> Arc<str> {
    let Some(before) = name.strip_suffix("_quantized") else {
        return name.into();
    };
    before.strip_suffix("_Transposed").unwrap_or(before).into()
}

/// Operators that only move numbers, so that their scale and zero point stay the same.
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
    /// Gives the outputs of a node that moves integers the scale and zero point of its first input.
    pub fn propagate_quantisation(&mut self, node: &Node) {
        let quantisation = node
            .input
            .first()
            .and_then(|name| self.quantisations.get(name));
        if let Some(&quantisation) = quantisation
            && MOVING.contains(&&node.op_type[..])
        {
            let names = node.output.iter().cloned();
            self.quantisations
                .extend(names.map(|name| (name, quantisation)));
        }
    }
}

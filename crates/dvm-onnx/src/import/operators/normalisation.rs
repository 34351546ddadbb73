//! Normalisation layers, and `Dropout`.

use dvm_engine::Role;
use dvm_engine::Tensor;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::unary::Unary;

use super::maps::as_map;
use super::{Operator, computed, constant};
use crate::import::builder::PendingAffine;
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, Values, View, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("BatchNormalization", batch_norm),
    ("LayerNormalization", layer_norm),
    ("InstanceNormalization", instance_norm),
    ("GroupNormalization", group_norm),
    ("RMSNormalization", rms_norm),
    ("SimplifiedLayerNormalization", rms_norm),
    ("LRN", local_response_norm),
    ("Dropout", dropout),
];

fn local_response_norm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let size = usize::try_from(ctx.int("size", 0)).ok();
    let size = size.filter(|&size| size > 0);
    let size = size.ok_or_else(|| invalid("has no `size` greater than 0"))?;
    let op = LocalResponseNorm {
        before: (size - 1) / 2,
        after: size / 2,
        alpha: ctx.float("alpha", 1e-4),
        beta: ctx.float("beta", 0.75),
        bias: ctx.float("bias", 1.0),
    };
    let normalised = |import: &mut Import, node: usize| import.graph.emit(ctx.name, op, &[node]);
    if ctx.view(0)?.rank() == 2 {
        let node = import.graph.batch_first(ctx.view(0)?, ctx.name)?;
        let node = normalised(import, node)?;
        return computed(import.graph.view(node));
    }
    let (view, is_row) = as_map(ctx.view(0)?)?;
    computed(import.on_feature_maps((&view, is_row), ctx.name, normalised)?)
}

fn dropout(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    if ctx.has_more_outputs() {
        return Err(unsupported("has an output of its mask that is used"));
    }
    let ratio = match ctx.optional_constant(1)? {
        Some(array) => array.as_scalar()?,
        None => ctx.float("ratio", 0.5),
    };
    let Value::Computed(view) = ctx.value(0)? else {
        return Ok(vec![ctx.value(0)?.clone()]);
    };
    if ratio == 1.0 {
        return computed(view.clone());
    }
    if !(0.0..1.0).contains(&ratio) {
        return Err(invalid(format!(
            "has a `ratio` of {ratio}, but it must be 0 to 1"
        )));
    }
    let node = import
        .graph
        .emit(ctx.name, Dropout { p: ratio }, &[view.node])?;
    computed(view.of(node))
}

fn batch_norm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let eps = ctx.float("epsilon", 1e-5);
    if ctx.has_more_outputs() {
        return Err(unsupported(
            "has an output of mean and variance that is used",
        ));
    }
    if ctx.opset < 9 && ctx.int("spatial", 1) == 0 {
        return Err(unsupported(
            "normalises every pixel separately (the attribute `spatial` is 0)",
        ));
    }
    if ctx.int("training_mode", 0) != 0 {
        return match ctx.value(0)? {
            Value::Constant(array) => {
                let array = array.clone();
                constant(standardised(import, ctx, &array, eps)?)
            }
            _ => Err(unsupported(
                "is in training mode; export the network in evaluation mode",
            )),
        };
    }
    let view = ctx.view(0)?.clone();
    let arrays = [1, 2, 3, 4].map(|input| ctx.constant(input).cloned());
    let [weight, bias, mean, variance] = arrays;
    let (weight, bias, mean, variance) = (weight?, bias?, mean?, variance?);
    let node = match import.graph.batch_first(&view, ctx.name) {
        Ok(node) if matches!(import.graph.nodes[node].shape.len(), 2 | 4) => node,
        // Several rows per picture, for example tokens: a factor and a shift per channel.
        _ => {
            let (factor, shift) = affine([&weight, &bias, &mean, &variance], eps)?;
            let (factor, shift) = (
                per_channel(&factor, view.rank())?,
                per_channel(&shift, view.rank())?,
            );
            return scaled(import, ctx, view, factor, Some(shift));
        }
    };
    let name = import.layer_name(ctx, &weight);
    let op = BatchNorm::new(eps, 1.0 - ctx.float("momentum", 0.9));
    let graph = &mut import.graph;
    let parameters = [
        graph.parameter(&weight, &name, "weight", Role::Scale)?,
        graph.parameter(&bias, &name, "bias", Role::Bias)?,
        graph.parameter(&mean, &name, "running_mean", Role::Statistic)?,
        graph.parameter(&variance, &name, "running_var", Role::Statistic)?,
    ];
    let node = graph.emit_layer(&name, op, &[node], &parameters)?;
    computed(graph.view(node))
}

fn layer_norm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    if ctx.has_more_outputs() {
        return Err(unsupported(
            "has an output of mean and deviation that is used",
        ));
    }
    let mut view = ctx.view(0)?.clone();
    let rank = view.rank();
    let axis = ctx.axis("axis", -1, rank)?;
    let eps = ctx.float("epsilon", 1e-5);
    let (weight, bias) = (ctx.constant(1)?.clone(), ctx.optional_constant(2)?.cloned());
    let has_one = |view: &View| view.axes[rank - 1].len() == 1 && view.axes[rank - 1] != [0];
    if axis + 1 == rank && !has_one(&view) {
        view = import.graph.for_last_axis(&view, ctx.name)?;
    }
    if axis + 1 == rank && has_one(&view) {
        let own = view.axes[rank - 1][0];
        let features = weight.len();
        let weight = weight.reshaped(&[features])?;
        let bias = bias.map(|bias| bias.reshaped(&[features])).transpose()?;
        let name = import.layer_name(ctx, &weight);
        let node = import.layer_norm(&name, view.node, own, eps, Some(weight), bias)?;
        return computed(view.of(node));
    }
    let axes: Vec<usize> = (axis..rank).collect();
    let normalised = import.normalised(&view, &axes, eps, ctx.name)?;
    scaled(import, ctx, normalised, weight, bias)
}

/// The factor and shift of each channel in a batch norm.
fn affine([weight, bias, mean, variance]: [&Array; 4], eps: f32) -> Result<(Array, Array)> {
    let (weight, bias) = (weight.as_floats()?, bias.as_floats()?);
    let (mean, variance) = (mean.as_floats()?, variance.as_floats()?);
    let channels = weight.len();
    if [bias, mean, variance].iter().any(|v| v.len() != channels) {
        return Err(invalid(
            "has weight, bias, mean and variance of different lengths",
        ));
    }
    let eps = f64::from(eps);
    let factors = weight.iter().zip(variance.iter());
    let factors: Vec<f64> = factors
        .map(|(&weight, &variance)| f64::from(weight) / (f64::from(variance) + eps).sqrt())
        .collect();
    let shifts = bias.iter().zip(mean.iter()).zip(&factors);
    let shifts =
        shifts.map(|((&bias, &mean), factor)| (f64::from(bias) - f64::from(mean) * factor) as f32);
    let shifts = Array::floats(&[channels], shifts.collect());
    let factors = factors.iter().map(|&factor| factor as f32).collect();
    Ok((Array::floats(&[channels], factors), shifts))
}

/// A constant `[N, C, …]` normalised by the mean and deviation of its channels: weight standardisation
/// (arXiv 1903.10520).
fn standardised(import: &mut Import, ctx: &NodeContext, array: &Array, eps: f32) -> Result<Array> {
    let (weight, bias) = (ctx.constant(1)?.as_floats()?, ctx.constant(2)?.as_floats()?);
    let &[rows, channels, ref inner @ ..] = &array.shape[..] else {
        return Err(invalid(format!(
            "has an input of shape {:?}, without channels",
            array.shape
        )));
    };
    if weight.len() != channels || bias.len() != channels || array.len() == 0 {
        return Err(invalid(format!(
            "has an input of shape {:?}, but weights for {} channels",
            array.shape,
            weight.len()
        )));
    }
    import.graph.check_array(&array.shape)?;
    let inner: usize = inner.iter().product();
    let mut values = array.as_floats()?.to_vec();
    let count = (rows * inner) as f64;
    for channel in 0..channels {
        let row = |row: usize| {
            let start = (row * channels + channel) * inner;
            start..start + inner
        };
        let all = || (0..rows).flat_map(row);
        let mean = all().map(|at| f64::from(values[at])).sum::<f64>() / count;
        let variance = all()
            .map(|at| (f64::from(values[at]) - mean).powi(2))
            .sum::<f64>()
            / count;
        let factor = f64::from(weight[channel]) / (variance + f64::from(eps)).sqrt();
        for at in (0..rows).flat_map(row) {
            let value = (f64::from(values[at]) - mean) * factor + f64::from(bias[channel]);
            values[at] = value as f32;
        }
    }
    Ok(Array::floats(&array.shape, values))
}

/// A value times a factor plus a shift.
fn scaled(
    import: &mut Import,
    ctx: &NodeContext,
    x: View,
    factor: Array,
    shift: Option<Array>,
) -> Result<Vec<Value>> {
    let (x, factor) = (Value::Computed(x), Value::Constant(factor));
    let name = format!("{}.scaled", ctx.name);
    let scaled = import.binary(&name, Function::Mul, &x, &factor)?;
    let Some(shift) = shift else {
        return Ok(vec![scaled]);
    };
    let shift = Value::Constant(shift);
    let name = format!("{}.shifted", ctx.name);
    let shifted = import.binary(&name, Function::Add, &scaled, &shift)?;
    Ok(vec![shifted])
}

/// A vector of one number per channel, to broadcast to values of this rank.
fn per_channel(array: &Array, rank: usize) -> Result<Array> {
    let mut shape = vec![1; rank - 1];
    shape[0] = array.len();
    array.reshaped(&shape)
}

fn instance_norm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let view = ctx.view(0)?.clone();
    let rank = view.rank();
    if rank < 3 {
        return Err(unsupported(format!(
            "has an input of {rank} axes; at least 3 are needed"
        )));
    }
    let (factor, shift) = (ctx.constant(1)?.clone(), ctx.constant(2)?.clone());
    let axes: Vec<usize> = (2..rank).collect();
    let eps = ctx.float("epsilon", 1e-5);
    let normalised = import.normalised(&view, &axes, eps, ctx.name)?;
    let (factor, shift) = (per_channel(&factor, rank)?, per_channel(&shift, rank)?);
    let is = |array: &Array, value: f32| match &array.values {
        Values::Floats(values) => values.iter().all(|&v| v == value),
        _ => false,
    };
    // Exporters write group norm as an instance norm with factors of 1, followed by a `Mul` and an `Add`.
    if is(&factor, 1.0) && is(&shift, 0.0) {
        return computed(normalised);
    }
    scaled(import, ctx, normalised, factor, Some(shift))
}

fn group_norm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let view = ctx.view(0)?.clone();
    let rank = view.rank();
    let sides = import.graph.sides(&view);
    let (factor, shift) = (ctx.constant(1)?.clone(), ctx.constant(2)?.clone());
    let groups = usize::try_from(ctx.int("num_groups", 0)).unwrap_or(0);
    let channels = sides.get(1).and_then(|side| side.known()).unwrap_or(0) as usize;
    if rank < 3 || groups == 0 || !channels.is_multiple_of(groups) {
        return Err(invalid(format!(
            "has {groups} groups for {channels} channels"
        )));
    }
    let each = channels / groups;
    // Before opset 21, there is one factor per group.
    let spread = |array: &Array| -> Result<Array> {
        if array.len() == channels {
            return per_channel(array, rank);
        }
        let groups = array
            .reshaped(&[array.len(), 1])?
            .broadcast_to(&[array.len(), each])?;
        per_channel(&groups, rank)
    };
    let (factor, shift) = (spread(&factor)?, spread(&shift)?);
    let mut to = sides.clone();
    to.splice(1..2, [groups, each].map(|side| SymInt::from(side as i64)));
    let grouped = import.graph.reshape(&view, &to, ctx.name)?;
    let axes: Vec<usize> = (2..=rank).collect();
    let eps = ctx.float("epsilon", 1e-5);
    let normalised = import.normalised(&grouped, &axes, eps, ctx.name)?;
    let normalised = import.graph.reshape(&normalised, &sides, ctx.name)?;
    scaled(import, ctx, normalised, factor, Some(shift))
}

fn rms_norm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let view = ctx.view(0)?.clone();
    let rank = view.rank();
    let first = ctx.axis("axis", -1, rank)?;
    let factor = ctx.constant(1)?.clone();
    let axes: Vec<usize> = (first..rank).collect();
    let own = import.graph.node_axes(&view, &axes)?;
    let eps = ctx.float("epsilon", 1e-5);
    let root = import.root_mean_square(view.node, &own, eps, ctx.name)?;
    let name = format!("{}.normalised", ctx.name);
    let node = import
        .graph
        .emit(&name, Binary::inputs(Function::Div), &[view.node, root])?;
    scaled(import, ctx, view.of(node), factor, None)
}

impl Import<'_> {
    /// √(mean of x² + eps) along axes of a node's value.
    fn root_mean_square(
        &mut self,
        x: usize,
        axes: &[usize],
        eps: f32,
        name: &str,
    ) -> Result<usize> {
        let graph = &mut self.graph;
        let squares = graph.emit(&format!("{name}.squares"), Mul, &[x, x])?;
        let mean = Reduce {
            how: How::Mean,
            axes: axes.to_vec(),
            keeps: true,
        };
        let variance = graph.emit(&format!("{name}.variance"), mean, &[squares])?;
        let eps = Binary::constant(Function::Add, Tensor::full(&[1], eps));
        let sum = graph.emit(&format!("{name}.eps"), eps, &[variance])?;
        graph.emit(&format!("{name}.deviation"), Unary::Sqrt, &[sum])
    }

    /// A value minus its mean, divided by its deviation, along some axes.
    fn normalised(&mut self, view: &View, axes: &[usize], eps: f32, name: &str) -> Result<View> {
        let own = self.graph.node_axes(view, axes)?;
        let mean = Reduce {
            how: How::Mean,
            axes: own.clone(),
            keeps: true,
        };
        let x = view.node;
        let mean = self.graph.emit(&format!("{name}.mean"), mean, &[x])?;
        let difference = Binary::inputs(Function::Sub);
        let centred = self
            .graph
            .emit(&format!("{name}.centred"), difference, &[x, mean])?;
        let deviation = self.root_mean_square(centred, &own, eps, name)?;
        let quotient = Binary::inputs(Function::Div);
        let node = self.graph.emit(name, quotient, &[centred, deviation])?;
        Ok(view.of(node))
    }

    /// A layer norm along one axis of a node's value, whose axes stay in their order. Without a weight, a later `Mul` or
    /// `Add` may supply it ([`PendingAffine`]).
    ///
    /// # Errors
    /// As `GraphBuilder::emit`.
    pub fn layer_norm(
        &mut self,
        name: &str,
        node: usize,
        axis: usize,
        eps: f32,
        weight: Option<Array>,
        bias: Option<Array>,
    ) -> Result<usize> {
        let shape = self.graph.nodes[node].shape.clone();
        let features = shape[axis];
        let pending_affine = match (&weight, &bias) {
            (None, _) => PendingAffine::Scale,
            _ => PendingAffine::Nothing,
        };
        let all = |value: f32| Array::floats(&[features], vec![value; features]);
        let (weight, bias) = (
            weight.unwrap_or_else(|| all(1.0)),
            bias.unwrap_or_else(|| all(0.0)),
        );
        let parameters = [
            self.graph.parameter(&weight, name, "weight", Role::Scale)?,
            self.graph.parameter(&bias, name, "bias", Role::Bias)?,
        ];
        let op = LayerNorm { eps };
        let last = shape.len() - 1;
        let is_direct = (shape.len() == 4 && axis == 1) || (axis == last && shape.len() < 4);
        if is_direct {
            let made = self.graph.emit_layer(name, op, &[node], &parameters)?;
            self.graph.nodes[made].pending_affine = pending_affine;
            return Ok(made);
        }
        // Move the axis last, and merge all axes between it and the batch.
        let mut order: Vec<usize> = (0..shape.len()).filter(|&a| a != axis).collect();
        order.push(axis);
        let count: usize = shape[1..].iter().product::<usize>() / features;
        let axes = order.iter().map(|&axis| Some(axis)).collect();
        let merged = vec![1, shape.len() - 2, 1];
        let rows = self.graph.rearrange(node, axes, merged, name)?;
        debug_assert_eq!(self.graph.nodes[rows].shape, [1, count, features]);
        let rows = self.graph.emit_layer(name, op, &[rows], &parameters)?;
        let moved: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let made = self.graph.reshape_node(rows, &moved, name)?;
        if axis == last {
            return Ok(made);
        }
        let mut axes = vec![0; shape.len()];
        for (to, &from) in order.iter().enumerate() {
            axes[from] = to;
        }
        self.graph
            .emit(&format!("{name}.back"), Permute { axes }, &[made])
    }
}

//! Normalisations.

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

use super::super::Import;
use super::super::array::{Array, Values};
use super::super::draft::Awaits;
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::maps::as_map;
use super::{Operator, computed, constant};

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

fn local_response_norm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let size = usize::try_from(site.int("size", 0)).ok();
    let size = size.filter(|&size| size > 0);
    let size = size.ok_or_else(|| invalid("lacks the size of its window"))?;
    let op = LocalResponseNorm {
        before: (size - 1) / 2,
        after: size / 2,
        alpha: site.float("alpha", 1e-4),
        beta: site.float("beta", 0.75),
        bias: site.float("bias", 1.0),
    };
    let normalised =
        |import: &mut Import, node: usize| import.draft.emit(site.name, op, &[node], &[]);
    if site.view(0)?.rank() == 2 {
        let node = import.draft.plain(site.view(0)?, site.name)?;
        let node = normalised(import, node)?;
        return computed(import.draft.whole(node));
    }
    let (view, is_row) = as_map(site.view(0)?)?;
    computed(import.of_maps((&view, is_row), site.name, normalised)?)
}

fn dropout(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    if site.has_more_outputs() {
        return Err(unsupported("also tells which values it leaves"));
    }
    let ratio = match site.optional_constant(1)? {
        Some(array) => array.as_scalar()?,
        None => site.float("ratio", 0.5),
    };
    let Value::Computed(view) = site.value(0)? else {
        return Ok(vec![site.value(0)?.clone()]);
    };
    if ratio == 1.0 {
        return computed(view.clone());
    }
    if !(0.0..1.0).contains(&ratio) {
        return Err(invalid(format!("drops a share of {ratio}")));
    }
    let node = import
        .draft
        .emit(site.name, Dropout { p: ratio }, &[view.node], &[])?;
    computed(view.of(node))
}

fn batch_norm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let eps = site.float("epsilon", 1e-5);
    if site.has_more_outputs() {
        return Err(unsupported("also tells mean and variance"));
    }
    if site.opset < 9 && site.int("spatial", 1) == 0 {
        return Err(unsupported(
            "normalises every place alone (the attribute `spatial` is 0)",
        ));
    }
    if site.int("training_mode", 0) != 0 {
        return match site.value(0)? {
            Value::Constant(array) => {
                let array = array.clone();
                constant(standardised(import, site, &array, eps)?)
            }
            _ => Err(unsupported("is exported for training")),
        };
    }
    let view = site.view(0)?.clone();
    let arrays = [1, 2, 3, 4].map(|input| site.constant(input).cloned());
    let [weight, bias, mean, variance] = arrays;
    let (weight, bias, mean, variance) = (weight?, bias?, mean?, variance?);
    let node = match import.draft.plain(&view, site.name) {
        Ok(node) if matches!(import.draft.nodes[node].shape.len(), 2 | 4) => node,
        // Of rows of several tokens of a picture, say: a factor and a shift for each channel.
        _ => {
            let (factor, shift) = affine([&weight, &bias, &mean, &variance], eps)?;
            let (factor, shift) = (
                per_channel(&factor, view.rank())?,
                per_channel(&shift, view.rank())?,
            );
            return scaled(import, site, view, factor, Some(shift));
        }
    };
    let name = import.layer_name(site, &weight);
    let op = BatchNorm::new(eps, 1.0 - site.float("momentum", 0.9));
    let draft = &mut import.draft;
    let parameters = [
        draft.parameter(&weight, &name, "weight", Role::Scale)?,
        draft.parameter(&bias, &name, "bias", Role::Bias)?,
        draft.parameter(&mean, &name, "running_mean", Role::Statistic)?,
        draft.parameter(&variance, &name, "running_var", Role::Statistic)?,
    ];
    let node = draft.emit(&name, op, &[node], &parameters)?;
    computed(draft.whole(node))
}

fn layer_norm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    if site.has_more_outputs() {
        return Err(unsupported("also tells mean and deviation"));
    }
    let mut view = site.view(0)?.clone();
    let rank = view.rank();
    let axis = site.axis("axis", -1, rank)?;
    let eps = site.float("epsilon", 1e-5);
    let (weight, bias) = (
        site.constant(1)?.clone(),
        site.optional_constant(2)?.cloned(),
    );
    let has_one = |view: &View| view.axes[rank - 1].len() == 1 && view.axes[rank - 1] != [0];
    if axis + 1 == rank && !has_one(&view) {
        view = import.draft.featured(&view, site.name)?;
    }
    if axis + 1 == rank && has_one(&view) {
        let own = view.axes[rank - 1][0];
        let features = weight.len();
        let weight = weight.reshaped(&[features])?;
        let bias = bias.map(|bias| bias.reshaped(&[features])).transpose()?;
        let name = import.layer_name(site, &weight);
        let node = import.layer_norm(&name, view.node, own, eps, Some(weight), bias)?;
        return computed(view.of(node));
    }
    let axes: Vec<usize> = (axis..rank).collect();
    let normalised = import.normalised(&view, &axes, eps, site.name)?;
    scaled(import, site, normalised, weight, bias)
}

/// What a batch-norm multiplies each channel by and adds to it.
fn affine(
    [weight, bias, mean, variance]: [&Array; 4],
    eps: f32,
) -> Result<(Array, Array), Trouble> {
    let (weight, bias) = (weight.as_floats()?, bias.as_floats()?);
    let (mean, variance) = (mean.as_floats()?, variance.as_floats()?);
    let channels = weight.len();
    if [bias, mean, variance].iter().any(|v| v.len() != channels) {
        return Err(invalid("has statistics of another number of channels"));
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

/// A constant `[N, C, …]` less the mean of its own channels, divided by their deviation: weights that
/// are standardised whenever they are used (arXiv 1903.10520).
fn standardised(
    import: &mut Import,
    site: &Site,
    array: &Array,
    eps: f32,
) -> Result<Array, Trouble> {
    let (weight, bias) = (
        site.constant(1)?.as_floats()?,
        site.constant(2)?.as_floats()?,
    );
    let &[rows, channels, ref inner @ ..] = &array.shape[..] else {
        return Err(invalid("works on values without channels"));
    };
    if weight.len() != channels || bias.len() != channels || array.len() == 0 {
        return Err(invalid(format!(
            "standardises {:?} by the factors of {} channels",
            array.shape,
            weight.len()
        )));
    }
    import.draft.spend_on(&array.shape)?;
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
    site: &Site,
    x: View,
    factor: Array,
    shift: Option<Array>,
) -> Result<Vec<Value>, Trouble> {
    let (x, factor) = (Value::Computed(x), Value::Constant(factor));
    let name = format!("{}.scaled", site.name);
    let scaled = import.binary(&name, Function::Mul, &x, &factor)?;
    let Some(shift) = shift else {
        return Ok(vec![scaled]);
    };
    let shift = Value::Constant(shift);
    let name = format!("{}.shifted", site.name);
    Ok(vec![import.binary(
        &name,
        Function::Add,
        &scaled,
        &shift,
    )?])
}

/// One number per channel, for values of this rank.
fn per_channel(array: &Array, rank: usize) -> Result<Array, Trouble> {
    let mut shape = vec![1; rank - 1];
    shape[0] = array.len();
    array.reshaped(&shape)
}

fn instance_norm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    let rank = view.rank();
    if rank < 3 {
        return Err(unsupported("works on values without places"));
    }
    let (factor, shift) = (site.constant(1)?.clone(), site.constant(2)?.clone());
    let axes: Vec<usize> = (2..rank).collect();
    let eps = site.float("epsilon", 1e-5);
    let normalised = import.normalised(&view, &axes, eps, site.name)?;
    let (factor, shift) = (per_channel(&factor, rank)?, per_channel(&shift, rank)?);
    let is = |array: &Array, value: f32| match &array.values {
        Values::Floats(values) => values.iter().all(|&v| v == value),
        _ => false,
    };
    // Exporters write group norm as this with factors of 1, and another factor after it.
    if is(&factor, 1.0) && is(&shift, 0.0) {
        return computed(normalised);
    }
    scaled(import, site, normalised, factor, Some(shift))
}

fn group_norm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    let rank = view.rank();
    let sides = import.draft.sides(&view);
    let (factor, shift) = (site.constant(1)?.clone(), site.constant(2)?.clone());
    let groups = usize::try_from(site.int("num_groups", 0)).unwrap_or(0);
    let channels = sides.get(1).and_then(|side| side.known()).unwrap_or(0) as usize;
    if rank < 3 || groups == 0 || !channels.is_multiple_of(groups) {
        return Err(invalid(format!(
            "makes {groups} groups of {channels} channels"
        )));
    }
    let each = channels / groups;
    // Before opset 21 there is one factor per group.
    let spread = |array: &Array| -> Result<Array, Trouble> {
        if array.len() == channels {
            return per_channel(array, rank);
        }
        let groups = array
            .reshaped(&[array.len(), 1])?
            .spread(&[array.len(), each])?;
        per_channel(&groups, rank)
    };
    let (factor, shift) = (spread(&factor)?, spread(&shift)?);
    let mut to = sides.clone();
    to.splice(1..2, [groups, each].map(|side| Integer::from(side as i64)));
    let grouped = import.draft.reshape(&view, &to, site.name)?;
    let axes: Vec<usize> = (2..=rank).collect();
    let eps = site.float("epsilon", 1e-5);
    let normalised = import.normalised(&grouped, &axes, eps, site.name)?;
    let normalised = import.draft.reshape(&normalised, &sides, site.name)?;
    scaled(import, site, normalised, factor, Some(shift))
}

fn rms_norm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    let rank = view.rank();
    let first = site.axis("axis", -1, rank)?;
    let factor = site.constant(1)?.clone();
    let axes: Vec<usize> = (first..rank).collect();
    let own = import.draft.along(&view, &axes)?;
    let eps = site.float("epsilon", 1e-5);
    let root = import.root_mean_square(view.node, &own, eps, site.name)?;
    let name = format!("{}.normalised", site.name);
    let node = import.draft.emit(
        &name,
        Binary::inputs(Function::Div),
        &[view.node, root],
        &[],
    )?;
    scaled(import, site, view.of(node), factor, None)
}

impl Import<'_> {
    /// √(mean of x² + eps) along axes of a node's value.
    fn root_mean_square(
        &mut self,
        x: usize,
        axes: &[usize],
        eps: f32,
        name: &str,
    ) -> Result<usize, Trouble> {
        let draft = &mut self.draft;
        let squares = draft.emit(&format!("{name}.squares"), Mul, &[x, x], &[])?;
        let mean = Reduce {
            how: How::Mean,
            axes: axes.to_vec(),
            keeps: true,
        };
        let variance = draft.emit(&format!("{name}.variance"), mean, &[squares], &[])?;
        let eps = Binary::constant(Function::Add, Tensor::full(&[1], eps));
        let sum = draft.emit(&format!("{name}.eps"), eps, &[variance], &[])?;
        draft.emit(&format!("{name}.deviation"), Unary::Sqrt, &[sum], &[])
    }

    /// A value less its mean and divided by its deviation along some axes.
    fn normalised(
        &mut self,
        view: &View,
        axes: &[usize],
        eps: f32,
        name: &str,
    ) -> Result<View, Trouble> {
        let own = self.draft.along(view, axes)?;
        let mean = Reduce {
            how: How::Mean,
            axes: own.clone(),
            keeps: true,
        };
        let x = view.node;
        let mean = self.draft.emit(&format!("{name}.mean"), mean, &[x], &[])?;
        let difference = Binary::inputs(Function::Sub);
        let centred = self
            .draft
            .emit(&format!("{name}.centred"), difference, &[x, mean], &[])?;
        let deviation = self.root_mean_square(centred, &own, eps, name)?;
        let quotient = Binary::inputs(Function::Div);
        let node = self
            .draft
            .emit(name, quotient, &[centred, deviation], &[])?;
        Ok(view.of(node))
    }

    /// A layer norm along one axis of a node's value, whose other axes stay as they are.
    ///
    /// # Errors
    /// As [`super::super::draft::Draft::emit`].
    pub fn layer_norm(
        &mut self,
        name: &str,
        node: usize,
        axis: usize,
        eps: f32,
        weight: Option<Array>,
        bias: Option<Array>,
    ) -> Result<usize, Trouble> {
        let shape = self.draft.nodes[node].shape.clone();
        let features = shape[axis];
        let awaits = match (&weight, &bias) {
            (None, _) => Awaits::Scale,
            _ => Awaits::Nothing,
        };
        let all = |value: f32| Array::floats(&[features], vec![value; features]);
        let (weight, bias) = (
            weight.unwrap_or_else(|| all(1.0)),
            bias.unwrap_or_else(|| all(0.0)),
        );
        let parameters = [
            self.draft.parameter(&weight, name, "weight", Role::Scale)?,
            self.draft.parameter(&bias, name, "bias", Role::Bias)?,
        ];
        let op = LayerNorm { eps };
        let last = shape.len() - 1;
        let is_direct = (shape.len() == 4 && axis == 1) || (axis == last && shape.len() < 4);
        if is_direct {
            let made = self.draft.emit(name, op, &[node], &parameters)?;
            self.draft.nodes[made].awaits = awaits;
            return Ok(made);
        }
        // The axis last, and all between it and the batch as one.
        let mut order: Vec<usize> = (0..shape.len()).filter(|&a| a != axis).collect();
        order.push(axis);
        let count: usize = shape[1..].iter().product::<usize>() / features;
        let axes = order.iter().map(|&axis| Some(axis)).collect();
        let merged = vec![1, shape.len() - 2, 1];
        let rows = self.draft.arrange(node, axes, merged, name)?;
        debug_assert_eq!(self.draft.nodes[rows].shape, [1, count, features]);
        let rows = self.draft.emit(name, op, &[rows], &parameters)?;
        let moved: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let made = self.draft.under(rows, &moved, name)?;
        if axis == last {
            return Ok(made);
        }
        let mut axes = vec![0; shape.len()];
        for (to, &from) in order.iter().enumerate() {
            axes[from] = to;
        }
        self.draft
            .emit(&format!("{name}.back"), Permute { axes }, &[made], &[])
    }
}

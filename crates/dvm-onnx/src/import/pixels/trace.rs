//! The picture followed through a graph, channel by channel.

use dvm_engine::ops::Class;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::tokens::{Grid, Tokens};

use crate::import::Values;
use crate::import::builder::{BuilderNode, GraphBuilder};

/// A channel of the picture, scaled and shifted: `factor · x + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Channel {
    pub source: usize,
    pub factor: f64,
    pub shift: f64,
}

impl Channel {
    fn then(self, factor: f64, shift: f64) -> Self {
        Self {
            factor: self.factor * factor,
            shift: self.shift * factor + shift,
            ..self
        }
    }

    /// The pixel value that becomes 0.
    pub fn zero(self) -> f64 {
        -self.shift / self.factor
    }
}

/// The picture moved, scaled and shifted.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// The axis of its channels.
    pub axis: usize,
    pub channels: Vec<Channel>,
    /// Whether any factor was trained.
    pub is_learnt: bool,
}

/// The most channels to follow: those of the picture, and a few copies of them.
pub(super) const MOST_CHANNELS: usize = 64;

impl Trace {
    /// The picture itself.
    pub fn of_picture(channels: usize) -> Self {
        let channel = |source| Channel {
            source,
            factor: 1.0,
            shift: 0.0,
        };
        Self {
            axis: 1,
            channels: (0..channels).map(channel).collect(),
            is_learnt: false,
        }
    }

    /// The same with its channels along this axis.
    fn along(&self, axis: usize) -> Self {
        Self {
            axis,
            ..self.clone()
        }
    }

    fn map(&self, change: impl Fn(usize, Channel) -> Channel) -> Self {
        let channels = self.channels.iter().enumerate();
        Self {
            channels: channels.map(|(at, &channel)| change(at, channel)).collect(),
            ..self.clone()
        }
    }

    /// The picture after a factor and a shift per channel, or one for all.
    fn affine(&self, factors: &[f64], shifts: &[f64]) -> Option<Self> {
        let fits = |numbers: &[f64]| numbers.len() == 1 || numbers.len() == self.channels.len();
        if !fits(factors) || !fits(shifts) {
            return None;
        }
        let at = |numbers: &[f64], channel: usize| numbers[channel % numbers.len()];
        Some(self.map(|channel, own| own.then(at(factors, channel), at(shifts, channel))))
    }

    /// The picture after a node; `None` if the node does more than move, scale and shift.
    pub fn through(
        &self,
        node: &BuilderNode,
        graph: &GraphBuilder,
        traces: &[Option<Trace>],
    ) -> Option<Self> {
        let before = &graph.nodes[*node.inputs.first()?].shape;
        if let Some(slice) = node.op_as::<Slice>() {
            if slice.axis != self.axis {
                return Some(self.clone());
            }
            let count = slice.count.unwrap_or(self.channels.len());
            let taken = self.channels.iter().skip(slice.start);
            let taken = taken.step_by(slice.step.max(1)).take(count);
            return Some(Self {
                channels: taken.copied().collect(),
                ..self.clone()
            });
        }
        if let Some(concat) = node.op_as::<Concat>() {
            return self.joined(node, concat.axis, traces);
        }
        if let Some(permute) = node.op_as::<Permute>() {
            let axis = permute.axes.iter().position(|&axis| axis == self.axis)?;
            return Some(self.along(axis));
        }
        if node.op_as::<Tokens>().is_some() {
            return (self.axis == 1).then(|| self.along(2));
        }
        if node.op_as::<Grid>().is_some() {
            return (self.axis == 2).then(|| self.along(1));
        }
        if node.op_as::<Reshape>().is_some() || node.op_as::<Flatten>().is_some() {
            let outer: usize = before[..self.axis].iter().product();
            let mut product = 1;
            let place = node.shape.iter().position(|&side| {
                let here = product == outer && side == before[self.axis];
                product *= side;
                here
            });
            return Some(self.along(place?));
        }
        let moves = matches!(
            node.op.class(),
            Class::Padding | Class::Resampling | Class::Identity
        );
        if moves {
            return (node.shape.get(self.axis) == before.get(self.axis)).then(|| self.clone());
        }
        if let Some(own) = node.op_as::<ChannelAffine>()
            && self.axis == 1
        {
            let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            return self.affine(&wide(&own.factor), &wide(&own.shift));
        }
        if let Some(binary) = node.op_as::<Binary>() {
            return self.with_constant(binary, node);
        }
        if node.op_as::<BatchNorm>().is_some() {
            return self.normalised(node, graph);
        }
        if let Some(conv) = node.op_as::<Conv2d>() {
            return self.convolved(conv, node, graph);
        }
        None
    }

    fn joined(&self, node: &BuilderNode, axis: usize, traces: &[Option<Trace>]) -> Option<Self> {
        let parts = node.inputs.iter().map(|&input| traces[input].as_ref());
        let parts: Vec<&Trace> = parts.collect::<Option<_>>()?;
        if parts.iter().any(|part| part.axis != self.axis) {
            return None;
        }
        if axis != self.axis {
            let same = parts.iter().all(|part| part.channels == self.channels);
            return same.then(|| self.clone());
        }
        let channels: Vec<Channel> = parts.iter().flat_map(|p| p.channels.clone()).collect();
        (channels.len() <= MOST_CHANNELS).then(|| Self {
            channels,
            axis,
            is_learnt: parts.iter().any(|part| part.is_learnt),
        })
    }

    fn with_constant(&self, binary: &Binary, node: &BuilderNode) -> Option<Self> {
        let Other::Constant(constant) = &binary.other else {
            return None;
        };
        let numbers = self.per_channel(constant.shape(), &constant.to_nchw(), &node.shape)?;
        let negative: Vec<f64> = numbers.iter().map(|v| -v).collect();
        let inverse: Vec<f64> = numbers.iter().map(|v| 1.0 / v).collect();
        match (binary.function, binary.swapped) {
            (Function::Add, _) => self.affine(&[1.0], &numbers),
            (Function::Sub, false) => self.affine(&[1.0], &negative),
            (Function::Sub, true) => self.affine(&[-1.0], &numbers),
            (Function::Mul, _) => self.affine(&numbers, &[0.0]),
            (Function::Div, false) => self.affine(&inverse, &[0.0]),
            // Bounds that keep values in their range.
            (Function::Min | Function::Max, _) => Some(self.clone()),
            _ => None,
        }
    }

    /// A number per channel of a constant; of a whole picture (Caffe's mean image), the mean of each channel.
    fn per_channel(&self, shape: &[usize], numbers: &[f32], value: &[usize]) -> Option<Vec<f64>> {
        if let [number] = numbers {
            return Some(vec![f64::from(*number)]);
        }
        let axis = self.axis.checked_sub(value.len().checked_sub(shape.len())?);
        let side = axis.map_or(1, |axis| shape[axis]);
        let inner: usize = axis.map_or(numbers.len(), |axis| shape[axis + 1..].iter().product());
        if value.get(self.axis) != Some(&self.channels.len()) {
            return None;
        }
        let mut sums = vec![0.0; side];
        for (at, &number) in numbers.iter().enumerate() {
            sums[at / inner.max(1) % side] += f64::from(number);
        }
        let each = (numbers.len() / side) as f64;
        Some(sums.into_iter().map(|sum| sum / each).collect())
    }

    fn normalised(&self, node: &BuilderNode, graph: &GraphBuilder) -> Option<Self> {
        let values = |at: usize| -> Option<Vec<f64>> { floats(graph, *node.parameters.get(at)?) };
        let eps = f64::from(node.op_as::<BatchNorm>()?.eps);
        let (weight, bias, mean, variance) = (values(0)?, values(1)?, values(2)?, values(3)?);
        if self.axis != 1 {
            return None;
        }
        let factor: Vec<f64> = (weight.iter().zip(&variance))
            .map(|(weight, variance)| weight / (variance + eps).sqrt())
            .collect();
        let shift: Vec<f64> = (bias.iter().zip(&mean).zip(&factor))
            .map(|((bias, mean), factor)| bias - mean * factor)
            .collect();
        Some(Self {
            is_learnt: true,
            ..self.affine(&factor, &shift)?
        })
    }

    /// The picture after a 1×1 convolution that mixes no channels: one that scales or reorders them.
    fn convolved(&self, conv: &Conv2d, node: &BuilderNode, graph: &GraphBuilder) -> Option<Self> {
        let is_plain = conv.kernel == (1, 1)
            && conv.stride == (1, 1)
            && conv.activation.is_none()
            && !conv.residual;
        let inputs = self.channels.len();
        let outputs = *node.shape.get(1)?;
        if !is_plain || self.axis != 1 || outputs > MOST_CHANNELS {
            return None;
        }
        let weight = floats(graph, node.parameters[0])?;
        let bias = match node.parameters.get(1) {
            Some(&bias) => floats(graph, bias)?,
            None => vec![0.0; outputs],
        };
        let per_group = inputs / conv.groups;
        let mut channels = Vec::with_capacity(outputs);
        for output in 0..outputs {
            let own = &weight[output * per_group..][..per_group];
            let mut used = own.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
            let (at, &weight) = used.next()?;
            if used.next().is_some() {
                return None;
            }
            let group = output / (outputs / conv.groups);
            channels.push(self.channels[group * per_group + at].then(weight, bias[output]));
        }
        Some(Self {
            channels,
            ..self.clone()
        })
    }
}

/// The numbers of a parameter; `None` if it has too many for a picture, or is not in the file.
fn floats(graph: &GraphBuilder, parameter: usize) -> Option<Vec<f64>> {
    let array = graph.array(parameter);
    let Values::Floats(values) = &array.values else {
        return None;
    };
    let is_short = values.len() <= MOST_CHANNELS * MOST_CHANNELS;
    is_short.then(|| values.iter().map(|&v| f64::from(v)).collect())
}

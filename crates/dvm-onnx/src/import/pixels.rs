//! Which pixels a network takes, told by what its graph does to them before its first layer.
//!
//! A graph that subtracts 123.7 or divides by 255 takes pixels of 0 to 255; one that computes 2x − 1
//! takes 0 to 1. So the picture is followed, channel by channel, through everything that only moves,
//! scales and shifts it, up to the first layer that mixes it.

use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::pad::Pad;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::resample::Resample;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::tokens::{Grid, Tokens};

use super::Import;
use super::array::Values;
use super::draft::{Draft, Made};
use super::opening::PICTURE;
use crate::{ChannelOrder, PixelRange, Pixels};

/// A channel of the picture, scaled and shifted: `factor · x + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Channel {
    source: usize,
    factor: f64,
    shift: f64,
}

impl Channel {
    fn then(self, factor: f64, shift: f64) -> Self {
        Self {
            factor: self.factor * factor,
            shift: self.shift * factor + shift,
            ..self
        }
    }

    /// What of the picture becomes zero.
    fn zero(self) -> f64 {
        -self.shift / self.factor
    }
}

/// A value that is the picture, moved, scaled and shifted.
#[derive(Clone, Debug)]
struct Trace {
    /// The axis of its channels.
    axis: usize,
    channels: Vec<Channel>,
    /// Whether numbers that were trained are among the factors.
    is_learnt: bool,
}

/// Channels that are followed: those of the picture, and a few copies of them.
const MOST_CHANNELS: usize = 64;

impl Trace {
    fn map(&self, change: impl Fn(usize, Channel) -> Channel) -> Self {
        let channels = self.channels.iter().enumerate();
        Self {
            channels: channels.map(|(at, &channel)| change(at, channel)).collect(),
            ..self.clone()
        }
    }

    /// With a factor and a shift for each channel, or one for all.
    fn affine(&self, factors: &[f64], shifts: &[f64]) -> Option<Self> {
        let fits = |numbers: &[f64]| numbers.len() == 1 || numbers.len() == self.channels.len();
        if !fits(factors) || !fits(shifts) {
            return None;
        }
        let at = |numbers: &[f64], channel: usize| numbers[channel % numbers.len()];
        Some(self.map(|channel, own| own.then(at(factors, channel), at(shifts, channel))))
    }

    /// After a node, if it only moves, scales and shifts.
    fn through(&self, node: &Made, draft: &Draft, traces: &[Option<Trace>]) -> Option<Self> {
        let before = &draft.nodes[*node.inputs.first()?].shape;
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
            return Some(Self {
                axis,
                ..self.clone()
            });
        }
        if node.op_as::<Tokens>().is_some() {
            return (self.axis == 1).then(|| Self {
                axis: 2,
                ..self.clone()
            });
        }
        if node.op_as::<Grid>().is_some() {
            return (self.axis == 2).then(|| Self {
                axis: 1,
                ..self.clone()
            });
        }
        if node.op_as::<Reshape>().is_some() || node.op_as::<Flatten>().is_some() {
            let outer: usize = before[..self.axis].iter().product();
            let mut product = 1;
            let place = node.shape.iter().position(|&side| {
                let here = product == outer && side == before[self.axis];
                product *= side;
                here
            });
            return Some(Self {
                axis: place?,
                ..self.clone()
            });
        }
        let moves = node.op_as::<Pad>().is_some()
            || node.op_as::<Resample>().is_some()
            || node.op_as::<Dropout>().is_some();
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
            return self.normalised(node, draft);
        }
        if let Some(conv) = node.op_as::<Conv2d>() {
            return self.convolved(conv, node, draft);
        }
        None
    }

    fn joined(&self, node: &Made, axis: usize, traces: &[Option<Trace>]) -> Option<Self> {
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

    fn with_constant(&self, binary: &Binary, node: &Made) -> Option<Self> {
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
            // Limits that keep values in their range.
            (Function::Min | Function::Max, _) => Some(self.clone()),
            _ => None,
        }
    }

    /// The numbers of a constant for each channel: where it is a whole picture (Caffe's mean picture),
    /// their means.
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

    fn normalised(&self, node: &Made, draft: &Draft) -> Option<Self> {
        let values = |at: usize| -> Option<Vec<f64>> { floats(draft, *node.parameters.get(at)?) };
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

    /// After a convolution of single pixels that mixes no channels: a filter per channel, or one that
    /// brings them into another order.
    fn convolved(&self, conv: &Conv2d, node: &Made, draft: &Draft) -> Option<Self> {
        let is_plain = conv.kernel == (1, 1)
            && conv.stride == (1, 1)
            && conv.activation.is_none()
            && !conv.residual;
        let inputs = self.channels.len();
        let outputs = *node.shape.get(1)?;
        if !is_plain || self.axis != 1 || outputs > MOST_CHANNELS {
            return None;
        }
        let weight = floats(draft, node.parameters[0])?;
        let bias = match node.parameters.get(1) {
            Some(&bias) => floats(draft, bias)?,
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

/// The numbers of a parameter; none where it is too long to be that of a picture, or not there.
fn floats(draft: &Draft, parameter: usize) -> Option<Vec<f64>> {
    let array = draft.array(parameter);
    let Values::Floats(values) = &array.values else {
        return None;
    };
    let is_short = values.len() <= MOST_CHANNELS * MOST_CHANNELS;
    is_short.then(|| values.iter().map(|&v| f64::from(v)).collect())
}

impl Import<'_> {
    /// Whether the value of a node is the pixels of a file that takes whole numbers, only moved.
    pub fn is_raw(&self, node: usize) -> bool {
        if !self.takes_bytes {
            return false;
        }
        let (mut nodes, mut steps) = (vec![node], 0);
        while let Some(node) = nodes.pop() {
            let made = &self.draft.nodes[node];
            let moves = made.op_as::<Slice>().is_some()
                || made.op_as::<Concat>().is_some()
                || made.op_as::<Permute>().is_some()
                || made.op_as::<Reshape>().is_some()
                || made.op_as::<Pad>().is_some();
            steps += 1;
            if node != PICTURE && (!moves || steps > MOST_CHANNELS) {
                return false;
            }
            nodes.extend(&made.inputs);
        }
        true
    }

    /// Which pixels the network takes, if what it does to them before its first layer shows it.
    pub fn pixels(&self) -> Option<Pixels> {
        let nodes = &self.draft.nodes;
        let sources = *nodes[PICTURE].shape.get(1)?;
        if sources > MOST_CHANNELS {
            return None;
        }
        let channels = (0..sources).map(|source| Channel {
            source,
            factor: 1.0,
            shift: 0.0,
        });
        let mut traces: Vec<Option<Trace>> = vec![None; nodes.len()];
        traces[PICTURE] = Some(Trace {
            axis: 1,
            channels: channels.collect(),
            is_learnt: false,
        });
        let mut lost = None;
        for (id, node) in nodes.iter().enumerate().skip(PICTURE + 1) {
            let before = node.inputs.first().and_then(|&input| traces[input].clone());
            let Some(before) = before else {
                continue;
            };
            let after = before.through(node, &self.draft, &traces);
            if after.is_none() && !node.parameters.is_empty() {
                return verdict(&before, sources);
            }
            if after.is_none() {
                lost.get_or_insert(before);
            }
            traces[id] = after;
        }
        // A network without convolutions joins all pixels in a row before its first layer.
        verdict(&lost?, sources)
    }
}

/// Means of ImageNet's colours, R, G, B, of 0 to 1; Caffe's are within a hundredth.
const IMAGENET: [f64; 3] = [0.485, 0.456, 0.406];

fn verdict(trace: &Trace, sources: usize) -> Option<Pixels> {
    // Each channel of the picture as the first layer gets it; copies of it are treated alike.
    let mut own: Vec<Option<Channel>> = vec![None; sources];
    for &channel in &trace.channels {
        match &own[channel.source] {
            Some(known) if *known != channel => return None,
            _ => own[channel.source] = Some(channel),
        }
    }
    let own: Vec<Channel> = own.into_iter().collect::<Option<_>>()?;
    let is_untouched = |c: &Channel| c.factor == 1.0 && c.shift == 0.0;
    let is_odd = |c: &Channel| !c.zero().is_finite() || c.factor == 0.0;
    if own.iter().all(is_untouched) || own.iter().any(is_odd) {
        return None;
    }
    let range = [
        PixelRange::Bytes,
        PixelRange::Unit,
        PixelRange::PlusMinusOne,
    ]
    .into_iter()
    .find(|range| own.iter().all(|&c| fits(c, *range, trace.is_learnt)))?;
    let (low, high) = range.bounds();
    let means: Vec<f64> = (own.iter())
        .map(|c| (c.zero() - low) / (high - low))
        .collect();
    let near = |known: [f64; 3]| {
        means.len() == 3 && means.iter().zip(known).all(|(m, k)| (m - k).abs() < 0.015)
    };
    let [red, green, blue] = IMAGENET;
    let channels = match () {
        () if near(IMAGENET) => Some(ChannelOrder::Rgb),
        () if near([blue, green, red]) => Some(ChannelOrder::Bgr),
        () => None,
    };
    Some(Pixels {
        range,
        channels,
        how: in_words(&own),
    })
}

/// Whether a channel becomes what networks are trained on if it has this range before.
fn fits(channel: Channel, range: PixelRange, is_learnt: bool) -> bool {
    let (low, high) = range.bounds();
    let zero = (channel.zero() - low) / (high - low);
    // How wide the range is afterwards: 1 after a division by 255, 255 where only means are subtracted,
    // the inverse of a deviation after a normalisation.
    let width = channel.factor.abs() * (high - low);
    let is_deviation = (2.5..12.0).contains(&width);
    if is_learnt {
        return is_deviation && (0.25..0.65).contains(&zero);
    }
    let is_kept = (0.95..1.05).contains(&width) || (250.0..260.0).contains(&width);
    if (channel.zero() - low).abs() < 1e-4 {
        return is_kept || is_deviation;
    }
    // Numbers around 0 that are only scaled may be anything.
    if range == PixelRange::PlusMinusOne {
        return false;
    }
    let is_doubled = (1.9..2.5).contains(&width);
    (0.2..0.7).contains(&zero) && (is_kept || is_doubled || is_deviation)
}

/// What the graph does, as the end of "the network itself …".
fn in_words(own: &[Channel]) -> String {
    let zeros: Vec<f64> = own.iter().map(|c| c.zero()).collect();
    let factors: Vec<f64> = own.iter().map(|c| c.factor).collect();
    let divides = factors.iter().all(|f| f.abs() < 1.0);
    let factors: Vec<f64> = match divides {
        true => factors.iter().map(|f| 1.0 / f).collect(),
        false => factors,
    };
    let mut parts = Vec::new();
    if zeros.iter().any(|z| z.abs() > 1e-6) {
        let adds = zeros.iter().all(|&z| z <= 0.0);
        let shown: Vec<f64> = zeros.iter().map(|z| if adds { -z } else { *z }).collect();
        let verb = if adds { "adds" } else { "subtracts" };
        parts.push(format!("{verb} {}", numbers(&shown)));
    }
    if factors.iter().any(|f| (f - 1.0).abs() > 1e-6) {
        let verb = if divides {
            "divides by"
        } else {
            "multiplies by"
        };
        parts.push(format!("{verb} {}", numbers(&factors)));
    }
    parts.join(" and ")
}

/// Numbers of four digits, one if they are alike.
fn numbers(all: &[f64]) -> String {
    let shown = |value: &f64| {
        let digits = 3 - value.abs().max(1e-9).log10().floor() as i32;
        let text = format!("{value:.*}", digits.clamp(0, 8) as usize);
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    };
    let mut all: Vec<String> = all.iter().map(shown).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        all.truncate(1);
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(channels: [(f64, f64); 3], is_learnt: bool) -> Option<Pixels> {
        let channels = channels.iter().enumerate();
        let channels = channels.map(|(source, &(factor, shift))| Channel {
            source,
            factor,
            shift,
        });
        let trace = Trace {
            axis: 1,
            channels: channels.collect(),
            is_learnt,
        };
        verdict(&trace, 3)
    }

    fn ranges(factor: f64, zeros: [f64; 3]) -> Option<(PixelRange, Option<ChannelOrder>)> {
        let pixels = found(zeros.map(|zero| (factor, -zero * factor)), false)?;
        Some((pixels.range, pixels.channels))
    }

    #[test]
    fn what_exporters_put_before_the_first_layer_tells_the_range() {
        use ChannelOrder::{Bgr, Rgb};
        use PixelRange::{Bytes, PlusMinusOne, Unit};
        let cases = [
            (1.0, [123.68, 116.779, 103.939], Bytes, Some(Rgb)),
            (1.0, [103.939, 116.779, 123.68], Bytes, Some(Bgr)),
            (0.017, [103.94, 116.78, 123.68], Bytes, Some(Bgr)),
            (1.0 / 255.0, [0.0; 3], Bytes, None),
            (1.0 / 127.5, [127.5; 3], Bytes, None),
            (1.0 / 128.0, [127.0; 3], Bytes, None),
            (2.0, [0.5; 3], Unit, None),
            (4.4, [0.485, 0.456, 0.406], Unit, Some(Rgb)),
            (255.0, [0.485, 0.456, 0.406], Unit, Some(Rgb)),
            (1.0, [0.485, 0.456, 0.406], Unit, Some(Rgb)),
            (255.0, [0.0; 3], Unit, None),
            (127.5, [-1.0; 3], PlusMinusOne, None),
            (0.5, [-1.0; 3], PlusMinusOne, None),
        ];
        for (factor, zeros, range, channels) in cases {
            assert_eq!(
                ranges(factor, zeros),
                Some((range, channels)),
                "{factor} · (x − {zeros:?})"
            );
        }
    }

    #[test]
    fn what_says_nothing_of_the_range_is_left_open() {
        assert_eq!(ranges(1.0, [0.0; 3]), None);
        assert_eq!(ranges(0.5, [0.0; 3]), None);
        // Torchvision's Inception brings ImageNet's normalisation to its own.
        let inception = [(0.458, -0.030), (0.448, -0.088), (0.45, -0.188)];
        assert_eq!(found(inception, false), None);
        // A learnt normalisation of pictures that were normalised before.
        assert_eq!(found([(1.02, 0.01), (0.97, -0.02), (1.1, 0.0)], true), None);
        // And one of raw pixels.
        let raw = [123.0, 116.0, 103.0].map(|mean| (1.0 / 57.0, -mean / 57.0));
        assert_eq!(found(raw, true).unwrap().range, PixelRange::Bytes);
    }

    #[test]
    fn what_the_graph_does_is_told_in_words() {
        let caffe = found([(1.0, -123.68), (1.0, -116.779), (1.0, -103.939)], false);
        assert_eq!(caffe.unwrap().how, "subtracts 123.7, 116.8, 103.9");
        let halves = found([(1.0 / 127.5, -1.0); 3], false);
        assert_eq!(halves.unwrap().how, "subtracts 127.5 and divides by 127.5");
        let scaled = found([(1.0 / 255.0, 0.0); 3], false);
        assert_eq!(scaled.unwrap().how, "divides by 255");
    }
}

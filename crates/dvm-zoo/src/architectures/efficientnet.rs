//! EfficientNet: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", Tan and Le
//! 2019, arXiv 1905.11946. One builder for three publishers: torchvision ([`torchvision`]), Google's
//! TensorFlow code ([`tensorflow`]) and its networks for phones ([`lite`]).

pub(super) mod lite;
pub(super) mod tensorflow;
pub(super) mod torchvision;

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::conv2d::{Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, NodeId};

use super::{Paper, centred};

const PAPER: Paper = Paper {
    title: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    arxiv: "1905.11946",
};

/// How far a network is widened and deepened from B0.
struct Scaling {
    /// Factor of all channels.
    width: f64,
    /// Factor of the number of blocks.
    depth: f64,
    /// Probability of dropout before the last layer.
    dropout: f32,
}

/// Width, depth and dropout.
const fn scaling(width: f64, depth: f64, dropout: f32) -> Scaling {
    Scaling {
        width,
        depth,
        dropout,
    }
}

/// EfficientNet-B0 to B7.
const B: [Scaling; 8] = [
    scaling(1.0, 1.0, 0.2),
    scaling(1.0, 1.1, 0.2),
    scaling(1.1, 1.2, 0.3),
    scaling(1.2, 1.4, 0.3),
    scaling(1.4, 1.8, 0.4),
    scaling(1.6, 2.2, 0.4),
    scaling(1.8, 2.6, 0.5),
    scaling(2.0, 3.1, 0.5),
];

/// One stage of inverted residual blocks.
struct Stage {
    repeats: usize,
    kernel: usize,
    /// Stride of its first block.
    stride: usize,
    expansion: usize,
    channels: usize,
}

/// Repeats, kernel, stride, expansion and channels.
const fn stage(
    repeats: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expansion,
        channels,
    }
}

/// The stages of EfficientNet-B0 (table 1 of the paper).
const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

/// Probability of dropping the branch of a block after the last one in training. It grows linearly from
/// 0 at the first block.
const DROPPED: f32 = 0.2;

/// How a publisher computes and names the layers.
struct Publisher {
    /// Epsilon and momentum of batch-norms.
    norm: (f32, f32),
    /// torchvision's names, symmetric padding, and stochastic depth. Otherwise timm's names and TensorFlow's
    /// padding `SAME`.
    is_torchvision: bool,
    /// No squeeze-and-excitation, ReLU6, a stem and a head that are not widened, a first and a last stage
    /// that are not deepened.
    is_lite: bool,
}

impl Publisher {
    /// Number of blocks of each stage.
    fn depths(&self, scaling: &Scaling) -> [usize; 7] {
        std::array::from_fn(|index| {
            let repeats = STAGES[index].repeats;
            match self.is_lite && (index == 0 || index + 1 == STAGES.len()) {
                true => repeats,
                false => (repeats as f64 * scaling.depth).ceil() as usize,
            }
        })
    }

    fn network(&self, scaling: &Scaling, classes: usize) -> Blueprint {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let wide = |channels| widened(channels, scaling.width);
        let [first, last] = match self.is_lite {
            true => [32, 1280],
            false => [wide(32), wide(1280)],
        };
        let names = self.names("features.0", "conv_stem", "bn1");
        let mut x = self.layer(&mut net, names, x, self.conv(3).stride(2), [3, first], true);
        let depths = self.depths(scaling);
        let blocks: usize = depths.iter().sum();
        let (mut channels, mut done) = (first, 0);
        for (index, stage) in STAGES.iter().enumerate() {
            for repeat in 0..depths[index] {
                let block = Block {
                    stage: index,
                    repeat,
                    stride: if repeat == 0 { stage.stride } else { 1 },
                    inputs: channels,
                    outputs: wide(stage.channels),
                    dropped: DROPPED * done as f32 / blocks as f32,
                };
                x = self.inverted_residual(&mut net, x, &block);
                channels = block.outputs;
                done += 1;
            }
        }
        let names = self.names("features.8", "conv_head", "bn2");
        let x = self.layer(&mut net, names, x, self.conv(1), [channels, last], true);
        let [pool, dropout, classifier] = match self.is_torchvision {
            true => ["avgpool", "classifier.0", "classifier.1"],
            false => ["global_pool", "dropout", "classifier"],
        };
        let x = net.pool(pool, x, Pool::global_mean());
        let x = net.flatten("flatten", x);
        let x = net.dropout(dropout, x, scaling.dropout);
        let x = net.linear(classifier, x, last, classes, true);
        net.ending_at(x)
    }

    /// A convolution that keeps the size of its input (at stride 1).
    fn conv(&self, kernel: usize) -> Conv2d {
        match self.is_torchvision {
            true => centred(kernel),
            false => Conv2d::square(kernel).padding(Padding::Same),
        }
    }

    /// Names of a convolution, its batch-norm and its activation: by torchvision's path, or by timm's
    /// names of the first two.
    fn names(&self, path: &str, conv: &str, norm: &str) -> [String; 3] {
        match self.is_torchvision {
            true => [0, 1, 2].map(|layer| format!("{path}.{layer}")),
            false => [conv.into(), norm.into(), format!("{norm}.act")],
        }
    }

    /// Convolution, batch-norm and, if `is_activated`, an activation.
    fn layer(
        &self,
        net: &mut Blueprint,
        [conv_name, norm_name, activation_name]: [String; 3],
        x: NodeId,
        conv: Conv2d,
        [inputs, outputs]: [usize; 2],
        is_activated: bool,
    ) -> NodeId {
        let x = net.conv2d(&conv_name, x, conv, inputs, outputs, false);
        let norm = BatchNorm::new(self.norm.0, self.norm.1);
        let x = net.batch_norm_as(&norm_name, x, outputs, norm);
        match (is_activated, self.is_lite) {
            (false, _) => x,
            (true, true) => net.activation(&activation_name, x, Activation::Relu6),
            (true, false) => net.activation(&activation_name, x, Activation::Silu),
        }
    }

    /// Expand by 1×1, filter each channel, scale the channels, project by 1×1; with a shortcut where
    /// shapes allow it.
    fn inverted_residual(&self, net: &mut Blueprint, x: NodeId, block: &Block) -> NodeId {
        let Block {
            repeat,
            stride,
            inputs,
            outputs,
            ..
        } = *block;
        let Stage {
            kernel, expansion, ..
        } = STAGES[block.stage];
        let path = match self.is_torchvision {
            true => format!("features.{}.{repeat}", block.stage + 1),
            false => format!("blocks.{}.{repeat}", block.stage),
        };
        let names = |number: usize, conv: &str, norm: usize| {
            let name = format!("{path}.block.{number}");
            self.names(
                &name,
                &format!("{path}.{conv}"),
                &format!("{path}.bn{norm}"),
            )
        };
        let wide = inputs * expansion;
        // Without expansion the numbers are lower by one, and timm names the projection like an expansion.
        let (before, projection) = if expansion > 1 {
            (1, "conv_pwl")
        } else {
            (0, "conv_pw")
        };
        let mut y = x;
        if expansion > 1 {
            y = self.layer(
                net,
                names(0, "conv_pw", 1),
                y,
                self.conv(1),
                [inputs, wide],
                true,
            );
        }
        let depthwise = self.conv(kernel).stride(stride).groups(wide);
        y = self.layer(
            net,
            names(before, "conv_dw", before + 1),
            y,
            depthwise,
            [wide; 2],
            true,
        );
        if !self.is_lite {
            let path = match self.is_torchvision {
                true => format!("{path}.block.{}", before + 1),
                false => format!("{path}.se"),
            };
            y = self.squeeze_and_excite(net, &path, y, wide, inputs / 4);
        }
        let names = names(before + 2, projection, before + 2);
        y = self.layer(net, names, y, self.conv(1), [wide, outputs], false);
        if stride == 1 && inputs == outputs {
            if self.is_torchvision && block.dropped > 0.0 {
                y = net.stochastic_depth(&format!("{path}.stochastic_depth"), y, block.dropped);
            }
            y = net.add(&format!("{path}.add"), y, x);
        }
        y
    }

    /// Squeeze-and-excitation (arXiv 1709.01507): scales each channel by a function of the means of all.
    fn squeeze_and_excite(
        &self,
        net: &mut Blueprint,
        path: &str,
        x: NodeId,
        channels: usize,
        squeezed: usize,
    ) -> NodeId {
        let names = match self.is_torchvision {
            true => ["avgpool", "fc1", "activation", "fc2", "scale_activation"],
            false => ["mean", "conv_reduce", "act1", "conv_expand", "gate"],
        };
        let [pool, reduce, activation, expand, gate] = names.map(|name| format!("{path}.{name}"));
        let one = Conv2d::square(1);
        let y = net.pool(&pool, x, Pool::global_mean());
        let y = net.conv2d(&reduce, y, one.clone(), channels, squeezed, true);
        let y = net.activation(&activation, y, Activation::Silu);
        let y = net.conv2d(&expand, y, one, squeezed, channels, true);
        let y = net.activation(&gate, y, Activation::Sigmoid);
        net.mul(&format!("{path}.mul"), y, x)
    }
}

/// One block, after scaling.
struct Block {
    stage: usize,
    /// Number within the stage, from 0.
    repeat: usize,
    stride: usize,
    inputs: usize,
    outputs: usize,
    /// Probability of dropping the branch in training.
    dropped: f32,
}

/// `channels` times `factor`, rounded to a multiple of 8, and up where that is less than 90 %.
fn widened(channels: usize, factor: f64) -> usize {
    let exact = channels as f64 * factor;
    let rounded = ((exact + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * exact {
        rounded + 8
    } else {
        rounded
    }
}

//! MobileNetV3: "Searching for MobileNetV3", Howard et al. 2019, arXiv 1905.02244, as torchvision builds
//! it, and as timm builds it with other names and another batch-norm epsilon, as separate architectures.

use dvm_engine::ops::activation::Activation::{self, Hardsigmoid, Hardswish, Relu};
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser, NodeId};

use super::{Architecture, Family, Paper, centred, first, initialised, second, timm};

/// torchvision's MobileNetV3s, then timm's.
#[rustfmt::skip]
pub static ALL: [Architecture; 4] = [
    FAMILY.network("mobilenet_v3_large", |classes| mobilenet(TORCHVISION, &LARGE, 1280, classes), &[
        first("mobilenet_v3_large-8738ca79.pth", 74.042),
        second("mobilenet_v3_large-5c1a4163.pth", 75.274),
    ]),
    FAMILY.network("mobilenet_v3_small", |classes| mobilenet(TORCHVISION, &SMALL, 1024, classes), &[
        first("mobilenet_v3_small-047dcff4.pth", 67.668),
    ]),
    TIMMS.network("mobilenetv3_large_100", |classes| mobilenet(TIMM, &LARGE, 1280, classes), &[
        timm("ra_in1k", "timm/mobilenetv3_large_100.ra_in1k", 75.766, 256, 224),
    ]),
    TIMMS.network("mobilenetv3_small_100", |classes| mobilenet(TIMM, &SMALL, 1024, classes), &[
        timm("lamb_in1k", "timm/mobilenetv3_small_100.lamb_in1k", 67.656, 256, 224),
    ]),
];

/// As torchvision.
const FAMILY: Family = Family {
    paper: Paper {
        title: "Searching for MobileNetV3",
        arxiv: "1905.02244",
    },
    head: "classifier.3",
    initialisation: initialised(Initialiser::KaimingNormal, Initialiser::Normal(0.01)),
    other_names: None,
};

/// As timm.
const TIMMS: Family = Family {
    head: "classifier",
    initialisation: initialised(
        Initialiser::KaimingNormalPerGroup,
        Initialiser::UniformByOutputs,
    ),
    ..FAMILY
};

/// One block.
struct Row {
    kernel: usize,
    /// Channels within the block.
    wide: usize,
    outputs: usize,
    /// Whether it has squeeze-and-excitation (arXiv 1709.01507).
    squeezes: bool,
    activation: Activation,
    stride: usize,
}

const fn row(
    kernel: usize,
    wide: usize,
    outputs: usize,
    squeezes: bool,
    activation: Activation,
    stride: usize,
) -> Row {
    Row {
        kernel,
        wide,
        outputs,
        squeezes,
        activation,
        stride,
    }
}

/// Table 1 of the paper, by stage.
const LARGE: [&[Row]; 6] = [
    &[row(3, 16, 16, false, Relu, 1)],
    &[
        row(3, 64, 24, false, Relu, 2),
        row(3, 72, 24, false, Relu, 1),
    ],
    &[
        row(5, 72, 40, true, Relu, 2),
        row(5, 120, 40, true, Relu, 1),
        row(5, 120, 40, true, Relu, 1),
    ],
    &[
        row(3, 240, 80, false, Hardswish, 2),
        row(3, 200, 80, false, Hardswish, 1),
        row(3, 184, 80, false, Hardswish, 1),
        row(3, 184, 80, false, Hardswish, 1),
    ],
    &[
        row(3, 480, 112, true, Hardswish, 1),
        row(3, 672, 112, true, Hardswish, 1),
    ],
    &[
        row(5, 672, 160, true, Hardswish, 2),
        row(5, 960, 160, true, Hardswish, 1),
        row(5, 960, 160, true, Hardswish, 1),
    ],
];

/// Table 2 of the paper, by stage.
const SMALL: [&[Row]; 5] = [
    &[row(3, 16, 16, true, Relu, 2)],
    &[
        row(3, 72, 24, false, Relu, 2),
        row(3, 88, 24, false, Relu, 1),
    ],
    &[
        row(5, 96, 40, true, Hardswish, 2),
        row(5, 240, 40, true, Hardswish, 1),
        row(5, 240, 40, true, Hardswish, 1),
    ],
    &[
        row(5, 120, 48, true, Hardswish, 1),
        row(5, 144, 48, true, Hardswish, 1),
    ],
    &[
        row(5, 288, 96, true, Hardswish, 2),
        row(5, 576, 96, true, Hardswish, 1),
        row(5, 576, 96, true, Hardswish, 1),
    ],
];

/// How torchvision or timm builds the network.
#[derive(Clone, Copy)]
struct Port {
    norm: fn() -> BatchNorm,
    /// Whether layers have timm's names, not torchvision's.
    is_timm: bool,
}

const TORCHVISION: Port = Port {
    norm: || BatchNorm::new(1e-3, 0.01),
    is_timm: false,
};

const TIMM: Port = Port {
    norm: || BatchNorm::new(1e-5, 0.1),
    is_timm: true,
};

/// The position of a block.
struct Place {
    /// Number of the stage and number within it, from 0.
    stage: usize,
    repeat: usize,
    /// Number within the network, from 1.
    index: usize,
}

impl Place {
    fn in_timm(&self) -> String {
        format!("blocks.{}.{}", self.stage, self.repeat)
    }

    fn in_torchvision(&self, layer: usize) -> String {
        format!("features.{}.block.{layer}", self.index)
    }
}

/// A layer of a block: torchvision's number and timm's names.
struct Layer {
    number: usize,
    conv: &'static str,
    norm: usize,
}

impl Port {
    /// Names of a convolution and its batch-norm.
    fn layer(self, place: &Place, layer: &Layer) -> [String; 2] {
        let Layer { number, conv, norm } = layer;
        if self.is_timm {
            let path = place.in_timm();
            [format!("{path}.{conv}"), format!("{path}.bn{norm}")]
        } else {
            let path = place.in_torchvision(*number);
            [format!("{path}.0"), format!("{path}.1")]
        }
    }

    /// Path of squeeze-and-excitation, and the names of its two layers.
    fn squeeze(self, place: &Place, number: usize) -> (String, [&'static str; 2]) {
        match self.is_timm {
            true => {
                let path = format!("{}.se", place.in_timm());
                (path, ["conv_reduce", "conv_expand"])
            }
            false => (place.in_torchvision(number), ["fc1", "fc2"]),
        }
    }

    /// Convolution, batch-norm and, if given, an activation (named after the batch-norm).
    fn normalised(
        self,
        net: &mut Blueprint,
        [conv_name, norm_name]: [String; 2],
        x: NodeId,
        conv: Conv2d,
        [inputs, outputs]: [usize; 2],
        activation: Option<Activation>,
    ) -> NodeId {
        let x = net.conv2d(&conv_name, x, conv, inputs, outputs, false);
        let x = net.batch_norm_as(&norm_name, x, outputs, (self.norm)());
        match activation {
            Some(activation) => net.activation(&format!("{norm_name}.act"), x, activation),
            None => x,
        }
    }
}

/// `last` is the number of outputs of the layer before the classes.
fn mobilenet(port: Port, stages: &[&[Row]], last: usize, classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let names = if port.is_timm {
        ["conv_stem", "bn1"]
    } else {
        ["features.0.0", "features.0.1"]
    };
    let stem = centred(3).stride(2);
    let names = names.map(str::to_owned);
    let mut x = port.normalised(&mut net, names, x, stem, [3, 16], Some(Hardswish));
    let mut channels = 16;
    let mut index = 0;
    for (stage, rows) in stages.iter().enumerate() {
        for (repeat, row) in rows.iter().enumerate() {
            index += 1;
            let place = Place {
                stage,
                repeat,
                index,
            };
            x = block(port, &mut net, &place, x, channels, row);
            channels = row.outputs;
        }
    }
    let wide = 6 * channels;
    let names = if port.is_timm {
        let path = format!("blocks.{}.0", stages.len());
        [format!("{path}.conv"), format!("{path}.bn1")]
    } else {
        let path = format!("features.{}", index + 1);
        [format!("{path}.0"), format!("{path}.1")]
    };
    let one = Conv2d::square(1);
    let channels = [channels, wide];
    let x = port.normalised(&mut net, names, x, one.clone(), channels, Some(Hardswish));
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = if port.is_timm {
        let x = net.conv2d("conv_head", x, one, wide, last, true);
        let x = net.activation("act2", x, Hardswish);
        let x = net.flatten("flatten", x);
        let x = net.dropout("dropout", x, 0.2);
        net.linear("classifier", x, last, classes, true)
    } else {
        let x = net.flatten("flatten", x);
        let x = net.linear("classifier.0", x, wide, last, true);
        let x = net.activation("classifier.1", x, Hardswish);
        let x = net.dropout("classifier.2", x, 0.2);
        net.linear("classifier.3", x, last, classes, true)
    };
    net.ending_at(x)
}

/// Expand by 1×1, filter each channel, scale the channels, project by 1×1; with a shortcut where shapes allow
/// it.
fn block(
    port: Port,
    net: &mut Blueprint,
    place: &Place,
    x: NodeId,
    inputs: usize,
    row: &Row,
) -> NodeId {
    let wide = row.wide;
    let mut numbers = 0..;
    let mut layer = |conv| {
        let number = numbers.next().expect("endless");
        Layer {
            number,
            conv,
            norm: number + 1,
        }
    };
    let one = Conv2d::square(1);
    let mut y = x;
    // Without an expansion, timm names the projection like an expansion.
    let projection = if wide == inputs {
        "conv_pw"
    } else {
        let names = port.layer(place, &layer("conv_pw"));
        let channels = [inputs, wide];
        y = port.normalised(net, names, y, one.clone(), channels, Some(row.activation));
        "conv_pwl"
    };
    let names = port.layer(place, &layer("conv_dw"));
    let depthwise = centred(row.kernel).stride(row.stride).groups(wide);
    y = port.normalised(net, names, y, depthwise, [wide; 2], Some(row.activation));
    let mut last = layer(projection);
    if row.squeezes {
        let (path, layers) = port.squeeze(place, last.number);
        y = squeeze_and_excite(net, &path, layers, y, wide);
        last.number += 1;
    }
    let names = port.layer(place, &last);
    y = port.normalised(net, names, y, one, [wide, row.outputs], None);
    if row.stride == 1 && inputs == row.outputs {
        y = net.add(&format!("{}.add", place.in_timm()), y, x);
    }
    y
}

/// Squeeze-and-excitation: multiplies each channel by a factor from 0 to 1, a function of the means of all.
fn squeeze_and_excite(
    net: &mut Blueprint,
    path: &str,
    [reduce, expand]: [&str; 2],
    x: NodeId,
    channels: usize,
) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let few = divisible(channels / 4);
    let one = Conv2d::square(1);
    let y = net.pool(&name("avgpool"), x, Pool::global_mean());
    let y = net.conv2d(&name(reduce), y, one.clone(), channels, few, true);
    let y = net.activation(&name("activation"), y, Relu);
    let y = net.conv2d(&name(expand), y, one, few, channels, true);
    let y = net.activation(&name("scale_activation"), y, Hardsigmoid);
    net.mul(&name("scale"), x, y)
}

/// The nearest multiple of 8 that is at most 10 % smaller, as in the authors' code.
fn divisible(channels: usize) -> usize {
    let near = (channels + 4) / 8 * 8;
    if 10 * near < 9 * channels {
        near + 8
    } else {
        near.max(8)
    }
}

//! Inception-v3: "Rethinking the Inception Architecture for Computer Vision", Szegedy et al. 2015,
//! arXiv 1512.00567, as torchvision and timm build it, for inputs of 299 pixels.
//!
//! Its published weights come from TensorFlow and were trained on values from −1 to 1. Preprocessing is the same
//! as for other networks, and the first node converts the values, see [`transform_input`].

use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialisation, Initialiser, NodeId};
use dvm_image::Interpolation;

use super::googlenet::{basic_conv, transform_input};
use super::{Architecture, Paper, Published, centred, imagenet};

/// Inception-v3.
pub static ALL: [Architecture; 1] = [Architecture {
    name: "inception_v3",
    timm: &["tf_inception_v3", "adv_inception_v3"],
    paper: Paper {
        title: "Rethinking the Inception Architecture for Computer Vision",
        arxiv: "1512.00567",
    },
    build: inception_v3,
    head: "fc",
    initialisation: INITIALISATION,
    other_names: None,
    published: &[Published::torchvision(
        "IMAGENET1K_V1",
        "inception_v3_google-0cc3c7bd.pth",
        77.294,
        imagenet(342, 299, Interpolation::Bilinear),
    )],
    embedded: None,
}];

/// As torchvision. Its truncation at 20 standard deviations has no effect, and its smaller deviation of
/// `AuxLogits.conv1` is set on a module that ignores it.
const INITIALISATION: Initialisation = Initialisation {
    convolutions: Initialiser::Normal(0.1),
    linear: Initialiser::Normal(0.1),
    head: Initialiser::Normal(0.1),
    others: &[("AuxLogits.fc.weight", Initialiser::Normal(0.001))],
};

/// Weight of the loss of the auxiliary head, usual for torchvision's network.
const AUXILIARY_WEIGHT: f32 = 0.4;

/// Inception-v3.
fn inception_v3(classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = transform_input(&mut net, x);
    let three = Conv2d::square(3);
    let stem = three.clone().stride(2);
    let x = basic_conv(&mut net, "Conv2d_1a_3x3", x, stem, 3, 32);
    let x = basic_conv(&mut net, "Conv2d_2a_3x3", x, three.clone(), 32, 32);
    let x = basic_conv(&mut net, "Conv2d_2b_3x3", x, centred(3), 32, 64);
    let x = net.pool("maxpool1", x, Pool::max(3, 2, 0, false));
    let x = basic_conv(&mut net, "Conv2d_3b_1x1", x, Conv2d::square(1), 64, 80);
    let x = basic_conv(&mut net, "Conv2d_4a_3x3", x, three, 80, 192);
    let x = net.pool("maxpool2", x, Pool::max(3, 2, 0, false));
    let x = module_a(&mut net, "Mixed_5b", x, 192, 32);
    let x = module_a(&mut net, "Mixed_5c", x, 256, 64);
    let x = module_a(&mut net, "Mixed_5d", x, 288, 64);
    let x = module_b(&mut net, "Mixed_6a", x);
    let x = module_c(&mut net, "Mixed_6b", x, 128);
    let x = module_c(&mut net, "Mixed_6c", x, 160);
    let x = module_c(&mut net, "Mixed_6d", x, 160);
    let x = module_c(&mut net, "Mixed_6e", x, 192);
    auxiliary(&mut net, x, classes);
    let x = module_d(&mut net, "Mixed_7a", x);
    let x = module_e(&mut net, "Mixed_7b", x, 1280);
    let x = module_e(&mut net, "Mixed_7c", x, 2048);
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.dropout("dropout", x, 0.5);
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 2048, classes, true);
    net.ending_at(x)
}

/// The auxiliary head for training. It needs feature maps of at least 17×17, so inputs of 299 pixels.
fn auxiliary(net: &mut Blueprint, x: NodeId, classes: usize) {
    let x = net.pool("AuxLogits.pool", x, Pool::mean(5, 3, 0));
    let x = basic_conv(net, "AuxLogits.conv0", x, Conv2d::square(1), 768, 128);
    let x = basic_conv(net, "AuxLogits.conv1", x, Conv2d::square(5), 128, 768);
    let x = net.pool("AuxLogits.avgpool", x, Pool::global_mean());
    let x = net.flatten("AuxLogits.flatten", x);
    let x = net.linear("AuxLogits.fc", x, 768, classes, true);
    net.auxiliary(x, AUXILIARY_WEIGHT);
}

/// A convolution of `rows × columns` that keeps the size of its input.
fn oblong(rows: usize, columns: usize) -> Conv2d {
    Conv2d {
        kernel: (rows, columns),
        ..Conv2d::square(1).padding(Padding::Fixed(Border::symmetric(rows / 2, columns / 2)))
    }
}

/// Convolutions in sequence: name within the module, kernel, output channels.
fn chain(
    net: &mut Blueprint,
    path: &str,
    mut x: NodeId,
    mut inputs: usize,
    layers: &[(&str, Conv2d, usize)],
) -> NodeId {
    for (layer, conv, outputs) in layers {
        let name = format!("{path}.{layer}");
        x = basic_conv(net, &name, x, conv.clone(), inputs, *outputs);
        inputs = *outputs;
    }
    x
}

/// A 3×3 mean pool, then a 1×1 convolution: the last branch of modules that keep the resolution.
fn pooled(net: &mut Blueprint, path: &str, x: NodeId, inputs: usize, outputs: usize) -> NodeId {
    let x = net.pool(&format!("{path}.pool"), x, Pool::mean(3, 1, 1));
    let name = format!("{path}.branch_pool");
    basic_conv(net, &name, x, Conv2d::square(1), inputs, outputs)
}

/// Branches of 1×1, 5×5 and two 3×3 convolutions, at 35×35.
fn module_a(net: &mut Blueprint, path: &str, x: NodeId, inputs: usize, from_pool: usize) -> NodeId {
    let one = Conv2d::square(1);
    let first = chain(net, path, x, inputs, &[("branch1x1", one.clone(), 64)]);
    let layers = [
        ("branch5x5_1", one.clone(), 48),
        ("branch5x5_2", centred(5), 64),
    ];
    let second = chain(net, path, x, inputs, &layers);
    let layers = [
        ("branch3x3dbl_1", one, 64),
        ("branch3x3dbl_2", centred(3), 96),
        ("branch3x3dbl_3", centred(3), 96),
    ];
    let third = chain(net, path, x, inputs, &layers);
    let fourth = pooled(net, path, x, inputs, from_pool);
    net.concat(&format!("{path}.concat"), &[first, second, third, fourth])
}

/// From 35×35 to 17×17.
fn module_b(net: &mut Blueprint, path: &str, x: NodeId) -> NodeId {
    let halving = Conv2d::square(3).stride(2);
    let layers = [("branch3x3", halving.clone(), 384)];
    let first = chain(net, path, x, 288, &layers);
    let layers = [
        ("branch3x3dbl_1", Conv2d::square(1), 64),
        ("branch3x3dbl_2", centred(3), 96),
        ("branch3x3dbl_3", halving, 96),
    ];
    let second = chain(net, path, x, 288, &layers);
    let third = net.pool(&format!("{path}.pool"), x, Pool::max(3, 2, 0, false));
    net.concat(&format!("{path}.concat"), &[first, second, third])
}

/// Branches of 1×7 and 7×1 convolutions with `width` channels, at 17×17.
fn module_c(net: &mut Blueprint, path: &str, x: NodeId, width: usize) -> NodeId {
    let (one, row, column) = (Conv2d::square(1), oblong(1, 7), oblong(7, 1));
    let first = chain(net, path, x, 768, &[("branch1x1", one.clone(), 192)]);
    let layers = [
        ("branch7x7_1", one.clone(), width),
        ("branch7x7_2", row.clone(), width),
        ("branch7x7_3", column.clone(), 192),
    ];
    let second = chain(net, path, x, 768, &layers);
    let layers = [
        ("branch7x7dbl_1", one, width),
        ("branch7x7dbl_2", column.clone(), width),
        ("branch7x7dbl_3", row.clone(), width),
        ("branch7x7dbl_4", column, width),
        ("branch7x7dbl_5", row, 192),
    ];
    let third = chain(net, path, x, 768, &layers);
    let fourth = pooled(net, path, x, 768, 192);
    net.concat(&format!("{path}.concat"), &[first, second, third, fourth])
}

/// From 17×17 to 8×8.
fn module_d(net: &mut Blueprint, path: &str, x: NodeId) -> NodeId {
    let (one, halving) = (Conv2d::square(1), Conv2d::square(3).stride(2));
    let layers = [
        ("branch3x3_1", one.clone(), 192),
        ("branch3x3_2", halving.clone(), 320),
    ];
    let first = chain(net, path, x, 768, &layers);
    let layers = [
        ("branch7x7x3_1", one, 192),
        ("branch7x7x3_2", oblong(1, 7), 192),
        ("branch7x7x3_3", oblong(7, 1), 192),
        ("branch7x7x3_4", halving, 192),
    ];
    let second = chain(net, path, x, 768, &layers);
    let third = net.pool(&format!("{path}.pool"), x, Pool::max(3, 2, 0, false));
    net.concat(&format!("{path}.concat"), &[first, second, third])
}

/// Branches that end in a 1×3 and a 3×1 convolution side by side, at 8×8.
fn module_e(net: &mut Blueprint, path: &str, x: NodeId, inputs: usize) -> NodeId {
    let one = Conv2d::square(1);
    let first = chain(net, path, x, inputs, &[("branch1x1", one.clone(), 320)]);
    let layers = [("branch3x3_1", one.clone(), 384)];
    let second = chain(net, path, x, inputs, &layers);
    let second = spread(net, path, second, ["branch3x3_2a", "branch3x3_2b"]);
    let layers = [
        ("branch3x3dbl_1", one, 448),
        ("branch3x3dbl_2", centred(3), 384),
    ];
    let third = chain(net, path, x, inputs, &layers);
    let third = spread(net, path, third, ["branch3x3dbl_3a", "branch3x3dbl_3b"]);
    let fourth = pooled(net, path, x, inputs, 192);
    let branches = [&[first][..], &second, &third, &[fourth]].concat();
    net.concat(&format!("{path}.concat"), &branches)
}

/// A 1×3 and a 3×1 convolution side by side.
fn spread(net: &mut Blueprint, path: &str, x: NodeId, [row, column]: [&str; 2]) -> [NodeId; 2] {
    [
        chain(net, path, x, 384, &[(row, oblong(1, 3), 384)]),
        chain(net, path, x, 384, &[(column, oblong(3, 1), 384)]),
    ]
}

//! Last feature maps, ends of blocks and stages, and receptive fields of all networks.

use dvm_engine::{Arrangement, Error, Graph, Parameter, SpatialLayout, Tensor};

/// The network for inference with zeros as weights; only its geometry is tested.
fn graph(name: &str) -> Graph {
    let network = (dvm_zoo::find(name).unwrap().build)(2).without_auxiliaries();
    let zeros = |parameter: &Parameter| Ok::<_, Error>(Tensor::zeros(&parameter.shape));
    Graph::new(network, zeros).unwrap()
}

/// Networks with the same node as last feature map.
struct Row {
    node: &'static str,
    /// Name, channels, and rows, which equal the columns.
    networks: &'static [(&'static str, usize, usize)],
}

const fn row(node: &'static str, networks: &'static [(&'static str, usize, usize)]) -> Row {
    Row { node, networks }
}

/// By hand, for every network: the layers of pytorch-grad-cam's README, with torchvision's and timm's module
/// names: `layer4` of a ResNet, `features[-1]` of VGG, SqueezeNet, DenseNet, MobileNet,
/// `blocks[-1].norm1` of a vision transformer. Where an activation follows that module, the activation.
/// For inputs of the size of the default weights.
const LAST_FEATURE_MAPS: &[Row] = &[
    row("features.12", &[("alexnet", 256, 6)]),
    row("features.20", &[("vgg11", 512, 7)]),
    row("features.28", &[("vgg11_bn", 512, 7)]),
    row("features.24", &[("vgg13", 512, 7)]),
    row("features.34", &[("vgg13_bn", 512, 7)]),
    row("features.30", &[("vgg16", 512, 7)]),
    row("features.43", &[("vgg16_bn", 512, 7)]),
    row("features.36", &[("vgg19", 512, 7)]),
    row("features.52", &[("vgg19_bn", 512, 7)]),
    row("layer4.1.relu2", &[("resnet18", 512, 7)]),
    row("layer4.2.relu2", &[("resnet34", 512, 7)]),
    row(
        "layer4.2.relu3",
        &[
            ("resnet50", 2048, 7),
            ("resnet101", 2048, 7),
            ("resnet152", 2048, 7),
            ("resnext50_32x4d", 2048, 7),
            ("resnext101_32x8d", 2048, 7),
            ("resnext101_64x4d", 2048, 7),
            ("wide_resnet50_2", 2048, 7),
            ("wide_resnet101_2", 2048, 7),
        ],
    ),
    row(
        "relu",
        &[
            ("densenet121", 1024, 7),
            ("densenet161", 2208, 7),
            ("densenet169", 1664, 7),
            ("densenet201", 1920, 7),
        ],
    ),
    row("inception5b.concat", &[("googlenet", 1024, 7)]),
    row("Mixed_7c.concat", &[("inception_v3", 2048, 8)]),
    row(
        "features.12.concat",
        &[("squeezenet1_0", 512, 13), ("squeezenet1_1", 512, 13)],
    ),
    row("features.18.2", &[("mobilenet_v2", 1280, 7)]),
    row("features.16.1.act", &[("mobilenet_v3_large", 960, 7)]),
    row("features.12.1.act", &[("mobilenet_v3_small", 576, 7)]),
    row("blocks.6.0.bn1.act", &[("mobilenetv3_large_100", 960, 7)]),
    row("blocks.5.0.bn1.act", &[("mobilenetv3_small_100", 576, 7)]),
    row(
        "conv5.2",
        &[
            ("shufflenet_v2_x0_5", 1024, 7),
            ("shufflenet_v2_x1_0", 1024, 7),
            ("shufflenet_v2_x1_5", 1024, 7),
            ("shufflenet_v2_x2_0", 2048, 7),
        ],
    ),
    row(
        "features.8.2",
        &[
            ("efficientnet_b0", 1280, 7),
            ("efficientnet_b1", 1280, 8),
            ("efficientnet_b2", 1408, 9),
            ("efficientnet_b3", 1536, 10),
            ("efficientnet_b4", 1792, 12),
            ("efficientnet_b5", 2048, 15),
            ("efficientnet_b6", 2304, 17),
            ("efficientnet_b7", 2560, 19),
        ],
    ),
    row(
        "bn2.act",
        &[
            ("efficientnet_lite0", 1280, 7),
            ("efficientnet_lite1", 1280, 8),
            ("efficientnet_lite2", 1280, 9),
            ("efficientnet_lite3", 1280, 10),
            ("efficientnet_lite4", 1280, 12),
            ("tf_efficientnet_b0", 1280, 7),
            ("tf_efficientnet_b1", 1280, 8),
            ("tf_efficientnet_b2", 1408, 9),
            ("tf_efficientnet_b3", 1536, 10),
            ("tf_efficientnet_b4", 1792, 12),
            ("tf_efficientnet_b5", 2048, 15),
            ("tf_efficientnet_b6", 2304, 17),
            ("tf_efficientnet_b7", 2560, 19),
        ],
    ),
    row(
        "features.7.2.add",
        &[
            ("convnext_tiny", 768, 7),
            ("convnext_small", 768, 7),
            ("convnext_base", 1024, 7),
            ("convnext_large", 1536, 7),
        ],
    ),
    row(
        "norm",
        &[("swin_t", 768, 7), ("swin_s", 768, 7), ("swin_b", 1024, 7)],
    ),
    row(
        "encoder.layers.encoder_layer_11.ln_1",
        &[("vit_b_16", 768, 14), ("vit_b_32", 768, 7)],
    ),
    row(
        "encoder.layers.encoder_layer_23.ln_1",
        &[("vit_l_16", 1024, 14)],
    ),
    row(
        "blocks.11.norm1",
        &[
            ("vit_tiny_patch16_224", 192, 14),
            ("vit_small_patch16_224", 384, 14),
            ("vit_small_patch32_224", 384, 7),
            ("vit_base_patch16_224", 768, 14),
            ("deit_tiny_patch16_224", 192, 14),
            ("deit_small_patch16_224", 384, 14),
            ("deit_base_patch16_224", 768, 14),
        ],
    ),
];

#[test]
fn the_last_feature_map_of_every_network_is_the_usual_one() {
    for architecture in dvm_zoo::all() {
        let name = architecture.name;
        let own = |row: &Row| {
            let own = row.networks.iter().find(|network| network.0 == name)?;
            Some((row.node, own.1, own.2))
        };
        let Some((node, channels, side)) = LAST_FEATURE_MAPS.iter().find_map(own) else {
            panic!("add the last feature map of `{name}` to LAST_FEATURE_MAPS");
        };
        let graph = graph(name);
        let (height, width) = architecture.usual().preprocess.crop;
        let found = graph.last_feature_map(&[1, 3, height, width]).unwrap();
        let found = found.unwrap_or_else(|| panic!("{name} has a last feature map"));
        assert_eq!(graph.node(found.node).name, node, "{name}");
        // The norm of a transformer's block has tokens, after the class token.
        let on_tokens = node.ends_with("norm1") || node.ends_with("ln_1");
        let places = SpatialLayout {
            rows: side,
            columns: side,
            arrangement: match on_tokens {
                true => Arrangement::Tokens { before: 1 },
                false => Arrangement::Map,
            },
        };
        assert_eq!((found.channels, found.layout), (channels, places), "{name}");
    }
}

#[test]
fn every_network_has_blocks_that_end_with_its_last_feature_map() {
    for architecture in dvm_zoo::all() {
        let (height, width) = architecture.usual().preprocess.crop;
        let (graph, input) = (graph(architecture.name), [1, 3, height, width]);
        let outputs = graph.block_outputs(&input).unwrap();
        let last = outputs.last().expect("there is a block");
        let map = graph.last_feature_map(&input).unwrap().unwrap();
        assert_eq!(last.map, map, "{}", architecture.name);
        assert!(last.ends_stage, "{}", architecture.name);
        // No node after a block reads a node before its output, except in the last block of a transformer.
        for output in outputs
            .iter()
            .filter(|output| output.map.layout.arrangement == Arrangement::Map)
        {
            let at = output.map.node;
            let mut readers = graph.ids().skip(at.index() + 1);
            let reads_back = readers.any(|id| graph.node(id).inputs.iter().any(|&from| from < at));
            assert!(!reads_back, "{}: {at:?}", architecture.name);
        }
    }
}

/// The stages of a network: node, stride, channels.
fn stages(name: &str) -> Vec<(String, usize, usize)> {
    let graph = graph(name);
    let outputs = graph.block_outputs(&[1, 3, 224, 224]).unwrap();
    let stages = outputs.iter().filter(|output| output.ends_stage);
    let row = |output: &dvm_engine::BlockOutput| {
        let name = graph.node(output.map.node).name.clone();
        (name, output.stride.0, output.map.channels)
    };
    stages.map(row).collect()
}

#[test]
fn stages_end_where_timm_takes_features() {
    // `timm.create_model(name, features_only=True).feature_info`: module, reduction, channels; the
    // activation or sum of that module.
    for (name, expected) in [
        (
            "resnet18",
            [
                ("relu", 2, 64),
                ("layer1.1.relu2", 4, 64),
                ("layer2.1.relu2", 8, 128),
                ("layer3.1.relu2", 16, 256),
                ("layer4.1.relu2", 32, 512),
            ]
            .as_slice(),
        ),
        (
            "resnet50",
            &[
                ("relu", 2, 64),
                ("layer1.2.relu3", 4, 256),
                ("layer2.3.relu3", 8, 512),
                ("layer3.5.relu3", 16, 1024),
                ("layer4.2.relu3", 32, 2048),
            ],
        ),
        (
            "vgg16",
            &[
                ("features.3", 1, 64),
                ("features.8", 2, 128),
                ("features.15", 4, 256),
                ("features.22", 8, 512),
                ("features.29", 16, 512),
                ("features.30", 32, 512),
            ],
        ),
        // timm omits the layer after the last block, which CAM uses.
        (
            "efficientnet_lite0",
            &[
                ("blocks.0.0.bn2", 2, 16),
                ("blocks.1.1.add", 4, 24),
                ("blocks.2.1.add", 8, 40),
                ("blocks.4.2.add", 16, 112),
                ("bn2.act", 32, 1280),
            ],
        ),
        (
            "squeezenet1_1",
            &[
                ("features.1", 2, 64),
                ("features.4.concat", 4, 128),
                ("features.7.concat", 8, 256),
                ("features.12.concat", 16, 512),
            ],
        ),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|&(n, s, c)| (n.to_owned(), s, c))
            .collect();
        assert_eq!(stages(name), expected, "{name}");
    }
}

#[test]
fn blocks_are_those_of_the_papers() {
    let blocks = |name: &str| -> Vec<String> {
        let graph = graph(name);
        let outputs = graph.block_outputs(&[1, 3, 224, 224]).unwrap();
        let node = |output: &dvm_engine::BlockOutput| graph.node(output.map.node).name.clone();
        outputs.iter().map(node).collect()
    };
    let squeezenet = blocks("squeezenet1_1");
    let fire = [3, 4, 6, 7, 9, 10, 11, 12].map(|i| format!("features.{i}.concat"));
    assert_eq!(
        squeezenet,
        [vec!["features.1".to_owned()], fire.to_vec()].concat()
    );
    let resnet = blocks("resnet18");
    let residual = (1..5).flat_map(|l| (0..2).map(move |b| format!("layer{l}.{b}.relu2")));
    let stem = ["relu", "maxpool"].map(String::from);
    assert_eq!(resnet, stem.into_iter().chain(residual).collect::<Vec<_>>());
    // Each block ends with its sum, or with its projection if it has no shortcut.
    let lite = blocks("efficientnet_lite0");
    let of_lite = [
        "blocks.0.0.bn2",
        "blocks.1.0.bn3",
        "blocks.1.1.add",
        "blocks.2.0.bn3",
        "blocks.2.1.add",
        "blocks.3.0.bn3",
        "blocks.3.1.add",
        "blocks.3.2.add",
        "blocks.4.0.bn3",
        "blocks.4.1.add",
        "blocks.4.2.add",
        "blocks.5.0.bn3",
        "blocks.5.1.add",
        "blocks.5.2.add",
        "blocks.5.3.add",
        "blocks.6.0.bn3",
        "bn2.act",
    ];
    assert_eq!(lite, of_lite);
}

#[test]
fn receptive_fields_equal_those_computed_by_hand() {
    for (name, node, size) in [
        ("resnet18", "layer4.1.relu2", 435),
        // torchvision has the stride in the 3×3 convolution; with it in the 1×1 before, it is 483.
        ("resnet50", "layer4.2.relu3", 427),
        ("vgg16", "features.30", 212),
    ] {
        let graph = graph(name);
        let fields = graph.receptive_fields(&[1, 3, 224, 224]).unwrap();
        let field = fields[graph.find(node).unwrap().index()].unwrap();
        let (rows, columns) = field.local.unwrap();
        assert_eq!(
            (rows.size, rows.stride, field.whole),
            (size, 32, false),
            "{name}"
        );
        assert_eq!(rows, columns, "{name}");
    }
}

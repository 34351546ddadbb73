//! The start of the last stage of each family.

use dvm_engine::passes::{cut, last_cut};
use dvm_engine::{Graph, Parameter, seeded};
use dvm_testing::graphs::seeded_tensor;

fn graph(name: &str) -> Graph {
    seeded::graph((dvm_zoo::find(name).unwrap().build)(2))
}

/// The last node before the last stage, and the first node in it.
fn around_last_stage(name: &str) -> [String; 2] {
    let graph = graph(name);
    let at = graph.before_last_stage(&[1, 3, 224, 224]).unwrap();
    let next = graph.ids().nth(at.index() + 1).unwrap();
    [at, next].map(|id| graph.node(id).name.clone())
}

#[test]
fn the_last_stage_is_the_part_with_the_coarsest_resolution() {
    for (name, before, first) in [
        (
            "efficientnet_b0",
            "features.6.0.block.0.2",
            "features.6.0.block.1.0",
        ),
        ("convnext_tiny", "features.6.0", "features.6.1"),
        ("swin_t", "features.6.norm", "features.6.reduction"),
        ("resnet18", "layer3.1.relu2", "layer4.0.conv1"),
        ("resnet50", "layer3.5.relu3", "layer4.0.conv1"),
        ("resnext50_32x4d", "layer3.5.relu3", "layer4.0.conv1"),
        ("squeezenet1_1", "features.8", "features.9.squeeze"),
        ("vgg16", "features.23", "features.24"),
        (
            "efficientnet_lite0",
            "blocks.5.0.bn1.act",
            "blocks.5.0.conv_dw",
        ),
    ] {
        assert_eq!(around_last_stage(name), [before, first], "{name}");
    }
}

#[test]
fn the_last_stage_of_a_vision_transformer_is_the_last_quarter_of_its_blocks() {
    for (name, before, first) in [
        (
            "vit_b_32",
            "encoder.layers.encoder_layer_8.add2",
            "encoder.layers.encoder_layer_9.ln_1",
        ),
        ("vit_tiny_patch16_224", "blocks.8.add2", "blocks.9.norm1"),
    ] {
        assert_eq!(around_last_stage(name), [before, first], "{name}");
    }
}

#[test]
fn a_vision_transformer_in_two_parts_is_the_same_network() {
    let graph = graph("vit_tiny_patch16_224");
    let pictures = seeded_tensor("pictures", &[1, 3, 224, 224]);
    let at = graph.before_last_stage(pictures.shape()).unwrap();
    let (front, back) = cut(&graph, at, pictures.shape()).unwrap();
    let tokens = front.logits(&pictures).unwrap();
    assert_eq!(tokens.shape(), [1, 197, 192]);
    assert_eq!(
        back.logits(&tokens).unwrap(),
        graph.logits(&pictures).unwrap()
    );
}

#[test]
fn the_head_of_a_vision_transformer_needs_only_the_class_token() {
    let graph = graph("vit_tiny_patch16_224");
    let is_head = |p: &Parameter| p.name.starts_with("head.");
    let at = last_cut(&graph, &[1, 3, 224, 224], is_head).unwrap();
    assert_eq!(graph.node(at).name, "class");
}

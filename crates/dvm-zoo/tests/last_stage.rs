//! Where the last stage of each family begins.

#[test]
fn the_last_stage_is_what_works_at_the_coarsest_resolution() {
    for (name, before, first) in [
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
        let graph = dvm_engine::seeded::graph((dvm_zoo::find(name).unwrap().build)(2));
        let at = graph.before_last_stage(&[1, 3, 224, 224]).unwrap();
        let next = graph.ids().nth(at.index() + 1).unwrap();
        let found = [at, next].map(|id| graph.node(id).name.clone());
        assert_eq!(found, [before, first], "{name}");
    }
}

//! All forms of a network compute the same bits.

use dvm_engine::{Keep, Mode, Network, Tensor, seeded};
use dvm_zoo::Architecture;

/// The values of every node of the fused form, from a walk over the folded one.
fn assert_same_bits(architecture: &Architecture, side: usize) {
    let network = Network::new(seeded::graph((architecture.build)(10)));
    let shape = [1, 3, side, side];
    let values = seeded::uniform("picture", shape.iter().product(), -2.0, 2.0);
    let picture = Tensor::from_nchw(&shape, &values);
    let (fused, folded) = (network.fused(), network.folded());
    let own = fused.forward(&picture, Mode::Inference, Keep::All).unwrap();
    let walked = folded
        .forward(&picture, Mode::Inference, Keep::All)
        .unwrap();
    let taken = walked.in_the_form_of(fused, folded).unwrap();
    for id in fused.ids() {
        let bits = |t: &Tensor| t.data().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let (own, taken) = (own.get(id).unwrap(), taken.get(id).unwrap());
        assert_eq!(own.shape(), taken.shape());
        let name = &fused.node(id).name;
        assert!(bits(own) == bits(taken), "{} {name}", architecture.name);
    }
}

/// One network of each kind of layers.
#[test]
fn fused_and_folded_form_compute_the_same_values() {
    for name in [
        "resnet18",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "squeezenet1_1",
        "efficientnet_lite0",
        "densenet121",
        "shufflenet_v2_x0_5",
        "efficientnet_b0",
        "vgg11_bn",
        "swin_t",
        "convnext_tiny",
    ] {
        let found = dvm_zoo::find(name).unwrap_or_else(|| panic!("{name}"));
        assert_same_bits(found, 64);
    }
}

/// The fused form computes only the class token after the last attention.
#[test]
fn fused_and_folded_form_compute_the_same_class_token() {
    let found = dvm_zoo::find("vit_tiny_patch16_224").unwrap();
    assert_same_bits(found, 224);
}

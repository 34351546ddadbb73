//! How often residual branches are dropped in training.

use dvm_engine::ops::stochastic_depth::StochasticDepth;

use crate::reference;

#[test]
fn branches_are_dropped_as_often_as_torchvisions() {
    for name in reference::names() {
        let described = reference::described("inference", &name);
        let expected = match described.has("stochastic_depths") {
            true => described.list("stochastic_depths", |p| Some(p.as_f64()? as f32)),
            false => Vec::new(),
        };
        let graph = dvm_engine::Graph::new((reference::architecture(&name).build)(1), |p| {
            Ok::<_, dvm_engine::Error>(dvm_engine::Tensor::zeros(&p.shape))
        });
        let graph = graph.expect("values of the declared shapes");
        let nodes = graph.nodes().iter();
        let found: Vec<f32> = nodes
            .filter_map(|node| node.op_as::<StochasticDepth>().map(|op| op.p))
            .collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{name}: {found} for {expected}"
            );
        }
    }
}

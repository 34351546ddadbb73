//! How often residual branches are dropped in training.

use dvm_engine::ops::stochastic_depth::StochasticDepth;

use crate::reference;

#[test]
fn branches_are_dropped_as_often_as_torchvisions() {
    for name in reference::names() {
        let described = reference::described("inference", &name);
        let expected: Vec<f32> = match described.perhaps("stochastic_depths") {
            Some(list) => {
                let list = list.as_array().expect("a list").iter();
                list.map(|p| p.as_f64().expect("a probability") as f32)
                    .collect()
            }
            None => Vec::new(),
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

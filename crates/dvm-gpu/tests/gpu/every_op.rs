//! Every op on the device, forward and backward, beside the CPU.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dvm_engine::{Graph, Keep, Mode, Request, Tensor, rules, seeded};
use dvm_testing::every_op::{self, Case};

use super::{assert_near, device, largest};

/// Values and gradients of all nodes and parameters.
fn compare(name: &str, graph: &Graph, on_device: &Graph, pictures: &Tensor, mode: Mode) {
    let walk = |graph: &Graph| {
        let kept = graph.forward(pictures, mode, Keep::All).unwrap();
        let output = kept.output();
        let weights = seeded::uniform("seed", output.len(), -1.0, 1.0);
        let seed = Tensor::from_stored(output.shape(), weights);
        let nodes: Vec<_> = graph.ids().collect();
        let request = Request {
            nodes: &nodes,
            parameters: &|_| true,
            rules: &rules::TRUE_GRADIENT,
        };
        let gradients = graph
            .backward(&kept, &[(graph.output(), seed)], &request)
            .unwrap();
        (kept, gradients)
    };
    let (expected, gradients) = walk(graph);
    let (found, own) = walk(on_device);
    for id in graph.ids() {
        let node = &graph.node(id).name;
        let what = format!("{name}, {mode:?}, value of `{node}`");
        let (found, expected) = (found.get(id).unwrap(), expected.get(id).unwrap());
        assert_near(&what, found, expected, 0.0);
    }
    let of_nodes = graph.ids().filter_map(|id| gradients.node(id));
    let usual = of_nodes.map(|gradient| largest(gradient.data()));
    let usual = usual.fold(0.0, f32::max);
    for id in graph.ids() {
        let node = &graph.node(id).name;
        let what = format!("{name}, {mode:?}, gradient of `{node}`");
        match (own.node(id), gradients.node(id)) {
            (Some(found), Some(expected)) => assert_near(&what, found, expected, usual),
            (None, None) => {}
            _ => panic!("{what}: only one of them has it"),
        }
    }
    for (index, parameter) in graph.parameters().iter().enumerate() {
        let what = format!(
            "{name}, {mode:?}, gradient of parameter `{}`",
            parameter.name
        );
        match (own.parameter(index), gradients.parameter(index)) {
            (Some(found), Some(expected)) => assert_near(&what, found, expected, usual),
            (None, None) => {}
            _ => panic!("{what}: only one of them has it"),
        }
    }
    for ((index, found), (_, expected)) in found.statistics().iter().zip(expected.statistics()) {
        assert_near(&format!("{name}, statistic {index}"), found, expected, 0.0);
    }
    assert_eq!(found.statistics().len(), expected.statistics().len());
}

#[test]
fn every_op_computes_the_same_forward_and_backward() {
    let device = device();
    let pictures = every_op::pictures();
    let mut wrong = Vec::new();
    for Case { name, graph } in every_op::all() {
        let on_device = graph.clone().with_device(Some(device.clone()));
        for mode in [Mode::Inference, Mode::Training { seed: 7 }] {
            let compared = catch_unwind(AssertUnwindSafe(|| {
                compare(name, &graph, &on_device, &pictures, mode);
            }));
            if compared.is_err() {
                wrong.push(name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(
        device.left_to_cpu(),
        ["local_response_norm", "power", "resample"]
    );
}

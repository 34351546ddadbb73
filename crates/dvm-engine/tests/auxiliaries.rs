//! Auxiliary heads, which only training reads.

use dvm_engine::ops::{conv2d::Conv2d, pool::Pool};
use dvm_engine::passes::{cut, fuse_for_training};
use dvm_engine::{Blueprint, Keep, Mode, Network, NodeId, Tensor, seeded};

/// A trunk of two convolutions, each followed by a head; the first head has the weight 0.4.
fn blueprint() -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("a", x, Conv2d::square(1), 3, 4, true);
    let head = |net: &mut Blueprint, name: &str, x: NodeId| {
        let x = net.pool(&format!("{name}.pool"), x, Pool::global_mean());
        let x = net.flatten(&format!("{name}.flatten"), x);
        net.linear(&format!("{name}.fc"), x, 4, 5, true)
    };
    let beside = head(&mut net, "beside", x);
    net.auxiliary(beside, 0.4);
    let x = net.conv2d("b", x, Conv2d::square(1), 4, 4, true);
    let x = head(&mut net, "own", x);
    net.ending_at(x)
}

fn pictures() -> Tensor {
    Tensor::from_nchw(&[2, 3, 4, 4], &seeded::uniform("pictures", 96, -1.0, 1.0))
}

#[test]
fn inference_has_no_auxiliary_heads() {
    let network = Network::new(seeded::graph(blueprint()));
    assert_eq!(network.whole().parameters().len(), 8);
    assert_eq!(network.graph().parameters().len(), 6);
    assert!(network.graph().find("beside.fc").is_err());
    assert!(network.graph().auxiliaries().is_empty());
    let logits = network.graph().logits(&pictures()).unwrap();
    assert_eq!(logits, network.whole().logits(&pictures()).unwrap());
}

#[test]
fn training_keeps_the_logits_of_auxiliary_heads() {
    let whole = seeded::graph(blueprint());
    for graph in [fuse_for_training(&whole), whole] {
        let [(head, weight)] = graph.auxiliaries()[..] else {
            panic!("one head is declared");
        };
        assert_eq!((graph.node(head).name.as_str(), weight), ("beside.fc", 0.4));
        let mode = Mode::Training { seed: 0 };
        let found = graph.forward(&pictures(), mode, Keep::Backward).unwrap();
        assert_eq!(found.get(head).unwrap().shape(), [2, 5]);
    }
}

#[test]
fn the_part_after_a_cut_keeps_the_heads_and_a_cut_after_a_head_is_an_error() {
    let graph = seeded::graph(blueprint());
    let shape = [1, 3, 4, 4];
    let (_, back) = cut(&graph, graph.find("a").unwrap(), &shape).unwrap();
    let (head, _) = back.auxiliaries()[0];
    assert_eq!(back.node(head).name, "beside.fc");
    let error = cut(&graph, graph.find("b").unwrap(), &shape).err().unwrap();
    assert!(error.to_string().contains("`beside.fc`"), "{error}");
}

#[test]
fn a_new_number_of_classes_replaces_the_last_layer_and_those_of_the_heads() {
    let graph = seeded::graph(blueprint());
    let other = graph.for_classes(7, |p| Tensor::zeros(&p.shape)).unwrap();
    for (before, after) in graph.parameters().iter().zip(other.parameters()) {
        let replaced = before.name.contains("fc.");
        assert_eq!(graph.is_in_head(&before.name), replaced, "{}", before.name);
        assert_eq!(before.shape[0], if replaced { 5 } else { after.shape[0] });
        assert_eq!(after.shape[0] == 7, replaced);
    }
    assert_eq!(other.logits(&pictures()).unwrap(), Tensor::zeros(&[2, 7]));
}

#[test]
fn new_classes_for_a_network_that_ends_in_a_sum_of_layers_are_an_error() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("flatten", x);
    let a = net.linear("a", x, 12, 5, true);
    let b = net.linear("b", x, 12, 5, true);
    let x = net.add("sum", a, b);
    let graph = seeded::graph(net.ending_at(x));
    let error = graph.for_classes(7, |p| Tensor::zeros(&p.shape)).err();
    assert!(error.unwrap().to_string().contains("`sum` (add)"));
}

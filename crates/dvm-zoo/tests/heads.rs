//! The layers that are replaced for other classes: the same as in a PyTorch script that replaces them by hand.

use dvm_engine::{Graph, Parameter, Tensor};

/// The networks of the script, with the layers that it replaces.
const OF_THE_SEED: [(&str, &[&str]); 6] = [
    ("alexnet", &["classifier.6"]),
    ("densenet161", &["classifier"]),
    ("inception_v3", &["fc", "AuxLogits.fc"]),
    ("resnet152", &["fc"]),
    ("resnet18", &["fc"]),
    ("vgg16", &["classifier.6"]),
];

fn graph(name: &str) -> Graph {
    let architecture = dvm_zoo::find(name).unwrap();
    let zeros = |p: &Parameter| Ok::<_, dvm_engine::Error>(Tensor::zeros(&p.shape));
    Graph::new((architecture.build)(1000), zeros).unwrap()
}

#[test]
fn only_the_last_layer_of_the_scripts_networks_is_replaced() {
    for (name, layers) in OF_THE_SEED {
        let before = graph(name);
        let heads: Vec<&str> = before
            .heads()
            .iter()
            .map(|&id| &before.node(id).name[..])
            .collect();
        assert_eq!(heads, layers, "{name}");
        let after = before
            .for_classes(5, |p| Tensor::full(&p.shape, 1.0))
            .unwrap();
        let pairs = before.parameters().iter().zip(after.parameters());
        for ((old, new), value) in pairs.zip(after.values()) {
            let is_head = layers
                .iter()
                .any(|layer| old.name.rsplit_once('.').unwrap().0 == *layer);
            let mut shape = old.shape.clone();
            if is_head {
                assert_eq!(shape[0], 1000, "{name}: {}", old.name);
                shape[0] = 5;
            }
            assert_eq!((&new.name, &new.shape), (&old.name, &shape), "{name}");
            // The other layers keep their values.
            let is_fresh = value.data().iter().all(|&v| v == 1.0);
            assert_eq!(is_fresh, is_head, "{name}: {}", old.name);
        }
    }
}

#[test]
fn every_network_has_one_replaceable_head_beside_auxiliary_ones() {
    for architecture in dvm_zoo::all() {
        let blueprint = (architecture.build)(3);
        let zeros = |p: &Parameter| Ok::<_, dvm_engine::Error>(Tensor::zeros(&p.shape));
        let graph = Graph::new(blueprint, zeros).unwrap();
        let count = 1 + graph.auxiliaries().len();
        assert_eq!(graph.heads().len(), count, "{}", architecture.name);
    }
}

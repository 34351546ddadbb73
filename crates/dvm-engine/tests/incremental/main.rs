//! What is computed from a picture's values equals what is computed anew.

mod random;

use dvm_engine::incremental::{Change, Incremental, Rectangle};
use dvm_engine::{Arithmetic, Graph, Network, Tensor, seeded};

use self::random::{Draw, changed, network};

fn picture(name: &str, (height, width): (usize, usize)) -> Tensor {
    let values = seeded::uniform(name, 3 * height * width, -1.0, 1.0);
    Tensor::from_nchw(&[1, 3, height, width], &values)
}

/// Other values in a rectangle of a picture.
fn change(name: &str, rectangle: Rectangle) -> Change {
    let (rows, columns) = rectangle.size();
    Change {
        rectangle,
        values: seeded::uniform(name, 3 * rows * columns, -1.5, 1.5),
    }
}

/// The logits of each changed picture, computed anew, one after the other.
fn anew(graph: &Graph, picture: &Tensor, changes: &[Change]) -> Vec<f32> {
    let logits = |change| graph.logits(&changed(picture, change)).unwrap();
    let all = changes.iter().map(logits);
    all.flat_map(|logits| logits.data().to_vec()).collect()
}

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |largest, value| largest.max(value.abs()))
}

/// A random network with its picture and some changes of it.
fn drawn(seed: usize) -> (Graph, Tensor, Vec<Change>) {
    let mut draw = Draw::new(seed);
    let size = (12 + draw.below(30), 12 + draw.below(30));
    let graph = network(&mut draw, size);
    let changes = (0..1 + draw.below(5))
        .map(|i| change(&format!("change {seed} {i}"), draw.rectangle(size)))
        .collect();
    (graph, picture(&format!("picture {seed}"), size), changes)
}

fn kinds(graph: &Graph) -> String {
    let nodes = graph.nodes().iter().skip(1);
    let described: Vec<String> = nodes.map(|n| format!("{} {:?}", n.name, n.op)).collect();
    described.join("\n")
}

#[test]
fn changes_of_random_networks_give_what_they_give_computed_anew() {
    for seed in 0..300 {
        let (graph, picture, changes) = drawn(seed);
        let network = Network::new(graph);
        let expected = anew(network.graph(), &picture, &changes);
        for graph in [network.graph(), network.fused()] {
            let incremental = Incremental::new(graph, &picture).unwrap();
            let found = incremental.logits(&changes, usize::MAX).unwrap();
            let off = largest(found.data().iter().zip(&expected).map(|(a, b)| a - b));
            let range = largest(expected.iter().copied()).max(1.0);
            assert!(
                off <= 1e-5 * range,
                "seed {seed}: off by {off} of {range}\n{}",
                kinds(graph)
            );
        }
    }
}

#[test]
fn with_exact_arithmetic_every_bit_is_that_of_the_picture_computed_anew() {
    for seed in 0..300 {
        let (graph, picture, changes) = drawn(seed);
        let network = Network::new(graph).with_arithmetic(Arithmetic::Exact);
        let graph = network.fused();
        let incremental = Incremental::new(graph, &picture).unwrap();
        let found = incremental.logits(&changes, usize::MAX).unwrap();
        let expected = anew(graph, &picture, &changes);
        assert!(
            found.data() == expected,
            "seed {seed}: {:?} instead of {expected:?}\n{}",
            found.data(),
            kinds(graph)
        );
    }
}

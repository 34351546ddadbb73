//! The gradient check: all architectures pass, and wrong gradients are found.

use std::fmt::Debug;

use dvm_engine::ops::BackwardCall;
use dvm_engine::rules::{Composite, Rule, TRUE_GRADIENT, Where};
use dvm_engine::{Error, GradientCheck, Graph, Network, Node, NodeId, Tensor, seeded};
use dvm_zoo::Architecture;

/// Rows and columns of the input: few, to be fast.
fn sizes(architecture: &Architecture) -> Vec<(usize, usize)> {
    let name = architecture.name;
    match name {
        // The last layers of these networks need larger inputs.
        "alexnet" | "inception_v3" => vec![(79, 77), (96, 80)],
        // These networks have a fixed input size.
        _ if name.starts_with("vit") || name.starts_with("deit") => {
            vec![architecture.input_size()]
        }
        _ => vec![(64, 64), (65, 59), (80, 96)],
    }
}

fn network(architecture: &Architecture) -> Network {
    Network::new(seeded::graph((architecture.build)(10)))
}

fn checked(
    graph: &Graph,
    (h, w): (usize, usize),
    rules: &Composite,
) -> Result<GradientCheck, Error> {
    let input = [1, graph.channels(), h, w];
    graph.check_gradient(&input, usize::MAX, rules)
}

/// A gradient with a mistake.
#[derive(Clone, Copy, Debug)]
enum Mistake {
    /// Every gradient is multiplied by this.
    Factor(f32),
    /// The last input gets no gradient.
    Missing,
}

impl Rule for Mistake {
    fn name(&self) -> &'static str {
        "mistake"
    }

    fn backward(
        &self,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        let mut inputs = node.op.backward(call, grad_output.clone())?.inputs;
        match self {
            Self::Factor(factor) => {
                for input in inputs.iter_mut().flatten() {
                    let values = input.data().iter().map(|v| v * factor).collect();
                    *input = Tensor::from_stored(input.shape(), values);
                }
            }
            Self::Missing => *inputs.last_mut().expect("it has inputs") = None,
        }
        Ok(inputs)
    }
}

fn broken(node: &str, mistake: Mistake) -> Composite {
    Composite::new().with(Where::Node(node.into()), mistake)
}

/// Names of nodes with several inputs.
fn joins(graph: &Graph) -> Vec<String> {
    let nodes = graph.nodes().iter().filter(|node| node.inputs.len() > 1);
    nodes.map(|node| node.name.clone()).collect()
}

/// One network of each kind of layers.
const FAMILIES: [&str; 14] = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "googlenet",
    "inception_v3",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "vgg11_bn",
];

#[test]
fn the_gradients_of_every_family_are_right() {
    for name in FAMILIES.into_iter().chain(["vit_tiny_patch16_224"]) {
        let architecture = dvm_zoo::find(name).unwrap();
        let network = network(architecture);
        let size = sizes(architecture)[0];
        let check = checked(network.folded(), size, &TRUE_GRADIENT)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(check.compared, 6, "{name}");
        assert!(
            check.nodes > 10 && check.undecided <= 3,
            "{name}: {check:?}"
        );
    }
}

#[test]
fn mistakes_are_found_with_the_node() {
    let graph = network(dvm_zoo::find("resnet18").unwrap());
    let graph = graph.folded();
    let found = |node: &str, mistake| {
        let error = checked(graph, (64, 64), &broken(node, mistake)).unwrap_err();
        error.to_string()
    };
    let cases = [
        ("layer2.0.bn1", Mistake::Factor(-1.0)),
        ("layer4.1.bn2", Mistake::Factor(2.0)),
        ("maxpool", Mistake::Factor(0.5)),
        ("fc", Mistake::Missing),
    ];
    let cases = cases.map(|(node, mistake)| (node.to_owned(), mistake));
    let joins = joins(graph).into_iter();
    for (node, mistake) in cases
        .into_iter()
        .chain(joins.map(|node| (node, Mistake::Missing)))
    {
        let message = found(&node, mistake);
        assert!(
            message.contains(&format!("but node `{node}`")),
            "{node}: {message}"
        );
    }
}

/// Measures false alarms and found mistakes over all architectures; the results are in
/// `docs/checking-gradients.md`.
#[test]
#[ignore = "takes long: cargo test --release --test gradient_check -- --ignored --nocapture"]
fn rates_over_the_whole_zoo() {
    const MISTAKES: [(&str, Mistake); 5] = [
        ("twice", Mistake::Factor(2.0)),
        ("negative", Mistake::Factor(-1.0)),
        ("a tenth more", Mistake::Factor(1.1)),
        ("zero", Mistake::Factor(0.0)),
        ("last input missing", Mistake::Missing),
    ];
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut at_node = 0.0f64;
    let (mut right, mut alarms, mut undecided, mut compared) = (0, 0, 0, 0);
    let mut worst = (0.0f64, 0.0f64);
    let mut found = [(0, 0); MISTAKES.len()];
    for architecture in dvm_zoo::all() {
        let name = architecture.name;
        let network = network(architecture);
        let graph = network.folded();
        let parameters: usize = graph.values().iter().map(Tensor::len).sum();
        if parameters > 90_000_000 || !(only.is_empty() || only.split(',').any(|o| o == name)) {
            continue;
        }
        for size in sizes(architecture) {
            right += 1;
            match checked(graph, size, &TRUE_GRADIENT) {
                Ok(check) => {
                    println!("{name} {size:?}: {check:?}");
                    compared += check.compared;
                    undecided += check.undecided;
                    worst.0 = worst.0.max(check.along_gradient);
                    worst.1 = worst.1.max(check.along_random);
                    at_node = at_node.max(check.at_node);
                }
                Err(error) => {
                    println!("{name} {size:?}: FALSE ALARM {error}");
                    alarms += 1;
                }
            }
        }
        if !FAMILIES.contains(&name) {
            continue;
        }
        let size = sizes(architecture)[0];
        let nodes: Vec<NodeId> = graph.ids().collect();
        for (mistake, (of, count)) in MISTAKES.iter().zip(&mut found) {
            let meant: Vec<String> = match mistake.1 {
                Mistake::Missing => joins(graph),
                Mistake::Factor(_) => {
                    let inside = nodes.iter().map(|&id| graph.node(id));
                    let inside = inside.filter(|node| !node.inputs.is_empty());
                    inside.map(|node| node.name.clone()).collect()
                }
            };
            for node in meant.iter().step_by(meant.len().div_ceil(6).max(1)) {
                *of += 1;
                match checked(graph, size, &broken(node, mistake.1)) {
                    Err(error) if error.to_string().contains(&format!("`{node}`")) => *count += 1,
                    Err(error) => println!("{name}: {} at {node} found, but {error}", mistake.0),
                    Ok(check) => println!("{name}: {} at {node} missed: {check:?}", mistake.0),
                }
            }
        }
    }
    println!("{alarms} of {right} right gradients called wrong");
    println!("{undecided} of {compared} comparisons undecided");
    let (along, random) = worst;
    println!("largest mismatches: {along:.1e} along, {random:.1e} random, {at_node:.1e} at a node");
    for ((name, _), (of, count)) in MISTAKES.iter().zip(found) {
        println!("{name}: {count} of {of} found and blamed");
    }
    assert_eq!(alarms, 0);
}

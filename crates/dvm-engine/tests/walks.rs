//! Walks over whole graphs: forward, backward, with rules, with any number of threads.

mod accuracy;
mod nets;

use accuracy::relative_error;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::pool::Pool;
use dvm_engine::rules::{self, Composite};
use dvm_engine::{Blueprint, Error, Graph, Keep, Mode, NodeId, Request, Role, Tensor, seeded};
use nets::seeded_tensor;

const TRAINING: Mode = Mode::Training { seed: 11 };

/// An odd size, so that every stride leaves a rest.
const ODD: [usize; 4] = [2, 3, 37, 29];

fn wide(tensor: &Tensor) -> Vec<f64> {
    tensor.to_nchw().into_iter().map(f64::from).collect()
}

/// How far `found` is from `expected`, relative to the largest value.
fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    relative_error(&found.to_nchw(), &wide(expected))
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.data().iter().map(|v| v.to_bits()).collect()
}

/// A seed on the logits that tells the classes apart.
fn seed(graph: &Graph, logits: &Tensor) -> [(NodeId, Tensor); 1] {
    let seed = seeded_tensor("the gradient of the logits", logits.shape());
    [(graph.output(), seed)]
}

/// `Σ logits · seed` in f64.
fn score(graph: &Graph, x: &Tensor, mode: Mode) -> f64 {
    let logits = graph.forward(x, mode, Keep::Output).unwrap();
    let logits = logits.output();
    let [(_, seed)] = seed(graph, logits);
    let pairs = wide(logits).into_iter().zip(wide(&seed));
    pairs.map(|(l, s)| l * s).sum()
}

/// The derivative at 0 of a smooth function of one number, by its values at four places: with
/// f32 results a step must be large, and the fourth order keeps the rest of the series small.
fn slope(f: impl Fn(f32) -> f64) -> f64 {
    const STEP: f32 = 0.03125;
    let near = f(STEP) - f(-STEP);
    let far = f(2.0 * STEP) - f(-2.0 * STEP);
    (8.0 * near - far) / (12.0 * f64::from(STEP))
}

fn moved(at: &Tensor, direction: &Tensor, by: f32) -> Tensor {
    let mut moved = at.clone();
    for (value, d) in moved.data_mut().iter_mut().zip(direction.data()) {
        *value += by * d;
    }
    moved
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let pairs = a.data().iter().zip(b.data());
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// A direction of length `length`.
fn direction(name: &str, shape: &[usize], length: f64) -> Tensor {
    let mut direction = seeded_tensor(name, shape);
    let factor = (length / dot(&direction, &direction).sqrt()) as f32;
    direction.data_mut().iter_mut().for_each(|d| *d *= factor);
    direction
}

/// A network with a residual, a gate and two branches whose every function is smooth.
fn smooth() -> Graph {
    let mut net = Blueprint::new(2);
    let x = net.input();
    let x = net.conv2d("stem", x, nets::padded(3).stride(2), 2, 6, true);
    let x = net.batch_norm("stem.bn", x, 6, 1e-5);
    let x = net.activation("stem.act", x, Activation::Silu);
    let y = net.conv2d("branch", x, nets::padded(3), 6, 6, false);
    let y = net.activation("branch.act", y, Activation::Tanh);
    let x = net.add("add", x, y);
    let gate = net.activation("gate", x, Activation::Sigmoid);
    let x = net.mul("mul", x, gate);
    let x = net.concat("concat", &[x, y, x]);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("dropout", x, 0.2);
    let x = net.linear("head", x, 18, 5, true);
    let x = net.softmax("softmax", x);
    seeded::graph(net.ending_at(x))
}

#[test]
fn the_gradient_of_a_graph_is_its_slope_in_any_direction() {
    let graph = smooth();
    let x = seeded_tensor("slope input", &[2, 2, 7, 9]);
    for mode in [Mode::Inference, TRAINING] {
        let activations = graph.forward(&x, mode, Keep::All).unwrap();
        let seeds = seed(&graph, activations.output());
        let nodes = [graph.input()];
        let gradients = graph
            .backward(&activations, &seeds, &Request::nodes(&nodes))
            .unwrap();
        let gradient = gradients.node(graph.input()).unwrap();
        let scale = dot(gradient, gradient).sqrt();
        for round in 0..6 {
            let d = direction(&format!("direction {round}"), x.shape(), 1.0);
            let expected = slope(|by| score(&graph, &moved(&x, &d, by), mode));
            let error = (dot(gradient, &d) - expected).abs() / scale;
            assert!(error < 1e-4, "{mode:?}, {round}: off by {error:.1e}");
        }
    }
}

#[test]
fn the_gradient_of_every_parameter_is_its_slope() {
    let mut graph = smooth();
    let x = seeded_tensor("slope input", &[2, 2, 7, 9]);
    let request = Request {
        nodes: &[],
        parameters: &|_| true,
        rules: &rules::true_gradient,
    };
    let activations = graph.forward(&x, TRAINING, Keep::All).unwrap();
    let seeds = seed(&graph, activations.output());
    let gradients = graph.backward(&activations, &seeds, &request).unwrap();
    for index in 0..graph.parameters().len() {
        let parameter = graph.parameters()[index].clone();
        if parameter.role == Role::Statistic {
            assert!(gradients.parameter(index).is_none(), "{}", parameter.name);
            continue;
        }
        let gradient = gradients.parameter(index).unwrap();
        let d = direction(&parameter.name, &parameter.shape, 0.5);
        let value = graph.values()[index].clone();
        let graph = std::cell::RefCell::new(&mut graph);
        let expected = slope(|by| {
            let mut graph = graph.borrow_mut();
            graph.set_value(index, moved(&value, &d, by)).unwrap();
            score(&graph, &x, TRAINING)
        });
        graph.borrow_mut().set_value(index, value).unwrap();
        let scale = 0.5 * dot(gradient, gradient).sqrt();
        let error = (dot(gradient, &d) - expected).abs();
        assert!(
            error < 1e-3 * scale.max(1e-3),
            "{}: {:.3e} instead of {expected:.3e}",
            parameter.name,
            dot(gradient, &d)
        );
    }
}

/// `head` of a network cut in two: from a feature map `[N, 4, H, W]` to logits.
fn tail(net: &mut Blueprint, x: NodeId) -> NodeId {
    let y = net.conv2d("tail.conv", x, nets::padded(3), 4, 4, true);
    let y = net.activation("tail.act", y, Activation::Relu);
    let x = net.add("tail.add", x, y);
    let x = net.pool("tail.pool", x, Pool::global_mean());
    let x = net.flatten("tail.flatten", x);
    net.linear("tail.head", x, 4, 3, true)
}

#[test]
fn the_gradient_of_an_inner_node_is_the_input_gradient_of_what_follows_it() {
    let mut net = Blueprint::new(2);
    let x = net.input();
    let x = net.conv2d("conv", x, nets::padded(3), 2, 4, true);
    let cut = net.activation("act", x, Activation::Relu);
    let end = tail(&mut net, cut);
    let whole = seeded::graph(net.ending_at(end));
    let mut net = Blueprint::new(4);
    let start = net.input();
    let end = tail(&mut net, start);
    let rest = seeded::graph(net.ending_at(end));

    let x = seeded_tensor("cut input", &[2, 2, 9, 7]);
    let activations = whole.forward(&x, Mode::Inference, Keep::All).unwrap();
    let seeds = seed(&whole, activations.output());
    let nodes = [cut, whole.input()];
    let both = whole
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .unwrap();

    let value = activations.get(cut).unwrap();
    let activations = rest.forward(value, Mode::Inference, Keep::All).unwrap();
    let seeds = seed(&rest, activations.output());
    let nodes = [rest.input()];
    let alone = rest
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .unwrap();
    assert_eq!(both.node(cut), alone.node(rest.input()));
}

#[test]
fn seeds_at_several_nodes_add_up() {
    let graph = smooth();
    let x = seeded_tensor("seeds input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let nodes = [graph.input()];
    let gradient = |names: &[&str]| {
        let seeds: Vec<(NodeId, Tensor)> = names
            .iter()
            .map(|name| {
                let id = graph.find(name).unwrap();
                let shape = activations.get(id).unwrap().shape();
                (id, seeded_tensor(name, shape))
            })
            .collect();
        let found = graph
            .backward(&activations, &seeds, &Request::nodes(&nodes))
            .unwrap();
        found.node(graph.input()).unwrap().clone()
    };
    let (a, b) = (gradient(&["branch"]), gradient(&["head"]));
    let sum = moved(&a, &b, 1.0);
    assert!(off(&gradient(&["branch", "head"]), &sum) < 1e-5);
}

#[test]
fn what_nobody_asked_for_has_no_gradient() {
    let graph = smooth();
    let x = seeded_tensor("request input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let seeds = seed(&graph, activations.output());
    let request = Request {
        nodes: &[],
        parameters: &|p| p.name == "branch.weight",
        rules: &rules::true_gradient,
    };
    let gradients = graph.backward(&activations, &seeds, &request).unwrap();
    assert!(graph.ids().all(|id| gradients.node(id).is_none()));
    let found: Vec<&str> = (0..graph.parameters().len())
        .filter(|&index| gradients.parameter(index).is_some())
        .map(|index| graph.parameters()[index].name.as_str())
        .collect();
    assert_eq!(found, ["branch.weight"]);
}

#[test]
fn what_does_not_lead_to_the_seed_has_no_gradient() {
    let graph = smooth();
    let x = seeded_tensor("request input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let stem = graph.find("stem").unwrap();
    let head = graph.find("head").unwrap();
    let shape = activations.get(stem).unwrap().shape();
    let seeds = [(stem, Tensor::full(shape, 1.0))];
    let nodes = [head, graph.input()];
    let gradients = graph
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .unwrap();
    assert!(gradients.node(head).is_none());
    assert!(gradients.node(graph.input()).is_some());
}

#[test]
fn keeping_only_the_output_gives_the_same_logits_and_holds_nothing_else() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let x = seeded_tensor("kept input", &ODD);
    let all = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let output = graph.forward(&x, Mode::Inference, Keep::Output).unwrap();
    assert_eq!(bits(all.output()), bits(output.output()));
    assert!(graph.ids().all(|id| all.get(id).is_some()));
    let held: Vec<NodeId> = graph.ids().filter(|&id| output.get(id).is_some()).collect();
    assert_eq!(held, [graph.output()]);
}

#[test]
fn keeping_a_node_holds_that_node_and_the_output() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let x = seeded_tensor("kept input", &ODD);
    let asked = graph.find("residual.add").unwrap();
    let all = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let some = graph
        .forward(&x, Mode::Inference, Keep::Nodes(&[asked]))
        .unwrap();
    assert_eq!(some.get(asked), all.get(asked));
    let held: Vec<NodeId> = graph.ids().filter(|&id| some.get(id).is_some()).collect();
    assert_eq!(held, [asked, graph.output()]);
}

#[test]
fn walking_back_over_values_that_were_not_kept_is_an_error_that_names_the_node() {
    let graph = smooth();
    let x = seeded_tensor("kept input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::Output).unwrap();
    let seeds = seed(&graph, activations.output());
    let nodes = [graph.input()];
    let error = graph
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .err()
        .unwrap();
    assert_eq!(
        error,
        Error::NotKept {
            node: "head".into()
        }
    );
}

#[test]
fn a_seed_of_the_wrong_shape_is_an_error_with_both_shapes() {
    let graph = smooth();
    let x = seeded_tensor("seed input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let seeds = [(graph.output(), Tensor::zeros(&[1, 4]))];
    let nodes = [graph.input()];
    let error = graph
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "node `softmax` (softmax): has the value [1, 5], its gradient [1, 4]"
    );
}

#[test]
fn explaining_never_changes_a_later_forward_pass() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let x = seeded_tensor("explained input", &ODD);
    let before = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let nodes = [graph.input()];
    let composites: [&Composite; 3] = [
        &rules::guided_backprop,
        &rules::deconvnet,
        &rules::true_gradient,
    ];
    for rules in composites {
        let request = Request {
            nodes: &nodes,
            parameters: &|_| true,
            rules,
        };
        let seeds = seed(&graph, before.output());
        graph.backward(&before, &seeds, &request).unwrap();
        let after = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
        for id in graph.ids() {
            assert_eq!(after.get(id), before.get(id), "{}", graph.node(id).name);
        }
    }
}

#[test]
fn a_training_pass_changes_nothing_until_its_statistics_are_stored() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let x = seeded_tensor("training input", &ODD);
    let before = graph.logits(&x).unwrap();
    let activations = graph.forward(&x, TRAINING, Keep::All).unwrap();
    assert_eq!(graph.logits(&x).unwrap(), before);
    let mut names: Vec<&str> = activations
        .statistics()
        .iter()
        .map(|(index, _)| graph.parameters()[*index].name.as_str())
        .collect();
    let mut expected: Vec<&str> = graph
        .parameters()
        .iter()
        .filter(|p| p.role == Role::Statistic)
        .map(|p| p.name.as_str())
        .collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_new_value_of_a_parameter_counts_in_the_next_forward_pass() {
    let mut graph = seeded::graph(nets::branching(Activation::Relu));
    let x = seeded_tensor("new value input", &ODD);
    let names = ["stem.conv.weight", "gated.conv.weight", "head.weight"];
    let mut before = graph.logits(&x).unwrap();
    for name in names {
        let index = graph.parameters().iter().position(|p| p.name == name);
        let index = index.unwrap();
        let value = moved(&graph.values()[index], &graph.values()[index], 0.5);
        graph.set_value(index, value).unwrap();
        let after = graph.logits(&x).unwrap();
        assert!(off(&after, &before) > 1e-3, "{name} made no difference");
        before = after;
    }
}

/// The network of Captum's tests (`BasicModel_ConvNet_One_Conv`): a 3×3 convolution from one
/// channel to two, all ones, bias −50 and −75; ReLU; a linear layer from 8 to 4, each row five
/// ones and three minus ones; ReLU.
fn captum() -> Graph {
    let mut net = Blueprint::new(1);
    let x = net.input();
    let x = net.conv2d("conv1", x, Conv2d::square(3), 1, 2, true);
    let x = net.activation("relu1", x, Activation::Relu);
    let x = net.flatten("flatten", x);
    let shape = [4, 8];
    let x = net.node("fc1", Linear, &[x], &[("weight", &shape, Role::Weight)]);
    let x = net.activation("relu2", x, Activation::Relu);
    Graph::new(net.ending_at(x), |parameter| {
        let values = match parameter.name.as_str() {
            "conv1.weight" => vec![1.0; 18],
            "conv1.bias" => vec![-50.0, -75.0],
            "fc1.weight" => [1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0].repeat(4),
            other => panic!("{other} is not a parameter of this network"),
        };
        Ok::<_, Error>(Tensor::from_nchw(&parameter.shape, &values))
    })
    .expect("the values have the declared shapes")
}

/// Values of Captum 0.9; the plain gradient is computed by hand.
#[test]
fn captums_network_gives_captums_numbers() {
    let graph = captum();
    let values: Vec<f32> = (0..16u8).map(f32::from).collect();
    let x = Tensor::from_nchw(&[1, 1, 4, 4], &values);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    assert_eq!(activations.output().data(), [54.0; 4]);
    let seeds = [(
        graph.output(),
        Tensor::from_nchw(&[1, 4], &[1.0, 0.0, 0.0, 0.0]),
    )];
    let nodes = [graph.input()];
    let gradient = |rules: &Composite| {
        let request = Request {
            nodes: &nodes,
            parameters: &|_| false,
            rules,
        };
        let found = graph.backward(&activations, &seeds, &request).unwrap();
        found.node(graph.input()).unwrap().to_nchw()
    };
    #[rustfmt::skip]
    assert_eq!(gradient(&rules::true_gradient), [
        0.0, 1.0, 1.0, 1.0,
        0.0, 1.0, 1.0, 1.0,
        0.0, 1.0, 1.0, 1.0,
        0.0, 0.0, 0.0, 0.0,
    ]);
    #[rustfmt::skip]
    assert_eq!(gradient(&rules::guided_backprop), [
        0.0, 1.0, 1.0, 1.0,
        1.0, 3.0, 3.0, 2.0,
        1.0, 3.0, 3.0, 2.0,
        1.0, 2.0, 2.0, 1.0,
    ]);
    #[rustfmt::skip]
    assert_eq!(gradient(&rules::deconvnet), [
        2.0, 3.0, 3.0, 1.0,
        3.0, 5.0, 5.0, 2.0,
        3.0, 5.0, 5.0, 2.0,
        1.0, 2.0, 2.0, 1.0,
    ]);
}

/// The gradient of the sum over `x` of one activation, by a rule, for an incoming gradient `g`.
fn ruled(activation: Activation, x: &[f32], g: &[f32], rules: &Composite) -> Vec<f32> {
    let mut net = Blueprint::new(1);
    let node = net.input();
    let node = net.activation("act", node, activation);
    let graph = seeded::graph(net.ending_at(node));
    let shape = [1, 1, 1, x.len()];
    let x = Tensor::from_nchw(&shape, x);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let nodes = [graph.input()];
    let request = Request {
        nodes: &nodes,
        parameters: &|_| false,
        rules,
    };
    let seeds = [(graph.output(), Tensor::from_nchw(&shape, g))];
    let found = graph.backward(&activations, &seeds, &request).unwrap();
    found.node(graph.input()).unwrap().to_nchw()
}

#[test]
fn guided_backprop_passes_positive_gradients_through_open_rectifiers() {
    let (x, g) = ([-1.0, 2.0, 7.0, 2.0, 0.0], [3.0, 3.0, 3.0, -3.0, 3.0]);
    let guided = |activation| ruled(activation, &x, &g, &rules::guided_backprop);
    assert_eq!(guided(Activation::Relu), [0.0, 3.0, 3.0, 0.0, 0.0]);
    assert_eq!(guided(Activation::Relu6), [0.0, 3.0, 0.0, 0.0, 0.0]);
    let plain = ruled(Activation::Silu, &x, &[3.0; 5], &rules::true_gradient);
    let expected = [plain[0], plain[1], plain[2], 0.0, plain[4]];
    assert_eq!(guided(Activation::Silu), expected);
}

#[test]
fn deconvnet_passes_positive_gradients_through_every_rectifier() {
    let (x, g) = ([-1.0, 2.0, 7.0, 2.0, 0.0], [3.0, 3.0, 3.0, -3.0, 3.0]);
    for activation in [Activation::Relu, Activation::Relu6, Activation::Gelu] {
        let found = ruled(activation, &x, &g, &rules::deconvnet);
        assert_eq!(found, [3.0, 3.0, 3.0, 0.0, 3.0], "{activation:?}");
    }
}

#[test]
fn gates_keep_their_true_gradient_under_every_rule() {
    let (x, g) = ([-1.0, 2.0, 7.0, 2.0, 0.0], [3.0, 3.0, 3.0, -3.0, 3.0]);
    for gate in [
        Activation::Sigmoid,
        Activation::Hardsigmoid,
        Activation::Tanh,
    ] {
        let plain = ruled(gate, &x, &g, &rules::true_gradient);
        assert_eq!(ruled(gate, &x, &g, &rules::guided_backprop), plain);
        assert_eq!(ruled(gate, &x, &g, &rules::deconvnet), plain);
    }
}

/// Everything that a training step and an explanation compute, as bits.
fn everything(graph: &Graph, x: &Tensor) -> Vec<(String, Vec<u32>)> {
    let nodes = [graph.input(), graph.find("residual.add").unwrap()];
    let mut found = Vec::new();
    for mode in [Mode::Inference, TRAINING] {
        let activations = graph.forward(x, mode, Keep::All).unwrap();
        for id in graph.ids() {
            let value = activations.get(id).unwrap();
            found.push((format!("{mode:?} {}", graph.node(id).name), bits(value)));
        }
        for (index, value) in activations.statistics() {
            let name = &graph.parameters()[*index].name;
            found.push((format!("{mode:?} statistic {name}"), bits(value)));
        }
        let request = Request {
            nodes: &nodes,
            parameters: &|_| true,
            rules: &rules::true_gradient,
        };
        let seeds = seed(graph, activations.output());
        let gradients = graph.backward(&activations, &seeds, &request).unwrap();
        for id in nodes {
            let gradient = gradients.node(id).unwrap();
            let name = &graph.node(id).name;
            found.push((format!("{mode:?} gradient of {name}"), bits(gradient)));
        }
        for (index, parameter) in graph.parameters().iter().enumerate() {
            if let Some(gradient) = gradients.parameter(index) {
                let name = format!("{mode:?} gradient of {}", parameter.name);
                found.push((name, bits(gradient)));
            }
        }
    }
    found
}

#[test]
fn every_bit_is_the_same_with_one_two_and_three_threads() {
    let x = seeded_tensor("threaded input", &[3, 3, 131, 149]);
    let results: Vec<_> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let graph = seeded::graph(nets::branching(Activation::Relu));
            pool.build().unwrap().install(|| everything(&graph, &x))
        })
        .collect();
    assert!(
        results[0]
            .iter()
            .any(|(name, _)| name.contains("gradient of stem.conv.weight"))
    );
    for (threads, other) in results.iter().enumerate().skip(1) {
        for ((name, one), (_, more)) in results[0].iter().zip(other) {
            assert!(one == more, "{name} differs with {} threads", threads + 1);
        }
    }
}

#[test]
fn a_pass_leaves_nothing_behind_for_the_next() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let x = seeded_tensor("repeated input", &ODD);
    let before = everything(&graph, &x);
    for shape in [ODD, [1, 3, 61, 83]] {
        everything(&graph, &Tensor::full(&shape, f32::NAN));
        let after = everything(&graph, &x);
        for ((name, one), (_, again)) in before.iter().zip(&after) {
            assert!(one == again, "{name} differs after NaN in {shape:?}");
        }
    }
}

#[test]
fn a_batch_gives_what_its_pictures_give_one_by_one() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let [_, c, h, w] = ODD;
    let x = seeded_tensor("batch input", &[3, c, h, w]);
    let batch = graph.logits(&x).unwrap();
    let one_by_one: Vec<f32> = x
        .to_nchw()
        .chunks_exact(c * h * w)
        .flat_map(|picture| {
            let picture = Tensor::from_nchw(&[1, c, h, w], picture);
            graph.logits(&picture).unwrap().to_nchw()
        })
        .collect();
    let one_by_one = Tensor::from_nchw(batch.shape(), &one_by_one);
    assert!(off(&batch, &one_by_one) <= 1e-6);
}

#[test]
fn the_wrong_number_of_channels_is_an_error_that_says_what_is_taken() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let error = graph.logits(&Tensor::zeros(&[1, 4, 32, 32])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node `input` (input): the network takes [N, 3, H, W], not [[1, 4, 32, 32]]"
    );
}

#[test]
fn a_picture_smaller_than_a_window_is_an_error_that_names_the_node() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(7), 3, 4, true);
    let graph = seeded::graph(net.ending_at(x));
    let error = graph.logits(&Tensor::zeros(&[1, 3, 9, 5])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node `conv` (conv2d): its window reaches over 7 pixels but the padded input has 5"
    );
}

#[test]
fn shapes_are_those_that_a_forward_pass_gives() {
    let graph = seeded::graph(nets::branching(Activation::Relu));
    let shapes = graph.shapes(&ODD).unwrap();
    let x = seeded_tensor("shapes input", &ODD);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    for (id, shape) in graph.ids().zip(shapes) {
        assert_eq!(activations.get(id).unwrap().shape(), shape);
    }
}

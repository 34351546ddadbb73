//! Walks back with replaced rules.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::linear::Linear;
use dvm_engine::rules::{self, Composite};
use dvm_engine::{Blueprint, Error, Graph, Keep, Mode, Request, Role, Tensor, seeded};

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

//! Backward passes with rules.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::prelu::PRelu;
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
fn captums_network_agrees_with_captum() {
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
    assert_eq!(gradient(&rules::TRUE_GRADIENT), [
        0.0, 1.0, 1.0, 1.0,
        0.0, 1.0, 1.0, 1.0,
        0.0, 1.0, 1.0, 1.0,
        0.0, 0.0, 0.0, 0.0,
    ]);
    #[rustfmt::skip]
    assert_eq!(gradient(&rules::guided_backprop()), [
        0.0, 1.0, 1.0, 1.0,
        1.0, 3.0, 3.0, 2.0,
        1.0, 3.0, 3.0, 2.0,
        1.0, 2.0, 2.0, 1.0,
    ]);
    #[rustfmt::skip]
    assert_eq!(gradient(&rules::deconvnet()), [
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
    let guided = |activation| ruled(activation, &x, &g, &rules::guided_backprop());
    assert_eq!(guided(Activation::Relu), [0.0, 3.0, 3.0, 0.0, 0.0]);
    assert_eq!(guided(Activation::Relu6), [0.0, 3.0, 0.0, 0.0, 0.0]);
    let plain = ruled(Activation::Silu, &x, &[3.0; 5], &rules::TRUE_GRADIENT);
    let expected = [plain[0], plain[1], plain[2], 0.0, plain[4]];
    assert_eq!(guided(Activation::Silu), expected);
}

#[test]
fn deconvnet_passes_positive_gradients_through_every_rectifier() {
    let (x, g) = ([-1.0, 2.0, 7.0, 2.0, 0.0], [3.0, 3.0, 3.0, -3.0, 3.0]);
    for activation in [Activation::Relu, Activation::Relu6, Activation::Gelu] {
        let found = ruled(activation, &x, &g, &rules::deconvnet());
        assert_eq!(found, [3.0, 3.0, 3.0, 0.0, 3.0], "{activation:?}");
    }
}

#[test]
fn guided_backprop_suppresses_negative_gradients_at_smooth_rectifiers() {
    let (x, g) = ([-4.0, -0.5, 0.5, 2.0, 2.0], [3.0, 3.0, 3.0, 3.0, -3.0]);
    for activation in SMOOTH {
        let plain = ruled(activation, &x, &g, &rules::TRUE_GRADIENT);
        let expected = [plain[0], plain[1], plain[2], plain[3], 0.0];
        let found = ruled(activation, &x, &g, &rules::guided_backprop());
        assert_eq!(found, expected, "{activation:?}");
        let found = ruled(activation, &x, &g, &rules::deconvnet());
        assert_eq!(found, [3.0, 3.0, 3.0, 3.0, 0.0], "{activation:?}");
    }
}

const SMOOTH: [Activation; 12] = [
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Hardswish,
    Activation::LeakyRelu(0.1),
    Activation::Elu(1.0),
    Activation::Softplus,
    Activation::Mish,
    Activation::Selu {
        alpha: 1.7,
        gamma: 1.05,
    },
    Activation::Celu(1.5),
    Activation::Swish(1.702),
    Activation::SquaredRelu,
];

#[test]
fn guided_gradients_pass_the_slope_of_a_leaky_relu() {
    let guided = |g| {
        let activation = Activation::LeakyRelu(0.25);
        ruled(activation, &[-1.0, 1.0], &[g; 2], &rules::guided_backprop())
    };
    assert_eq!(guided(2.0), [0.5, 2.0]);
    assert_eq!(guided(-2.0), [0.0, 0.0]);
}

#[test]
fn a_prelu_has_the_rules_of_a_leaky_relu_channel_by_channel() {
    let mut net = Blueprint::new(2);
    let x = net.input();
    let slopes: &[usize] = &[2, 1, 1];
    let x = net.node("act", PRelu, &[x], &[("weight", slopes, Role::Scale)]);
    let values = Tensor::from_nchw(slopes, &[0.25, -0.5]);
    let graph = Graph::new(net.ending_at(x), |_| Ok::<_, Error>(values.clone())).unwrap();
    let shape = [1, 2, 1, 3];
    let x = Tensor::from_nchw(&shape, &[-1.0, 1.0, -1.0, -1.0, 1.0, -1.0]);
    let g = Tensor::from_nchw(&shape, &[2.0, 2.0, -2.0, 2.0, -2.0, -2.0]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let nodes = [graph.input()];
    let gradient = |rules: &Composite| {
        let request = Request {
            rules,
            ..Request::nodes(&nodes)
        };
        let seeds = [(graph.output(), g.clone())];
        let found = graph.backward(&activations, &seeds, &request).unwrap();
        found.node(graph.input()).unwrap().to_nchw()
    };
    assert_eq!(
        gradient(&rules::TRUE_GRADIENT),
        [0.5, 2.0, -0.5, -1.0, -2.0, 1.0]
    );
    assert_eq!(
        gradient(&rules::guided_backprop()),
        [0.5, 2.0, 0.0, -1.0, 0.0, 0.0]
    );
    assert_eq!(
        gradient(&rules::deconvnet()),
        [2.0, 2.0, 0.0, 2.0, 0.0, 0.0]
    );
}

/// Gradients in a transformer's block have both signs, and only GELU changes them by the rules.
#[test]
fn rules_apply_at_the_activations_of_a_transformer_and_nowhere_else() {
    let mut net = Blueprint::new(6);
    let x = net.input();
    let x = net.tokens("tokens", x);
    let x = net.layer_norm("norm", x, 6, 1e-5);
    let x = net.attention("attention", x, 1);
    let x = net.linear("fc1", x, 2, 4, true);
    let before = x;
    let x = net.activation("gelu", x, Activation::Gelu);
    let x = net.linear("fc2", x, 4, 3, true);
    let graph = seeded::graph(net.ending_at(x));
    let pictures = Tensor::from_nchw(&[1, 6, 2, 2], &seeded::uniform("x", 24, -1.0, 1.0));
    let activations = graph
        .forward(&pictures, Mode::Inference, Keep::All)
        .unwrap();
    let seed = Tensor::from_nchw(&[1, 4, 3], &seeded::uniform("g", 12, -1.0, 1.0));
    let nodes = [before, graph.find("gelu").unwrap()];
    let gradients = |rules: &Composite| {
        let request = Request {
            nodes: &nodes,
            parameters: &|_| false,
            rules,
        };
        let seeds = [(graph.output(), seed.clone())];
        let found = graph.backward(&activations, &seeds, &request).unwrap();
        nodes.map(|node| found.node(node).unwrap().data().to_vec())
    };
    let [plain, reaching] = gradients(&rules::TRUE_GRADIENT);
    let [guided, same] = gradients(&rules::guided_backprop());
    let [deconvnet, _] = gradients(&rules::deconvnet());
    assert_eq!(reaching, same);
    for (i, &g) in reaching.iter().enumerate() {
        assert_eq!(guided[i], if g > 0.0 { plain[i] } else { 0.0 });
        assert_eq!(deconvnet[i], g.max(0.0));
    }
}

#[test]
fn gates_keep_their_true_gradient_under_every_rule() {
    let (x, g) = ([-1.0, 2.0, 7.0, 2.0, 0.0], [3.0, 3.0, 3.0, -3.0, 3.0]);
    for gate in [
        Activation::Sigmoid,
        Activation::Hardsigmoid,
        Activation::Tanh,
        Activation::Softsign,
        Activation::Shrink {
            lambda: 0.5,
            bias: 0.5,
        },
        Activation::HardsigmoidOf {
            slope: 0.2,
            offset: 0.5,
        },
    ] {
        let plain = ruled(gate, &x, &g, &rules::TRUE_GRADIENT);
        assert_eq!(ruled(gate, &x, &g, &rules::guided_backprop()), plain);
        assert_eq!(ruled(gate, &x, &g, &rules::deconvnet()), plain);
    }
}

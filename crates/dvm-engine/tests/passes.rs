//! Rewritten graphs: the same logits with less computation.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::slice::Slice;
use dvm_engine::passes::{fold_batch_norm, fuse, fuse_for_training, only_read_tokens};
use dvm_engine::{Blueprint, Error, Graph, Keep, Mode, Network, Node, Request, Tensor, seeded};
use dvm_testing::closeness::relative_error;
use dvm_testing::graphs::{self, seeded_tensor};

/// Largest change of a value by a pass, relative to the largest value.
const TOLERANCE: f64 = 1e-5;

fn nothing(_: &Node) -> bool {
    false
}

fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let expected: Vec<f64> = expected.to_nchw().into_iter().map(f64::from).collect();
    relative_error(&found.to_nchw(), &expected)
}

fn branching() -> Graph {
    seeded::graph(graphs::branching(Activation::Relu6))
}

fn input() -> Tensor {
    seeded_tensor("input of the passes", &[2, 3, 37, 29])
}

fn count(graph: &Graph, kind: &str) -> usize {
    let kinds = graph.nodes().iter().map(|node| node.op.kind());
    kinds.filter(|k| *k == kind).count()
}

fn value(graph: &Graph, name: &str) -> Tensor {
    let id = graph.find(name).unwrap();
    let activations = graph
        .forward(&input(), Mode::Inference, Keep::Nodes(&[id]))
        .unwrap();
    activations.get(id).unwrap().clone()
}

#[test]
fn folding_leaves_no_batch_norm_and_the_same_logits() {
    let graph = branching();
    let folded = fold_batch_norm(&graph, &nothing);
    assert_eq!(
        (count(&graph, "batch_norm"), count(&folded, "batch_norm")),
        (7, 0)
    );
    let expected = graph.logits(&input()).unwrap();
    assert!(off(&folded.logits(&input()).unwrap(), &expected) <= TOLERANCE);
}

#[test]
fn a_folded_node_has_the_name_and_the_value_of_the_batch_norm() {
    let graph = branching();
    let folded = fold_batch_norm(&graph, &nothing);
    for name in ["stem.bn", "residual.1.bn", "gated.bn", "wide.bn"] {
        assert!(
            off(&value(&folded, name), &value(&graph, name)) <= TOLERANCE,
            "{name}"
        );
    }
}

#[test]
fn folding_includes_a_bias_of_the_convolution() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, graphs::padded(3), 3, 5, true);
    let x = net.batch_norm("bn", x, 5, 1e-3);
    let graph = seeded::graph(net.ending_at(x));
    let folded = fold_batch_norm(&graph, &nothing);
    assert_eq!(folded.nodes().len(), 2);
    let expected = graph.logits(&input()).unwrap();
    assert!(off(&folded.logits(&input()).unwrap(), &expected) <= TOLERANCE);
}

#[test]
fn a_batch_norm_is_not_folded_if_other_nodes_read_its_convolution() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, graphs::padded(3), 3, 5, true);
    let y = net.batch_norm("bn", x, 5, 1e-3);
    let x = net.add("add", x, y);
    let graph = seeded::graph(net.ending_at(x));
    let folded = fold_batch_norm(&graph, &nothing);
    assert_eq!(count(&folded, "batch_norm"), 1);
    assert_eq!(
        folded.logits(&input()).unwrap(),
        graph.logits(&input()).unwrap()
    );
}

#[test]
fn a_batch_norm_without_a_convolution_is_fused_with_its_activation() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.batch_norm("bn", x, 3, 1e-3);
    let x = net.activation("act", x, Activation::Relu);
    let x = net.conv2d("conv", x, graphs::padded(3), 3, 5, true);
    let graph = seeded::graph(net.ending_at(x));
    let rewritten = fuse(&fold_batch_norm(&graph, &nothing), &nothing);
    let names: Vec<&str> = rewritten.nodes().iter().map(|n| &n.name[..]).collect();
    assert_eq!(names, ["input", "act", "conv"]);
    assert_eq!(rewritten.nodes()[1].merged, ["bn"]);
    assert_eq!(
        rewritten.logits(&input()).unwrap(),
        graph.logits(&input()).unwrap()
    );
}

#[test]
fn fusing_keeps_the_logits() {
    let graph = branching();
    let fused = fuse(&fold_batch_norm(&graph, &nothing), &nothing);
    let expected = graph.logits(&input()).unwrap();
    assert!(off(&fused.logits(&input()).unwrap(), &expected) <= TOLERANCE);
}

#[test]
fn fusing_without_folding_keeps_the_logits() {
    let graph = branching();
    let fused = fuse(&graph, &nothing);
    let expected = graph.logits(&input()).unwrap();
    assert!(off(&fused.logits(&input()).unwrap(), &expected) <= TOLERANCE);
}

#[test]
fn fusing_merges_the_residual_sum_and_the_activation_into_the_convolution() {
    let fused = fuse(&fold_batch_norm(&branching(), &nothing), &nothing);
    let block = fused.node(fused.find("residual.act").unwrap());
    let conv = block.op_as::<Conv2d>().expect("it became a convolution");
    assert!(conv.residual);
    assert_eq!(conv.activation, Some(Activation::Relu6));
    assert_eq!(
        block.merged,
        ["residual.1.conv", "residual.1.bn", "residual.add"]
    );
    let inputs: Vec<&str> = block
        .inputs
        .iter()
        .map(|&i| fused.node(i).name.as_str())
        .collect();
    assert_eq!(inputs, ["residual.0.act", "residual.shortcut.bn"]);
}

/// A layer of tokens and the nodes that follow it in a transformer: an activation; dropout, stochastic depth
/// and a sum.
fn tokens() -> Graph {
    let mut net = Blueprint::new(5);
    let x = net.input();
    let x = net.tokens("tokens", x);
    let y = net.linear("mlp.0", x, 5, 9, true);
    let y = net.activation("mlp.1", y, Activation::Gelu);
    let y = net.dropout("mlp.2", y, 0.3);
    let y = net.linear("mlp.3", y, 9, 5, true);
    let y = net.dropout("mlp.4", y, 0.3);
    let y = net.stochastic_depth("drop", y, 0.2);
    let y = net.add("add", x, y);
    seeded::graph(net.ending_at(y))
}

#[test]
fn fusing_merges_sums_and_activations_into_fully_connected_layers_across_dropouts() {
    let graph = tokens();
    let fused = fuse(&graph, &nothing);
    let x = seeded::uniform("tokens", 2 * 5 * 7 * 8, -1.0, 1.0);
    let x = Tensor::from_nchw(&[2, 5, 7, 8], &x);
    let expected = graph.logits(&x).unwrap();
    assert!(off(&fused.logits(&x).unwrap(), &expected) <= TOLERANCE);
    let kinds: Vec<&str> = fused.nodes().iter().map(|node| node.op.kind()).collect();
    assert_eq!(kinds, ["input", "tokens", "linear", "dropout", "linear"]);
    assert_eq!(fused.nodes()[4].merged, ["mlp.3", "mlp.4", "drop"]);
    assert_eq!(fused.nodes()[4].name, "add");
}

#[test]
fn a_graph_fused_for_training_keeps_its_dropouts() {
    let fused = fuse_for_training(&tokens());
    assert_eq!(count(&fused, "dropout"), 2);
    assert_eq!(count(&fused, "stochastic_depth"), 1);
}

#[test]
fn unread_tokens_are_not_computed_after_the_last_attention() {
    let graph = seeded::graph(graphs::transforming());
    let fewer = only_read_tokens(&graph, &nothing);
    let x = seeded_tensor("tokens that are read", &[2, 3, 37, 29]);
    let expected = graph.logits(&x).unwrap();
    assert!(off(&fewer.logits(&x).unwrap(), &expected) <= TOLERANCE);
    let shapes = fewer.shapes(x.shape()).unwrap();
    let shape = |name: &str| &shapes[fewer.find(name).unwrap().index()][..];
    assert_eq!(shape("vit.attention"), [2, 13, 8]);
    assert_eq!(shape("vit.add"), [2, 1, 8]);
    assert_eq!(shape("vit.mlp.fc1"), [2, 1, 16]);
    assert_eq!(shape("vit.attention: class"), [2, 1, 8]);
}

#[test]
fn all_tokens_of_a_node_that_is_kept_are_computed() {
    let graph = seeded::graph(graphs::transforming());
    let fewer = only_read_tokens(&graph, &|node| node.name == "vit.add");
    let x = seeded_tensor("tokens that are kept", &[1, 3, 37, 29]);
    let shapes = fewer.shapes(x.shape()).unwrap();
    assert_eq!(count(&fewer, "slice"), count(&graph, "slice"));
    assert_eq!(shapes[fewer.find("vit.add").unwrap().index()], [1, 13, 8]);
}

#[test]
fn a_slice_of_features_is_not_moved() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, graphs::padded(3), 3, 4, true);
    let x = net.linear("mix", x, 4, 6, true);
    let x = net.slice("first", x, Slice::channels(1, 2));
    let graph = seeded::graph(net.ending_at(x));
    let same = only_read_tokens(&graph, &nothing);
    assert_eq!(same.nodes().len(), graph.nodes().len());
    let logits = same.logits(&input()).unwrap();
    assert_eq!(logits, graph.logits(&input()).unwrap());
}

#[test]
fn a_shortcut_that_comes_first_is_fused_as_well() {
    // Here the shortcut's convolution is before the branch's, and the sum is merged into it.
    let mut net = Blueprint::new(3);
    let x = net.input();
    let shortcut = net.conv2d("shortcut", x, Conv2d::square(1), 3, 6, true);
    let y = net.conv2d("branch.0", x, graphs::padded(3), 3, 4, true);
    let y = net.activation("branch.act", y, Activation::Relu);
    let y = net.conv2d("branch.1", y, graphs::padded(3), 4, 6, true);
    let x = net.add("add", y, shortcut);
    let x = net.activation("act", x, Activation::Relu);
    let graph = seeded::graph(net.ending_at(x));
    let fused = fuse(&graph, &nothing);
    assert_eq!(count(&fused, "add"), 0);
    let expected = graph.logits(&input()).unwrap();
    assert!(off(&fused.logits(&input()).unwrap(), &expected) <= TOLERANCE);
}

#[test]
fn a_sum_of_a_value_with_itself_is_not_fused() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, graphs::padded(3), 3, 4, true);
    let x = net.add("add", x, x);
    let graph = seeded::graph(net.ending_at(x));
    let fused = fuse(&graph, &nothing);
    assert_eq!(count(&fused, "add"), 1);
    assert_eq!(
        fused.logits(&input()).unwrap(),
        graph.logits(&input()).unwrap()
    );
}

#[test]
fn a_kept_node_can_be_read_and_has_its_value() {
    let graph = branching();
    for name in [
        "stem.conv",
        "stem.bn",
        "residual.1.conv",
        "residual.1.bn",
        "residual.add",
        "gated.bn",
        "wide.conv",
    ] {
        let keep = |node: &Node| node.name == name;
        let fused = fuse(&fold_batch_norm(&graph, &keep), &keep);
        let error = off(&value(&fused, name), &value(&graph, name));
        assert!(error <= TOLERANCE, "{name} is off by {error:.1e}");
        let expected = graph.logits(&input()).unwrap();
        let error = off(&fused.logits(&input()).unwrap(), &expected);
        assert!(
            error <= TOLERANCE,
            "keeping {name} changed the logits by {error:.1e}"
        );
    }
}

#[test]
fn an_error_names_the_node_that_another_was_merged_into() {
    let fused = fuse(&fold_batch_norm(&branching(), &nothing), &nothing);
    assert_eq!(
        fused.find("stem.conv").unwrap_err().to_string(),
        "the network has no node `stem.conv`: it was merged into `stem.act`; keep it when fusing"
    );
}

#[test]
fn an_error_for_an_unknown_node_names_similar_ones() {
    let error = branching().find("residual.2.conv").unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(
            "the network has no node `residual.2.conv`; similar names are `stem.conv`"
        ),
        "{text}"
    );
}

#[test]
fn a_backward_pass_of_a_fused_graph_is_an_error_that_names_the_node() {
    let fused = fuse(&fold_batch_norm(&branching(), &nothing), &nothing);
    let activations = fused.forward(&input(), Mode::Inference, Keep::All).unwrap();
    let seeds = [(fused.output(), activations.output().clone())];
    let nodes = [fused.input()];
    let error = fused
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .err()
        .unwrap();
    let Error::Node { node, kind, detail } = error else {
        panic!("{error}");
    };
    assert_eq!((node.as_str(), kind), ("wide.act", "conv2d"));
    assert!(detail.contains("fused"), "{detail}");
}

#[test]
fn a_folded_graph_has_the_input_gradient_of_the_original() {
    let graph = seeded::graph(graphs::branching(Activation::Silu));
    let gradient = |graph: &Graph| {
        let activations = graph.forward(&input(), Mode::Inference, Keep::All).unwrap();
        let seed = seeded_tensor("seed of the passes", activations.output().shape());
        let nodes = [graph.input()];
        let found = graph
            .backward(
                &activations,
                &[(graph.output(), seed)],
                &Request::nodes(&nodes),
            )
            .unwrap();
        found.node(graph.input()).unwrap().clone()
    };
    let error = off(
        &gradient(&fold_batch_norm(&graph, &nothing)),
        &gradient(&graph),
    );
    assert!(error <= TOLERANCE, "off by {error:.1e}");
}

#[test]
fn the_forms_of_a_network_agree() {
    for graph in [branching(), seeded::graph(graphs::transforming())] {
        let network = Network::new(graph);
        let expected = network.graph().logits(&input()).unwrap();
        for form in [network.folded(), network.fused()] {
            assert!(off(&form.logits(&input()).unwrap(), &expected) <= TOLERANCE);
        }
    }
}

#[test]
fn a_rewritten_graph_declares_the_parameters_that_it_reads() {
    let folded = fold_batch_norm(&branching(), &nothing);
    let mut read = vec![false; folded.parameters().len()];
    for node in folded.nodes() {
        node.parameters.iter().for_each(|&p| read[p] = true);
    }
    assert!(read.into_iter().all(|r| r));
    for (parameter, value) in folded.parameters().iter().zip(folded.values()) {
        assert_eq!(parameter.shape, value.shape(), "{}", parameter.name);
    }
}

/// A graph after both passes, which must change no value.
fn rewritten(net: Blueprint) -> Graph {
    let graph = seeded::graph(net);
    let rewritten = fuse(&fold_batch_norm(&graph, &nothing), &nothing);
    let expected = graph.logits(&input()).unwrap();
    assert!(off(&rewritten.logits(&input()).unwrap(), &expected) <= TOLERANCE);
    rewritten
}

#[test]
fn a_batch_norm_before_a_convolution_as_in_dense_blocks_is_not_folded() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let first = net.conv2d("conv0", x, graphs::padded(3), 3, 4, false);
    let x = net.batch_norm("norm1", first, 4, 1e-5);
    let x = net.activation("relu1", x, Activation::Relu);
    let x = net.conv2d("conv1", x, Conv2d::square(1), 4, 8, false);
    let x = net.batch_norm("norm2", x, 8, 1e-5);
    let x = net.activation("relu2", x, Activation::Relu);
    let grown = net.conv2d("conv2", x, graphs::padded(3), 8, 4, false);
    let x = net.concat("concat", &[first, grown]);
    let x = net.batch_norm("norm3", x, 8, 1e-5);
    let rewritten = rewritten(net.ending_at(x));
    // The second one follows a convolution that no other node reads.
    assert_eq!(count(&rewritten, "batch_norm"), 2);
    assert!(rewritten.find("norm2").is_err() && rewritten.find("relu2").is_ok());
    let alone = rewritten.node(rewritten.find("relu1").unwrap());
    assert_eq!(
        (alone.op.kind(), &alone.merged[..]),
        ("batch_norm", &["norm1".to_owned()][..])
    );
}

#[test]
fn silu_and_similar_activations_are_fused_into_dense_and_depthwise_convolutions() {
    for activation in [
        Activation::Silu,
        Activation::Hardswish,
        Activation::Gelu,
        Activation::LeakyRelu(0.1),
        Activation::Mish,
    ] {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.conv2d("conv", x, graphs::padded(3), 3, 20, false);
        let x = net.batch_norm("bn", x, 20, 1e-3);
        let x = net.activation("act", x, activation);
        let y = net.conv2d("depthwise", x, graphs::padded(3).groups(20), 20, 20, false);
        let y = net.batch_norm("depthwise.bn", y, 20, 1e-3);
        let x = net.add("add", x, y);
        let x = net.activation("depthwise.act", x, activation);
        let rewritten = rewritten(net.ending_at(x));
        assert_eq!(rewritten.nodes().len(), 3, "{activation:?}");
    }
}

#[test]
fn other_nodes_between_prevent_fusion() {
    // Each of these nodes changes the input of the next one.
    let betweens: [fn(&mut Blueprint, dvm_engine::NodeId) -> dvm_engine::NodeId; 4] = [
        |net, x| net.scale("between", x, 4),
        |net, x| net.channel_shuffle("between", x, 2),
        |net, x| net.layer_norm("between", x, 4, 1e-5),
        |net, x| net.stochastic_depth("between", x, 0.5),
    ];
    for between in betweens {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.conv2d("conv", x, graphs::padded(3), 3, 4, true);
        let x = between(&mut net, x);
        let x = net.batch_norm("bn", x, 4, 1e-3);
        let x = net.activation("act", x, Activation::Relu);
        let rewritten = rewritten(net.ending_at(x));
        // The activation is merged into the batch-norm, and nothing into the convolution.
        assert_eq!(rewritten.nodes().len(), 4);
        assert!(rewritten.nodes()[1].merged.is_empty());
    }
}

#[test]
fn a_batch_norm_of_rows_is_not_folded() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.pool("pool", x, dvm_engine::ops::pool::Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 3, 5, true);
    let x = net.batch_norm("bn", x, 5, 1e-5);
    let x = net.activation("act", x, Activation::Gelu);
    assert_eq!(rewritten(net.ending_at(x)).nodes().len(), 6);
}

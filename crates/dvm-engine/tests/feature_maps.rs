//! The last feature map and the ends of blocks: in transformers, in exported graphs, and in networks whose
//! node names carry no information.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::attention::Attention;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::repeat::Repeat;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::tokens::Tokens;
use dvm_engine::{Arrangement, Blueprint, Graph, NodeId, Role, SpatialLayout, seeded};

/// Features of a token, tokens of these transformers, heads.
const WIDTH: usize = 8;
const TOKENS: usize = 13;
const HEADS: usize = 2;

const INPUT: [usize; 4] = [1, 3, 12, 16];

fn norm(net: &mut Blueprint, name: &str, x: NodeId) -> NodeId {
    let parameters = [
        ("weight", &[WIDTH][..], Role::Scale),
        ("bias", &[WIDTH][..], Role::Bias),
    ];
    net.node(name, LayerNorm { eps: 1e-6 }, &[x], &parameters)
}

fn reshape(net: &mut Blueprint, name: &str, x: NodeId, sides: &[usize]) -> NodeId {
    let sides = std::iter::once(None).chain(sides.iter().copied().map(Some));
    let op = Reshape {
        sides: sides.collect(),
    };
    net.node(name, op, &[x], &[])
}

fn permute(net: &mut Blueprint, name: &str, x: NodeId, axes: &[usize]) -> NodeId {
    let axes = axes.to_vec();
    net.node(name, Permute { axes }, &[x], &[])
}

/// Attention in one op.
fn fused(net: &mut Blueprint, path: &str, x: NodeId) -> NodeId {
    let y = net.linear(&format!("{path}.qkv"), x, WIDTH, 3 * WIDTH, true);
    net.node(
        &format!("{path}.attention"),
        Attention { heads: HEADS },
        &[y],
        &[],
    )
}

/// The same in the form of exported graphs, without the scale.
fn spelled_out(net: &mut Blueprint, path: &str, x: NodeId) -> NodeId {
    let mut part = |name: &str, axes: &[usize]| {
        let name = format!("{path}.{name}");
        let y = net.linear(&name, x, WIDTH, WIDTH, true);
        let heads = [TOKENS, HEADS, WIDTH / HEADS];
        let y = reshape(net, &format!("{name}.heads"), y, &heads);
        permute(net, &format!("{name}.turned"), y, axes)
    };
    let q = part("q", &[0, 2, 1, 3]);
    let k = part("k", &[0, 2, 3, 1]);
    let v = part("v", &[0, 2, 1, 3]);
    let name = |layer: &str| format!("{path}.{layer}");
    let scores = net.node(&name("scores"), BatchedProduct, &[q, k], &[]);
    let looks = net.node(&name("softmax"), Softmax { axis: 3 }, &[scores], &[]);
    let y = net.node(&name("means"), BatchedProduct, &[looks, v], &[]);
    let y = permute(net, &name("turned"), y, &[0, 2, 1, 3]);
    reshape(net, &name("joined"), y, &[TOKENS, WIDTH])
}

type Attend = fn(&mut Blueprint, &str, NodeId) -> NodeId;

/// Two blocks over patches of 4 × 4 and a class token. The head reads only the class token, or the mean of
/// all tokens.
fn transformer(attend: Attend, reads_class: bool) -> Graph {
    let mut net = Blueprint::new(3);
    let picture = net.input();
    let x = net.conv2d(
        "patches",
        picture,
        Conv2d::square(4).stride(4),
        3,
        WIDTH,
        true,
    );
    let x = net.node("tokens", Tokens, &[x], &[]);
    let class = [("token", &[1, 1, WIDTH][..], Role::Weight)];
    let class = net.node("class", Repeat, &[picture], &class);
    let x = net.node("joined", Concat { axis: 1 }, &[class, x], &[]);
    let add = Binary {
        function: Function::Add,
        other: Other::Parameter,
        swapped: false,
    };
    let positions = [("value", &[1, TOKENS, WIDTH][..], Role::Weight)];
    let mut x = net.node("positions", add, &[x], &positions);
    for block in ["blocks.0", "blocks.1"] {
        let name = |layer: &str| format!("{block}.{layer}");
        let y = norm(&mut net, &name("norm1"), x);
        let y = attend(&mut net, block, y);
        let y = net.linear(&name("projection"), y, WIDTH, WIDTH, true);
        x = net.add(&name("add1"), y, x);
        let y = norm(&mut net, &name("norm2"), x);
        let y = net.linear(&name("up"), y, WIDTH, 16, true);
        let y = net.activation(&name("gelu"), y, Activation::Gelu);
        let y = net.linear(&name("down"), y, 16, WIDTH, true);
        x = net.add(&name("add2"), y, x);
    }
    x = norm(&mut net, "norm", x);
    x = if reads_class {
        let first = Slice {
            axis: 1,
            start: 0,
            step: 1,
            count: Some(1),
        };
        let x = net.node("first", first, &[x], &[]);
        net.flatten("flatten", x)
    } else {
        let mean = Reduce {
            how: How::Mean,
            axes: vec![1],
            keeps: false,
        };
        net.node("mean", mean, &[x], &[])
    };
    x = net.linear("head", x, WIDTH, 5, true);
    seeded::graph(net.ending_at(x))
}

fn last(graph: &Graph, input: &[usize]) -> Option<(String, usize, SpatialLayout)> {
    let map = graph.last_feature_map(input).unwrap()?;
    Some((graph.node(map.node).name.clone(), map.channels, map.layout))
}

fn blocks(graph: &Graph, input: &[usize]) -> Vec<(String, usize, usize)> {
    let outputs = graph.block_outputs(input).unwrap();
    let row = |output: &dvm_engine::BlockOutput| {
        let name = graph.node(output.map.node).name.clone();
        (name, output.stage, output.stride.0)
    };
    outputs.iter().map(row).collect()
}

fn named(expected: &[(&str, usize, usize)]) -> Vec<(String, usize, usize)> {
    let own = |&(name, stage, stride): &(&str, usize, usize)| (name.to_owned(), stage, stride);
    expected.iter().map(own).collect()
}

const ON_TOKENS: SpatialLayout = SpatialLayout {
    rows: 3,
    columns: 4,
    arrangement: Arrangement::Tokens { before: 1 },
};

#[test]
fn a_transformer_that_reads_its_class_token_has_its_last_map_before_the_last_attention() {
    for attend in [fused as Attend, spelled_out] {
        let graph = transformer(attend, true);
        let expected = ("blocks.1.norm1".to_owned(), WIDTH, ON_TOKENS);
        assert_eq!(last(&graph, &INPUT), Some(expected));
        let expected = [
            ("positions", 1, 4),
            ("blocks.0.add2", 1, 4),
            ("blocks.1.norm1", 1, 4),
        ];
        assert_eq!(blocks(&graph, &INPUT), named(&expected));
    }
}

#[test]
fn a_transformer_that_takes_the_mean_has_its_last_map_at_the_end() {
    for attend in [fused as Attend, spelled_out] {
        let graph = transformer(attend, false);
        let expected = ("norm".to_owned(), WIDTH, ON_TOKENS);
        assert_eq!(last(&graph, &INPUT), Some(expected));
        let outputs = blocks(&graph, &INPUT);
        let names: Vec<&str> = outputs.iter().map(|output| &output.0[..]).collect();
        assert_eq!(
            names,
            ["positions", "blocks.0.add2", "blocks.1.add2", "norm"]
        );
    }
}

#[test]
fn attention_has_the_same_multiply_adds_as_one_op_and_spelled_out() {
    let count = |attend: Attend| {
        let graph = transformer(attend, true);
        graph.multiply_adds(&INPUT).unwrap()
    };
    // Patches; per block attention (scores and means), its four projections, two layers; the head.
    let patches = 12 * 8 * 48;
    let block = 2 * 13 * 13 * 8 + 13 * (4 * 8 * 8 + 2 * 8 * 16);
    let expected = patches + 2 * block + 8 * 5;
    assert_eq!([count(fused), count(spelled_out)], [expected; 2]);
}

fn padded(kernel: usize) -> Conv2d {
    Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)))
}

/// A small residual network; `name` gives each node its name.
fn residual(name: &dyn Fn(&str) -> String) -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d(&name("stem"), x, padded(3).stride(2), 3, 4, true);
    let x = net.activation(&name("stem.relu"), x, Activation::Relu);
    let x = net.pool(&name("pool"), x, Pool::max(3, 2, 1, false));
    let y = net.conv2d(&name("a.conv"), x, padded(3), 4, 4, true);
    let x = net.add(&name("a.add"), y, x);
    let x = net.activation(&name("a.relu"), x, Activation::Relu);
    let y = net.conv2d(&name("b.conv"), x, padded(3).stride(2), 4, 6, true);
    let shortcut = net.conv2d(
        &name("b.narrow"),
        x,
        Conv2d::square(1).stride(2),
        4,
        6,
        true,
    );
    let x = net.add(&name("b.add"), y, shortcut);
    let x = net.activation(&name("b.relu"), x, Activation::Relu);
    let x = net.pool(&name("mean"), x, Pool::global_mean());
    let x = net.flatten(&name("flatten"), x);
    let x = net.linear(&name("head"), x, 6, 5, true);
    seeded::graph(net.ending_at(x))
}

#[test]
fn blocks_of_residual_networks_do_not_depend_on_names() {
    let input = [1, 3, 64, 64];
    let expected = [
        ("stem.relu", 1, 2),
        ("pool", 2, 4),
        ("a.relu", 2, 4),
        ("b.relu", 3, 8),
    ];
    assert_eq!(blocks(&residual(&str::to_owned), &input), named(&expected));
    let numbers = std::cell::Cell::new(0);
    let numbered = residual(&|_| {
        numbers.set(numbers.get() + 1);
        format!("node{}", numbers.get())
    });
    let expected = [
        ("node2", 1, 2),
        ("node3", 2, 4),
        ("node6", 2, 4),
        ("node10", 3, 8),
    ];
    assert_eq!(blocks(&numbered, &input), named(&expected));
}

#[test]
fn permuted_maps_keep_their_layout() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, Conv2d::square(4).stride(4), 3, 4, true);
    let y = permute(&mut net, "to_last", x, &[0, 2, 3, 1]);
    let y = net.activation("gelu", y, Activation::Gelu);
    let last_axes = net.activation("relu", y, Activation::Relu);
    let y = permute(&mut net, "to_first", last_axes, &[0, 3, 1, 2]);
    let x = net.add("add", x, y);
    let y = permute(&mut net, "unrolled", x, &[0, 2, 3, 1]);
    let mean = Reduce {
        how: How::Mean,
        axes: vec![1, 2],
        keeps: false,
    };
    let y = net.node("mean", mean, &[y], &[]);
    let y = net.linear("head", y, 4, 5, true);
    let graph = seeded::graph(net.ending_at(y));
    let places = SpatialLayout {
        rows: 3,
        columns: 4,
        arrangement: Arrangement::Map,
    };
    assert_eq!(last(&graph, &INPUT), Some(("add".into(), 4, places)));
    let field = graph.receptive_fields(&INPUT).unwrap()[last_axes.index()].unwrap();
    let (rows, _) = field.local.unwrap();
    assert_eq!((rows.size, rows.stride, field.whole), (4, 4, false));
}

#[test]
fn channels_shuffled_by_reshapes_are_maps_again() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, Conv2d::square(4).stride(4), 3, 4, true);
    let x = reshape(&mut net, "grouped", x, &[2, 2, 3, 4]);
    let x = permute(&mut net, "shuffled", x, &[0, 2, 1, 3, 4]);
    let x = reshape(&mut net, "flat", x, &[4, 3, 4]);
    let x = net.conv2d("last", x, padded(3), 4, 6, true);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.conv2d("head", x, Conv2d::square(1), 6, 5, true);
    let x = net.flatten("flatten", x);
    let graph = seeded::graph(net.ending_at(x));
    assert_eq!(last(&graph, &INPUT).unwrap().0, "last");
}

#[test]
fn branches_that_meet_after_their_pools_have_the_last_map_before_them() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, padded(3), 3, 4, true);
    let towers = ["left", "right"].map(|tower| {
        let y = net.conv2d(&format!("{tower}.conv"), x, padded(3), 4, 4, true);
        net.pool(&format!("{tower}.mean"), y, Pool::global_mean())
    });
    let x = net.concat("concat", &towers);
    let x = net.flatten("flatten", x);
    let x = net.linear("head", x, 8, 5, true);
    let graph = seeded::graph(net.ending_at(x));
    assert_eq!(last(&graph, &INPUT).unwrap().0, "stem");
}

#[test]
fn a_network_without_feature_maps_has_no_last_map() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("flatten", x);
    let x = net.linear("hidden", x, 3 * 12 * 16, 4, true);
    let x = net.linear("head", x, 4, 5, true);
    let graph = seeded::graph(net.ending_at(x));
    assert_eq!(last(&graph, &INPUT), None);
    assert!(blocks(&graph, &INPUT).is_empty());
}

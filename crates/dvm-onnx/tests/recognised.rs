//! Attention in windows that a file writes as several operators becomes the engine's op if it computes exactly the same,
//! and stays as it is if anything differs. The logits are the same in both cases.

use std::collections::BTreeMap;

use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::tokens::{Grid, Tokens};
use dvm_engine::{Blueprint, Graph, NodeId, Tensor, seeded};
use dvm_onnx::{Export, Options, from_bytes, to_onnx};
use dvm_testing::closeness::{relative_error, wide};

/// Rows and columns of the map; a window has half of each.
const SIDE: usize = 4;

/// Pixels of a window.
const PIXELS: usize = 4;

/// How a file differs from the engine's op.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Difference {
    Nothing,
    Scale,
    /// The mask subtracts another number.
    Mask,
    /// One pair of pixels has another bias.
    Bias,
    /// Keys and values are swapped.
    Order,
    /// The heads of the result are swapped.
    Heads,
    /// The windows are not reversed as they were partitioned.
    Place,
    /// Another node reads the probabilities.
    Reader,
}

/// `count` positions of an axis.
fn part_of(axis: usize, start: usize, count: usize) -> Slice {
    Slice {
        axis,
        start,
        step: 1,
        count: Some(count),
    }
}

use Difference::{Bias, Heads, Mask, Nothing, Order, Place, Reader, Scale};

/// A network with one attention of two heads of two features each, built step by step.
struct Spelling {
    net: Blueprint,
    difference: Difference,
}

impl Spelling {
    /// After a convolution to four channels.
    fn new(difference: Difference) -> (Self, NodeId) {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.conv2d("stem", x, Conv2d::square(1), 3, 4, true);
        (Self { net, difference }, x)
    }

    fn ending_at(mut self, x: NodeId) -> Graph {
        let x = self.net.pool("mean", x, Pool::global_mean());
        let x = self.net.flatten("flat", x);
        let x = self.net.linear("head", x, 4, 3, true);
        seeded::graph(self.net.ending_at(x))
    }

    fn cut(&mut self, name: &str, x: NodeId, sides: &[usize]) -> NodeId {
        let sides = sides.iter().map(|&side| Some(side));
        let sides: Vec<Option<usize>> = std::iter::once(None).chain(sides).collect();
        self.net.reshape(name, x, &sides)
    }

    fn by(&mut self, name: &str, x: NodeId, function: Function, constant: Tensor) -> NodeId {
        let op = Binary::constant(function, constant);
        self.net.node(name, op, &[x], &[])
    }

    /// A map rolled up and to the left.
    fn rolled(&mut self, name: &str, mut x: NodeId, by: usize) -> NodeId {
        for axis in [2, 3] {
            let mut part = |what: &str, start: usize, count: usize| {
                let name = format!("{name}.{axis}.{what}");
                self.net.slice(&name, x, part_of(axis, start, count))
            };
            let parts = [part("after", by, SIDE - by), part("before", 0, by)];
            let name = format!("{name}.{axis}");
            x = self.net.node(&name, Concat { axis }, &parts, &[]);
        }
        x
    }

    /// `[N, windows, 3, heads, T, d]` to `[N, windows, T, heads, d]`; `added` is added to the scores
    /// `[N, windows, heads, T, T]`.
    fn attended(&mut self, x: NodeId, [windows, tokens]: [usize; 2], added: &[Tensor]) -> NodeId {
        let starts = match self.difference {
            Order => [0, 2, 1],
            _ => [0, 1, 2],
        };
        let [q, k, v] = [0, 1, 2].map(|which| {
            let name = ["q", "k", "v"][which];
            let slice = part_of(2, starts[which], 1);
            let part = self.net.slice(&format!("{name}.part"), x, slice);
            self.cut(name, part, &[windows, 2, tokens, 2])
        });
        let k = self.net.permute("turned", k, &[0, 1, 2, 4, 3]);
        let scale = if self.difference == Scale {
            0.7
        } else {
            0.5f32.sqrt()
        };
        let q = self.by("scaled", q, Function::Mul, Tensor::full(&[1], scale));
        let mut scores = self.net.node("scores", BatchedProduct, &[q, k], &[]);
        for (index, added) in added.iter().enumerate() {
            let name = format!("added{index}");
            scores = self.by(&name, scores, Function::Add, added.clone());
        }
        let looks = self.net.node("looks", Softmax { axis: 4 }, &[scores], &[]);
        let mut x = self.net.node("attended", BatchedProduct, &[looks, v], &[]);
        if self.difference == Reader {
            let more = self.net.node("more", BatchedProduct, &[looks, q], &[]);
            x = self.net.add("with_more", x, more);
        }
        if self.difference == Heads {
            let mut head = |start: usize| {
                self.net
                    .slice(&format!("head{start}"), x, part_of(2, start, 1))
            };
            let heads = [head(1), head(0)];
            x = self.net.node("heads", Concat { axis: 2 }, &heads, &[]);
        }
        self.net.permute("by_token", x, &[0, 1, 3, 2, 4])
    }

    /// The relative position bias, and the mask of a shifted map.
    fn added(&self, shift: usize) -> Vec<Tensor> {
        let table = seeded::uniform("table", 18, -1.0, 1.0);
        let row = |from: usize, to: usize| (from / 2 + 1 - to / 2) * 3 + from % 2 + 1 - to % 2;
        let pairs = || (0..PIXELS).flat_map(|from| (0..PIXELS).map(move |to| (from, to)));
        let bias = (0..2).flat_map(|head| pairs().map(move |pair| (head, pair)));
        let bias = bias.map(|(head, (from, to))| table[row(from, to) * 2 + head]);
        let mut bias: Vec<f32> = bias.collect();
        if self.difference == Bias {
            bias[0] += 0.25;
        }
        let bias = Tensor::from_nchw(&[1, 1, 2, PIXELS, PIXELS], &bias);
        if shift == 0 {
            return vec![bias];
        }
        let unseen = if self.difference == Mask {
            -90.0
        } else {
            -100.0
        };
        // The last `shift` rows or columns of the last windows are wrapped around.
        let is_wrapped = |window: usize, at: usize| window == 1 && at >= 2 - shift;
        let windows = (0..4).flat_map(|window| pairs().map(move |pair| (window, pair)));
        let mask = windows.map(|(window, (from, to))| {
            let region = |pixel: usize| {
                (
                    is_wrapped(window / 2, pixel / 2),
                    is_wrapped(window % 2, pixel % 2),
                )
            };
            if region(from) == region(to) {
                0.0
            } else {
                unseen
            }
        });
        let mask = mask.collect::<Vec<f32>>();
        vec![bias, Tensor::from_nchw(&[1, 4, 1, PIXELS, PIXELS], &mask)]
    }
}

/// Windows partitioned before the layer of queries, keys and values and reversed after the next layer (`outside`, as in
/// timm), or between the layers.
fn windows(difference: Difference, shift: usize, outside: bool) -> Graph {
    let (mut spelling, mut x) = Spelling::new(difference);
    let features = if outside { 4 } else { 12 };
    if !outside {
        x = spelling.net.linear("attn.qkv", x, 4, 12, true);
    }
    if shift > 0 {
        x = spelling.rolled("shifted", x, shift);
    }
    x = spelling.net.node("places", Tokens, &[x], &[]);
    x = spelling.cut("cut", x, &[2, 2, 2, 2, features]);
    x = spelling.net.permute("windows", x, &[0, 1, 3, 2, 4, 5]);
    if outside {
        x = spelling.cut("rows", x, &[SIDE * SIDE, 4]);
        x = spelling.net.linear("attn.qkv", x, 4, 12, true);
    }
    x = spelling.cut("parts", x, &[4, PIXELS, 3, 2, 2]);
    x = spelling.net.permute("heads_first", x, &[0, 1, 3, 4, 2, 5]);
    let added = spelling.added(shift);
    x = spelling.attended(x, [4, PIXELS], &added);
    x = spelling.cut("joined_heads", x, &[SIDE * SIDE, 4]);
    if outside {
        x = spelling.net.linear("attn.proj", x, 4, 4, true);
    }
    if difference != Place {
        x = spelling.cut("found", x, &[2, 2, 2, 2, 4]);
        x = spelling.net.permute("put_together", x, &[0, 1, 3, 2, 4, 5]);
        x = spelling.cut("places_again", x, &[SIDE * SIDE, 4]);
    }
    let grid = Grid {
        rows: SIDE,
        columns: SIDE,
    };
    x = spelling.net.node("map", grid, &[x], &[]);
    if shift > 0 {
        x = spelling.rolled("back", x, SIDE - shift);
    }
    // A layer for which the position of pixels matters.
    let conv = Conv2d::square(3).stride(2);
    x = spelling.net.conv2d("places_apart", x, conv, 4, 4, true);
    spelling.ending_at(x)
}

/// Attention between all pixels.
fn plain() -> Graph {
    let (mut spelling, x) = Spelling::new(Nothing);
    let tokens = SIDE * SIDE;
    let x = spelling.net.node("places", Tokens, &[x], &[]);
    let x = spelling.net.linear("attn.qkv", x, 4, 12, true);
    let x = spelling.cut("parts", x, &[1, tokens, 3, 2, 2]);
    let x = spelling.net.permute("heads_first", x, &[0, 1, 3, 4, 2, 5]);
    let x = spelling.attended(x, [1, tokens], &[]);
    let x = spelling.cut("joined_heads", x, &[tokens, 4]);
    let x = spelling.net.linear("attn.proj", x, 4, 4, true);
    let grid = Grid {
        rows: SIDE,
        columns: SIDE,
    };
    let x = spelling.net.node("map", grid, &[x], &[]);
    spelling.ending_at(x)
}

fn read_again(graph: &Graph) -> Graph {
    let export = Export {
        name: "case",
        size: (SIDE, SIDE),
        metadata: &BTreeMap::new(),
    };
    let bytes = to_onnx(graph, &export).unwrap();
    let read = from_bytes(&bytes, "case.onnx", Options::default());
    read.unwrap_or_else(|error| panic!("{error}")).graph
}

/// Whether a graph has this op after export and import; its logits must stay the same.
fn becomes(kind: &str, graph: &Graph) -> bool {
    let read = read_again(graph);
    let pictures = seeded::uniform("pictures", 2 * 3 * SIDE * SIDE, -2.0, 2.0);
    let pictures = Tensor::from_nchw(&[2, 3, SIDE, SIDE], &pictures);
    let [expected, found] = [graph, &read].map(|graph| wide(&graph.logits(&pictures).unwrap()));
    let error = relative_error(&found, &expected);
    assert!(error <= 1e-5, "off by {error}");
    read.nodes().iter().any(|node| node.op.kind() == kind)
}

#[test]
fn windows_become_the_op_with_and_without_shift() {
    for shift in [0, 1] {
        for outside in [false, true] {
            let graph = windows(Nothing, shift, outside);
            assert!(becomes("window_attention", &graph), "{shift}, {outside}");
        }
    }
}

#[test]
fn windows_that_differ_stay_as_they_are() {
    for difference in [Scale, Mask, Bias, Order, Heads, Place, Reader] {
        for outside in [false, true] {
            let graph = windows(difference, 1, outside);
            assert!(
                !becomes("window_attention", &graph),
                "{difference:?}, {outside}"
            );
        }
    }
}

#[test]
fn attention_between_all_tokens_stays_as_it_is() {
    let graph = plain();
    assert!(!becomes("attention", &graph) && !becomes("window_attention", &graph));
}

#[test]
fn recognised_attention_keeps_the_names_of_its_parameters() {
    let read = read_again(&windows(Nothing, 1, true));
    let names: Vec<&str> = read.parameters().iter().map(|p| &p.name[..]).collect();
    for name in [
        "attn.qkv.weight",
        "attn.qkv.bias",
        "attn.relative_position_bias_table",
        "attn.proj.weight",
        "attn.proj.bias",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

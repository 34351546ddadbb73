//! Receptive fields against published figures, and against gradients: if all weights are positive and pools
//! compute means, a value has a gradient exactly at the pixels of its field.

use std::ops::Range;

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pad::{Amount, Pad};
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::repeat::Repeat;
use dvm_engine::ops::tokens::Tokens;
use dvm_engine::{
    Blueprint, Error, FieldAxis, Graph, Keep, Mode, NodeId, ReceptiveField, Request, Role, Tensor,
    seeded,
};

/// Kernel, stride and padding of consecutive layers; the size of the last map does not matter.
fn chain(layers: &[(usize, usize, usize)]) -> Graph {
    let mut net = Blueprint::new(1);
    let mut x = net.input();
    for (index, &(kernel, stride, padding)) in layers.iter().enumerate() {
        let padding = Padding::Fixed(Border::all(padding));
        let conv = Conv2d::square(kernel).stride(stride).padding(padding);
        x = net.conv2d(&format!("layer{index}"), x, conv, 1, 1, false);
    }
    ones(net.ending_at(x))
}

fn ones(net: Blueprint) -> Graph {
    let one = |p: &dvm_engine::Parameter| {
        let values = vec![1.0; p.shape.iter().product()];
        Ok::<_, Error>(Tensor::from_nchw(&p.shape, &values))
    };
    Graph::new(net, one).unwrap()
}

fn field(graph: &Graph, node: NodeId, input: &[usize]) -> ReceptiveField {
    graph.receptive_fields(input).unwrap()[node.index()].unwrap()
}

fn extent(size: u64, stride: u64, start: i64) -> FieldAxis {
    FieldAxis {
        size,
        stride,
        start,
    }
}

#[test]
fn fields_agree_with_the_literature() {
    let repeat = |layer, count| vec![layer; count];
    let three = (3, 1, 1);
    // Araujo et al. 2019, appendix: size, stride and padding of the networks of TF-slim.
    let alexnet = [
        vec![(11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0)],
        repeat(three, 3),
        vec![(3, 2, 0)],
    ];
    let stage = |count| [repeat(three, count), vec![(2, 2, 0)]].concat();
    let vgg16 = [2, 2, 3, 3, 3].map(stage);
    // A bottleneck with its stride in the first convolution, as in the paper.
    let bottlenecks = |count: usize, stride| {
        let first = vec![(1, stride, 0), three, (1, 1, 0)];
        let others = vec![[(1, 1, 0), three, (1, 1, 0)]; count - 1].concat();
        [first, others].concat()
    };
    let stem = vec![(7, 2, 3), (3, 2, 1)];
    let resnet50 = [
        stem.clone(),
        bottlenecks(3, 1),
        bottlenecks(4, 2),
        bottlenecks(6, 2),
        bottlenecks(3, 2),
    ];
    let basic = |stride| [vec![(3, stride, 1)], repeat(three, 3)].concat();
    let resnet18 = [stem, basic(1), basic(2), basic(2), basic(2)];
    let separable = |stride| vec![(3, stride, 1), (1, 1, 0)];
    let strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1];
    let mobilenet = [vec![(3, 2, 1)], strides.map(separable).concat()];
    for (name, layers, size, stride) in [
        ("AlexNet, pool5", alexnet.concat(), 195, 32),
        ("VGG-16, pool5", vgg16.concat(), 212, 32),
        ("ResNet-50 v1", resnet50.concat(), 483, 32),
        ("ResNet-18", resnet18.concat(), 435, 32),
        ("MobileNet v1", mobilenet.concat(), 315, 32),
    ] {
        let graph = chain(&layers);
        let (rows, columns) = field(&graph, graph.output(), &[1, 1, 224, 224])
            .local
            .unwrap();
        assert_eq!((rows.size, rows.stride), (size, stride), "{name}");
        assert_eq!(rows, columns, "{name}");
    }
}

#[test]
fn a_field_agrees_with_a_calculation_by_hand() {
    // 5 wide with stride 2, starting at −2; then 3 wide with stride 2, starting one before.
    let graph = chain(&[(5, 2, 2), (3, 2, 1)]);
    let found = field(&graph, graph.output(), &[1, 1, 32, 32])
        .local
        .unwrap();
    assert_eq!(found.0, extent(9, 4, -4));
    assert_eq!(found.0.pixels(3), 8..17);
    assert!((found.0.centre(3) - 12.5).abs() < 1e-12);
}

#[test]
fn rows_and_columns_have_separate_fields() {
    let mut net = Blueprint::new(1);
    let conv = Conv2d {
        kernel: (1, 7),
        stride: (1, 3),
        ..Conv2d::square(1)
    };
    let input = net.input();
    let x = net.conv2d("conv", input, conv, 1, 1, false);
    let graph = ones(net.ending_at(x));
    let (rows, columns) = field(&graph, x, &[1, 1, 16, 16]).local.unwrap();
    assert_eq!((rows, columns), (extent(1, 1, 0), extent(7, 3, 0)));
}

#[test]
fn gates_depend_on_the_whole_input() {
    let mut net = Blueprint::new(1);
    let input = net.input();
    let x = net.conv2d("conv", input, Conv2d::square(3), 1, 4, false);
    let gate = net.pool("gate.pool", x, Pool::global_mean());
    let gate = net.activation("gate", gate, Activation::Sigmoid);
    let gated = net.mul("gated", x, gate);
    let flat = net.flatten("flatten", gated);
    let head = net.linear("head", flat, 4 * 49, 2, false);
    let graph = ones(net.ending_at(head));
    let fields = graph.receptive_fields(&[1, 1, 9, 9]).unwrap();
    let of = |id: NodeId| fields[id.index()].unwrap();
    let local = Some((extent(3, 1, 0), extent(3, 1, 0)));
    assert_eq!(
        of(x),
        ReceptiveField {
            local,
            whole: false
        }
    );
    assert_eq!(of(gated), ReceptiveField { local, whole: true });
    for id in [gate, flat, head] {
        assert_eq!(
            of(id),
            ReceptiveField {
                local: None,
                whole: true
            }
        );
    }
}

#[test]
fn tokens_keep_the_field_of_their_patch_and_parameters_have_none() {
    let mut net = Blueprint::new(1);
    let input = net.input();
    let x = net.conv2d("patches", input, Conv2d::square(4).stride(4), 1, 6, false);
    let x = net.node("tokens", Tokens, &[x], &[]);
    let class = net.node(
        "class",
        Repeat,
        &[input],
        &[("token", &[1, 1, 6], Role::Weight)],
    );
    let x = net.node("joined", Concat { axis: 1 }, &[class, x], &[]);
    let x = net.linear("features", x, 6, 5, true);
    let graph = ones(net.ending_at(x));
    let fields = graph.receptive_fields(&[1, 1, 16, 16]).unwrap();
    let local = Some((extent(4, 4, 0), extent(4, 4, 0)));
    let (found, class) = (fields[x.index()].unwrap(), fields[class.index()].unwrap());
    assert_eq!(
        found,
        ReceptiveField {
            local,
            whole: false
        }
    );
    assert_eq!((class.local, class.whole), (None, false));
}

#[test]
fn paths_of_unequal_strides_have_no_field_where_they_join() {
    let mut net = Blueprint::new(1);
    let input = net.input();
    let halved = net.conv2d("halved", input, Conv2d::square(2).stride(2), 1, 1, false);
    let valid = net.conv2d("valid", input, Conv2d::square(5), 1, 1, false);
    let met = net.add("met", halved, valid);
    let behind = net.activation("behind", met, Activation::Relu);
    let graph = ones(net.ending_at(behind));
    let fields = graph.receptive_fields(&[1, 1, 8, 8]).unwrap();
    assert!(fields[halved.index()].is_some());
    assert_eq!((fields[met.index()], fields[behind.index()]), (None, None));
}

#[test]
fn huge_strides_do_not_overflow() {
    let graph = chain(&[(1, 1 << 20, 0); 9]);
    let (rows, _) = field(&graph, graph.output(), &[1, 1, 4, 4]).local.unwrap();
    assert_eq!((rows.size, rows.stride), (1, u64::MAX));
    assert_eq!(rows.pixels(1), i64::MAX..i64::MAX);
}

#[test]
fn gradients_are_nonzero_exactly_inside_the_field() {
    let (height, width) = (67, 61);
    let mut inside = 0;
    for seed in 0..60 {
        let graph = random(seed);
        let shape = [1, 1, height, width];
        let shapes = graph.shapes(&shape).unwrap();
        let &[_, _, rows, columns] = &shapes[graph.output().index()][..] else {
            panic!("a map");
        };
        let (down, across) = field(&graph, graph.output(), &shape).local.unwrap();
        let kept = graph
            .forward(&Tensor::zeros(&shape), Mode::Inference, Keep::All)
            .unwrap();
        for (row, column) in [(rows / 2, columns / 2), (0, columns - 1), (rows - 1, 0)] {
            let mut one = vec![0.0; rows * columns];
            one[row * columns + column] = 1.0;
            let one = Tensor::from_nchw(&[1, 1, rows, columns], &one);
            let seeds = [(graph.output(), one)];
            let input = [graph.input()];
            let request = Request::nodes(&input);
            let found = graph.backward(&kept, &seeds, &request).unwrap();
            let gradient = found.node(graph.input()).unwrap().to_nchw();
            let hit = |y: usize, x: usize| gradient[y * width + x] != 0.0;
            let hit_rows = hull(height, |y| (0..width).any(|x| hit(y, x)));
            let hit_columns = hull(width, |x| (0..height).any(|y| hit(y, x)));
            for (extent, place, hit, length) in [
                (down, row, hit_rows, height),
                (across, column, hit_columns, width),
            ] {
                let pixels = extent.pixels(place);
                // A corner may be in a padded border.
                let Some(hit) = hit else { continue };
                assert!(
                    pixels.start <= hit.start && hit.end <= pixels.end,
                    "seed {seed}: gradient at {hit:?} outside {pixels:?}"
                );
                // Near the edge a layer may skip pixels that its last window does not reach.
                let margin = extent.stride as i64;
                if pixels.start >= margin && pixels.end + margin <= length as i64 {
                    assert_eq!(hit, pixels, "seed {seed}");
                    inside += 1;
                }
            }
        }
    }
    assert!(inside > 60, "{inside} fields are inside the picture");
}

/// The smallest range that contains all positions with a hit.
fn hull(length: usize, hit: impl Fn(usize) -> bool) -> Option<Range<i64>> {
    let first = (0..length).find(|&at| hit(at))?;
    let last = (0..length).rev().find(|&at| hit(at))?;
    Some(first as i64..last as i64 + 1)
}

/// Layers, residual blocks and parallel branches, with one channel and weights of 1.
fn random(seed: usize) -> Graph {
    let mut numbers = seeded::unit(&format!("receptive field {seed}"), 400).into_iter();
    let mut below = |count: usize| (numbers.next().unwrap() * count as f32) as usize;
    let mut net = Blueprint::new(1);
    let mut x = net.input();
    for layer in 0..2 + below(4) {
        let name = |part: &str| format!("{layer}.{part}");
        let odd = |below: &mut dyn FnMut(usize) -> usize| 1 + 2 * below(3);
        let keeps = |kernel: usize| {
            let padding = Padding::Fixed(Border::all(kernel / 2));
            Conv2d::square(kernel).padding(padding)
        };
        x = match below(5) {
            0 => {
                let kernel = (1 + below(4), 1 + below(4));
                let dilation = (1 + below(2), 1 + below(2));
                let conv = Conv2d {
                    kernel,
                    stride: (1 + below(kernel.0.min(2)), 1 + below(kernel.1.min(2))),
                    dilation,
                    padding: Padding::Fixed(Border {
                        top: below(3),
                        left: below(3),
                        bottom: below(3),
                        right: below(3),
                    }),
                    ..Conv2d::square(1)
                };
                net.conv2d(&name("conv"), x, conv, 1, 1, false)
            }
            1 => {
                let kernel = 2 + below(2);
                let pool = Pool {
                    reduction: Reduction::Mean {
                        count_padding: below(2) == 0,
                    },
                    windows: Windows::Sliding {
                        kernel: (kernel, kernel),
                        stride: (1 + below(2), 1 + below(2)),
                        padding: Border::all(below(2)),
                        ceil: below(2) == 0,
                    },
                };
                net.pool(&name("pool"), x, pool)
            }
            2 => {
                let y = net.conv2d(&name("a"), x, keeps(odd(&mut below)), 1, 1, false);
                let y = net.conv2d(&name("b"), y, keeps(odd(&mut below)), 1, 1, false);
                net.add(&name("add"), x, y)
            }
            3 => {
                let a = net.conv2d(&name("a"), x, keeps(odd(&mut below)), 1, 1, false);
                let b = net.conv2d(&name("b"), x, keeps(odd(&mut below)), 1, 1, false);
                let both = net.concat(&name("concat"), &[a, b]);
                net.conv2d(&name("joined"), both, Conv2d::square(1), 2, 1, false)
            }
            _ => {
                let amount = Amount::Fixed(Border {
                    top: below(3),
                    left: below(3),
                    bottom: 0,
                    right: 1,
                });
                net.node(&name("pad"), Pad { amount, value: 0.0 }, &[x], &[])
            }
        };
    }
    ones(net.ending_at(x))
}

//! Small graphs that together contain every op of the engine.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::pad::{Amount, Pad};
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::resample::{
    Continuation, Coordinates, Interpolation, Resample, Rounding, Sampling,
};
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::tokens::Grid;
use dvm_engine::ops::unary::Unary;
use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::{Blueprint, Graph, NodeId, Role, Tensor, seeded};

/// Rows and columns of the inputs of all cases.
pub const SIZE: (usize, usize) = (13, 10);

/// A graph with logits `[N, K]`.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The graph.
    pub graph: Graph,
}

/// A batch of two pictures for all cases, `[2, 3, 13, 10]`.
pub fn pictures() -> Tensor {
    let shape = [2, 3, SIZE.0, SIZE.1];
    let values = seeded::uniform("pictures", shape.iter().product(), -2.0, 2.0);
    Tensor::from_nchw(&shape, &values)
}

/// A case whose graph starts with a convolution to 12 channels; `rest` may end with a feature map or a row.
fn case(name: &'static str, rest: impl FnOnce(&mut Blueprint, NodeId) -> NodeId) -> Case {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, Conv2d::square(1), 3, 12, true);
    let x = rest(&mut net, x);
    let x = net.flatten("flat", x);
    Case {
        name,
        graph: seeded::graph(net.ending_at(x)),
    }
}

fn sliding(reduction: Reduction, kernel: usize, stride: usize, ceil: bool) -> Pool {
    Pool {
        reduction,
        windows: Windows::Sliding {
            kernel: (kernel, kernel),
            stride: (stride, stride),
            padding: Border::all(1),
            ceil,
        },
    }
}

fn adaptive(reduction: Reduction, rows: usize, columns: usize) -> Pool {
    Pool {
        reduction,
        windows: Windows::Adaptive {
            output: (rows, columns),
        },
    }
}

const MEAN: Reduction = Reduction::Mean {
    count_padding: false,
};
const PADDED_MEAN: Reduction = Reduction::Mean {
    count_padding: true,
};

/// All cases.
pub fn all() -> Vec<Case> {
    vec![
        convolutions(),
        pools(),
        uneven_pools(),
        normalisations(),
        activations(),
        functions(),
        linear(),
        attention(),
        windows(false),
        windows(true),
        layouts(),
        borders(),
        resampled(),
        reductions(),
        training(),
        case("softmax", |net, x| {
            let x = net.softmax("of_channels", x);
            let x = net.node("of_rows", Softmax { axis: 2 }, &[x], &[]);
            net.pool("pool", x, Pool::global_mean())
        }),
        passed_on(),
    ]
}

fn convolutions() -> Case {
    case("convolutions", |net, x| {
        let same = Conv2d::square(3).stride(2).padding(Padding::Same);
        let x = net.conv2d("same", x, same, 12, 8, false);
        let border = Border {
            top: 1,
            left: 0,
            bottom: 2,
            right: 3,
        };
        let uneven = Conv2d {
            kernel: (3, 2),
            stride: (1, 2),
            dilation: (2, 1),
            ..Conv2d::square(3)
        };
        let uneven = uneven.groups(4).padding(Padding::Fixed(border));
        net.conv2d("uneven", x, uneven, 8, 8, true)
    })
}

fn pools() -> Case {
    case("pools", |net, x| {
        let all = [
            ("max", sliding(Reduction::Max, 3, 2, false)),
            ("max_ceil", sliding(Reduction::Max, 4, 3, true)),
            ("mean", sliding(MEAN, 3, 2, false)),
            ("mean_ceil", sliding(MEAN, 4, 3, true)),
            ("padded", sliding(PADDED_MEAN, 3, 2, false)),
            ("padded_ceil", sliding(PADDED_MEAN, 4, 3, true)),
            ("global", Pool::global_mean()),
            ("global_max", adaptive(Reduction::Max, 1, 1)),
            ("even", adaptive(MEAN, 13, 5)),
        ];
        rows(net, x, &all)
    })
}

fn uneven_pools() -> Case {
    case("uneven pools", |net, x| {
        let all = [
            ("mean", adaptive(MEAN, 4, 3)),
            ("max", adaptive(Reduction::Max, 5, 7)),
            ("larger", adaptive(PADDED_MEAN, 15, 16)),
        ];
        rows(net, x, &all)
    })
}

/// The values of all pools in one row.
fn rows(net: &mut Blueprint, x: NodeId, pools: &[(&str, Pool)]) -> NodeId {
    let mut row = |(name, pool): &(&str, Pool)| {
        let x = net.pool(name, x, *pool);
        net.flatten(&format!("{name}_row"), x)
    };
    let all: Vec<NodeId> = pools.iter().map(&mut row).collect();
    net.concat("all", &all)
}

fn normalisations() -> Case {
    case("normalisations", |net, x| {
        let factor = (0..12).map(|i| 0.5 + i as f32 / 7.0).collect();
        let shift = (0..12).map(|i| i as f32 / 5.0 - 1.0).collect();
        let x = net.channel_affine("affine", x, factor, shift);
        let x = net.batch_norm("norm", x, 12, 1e-3);
        let x = net.layer_norm("map_norm", x, 12, 1e-6);
        let x = net.scale("scale", x, 12);
        let local = LocalResponseNorm {
            // ONNX Runtime computes windows of an odd number of channels only.
            before: 2,
            after: 2,
            alpha: 0.5,
            beta: 0.75,
            bias: 1.5,
        };
        let x = net.node("local", local, &[x], &[]);
        let x = net.tokens("tokens", x);
        net.layer_norm("token_norm", x, 12, 1e-5)
    })
}

/// Every activation.
pub const ACTIVATIONS: [Activation; 22] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Sigmoid,
    Activation::Hardswish,
    Activation::Hardsigmoid,
    Activation::Tanh,
    Activation::LeakyRelu(0.1),
    Activation::Elu(0.7),
    Activation::Softplus,
    Activation::Mish,
    Activation::ClippedRelu(2.5),
    Activation::SquaredRelu,
    Activation::ThresholdedRelu(0.7),
    Activation::Selu {
        alpha: 1.673_263_2,
        gamma: 1.050_701,
    },
    Activation::Celu(1.3),
    Activation::Swish(1.702),
    Activation::Softsign,
    Activation::Shrink {
        lambda: 0.6,
        bias: 0.6,
    },
    Activation::HardsigmoidOf {
        slope: 0.2,
        offset: 0.5,
    },
];

fn activations() -> Case {
    case("activations", |net, x| {
        let large = Binary::constant(Function::Mul, Tensor::full(&[1], 2.5));
        let x = net.node("large", large, &[x], &[]);
        let mut all = ACTIVATIONS.map(|a| net.activation(a.name(), x, a)).to_vec();
        let shapes: [(&str, &[usize]); 3] = [
            ("per_channel", &[12, 1, 1]),
            ("single", &[1]),
            ("per_value", &[12, 13, 10]),
        ];
        for (name, shape) in shapes {
            let slopes = ("weight", shape, Role::Scale);
            all.push(net.node(name, PRelu, &[x], &[slopes]));
        }
        net.concat("all", &all)
    })
}

fn functions() -> Case {
    case("functions of numbers", |net, x| {
        let large = [
            Unary::Neg,
            Unary::Abs,
            Unary::Exp,
            Unary::Erf,
            Unary::Clip {
                low: -0.5,
                high: 0.25,
            },
        ];
        let mut all: Vec<NodeId> = large
            .iter()
            .map(|&f| net.node(dvm_engine::ops::Op::kind(&f), f, &[x], &[]))
            .collect();
        let positive = net.activation("positive", x, Activation::Softplus);
        for f in [Unary::Log, Unary::Sqrt, Unary::Reciprocal] {
            all.push(net.node(dvm_engine::ops::Op::kind(&f), f, &[positive], &[]));
        }
        let column = Tensor::from_nchw(&[1, 12, 1, 1], &seeded::uniform("column", 12, 0.5, 2.0));
        for (name, function) in [
            ("sum", Function::Add),
            ("difference", Function::Sub),
            ("product", Function::Mul),
            ("quotient", Function::Div),
            ("power", Function::Pow),
            ("minimum", Function::Min),
            ("maximum", Function::Max),
        ] {
            let with_constant = Binary::constant(function, column.clone());
            let swapped = Binary {
                swapped: true,
                ..with_constant.clone()
            };
            let with_input = Binary::inputs(function);
            let with_parameter = Binary::parameter(function);
            let shape = [12, 1, 1];
            all.push(net.node(name, with_constant, &[positive], &[]));
            all.push(net.node(&format!("{name}_swapped"), swapped, &[positive], &[]));
            all.push(net.node(
                &format!("{name}_both"),
                with_input,
                &[positive, positive],
                &[],
            ));
            if function != Function::Pow {
                let parameter: (&str, &[usize], Role) = ("other", &shape, Role::Scale);
                let name = format!("{name}_parameter");
                all.push(net.node(&name, with_parameter, &[positive], &[parameter]));
            }
        }
        let gate = net.pool("gate", positive, Pool::global_mean());
        all.push(net.mul("gated", x, gate));
        all.push(net.mul("gate_first", gate, x));
        all.push(net.add("twice", x, positive));
        net.concat("all", &all)
    })
}

fn linear() -> Case {
    case("linear layers", |net, x| {
        let x = net.linear("pixels", x, 12, 8, true);
        let x = net.linear("pixels_bare", x, 8, 6, false);
        let x = net.tokens("tokens", x);
        let grid = Grid {
            rows: SIZE.1,
            columns: SIZE.0,
        };
        let x = net.node("turned_places", grid, &[x], &[]);
        let x = net.conv2d("of_turned_places", x, Conv2d::square(1), 6, 6, true);
        let x = net.tokens("tokens_again", x);
        let x = net.linear("token", x, 6, 5, true);
        let x = net.linear("token_bare", x, 5, 4, false);
        let swap = Permute {
            axes: vec![0, 2, 1],
        };
        let y = net.node("swapped", swap, &[x], &[]);
        let x = net.node("product", BatchedProduct, &[y, x], &[]);
        let x = net.flatten("rows", x);
        let x = net.linear("row", x, 16, 7, true);
        let shape: &[usize] = &[5, 7];
        net.node("row_bare", Linear, &[x], &[("weight", shape, Role::Weight)])
    })
}

fn attention() -> Case {
    case("attention", |net, x| {
        let x = net.tokens("tokens", x);
        let token = net.repeat("class", x, &[1, 1, 12]);
        let x = net.concat_along("with_class", 1, &[token, x]);
        let x = net.add_parameter("places", x, &[1, 131, 12]);
        let x = net.linear("in", x, 12, 36, true);
        let x = net.attention("attention", x, 3);
        let first = Slice {
            axis: 1,
            start: 0,
            step: 1,
            count: Some(1),
        };
        let x = net.slice("first", x, first);
        net.flatten("rows", x)
    })
}

fn windows(shifted: bool) -> Case {
    let name = if shifted {
        "shifted windows"
    } else {
        "windows"
    };
    case(name, |net, x| {
        let y = net.pad_to_multiple("border", x, 5);
        let y = net.linear("in", y, 12, 36, true);
        let attention = WindowAttention {
            heads: 2,
            window: 5,
            shift: if shifted { 2 } else { 0 },
        };
        let y = net.window_attention("attention", y, attention);
        net.crop_like("cropped", y, x)
    })
}

fn layouts() -> Case {
    case("layouts", |net, x| {
        let x = net.channel_shuffle("shuffled", x, 3);
        let a = net.slice("some", x, Slice::channels(2, 5));
        let b = net.slice("others", x, Slice::every(1, 1, 2));
        let x = net.concat("joined", &[a, b]);
        let x = net.slice("rows", x, Slice::every(2, 1, 3));
        let sides = vec![None, Some(11), Some(8), Some(5)];
        let x = net.node("split", Reshape { sides }, &[x], &[]);
        let turned = Permute {
            axes: vec![0, 3, 1, 2],
        };
        net.node("turned", turned, &[x], &[])
    })
}

fn borders() -> Case {
    case("borders", |net, x| {
        let border = Border {
            top: 2,
            left: 1,
            bottom: 0,
            right: 3,
        };
        let pad = Pad {
            amount: Amount::Fixed(border),
            value: -1.5,
        };
        let y = net.node("padded", pad, &[x], &[]);
        net.crop_like("cropped", y, x)
    })
}

fn resampled() -> Case {
    case("maps of another size", |net, x| {
        let border = Border {
            top: 2,
            left: 1,
            bottom: 0,
            right: 3,
        };
        let continued = |by| Resample::Continued { border, by };
        let x = net.node("mirrored", continued(Continuation::Mirrored), &[x], &[]);
        let x = net.node("repeated", continued(Continuation::Repeated), &[x], &[]);
        let flipped = Resample::Flipped {
            rows: true,
            columns: true,
        };
        let x = net.node("flipped", flipped, &[x], &[]);
        let scaled = |rows, columns, interpolation, coordinates| Resample::Scaled {
            rows,
            columns,
            interpolation,
            coordinates,
        };
        let by = |side: usize, factor: f32| Sampling {
            output: (side as f32 * factor) as usize,
            factor,
        };
        // 17 rows and 18 columns.
        let floor = Interpolation::Nearest(Rounding::Floor);
        let nearest = scaled(by(17, 2.0), by(18, 1.0), floor, Coordinates::Asymmetric);
        let x = net.node("nearest", nearest, &[x], &[]);
        let linear = scaled(
            by(34, 0.7),
            by(18, 0.5),
            Interpolation::Linear,
            Coordinates::PytorchHalfPixel,
        );
        let x = net.node("linear", linear, &[x], &[]);
        // 23 rows and 9 columns: the quotient times the side is a little less than the other side.
        let to = |output: usize, side: usize| Sampling {
            output,
            factor: output as f32 / side as f32,
        };
        let cubic = scaled(
            to(14, 23),
            to(11, 9),
            Interpolation::Cubic(-0.5),
            Coordinates::AlignCorners,
        );
        net.node("cubic", cubic, &[x], &[])
    })
}

fn reductions() -> Case {
    case("reductions", |net, x| {
        let reduce = |how, axes: &[usize], keeps| Reduce {
            how,
            axes: axes.to_vec(),
            keeps,
        };
        let a = net.node("sum", reduce(How::Sum, &[2, 3], false), &[x], &[]);
        let b = net.node("mean", reduce(How::Mean, &[2, 3], false), &[x], &[]);
        let c = net.node("max", reduce(How::Max, &[1, 2], true), &[x], &[]);
        let c = net.flatten("max_row", c);
        let d = net.node("all_sum", reduce(How::Sum, &[1, 3], true), &[x], &[]);
        let d = net.flatten("sum_row", d);
        net.concat("all", &[a, b, c, d])
    })
}

fn training() -> Case {
    case("what training has", |net, x| {
        let y = net.stochastic_depth("branch", x, 0.3);
        let x = net.add("sum", x, y);
        net.dropout("dropout", x, 0.4)
    })
}

/// The last node does nothing, and other nodes have the usual names of input and output.
fn passed_on() -> Case {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, Conv2d::square(3), 3, 4, true);
    let x = net.pool("logits", x, Pool::global_mean());
    let x = net.flatten("input_1", x);
    let x = net.dropout("dropout", x, 0.5);
    Case {
        name: "passed on",
        graph: seeded::graph(net.ending_at(x)),
    }
}

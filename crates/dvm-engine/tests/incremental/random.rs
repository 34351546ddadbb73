//! Random small networks, pictures and changes.

use dvm_engine::incremental::{Change, Rectangle};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::pad::{Amount, Pad};
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::resample::{Continuation, Resample};
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::unary::Unary;
use dvm_engine::{Blueprint, Graph, NodeId, Role, Tensor, seeded};

/// Random choices, seeded by a number.
pub struct Draw {
    numbers: std::vec::IntoIter<f32>,
}

impl Draw {
    pub fn new(seed: usize) -> Self {
        Self {
            numbers: seeded::unit(&format!("random network {seed}"), 4000).into_iter(),
        }
    }

    /// A number in `0..count`.
    pub fn below(&mut self, count: usize) -> usize {
        let number = self.numbers.next().expect("enough numbers were drawn");
        (number * count as f32) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A rectangle of a picture: often at its border, sometimes one pixel or the whole picture.
    pub fn rectangle(&mut self, (height, width): (usize, usize)) -> Rectangle {
        let mut along = |length: usize| {
            let count = match self.below(6) {
                0 => 1,
                1 => length,
                _ => 1 + self.below(length),
            };
            let start = match self.below(4) {
                0 => 0,
                1 => length - count,
                _ => self.below(length - count + 1),
            };
            start..start + count
        };
        let rows = along(height);
        let columns = along(width);
        Rectangle { rows, columns }
    }
}

/// A network under construction, with the shape of its last map.
struct Sketch<'d> {
    draw: &'d mut Draw,
    net: Blueprint,
    layers: usize,
}

impl Sketch<'_> {
    fn name(&mut self, kind: &str) -> String {
        self.layers += 1;
        format!("{}_{kind}", self.layers)
    }

    /// After some of the layers a rectifier, and before some of those a batch-norm.
    fn followed(&mut self, mut x: NodeId, channels: usize) -> NodeId {
        if self.draw.chance(25) {
            let name = self.name("bn");
            x = self.net.batch_norm(&name, x, channels, 1e-5);
        }
        if self.draw.chance(70) {
            let activation = self.draw.one_of(&[
                Activation::Relu,
                Activation::Relu6,
                Activation::Silu,
                Activation::Gelu,
                Activation::LeakyRelu(0.1),
                Activation::Mish,
                Activation::Swish(1.702),
            ]);
            let name = self.name("act");
            x = match self.draw.chance(15) {
                true => {
                    let shape: &[usize] = &[channels, 1, 1];
                    let slopes = ("weight", shape, Role::Scale);
                    self.net.node(&name, PRelu, &[x], &[slopes])
                }
                false => self.net.activation(&name, x, activation),
            };
        }
        if self.draw.chance(10) {
            let norm = LocalResponseNorm {
                before: 2,
                after: 2,
                alpha: 0.5,
                beta: 0.75,
                bias: 1.0,
            };
            let name = self.name("lrn");
            x = self.net.node(&name, norm, &[x], &[]);
        }
        x
    }

    fn conv(&mut self, x: NodeId, conv: Conv2d, inputs: usize, outputs: usize) -> NodeId {
        let bias = self.draw.chance(50);
        let name = self.name("conv");
        let x = self.net.conv2d(&name, x, conv, inputs, outputs, bias);
        self.followed(x, outputs)
    }

    /// A convolution with any settings that fit a map of `size`.
    fn any_conv(&mut self, x: NodeId, channels: usize, size: (usize, usize)) -> (NodeId, usize) {
        let depthwise = self.draw.chance(25);
        let outputs = if depthwise {
            channels
        } else {
            self.draw.one_of(&[4, 6, 8, 12])
        };
        let groups = if depthwise {
            channels
        } else if channels.is_multiple_of(2) && self.draw.chance(25) {
            2
        } else {
            1
        };
        let most = size.0.min(size.1);
        let mut kernel = || self.draw.one_of(&[1, 3, 3, 5, 7]).min(most);
        let kernel = (kernel(), kernel());
        let mut stride = || self.draw.one_of(&[1, 1, 1, 2, 3]);
        let stride = (stride(), stride());
        let dilation = self.draw.one_of(&[1, 1, 1, 2]);
        let fits = dilation * (kernel.0.max(kernel.1) - 1) < most;
        let padding = match self.draw.below(3) {
            0 => Padding::Same,
            1 => Padding::Fixed(Border::symmetric(kernel.0 / 2, kernel.1 / 2)),
            _ => Padding::Fixed(Border {
                top: self.draw.below(3),
                left: self.draw.below(3),
                bottom: self.draw.below(3),
                right: self.draw.below(3),
            }),
        };
        let conv = Conv2d {
            kernel,
            stride,
            padding,
            dilation: if fits { (dilation, dilation) } else { (1, 1) },
            groups,
            residual: false,
            activation: None,
        };
        (self.conv(x, conv, channels, outputs), outputs)
    }

    fn any_pool(&mut self, x: NodeId, size: (usize, usize)) -> NodeId {
        let kernel = self.draw.one_of(&[2, 3]).min(size.0.min(size.1));
        let padding = if kernel > 1 { self.draw.below(2) } else { 0 };
        let pool = Pool {
            reduction: match self.draw.below(3) {
                0 => Reduction::Mean {
                    count_padding: self.draw.chance(50),
                },
                _ => Reduction::Max,
            },
            windows: Windows::Sliding {
                kernel: (kernel, kernel),
                stride: (1 + self.draw.below(3), 1 + self.draw.below(2)),
                padding: Border::all(padding),
                ceil: self.draw.chance(50),
            },
        };
        let name = self.name("pool");
        self.net.pool(&name, x, pool)
    }

    /// Two branches that are added, as in residual networks.
    fn residual(&mut self, x: NodeId, channels: usize) -> (NodeId, usize) {
        let same =
            |kernel: usize| Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)));
        let stride = 1 + self.draw.below(2);
        let kernel = self.draw.one_of(&[3, 5]);
        let y = self.conv(x, same(kernel).stride(stride), channels, channels);
        let y = self.conv(y, same(3), channels, channels);
        let shortcut = if stride == 1 {
            x
        } else {
            self.conv(x, Conv2d::square(1).stride(stride), channels, channels)
        };
        let name = self.name("add");
        let sum = self.net.add(&name, y, shortcut);
        (self.followed(sum, channels), channels)
    }

    /// Every layer reads all layers before it, as in dense blocks.
    fn dense(&mut self, x: NodeId, mut channels: usize) -> (NodeId, usize) {
        let mut parts = vec![x];
        let mut joined = x;
        for _ in 0..1 + self.draw.below(3) {
            let kernel = self.draw.one_of(&[1, 3]);
            let conv = Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)));
            let grown = self.conv(joined, conv, channels, 4);
            parts.push(grown);
            channels += 4;
            let name = self.name("concat");
            joined = self.net.concat(&name, &parts);
        }
        (joined, channels)
    }

    /// Each channel times a number computed from the whole map.
    fn squeeze_excite(&mut self, x: NodeId, channels: usize) -> NodeId {
        let name = self.name("squeeze");
        let gate = self.net.pool(&name, x, Pool::global_mean());
        let gate = self.conv(gate, Conv2d::square(1), channels, channels);
        let name = self.name("gate");
        let gate = self.net.activation(&name, gate, Activation::Sigmoid);
        let name = self.name("mul");
        if self.draw.chance(50) {
            self.net.mul(&name, x, gate)
        } else {
            self.net.mul(&name, gate, x)
        }
    }

    /// A layer of ConvNeXt: normalised channels, fully connected pixels, a scale.
    fn pixel_block(&mut self, x: NodeId, channels: usize) -> (NodeId, usize) {
        let name = self.name("norm");
        let y = self.net.layer_norm(&name, x, channels, 1e-5);
        let name = self.name("pixels");
        let y = self.net.linear(&name, y, channels, 2 * channels, true);
        let name = self.name("gelu");
        let y = self.net.activation(&name, y, Activation::Gelu);
        let name = self.name("pixels");
        let y = self.net.linear(&name, y, 2 * channels, channels, false);
        let name = self.name("scale");
        let y = self.net.scale(&name, y, channels);
        let name = self.name("depth");
        let y = self.net.stochastic_depth(&name, y, 0.5);
        let name = self.name("add");
        (self.net.add(&name, x, y), channels)
    }

    /// A layer of ShuffleNet: the channels are split, one half is computed, both are shuffled.
    fn shuffled(&mut self, x: NodeId, channels: usize) -> (NodeId, usize) {
        let half = channels / 2;
        let name = self.name("stays");
        let stays = self.net.slice(&name, x, Slice::channels(0, half));
        let name = self.name("goes");
        let rest = channels - half;
        let goes = self.net.slice(&name, x, Slice::channels(half, rest));
        let conv = Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
        let goes = self.conv(goes, conv, rest, rest);
        let name = self.name("concat");
        let x = self.net.concat(&name, &[stays, goes]);
        let groups = [3, 2, 1].into_iter().find(|g| channels.is_multiple_of(*g));
        let name = self.name("shuffle");
        let groups = groups.expect("one divides everything");
        (self.net.channel_shuffle(&name, x, groups), channels)
    }

    /// Pixels around the map, often with a layer that reads them.
    fn bordered(&mut self, x: NodeId, channels: usize, size: (usize, usize)) -> NodeId {
        let x = self.pad(x, size);
        match self.draw.below(3) {
            0 => self.conv(x, Conv2d::square(3), channels, channels),
            1 => {
                let name = self.name("pool");
                self.net.pool(&name, x, Pool::mean(3, 2, 0))
            }
            _ => x,
        }
    }

    /// A border of constant pixels, or of pixels of the map itself.
    fn pad(&mut self, x: NodeId, size: (usize, usize)) -> NodeId {
        let most = size.0.min(size.1).min(4);
        let mut side = || self.draw.below(most);
        let border = Border {
            top: side(),
            left: side(),
            bottom: side(),
            right: side(),
        };
        let name = self.name("pad");
        let by = self.draw.one_of(&[
            None,
            Some(Continuation::Mirrored),
            Some(Continuation::Repeated),
        ]);
        if let Some(by) = by {
            let op = Resample::Continued { border, by };
            return self.net.node(&name, op, &[x], &[]);
        }
        let amount = self
            .draw
            .one_of(&[Amount::Fixed(border), Amount::ToMultiple(4)]);
        let value = self.draw.one_of(&[0.0, -0.5]);
        self.net.node(&name, Pad { amount, value }, &[x], &[])
    }

    /// The operations between layers of exported graphs.
    fn loose(&mut self, x: NodeId, channels: usize, size: (usize, usize)) -> NodeId {
        let function = self.draw.one_of(&[
            Function::Add,
            Function::Sub,
            Function::Mul,
            Function::Max,
            Function::Min,
        ]);
        let name = self.name("loose");
        let pick = |shape: &[usize]| {
            let len = shape.iter().product();
            Tensor::from_nchw(shape, &seeded::uniform(&name, len, -1.0, 1.0))
        };
        match self.draw.below(7) {
            0 => {
                let op = Binary::constant(function, pick(&[channels, 1, 1]));
                self.net.node(&name, op, &[x], &[])
            }
            1 => {
                let op = Binary::constant(function, pick(&[]));
                self.net.node(&name, op, &[x], &[])
            }
            2 => {
                let shape: &[usize] = &[1, channels, 1, 1];
                let op = Binary::parameter(function);
                let declared = ("value", shape, Role::Bias);
                self.net.node(&name, op, &[x], &[declared])
            }
            3 => {
                // The norm of each pixel.
                let squares = Binary::constant(Function::Pow, Tensor::full(&[1], 2.0));
                let squares = self.net.node(&name, squares, &[x], &[]);
                let mean = Reduce {
                    how: How::Mean,
                    axes: vec![1],
                    keeps: true,
                };
                let mean = self
                    .net
                    .node(&format!("{name}_mean"), mean, &[squares], &[]);
                let more = Binary::constant(Function::Add, Tensor::full(&[], 0.1));
                let more = self.net.node(&format!("{name}_more"), more, &[mean], &[]);
                let root = self
                    .net
                    .node(&format!("{name}_root"), Unary::Sqrt, &[more], &[]);
                let over = Binary::inputs(Function::Div);
                self.net
                    .node(&format!("{name}_over"), over, &[x, root], &[])
            }
            4 => {
                let affine = || pick(&[channels]).data().to_vec();
                let (factor, shift) = (affine(), affine());
                self.net.channel_affine(&name, x, factor, shift)
            }
            5 => {
                // A different number for each pixel.
                let op = Binary::constant(function, pick(&[size.0, size.1]));
                let x = self.net.node(&name, op, &[x], &[]);
                let name = self.name("rows");
                self.net.slice(&name, x, Slice::every(2, 0, 2))
            }
            _ => {
                let clip = Unary::Clip {
                    low: -1.0,
                    high: 0.75,
                };
                self.net.node(&name, clip, &[x], &[])
            }
        }
    }

    /// Rows and columns of a node's value for a picture of `picture`.
    fn size(&self, x: NodeId, picture: (usize, usize)) -> Option<(usize, usize)> {
        let graph = seeded::graph(self.net.clone().ending_at(x));
        let shapes = graph.shapes(&[1, 3, picture.0, picture.1]).ok()?;
        let shape = &shapes[x.index()];
        Some((shape[2], shape[3]))
    }
}

/// A network for pictures of shape `[1, 3, height, width]`.
pub fn network(draw: &mut Draw, picture: (usize, usize)) -> Graph {
    let mut sketch = Sketch {
        draw,
        net: Blueprint::new(3),
        layers: 0,
    };
    let mut x = sketch.net.input();
    let mut channels = 3;
    for _ in 0..2 + sketch.draw.below(4) {
        let size = sketch.size(x, picture).expect("it was drawn to fit");
        let before = sketch.net.clone();
        let (next, next_channels) = match sketch.draw.below(12) {
            0..=2 => sketch.any_conv(x, channels, size),
            3 => (sketch.any_pool(x, size), channels),
            4..=5 => sketch.residual(x, channels),
            6 => sketch.dense(x, channels),
            7 => sketch.pixel_block(x, channels),
            8 => sketch.shuffled(x, channels),
            9 => (sketch.bordered(x, channels, size), channels),
            10 => (sketch.loose(x, channels, size), channels),
            _ if sketch.draw.chance(30) => (sketch.squeeze_excite(x, channels), channels),
            _ => (x, channels),
        };
        match sketch.size(next, picture) {
            Some(_) => (x, channels) = (next, next_channels),
            None => sketch.net = before,
        }
    }
    let (h, w) = sketch.size(x, picture).expect("it was drawn to fit");
    let inputs = if sketch.draw.chance(70) {
        x = sketch.net.pool("mean", x, Pool::global_mean());
        channels
    } else {
        channels * h * w
    };
    x = if sketch.draw.chance(80) {
        sketch.net.flatten("flatten", x)
    } else {
        flattened_by_way_of_other_axes(&mut sketch.net, x, inputs)
    };
    x = sketch.net.dropout("dropout", x, 0.5);
    x = sketch.net.linear("head", x, inputs, 6, true);
    seeded::graph(sketch.net.ending_at(x))
}

/// Attention in the form of some exporters: between the permutations, the batch is not the first axis.
fn flattened_by_way_of_other_axes(net: &mut Blueprint, x: NodeId, inputs: usize) -> NodeId {
    let x = net.permute("pixels_first", x, &[2, 3, 0, 1]);
    let x = net.activation("between", x, Activation::Tanh);
    let x = net.permute("pictures_first", x, &[2, 3, 0, 1]);
    net.reshape("reshape", x, &[None, Some(inputs)])
}

/// The changed picture as a whole.
pub fn changed(picture: &Tensor, change: &Change) -> Tensor {
    let mut whole = picture.clone();
    let &[_, c, _, width] = picture.shape() else {
        unreachable!("a picture is [1, C, H, W]")
    };
    let (rows, columns) = (&change.rectangle.rows, &change.rectangle.columns);
    let mut values = change.values.chunks_exact(columns.len() * c);
    for y in rows.clone() {
        let start = (y * width + columns.start) * c;
        let row = values.next().expect("one row of values per row");
        whole.data_mut()[start..start + row.len()].copy_from_slice(row);
    }
    whole
}

//! Random small networks, pictures and changes.

use dvm_engine::incremental::{Change, Rectangle};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::{Blueprint, Graph, NodeId, Tensor, seeded};

/// Choices that follow from a seed.
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

    /// Some rectangle of a picture: often at its border, sometimes a pixel or all of it.
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

/// A network while it is drawn, with the shape of its last map.
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

    /// Some rectifier after some of the layers, a batch-norm before it after some.
    fn followed(&mut self, mut x: NodeId, channels: usize) -> NodeId {
        if self.draw.chance(25) {
            let name = self.name("bn");
            x = self.net.batch_norm(&name, x, channels, 1e-5);
        }
        if self.draw.chance(70) {
            let activation =
                self.draw
                    .one_of(&[Activation::Relu, Activation::Relu6, Activation::Silu]);
            let name = self.name("act");
            x = self.net.activation(&name, x, activation);
        }
        x
    }

    fn conv(&mut self, x: NodeId, conv: Conv2d, inputs: usize, outputs: usize) -> NodeId {
        let bias = self.draw.chance(50);
        let name = self.name("conv");
        let x = self.net.conv2d(&name, x, conv, inputs, outputs, bias);
        self.followed(x, outputs)
    }

    /// A convolution that may do anything, within a map of `size`.
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

    /// Two ways that meet in a sum, as in residual networks.
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

    /// Every layer reads all before it, as in dense blocks.
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

    /// Each channel times a number that the whole map decides.
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

    /// Rows and columns of a node's value for a picture of `picture`.
    fn size(&self, x: NodeId, picture: (usize, usize)) -> Option<(usize, usize)> {
        let graph = seeded::graph(self.net.clone().ending_at(x));
        let shapes = graph.shapes(&[1, 3, picture.0, picture.1]).ok()?;
        let shape = &shapes[x.index()];
        Some((shape[2], shape[3]))
    }
}

/// A network for pictures of `[1, 3, height, width]`.
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
        let (next, next_channels) = match sketch.draw.below(8) {
            0..=2 => sketch.any_conv(x, channels, size),
            3 => (sketch.any_pool(x, size), channels),
            4..=5 => sketch.residual(x, channels),
            6 => sketch.dense(x, channels),
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
    x = sketch.net.flatten("flatten", x);
    x = sketch.net.dropout("dropout", x, 0.5);
    x = sketch.net.linear("head", x, inputs, 6, true);
    seeded::graph(sketch.net.ending_at(x))
}

/// The picture with a change, as its own picture.
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

//! Every kernel by itself, forward and backward, at the shapes of real networks:
//!
//! ```sh
//! make bench-kernels
//! cargo bench -p dvm-engine --bench kernels -- forward/3x3/resnet18    # only those with this in the name
//! ```
//!
//! Elements per second are floating-point operations of the direct computation (two per multiply-add), or
//! for pools the values read. Kernels that need fewer operations reach more elements per second.

mod layers;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dvm_engine::ops::activation::Activation;
use dvm_engine::{
    Activations, Blueprint, Graph, Keep, Mode, Network, Request, Role, Tensor, rules, seeded,
};
use layers::{Layer, LayerOp};

/// Batch sizes of the forward passes; backward passes have batch size 1.
const BATCHES: [usize; 2] = [1, 16];

fn forward(criterion: &mut Criterion) {
    each_kind(criterion, "forward", |group, layer| {
        // Convolutions end in an activation, as in networks; `fused` makes it part of them.
        let network = Network::new(layer.graph(true));
        for batch in BATCHES {
            let input = layer.input(batch);
            let id = BenchmarkId::new(layer.name(), format!("batch-{batch}"));
            group.throughput(layer.throughput(batch));
            group.bench_with_input(id, &input, |bencher, input| {
                bencher.iter(|| network.fused().logits(input).unwrap());
            });
        }
    });
}

fn input_gradient(criterion: &mut Criterion) {
    each_kind(criterion, "input-gradient", |group, layer| {
        let walk = Backward::new(layer);
        group.throughput(layer.throughput(1));
        group.bench_function(layer.name(), |bencher| {
            let nodes = [walk.graph.input()];
            bencher.iter(|| walk.run(&Request::nodes(&nodes)));
        });
    });
}

fn weight_gradient(criterion: &mut Criterion) {
    each_kind(criterion, "weight-gradient", |group, layer| {
        if matches!(layer.op, LayerOp::Pool(_)) {
            return;
        }
        let walk = Backward::new(layer);
        group.throughput(layer.throughput(1));
        group.bench_function(layer.name(), |bencher| {
            let request = Request {
                nodes: &[],
                parameters: &|parameter| parameter.role == Role::Weight,
                rules: &rules::TRUE_GRADIENT,
            };
            bencher.iter(|| walk.run(&request));
        });
    });
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

/// Times each layer, in one group per kind: `<walk>/<kind>/<layer>`.
fn each_kind(criterion: &mut Criterion, walk: &str, time: impl Fn(&mut Group, &Layer)) {
    for layers in layers::all().chunk_by(|a, b| a.kind == b.kind) {
        let mut group = criterion.benchmark_group(format!("{walk}/{}", layers[0].kind));
        for layer in layers {
            time(&mut group, layer);
        }
        group.finish();
    }
}

/// A layer after its forward pass, ready for the backward pass.
struct Backward {
    graph: Graph,
    activations: Activations,
    seed: Tensor,
}

impl Backward {
    fn new(layer: &Layer) -> Self {
        let graph = layer.graph(false);
        let input = layer.input(1);
        let activations = graph.forward(&input, Mode::Inference, Keep::All).unwrap();
        let shape = activations.output().shape();
        let values = seeded::uniform("gradient", shape.iter().product(), -1.0, 1.0);
        Self {
            seed: Tensor::from_stored(shape, values),
            activations,
            graph,
        }
    }

    fn run(&self, request: &Request) {
        let seeds = [(self.graph.output(), self.seed.clone())];
        let found = self.graph.backward(&self.activations, &seeds, request);
        std::hint::black_box(found.unwrap());
    }
}

impl Layer {
    /// The layer alone as a network.
    fn graph(&self, activated: bool) -> Graph {
        let (channels, _) = self.input;
        let mut net = Blueprint::new(channels);
        let x = net.input();
        let x = match &self.op {
            LayerOp::Conv(conv, outputs) => {
                let x = net.conv2d("conv", x, conv.clone(), channels, *outputs, true);
                if activated {
                    net.activation("relu", x, Activation::Relu)
                } else {
                    x
                }
            }
            LayerOp::Pool(pool) => net.pool("pool", x, *pool),
            LayerOp::Linear(outputs) => {
                let x = net.flatten("flatten", x);
                net.linear("linear", x, channels, *outputs, true)
            }
        };
        seeded::graph(net.ending_at(x))
    }

    fn shape(&self, batch: usize) -> [usize; 4] {
        let (channels, side) = self.input;
        [batch, channels, side, side]
    }

    fn input(&self, batch: usize) -> Tensor {
        let shape = self.shape(batch);
        let values = seeded::uniform("input", shape.iter().product(), -1.0, 1.0);
        Tensor::from_nchw(&shape, &values)
    }

    /// `resnet18-64x56-to-128`.
    fn name(&self) -> String {
        let (channels, side) = self.input;
        let name = format!("{}-{channels}x{side}", self.network);
        match &self.op {
            LayerOp::Conv(_, outputs) | LayerOp::Linear(outputs) => format!("{name}-to-{outputs}"),
            LayerOp::Pool(_) => name,
        }
    }

    fn throughput(&self, batch: usize) -> Throughput {
        let shape = self.shape(batch);
        Throughput::Elements(match self.op {
            LayerOp::Pool(_) => shape.iter().product::<usize>() as u64,
            _ => 2 * self.graph(false).multiply_adds(&shape).unwrap(),
        })
    }
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
}

criterion_group! {
    name = kernels;
    config = short();
    targets = forward, input_gradient, weight_gradient
}
criterion_main!(kernels);

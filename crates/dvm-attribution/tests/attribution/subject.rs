//! A network with a picture to explain, and the networks of the tests.

use dvm_attribution::metrics::{self, Metric};
use dvm_attribution::{
    Array, Attribution, Error, SettingError, Settings, Target, ValueKind, registry,
};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::unary::Unary;
use dvm_engine::{Arithmetic, Blueprint, Graph, Network, NodeId, Output, Tensor, seeded};
use dvm_image::{Channels, Input, Interpolation, Picture, Preprocess, Resize};

/// A network, a picture prepared for it, and the memory limit.
pub struct Case {
    pub network: Network,
    pub preprocess: Preprocess,
    pub input: Input,
    /// Bytes, as [`dvm_attribution::Subject::memory`].
    pub memory: usize,
}

impl Case {
    pub fn new(graph: Graph, preprocess: Preprocess, picture: Picture) -> Self {
        Self {
            network: Network::new(graph),
            input: preprocess.apply(picture).unwrap(),
            preprocess,
            memory: 64 << 20,
        }
    }

    pub fn subject(&self) -> dvm_attribution::Subject<'_> {
        dvm_attribution::Subject::new(&self.network, &self.input, &self.preprocess)
            .with_memory(self.memory)
    }

    /// The maps of `targets` by the method of this name.
    pub fn explain(
        &self,
        method: &str,
        options: &[(&str, &str)],
        targets: &[usize],
    ) -> Result<Vec<Attribution>, Error> {
        let targets: Vec<Target> = targets.iter().map(|&class| Target::Class(class)).collect();
        self.maps_of(method, options, &targets)
    }

    /// The same for any targets.
    pub fn maps_of(
        &self,
        method: &str,
        options: &[(&str, &str)],
        targets: &[Target],
    ) -> Result<Vec<Attribution>, Error> {
        let method = made(method, options).unwrap();
        method.attribute(&self.subject(), targets)
    }

    /// The map of one class, without errors.
    pub fn map_of(&self, target: usize, method: &str, options: &[(&str, &str)]) -> Attribution {
        let mut maps = self.explain(method, options, &[target]).unwrap();
        assert_eq!(maps.len(), 1);
        assert_eq!(maps[0].target, Target::Class(target));
        maps.remove(0)
    }

    /// The logits of another crop, by the original graph, one picture at a time.
    pub fn logits_of(&self, crop: &Picture) -> Vec<f32> {
        let shape = [1, 3, crop.height(), crop.width()];
        let values = self.preprocess.normalise(crop);
        let pictures = Tensor::from_nchw(&shape, &values);
        let logits = self.network.graph().logits(&pictures).unwrap();
        logits.data().to_vec()
    }

    /// Softmax of [`Case::logits_of`], in f64.
    pub fn probabilities_of(&self, crop: &Picture) -> Vec<f64> {
        let exponentials: Vec<f64> = self
            .logits_of(crop)
            .iter()
            .map(|&l| f64::from(l).exp())
            .collect();
        let sum: f64 = exponentials.iter().sum();
        exponentials.iter().map(|e| e / sum).collect()
    }
}

/// The method of this name with these options.
pub fn made(
    method: &str,
    options: &[(&str, &str)],
) -> Result<Box<dyn dvm_attribution::Method>, SettingError> {
    registry::find(method).unwrap().method(&settings(options))
}

/// The metric of this name with these options.
pub fn metric(name: &str, options: &[(&str, &str)]) -> Box<dyn Metric> {
    let entry = metrics::registry::find(name).unwrap();
    entry.metric(&settings(options)).unwrap()
}

fn settings(options: &[(&str, &str)]) -> Settings {
    let all = options.iter();
    all.fold(Settings::new(), |all, (option, value)| {
        all.with(option, value)
    })
}

/// A map made by hand, signed, for a class.
pub fn given(class: usize, size: (usize, usize), map: Vec<f32>) -> Attribution {
    Attribution {
        title: "by hand".into(),
        score: "logit",
        arrays: vec![Array::new(Array::RAW, &[size.0, size.1], map.clone())],
        value_kind: ValueKind::Signed,
        ..Attribution::new(&Target::Class(class), size, map)
    }
}

/// The result of `work` on this number of threads.
pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(work)
}

/// The bits of values, which also tell 0 from −0.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// The methods that also work without attention.
pub fn for_every_network() -> impl Iterator<Item = &'static registry::MethodEntry> {
    let all = registry::ALL.iter();
    all.filter(|entry| entry.family != registry::Family::Transformer)
}

/// Names of the methods with a single backward pass.
pub const GRADIENTS: [&str; 4] = [
    "gradient",
    "guided-backprop",
    "deconvnet",
    "input-x-gradient",
];

/// Names of the methods that replace the rule of ReLU.
pub const RULES_FOR_RECTIFIERS: [&str; 2] = ["guided-backprop", "deconvnet"];

/// conv1 3→8, relu1, max-pool, conv2 8→16, relu2, mean over the plane, fc 16→5: the network of
/// `references/methods.py`, with its weights.
pub fn small_network() -> Graph {
    small_network_with(Activation::Relu, &|_| None)
}

/// The same with another activation, and with some parameters set to one value.
pub fn small_network_with(activation: Activation, replaced: &dyn Fn(&str) -> Option<f32>) -> Graph {
    built(activation, replaced, &|_, logits| logits)
}

/// The same with `end` after the logits.
pub fn small_network_ending(end: &dyn Fn(&mut Blueprint, NodeId) -> NodeId) -> Graph {
    built(Activation::Relu, &|_| None, end)
}

fn built(
    activation: Activation,
    replaced: &dyn Fn(&str) -> Option<f32>,
    end: &dyn Fn(&mut Blueprint, NodeId) -> NodeId,
) -> Graph {
    let same = Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv1", x, same.clone(), 3, 8, true);
    let x = net.activation("relu1", x, activation);
    let x = net.pool("pool1", x, Pool::max(2, 2, 0, false));
    let x = net.conv2d("conv2", x, same, 8, 16, true);
    let x = net.activation("relu2", x, activation);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 16, 5, true);
    let x = end(&mut net, x);
    seeded_except(net.ending_at(x), replaced)
}

/// A graph with these values for the parameter of each name and shape.
pub fn with_values(blueprint: Blueprint, values: impl Fn(&str, &[usize]) -> Vec<f32>) -> Graph {
    let graph = Graph::new(blueprint, |p| {
        let values = values(&p.name, &p.shape);
        Ok::<_, dvm_engine::Error>(Tensor::from_nchw(&p.shape, &values))
    });
    graph.unwrap()
}

/// A graph with seeded values, and some parameters set to one value.
pub fn seeded_except(blueprint: Blueprint, replaced: &dyn Fn(&str) -> Option<f32>) -> Graph {
    with_values(blueprint, |name, shape| match replaced(name) {
        Some(value) => vec![value; shape.iter().product()],
        None => seeded::parameter(name, shape),
    })
}

/// A softmax of logits.
pub fn softmax(net: &mut Blueprint, logits: NodeId) -> NodeId {
    net.node("softmax", Softmax { axis: 1 }, &[logits], &[])
}

/// The logarithm of that.
pub fn log_softmax(net: &mut Blueprint, logits: NodeId) -> NodeId {
    let p = softmax(net, logits);
    net.node("log", Unary::Log, &[p], &[])
}

/// A sigmoid of each logit.
pub fn sigmoid(net: &mut Blueprint, logits: NodeId) -> NodeId {
    net.activation("sigmoid", logits, Activation::Sigmoid)
}

/// `logits = weight · x` for pictures of `height` × `width`; `weight` is `[classes, 3 · H · W]`.
pub fn linear_network((height, width): (usize, usize), weight: &[f32]) -> Graph {
    let inputs = 3 * height * width;
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, inputs, weight.len() / inputs, false);
    with_values(net.ending_at(x), |_, _| weight.to_vec())
}

/// That network with a picture.
pub fn linear_case(size: (usize, usize), weight: &[f32], picture: Picture) -> Case {
    Case::new(linear_network(size, weight), as_it_is(size), picture)
}

/// A network whose logits are its input, `[3 · H · W]`.
pub fn mirror((height, width): (usize, usize)) -> Graph {
    let inputs = 3 * height * width;
    let mut weight = vec![0.0; inputs * inputs];
    weight.iter_mut().step_by(inputs + 1).for_each(|w| *w = 1.0);
    linear_network((height, width), &weight)
}

/// A picture whose bytes follow from `name`: `floor(256 · seeded::unit)`.
pub fn noise_picture(name: &str, (height, width): (usize, usize)) -> Picture {
    let unit = seeded::unit(name, height * width * 3);
    let bytes = unit.iter().map(|u| (u * 256.0) as u8).collect();
    Picture::new(height, width, bytes)
}

/// Pictures are not resized, and normalised with ImageNet's values.
pub fn as_it_is(crop: (usize, usize)) -> Preprocess {
    Preprocess {
        resize: Resize::None,
        crop,
        ..Preprocess::imagenet()
    }
}

/// Pictures are not resized, and their values stay 0 … 255 within rounding.
pub fn in_whole_colours(crop: (usize, usize)) -> Preprocess {
    Preprocess {
        range: dvm_image::Range::File,
        resize: Resize::None,
        interpolation: Interpolation::Bilinear,
        crop,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        std: [1.0 / 255.0; 3],
    }
}

/// The network and picture of `references/methods.py`.
pub fn small() -> Case {
    let size = (32, 28);
    Case::new(
        small_network(),
        as_it_is(size),
        noise_picture("small.input", size),
    )
}

/// The same with another end after the logits, and what its output means.
pub fn small_ending(output: Output, end: &dyn Fn(&mut Blueprint, NodeId) -> NodeId) -> Case {
    Case {
        network: Network::new(small_network_ending(end)).with_output(output),
        ..small()
    }
}

/// The same with this arithmetic and memory.
pub fn small_with(arithmetic: Arithmetic, memory: usize) -> Case {
    Case {
        network: Network::new(small_network().with_arithmetic(arithmetic)),
        memory,
        ..small()
    }
}

/// Largest difference, relative to the largest magnitude of `expected`.
pub fn relative_error(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let largest =
        |values: &mut dyn Iterator<Item = f32>| values.fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(actual.iter().all(|a| a.is_finite()));
    let difference = largest(&mut actual.iter().zip(expected).map(|(a, e)| a - e));
    difference / largest(&mut expected.iter().copied())
}

//! A network with a picture to explain, and the networks of the tests.

use dvm_attribution::{Attribution, Error, SettingError, Settings, Target, registry};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Graph, Network, NodeId, Tensor, seeded};
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
        let method = made(method, options).unwrap();
        let targets: Vec<Target> = targets.iter().map(|&class| Target::Class(class)).collect();
        method.attribute(&self.subject(), &targets)
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
    let mut settings = Settings::new();
    for (option, value) in options {
        settings = settings.with(option, value);
    }
    registry::find(method).unwrap().method(&settings)
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
    Graph::new(net.ending_at(x), |p| {
        let values = match replaced(&p.name) {
            Some(value) => vec![value; p.shape.iter().product()],
            None => seeded::parameter(&p.name, &p.shape),
        };
        Ok::<_, dvm_engine::Error>(Tensor::from_nchw(&p.shape, &values))
    })
    .unwrap()
}

/// `logits = weight · x` for pictures of `height` × `width`; `weight` is `[classes, 3 · H · W]`.
pub fn linear_network((height, width): (usize, usize), weight: &[f32]) -> Graph {
    let inputs = 3 * height * width;
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, inputs, weight.len() / inputs, false);
    Graph::new(net.ending_at(x), |p| {
        Ok::<_, dvm_engine::Error>(Tensor::from_nchw(&p.shape, weight))
    })
    .unwrap()
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

/// Largest difference, relative to the largest magnitude of `expected`.
pub fn relative_error(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let largest =
        |values: &mut dyn Iterator<Item = f32>| values.fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(actual.iter().all(|a| a.is_finite()));
    let difference = largest(&mut actual.iter().zip(expected).map(|(a, e)| a - e));
    difference / largest(&mut expected.iter().copied())
}

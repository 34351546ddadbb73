//! Networks with an input, and methods by name: for the tests of methods and of metrics.
#![allow(dead_code, reason = "each program of tests uses a part")]

use dvm_attribution::{Attribution, Method, Settings, Subject, Target, registry};
use dvm_engine::weights::Weights;
use dvm_engine::{Arithmetic, Graph, Network};
use dvm_image::{Input, Picture, Preprocess, Resize};
use dvm_testing::{networks, references};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A test for each name, which runs its expression.
macro_rules! tests {
    ($($name:ident: $run:expr;)*) => {
        $(#[test] fn $name() { $run; })*
    };
}

/// A network of the references and the normalisation of its picture.
#[derive(Deserialize)]
pub struct Described {
    pub name: String,
    /// Rows and columns of the picture.
    pub size: (usize, usize),
    pub mean: [f32; 3],
    pub std: [f32; 3],
    pub target: usize,
}

/// A network with its picture, which is neither resized nor cropped.
pub struct Prepared {
    pub network: Network,
    pub preprocess: Preprocess,
    pub input: Input,
}

impl Prepared {
    /// `normalisation` is the mean and the standard deviation of each channel.
    pub fn new(network: Network, picture: Picture, normalisation: ([f32; 3], [f32; 3])) -> Self {
        let preprocess = Preprocess {
            resize: Resize::None,
            crop: (picture.height(), picture.width()),
            mean: normalisation.0,
            std: normalisation.1,
            ..Preprocess::imagenet()
        };
        Self {
            network,
            input: preprocess.apply(picture).unwrap(),
            preprocess,
        }
    }

    /// `network` with the picture of noise of the references, normalised as for ImageNet.
    pub fn of_noise(network: Network, name: &str, size: (usize, usize)) -> Self {
        let Preprocess { mean, std, .. } = Preprocess::imagenet();
        let picture = networks::picture_of_reference(name, size);
        Self::new(network, picture, (mean, std))
    }

    pub fn described(network: Network, own: &Described) -> Self {
        let picture = networks::picture_of_reference(&own.name, own.size);
        Self::new(network, picture, (own.mean, own.std))
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject::new(&self.network, &self.input, &self.preprocess)
    }
}

/// A network with direct sums: rounding of reordered sums would flip some rectifiers.
pub fn exact(graph: Graph) -> Network {
    Network::new(graph).with_arithmetic(Arithmetic::Exact)
}

/// The description of references.
pub fn described<T: DeserializeOwned>(name: &str) -> T {
    let json = std::fs::read(references::path("dvm", &format!("{name}.json"))).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// The arrays of references.
pub fn arrays(name: &str) -> Weights {
    Weights::read(&references::path("dvm", &format!("{name}.safetensors"))).unwrap()
}

pub fn settings<T: ToString>(options: &[(&str, T)]) -> Settings {
    let options = options.iter();
    options.fold(Settings::new(), |settings, (name, value)| {
        settings.with(name, value.to_string())
    })
}

pub fn method(name: &str, settings: &Settings) -> Box<dyn Method> {
    registry::find(name).unwrap().method(settings).unwrap()
}

pub fn map_of(method: &dyn Method, subject: &Subject, class: usize) -> Attribution {
    let mut maps = method.attribute(subject, &[Target::Class(class)]).unwrap();
    maps.remove(0)
}

pub fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// The largest difference, relative to the largest magnitude of `expected`.
pub fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|value| value.is_finite()));
    let differences: Vec<f32> = found.iter().zip(expected).map(|(a, e)| a - e).collect();
    largest(&differences) / largest(expected)
}

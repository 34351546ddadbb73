//! Random initial weights.

use dvm_data::random;
use dvm_engine::{Initialisation, Initialiser, Parameter, Role, Tensor};
use rand_distr::{Distribution, Normal, Uniform};

/// The initial value of a parameter. It depends only on `seed`, name and shape, not on other
/// layers. `is_head` says whether the parameter belongs to the last layer. Biases, class tokens and
/// running means are 0; scales and running variances are 1. Layer scales `[C, 1, 1]` are 1e-6
/// (arXiv 2201.03545). Position embeddings, `[1, T, D]` or `[P, heads]`, are normal with standard
/// deviation 0.02, as in torchvision and timm.
pub fn fresh(
    parameter: &Parameter,
    initialisation: &Initialisation,
    is_head: bool,
    seed: u64,
) -> Tensor {
    let shape = &parameter.shape;
    let initialiser = match parameter.role {
        Role::Weight if is_head => initialisation.head,
        Role::Weight => match initialisation.other(&parameter.name) {
            Some(other) => other,
            None if shape.len() == 2 => initialisation.linear,
            None => initialisation.convolutions,
        },
        Role::Scale if shape.len() == 3 => return Tensor::full(shape, 1e-6),
        Role::Scale => return Tensor::full(shape, 1.0),
        Role::Statistic if parameter.name.ends_with("running_var") => {
            return Tensor::full(shape, 1.0);
        }
        Role::Bias if shape.len() > 1 && shape[..shape.len() - 1] != [1, 1] => {
            Initialiser::Normal(0.02)
        }
        Role::Bias | Role::Statistic => return Tensor::zeros(shape),
    };
    let mut of = vec![STREAM];
    of.extend(parameter.name.as_bytes().chunks(8).map(|part| {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        u64::from_be_bytes(bytes)
    }));
    let mut stream = random::stream(seed, &of);
    let mut values = vec![0.0; shape.iter().product()];
    match drawn_from(initialiser, shape) {
        Drawn::Normal(deviation) => {
            let normal = Normal::new(0.0, deviation).expect("the deviation is finite");
            values.fill_with(|| normal.sample(&mut stream) as f32);
        }
        Drawn::Uniform(bound) => {
            let uniform = Uniform::new_inclusive(-bound, bound).expect("the bound is finite");
            values.fill_with(|| uniform.sample(&mut stream) as f32);
        }
    }
    Tensor::from_nchw(shape, &values)
}

/// Separates these random streams from others of the same seed.
const STREAM: u64 = u64::from_be_bytes(*b"initial ");

/// A distribution, with its standard deviation or its bound.
enum Drawn {
    Normal(f64),
    Uniform(f64),
}

fn drawn_from(initialiser: Initialiser, shape: &[usize]) -> Drawn {
    let area: usize = shape.iter().skip(2).product();
    let outputs = shape[0] as f64;
    let fan_in = (shape[1] * area) as f64;
    let fan_out = (shape[0] * area) as f64;
    // A uniform distribution in ±b has the variance b² / 3.
    match initialiser {
        Initialiser::KaimingNormalPerGroup if shape[1] == 1 => {
            Drawn::Normal((2.0 / area as f64).sqrt())
        }
        Initialiser::KaimingNormal | Initialiser::KaimingNormalPerGroup => {
            Drawn::Normal((2.0 / fan_out).sqrt())
        }
        Initialiser::KaimingNormalFanIn => Drawn::Normal((2.0 / fan_in).sqrt()),
        Initialiser::KaimingUniform => Drawn::Uniform((6.0 / fan_in).sqrt()),
        Initialiser::XavierUniform => Drawn::Uniform((6.0 / (fan_in + fan_out)).sqrt()),
        Initialiser::XavierUniformUnlessSquare if shape[0] != shape[1] => {
            Drawn::Uniform((6.0 / (fan_in + fan_out)).sqrt())
        }
        Initialiser::UniformFanIn | Initialiser::XavierUniformUnlessSquare => {
            Drawn::Uniform(1.0 / fan_in.sqrt())
        }
        Initialiser::UniformByOutputs => Drawn::Uniform(1.0 / outputs.sqrt()),
        Initialiser::NormalFanIn => Drawn::Normal(1.0 / fan_in.sqrt()),
        Initialiser::Normal(deviation) => Drawn::Normal(deviation),
        Initialiser::Zero => Drawn::Normal(0.0),
    }
}

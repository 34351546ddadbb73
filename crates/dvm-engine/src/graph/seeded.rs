//! Parameters that follow from their names.
//!
//! References would be tens of megabytes if they stored the weights of whole networks. Instead this
//! generator and its twin `references/seeded.py` both fill a parameter from its name and kind alone.

pub use crate::runtime::splitmix::{uniform, unit, unit_from};
use crate::{Blueprint, Error, Graph, Parameter, Tensor};

/// Fills one parameter of a network by its state-dict name, row-major, shape `[O, I, kh, kw]` or
/// `[O, I]` for weights and `[C]` for the rest.
///
/// | name ends in | rank | range |
/// |---|---|---|
/// | `weight` | ≥ 2 | ± √(3 / fan_in), fan_in = product of all but the first dimension |
/// | `weight` | 1 (batch-norm) | 0.5 … 1.5 |
/// | `running_var` | 1 | 0.5 … 1.5 |
/// | `running_mean`, `bias` | 1 | −0.2 … 0.2 |
pub fn parameter(name: &str, shape: &[usize]) -> Vec<f32> {
    let len = shape.iter().product();
    if shape.len() >= 2 {
        let fan_in: usize = shape[1..].iter().product();
        let bound = (3.0 / fan_in as f64).sqrt();
        uniform(name, len, -bound, bound)
    } else if name.ends_with("weight") || name.ends_with("running_var") {
        uniform(name, len, 0.5, 1.5)
    } else {
        uniform(name, len, -0.2, 0.2)
    }
}

/// A network whose every parameter is filled by [`parameter`].
pub fn graph(blueprint: Blueprint) -> Graph {
    let fill = |p: &Parameter| {
        let values = parameter(&p.name, &p.shape);
        Ok::<_, Error>(Tensor::from_nchw(&p.shape, &values))
    };
    Graph::new(blueprint, fill).expect("values are made in the declared shapes")
}

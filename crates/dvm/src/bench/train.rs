//! A step of training.

use std::sync::Mutex;

use dvm_engine::rules::true_gradient;
use dvm_engine::{Error, Graph, Keep, Mode, Request, Role, Tensor, passes};

use crate::Classifier;

/// A network under training on one batch.
pub(super) struct Training {
    graph: Graph,
    pictures: Tensor,
    multiply_adds: u64,
    steps: u32,
    /// Adam's moving means of each parameter's gradient and of its square.
    moments: Vec<Mutex<(Vec<f32>, Vec<f32>)>>,
}

impl Training {
    /// A copy of the classifier's network and this batch.
    pub fn new(classifier: &Classifier, pictures: Tensor) -> Result<Self, Error> {
        let graph = passes::fuse_for_training(classifier.network().graph());
        let moments = graph.parameters().iter().zip(graph.values());
        let moments = moments.map(|(parameter, value)| {
            let moving = match parameter.role {
                Role::Statistic => 0,
                _ => value.len(),
            };
            Mutex::new((vec![0.0; moving], vec![0.0; moving]))
        });
        Ok(Self {
            multiply_adds: graph.training_multiply_adds(pictures.shape())?,
            moments: moments.collect(),
            steps: 0,
            graph,
            pictures,
        })
    }

    /// One step, which gives its multiply-adds.
    pub fn step(&mut self) -> Result<u64, crate::Error> {
        self.steps += 1;
        let seed = u64::from(self.steps);
        let activations =
            self.graph
                .forward(&self.pictures, Mode::Training { seed }, Keep::Backward)?;
        let statistics = activations.statistics().to_vec();
        let seeds = vec![(
            self.graph.output(),
            cross_entropy_gradient(activations.output()),
        )];
        let request = Request {
            nodes: &[],
            parameters: &|_| true,
            rules: &true_gradient,
        };
        let gradients = self
            .graph
            .backward_releasing(activations, seeds, &request)?;
        for (index, value) in statistics {
            self.graph.set_value(index, value)?;
        }
        let (moments, steps) = (&self.moments, self.steps);
        self.graph.update(|index, _, values| {
            if let Some(gradient) = gradients.parameter(index) {
                let mut moments = moments[index].lock().expect("no update panics");
                let (mean, square) = &mut *moments;
                adam(steps, values, gradient.data(), (mean, square));
            }
        });
        Ok(self.multiply_adds)
    }
}

/// The gradient of the mean cross-entropy with respect to the logits `[N, K]`; the picture of index
/// `i` is of class `i mod K`.
fn cross_entropy_gradient(logits: &Tensor) -> Tensor {
    let mut gradient = logits.clone();
    let &[batch, classes] = logits.shape() else {
        unreachable!("logits are rows");
    };
    for (picture, row) in gradient.data_mut().chunks_exact_mut(classes).enumerate() {
        let largest = row.iter().fold(f32::NEG_INFINITY, |most, &v| most.max(v));
        row.iter_mut().for_each(|v| *v = (*v - largest).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum * batch as f32);
        row[picture % classes] -= 1.0 / batch as f32;
    }
    gradient
}

/// Adam (arXiv 1412.6980) with PyTorch's defaults.
fn adam(
    steps: u32,
    values: &mut [f32],
    gradient: &[f32],
    (mean, square): (&mut [f32], &mut [f32]),
) {
    const RATE: f64 = 1e-3;
    const BETAS: (f64, f64) = (0.9, 0.999);
    const EPS: f32 = 1e-8;
    let exponent = i32::try_from(steps).unwrap_or(i32::MAX);
    let rate = (RATE / (1.0 - BETAS.0.powi(exponent))) as f32;
    let correction = (1.0 / (1.0 - BETAS.1.powi(exponent)).sqrt()) as f32;
    let (first, second) = (1.0 - BETAS.0 as f32, 1.0 - BETAS.1 as f32);
    let moments = mean.iter_mut().zip(square);
    for ((v, &g), (m, s)) in values.iter_mut().zip(gradient).zip(moments) {
        *m += first * (g - *m);
        *s += second * (g * g - *s);
        *v -= rate * *m / (s.sqrt() * correction + EPS);
    }
}

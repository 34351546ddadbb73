//! A network in use: logits and gradients of the picture.

use dvm_engine::rules::{self, Composite};
use dvm_engine::{Keep, Mode, Request, Tensor};

use crate::reference::{Described, described};
use dvm_testing::closeness::{relative_error, wide};

/// Largest difference of a logit from PyTorch's in f64, relative to the largest logit.
pub const LOGITS: f64 = 1e-4;
/// The same for gradients, where PyTorch's own f32 is that near.
pub const GRADIENTS: f64 = 1e-4;

/// Logits of all three forms, and the gradient under all three rules (of large networks, the true one)
/// of the two that can be walked backwards.
pub fn check(name: &str) {
    let described = described("inference", name);
    let network = described.network();
    let x = described.input();
    let expected = described.found("logits");
    let logits = wide(&network.fused().logits(&x).unwrap());
    let error = relative_error(&logits, &expected);
    assert!(error <= LOGITS, "fused: logits are off by {error:.1e}");
    for (form, graph) in [("graph", network.graph()), ("folded", network.folded())] {
        let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
        let error = relative_error(&wide(activations.output()), &expected);
        println!("{name} {form}: logits are off by {error:.1e}");
        assert!(error <= LOGITS, "{form}: logits are off by {error:.1e}");
        let composites: [(&str, &Composite); 3] = [
            ("input_grad", &rules::TRUE_GRADIENT),
            ("guided.input_grad", &rules::guided_backprop()),
            ("deconvnet.input_grad", &rules::deconvnet()),
        ];
        for (key, rules) in composites {
            let nodes = [graph.input()];
            let request = Request {
                nodes: &nodes,
                parameters: &|_| false,
                rules,
            };
            let seeds = [(
                graph.output(),
                target_seed(&described, activations.output()),
            )];
            let found = graph.backward(&activations, &seeds, &request).unwrap();
            let gradient = wide(found.node(graph.input()).unwrap());
            check_gradient(&described, &format!("{name} {form}"), key, &gradient);
        }
    }
}

/// The length of a vector.
pub fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// One at the target class of every picture.
fn target_seed(described: &Described, logits: &Tensor) -> Tensor {
    let mut seed = Tensor::zeros(logits.shape());
    let (classes, target) = (logits.shape()[1], described.number("target"));
    for row in seed.data_mut().chunks_exact_mut(classes) {
        row[target] = 1.0;
    }
    seed
}

/// A gradient is near enough if it is no further off than 1e-4 or twice as far as PyTorch's own
/// f32; or, where a ReLU near zero or a tie under a maximum flips by the way a sum is ordered, no
/// further (as a whole) than rounding every convolution of the f64 network by 1e-5 of its largest
/// output moves it.
fn check_gradient(described: &Described, what: &str, key: &str, gradient: &[f64]) {
    let stride = described.number("sample_stride");
    let sample: Vec<f64> = gradient.iter().copied().step_by(stride).collect();
    let expected = described.found(key);
    let differences: Vec<f64> = sample.iter().zip(&expected).map(|(f, e)| f - e).collect();
    let largest = described.found(&format!("{key}_max"))[0];
    let off = differences.iter().fold(0.0f64, |a, d| a.max(d.abs())) / largest;
    let pytorch = described.found(&format!("{key}_f32_error"))[0];
    let whole = norm(&differences) / norm(&expected);
    let flips = described.found(&format!("{key}_rounding_l2"))[1];
    println!(
        "{what} {key}: off by {off:.1e} (PyTorch {pytorch:.1e}), {whole:.1e} (flips {flips:.1e})"
    );
    assert!(
        off <= GRADIENTS.max(2.0 * pytorch) || whole <= flips,
        "{what} {key}: off by {off:.1e} (PyTorch's f32 by {pytorch:.1e}), as a whole by \
         {whole:.1e} (flips allow {flips:.1e})"
    );
    let norm_off = (norm(gradient) / described.found(&format!("{key}_norm"))[0] - 1.0).abs();
    assert!(
        norm_off <= GRADIENTS.max(2.0 * pytorch).max(flips),
        "{what} {key}: the norm is off by {norm_off:.1e}"
    );
}

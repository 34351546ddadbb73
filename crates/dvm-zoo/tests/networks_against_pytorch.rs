//! Whole networks with seeded weights against PyTorch in f64 (`references/networks.py`).

mod accuracy;
mod reference;

use accuracy::{relative_error, wide};
use dvm_engine::rules::{self, Composite};
use dvm_engine::{Graph, Keep, Mode, Network, Request, Role, Tensor, seeded};
use reference::{Described, described};

/// Largest difference of a logit from PyTorch's in f64, relative to the largest logit.
const LOGITS: f64 = 1e-4;
/// The same for gradients, where PyTorch's own f32 is that near.
const GRADIENTS: f64 = 1e-4;

/// Logits of all three forms, and the gradient under all three rules of the two that can be
/// walked backwards.
fn check(name: &str) {
    let described = described("inference", name);
    let network = Network::new(described.graph());
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
            ("input_grad", &rules::true_gradient),
            ("guided.input_grad", &rules::guided_backprop),
            ("deconvnet.input_grad", &rules::deconvnet),
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
fn norm(values: &[f64]) -> f64 {
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

#[test]
fn squeezenet1_1_gives_what_pytorch_gives() {
    check("squeezenet1_1");
}

#[test]
fn resnet18_gives_what_pytorch_gives() {
    check("resnet18");
}

#[test]
fn resnet34_gives_what_pytorch_gives() {
    check("resnet34");
}

#[test]
fn resnet50_gives_what_pytorch_gives() {
    check("resnet50");
}

#[test]
fn resnet101_gives_what_pytorch_gives() {
    check("resnet101");
}

#[test]
fn resnet152_gives_what_pytorch_gives() {
    check("resnet152");
}

#[test]
fn efficientnet_lite0_gives_what_pytorch_gives() {
    check("tf_efficientnet_lite0");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg11_gives_what_pytorch_gives() {
    check("vgg11");
}

#[test]
fn vgg11_bn_gives_what_pytorch_gives() {
    check("vgg11_bn");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg13_gives_what_pytorch_gives() {
    check("vgg13");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg13_bn_gives_what_pytorch_gives() {
    check("vgg13_bn");
}

#[test]
fn vgg16_gives_what_pytorch_gives() {
    check("vgg16");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg16_bn_gives_what_pytorch_gives() {
    check("vgg16_bn");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg19_gives_what_pytorch_gives() {
    check("vgg19");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg19_bn_gives_what_pytorch_gives() {
    check("vgg19_bn");
}

#[test]
fn every_architecture_has_a_reference() {
    let mut references = reference::names();
    for name in &mut references {
        *name = reference::own_name(name).to_owned();
    }
    for architecture in dvm_zoo::ALL {
        let name = architecture.name;
        assert!(references.iter().any(|r| r == name), "{name} has none");
    }
}

/// torchvision's documented `num_params`, and timm's for EfficientNet-Lite0: 1000 classes.
#[test]
fn every_architecture_has_the_published_number_of_learned_parameters() {
    for (name, expected) in [
        ("efficientnet_lite0", 4_652_008),
        ("squeezenet1_1", 1_235_496),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("vgg11", 132_863_336),
        ("vgg11_bn", 132_868_840),
        ("vgg13", 133_047_848),
        ("vgg13_bn", 133_053_736),
        ("vgg16", 138_357_544),
        ("vgg16_bn", 138_365_992),
        ("vgg19", 143_667_240),
        ("vgg19_bn", 143_678_248),
    ] {
        let blueprint = (reference::architecture(name).build)(1000);
        let count: usize = blueprint
            .parameters()
            .iter()
            .filter(|p| p.role != Role::Statistic)
            .map(|p| p.shape.iter().product::<usize>())
            .sum();
        assert_eq!(count, expected, "{name}");
    }
}

#[test]
fn every_architecture_has_a_head_with_one_row_per_class() {
    for architecture in dvm_zoo::ALL {
        let name = format!("{}.weight", architecture.head);
        let blueprint = (architecture.build)(7);
        let head = blueprint.parameters().iter().find(|p| p.name == name);
        let head = head.unwrap_or_else(|| panic!("{} has no {name}", architecture.name));
        assert_eq!(head.shape[0], 7, "{}", architecture.name);
    }
}

#[test]
fn resnet18_names_its_parameters_and_statistics_as_torchvision_does() {
    let described = described("training", "resnet18");
    let graph = described.graph();
    let names = |statistics: bool| -> Vec<String> {
        let all = graph.parameters().iter();
        all.filter(|p| (p.role == Role::Statistic) == statistics)
            .map(|p| p.name.clone())
            .collect()
    };
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    assert_eq!(names(false), described.list("parameters", text));
    assert_eq!(names(true), described.list("statistics", text));
}

/// One training step of ResNet18: cross-entropy of four pictures, batch-norm over the batch.
struct Step {
    graph: Graph,
    loss: f64,
    logits: Vec<f64>,
    /// By position in [`Graph::parameters`].
    gradients: Vec<Option<Tensor>>,
    /// By position in [`Graph::parameters`].
    statistics: Vec<(usize, Tensor)>,
}

fn step(described: &Described) -> Step {
    let graph = described.graph();
    let x = described.input();
    let labels = described.list("labels", |label| label.as_u64());
    let mode = Mode::Training { seed: 0 };
    let activations = graph.forward(&x, mode, Keep::All).unwrap();
    let logits = activations.output();
    let (pictures, classes) = (labels.len(), logits.shape()[1]);
    let mut seed = logits.clone();
    let mut loss = 0.0;
    for (row, &label) in seed.data_mut().chunks_exact_mut(classes).zip(&labels) {
        let exponentials: Vec<f64> = row.iter().map(|&l| f64::from(l).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        for (class, (value, e)) in row.iter_mut().zip(exponentials).enumerate() {
            let p = e / sum;
            let is_label = class == label as usize;
            loss -= if is_label { p.ln() } else { 0.0 } / pictures as f64;
            *value = ((p - f64::from(u8::from(is_label))) / pictures as f64) as f32;
        }
    }
    let request = Request {
        nodes: &[],
        parameters: &|_| true,
        rules: &rules::true_gradient,
    };
    let found = graph
        .backward(&activations, &[(graph.output(), seed)], &request)
        .unwrap();
    let gradients = (0..graph.parameters().len())
        .map(|index| found.parameter(index).cloned())
        .collect();
    Step {
        loss,
        logits: wide(logits),
        gradients,
        statistics: activations.statistics().to_vec(),
        graph,
    }
}

/// The norm of an array and its sum with the probe of this name, as `networks.py` has them.
fn digest(name: &str, tensor: &Tensor) -> (f64, f64) {
    let values = wide(tensor);
    let probe = seeded::uniform(&format!("probe.{name}"), values.len(), -1.0, 1.0);
    let sum = values.iter().zip(probe).map(|(v, p)| v * f64::from(p));
    (norm(&values), sum.sum())
}

#[test]
fn a_training_step_has_pytorchs_loss_and_logits() {
    let described = described("training", "resnet18");
    let step = step(&described);
    let loss = described.found("loss");
    assert!(
        relative_error(&[step.loss], &loss) <= LOGITS,
        "{}",
        step.loss
    );
    let error = relative_error(&step.logits, &described.found("logits"));
    assert!(error <= LOGITS, "logits are off by {error:.1e}");
}

#[test]
fn a_training_step_has_pytorchs_parameter_gradients() {
    let described = described("training", "resnet18");
    let step = step(&described);
    let norms = described.found("gradient_norms");
    let probes = described.found("gradient_probes");
    let pytorch = described.found("gradient_f32_errors");
    let names = described.list("parameters", |name| name.as_str().map(str::to_owned));
    let mut failures = Vec::new();
    let mut furthest = 0.0f64;
    for (index, name) in names.iter().enumerate() {
        let place = step.graph.parameters().iter().position(|p| &p.name == name);
        let gradient = step.gradients[place.unwrap()].as_ref().unwrap();
        let (norm, probe) = digest(name, gradient);
        let off = (norm - norms[index])
            .abs()
            .max((probe - probes[index]).abs())
            / norms[index];
        furthest = furthest.max(off);
        if off > GRADIENTS.max(2.0 * pytorch[index]) {
            let own = pytorch[index];
            failures.push(format!(
                "{name} is off by {off:.1e} (PyTorch's f32 by {own:.1e})"
            ));
        }
    }
    println!("training: gradients are off by at most {furthest:.1e}");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_training_step_has_pytorchs_statistics() {
    let described = described("training", "resnet18");
    let step = step(&described);
    let norms = described.found("statistic_norms");
    let probes = described.found("statistic_probes");
    let names = described.list("statistics", |name| name.as_str().map(str::to_owned));
    assert_eq!(step.statistics.len(), names.len());
    for (index, name) in names.iter().enumerate() {
        let of_name = |(place, _): &&(usize, Tensor)| &step.graph.parameters()[*place].name == name;
        let (_, value) = step.statistics.iter().find(of_name).unwrap();
        let (norm, probe) = digest(name, value);
        let off = (norm - norms[index])
            .abs()
            .max((probe - probes[index]).abs())
            / norms[index];
        assert!(off <= 1e-5, "{name} is off by {off:.1e}");
    }
}

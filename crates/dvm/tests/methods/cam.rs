//! Class activation maps against pytorch-grad-cam's, before it rescales them, as `references/cams.py` stored
//! them.

use std::cell::RefCell;

use dvm_attribution::Attribution;
use dvm_engine::weights::{Array, Weights};
use dvm_engine::{Network, seeded};
use dvm_testing::{networks, references};
use serde::Deserialize;

use crate::prepared::{Prepared, arrays, described, map_of, method, relative_error, settings};

/// Tolerance of f32 against the references' f64, relative to the largest value.
const TOLERANCE: f32 = 1e-4;

/// Maps whose weights divide by sums of positive and negative numbers that nearly cancel. PyTorch's f32 differs from
/// f64 by up to 1.2e-3 there, so the tolerance is twenty times as large.
const ILL_CONDITIONED: [(&str, &str); 2] = [
    ("swin_t", "features.7.1.norm2.xgrad-cam"),
    ("convnext_tiny", "features.1.1.add.grad-cam++"),
];

/// The settings in `cams.json`.
#[derive(Deserialize)]
struct Described {
    target: usize,
    classes: usize,
    alpha: f64,
    similar: usize,
    /// The step between stored rows and columns of maps of the picture's size.
    step: usize,
    networks: Vec<DescribedNetwork>,
}

#[derive(Deserialize)]
struct DescribedNetwork {
    name: String,
    input: DescribedInput,
    /// The first is the default.
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct DescribedInput {
    name: String,
    size: (usize, usize),
    mean: f32,
    std: f32,
}

/// A network and its picture, with the results of pytorch-grad-cam.
struct Case {
    described: Described,
    name: String,
    layers: Vec<String>,
    references: Weights,
    prepared: Prepared,
    /// Differences from the references.
    failures: RefCell<Vec<String>>,
}

impl Case {
    fn new(name: &str) -> Self {
        let described: Described = described("cams");
        let own = described.networks.iter().find(|n| n.name == name).unwrap();
        let graph = match dvm_zoo::find(name) {
            Some(architecture) => seeded::graph((architecture.build)(described.classes)),
            None => {
                let file = references::path("dvm-onnx", &format!("{name}.onnx"));
                dvm_onnx::read(&file, dvm_onnx::Options::default())
                    .unwrap()
                    .graph
            }
        };
        let (input, layers) = (&own.input, own.layers.clone());
        let picture = networks::noise(&input.name, input.size);
        let normalisation = ([input.mean; 3], [input.std; 3]);
        let case = Self {
            name: name.into(),
            layers,
            references: arrays("cams"),
            prepared: Prepared::new(Network::new(graph), picture, normalisation),
            described,
            failures: RefCell::default(),
        };
        let logits = case.prepared.subject().numbers().unwrap();
        case.compare("logits", &logits);
        case
    }

    fn map_of(&self, name: &str, options: &[(&str, &str)]) -> Attribution {
        let method = method(name, &settings(options));
        map_of(&*method, &self.prepared.subject(), self.described.target)
    }

    fn reference(&self, key: &str) -> &Array {
        self.references
            .get(&format!("{}.{key}", self.name))
            .unwrap()
    }

    fn error(&self, key: &str, found: &[f32]) -> f32 {
        relative_error(found, &self.reference(key).values)
    }

    fn note(&self, key: &str, error: f32) {
        let tolerance = match ILL_CONDITIONED.contains(&(&self.name, key)) {
            true => 20.0 * TOLERANCE,
            false => TOLERANCE,
        };
        if error > tolerance {
            self.failures
                .borrow_mut()
                .push(format!("{key} is off by {error:e}"));
        }
    }

    fn compare(&self, key: &str, found: &[f32]) {
        self.note(key, self.error(key, found));
    }

    /// The raw map of a layer.
    fn compare_raw(&self, layer: &str, key: &str, method: &str, options: &[(&str, &str)]) {
        let options = [&[("layer", layer)], options].concat();
        let attribution = self.map_of(method, &options);
        let key = format!("{layer}.{key}");
        assert_eq!(attribution.raw().shape, self.reference(&key).shape, "{key}");
        self.compare(&key, &attribution.raw().values);
    }

    /// As `compare_raw`, for a map whose sign is arbitrary in the other tool.
    fn compare_raw_but_for_its_sign(
        &self,
        layer: &str,
        key: &str,
        method: &str,
        options: &[(&str, &str)],
    ) {
        let options = [&[("layer", layer)], options].concat();
        let found = self.map_of(method, &options).raw().values.to_vec();
        let key = format!("{layer}.{key}");
        let other: Vec<f32> = found.iter().map(|v| -v).collect();
        let error = self.error(&key, &found).min(self.error(&key, &other));
        self.note(&key, error);
    }

    /// All methods that are formulas of activations and gradients, at all layers.
    fn compare_formulas(&self) {
        let (alpha, similar) = (
            self.described.alpha.to_string(),
            self.described.similar.to_string(),
        );
        let finer = |weighting| {
            [
                ("alpha", &alpha[..]),
                ("similar", &similar[..]),
                ("comparison", weighting),
            ]
        };
        for layer in &self.layers {
            for method in [
                "grad-cam",
                "grad-cam++",
                "xgrad-cam",
                "hires-cam",
                "layer-cam",
                "element-wise-cam",
            ] {
                self.compare_raw(layer, method, method, &[]);
            }
            for weighting in ["mean", "softmax"] {
                let key = format!("finer-cam.{weighting}");
                self.compare_raw(layer, &key, "finer-cam", &finer(weighting));
            }
            let centre = [("centre", "false")];
            self.compare_raw_but_for_its_sign(layer, "eigen-cam", "eigen-cam", &[]);
            self.compare_raw_but_for_its_sign(layer, "eigen-cam.uncentred", "eigen-cam", &centre);
            self.compare_raw_but_for_its_sign(layer, "eigengrad-cam", "eigengrad-cam", &[]);
            for method in ["grad-cam", "layer-cam"] {
                let key = format!("{method}.smooth");
                self.compare_raw_but_for_its_sign(layer, &key, method, &[("smooth", "true")]);
            }
        }
    }

    /// The default layer gives the same result with and without its name.
    fn compare_usual_layer(&self) {
        let layer = &self.layers[0];
        self.compare_raw(
            layer,
            "grad-cam.augment",
            "grad-cam",
            &[("augment", "true")],
        );
        let usual = self.map_of("grad-cam", &[]);
        assert!(
            usual.quantity.ends_with(&format!("at {layer}")),
            "{}",
            usual.quantity
        );
        self.compare(&format!("{layer}.grad-cam"), &usual.raw().values);
        let map = self.thinned(&usual.map);
        self.compare(&format!("{layer}.grad-cam.map"), &map);
    }

    fn compare_ablation_cam(&self) {
        self.compare_raw(&self.layers[0], "ablation-cam", "ablation-cam", &[]);
    }

    fn compare_score_cam(&self) {
        let layer = &self.layers[1];
        self.compare_raw(layer, "score-cam", "score-cam", &[]);
        let options = [("score", "probability"), ("channel-weights", "score")];
        self.compare_raw(layer, "score-cam.probability", "score-cam", &options);
    }

    /// The stored rows and columns of planes `[H, W]`.
    fn thinned(&self, values: &[f32]) -> Vec<f32> {
        let (height, width) = self.prepared.preprocess.crop;
        let step = self.described.step;
        let planes = values.chunks_exact(height * width);
        let rows = planes.flat_map(|plane| plane.chunks_exact(width).step_by(step));
        rows.flat_map(|row| row.iter().step_by(step))
            .copied()
            .collect()
    }

    /// Guided Grad-CAM of Captum, which upsamples in the same way with its option.
    fn compare_guided_grad_cam(&self) {
        let attribution = self.map_of("guided-grad-cam", &[("layer", &self.layers[0])]);
        let found = self.thinned(&attribution.raw().values);
        self.compare("guided-grad-cam", &found);
    }

    /// Bias × gradient of each layer; together with the input's part their sum is the logit.
    fn compare_biases(&self) {
        let attribution = self.map_of("full-grad", &[]);
        let biases = &attribution.array("biases").unwrap().values;
        // Biases of batch-norms, and last that of the linear layer, which pytorch-grad-cam leaves out.
        let (_, convolutional) = biases.split_last().unwrap();
        self.compare("full-grad.biases", convolutional);
        let arrays = attribution.arrays.iter();
        let total: f64 = arrays
            .flat_map(|a| a.values.iter())
            .map(|&v| f64::from(v))
            .sum();
        let logit = f64::from(self.reference("logits").values[self.described.target]);
        assert!(
            (total - logit).abs() < 1e-4 * logit.abs(),
            "{total} {logit}"
        );
    }

    fn compare_full_grad(&self) {
        for rescale in ["none", "layer", "channel"] {
            let attribution = self.map_of("full-grad", &[("rescale", rescale)]);
            let map = self.thinned(&attribution.map);
            self.compare(&format!("full-grad.{rescale}"), &map);
        }
    }
}

/// Compares what all networks have, and `more`.
fn compare(name: &str, more: &[fn(&Case)]) {
    let case = Case::new(name);
    case.compare_formulas();
    case.compare_usual_layer();
    more.iter().for_each(|compare| compare(&case));
    let failures = case.failures.into_inner();
    assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n"));
}

tests! {
    maps_of_a_resnet_match_pytorch_grad_cam: compare("resnet18", &[
        Case::compare_ablation_cam,
        Case::compare_score_cam,
        Case::compare_full_grad,
        Case::compare_guided_grad_cam,
        Case::compare_biases,
    ]);
    maps_of_a_vgg_match_pytorch_grad_cam: compare("vgg11", &[
        Case::compare_score_cam,
        Case::compare_full_grad,
        Case::compare_guided_grad_cam,
    ]);
    maps_of_an_efficientnet_match_pytorch_grad_cam: compare("efficientnet_b0", &[
        Case::compare_ablation_cam,
        Case::compare_score_cam,
        Case::compare_full_grad,
    ]);
    maps_of_a_convnext_match_pytorch_grad_cam: compare("convnext_tiny", &[
        Case::compare_ablation_cam,
        Case::compare_score_cam,
    ]);
    maps_of_a_swin_transformer_match_pytorch_grad_cam: compare("swin_t", &[
        Case::compare_ablation_cam,
        Case::compare_score_cam,
    ]);
    maps_of_a_vision_transformer_match_pytorch_grad_cam: compare("deit_tiny_patch16_224", &[
        Case::compare_ablation_cam,
    ]);
    maps_of_an_imported_network_match_pytorch_grad_cam: compare("cnn_script_17", &[
        Case::compare_ablation_cam,
        Case::compare_score_cam,
    ]);
    maps_of_an_imported_transformer_match_pytorch_grad_cam: compare("vit_script_17", &[
        Case::compare_ablation_cam,
        Case::compare_score_cam,
    ]);
}

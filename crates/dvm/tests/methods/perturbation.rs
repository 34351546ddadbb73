//! Methods that cover segments or masks, against Captum, shap, lime, PAIR saliency and the authors' formulas,
//! all with the same random numbers (`references/perturbations.py`).

use std::collections::BTreeMap;

use dvm_attribution::{Attribution, Target};
use dvm_engine::weights::Weights;
use dvm_engine::{Graph, Network, seeded};
use dvm_image::Picture;
use dvm_testing::networks;
use serde::Deserialize;

use crate::prepared::{Prepared, arrays, described, largest, method, relative_error, settings};

/// Tolerance of f32 against the references' f64, relative to the largest value.
const TOLERANCE: f32 = 1e-4;

/// The same relative to the largest logit, for differences of two values, each of which has half of this tolerance.
const TOLERANCE_OF_LOGITS: f32 = 2e-5;

#[derive(Deserialize)]
struct Described {
    seed: u64,
    /// The step between stored rows and columns of maps.
    every: usize,
    extremal: Extremal,
    xrai_steps: usize,
    networks: Vec<Drawn>,
}

#[derive(Deserialize)]
struct Extremal {
    steps: usize,
    area: f64,
    step: usize,
    sigma: usize,
}

/// One network of the references.
#[derive(Deserialize)]
struct Drawn {
    name: String,
    /// Rows and columns of the picture.
    size: (usize, usize),
    /// Its normalised values are plus or minus this.
    limit: f32,
    /// Rows and columns of the segments.
    grid: (usize, usize),
    targets: Vec<usize>,
    /// The number of samples by method.
    samples: BTreeMap<String, usize>,
}

/// Blocks of 8×8 pixels of one colour, with noise in every pixel.
fn picture(name: &str, (height, width): (usize, usize)) -> Picture {
    let columns = width.div_ceil(8);
    let blocks = seeded::unit(&format!("{name}.blocks"), height.div_ceil(8) * columns * 3);
    let pixels = seeded::unit(&format!("{name}.pixels"), height * width * 3);
    let value = |at: usize| {
        let (y, x, c) = (at / 3 / width, at / 3 % width, at % 3);
        let block = f64::from(blocks[(y / 8 * columns + x / 8) * 3 + c]);
        (192.0 * block + 64.0 * f64::from(pixels[at])) as u8
    };
    Picture::new(height, width, (0..height * width * 3).map(value).collect())
}

/// A network with its picture and the expected values.
struct Case {
    described: Described,
    about: Drawn,
    prepared: Prepared,
    expected: Weights,
}

impl Case {
    fn of(name: &str) -> Self {
        let graph = networks::of_reference(name);
        Self::with(name, graph)
    }

    fn with(name: &str, graph: Graph) -> Self {
        let mut described: Described = described("perturbations");
        let at = described.networks.iter().position(|n| n.name == name);
        let about = described.networks.swap_remove(at.unwrap());
        let picture = picture(name, about.size);
        let normalisation = ([0.5; 3], [0.5 / about.limit; 3]);
        Self {
            prepared: Prepared::new(Network::new(graph), picture, normalisation),
            expected: arrays("perturbations"),
            described,
            about,
        }
    }

    /// The maps of all targets.
    fn maps(&self, method_name: &str, options: &[(&str, String)]) -> Vec<Attribution> {
        let (rows, columns) = self.about.grid;
        let mut settings = settings(options).with("seed", self.described.seed);
        if method_name != "xrai" {
            settings = settings.with("segments", format!("grid:{rows}x{columns}"));
        }
        let method = method(method_name, &settings);
        let targets = self.about.targets.iter().copied().map(Target::Class);
        let targets: Vec<Target> = targets.collect();
        method
            .attribute(&self.prepared.subject(), &targets)
            .unwrap()
    }

    fn samples(&self, method: &str) -> (&'static str, String) {
        ("samples", self.about.samples[method].to_string())
    }

    fn expected(&self, what: &str, target: &Target) -> &[f32] {
        let name = format!("{}.{what}.{}", self.about.name, target.class());
        &self.expected.get(&name).unwrap().values
    }

    /// The stored rows and columns of a map.
    fn sampled(&self, map: &[f32]) -> Vec<f32> {
        let (height, width) = self.about.size;
        let every = self.described.every;
        let rows = (0..height).step_by(every);
        rows.flat_map(|y| (0..width).step_by(every).map(move |x| map[y * width + x]))
            .collect()
    }

    fn assert_close(&self, what: &str, target: &Target, found: &[f32]) {
        let expected = self.expected(what, target);
        let error = relative_error(found, expected);
        let logits = largest(
            &self
                .expected
                .get(&format!("{}.logits", self.about.name))
                .unwrap()
                .values,
        );
        let are_of_logits = ["ablation", "shapley", "kernel_shap"].contains(&what);
        let of_logits = error * largest(expected) / logits;
        assert!(
            error <= TOLERANCE || are_of_logits && of_logits <= TOLERANCE_OF_LOGITS,
            "{what} of {} is off by {error:e}, {of_logits:e} of the largest logit",
            self.about.name
        );
    }

    /// Values of segments and, where the method has one, its coefficient of determination.
    fn assert_segments(&self, method: &str, stored: &str, samples: &[(&str, String)]) {
        for attribution in self.maps(method, samples) {
            let target = &attribution.target;
            self.assert_close(stored, target, &attribution.raw().values);
            if let Some(check) = check(&attribution, "coefficient of determination") {
                let expected = f64::from(self.expected(&format!("{stored}_r2"), target)[0]);
                assert!(
                    (check - expected).abs() < 1e-4,
                    "{check} instead of {expected}"
                );
            }
        }
    }

    fn assert_shapley_sampling(&self) {
        for attribution in self.maps("shapley-sampling", &[self.samples("shapley")]) {
            let target = &attribution.target;
            self.assert_close("shapley", target, &attribution.raw().values);
            let errors = self.expected("shapley_errors", target);
            let largest = f64::from(errors.iter().copied().fold(0.0, f32::max));
            let found = check(&attribution, "standard error").unwrap();
            assert!(
                (found / largest - 1.0).abs() < 1e-3,
                "{found} instead of {largest}"
            );
        }
    }

    fn assert_rise(&self) {
        let estimates = [("shown", "rise"), ("contrast", "rise_contrast")];
        // On large networks one is enough.
        let number = if self.about.name == "small" { 2 } else { 1 };
        for (estimate, stored) in estimates.into_iter().take(number) {
            let masks = self.about.samples["rise"].to_string();
            let options = [("masks", masks), ("estimate", estimate.into())];
            for attribution in self.maps("rise", &options) {
                let found = self.sampled(&attribution.map);
                self.assert_close(stored, &attribution.target, &found);
                // The maximum of all pixels, every fourth of which is stored.
                let errors = self.expected("rise_errors", &attribution.target);
                let largest = f64::from(errors.iter().copied().fold(0.0, f32::max));
                let found = check(&attribution, "standard error").unwrap();
                assert!(
                    (0.999..1.1).contains(&(found / largest)),
                    "{found}, {largest}"
                );
            }
        }
    }

    fn assert_extremal(&self) {
        let Extremal {
            steps,
            area,
            step,
            sigma,
        } = self.described.extremal;
        let options = [
            ("iterations", steps.to_string()),
            ("areas", area.to_string()),
            ("mask-step", step.to_string()),
            ("mask-sigma", sigma.to_string()),
        ];
        for attribution in self.maps("extremal-perturbation", &options) {
            let found = self.sampled(&attribution.map);
            self.assert_close("extremal", &attribution.target, &found);
        }
    }

    /// The ranking is not continuous: of two segments with nearly the same density, either can come first, which
    /// changes the pixels of the following ones. So most pixels must agree, not all.
    fn assert_xrai(&self, most: f64) {
        let options = [("steps", self.described.xrai_steps.to_string())];
        for attribution in self.maps("xrai", &options) {
            let expected = self.expected("xrai", &attribution.target);
            let largest = largest(expected);
            let found = self.sampled(&attribution.map);
            let pairs = found.iter().zip(expected);
            let agreeing = pairs.filter(|(a, e)| (**a - **e).abs() <= 1e-3 * largest);
            let share = agreeing.count() as f64 / expected.len() as f64;
            assert!(share >= most, "{}: {share}", self.about.name);
        }
    }

    fn assert_all(&self) {
        self.assert_segments("feature-ablation", "ablation", &[]);
        self.assert_segments("kernel-shap", "kernel_shap", &[self.samples("kernel_shap")]);
        self.assert_segments("lime", "lime", &[self.samples("lime")]);
        self.assert_shapley_sampling();
        self.assert_rise();
        self.assert_extremal();
        self.assert_xrai(0.95);
    }
}

fn check(attribution: &Attribution, name: &str) -> Option<f64> {
    let mut checks = attribution.checks.iter();
    checks
        .find(|check| check.name == name)
        .map(|check| check.value)
}

tests! {
    values_of_a_small_network_match_the_tools: Case::of("small").assert_all();
    values_of_a_resnet_match_the_tools: Case::of("resnet18").assert_all();
    values_of_a_vgg_match_the_tools: Case::of("vgg11").assert_all();
    values_of_an_efficientnet_match_the_tools: Case::of("efficientnet_b0").assert_all();
    values_of_a_convnext_match_the_tools: Case::of("convnext_tiny").assert_all();
    values_of_a_vision_transformer_match_the_tools: Case::of("deit_tiny_patch16_224").assert_all();
}

#[test]
fn values_of_an_imported_onnx_file_match_the_tools() {
    let graph = seeded::graph((dvm_zoo::find("resnet18").unwrap().build)(10));
    let export = dvm_onnx::Export {
        name: "resnet18",
        size: (64, 64),
        metadata: &BTreeMap::new(),
    };
    let file = dvm_onnx::to_onnx(&graph, &export).unwrap();
    let imported = dvm_onnx::from_bytes(&file, "resnet18.onnx", dvm_onnx::Options::default());
    Case::with("resnet18", imported.unwrap().graph).assert_all();
}

//! Expected gradients, or GradientSHAP.

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::Count;
use serde_json::{Map, Value};

use super::attributor::{
    AttributionRequest, Attributor, AttributorMethod, BASELINE, BaselineInputs, InputAttribution,
    OnAttribution, Prepared, completeness,
};
use super::integrated::between;
use super::{CHANNELS, Shared};
use crate::options::{SAMPLES, SCORE, SEED};
use crate::probe::GradientRequest;
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Baselines, Error, OptionSpec, SettingError, Settings, Subject};

const BASELINES: OptionSpec = OptionSpec {
    default: "black,grey,white,blur,noise",
    help: "baselines, separated by commas; one is drawn for every sample: zero (after \
           normalisation), black, white, grey (127.5), mean (the picture's mean colour), blur (the \
           picture blurred), noise, colours, or picture files",
    ..BASELINE
};

const DRAWS: OptionSpec = OptionSpec {
    default: "50",
    help: "number of random pairs of a baseline and a point between it and the picture",
    ..SAMPLES
};

/// Integrated gradients over random baselines and points.
pub const EXPECTED_GRADIENTS: MethodEntry = MethodEntry {
    name: "expected-gradients",
    title: "expected gradients",
    summary: "integrated gradients averaged over several baselines: each sample draws a baseline \
              and a point between it and the picture (GradientSHAP)",
    reference: Reference {
        authors: "Erion, Janizek, Sturmfels, Lundberg, Lee",
        year: 2019,
        title: "Improving performance of deep learning models with axiomatic attribution priors and \
                expected gradients",
        published: Published::Arxiv("1906.10670"),
    },
    family: Family::Gradient,
    cost: "`samples` passes forward and back",
    networks: "all",
    options: &[CHANNELS, SCORE, DRAWS, BASELINES, SEED],
    presets: &[],
    build: |settings| {
        Ok(Box::new(AttributorMethod {
            attributor: Expected::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
pub(super) struct Expected {
    samples: usize,
    baselines: Baselines,
    seed: u64,
}

impl Expected {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingError> {
        let Count(samples) = DRAWS.of(settings)?;
        Ok(Self {
            samples,
            baselines: BASELINES.of(settings)?,
            seed: SEED.of(settings)?,
        })
    }

    /// For each sample the baseline and the point between it (0) and the picture (1).
    fn drawn(&self) -> Vec<(usize, f64)> {
        let mut baselines = Stream::new("expected-gradients baseline", self.seed);
        let places = Stream::new("expected-gradients place", self.seed).uniform(self.samples);
        let count = self.baselines.0.len();
        let places = places.into_iter();
        places
            .map(|place| (baselines.below(count), f64::from(place)))
            .collect()
    }
}

impl Attributor for Expected {
    fn title(&self) -> String {
        "expected gradients".into()
    }

    fn quantity(&self) -> &'static str {
        "share of the rise"
    }

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("samples".into(), self.samples.into());
        parameters.insert("baseline".into(), self.baselines.to_string().into());
        parameters.insert("seed".into(), self.seed.into());
        parameters
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let baseline_inputs = BaselineInputs::new(subject, &self.baselines, self.seed)?;
        let drawn = self.drawn();
        Ok(Prepared {
            attribute: Box::new(move |request, each| {
                walk(subject, &baseline_inputs, &drawn, request, each)
            }),
            warnings: Vec::new(),
        })
    }
}

fn walk(
    subject: &Subject,
    baseline_inputs: &BaselineInputs,
    drawn: &[(usize, f64)],
    request: &AttributionRequest,
    each: &mut OnAttribution,
) -> Result<(), Error> {
    let graph = subject.network().folded();
    let ask = GradientRequest {
        target: request.target,
        score: request.score,
        composite: &TRUE_GRADIENT,
        graph,
        nodes: &[graph.input()],
    };
    request
        .inputs
        .one_by_one(subject, &mut |index, picture, is_own| {
            let baseline = |sample: usize| baseline_inputs.pictures[drawn[sample].0].data();
            let point = |sample: usize| between(baseline(sample), picture, drawn[sample].1);
            let mut sums = vec![0.0; picture.len()];
            subject.gradients_of(drawn.len(), &point, &ask, &mut |sample, answer| {
                let ways = picture.iter().zip(baseline(sample));
                let gradient = answer.gradients[0].data();
                for (sum, ((&x, &b), &g)) in sums.iter_mut().zip(ways.zip(gradient)) {
                    *sum += f64::from(x - b) * f64::from(g) / drawn.len() as f64;
                }
                if is_own {
                    subject.progress(sample + 1, drawn.len());
                }
                Ok(())
            })?;
            let mut found = InputAttribution::new(&sums);
            if is_own {
                let indices = drawn.iter().map(|&(baseline, _)| baseline);
                let at_baseline = baseline_inputs.score(subject, request, indices)?;
                let helps = Some("take more `samples`");
                found = completeness(subject, request, (found, at_baseline), helps)?;
            }
            each(index, found)
        })
}

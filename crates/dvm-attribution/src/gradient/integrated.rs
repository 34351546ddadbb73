//! Integrated gradients.

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::Count;
use dvm_options::Takes;
use serde_json::{Map, Value};

use super::attributor::{
    AttributionRequest, Attributor, AttributorMethod, BASELINE, BaselineInputs, InputAttribution,
    OnAttribution, Prepared, completeness,
};
use super::quadrature::gauss_legendre;
use super::{CHANNELS, Shared};
use crate::options::{SCORE, SEED};
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Baselines, Error, OptionSpec, SettingError, Settings, Subject};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::Text("N"),
    default: "50",
    help: "number of points between the baseline and the picture at which the gradient is computed \
           (Gauss-Legendre quadrature)",
};

/// The mean gradient along a straight path from a baseline, times the difference.
pub const INTEGRATED_GRADIENTS: MethodEntry = MethodEntry {
    name: "integrated-gradients",
    title: "integrated gradients",
    summary: "each value's contribution to the rise of the score from a baseline to the picture: \
              the mean gradient along the straight path, times the difference",
    reference: Reference {
        authors: "Sundararajan, Taly, Yan",
        year: 2017,
        title: "Axiomatic Attribution for Deep Networks",
        published: Published::Arxiv("1703.01365"),
    },
    family: Family::Gradient,
    cost: "`steps` passes forward and back for each baseline",
    networks: "all",
    options: &[CHANNELS, SCORE, STEPS, BASELINE, SEED],
    presets: &[],
    build: |settings| {
        Ok(Box::new(AttributorMethod {
            attributor: Integrated::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
pub(super) struct Integrated {
    steps: usize,
    baselines: Baselines,
    /// Seed of the baseline `noise`.
    seed: u64,
}

impl Integrated {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingError> {
        let Count(steps) = STEPS.of(settings)?;
        if steps > MOST_STEPS {
            return Err(STEPS.refuse(steps, format!("it must be at most {MOST_STEPS}")));
        }
        Ok(Self {
            steps,
            baselines: BASELINE.of(settings)?,
            seed: SEED.of(settings)?,
        })
    }
}

/// Computing more quadrature points would take longer than running the network.
const MOST_STEPS: usize = 100_000;

impl Attributor for Integrated {
    fn title(&self) -> String {
        "integrated gradients".into()
    }

    fn quantity(&self) -> &'static str {
        "share of the rise"
    }

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("steps".into(), self.steps.into());
        parameters.insert("baseline".into(), self.baselines.to_string().into());
        parameters.insert("seed".into(), self.seed.into());
        parameters
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let baseline_inputs = BaselineInputs::new(subject, &self.baselines, self.seed)?;
        let places = gauss_legendre(self.steps);
        Ok(Prepared {
            attribute: Box::new(move |request, each| {
                walk(subject, &baseline_inputs, &places, request, each)
            }),
            warnings: Vec::new(),
        })
    }
}

fn walk(
    subject: &Subject,
    baseline_inputs: &BaselineInputs,
    places: &[(f64, f64)],
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
    let baselines = &baseline_inputs.pictures;
    let count = baselines.len() * places.len();
    request
        .inputs
        .one_by_one(subject, &mut |index, picture, is_own| {
            let point = |at: usize| {
                let baseline = baselines[at / places.len()].data();
                between(baseline, picture, places[at % places.len()].0)
            };
            let mut sums = vec![0.0; picture.len()];
            subject.gradients_of(count, &point, &ask, &mut |at, answer| {
                let baseline = baselines[at / places.len()].data();
                let weight = places[at % places.len()].1 / baselines.len() as f64;
                let ways = picture.iter().zip(baseline);
                let gradient = answer.gradients[0].data();
                for (sum, ((&x, &b), &g)) in sums.iter_mut().zip(ways.zip(gradient)) {
                    *sum += weight * f64::from(x - b) * f64::from(g);
                }
                if is_own {
                    subject.progress(at + 1, count);
                }
                Ok(())
            })?;
            let mut found = InputAttribution::new(&sums);
            if is_own {
                let at_baseline = baseline_inputs.score(subject, request, 0..baselines.len())?;
                let helps = Some("take more `steps`");
                found = completeness(subject, request, (found, at_baseline), helps)?;
            }
            each(index, found)
        })
}

/// The point between the baseline (`place` 0) and the picture (1).
pub(super) fn between(baseline: &[f32], picture: &[f32], place: f64) -> Vec<f32> {
    let values = baseline.iter().zip(picture);
    values
        .map(|(&b, &x)| (f64::from(b) + place * (f64::from(x) - f64::from(b))) as f32)
        .collect()
}

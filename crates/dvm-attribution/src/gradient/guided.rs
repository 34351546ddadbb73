//! Guided integrated gradients.

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::{Count, Share, Takes};
use serde_json::{Map, Value};

use super::attributor::{
    AttributionRequest, Attributor, AttributorMethod, BASELINE, BaselineInputs, InputAttribution,
    OnAttribution, Prepared, completeness,
};
use super::guided_path::Path;
use super::{CHANNELS, Shared};
use crate::options::{SCORE, SEED};
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Baselines, Error, OptionSpec, SettingError, Settings, Subject};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::Text("N"),
    default: "200",
    help: "number of steps from the baseline to the picture, each with its own gradient",
};

const FRACTION: OptionSpec = OptionSpec {
    name: "fraction",
    takes: Takes::Text("X"),
    default: "0.25",
    help: "share of all values that move in a step: those with the smallest gradients",
};

const DISTANCE: OptionSpec = OptionSpec {
    name: "distance",
    takes: Takes::Text("X"),
    default: "0.02",
    help: "largest distance of a value from the straight path, as a share of the path: 0 is \
           integrated gradients, 1 lets the values move in any order",
};

/// Integrated gradients along a path on which values with small gradients move first.
pub const GUIDED_IG: MethodEntry = MethodEntry {
    name: "guided-ig",
    title: "Guided IG",
    summary: "integrated gradients along a path on which values with small gradients move first, \
              which avoids regions with large, noisy gradients",
    reference: Reference {
        authors: "Kapishnikov, Venugopalan, Avci, Wedin, Terry, Bolukbasi",
        year: 2021,
        title: "Guided Integrated Gradients: An Adaptive Path Method for Removing Noise",
        published: Published::Arxiv("2106.09788"),
    },
    family: Family::Gradient,
    cost: "`steps` passes forward and back, one after the other, for each baseline",
    networks: "all",
    options: &[CHANNELS, SCORE, STEPS, FRACTION, DISTANCE, BASELINE, SEED],
    presets: &[],
    build: |settings| {
        Ok(Box::new(AttributorMethod {
            attributor: Guided::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
pub(super) struct Guided {
    path: Path,
    baselines: Baselines,
    /// Seed of the baseline `noise`.
    seed: u64,
}

impl Guided {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingError> {
        let Count(steps) = STEPS.of(settings)?;
        let (Share(fraction), Share(distance)) = (FRACTION.of(settings)?, DISTANCE.of(settings)?);
        Ok(Self {
            path: Path {
                steps,
                fraction,
                distance,
            },
            baselines: BASELINE.of(settings)?,
            seed: SEED.of(settings)?,
        })
    }
}

impl Attributor for Guided {
    fn title(&self) -> String {
        "Guided IG".into()
    }

    fn quantity(&self) -> &'static str {
        "share of the rise"
    }

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("steps".into(), self.path.steps.into());
        parameters.insert("fraction".into(), self.path.fraction.into());
        parameters.insert("distance".into(), self.path.distance.into());
        parameters.insert("baseline".into(), self.baselines.to_string().into());
        parameters.insert("seed".into(), self.seed.into());
        parameters
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let baseline_inputs = BaselineInputs::new(subject, &self.baselines, self.seed)?;
        Ok(Prepared {
            attribute: Box::new(move |request, each| {
                self.walk(subject, &baseline_inputs, request, each)
            }),
            warnings: Vec::new(),
        })
    }
}

impl Guided {
    fn walk(
        &self,
        subject: &Subject,
        baseline_inputs: &BaselineInputs,
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
        let in_f64 = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
        let count = baseline_inputs.pictures.len();
        let all = count * self.path.steps;
        request
            .inputs
            .one_by_one(subject, &mut |index, picture, is_own| {
                let picture = in_f64(picture);
                let mut sums = vec![0.0; picture.len()];
                let mut done = 0;
                for baseline in &baseline_inputs.pictures {
                    let gradient = |at: &[f64]| {
                        let point = |_| at.iter().map(|&value| value as f32).collect();
                        let mut found = Vec::new();
                        subject.gradients_of(1, &point, &ask, &mut |_, answer| {
                            found = answer.gradients[0].data().to_vec();
                            Ok(())
                        })?;
                        done += 1;
                        if is_own {
                            subject.progress(done, all);
                        }
                        Ok::<_, Error>(found)
                    };
                    let own = self
                        .path
                        .walk(&picture, &in_f64(baseline.data()), gradient)?;
                    for (sum, own) in sums.iter_mut().zip(own) {
                        *sum += own / count as f64;
                    }
                }
                let mut found = InputAttribution::new(&sums);
                if is_own {
                    let at_baseline = baseline_inputs.score(subject, request, 0..count)?;
                    let helps = Some("take more `steps`");
                    found = completeness(subject, request, (found, at_baseline), helps)?;
                }
                each(index, found)
            })
    }
}

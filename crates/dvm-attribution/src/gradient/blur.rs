//! Blur integrated gradients.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::Count;
use dvm_options::Takes;
use serde_json::{Map, Value};

use super::attributor::{
    AttributionRequest, Attributor, AttributorMethod, InputAttribution, OnAttribution, Prepared,
    completeness, outputs, score,
};
use super::gaussian::blurred;
use super::{CHANNELS, Shared};
use crate::options::SCORE;
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, OptionSpec, SettingError, Settings, Subject};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::Text("N"),
    default: "100",
    help: "number of blurred pictures at which the gradient is computed",
};

const SIGMA: OptionSpec = OptionSpec {
    name: "sigma",
    takes: Takes::Text("X"),
    default: "50",
    help: "standard deviation of the strongest blur, in pixels of the network's input",
};

/// The slope along the path is the difference of two blurs at this distance (as in PAIR saliency).
const APART: f64 = 0.01;

/// Integrated gradients along a path from blurred to sharp.
pub const BLUR_IG: MethodEntry = MethodEntry {
    name: "blur-ig",
    title: "Blur IG",
    summary: "integrated gradients along a path from the blurred to the sharp picture; needs no \
              baseline, and shows features at all scales",
    reference: Reference {
        authors: "Xu, Venugopalan, Sundararajan",
        year: 2020,
        title: "Attribution in Scale and Space",
        published: Published::Arxiv("2004.03383"),
    },
    family: Family::Gradient,
    cost: "`steps` passes forward and back",
    networks: "all",
    options: &[CHANNELS, SCORE, STEPS, SIGMA],
    presets: &[],
    build: |settings| {
        Ok(Box::new(AttributorMethod {
            attributor: Blurring::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
pub(super) struct Blurring {
    steps: usize,
    sigma: f64,
}

impl Blurring {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingError> {
        let Count(steps) = STEPS.of(settings)?;
        let sigma: f64 = SIGMA.of(settings)?;
        if !(sigma > 0.0 && sigma <= 10_000.0) {
            return Err(SIGMA.refuse(sigma, "it must be greater than 0 and at most 10000"));
        }
        Ok(Self { steps, sigma })
    }
}

impl Attributor for Blurring {
    fn title(&self) -> String {
        "Blur IG".into()
    }

    fn quantity(&self) -> &'static str {
        "share of the rise"
    }

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("steps".into(), self.steps.into());
        parameters.insert("sigma".into(), self.sigma.into());
        parameters
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        Ok(Prepared {
            attribute: Box::new(move |request, each| self.walk(subject, request, each)),
            warnings: Vec::new(),
        })
    }
}

impl Blurring {
    fn walk(
        &self,
        subject: &Subject,
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
        let [_, channels, _, width] = subject.shape();
        let step = self.sigma / self.steps as f64;
        request
            .inputs
            .one_by_one(subject, &mut |index, picture, is_own| {
                let picture: Vec<f64> = picture.iter().map(|&x| f64::from(x)).collect();
                let at = |sigma: f64| blurred(&picture, (width, channels), sigma);
                // The slope of the picture at the steps of the current batch.
                let slopes = Mutex::new(BTreeMap::new());
                let point = |index: usize| -> Vec<f32> {
                    let sigma = index as f64 * step;
                    let (here, there) = (at(sigma), at(sigma + APART));
                    let pairs = there.iter().zip(&here);
                    let slope: Vec<f64> =
                        pairs.map(|(there, here)| (there - here) / APART).collect();
                    let mut slopes = slopes.lock().unwrap_or_else(PoisonError::into_inner);
                    slopes.insert(index, slope);
                    here.into_iter().map(|value| value as f32).collect()
                };
                let mut sums = vec![0.0; picture.len()];
                subject.gradients_of(self.steps, &point, &ask, &mut |index, answer| {
                    let mut slopes = slopes.lock().unwrap_or_else(PoisonError::into_inner);
                    let slope = slopes
                        .remove(&index)
                        .expect("it was found with the picture");
                    let gradient = answer.gradients[0].data();
                    for (sum, (slope, &g)) in sums.iter_mut().zip(slope.into_iter().zip(gradient)) {
                        // The path goes from the blurred picture to the sharp one, opposite to the slope.
                        *sum -= step * slope * f64::from(g);
                    }
                    if is_own {
                        subject.progress(index + 1, self.steps);
                    }
                    Ok(())
                })?;
                let mut found = InputAttribution::new(&sums);
                if is_own {
                    let blurriest = |_| {
                        at(self.sigma)
                            .into_iter()
                            .map(|value| value as f32)
                            .collect()
                    };
                    let numbers = outputs(subject, 1, &blurriest)?;
                    let at_baseline = score(subject, request, &numbers[0])?;
                    let helps = Some("take more `steps`");
                    found = completeness(subject, request, (found, at_baseline), helps)?;
                }
                each(index, found)
            })
    }
}

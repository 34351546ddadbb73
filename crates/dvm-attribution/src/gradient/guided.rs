//! Guided integrated gradients.

use dvm_options::Takes;

use super::CHANNELS;
use super::attributor::{
    AttributionRequest, Attributor, BASELINE, BaselineInputs, Prepared, SeededBaselines, method,
};
use super::guided_path::Path;
use crate::options::{SCORE, SEED};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, OptionReader, OptionSpec, SettingError, Subject};

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
    build: |options| method(Guided::new(options)?, options),
};

/// The method with its settings.
pub(super) struct Guided {
    path: Path,
    baselines: SeededBaselines,
}

impl Guided {
    pub(super) fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            path: Path {
                steps: options.count(&STEPS)?,
                fraction: options.share(&FRACTION)?,
                distance: options.share(&DISTANCE)?,
            },
            baselines: SeededBaselines::new(&BASELINE, options)?,
        })
    }
}

impl Attributor for Guided {
    fn title(&self) -> String {
        "Guided IG".into()
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let baselines = BaselineInputs::new(subject, &self.baselines)?;
        let explain = move |request: &AttributionRequest, picture: &[f32], is_own: bool| {
            self.explain(subject, &baselines, request, (picture, is_own))
        };
        Ok(Prepared::adding_up(
            subject,
            Some("take more `steps`"),
            explain,
        ))
    }
}

impl Guided {
    fn explain(
        &self,
        subject: &Subject,
        baselines: &BaselineInputs,
        request: &AttributionRequest,
        (picture, is_own): (&[f32], bool),
    ) -> Result<(Vec<f64>, f64), Error> {
        let ask = request.true_gradient(subject);
        let in_f64 = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
        let count = baselines.pictures.len();
        let picture = in_f64(picture);
        let mut sums = vec![0.0; picture.len()];
        let mut done = 0;
        for baseline in &baselines.pictures {
            let gradient = |at: &[f64]| {
                let point = |_| at.iter().map(|&value| value as f32).collect();
                let mut found = Vec::new();
                subject.gradients_of(1, &point, &ask, &mut |_, answer| {
                    found = answer.gradients[0].data().to_vec();
                    Ok(())
                })?;
                done += 1;
                if is_own {
                    subject.progress(done, count * self.path.steps);
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
        Ok((sums, baselines.score(subject, request, 0..count)?))
    }
}

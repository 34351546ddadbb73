//! Guided integrated gradients.

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::{Count, Share, Takes};
use serde_json::{Map, Value};

use super::attributor::{
    Attributor, BASELINE, Begun, Each, Found, Question, Shown, Started, completeness,
};
use super::guided_path::Path;
use super::{CHANNELS, Shared};
use crate::options::{SCORE, SEED};
use crate::probe::Ask;
use crate::registry::{Entry, Family, Published, Reference};
use crate::{Baselines, Error, OptionSpec, SettingError, Settings, Subject};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::Text("N"),
    default: "200",
    help: "how many steps the way from the baseline to the picture has, each with a gradient of its own",
};

const FRACTION: OptionSpec = OptionSpec {
    name: "fraction",
    takes: Takes::Text("X"),
    default: "0.25",
    help: "the part of all values that moves at once: those with the smallest gradients",
};

const DISTANCE: OptionSpec = OptionSpec {
    name: "distance",
    takes: Takes::Text("X"),
    default: "0.02",
    help: "how far a value may be ahead of the straight way or behind it, in parts of the way: 0 is \
           integrated gradients, 1 lets every value move when it wants",
};

/// Integrated gradients along a way on which values with small gradients move first.
pub const GUIDED_IG: Entry = Entry {
    name: "guided-ig",
    title: "Guided IG",
    summary: "integrated gradients along a way that keeps out of places where the network's gradient is \
              large for other reasons: values with small gradients move first",
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
        Ok(Box::new(Shown {
            attributor: Guided::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
pub(super) struct Guided {
    path: Path,
    baselines: Baselines,
    /// Of the baseline `noise`.
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

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Begun<'a>, Error> {
        let started = Started::new(subject, &self.baselines, self.seed)?;
        Ok(Begun {
            ask: Box::new(move |question, each| self.walk(subject, &started, question, each)),
            warnings: Vec::new(),
        })
    }
}

impl Guided {
    fn walk(
        &self,
        subject: &Subject,
        started: &Started,
        question: &Question,
        each: &mut Each,
    ) -> Result<(), Error> {
        let graph = subject.network().folded();
        let ask = Ask {
            target: question.target,
            score: question.score,
            composite: &TRUE_GRADIENT,
            graph,
            nodes: &[graph.input()],
        };
        let in_f64 = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
        let count = started.pictures.len();
        let all = count * self.path.steps;
        question
            .pictures
            .one_by_one(subject, &mut |index, picture, is_own| {
                let picture = in_f64(picture);
                let mut sums = vec![0.0; picture.len()];
                let mut done = 0;
                for baseline in &started.pictures {
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
                let mut found = Found::new(&sums);
                if is_own {
                    let at_baseline = started.score(subject, question, 0..count)?;
                    let helps = Some("take more `steps`");
                    found = completeness(subject, question, (found, at_baseline), helps)?;
                }
                each(index, found)
            })
    }
}

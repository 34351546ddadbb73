//! Integrated gradients.

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::Count;
use dvm_options::Takes;
use serde_json::{Map, Value};

use super::attributor::{
    Attributor, BASELINE, Begun, Each, Found, Question, Shown, Started, completeness,
};
use super::quadrature::gauss_legendre;
use super::{CHANNELS, Shared};
use crate::options::{SCORE, SEED};
use crate::probe::Ask;
use crate::registry::{Entry, Family, Published, Reference};
use crate::{Baselines, Error, OptionSpec, SettingError, Settings, Subject};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::Text("N"),
    default: "50",
    help: "places on the way from the baseline to the picture at which the gradient is taken \
           (Gauss-Legendre quadrature)",
};

/// The gradient averaged on the straight way from a baseline to the picture, times the way.
pub const INTEGRATED_GRADIENTS: Entry = Entry {
    name: "integrated-gradients",
    title: "integrated gradients",
    summary: "each value's share of what the score rises by from a baseline to the picture: its gradient \
              averaged along the straight way, times its way",
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
        Ok(Box::new(Shown {
            attributor: Integrated::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
pub(super) struct Integrated {
    steps: usize,
    baselines: Baselines,
    /// Of the baseline `noise`.
    seed: u64,
}

impl Integrated {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingError> {
        let Count(steps) = STEPS.of(settings)?;
        if steps > MOST_STEPS {
            return Err(STEPS.refuse(steps, format!("it is at most {MOST_STEPS}")));
        }
        Ok(Self {
            steps,
            baselines: BASELINE.of(settings)?,
            seed: SEED.of(settings)?,
        })
    }
}

/// Finding more places takes longer than walking the network.
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

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Begun<'a>, Error> {
        let started = Started::new(subject, &self.baselines, self.seed)?;
        let places = gauss_legendre(self.steps);
        Ok(Begun {
            ask: Box::new(move |question, each| walk(subject, &started, &places, question, each)),
            warnings: Vec::new(),
        })
    }
}

fn walk(
    subject: &Subject,
    started: &Started,
    places: &[(f64, f64)],
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
    let baselines = &started.pictures;
    let count = baselines.len() * places.len();
    question
        .pictures
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
            let mut found = Found::new(&sums);
            if is_own {
                let at_baseline = started.score(subject, question, 0..baselines.len())?;
                let helps = Some("take more `steps`");
                found = completeness(subject, question, (found, at_baseline), helps)?;
            }
            each(index, found)
        })
}

/// The picture at this place on the straight way from a baseline (0) to it (1).
pub(super) fn between(baseline: &[f32], picture: &[f32], place: f64) -> Vec<f32> {
    let values = baseline.iter().zip(picture);
    values
        .map(|(&b, &x)| (f64::from(b) + place * (f64::from(x) - f64::from(b))) as f32)
        .collect()
}

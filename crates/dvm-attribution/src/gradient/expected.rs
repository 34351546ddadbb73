//! Expected gradients, or GradientSHAP.

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::Count;
use serde_json::{Map, Value};

use super::attributor::{
    Attributor, BASELINE, Begun, Each, Found, Question, Shown, Started, completeness,
};
use super::integrated::between;
use super::{CHANNELS, Shared};
use crate::options::{SAMPLES, SCORE, SEED};
use crate::probe::Ask;
use crate::random::Stream;
use crate::registry::{Entry, Family, Published, Reference};
use crate::{Baselines, Error, OptionSpec, SettingError, Settings, Subject};

const BASELINES: OptionSpec = OptionSpec {
    default: "black,grey,white,blur,noise",
    help: "pictures that show nothing, separated by commas, of which one is drawn for every sample: zero \
           after normalisation, black, white, grey (127.5), the picture's mean colour, the picture \
           blurred, noise, colours, or picture files",
    ..BASELINE
};

const DRAWS: OptionSpec = OptionSpec {
    default: "50",
    help: "how many pairs of a baseline and a place on the way to it are drawn",
    ..SAMPLES
};

/// Integrated gradients over baselines and places that are drawn at random.
pub const EXPECTED_GRADIENTS: Entry = Entry {
    name: "expected-gradients",
    title: "expected gradients",
    summary: "integrated gradients averaged over many baselines: for each sample a baseline and a place on \
              the way to it are drawn (GradientSHAP)",
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
        Ok(Box::new(Shown {
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

    /// For each sample the baseline and the place on the way from it (0) to the picture (1).
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

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Begun<'a>, Error> {
        let started = Started::new(subject, &self.baselines, self.seed)?;
        let drawn = self.drawn();
        Ok(Begun {
            ask: Box::new(move |question, each| walk(subject, &started, &drawn, question, each)),
            warnings: Vec::new(),
        })
    }
}

fn walk(
    subject: &Subject,
    started: &Started,
    drawn: &[(usize, f64)],
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
    question
        .pictures
        .one_by_one(subject, &mut |index, picture, is_own| {
            let baseline = |sample: usize| started.pictures[drawn[sample].0].data();
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
            let mut found = Found::new(&sums);
            if is_own {
                let indices = drawn.iter().map(|&(baseline, _)| baseline);
                let at_baseline = started.score(subject, question, indices)?;
                let helps = Some("take more `samples`");
                found = completeness(subject, question, (found, at_baseline), helps)?;
            }
            each(index, found)
        })
}

//! DeepLIFT by the rescale rule; with several baselines, DeepSHAP.

mod reference;
mod rescale;

use std::sync::Arc;

use dvm_engine::rules::{Composite, Where};
use dvm_engine::{Graph, Tensor};
use serde_json::{Map, Value};

use self::reference::Reference;
use self::rescale::{Kind, Rescale, is_nonlinear, kind};
use super::attributor::{Attributor, BASELINE, Begun, Each, Found, Question, Shown, completeness};
use super::quadrature::gauss_legendre;
use super::{CHANNELS, Shared};
use crate::options::{SCORE, SEED};
use crate::probe::Ask;
use crate::registry::{Entry, Family, Published, Reference as Paper};
use crate::{Baselines, Error, SettingError, Settings, Subject};

/// Differences from a baseline, handed back through the network.
pub const DEEPLIFT: Entry = Entry {
    name: "deeplift",
    title: "DeepLIFT",
    summary: "each value's share of what the score rises by from a baseline to the picture, by differences \
              that are handed back layer by layer (rescale rule; several baselines: DeepSHAP)",
    reference: Paper {
        authors: "Shrikumar, Greenside, Kundaje",
        year: 2017,
        title: "Learning Important Features Through Propagating Activation Differences",
        published: Published::Arxiv("1704.02685"),
    },
    family: Family::Gradient,
    cost: "1 pass forward, and 1 forward and 1 back for each baseline",
    networks: "all; products, softmax, normalisation of layers and attention by a rule of their own, with a \
               warning",
    options: &[CHANNELS, SCORE, BASELINE, SEED],
    presets: &[],
    build: |settings| {
        Ok(Box::new(Shown {
            attributor: DeepLift::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
pub(super) struct DeepLift {
    baselines: Baselines,
    /// Of the baseline `noise`.
    seed: u64,
}

impl DeepLift {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            baselines: BASELINE.of(settings)?,
            seed: SEED.of(settings)?,
        })
    }
}

impl Attributor for DeepLift {
    fn title(&self) -> String {
        match self.baselines.0.len() {
            1 => "DeepLIFT".into(),
            _ => "DeepSHAP".into(),
        }
    }

    fn quantity(&self) -> &'static str {
        "share of the rise"
    }

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("rule".into(), "rescale".into());
        parameters.insert("baseline".into(), self.baselines.to_string().into());
        parameters.insert("seed".into(), self.seed.into());
        parameters
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Begun<'a>, Error> {
        let pictures = self.baselines.0.iter();
        let pictures = pictures.map(|baseline| baseline.of_whole(subject, self.seed));
        let pictures: Vec<Tensor> = pictures.collect::<Result<_, _>>()?;
        let warnings = warnings(subject.network().folded());
        Ok(Begun {
            ask: Box::new(move |question, each| walk(subject, &pictures, question, each)),
            warnings,
        })
    }
}

fn walk(
    subject: &Subject,
    baselines: &[Tensor],
    question: &Question,
    each: &mut Each,
) -> Result<(), Error> {
    let graph = subject.network().folded();
    // The walk back of the picture itself comes first.
    let allowed = subject.memory() / size_of::<f32>();
    let taken = subject.segments(graph)?.values();
    let allowed = allowed.saturating_sub(taken).max(allowed / 4);
    question
        .pictures
        .one_by_one(subject, &mut |index, picture, is_own| {
            let mut sums = vec![0.0; picture.len()];
            let mut at_baseline = 0.0;
            for (done, baseline) in baselines.iter().enumerate() {
                let (reference, numbers) = Reference::new(graph, baseline.clone(), allowed)?;
                let rule = Rescale::new(graph, Arc::new(reference));
                let composite =
                    Composite::new().with(Where::Chosen("nonlinear nodes", is_nonlinear), rule);
                let ask = Ask {
                    target: question.target,
                    score: question.score,
                    composite: &composite,
                    graph,
                    nodes: &[graph.input()],
                };
                let other =
                    (!is_own).then(|| Tensor::from_stored(&subject.shape(), picture.to_vec()));
                let slopes = |own: &[f32]| multipliers_of_score(subject, question, &numbers, own);
                let answer = subject.gradients_from(other.as_ref(), &ask, &slopes)?;
                let ways = picture.iter().zip(baseline.data());
                let multipliers = answer.gradients[0].data();
                for (sum, ((&x, &b), &m)) in sums.iter_mut().zip(ways.zip(multipliers)) {
                    *sum += f64::from(x - b) * f64::from(m) / baselines.len() as f64;
                }
                let score = question
                    .target
                    .score(question.score, subject.output(), &numbers)?;
                at_baseline += f64::from(score) / baselines.len() as f64;
                if is_own {
                    subject.progress(done + 1, baselines.len());
                }
            }
            let mut found = Found::new(&sums);
            if is_own {
                found = completeness(subject, question, (found, at_baseline), None)?;
            }
            each(index, found)
        })
}

/// Places on the line at which the slopes of the score are averaged.
const PLACES: usize = 64;

/// What stands for the slopes of the score with respect to the network's numbers: the score is a function
/// of several values, too. They are averaged along the line from the baseline's numbers to the picture's,
/// and what the quadrature leaves is made up for, so that they account for the whole rise.
fn multipliers_of_score(
    subject: &Subject,
    question: &Question,
    baseline: &[f32],
    own: &[f32],
) -> Result<Vec<f32>, Error> {
    let Question { target, score, .. } = question;
    let output = subject.output();
    let mut sums = vec![0.0; own.len()];
    for (place, weight) in gauss_legendre(PLACES) {
        let between = baseline.iter().zip(own);
        let between: Vec<f32> = between
            .map(|(&b, &x)| (f64::from(b) + place * (f64::from(x) - f64::from(b))) as f32)
            .collect();
        for (sum, slope) in sums
            .iter_mut()
            .zip(target.slopes(*score, output, &between)?)
        {
            *sum += weight * f64::from(slope);
        }
    }
    let value = |numbers| target.score(*score, output, numbers).map(f64::from);
    let rise = value(own)? - value(baseline)?;
    let ways = own
        .iter()
        .zip(baseline)
        .map(|(&x, &b)| f64::from(x) - f64::from(b));
    let parts: Vec<f64> = ways.zip(&sums).map(|(way, sum)| way * sum).collect();
    let (found, size) = (
        parts.iter().sum::<f64>(),
        parts.iter().map(|p| p.abs()).sum::<f64>(),
    );
    // Where parts cancel, the quotient would be rounding.
    let factor = if found.abs() > 1e-3 * size {
        rise / found
    } else {
        1.0
    };
    Ok(sums.into_iter().map(|sum| (sum * factor) as f32).collect())
}

/// What must be said where the network has more than the paper's rule is about.
fn warnings(graph: &Graph) -> Vec<String> {
    let mut kinds: Vec<&str> = Vec::new();
    for id in graph.ids() {
        let name = graph.node(id).op.kind();
        if kind(graph, id) == Some(Kind::Line) && !kinds.contains(&name) {
            kinds.push(name);
        }
    }
    if kinds.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "the paper has no rule for {}: its gradient is averaged along the line from the baseline's values to \
         the picture's, so that all shares add up (for a function of one value that is the rescale rule); \
         Captum takes the gradient at the picture there, and its shares do not add up",
        kinds.join(", ")
    )]
}

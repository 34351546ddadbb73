//! DeepLIFT by the rescale rule; with several baselines, DeepSHAP.

mod reference;
mod rescale;

use std::sync::Arc;

use dvm_engine::rules::{Composite, Where};
use dvm_engine::{Graph, Tensor};

use self::reference::Reference;
use self::rescale::{Kind, Rescale, is_nonlinear, kind};
use super::CHANNELS;
use super::attributor::{
    AttributionRequest, Attributor, BASELINE, Prepared, SeededBaselines, method, score,
};
use super::quadrature::gauss_legendre;
use crate::options::{SCORE, SEED};
use crate::registry::{Family, MethodEntry, Published, Reference as Paper};
use crate::{Error, OptionReader, SettingError, Subject};

/// Differences from a baseline, propagated back through the network.
pub const DEEPLIFT: MethodEntry = MethodEntry {
    name: "deeplift",
    title: "DeepLIFT",
    summary: "each value's contribution to the rise of the score from a baseline to the picture: differences of \
              activations, propagated back layer by layer (rescale rule; DeepSHAP with several baselines)",
    reference: Paper {
        authors: "Shrikumar, Greenside, Kundaje",
        year: 2017,
        title: "Learning Important Features Through Propagating Activation Differences",
        published: Published::Arxiv("1704.02685"),
    },
    family: Family::Gradient,
    cost: "1 pass forward, and 1 forward and 1 back for each baseline",
    networks: "all; with a warning for products, softmax, layer norms and attention, which the \
               paper has no rule for",
    options: &[CHANNELS, SCORE, BASELINE, SEED],
    presets: &[],
    build: |options| method(DeepLift::new(options)?, options),
};

/// The method with its settings.
pub(super) struct DeepLift {
    baselines: SeededBaselines,
}

impl DeepLift {
    pub(super) fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        options.note("rule", "rescale");
        Ok(Self {
            baselines: SeededBaselines::new(&BASELINE, options)?,
        })
    }
}

impl Attributor for DeepLift {
    fn title(&self) -> String {
        match self.baselines.count() {
            1 => "DeepLIFT".into(),
            _ => "DeepSHAP".into(),
        }
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let baselines = self.baselines.of_whole(subject)?;
        let explain = move |request: &AttributionRequest, picture: &[f32], is_own: bool| {
            explain(subject, &baselines, request, (picture, is_own))
        };
        Ok(Prepared {
            warnings: warnings(subject.network().folded()),
            ..Prepared::adding_up(subject, None, explain)
        })
    }
}

/// The values of a picture, and the mean score of the baselines.
fn explain(
    subject: &Subject,
    baselines: &[Tensor],
    request: &AttributionRequest,
    (picture, is_own): (&[f32], bool),
) -> Result<(Vec<f64>, f64), Error> {
    let graph = subject.network().folded();
    // The backward pass of the picture takes its memory first.
    let allowed = subject.memory() / size_of::<f32>();
    let taken = subject.segments(graph)?.values();
    let allowed = allowed.saturating_sub(taken).max(allowed / 4);
    let mut sums = vec![0.0; picture.len()];
    let mut at_baseline = 0.0;
    for (done, baseline) in baselines.iter().enumerate() {
        let (reference, numbers) = Reference::new(graph, baseline.clone(), allowed)?;
        let rule = Rescale::new(graph, Arc::new(reference));
        let composite = Composite::new().with(Where::Chosen("nonlinear nodes", is_nonlinear), rule);
        let ask = request.gradient(subject, &composite);
        let other = (!is_own).then(|| Tensor::from_stored(&subject.shape(), picture.to_vec()));
        let slopes = |own: &[f32]| multipliers_of_score(subject, request, &numbers, own);
        let answer = subject.gradients_from(other.as_ref(), &ask, &slopes)?;
        let ways = picture.iter().zip(baseline.data());
        let multipliers = answer.gradients[0].data();
        for (sum, ((&x, &b), &m)) in sums.iter_mut().zip(ways.zip(multipliers)) {
            *sum += f64::from(x - b) * f64::from(m) / baselines.len() as f64;
        }
        at_baseline += score(subject, request, &numbers)? / baselines.len() as f64;
        if is_own {
            subject.progress(done + 1, baselines.len());
        }
    }
    Ok((sums, at_baseline))
}

/// Points on the line at which the gradient of the score is averaged.
const PLACES: usize = 64;

/// The multipliers that replace the gradient of the score with respect to the network's outputs, because the score
/// can be a function of several outputs. The gradient is averaged along the line from the baseline's outputs to the
/// picture's, then scaled so that the multipliers account for the whole rise.
fn multipliers_of_score(
    subject: &Subject,
    request: &AttributionRequest,
    baseline: &[f32],
    own: &[f32],
) -> Result<Vec<f32>, Error> {
    let AttributionRequest { target, score, .. } = request;
    let output = subject.output();
    let mut sums = vec![0.0; own.len()];
    for (place, weight) in gauss_legendre(PLACES) {
        let between = baseline.iter().zip(own);
        let between: Vec<f32> = between
            .map(|(&b, &x)| (f64::from(b) + place * (f64::from(x) - f64::from(b))) as f32)
            .collect();
        for (sum, slope) in sums
            .iter_mut()
            .zip(target.output_gradient(*score, output, &between)?)
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
    // If parts cancel, the quotient would be rounding only.
    let factor = if found.abs() > 1e-3 * size {
        rise / found
    } else {
        1.0
    };
    Ok(sums.into_iter().map(|sum| (sum * factor) as f32).collect())
}

/// Warnings for networks with ops that the paper has no rule for.
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
        "the paper has no rule for {}: dvm averages its gradient along the line from the baseline's values to the \
         picture's, so that the values add up to the rise of the score (for a function of one value this is the \
         rescale rule); Captum uses the gradient at the picture there, and its values do not add up",
        kinds.join(", ")
    )]
}

//! The common part of gradient methods that can be averaged: one value for every value of any input.

use dvm_engine::Tensor;
use dvm_engine::rules::{Composite, TRUE_GRADIENT};
use dvm_options::{OptionSpec, Takes};

use super::Shared;
use crate::options::{self, SEED};
use crate::probe::GradientRequest;
use crate::{
    Baselines, Check, Error, Method, Observation, OptionReader, Score, SettingError, Subject,
    Target, Walks,
};

/// A method that gives one value for every value of an input.
pub(super) trait Attributor: Send + Sync {
    /// The title of the map.
    fn title(&self) -> String;

    /// What the values are.
    fn quantity(&self) -> &'static str {
        "share of the rise"
    }

    /// Whether a single backward pass of the picture gives its attribution.
    fn is_one_pass(&self) -> bool {
        false
    }

    /// Prepares what all inputs and targets have in common.
    ///
    /// # Errors
    /// [`Error`] instead of wrong values.
    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error>;
}

/// An attributor with its subject.
pub(super) struct Prepared<'a> {
    /// Computes the attribution of each requested input, in order.
    pub(super) attribute: Box<AttributeInputs<'a>>,
    /// What a reader of the map must know.
    pub(super) warnings: Vec<String>,
}

impl<'a> Prepared<'a> {
    /// For values that add up to the rise of the score from a baseline to the input: `explain` returns the values of
    /// an input, and the score at the baseline. `helps` is the advice if they do not add up.
    pub(super) fn adding_up(
        subject: &'a Subject<'a>,
        helps: Option<&'static str>,
        explain: impl Fn(&AttributionRequest, &[f32], bool) -> Result<(Vec<f64>, f64), Error> + 'a,
    ) -> Self {
        let attribute = move |request: &AttributionRequest, each: &mut OnAttribution| {
            let inputs = request.inputs;
            inputs.one_by_one(subject, &mut |index, input, is_own| {
                let (sums, at_baseline) = explain(request, input, is_own)?;
                let mut found = InputAttribution::new(sums.iter().map(|&sum| sum as f32));
                if is_own {
                    found = completeness(subject, request, (found, at_baseline), helps)?;
                }
                each(index, found)
            })
        };
        Self {
            attribute: Box::new(attribute),
            warnings: Vec::new(),
        }
    }
}

/// Computes attributions input by input.
pub(super) type AttributeInputs<'a> =
    dyn Fn(&AttributionRequest, &mut OnAttribution) -> Result<(), Error> + 'a;

/// Called with the index of an input and its attribution.
pub(super) type OnAttribution<'e> = dyn FnMut(usize, InputAttribution) -> Result<(), Error> + 'e;

/// Called with the index of an input, its values, and whether it is the subject's own.
pub(super) type OnInput<'e> = dyn FnMut(usize, &[f32], bool) -> Result<(), Error> + 'e;

/// What to compute.
#[derive(Clone, Copy)]
pub(super) struct AttributionRequest<'q> {
    pub(super) target: &'q Target,
    pub(super) score: Score,
    pub(super) inputs: Inputs<'q>,
}

impl<'q> AttributionRequest<'q> {
    /// The gradient that is asked for, by these rules.
    pub(super) fn gradient(
        &self,
        subject: &Subject<'q>,
        composite: &'q Composite,
    ) -> GradientRequest<'q> {
        GradientRequest::of_picture(subject, self.target, self.score, composite)
    }

    /// The true gradient.
    pub(super) fn true_gradient(&self, subject: &Subject<'q>) -> GradientRequest<'q> {
        self.gradient(subject, &TRUE_GRADIENT)
    }
}

/// Which inputs are explained.
#[derive(Clone, Copy)]
pub(super) enum Inputs<'q> {
    /// The subject's picture.
    Own,
    /// `count` other inputs of the same size: `make` returns the values of each, stored `H, W, C`.
    Others {
        count: usize,
        make: &'q (dyn Fn(usize) -> Vec<f32> + Sync),
    },
}

/// The attribution of one input.
pub(super) struct InputAttribution {
    /// One value for each value of the input, stored `H, W, C`.
    pub(super) values: Vec<f32>,
    /// Checks of the result; only for the subject's picture.
    pub(super) checks: Vec<Check>,
    /// What a reader of the values must know.
    pub(super) warnings: Vec<String>,
}

impl InputAttribution {
    /// Values without checks and warnings.
    pub(super) fn new(values: impl Iterator<Item = f32>) -> Self {
        Self {
            values: values.collect(),
            checks: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Inputs<'_> {
    /// Calls `each` for every input.
    pub(super) fn one_by_one(self, subject: &Subject, each: &mut OnInput) -> Result<(), Error> {
        match self {
            Self::Own => each(0, subject.picture().data(), true),
            Self::Others { count, make } => {
                (0..count).try_for_each(|index| each(index, &make(index), false))
            }
        }
    }
}

/// The method that shows the attribution of the subject's picture.
struct AttributorMethod<A> {
    attributor: A,
    shared: Shared,
}

/// The method that shows what `attributor` finds for the picture.
pub(super) fn method(
    attributor: impl Attributor + 'static,
    options: &mut OptionReader,
) -> Result<Box<dyn Method>, SettingError> {
    Ok(Box::new(AttributorMethod {
        attributor,
        shared: Shared::new(options)?,
    }))
}

impl<A: Attributor> Method for AttributorMethod<A> {
    fn walks(&self) -> Walks {
        match self.attributor.is_one_pass() {
            true => Walks::BACKWARD,
            false => Walks::default(),
        }
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let Self { attributor, shared } = self;
        // Kept until all maps are made, so that all use one forward pass.
        let forward = match attributor.is_one_pass() {
            true => Some(subject.forward()?),
            false => None,
        };
        // Checks the network's output.
        subject.numbers()?;
        let Prepared {
            attribute,
            warnings,
        } = attributor.begin(subject)?;
        Ok(Box::new(move |target| {
            let _held = &forward;
            let request = AttributionRequest {
                target,
                score: shared.score,
                inputs: Inputs::Own,
            };
            let mut found = None;
            attribute(&request, &mut |_, values| {
                found = Some(values);
                Ok(())
            })?;
            let found = found.expect("an attributor handles every input");
            let values = Tensor::from_stored(&subject.shape(), found.values).to_nchw();
            let names = (&attributor.title()[..], attributor.quantity());
            let mut attribution = shared.attribution(subject, target, names, values)?;
            let before = warnings.iter().cloned().chain(found.warnings);
            attribution.warnings.splice(0..0, before);
            attribution.checks = found.checks;
            Ok(attribution)
        }))
    }
}

/// The start of the paths; the maps of several baselines are averaged.
pub(super) const BASELINE: OptionSpec = OptionSpec {
    takes: Takes::Text("zero|black|white|grey|mean|blur|noise|#RRGGBB|FILE[,…]"),
    help: "the input without information: zero (after normalisation), black, white, grey (127.5), mean (the \
           picture's mean colour), blur (the picture blurred), noise, a colour, a picture file, or a .npy file of \
           normalised values (float32 [C, H, W]); the maps of several, separated by commas, are averaged",
    ..options::BASELINE
};

/// Several baselines.
pub(super) struct SeededBaselines {
    pub(super) baselines: Baselines,
    /// Seed of the baseline `noise`.
    pub(super) seed: u64,
}

impl SeededBaselines {
    /// The baselines of `option`, with the option `seed`.
    pub(super) fn new(
        option: &OptionSpec,
        options: &mut OptionReader,
    ) -> Result<Self, SettingError> {
        Ok(Self {
            baselines: options.written(option)?,
            seed: options.plain(&SEED)?,
        })
    }

    /// The number of baselines.
    pub(super) fn count(&self) -> usize {
        self.baselines.0.len()
    }

    /// As inputs for the subject's picture.
    pub(super) fn of_whole(&self, subject: &Subject) -> Result<Vec<Tensor>, Error> {
        let all = self.baselines.0.iter();
        all.map(|baseline| baseline.of_whole(subject, self.seed))
            .collect()
    }
}

/// Baselines as inputs, and the network's outputs for them.
pub(super) struct BaselineInputs {
    /// Values stored `H, W, C`, one entry for each baseline.
    pub(super) pictures: Vec<Tensor>,
    /// The outputs `[K]` for each.
    pub(super) numbers: Vec<Vec<f32>>,
}

impl BaselineInputs {
    /// Baselines for the subject's picture.
    ///
    /// # Errors
    /// Those of reading a file, and of running the network.
    pub(super) fn new(subject: &Subject, baselines: &SeededBaselines) -> Result<Self, Error> {
        let pictures = baselines.of_whole(subject)?;
        let make = |index: usize| pictures[index].data().to_vec();
        let numbers = outputs(subject, pictures.len(), &make)?;
        Ok(Self { pictures, numbers })
    }

    /// The mean score of the target over the baselines with these indices.
    pub(super) fn score(
        &self,
        subject: &Subject,
        request: &AttributionRequest,
        indices: impl ExactSizeIterator<Item = usize>,
    ) -> Result<f64, Error> {
        let count = indices.len() as f64;
        let mut sum = 0.0;
        for index in indices {
            sum += score(subject, request, &self.numbers[index])?;
        }
        Ok(sum / count)
    }
}

/// The network's outputs for other inputs.
pub(super) fn outputs(
    subject: &Subject,
    count: usize,
    make: &(dyn Fn(usize) -> Vec<f32> + Sync),
) -> Result<Vec<Vec<f32>>, Error> {
    let mut numbers = Vec::with_capacity(count);
    let graph = subject.network().fused();
    subject.activations_of(count, make, (graph, &[]), &mut |_, reading| {
        numbers.push(reading.numbers);
        Ok(())
    })?;
    Ok(numbers)
}

/// The score that is explained, for these outputs.
pub(super) fn score(
    subject: &Subject,
    request: &AttributionRequest,
    numbers: &[f32],
) -> Result<f64, Error> {
    let score = request
        .target
        .score(request.score, subject.output(), numbers)?;
    Ok(score.into())
}

/// Adds the completeness check: the values should add up to the rise of the score from the baseline
/// to the picture. Warns if they are more than a twentieth off, with the advice `helps`.
pub(super) fn completeness(
    subject: &Subject,
    request: &AttributionRequest,
    (found, at_baseline): (InputAttribution, f64),
    helps: Option<&str>,
) -> Result<InputAttribution, Error> {
    let rise = score(subject, request, &subject.numbers()?)? - at_baseline;
    let sum: f64 = found.values.iter().map(|&value| f64::from(value)).sum();
    let gap = sum - rise;
    let mut found = found;
    found.checks.push(Check {
        name: "completeness gap",
        value: gap,
        meaning: format!(
            "the sum of all values minus the rise of the score from the baseline to the picture, \
             which is {rise:.6}; the closer to 0 the better"
        ),
    });
    if let (Some(helps), true) = (helps, gap.abs() > 0.05 * rise.abs()) {
        found.warnings.push(format!(
            "the values add up to {sum:.4}, but the score rises by {rise:.4} from the baseline to \
             the picture: {helps}"
        ));
    }
    Ok(found)
}

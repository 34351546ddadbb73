//! Expected gradients, or GradientSHAP.

use super::CHANNELS;
use super::attributor::{
    AttributionRequest, Attributor, BASELINE, BaselineInputs, Prepared, SeededBaselines, method,
};
use super::integrated::{Point, summed_along};
use crate::options::{SAMPLES, SCORE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, OptionReader, OptionSpec, SettingError, Subject};

const BASELINES: OptionSpec = OptionSpec {
    default: "black,grey,white,blur,noise",
    help: "baselines, separated by commas; one is drawn for every sample: zero (after \
           normalisation), black, white, grey (127.5), mean (the picture's mean colour), blur (the \
           picture blurred), noise, colours, or picture files",
    ..BASELINE
};

const DRAWS: OptionSpec = OptionSpec {
    default: "50",
    help: "number of random pairs of a baseline and a point between it and the picture",
    ..SAMPLES
};

/// Integrated gradients over random baselines and points.
pub const EXPECTED_GRADIENTS: MethodEntry = MethodEntry {
    name: "expected-gradients",
    title: "expected gradients",
    summary: "integrated gradients averaged over several baselines: each sample draws a baseline \
              and a point between it and the picture (GradientSHAP)",
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
    build: |options| method(Expected::new(options)?, options),
};

/// The method with its settings.
pub(super) struct Expected {
    samples: usize,
    baselines: SeededBaselines,
}

impl Expected {
    pub(super) fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            samples: options.count(&DRAWS)?,
            baselines: SeededBaselines::new(&BASELINES, options)?,
        })
    }

    /// For each sample the baseline and the point between it (0) and the picture (1).
    fn drawn(&self) -> Vec<(usize, f64)> {
        let seed = self.baselines.seed;
        let mut baselines = Stream::new("expected-gradients baseline", seed);
        let places = Stream::new("expected-gradients place", seed).uniform(self.samples);
        let count = self.baselines.count();
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

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let baselines = BaselineInputs::new(subject, &self.baselines)?;
        let drawn = self.drawn();
        let explain = move |request: &AttributionRequest, picture: &[f32], is_own: bool| {
            let count = drawn.len();
            let point = |sample: usize| {
                let (baseline, place) = drawn[sample];
                Point {
                    baseline: baselines.pictures[baseline].data(),
                    place,
                    weight: count as f64,
                }
            };
            let term = |count: f64, x: f32, b: f32, g: f32| f64::from(x - b) * f64::from(g) / count;
            let ask = request.true_gradient(subject);
            let sums = summed_along(subject, &ask, (picture, is_own), count, point, term)?;
            let indices = drawn.iter().map(|&(baseline, _)| baseline);
            Ok((sums, baselines.score(subject, request, indices)?))
        };
        Ok(Prepared::adding_up(
            subject,
            Some("take more `samples`"),
            explain,
        ))
    }
}

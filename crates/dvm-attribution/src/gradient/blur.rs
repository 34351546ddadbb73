//! Blur integrated gradients.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use dvm_options::Takes;

use super::CHANNELS;
use super::attributor::{AttributionRequest, Attributor, Prepared, method, outputs, score};
use super::gaussian::blurred;
use crate::options::SCORE;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, OptionReader, OptionSpec, SettingError, Subject};

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
    build: |options| method(Blurring::new(options)?, options),
};

/// The method with its settings.
pub(super) struct Blurring {
    steps: usize,
    sigma: f64,
}

impl Blurring {
    pub(super) fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let steps = options.count(&STEPS)?;
        let sigma: f64 = options.plain(&SIGMA)?;
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

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let explain = move |request: &AttributionRequest, picture: &[f32], is_own: bool| {
            self.explain(subject, request, picture, is_own)
        };
        Ok(Prepared::adding_up(
            subject,
            Some("take more `steps`"),
            explain,
        ))
    }
}

impl Blurring {
    /// The values of a picture, and for the subject's own the score of the most blurred picture.
    fn explain(
        &self,
        subject: &Subject,
        request: &AttributionRequest,
        picture: &[f32],
        is_own: bool,
    ) -> Result<(Vec<f64>, f64), Error> {
        let [_, channels, _, width] = subject.shape();
        let step = self.sigma / self.steps as f64;
        let picture: Vec<f64> = picture.iter().map(|&x| f64::from(x)).collect();
        let at = |sigma: f64| blurred(&picture, (width, channels), sigma);
        let narrow = |values: Vec<f64>| -> Vec<f32> {
            values.into_iter().map(|value| value as f32).collect()
        };
        // The slope of the picture at the steps of the current batch.
        let slopes = Mutex::new(BTreeMap::new());
        let slopes = || slopes.lock().unwrap_or_else(PoisonError::into_inner);
        let point = |index: usize| {
            let sigma = index as f64 * step;
            let (here, there) = (at(sigma), at(sigma + APART));
            let pairs = there.iter().zip(&here);
            let slope: Vec<f64> = pairs.map(|(there, here)| (there - here) / APART).collect();
            slopes().insert(index, slope);
            narrow(here)
        };
        let mut sums = vec![0.0; picture.len()];
        let ask = request.true_gradient(subject);
        subject.gradients_of(self.steps, &point, &ask, &mut |index, answer| {
            let slope = slopes().remove(&index);
            let slope = slope.expect("it was found with the picture");
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
        if !is_own {
            return Ok((sums, 0.0));
        }
        let numbers = outputs(subject, 1, &|_| narrow(at(self.sigma)))?;
        Ok((sums, score(subject, request, &numbers[0])?))
    }
}

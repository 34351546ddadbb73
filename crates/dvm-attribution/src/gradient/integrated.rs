//! Integrated gradients.

use dvm_options::Takes;

use super::CHANNELS;
use super::attributor::{
    AttributionRequest, Attributor, BASELINE, BaselineInputs, Prepared, SeededBaselines, method,
};
use super::quadrature::gauss_legendre;
use crate::options::{SCORE, SEED};
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, OptionReader, OptionSpec, SettingError, Subject};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::Text("N"),
    default: "50",
    help: "number of points between the baseline and the picture at which the gradient is computed \
           (Gauss-Legendre quadrature)",
};

/// The mean gradient along a straight path from a baseline, times the difference.
pub const INTEGRATED_GRADIENTS: MethodEntry = MethodEntry {
    name: "integrated-gradients",
    title: "integrated gradients",
    summary: "each value's contribution to the rise of the score from a baseline to the picture: \
              the mean gradient along the straight path, times the difference",
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
    build: |options| method(Integrated::new(options)?, options),
};

/// The method with its settings.
pub(super) struct Integrated {
    steps: usize,
    baselines: SeededBaselines,
}

impl Integrated {
    pub(super) fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let steps = options.count(&STEPS)?;
        if steps > MOST_STEPS {
            return Err(STEPS.refuse(steps, format!("it must be at most {MOST_STEPS}")));
        }
        Ok(Self {
            steps,
            baselines: SeededBaselines::new(&BASELINE, options)?,
        })
    }
}

/// Computing more quadrature points would take longer than running the network.
const MOST_STEPS: usize = 100_000;

impl Attributor for Integrated {
    fn title(&self) -> String {
        "integrated gradients".into()
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let baselines = BaselineInputs::new(subject, &self.baselines)?;
        let places = gauss_legendre(self.steps);
        let number = self.baselines.count();
        let explain = move |request: &AttributionRequest, picture: &[f32], is_own: bool| {
            let point = |at: usize| {
                let (place, weight) = places[at % places.len()];
                Point {
                    baseline: baselines.pictures[at / places.len()].data(),
                    place,
                    weight: weight / number as f64,
                }
            };
            let term =
                |weight: f64, x: f32, b: f32, g: f32| weight * f64::from(x - b) * f64::from(g);
            let ask = request.true_gradient(subject);
            let count = number * places.len();
            let sums = summed_along(subject, &ask, (picture, is_own), count, point, term)?;
            Ok((sums, baselines.score(subject, request, 0..number)?))
        };
        Ok(Prepared::adding_up(
            subject,
            Some("take more `steps`"),
            explain,
        ))
    }
}

/// A point on a straight line from a baseline (`place` 0) to a picture (1).
pub(crate) struct Point<'b> {
    pub baseline: &'b [f32],
    pub place: f64,
    pub weight: f64,
}

/// The sum of `term` over `count` points on lines to a picture, value by value: it gets the weight of the point, the
/// values of the picture and the baseline, and the gradient at the point.
pub(crate) fn summed_along<'b>(
    subject: &Subject,
    ask: &GradientRequest,
    (picture, reports): (&[f32], bool),
    count: usize,
    point: impl Fn(usize) -> Point<'b> + Sync,
    term: impl Fn(f64, f32, f32, f32) -> f64,
) -> Result<Vec<f64>, Error> {
    let input = |index: usize| -> Vec<f32> {
        let Point {
            baseline, place, ..
        } = point(index);
        let between =
            |(&b, &x): (&f32, &f32)| (f64::from(b) + place * (f64::from(x) - f64::from(b))) as f32;
        baseline.iter().zip(picture).map(between).collect()
    };
    let mut sums = vec![0.0; picture.len()];
    subject.gradients_of(count, &input, ask, &mut |index, answer| {
        let Point {
            baseline, weight, ..
        } = point(index);
        let values = picture.iter().zip(baseline).zip(answer.gradients[0].data());
        for (sum, ((&x, &b), &g)) in sums.iter_mut().zip(values) {
            *sum += term(weight, x, b, g);
        }
        if reports {
            subject.progress(index + 1, count);
        }
        Ok(())
    })?;
    Ok(sums)
}

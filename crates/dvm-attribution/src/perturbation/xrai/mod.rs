//! XRAI: segments of several scales, ranked by the integrated gradients in them.

mod ranking;

use std::fmt;
use std::str::FromStr;

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::Takes;

use self::ranking::ranked;
use super::felzenszwalb::felzenszwalb;
use super::segments::Segmentation;
use crate::gradient::{Point, legendre_roots, summed_along};
use crate::options::{self, SCORE, SEED};
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{
    Array, Attribution, Baselines, Error, Method, Observation, OptionReader, OptionSpec, Score,
    SettingError, Subject, Target, ValueKind,
};

const SEGMENTS: OptionSpec = OptionSpec {
    name: "segments",
    takes: Takes::Text("felzenszwalb|slic:N|grid:N|grid:ROWSxCOLUMNS|file:PATH"),
    default: "felzenszwalb",
    help: "the segments: felzenszwalb (overlapping segments of six scales, Felzenszwalb and \
           Huttenlocher 2004), or the same as for other methods",
};

const BASELINE: OptionSpec = OptionSpec {
    default: "black,white",
    help: "start of the paths of the integrated gradients; the gradients of several baselines are averaged",
    ..options::BASELINE
};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::Text("N"),
    default: "50",
    help: "number of points on each path (Gauss-Legendre quadrature)",
};

/// Segments by the density of the integrated gradients in them.
pub const XRAI: MethodEntry = MethodEntry {
    name: "xrai",
    title: "XRAI",
    summary: "ranks segments of several scales: the next segment is always the one whose new pixels \
              have the largest mean integrated gradient",
    reference: Reference {
        authors: "Kapishnikov, Bolukbasi, Viégas, Terry",
        year: 2019,
        title: "XRAI: Better Attributions Through Regions",
        published: Published::Arxiv("1906.02825"),
    },
    family: Family::Perturbation,
    cost: "one pass forward and back per step and baseline; 100 by default",
    networks: "all",
    options: &[SEGMENTS, BASELINE, STEPS, SEED, SCORE],
    presets: &[],
    build: |options| Ok(Box::new(Xrai::new(options)?)),
};

/// The scales of the segments, their smallest size, the width by which they are dilated, and the number of new pixels
/// that each must add, for a picture of this many pixels; scaled for other sizes.
const SCALES: [f64; 6] = [50.0, 100.0, 150.0, 250.0, 500.0, 1200.0];
const SMALLEST: f64 = 150.0;
const WIDENED: f64 = 5.0;
const SMALLEST_ADDED: f64 = 50.0;
const PIXELS: f64 = 224.0 * 224.0;

/// The segments that are ranked.
#[derive(Clone, Debug, PartialEq)]
enum Ranked {
    /// Segments of several scales.
    Scales,
    /// Those of other methods.
    One(Segmentation),
}

impl FromStr for Ranked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "felzenszwalb" {
            return Ok(Self::Scales);
        }
        let other = text.parse().map(Self::One);
        other.map_err(|expected: &str| format!("{expected}; or felzenszwalb"))
    }
}

impl fmt::Display for Ranked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scales => f.write_str("felzenszwalb"),
            Self::One(segmentation) => write!(f, "{segmentation}"),
        }
    }
}

struct Xrai {
    segments: Ranked,
    baselines: Baselines,
    steps: usize,
    seed: u64,
    score: Score,
}

impl Xrai {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            segments: options.written(&SEGMENTS)?,
            baselines: options.written(&BASELINE)?,
            steps: options.count(&STEPS)?,
            seed: options.plain(&SEED)?,
            score: options.word(&SCORE)?,
        })
    }

    /// The pixels of every segment, and the number of new pixels that each must add.
    fn pixels(&self, subject: &Subject) -> Result<(Vec<Vec<u32>>, usize), Error> {
        let size = subject.size();
        let area = (size.0 * size.1) as f64 / PIXELS;
        let whole = |pixels: f64| ((pixels + 0.5).floor() as usize).max(1);
        match &self.segments {
            Ranked::Scales => {
                let picture = subject.input().crop();
                let radius = (WIDENED * area.sqrt() + 0.5).floor() as usize;
                let of_scale = |scale: &f64| {
                    let labels = felzenszwalb(picture, scale * area, whole(SMALLEST * area));
                    members(&labels)
                        .iter()
                        .map(|pixels| widened(pixels, size, radius))
                        .collect::<Vec<_>>()
                };
                let all: Vec<Vec<u32>> = SCALES.iter().flat_map(of_scale).collect();
                Ok((all, whole(SMALLEST_ADDED * area)))
            }
            Ranked::One(segmentation) => {
                let segments = segmentation.of(subject.input())?;
                Ok((members(&segments.labels), 1))
            }
        }
    }

    /// The integrated gradients of a target, averaged over the baselines: the largest over the channels, `[H, W]`.
    fn integrated(
        &self,
        subject: &Subject,
        baselines: &[Vec<f32>],
        target: &Target,
    ) -> Result<Vec<f64>, Error> {
        let ask = GradientRequest::of_picture(subject, target, self.score, &TRUE_GRADIENT);
        let roots = legendre_roots(self.steps);
        let point = |index: usize| {
            let (x, weight) = roots[index % self.steps];
            Point {
                baseline: &baselines[index / self.steps],
                place: (1.0 - x) / 2.0,
                weight: weight / baselines.len() as f64,
            }
        };
        let term = |weight: f64, x: f32, b: f32, g: f32| {
            weight * (f64::from(x) - f64::from(b)) * f64::from(g)
        };
        let picture = (subject.picture().data(), true);
        let count = baselines.len() * self.steps;
        let sum = summed_along(subject, &ask, picture, count, point, term)?;
        let [_, channels, _, _] = subject.shape();
        let largest = |pixel: &[f64]| pixel.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(sum.chunks_exact(channels).map(largest).collect())
    }
}

/// The pixels of each label.
fn members(labels: &[u32]) -> Vec<Vec<u32>> {
    let count = labels.iter().max().map_or(0, |&last| last as usize + 1);
    let mut members = vec![Vec::new(); count];
    for (pixel, &label) in labels.iter().enumerate() {
        members[label as usize].push(pixel as u32);
    }
    members
}

/// All pixels within `radius` of the given ones, in order.
fn widened(pixels: &[u32], (height, width): (usize, usize), radius: usize) -> Vec<u32> {
    let reach = radius as isize;
    let disk: Vec<(isize, isize)> = (-reach..=reach)
        .flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx)))
        .filter(|(dy, dx)| dy * dy + dx * dx <= reach * reach)
        .collect();
    let mut is_within = vec![false; height * width];
    for &pixel in pixels {
        let (y, x) = (pixel as usize / width, pixel as usize % width);
        for (dy, dx) in &disk {
            let (y, x) = (y.checked_add_signed(*dy), x.checked_add_signed(*dx));
            if let (Some(y), Some(x)) = (y, x)
                && y < height
                && x < width
            {
                is_within[y * width + x] = true;
            }
        }
    }
    let all = is_within.iter().enumerate();
    all.filter(|(_, within)| **within)
        .map(|(pixel, _)| pixel as u32)
        .collect()
}

impl Method for Xrai {
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let outputs = subject.numbers()?.len();
        let (segments, smallest) = self.pixels(subject)?;
        let baselines: Vec<Vec<f32>> = self
            .baselines
            .0
            .iter()
            .map(|baseline| Ok(baseline.of_whole(subject, self.seed)?.data().to_vec()))
            .collect::<Result<_, Error>>()?;
        Ok(Box::new(move |target| {
            let attribution = self.integrated(subject, &baselines, target)?;
            let ranking = ranked(&attribution, &segments, smallest);
            let (height, width) = subject.size();
            let integrated = attribution.iter().map(|&value| value as f32).collect();
            let ranks = ranking.ranks.iter().map(|&rank| (rank - 1) as f32);
            let ranks = ranks.collect();
            Ok(Attribution {
                title: "XRAI".into(),
                quantity: "mean integrated gradient of the segment".into(),
                score: self.score.name(subject.output(), outputs),
                arrays: vec![
                    Array::new(Array::RAW, &[height, width], integrated),
                    Array::new(Array::SEGMENTS, &[height, width], ranks),
                ],
                value_kind: ValueKind::Signed,
                ..Attribution::new(target, (height, width), ranking.map)
            }
            .checked())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_widened_to_a_disk() {
        let found = widened(&[12], (5, 5), 2);
        assert_eq!(found, [2, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 22]);
        assert_eq!(widened(&[0, 1], (1, 3), 0), [0, 1]);
    }
}

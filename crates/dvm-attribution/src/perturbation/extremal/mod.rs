//! Extremal perturbations: the smooth mask of a given area under which the score is largest.

mod area;
mod mask;
mod pyramid;

use std::fmt;
use std::str::FromStr;

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_options::Takes;

use self::mask::SmoothMask;
use self::pyramid::Pyramid;
use crate::options::SCORE;
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{
    Array, Attribution, Check, Error, Method, Observation, OptionReader, OptionSpec, Score,
    SettingError, Subject, Target,
};

const AREAS: OptionSpec = OptionSpec {
    name: "areas",
    takes: Takes::Text("A,…"),
    default: "0.1",
    help: "share of the picture that is shown, greater than 0 and less than 1; the masks of several \
           areas are averaged",
};

const ITERATIONS: OptionSpec = OptionSpec {
    name: "iterations",
    takes: Takes::Text("N"),
    default: "800",
    help: "number of optimisation steps, each one pass forward and back",
};

const MASK_STEP: OptionSpec = OptionSpec {
    name: "mask-step",
    takes: Takes::Text("N"),
    default: "7",
    help: "pixels between two parameters of the mask",
};

const MASK_SIGMA: OptionSpec = OptionSpec {
    name: "mask-sigma",
    takes: Takes::Text("N"),
    default: "21",
    help: "width of the smooth spot that one parameter shows, in pixels; larger values give smoother masks",
};

/// The mask of a given area that keeps the score largest.
pub const EXTREMAL_PERTURBATION: MethodEntry = MethodEntry {
    name: "extremal-perturbation",
    title: "extremal perturbation",
    summary: "the smooth mask of a given area that keeps the class's score largest while the rest of the \
              picture is blurred",
    reference: Reference {
        authors: "Fong, Patrick, Vedaldi",
        year: 2019,
        title: "Understanding Deep Networks via Extremal Perturbations and Smooth Masks",
        published: Published::Arxiv("1910.08485"),
    },
    family: Family::Perturbation,
    cost: "one pass forward and back per iteration and area; 800 iterations by default",
    networks: "all",
    options: &[AREAS, ITERATIONS, MASK_STEP, MASK_SIGMA, SCORE],
    presets: &[],
    build: |options| Ok(Box::new(Extremal::new(options)?)),
};

/// Step size of the parameters along the gradient.
const RATE: f64 = 0.01;

/// Momentum.
const MOMENTUM: f64 = 0.9;

/// Weight of the distance from the target area relative to the score, and its growth factor per step.
const WEIGHT: f64 = 300.0;
const GROWTH: f64 = 1.0035;

/// Areas as parts of the picture.
#[derive(Clone, Debug, PartialEq)]
struct Areas(Vec<f64>);

impl FromStr for Areas {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let area = |one: &str| {
            let area = one.trim().parse().ok();
            area.filter(|area| 0.0 < *area && *area < 1.0)
        };
        let all: Option<Vec<f64>> = text.split(',').map(area).collect();
        all.map(Self).ok_or(
            "it must be one or several numbers greater than 0 and less than 1, separated by \
             commas, such as 0.05,0.1,0.2",
        )
    }
}

impl fmt::Display for Areas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(","))
    }
}

struct Extremal {
    areas: Areas,
    iterations: usize,
    step: usize,
    sigma: usize,
    score: Score,
}

impl Extremal {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            areas: options.written(&AREAS)?,
            iterations: options.count(&ITERATIONS)?,
            step: options.count(&MASK_STEP)?,
            sigma: options.count(&MASK_SIGMA)?,
            score: options.word(&SCORE)?,
        })
    }

    /// Refuses masks that do not fit the picture or memory.
    fn check(&self, subject: &Subject) -> Result<(), Error> {
        let (height, width) = subject.size();
        if self.step > height.min(width) || self.sigma > height.max(width) {
            return Err(Error::Unfit(format!(
                "a mask with a `mask-step` of {} and a `mask-sigma` of {} does not fit on \
                 {height}×{width} pixels; choose smaller values",
                self.step, self.sigma
            )));
        }
        subject.allow_bytes(
            Pyramid::bytes(subject.picture().len()),
            || "the picture at several levels of blur needs".into(),
            "a higher memory limit",
        )
    }

    /// The masks `[H, W]` of all areas, and the score for each.
    fn masks(
        &self,
        subject: &Subject,
        (maker, pyramid): (&SmoothMask, &Pyramid),
        target: &Target,
    ) -> Result<Vec<Found>, Error> {
        let areas = &self.areas.0;
        let ask = GradientRequest::of_picture(subject, target, self.score, &TRUE_GRADIENT);
        let [_, channels, _, width] = subject.shape();
        let parameters = maker.parameters.0 * maker.parameters.1;
        let mut searches = vec![Search::new(parameters); areas.len()];
        let mut weight = WEIGHT;
        for iteration in 0..self.iterations {
            let masks: Vec<Vec<f64>> = searches
                .iter()
                .map(|s| maker.values(&s.parameters))
                .collect();
            let shown: Vec<Vec<f64>> = masks.iter().map(|m| maker.without_margin(m)).collect();
            // Every second picture is mirrored, so that the mask does not fit a single view.
            let turned = iteration % 2 == 0;
            let make = |index: usize| {
                let picture = pyramid.perturbed(&shown[index]);
                if turned {
                    mirrored(&picture, width, channels)
                } else {
                    picture
                }
            };
            subject.gradients_of(areas.len(), &make, &ask, &mut |index, answer| {
                let gradient = answer.gradients[0].data();
                let gradient = match turned {
                    true => mirrored(gradient, width, channels),
                    false => gradient.to_vec(),
                };
                let of_score = pyramid.backward(&shown[index], &gradient);
                let wanted = area::wanted(&masks[index], areas[index]);
                let scale = 2.0 * weight / masks[index].len() as f64;
                // Maximises the score, minimises the distance from the area.
                let away = masks[index].iter().zip(&wanted);
                let mut slope: Vec<f64> = away
                    .map(|(mask, wanted)| -scale * (mask - wanted))
                    .collect();
                maker.add_within_margin(&mut slope, &of_score);
                let search = &mut searches[index];
                let slope = maker.backward(&search.parameters, &slope);
                search.step(&slope, iteration == 0);
                search.mask = shown[index].iter().map(|&value| value as f32).collect();
                Ok(())
            })?;
            weight *= GROWTH;
            subject.progress(iteration + 1, self.iterations);
        }
        let make = |index: usize| {
            let mask: Vec<f64> = searches[index].mask.iter().map(|&m| m.into()).collect();
            pyramid.perturbed(&mask)
        };
        let mut scores = Vec::new();
        let mut read = |_: usize, reading: crate::probe::ActivationResult| {
            scores.push(target.score(self.score, subject.output(), &reading.numbers)?);
            Ok(())
        };
        let fused = subject.network().fused();
        subject.activations_of(areas.len(), &make, (fused, &[]), &mut read)?;
        let found = searches.into_iter().zip(scores);
        Ok(found
            .map(|(search, score)| Found {
                mask: search.mask,
                score,
            })
            .collect())
    }
}

/// The mask of one area.
struct Found {
    /// `[H, W]`
    mask: Vec<f32>,
    /// The score with this mask.
    score: f32,
}

/// The optimisation of the mask of one area.
#[derive(Clone)]
struct Search {
    parameters: Vec<f64>,
    /// The momentum.
    velocity: Vec<f64>,
    /// The latest mask, `[H, W]`.
    mask: Vec<f32>,
}

impl Search {
    /// Starts with a mask that shows everything.
    fn new(parameters: usize) -> Self {
        Self {
            parameters: vec![1.0; parameters],
            velocity: vec![0.0; parameters],
            mask: Vec::new(),
        }
    }

    /// One step of gradient ascent.
    fn step(&mut self, slope: &[f64], is_first: bool) {
        let moved = self.parameters.iter_mut().zip(&mut self.velocity);
        for ((parameter, velocity), slope) in moved.zip(slope) {
            *velocity = match is_first {
                true => *slope,
                false => MOMENTUM * *velocity + (1.0 - MOMENTUM) * slope,
            };
            *parameter = (*parameter + RATE * *velocity).clamp(0.0, 1.0);
        }
    }
}

/// A picture, stored `H, W, C`, mirrored left to right.
fn mirrored(values: &[f32], width: usize, channels: usize) -> Vec<f32> {
    let rows = values.chunks_exact(width * channels);
    rows.flat_map(|row| row.chunks_exact(channels).rev().flatten().copied())
        .collect()
}

impl Method for Extremal {
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let numbers = subject.numbers()?;
        self.check(subject)?;
        let (height, width) = subject.size();
        let [_, channels, _, _] = subject.shape();
        let maker = SmoothMask::new((height, width), self.step, self.sigma);
        let pyramid = Pyramid::new(subject.picture().data(), (height, width), channels);
        Ok(Box::new(move |target| {
            let whole = target.score(self.score, subject.output(), &numbers)?;
            let found = self.masks(subject, (&maker, &pyramid), target)?;
            let number = found.len() as f32;
            let mut map = vec![0.0; height * width];
            for Found { mask, .. } in &found {
                for (value, mask) in map.iter_mut().zip(mask) {
                    *value += mask / number;
                }
            }
            let masks: Vec<&[f32]> = found.iter().map(|found| &found.mask[..]).collect();
            let areas = self.areas.to_string().replace(',', ", ");
            let shown = map.iter().map(|&m| f64::from(m)).sum::<f64>() / map.len() as f64;
            let score = self.score.name(subject.output(), numbers.len());
            let wanted = self.areas.0.iter().sum::<f64>() / f64::from(number);
            let checks = vec![
                Check {
                    name: "shown area",
                    value: shown,
                    meaning: format!(
                        "mean of the mask; it should be near the requested area, {wanted:.3}, \
                         otherwise more `iterations` are needed"
                    ),
                },
                Check {
                    name: "score under the mask",
                    value: f64::from(found.iter().map(|f| f.score).sum::<f32>() / number),
                    meaning: format!(
                        "the {score} while only the masked area is shown; the whole picture has \
                         {whole:.4}, and a good mask comes near it or exceeds it"
                    ),
                },
            ];
            Ok(Attribution {
                title: format!("extremal perturbation, area {areas}"),
                quantity: "mask".into(),
                score,
                arrays: vec![Array::new(
                    Array::RAW,
                    &[found.len(), height, width],
                    masks.concat(),
                )],
                checks,
                ..Attribution::new(target, (height, width), map)
            }
            .checked())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_reverses_columns_and_keeps_channels() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]; // [2, 2, 2]
        assert_eq!(
            mirrored(&values, 2, 2),
            [3.0, 4.0, 1.0, 2.0, 7.0, 8.0, 5.0, 6.0]
        );
    }

    #[test]
    fn areas_are_between_0_and_1() {
        assert_eq!("0.05, 0.2".parse(), Ok(Areas(vec![0.05, 0.2])));
        for text in ["0", "1", "0.1,", "x"] {
            assert!(text.parse::<Areas>().is_err(), "{text}");
        }
    }
}

//! ROAD: replaces the most or the least relevant pixels by interpolating their neighbours.

mod imputation;
mod multigrid;

use std::fmt;
use std::str::FromStr;

use dvm_options::{Takes, words};
use rayon::prelude::*;

use super::covering::score_name;
use super::options::{SCORE, SEED};
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Curve, Measurement, Metric};
use crate::probe::Variants;
use crate::random::Stream;
use crate::registry::{Published, Reference};
use crate::subject::ALWAYS_ALLOWED_BACK;
use crate::{Error, OptionReader, OptionSpec, Score, SettingError, Subject};

const PERCENT: OptionSpec = OptionSpec {
    name: "percent",
    takes: Takes::Text("N,…"),
    default: "10,20,30,40,50,60,70,80,90",
    help: "percentages of pixels to replace, one after the other",
};

const NOISE: OptionSpec = OptionSpec {
    name: "noise",
    takes: Takes::Text("S"),
    default: "0.01",
    help: "standard deviation of the noise added to replaced pixels, in normalised values",
};

/// Half the difference of the scores with the least and with the most relevant pixels replaced.
pub const ROAD: MetricEntry = MetricEntry {
    name: "road",
    title: "ROAD",
    summary: "half the difference of the mean scores with the least and with the most relevant pixels replaced; \
              replaced pixels are interpolated from their neighbours, so that no covered shape is visible",
    reference: Reference {
        authors: "Rong, Leemann, Borisov, Kasneci, Kasneci",
        year: 2022,
        title: "A Consistent and Efficient Evaluation Strategy for Attribution Methods",
        published: Published::Arxiv("2202.00449"),
    },
    question: Question::Faithfulness,
    better: Better::Higher,
    needs: Needs::Map,
    cost: "two forward passes per number in `percent`; 18 by default",
    options: &[PERCENT, NOISE, SEED, SCORE],
    build: |options| Ok(Box::new(Road::new(options)?)),
};

/// Percentages of pixels to replace: rising numbers from 1 to 99.
#[derive(Clone, Debug, PartialEq)]
struct Percents(Vec<usize>);

impl FromStr for Percents {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected =
            "it must be one or several rising whole numbers from 1 to 99, separated by commas";
        let one = |text: &str| text.trim().parse().map_err(|_| expected);
        let all: Vec<usize> = text.split(',').map(one).collect::<Result<_, _>>()?;
        let rises = all.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = all.iter().all(|percent| (1..100).contains(percent));
        match rises && fits {
            true => Ok(Self(all)),
            false => Err(expected),
        }
    }
}

impl fmt::Display for Percents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(","))
    }
}

words! {
    /// Which pixels are replaced first.
    enum First {
        /// The most relevant.
        Most = "most",
        /// The least relevant.
        Least = "least",
    }
}

struct Road {
    percents: Percents,
    noise: f64,
    seed: u64,
    score: Score,
}

impl Road {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            noise: options.positive(&NOISE)?,
            percents: options.written(&PERCENT)?,
            seed: options.plain(&SEED)?,
            score: options.word(&SCORE)?,
        })
    }

    /// All pixels, the most relevant first. Equal ones come in a random order, the stream `road
    /// ties`: row by row, the top of the picture would always come first.
    fn order(&self, relevance: &[f32]) -> Vec<usize> {
        let mut order = Stream::new("road ties", self.seed).permutation(relevance.len());
        order.sort_by(|&a, &b| relevance[b].total_cmp(&relevance[a]));
        order
    }

    /// All pictures to compute, in the order of the scores: all percentages in both orders.
    fn questions(&self) -> Vec<(First, usize)> {
        let of = |first: First| self.percents.0.iter().map(move |&percent| (first, percent));
        of(First::Most).chain(of(First::Least)).collect()
    }

    /// The picture with some pixels replaced.
    fn replaced(
        &self,
        subject: &Subject,
        order: &[usize],
        (first, percent): (First, usize),
    ) -> Vec<f32> {
        let pixels = order.len();
        let count = replaced_of(pixels, percent);
        let chosen = match first {
            First::Most => &order[..count],
            First::Least => &order[pixels - count..],
        };
        let mut missing = vec![false; pixels];
        chosen.iter().for_each(|&at| missing[at] = true);
        let picture = subject.picture().data();
        let (mut values, _) = imputation::imputed(subject.size(), picture, &missing);
        let channels = picture.len() / pixels;
        let name = format!("road {} {percent}", first.word());
        let mut noise = Stream::new(&name, self.seed)
            .normal(count * channels)
            .into_iter();
        for (pixel, _) in missing.iter().enumerate().filter(|(_, is)| **is) {
            for value in &mut values[pixel * channels..][..channels] {
                let noise = self.noise * f64::from(noise.next().unwrap_or(0.0));
                *value = (f64::from(*value) + noise) as f32;
            }
        }
        values
    }

    /// How many pictures are made in parallel.
    fn lanes(&self, subject: &Subject, questions: usize) -> Result<usize, Error> {
        let [_, channels, height, width] = subject.shape();
        let kept = questions * channels * height * width * size_of::<f32>();
        let each = imputation::bytes((height, width), channels);
        let allowed = subject.memory().max(ALWAYS_ALLOWED_BACK);
        subject.allow_bytes(
            kept + each,
            || format!("replacing pixels of {height}×{width} in {questions} ways needs"),
            "fewer numbers in `percent`, a smaller crop or a higher memory limit",
        )?;
        Ok(((allowed - kept) / each).clamp(1, rayon::current_num_threads()))
    }
}

/// How many of `pixels` are replaced: those at or above the percentile of NumPy, as in pytorch-grad-cam.
fn replaced_of(pixels: usize, percent: usize) -> usize {
    1 + (pixels - 1) * percent / 100
}

impl Metric for Road {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let (subject, target) = (candidate.subject(), candidate.target());
        let whole = target.score(self.score, subject.output(), &subject.numbers()?)?;
        let order = self.order(candidate.relevance());
        let questions = self.questions();
        let lanes = self.lanes(subject, questions.len())?;
        let mut pictures = Vec::with_capacity(questions.len());
        for some in questions.chunks(lanes) {
            let made = some.par_iter().map(|&q| self.replaced(subject, &order, q));
            pictures.extend(made.collect::<Vec<_>>());
        }
        let targets = std::slice::from_ref(target);
        let scores = subject.scores(&Replaced(pictures), targets, self.score)?;
        let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
        let up = score_name(subject, self.score)?;
        let count = self.percents.0.len();
        let (most, least) = scores.split_at(count);
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / count as f64;
        let curve = |name, scores: &[f64]| {
            let percents = self.percents.0.iter();
            let shares = percents.map(|&percent| percent as f64 / 100.0);
            let points = shares.zip(scores.iter().copied());
            Curve {
                name,
                across: "share of pixels replaced",
                up,
                points: std::iter::once((0.0, f64::from(whole)))
                    .chain(points)
                    .collect(),
            }
        };
        let value = (mean(least) - mean(most)) / 2.0;
        let finding = (value <= 0.0).then(|| {
            "Replacing the pixels that the map calls most relevant lowers the score no more than \
             replacing the least relevant ones."
                .into()
        });
        Ok(Measurement::of(value)
            .with_figure("most relevant replaced", mean(most))
            .with_figure("least relevant replaced", mean(least))
            .with_curve(curve("most relevant first", most))
            .with_curve(curve("least relevant first", least))
            .with_finding(finding))
    }
}

/// Pictures that are already computed.
struct Replaced(Vec<Vec<f32>>);

impl Variants for Replaced {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let values = &self.0[index];
        (values != picture).then(|| values.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn percentages_are_rising_and_below_100() {
        assert_eq!("10, 90".parse(), Ok(Percents(vec![10, 90])));
        for wrong in ["", "0", "100", "20,10", "10,10", "1.5"] {
            assert!(wrong.parse::<Percents>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_number_of_replaced_pixels_follows_the_percentile_of_numpy() {
        // numpy.percentile(range(50176), 90) is 45157.5.
        assert_eq!(replaced_of(50_176, 10), 50_176 - 45_158);
        assert_eq!(replaced_of(50_176, 90), 50_176 - 5_018);
        assert_eq!(replaced_of(1, 50), 1);
    }

    #[test]
    fn pixels_of_equal_relevance_are_mixed() {
        let settings = Settings::new();
        let road = Road::new(&mut OptionReader::new(ROAD.options, &settings)).unwrap();
        let mut relevance = vec![0.0; 100];
        relevance[42] = 1.0;
        let order = road.order(&relevance);
        assert_eq!(order[0], 42);
        let first_rows = order[1..51].iter().filter(|&&at| at < 50).count();
        assert!((15..36).contains(&first_rows), "{first_rows}");
    }
}

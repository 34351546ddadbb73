//! The method to use, as one sentence with its uncertainty.

use dvm_render::fixed;
use dvm_train::metrics::{Bootstrap, Interval};
use serde::Serialize;

use super::statistics::{Difference, Score, difference, sign};
use super::summary::{MethodSummary, MetricSummary};
use crate::Error;
use crate::numbers::pictures;

/// The metric that decides, if it was measured; otherwise the first metric with a direction decides.
pub const HEADLINE: &str = "symmetric-relevance-gain";

/// The minimum number of pictures to choose a method; with fewer, bootstrap intervals are too narrow.
pub const FEWEST: usize = 10;

/// The method to use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Name of the metric that decides.
    pub metric: String,
    /// Pictures that have this metric.
    pub pictures: usize,
    /// The method with the best mean.
    pub best: String,
    /// The method to use; none if there are too few pictures.
    pub choice: Option<String>,
    /// Methods that are not clearly worse than the best, in order.
    pub alike: Vec<String>,
    /// The second best method; none if there is only one.
    pub next: Option<Next>,
    /// The answer in one sentence.
    pub sentence: String,
}

/// The second best method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Next {
    /// Its name.
    pub method: String,
    /// By how much the best is better.
    pub difference: Difference,
}

/// The answer and its warnings.
pub(super) fn of(
    methods: &[MethodSummary],
    metrics: &[MetricSummary],
    values: &[Vec<Vec<f64>>],
    bootstrap: &Bootstrap,
) -> Result<(Option<Answer>, Vec<String>), Error> {
    let can_answer = |index: &usize| {
        let metric: &MetricSummary = &metrics[*index];
        let is_asked = |score: &&Score| !is_control(methods, &score.method);
        sign(&metric.better).is_some() && metric.scores.iter().any(|score| is_asked(&score))
    };
    let all = || (0..metrics.len()).filter(can_answer);
    let headline = all().find(|&index| metrics[index].name == HEADLINE);
    let Some(index) = headline.or_else(|| all().next()) else {
        return Ok((None, Vec::new()));
    };
    let (metric, values) = (&metrics[index], &values[index]);
    let sign = sign(&metric.better).expect("it can answer");
    let mut order: Vec<usize> = (0..metric.scores.len())
        .filter(|&column| !is_control(methods, &metric.scores[column].method))
        .collect();
    let mean = |column: &usize| sign * metric.scores[*column].mean;
    order.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let best = order[0];
    let over = |other: usize| difference(values, (best, other), sign, bootstrap);
    let mut alike = Vec::new();
    let mut next = None;
    for &other in &order[1..] {
        let by = over(other)?;
        if !by.is_clear() {
            alike.push((other, by));
        }
        next.get_or_insert((other, by));
    }
    let words = Words {
        methods,
        metric,
        best,
    };
    let (choice, sentence) = words.answer(&alike, next);
    let mut doubts = Vec::new();
    for (column, score) in metric.scores.iter().enumerate() {
        if is_control(methods, &score.method) {
            let by = over(column)?;
            let is_better = match metric.pictures < FEWEST {
                true => by.mean > 0.0,
                false => by.is_clear(),
            };
            if !is_better {
                doubts.push(words.doubt(column, &by));
            }
        }
    }
    let name = |column: usize| metric.scores[column].method.clone();
    let answer = Answer {
        metric: metric.name.clone(),
        pictures: metric.pictures,
        best: name(best),
        choice: choice.map(name),
        alike: alike.iter().map(|(column, _)| name(*column)).collect(),
        next: next.map(|(column, difference)| Next {
            method: name(column),
            difference,
        }),
        sentence,
    };
    Ok((Some(answer), doubts))
}

fn is_control(methods: &[MethodSummary], name: &str) -> bool {
    let mut methods = methods.iter();
    methods.any(|method| method.name == name && method.control)
}

/// The data of the sentences.
struct Words<'a> {
    methods: &'a [MethodSummary],
    metric: &'a MetricSummary,
    best: usize,
}

impl Words<'_> {
    fn name(&self, column: usize) -> &str {
        &self.metric.scores[column].method
    }

    /// `0.31 (0.27 to 0.35)`.
    fn score(&self, column: usize) -> String {
        let score = &self.metric.scores[column];
        within(score.mean, score.interval)
    }

    /// The median seconds per map of a method; infinite if not known.
    fn seconds(&self, column: usize) -> f64 {
        let mut methods = self.methods.iter();
        let method = methods.find(|method| method.name == self.name(column));
        let seconds = method.and_then(|method| method.seconds);
        seconds.map_or(f64::INFINITY, |seconds| seconds.median)
    }

    /// The column of the method to use, and the sentence.
    fn answer(
        &self,
        alike: &[(usize, Difference)],
        next: Option<(usize, Difference)>,
    ) -> (Option<usize>, String) {
        let title = &self.metric.title;
        let (best, count) = (self.name(self.best), self.metric.pictures);
        let pictures = pictures(count);
        let Some((second, by)) = next else {
            let sentence = format!(
                "{best} is the only method compared: its {title} is {} over {pictures}.",
                self.score(self.best)
            );
            return (Some(self.best), sentence);
        };
        if count < FEWEST {
            let are = if count == 1 { "is" } else { "are" };
            let sentence = format!(
                "{pictures} {are} too few to choose a method (at least {FEWEST} are needed): so far {best} has \
                 the best {title}, {}, before {} with {}.",
                within(self.metric.scores[self.best].mean, None),
                self.name(second),
                within(self.metric.scores[second].mean, None)
            );
            return (None, sentence);
        }
        if alike.is_empty() {
            let side = if self.metric.better == "lower" {
                "below"
            } else {
                "above"
            };
            let sentence = format!(
                "On this network use {best}: its {title} is {}, {} {side} the next, {}, over {pictures}.",
                self.score(self.best),
                within(by.mean, by.interval),
                self.name(second)
            );
            return (Some(self.best), sentence);
        }
        let others = alike.iter().map(|(column, _)| *column);
        let equals: Vec<usize> = [self.best].into_iter().chain(others).collect();
        let by_time = |a: &&usize, b: &&usize| self.seconds(**a).total_cmp(&self.seconds(**b));
        let fastest = *equals.iter().min_by(by_time).expect("there is the best");
        let names: Vec<&str> = equals.iter().map(|&column| self.name(column)).collect();
        let (last, others) = names.split_last().expect("there is the best");
        let fast = match equals.len() {
            2 => "faster",
            _ => "fastest",
        };
        let figures = match alike {
            [(other, by)] => format!(
                "{} against {}, a difference of {}",
                self.score(self.best),
                self.score(*other),
                within(by.mean, by.interval)
            ),
            _ => format!(
                "{best} has {}, but its lead may be due to chance",
                self.score(self.best)
            ),
        };
        let sentence = format!(
            "{} and {last} do not differ clearly by {title} on {pictures}: {figures}; use the {fast} one, {} ({} \
             per map).",
            others.join(", "),
            self.name(fastest),
            for_people(self.seconds(fastest))
        );
        (Some(fastest), sentence)
    }

    /// The warning that the best method is not clearly better than a control.
    fn doubt(&self, control: usize, by: &Difference) -> String {
        format!(
            "by {}, {} is not clearly better than the control `{}`, which does not use the network: {} \
             against {}, a difference of {}; these pictures do not show that any method explains this network",
            self.metric.title,
            self.name(self.best),
            self.name(control),
            self.score(self.best),
            self.score(control),
            within(by.mean, by.interval)
        )
    }
}

/// Seconds with the digits that matter.
fn for_people(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.01 => "less than 0.01 s".into(),
        seconds => format!("{} s", figure(seconds)),
    }
}

/// A value with its interval, rounded to the first uncertain digit: `0.31 (0.27 to 0.35)`.
fn within(value: f64, interval: Option<Interval>) -> String {
    let Some(Interval { low, high }) = interval else {
        return figure(value);
    };
    let decimals = decimals((high - low) / 2.0, 1);
    let [value, low, high] = [value, low, high].map(|number| fixed(number, decimals));
    format!("{value} ({low} to {high})")
}

impl Score {
    /// The mean with half of its interval: `0.312 ± 0.041`; for a single picture, the mean alone.
    pub fn short(&self) -> String {
        let Some(Interval { low, high }) = self.interval else {
            return figure(self.mean);
        };
        let half = (high - low) / 2.0;
        let decimals = decimals(half, 2).min(4);
        format!("{} ± {}", fixed(self.mean, decimals), fixed(half, decimals))
    }
}

/// A number with three significant digits.
fn figure(value: f64) -> String {
    fixed(value, decimals(value.abs(), 3))
}

/// The decimals for this many significant digits of a number of this size, at most 6.
fn decimals(size: f64, digits: i32) -> usize {
    if size == 0.0 || !size.is_finite() {
        return 3;
    }
    let before = size.log10().floor() as i32 + 1;
    usize::try_from((digits - before).clamp(0, 6)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::statistics::scores;
    use crate::compare::summary::Seconds;

    /// A comparison by one metric with these values of methods and controls for each picture. The last two columns
    /// are controls.
    fn compared(better: &str, values: &[Vec<f64>]) -> (Option<Answer>, Vec<String>) {
        let names = ["grad-cam", "occlusion", "random", "edges"];
        let methods: Vec<MethodSummary> = names
            .iter()
            .enumerate()
            .map(|(index, name)| MethodSummary {
                name: (*name).into(),
                title: (*name).into(),
                control: index > 1,
                parameters: serde_json::Map::new(),
                maps: values.len(),
                failure: None,
                seconds: Some(Seconds {
                    mean: 0.0,
                    median: [0.5, 0.125, 0.0, 0.0][index],
                }),
            })
            .collect();
        let bootstrap = Bootstrap::default();
        let names = names.map(String::from);
        let metric = MetricSummary {
            name: "gain".into(),
            title: "relevance gain".into(),
            better: better.into(),
            parameters: serde_json::Map::new(),
            pictures: values.len(),
            scores: scores(&names, values, better, &bootstrap).unwrap(),
            left_out: Vec::new(),
            failure: None,
        };
        of(&methods, &[metric], &[values.to_vec()], &bootstrap).unwrap()
    }

    /// Twenty pictures: the values of the two methods, and of random and edges.
    fn twenty(means: [f64; 4]) -> Vec<Vec<f64>> {
        (0..20)
            .map(|i| {
                let own = |column: usize| f64::from((i * 7 + 3 * column as i32) % 5 - 2) / 100.0;
                (0..4).map(|column| means[column] + own(column)).collect()
            })
            .collect()
    }

    #[test]
    fn a_clearly_best_method_is_named_with_its_lead() {
        let (answer, doubts) = compared("higher", &twenty([0.5, 0.3, 0.0, 0.1]));
        let answer = answer.unwrap();
        assert_eq!(
            answer.sentence,
            "On this network use grad-cam: its relevance gain is 0.500 (0.494 to 0.505), 0.20 (0.19 to 0.21) \
             above the next, occlusion, over 20 pictures."
        );
        assert_eq!(answer.choice.as_deref(), Some("grad-cam"));
        assert!(answer.alike.is_empty() && doubts.is_empty());
    }

    #[test]
    fn the_lowest_value_wins_if_lower_is_better() {
        let answer = compared("lower", &twenty([0.5, 0.3, 0.9, 0.9])).0.unwrap();
        assert_eq!(answer.best, "occlusion");
        assert!(answer.sentence.contains("below the next, grad-cam"));
    }

    #[test]
    fn the_faster_of_two_methods_without_a_clear_difference_is_chosen() {
        let (answer, doubts) = compared("higher", &twenty([0.301, 0.3, 0.0, 0.1]));
        let answer = answer.unwrap();
        let begin = "grad-cam and occlusion do not differ clearly by relevance gain on 20 pictures: 0.301 (";
        assert!(answer.sentence.starts_with(begin), "{}", answer.sentence);
        let end = "; use the faster one, occlusion (0.125 s per map).";
        assert!(answer.sentence.ends_with(end), "{}", answer.sentence);
        assert_eq!(answer.choice.as_deref(), Some("occlusion"));
        assert_eq!(answer.alike, ["occlusion"]);
        assert!(doubts.is_empty());
    }

    #[test]
    fn a_best_method_that_is_not_better_than_a_control_gets_a_warning() {
        let (_, doubts) = compared("higher", &twenty([0.5, 0.3, 0.0, 0.501]));
        assert_eq!(doubts.len(), 1);
        assert!(doubts[0].contains("the control `edges`"), "{}", doubts[0]);
    }

    #[test]
    fn with_few_pictures_no_method_is_chosen() {
        let values = twenty([0.5, 0.3, 0.0, 0.1]);
        let (answer, doubts) = compared("higher", &values[..3]);
        let answer = answer.unwrap();
        assert_eq!(answer.choice, None);
        assert!(answer.sentence.starts_with("3 pictures are too few"));
        assert!(doubts.is_empty());
    }

    #[test]
    fn a_metric_without_a_direction_does_not_decide() {
        assert_eq!(compared("neither", &twenty([0.5; 4])).0, None);
    }

    #[test]
    fn numbers_are_rounded_to_the_first_uncertain_digit() {
        let interval = |low, high| Some(Interval { low, high });
        assert_eq!(within(0.3123, interval(0.27, 0.351)), "0.31 (0.27 to 0.35)");
        assert_eq!(
            within(-0.001, interval(-0.04, 0.03)),
            "0.00 (−0.04 to 0.03)"
        );
        assert_eq!(within(0.25, interval(0.25, 0.25)), "0.250 (0.250 to 0.250)");
        assert_eq!(
            within(1234.5, interval(1000.0, 1500.0)),
            "1234 (1000 to 1500)"
        );
        assert_eq!(figure(0.0321), "0.0321");
    }
}

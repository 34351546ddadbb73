//! The summary of a comparison over all pictures.

use dvm_train::metrics::Bootstrap;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{self, Answer};
use super::lines::{Line, Plan, PlannedMetric};
use super::statistics::{Score, scores};
use crate::Error;
use crate::numbers::median;

/// The summary of a comparison, as in `compare.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Version of dvm.
    pub dvm: String,
    /// The network: its architecture, weights with their checksum, preprocessing.
    pub model: Value,
    /// Which class of each picture is explained: `top`, `true`, or a name.
    pub class: String,
    /// Seed of random numbers.
    pub seed: u64,
    /// Memory limit for activations, in bytes.
    pub memory: usize,
    /// Whether only the part that a change can reach was computed.
    pub incremental: bool,
    /// Settings of the intervals.
    pub bootstrap: Bootstrap,
    /// Pictures that were measured.
    pub pictures: usize,
    /// Pictures that could not be used.
    pub failed: Vec<PictureFailure>,
    /// The boxes or masks of objects.
    pub regions: Option<String>,
    /// Methods in the given order, then controls.
    pub methods: Vec<MethodSummary>,
    /// Metrics in the given order.
    pub metrics: Vec<MetricSummary>,
    /// Agreement of the methods' maps, averaged over pictures.
    pub agreement: Similarity,
    /// The method to use; none if no metric has a direction.
    pub answer: Option<Answer>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// A picture that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PictureFailure {
    /// Its file.
    pub file: String,
    /// Why.
    pub why: String,
}

/// A method or control of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodSummary {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Whether it is a control: its maps do not depend on the network.
    pub control: bool,
    /// All settings of its maps.
    pub parameters: Map<String, Value>,
    /// Number of maps that it made.
    pub maps: usize,
    /// Why it could not make a map of some picture, if there is one.
    pub failure: Option<String>,
    /// Time per map, without the forward walk that all methods share; none if it made no map.
    pub seconds: Option<Seconds>,
}

/// Seconds per map of a method.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seconds {
    /// Mean over its maps.
    pub mean: f64,
    /// Median over its maps; the first picture takes longer.
    pub median: f64,
}

/// A metric of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricSummary {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// `higher`, `lower` or `neither`.
    pub better: String,
    /// All its settings.
    pub parameters: Map<String, Value>,
    /// Pictures for which all compared methods have a value; means are over these.
    pub pictures: usize,
    /// A score for each compared method, in their order.
    pub scores: Vec<Score>,
    /// Methods that are not compared by it, because they have no value for most pictures for which others have
    /// one.
    pub left_out: Vec<String>,
    /// Why a map could not be measured, if there is one.
    pub failure: Option<String>,
}

/// Agreement of maps for each pair of methods, `[methods, methods]`: means over pictures, none if two methods have
/// no picture in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Similarity {
    /// Names of the methods.
    pub methods: Vec<String>,
    /// Spearman's rank correlation, −1 … 1.
    pub rank_correlation: Vec<Vec<Option<f64>>>,
    /// The mean structural similarity, −1 … 1.
    pub structural_similarity: Vec<Vec<Option<f64>>>,
}

impl Summary {
    /// Summarises the measurements.
    ///
    /// # Errors
    /// [`Error::Usage`] if no picture is measured, or if no method made a map.
    pub(super) fn new(plan: &Plan, lines: &[Line], bootstrap: &Bootstrap) -> Result<Self, Error> {
        let failed: Vec<PictureFailure> = lines
            .iter()
            .filter_map(|line| {
                Some(PictureFailure {
                    file: line.file.clone(),
                    why: line.failed.clone()?,
                })
            })
            .collect();
        let lines: Vec<&Line> = lines.iter().filter(|line| line.failed.is_none()).collect();
        if lines.is_empty() {
            let why = match &failed[..] {
                [] => "no picture is measured".into(),
                [only] => format!("{}: {}", only.file, only.why),
                [first, ..] => format!(
                    "none of the {} pictures can be used; the first is {}: {}",
                    failed.len(),
                    first.file,
                    first.why
                ),
            };
            return Err(Error::Usage(why));
        }
        let methods = methods(plan, &lines);
        if let Some(method) = methods.iter().find(|method| !method.control)
            && methods.iter().all(|one| one.control || one.maps == 0)
        {
            return Err(Error::Usage(format!(
                "no method can explain this network; {}: {}",
                method.name,
                method.failure.as_deref().unwrap_or("it made no map")
            )));
        }
        let metrics = plan.metrics.iter().enumerate();
        let mut values = Vec::new();
        let metrics: Vec<MetricSummary> = metrics
            .map(|(index, metric)| {
                let (summary, rows) = summed(metric, index, &methods, &lines, bootstrap)?;
                values.push(rows);
                Ok(summary)
            })
            .collect::<Result<_, Error>>()?;
        let mut warnings = warnings(&methods, &metrics, lines.len());
        let (answer, doubts) = answer::of(&methods, &metrics, &values, bootstrap)?;
        warnings.extend(doubts);
        Ok(Self {
            dvm: plan.dvm.clone(),
            model: plan.model.clone(),
            class: plan.class.clone(),
            seed: plan.seed,
            memory: plan.memory,
            incremental: plan.incremental,
            regions: plan.regions.as_ref().map(|regions| regions.path.clone()),
            bootstrap: bootstrap.clone(),
            pictures: lines.len(),
            failed,
            agreement: agreement(&methods, &lines),
            methods,
            metrics,
            answer,
            warnings,
        })
    }

    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&MethodSummary> {
        self.methods.iter().find(|method| method.name == name)
    }
}

fn methods(plan: &Plan, lines: &[&Line]) -> Vec<MethodSummary> {
    let summary = |(index, method): (usize, &super::lines::PlannedMethod)| {
        let maps = || lines.iter().map(|line| &line.maps[index]);
        let seconds: Vec<f64> = maps().filter_map(|map| map.seconds).collect();
        let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
        MethodSummary {
            name: method.name.clone(),
            title: method.title.clone(),
            control: method.control,
            parameters: method.parameters.clone(),
            maps: seconds.len(),
            failure: maps().find_map(|map| map.failed.clone()),
            seconds: (!seconds.is_empty()).then(|| Seconds {
                mean,
                median: median(seconds),
            }),
        }
    };
    plan.methods.iter().enumerate().map(summary).collect()
}

/// The summary of one metric with its values: a row for each picture, a column for each score.
fn summed(
    metric: &PlannedMetric,
    index: usize,
    methods: &[MethodSummary],
    lines: &[&Line],
    bootstrap: &Bootstrap,
) -> Result<(MetricSummary, Vec<Vec<f64>>), Error> {
    let found = |line: &Line, method: usize| line.maps[method].metrics.get(index).cloned();
    let value = |line: &Line, method: usize| found(line, method).and_then(|found| found.value);
    let count = |method: usize| {
        let with = lines.iter().filter(|line| value(line, method).is_some());
        with.count()
    };
    // A picture without any value, such as one without regions, does not count against a method.
    let with_figures = lines.iter().filter(|line| {
        let mut methods = 0..methods.len();
        methods.any(|method| value(line, method).is_some())
    });
    let most = with_figures.count().max(1);
    let (within, without): (Vec<usize>, Vec<usize>) =
        (0..methods.len()).partition(|&method| 2 * count(method) >= most);
    let complete: Vec<(&Line, Vec<f64>)> = lines
        .iter()
        .filter_map(|line| {
            let row: Option<Vec<f64>> = within.iter().map(|&m| value(line, m)).collect();
            Some((*line, row?))
        })
        .collect();
    let names: Vec<String> = within.iter().map(|&m| methods[m].name.clone()).collect();
    let rows: Vec<Vec<f64>> = complete.iter().map(|(_, row)| row.clone()).collect();
    let mut all = match rows.is_empty() {
        true => Vec::new(),
        false => scores(&names, &rows, &metric.better, bootstrap)?,
    };
    for (score, &method) in all.iter_mut().zip(&within) {
        let maps = complete.iter().filter_map(|(line, _)| found(line, method));
        score.not_passed = maps.filter(|found| found.finding.is_some()).count();
    }
    let failures = lines
        .iter()
        .flat_map(|line| line.maps.iter().filter_map(|map| map.metrics.get(index)));
    let summary = MetricSummary {
        name: metric.name.clone(),
        title: metric.title.clone(),
        better: metric.better.clone(),
        parameters: metric.parameters.clone(),
        pictures: rows.len(),
        scores: all,
        left_out: without.iter().map(|&m| methods[m].name.clone()).collect(),
        failure: failures.into_iter().find_map(|found| found.failed.clone()),
    };
    Ok((summary, rows))
}

fn warnings(methods: &[MethodSummary], metrics: &[MetricSummary], pictures: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    for method in methods {
        let Some(why) = &method.failure else {
            continue;
        };
        warnings.push(match method.maps {
            0 => format!("{} is left out: {why}", method.name),
            maps => format!(
                "{} made maps of only {maps} of {pictures} pictures: {why}",
                method.name
            ),
        });
    }
    let made = |name: &String| {
        let mut methods = methods.iter();
        methods.any(|method| method.name == *name && method.maps > 0)
    };
    for metric in metrics {
        let why = match &metric.failure {
            Some(why) => format!(": {why}"),
            None => String::new(),
        };
        let without: Vec<&str> = metric
            .left_out
            .iter()
            .filter(|name| made(name))
            .map(String::as_str)
            .collect();
        if !without.is_empty() {
            warnings.push(format!(
                "{} has no values for most maps of {}{why}",
                metric.title,
                without.join(", ")
            ));
        } else if metric.pictures < pictures {
            warnings.push(format!(
                "{} is compared on {} of {pictures} pictures, for which all methods have a value{why}",
                metric.title, metric.pictures
            ));
        }
    }
    warnings
}

fn agreement(methods: &[MethodSummary], lines: &[&Line]) -> Similarity {
    let with: Vec<usize> = (0..methods.len())
        .filter(|&method| methods[method].maps > 0)
        .collect();
    let agreements = || lines.iter().filter_map(|line| line.agreement.as_ref());
    let mean = |of: &dyn Fn(&super::lines::Agreement, usize, usize) -> Option<f64>| {
        let cell = |i: usize, j: usize| {
            let all: Vec<f64> = agreements()
                .filter_map(|agreement| of(agreement, i, j))
                .collect();
            (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
        };
        let row = |&i: &usize| with.iter().map(|&j| cell(i, j)).collect();
        with.iter().map(row).collect()
    };
    let at = |matrix: &[Vec<Option<f64>>], i: usize, j: usize| *matrix.get(i)?.get(j)?;
    Similarity {
        methods: with.iter().map(|&m| methods[m].name.clone()).collect(),
        rank_correlation: mean(&|one, i, j| at(&one.rank_correlation, i, j)),
        structural_similarity: mean(&|one, i, j| at(&one.structural_similarity, i, j)),
    }
}

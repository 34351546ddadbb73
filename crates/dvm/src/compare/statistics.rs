//! Means, intervals, ranks and differences of a metric's values.

use dvm_train::metrics::{Bootstrap, Interval};
use serde::Serialize;

use crate::Error;
use crate::numbers::median;

/// Values of one metric: a row for each picture, a column for each method.
pub(super) type Values = [Vec<f64>];

/// The statistics of a method's values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Name of the method.
    pub method: String,
    /// Mean over the pictures.
    pub mean: f64,
    /// Interval of the mean by the percentile bootstrap over pictures; none for a single picture.
    pub interval: Option<Interval>,
    /// Median over the pictures.
    pub median: f64,
    /// Mean rank of the method among all methods and controls, 1 for the best; ties get the mean of their ranks.
    /// None if the metric has no direction.
    pub mean_rank: Option<f64>,
    /// Interval of the mean rank.
    pub mean_rank_interval: Option<Interval>,
    /// The number of its maps that do not pass.
    pub not_passed: usize,
}

/// The paired difference of two methods on the same pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Mean over the pictures, greater than 0 if the first is better.
    pub mean: f64,
    /// Its interval, by resampling pictures.
    pub interval: Option<Interval>,
}

impl Difference {
    /// Whether the whole interval is greater than 0: the first is clearly better.
    pub fn is_clear(&self) -> bool {
        self.interval.is_some_and(|interval| interval.low > 0.0)
    }
}

/// 1 if higher is better, −1 if lower is better, none if neither.
pub(super) fn sign(better: &str) -> Option<f64> {
    match better {
        "higher" => Some(1.0),
        "lower" => Some(-1.0),
        _ => None,
    }
}

/// The scores of the methods.
pub(super) fn scores(
    methods: &[String],
    values: &Values,
    better: &str,
    bootstrap: &Bootstrap,
) -> Result<Vec<Score>, Error> {
    let places: Option<Vec<Vec<f64>>> =
        sign(better).map(|sign| values.iter().map(|row| ranks(row, sign)).collect());
    let intervals = intervals_of(values, bootstrap)?;
    let places_intervals = match &places {
        Some(places) => intervals_of(places, bootstrap)?,
        None => None,
    };
    let score = |(column, method): (usize, &String)| Score {
        method: method.clone(),
        mean: mean(values, column, None),
        interval: intervals.as_ref().map(|all| all[column]),
        median: median(values.iter().map(|row| row[column]).collect()),
        mean_rank: places.as_ref().map(|places| mean(places, column, None)),
        mean_rank_interval: places_intervals.as_ref().map(|all| all[column]),
        not_passed: 0,
    };
    Ok(methods.iter().enumerate().map(score).collect())
}

/// The intervals of the means of all columns; none for a single picture.
fn intervals_of(values: &Values, bootstrap: &Bootstrap) -> Result<Option<Vec<Interval>>, Error> {
    if values.len() < 2 {
        return Ok(None);
    }
    let columns = values[0].len();
    let means = bootstrap.resampled(values.len(), |drawn| {
        let mean = |column| mean(values, column, Some(drawn));
        (0..columns).map(mean).collect::<Vec<f64>>()
    })?;
    let interval = |column: usize| bootstrap.interval(means.iter().map(|means| means[column]));
    Ok(Some((0..columns).map(interval).collect()))
}

/// The difference of the methods of two columns.
pub(super) fn difference(
    values: &Values,
    (first, second): (usize, usize),
    sign: f64,
    bootstrap: &Bootstrap,
) -> Result<Difference, Error> {
    let differences: Vec<Vec<f64>> = values
        .iter()
        .map(|row| vec![sign * (row[first] - row[second])])
        .collect();
    let interval = intervals_of(&differences, bootstrap)?;
    Ok(Difference {
        mean: mean(&differences, 0, None),
        interval: interval.map(|all| all[0]),
    })
}

/// The mean of a column over all rows, or over the drawn rows.
fn mean(values: &Values, column: usize, drawn: Option<&[usize]>) -> f64 {
    match drawn {
        None => values.iter().map(|row| row[column]).sum::<f64>() / values.len() as f64,
        Some(drawn) => {
            let sum: f64 = drawn.iter().map(|&row| values[row][column]).sum();
            sum / drawn.len() as f64
        }
    }
}

/// The rank of each value, 1 for the best; ties get the mean of their ranks.
fn ranks(row: &[f64], sign: f64) -> Vec<f64> {
    row.iter()
        .map(|value| {
            let better = row.iter().filter(|other| sign * **other > sign * value);
            let equal = row.iter().filter(|other| *other == value);
            // e equal values after b better ones have the ranks b + 1 … b + e.
            better.count() as f64 + (equal.count() as f64 + 1.0) / 2.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [[f64; 3]; 4] = [
        [0.3, 0.1, 0.3],
        [0.5, 0.2, 0.1],
        [0.4, 0.4, 0.4],
        [0.8, 0.1, 0.9],
    ];

    fn values() -> Vec<Vec<f64>> {
        VALUES.map(Vec::from).to_vec()
    }

    fn scored(better: &str) -> Vec<Score> {
        let methods = ["a", "b", "c"].map(String::from);
        scores(&methods, &values(), better, &Bootstrap::default()).unwrap()
    }

    #[test]
    fn means_and_medians_match_numpy() {
        // numpy.mean(values, 0), numpy.median(values, 0)
        let found = scored("higher");
        let means: Vec<f64> = found.iter().map(|score| score.mean).collect();
        let medians: Vec<f64> = found.iter().map(|score| score.median).collect();
        for (found, expected) in means.iter().zip([0.5, 0.2, 0.425]) {
            assert!((found - expected).abs() < 1e-12);
        }
        for (found, expected) in medians.iter().zip([0.45, 0.15, 0.35]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn ranks_match_scipy_for_both_directions() {
        // scipy.stats.rankdata(-row) and scipy.stats.rankdata(row).
        let rank = |better: &str| {
            scored(better)
                .iter()
                .map(|s| s.mean_rank)
                .collect::<Vec<_>>()
        };
        // Rows: (1.5, 3, 1.5), (1, 2, 3), (2, 2, 2), (2, 3, 1).
        assert_eq!(rank("higher"), [Some(1.625), Some(2.5), Some(1.875)]);
        assert_eq!(rank("lower"), [Some(2.375), Some(1.5), Some(2.125)]);
        assert_eq!(rank("neither"), [None; 3]);
    }

    #[test]
    fn a_paired_difference_does_not_depend_on_how_pictures_differ() {
        // Pictures differ much; the two methods differ by exactly 0.1 on each.
        let values: Vec<Vec<f64>> = (0..12)
            .map(|i| vec![f64::from(i), f64::from(i) + 0.1])
            .collect();
        let bootstrap = Bootstrap::default();
        let found = difference(&values, (1, 0), 1.0, &bootstrap).unwrap();
        assert!((found.mean - 0.1).abs() < 1e-9);
        assert!(found.is_clear());
        let Some(Interval { low, high }) = found.interval else {
            panic!("there are several pictures");
        };
        assert!((low - 0.1).abs() < 1e-9 && (high - 0.1).abs() < 1e-9);
        let lower = difference(&values, (1, 0), -1.0, &bootstrap).unwrap();
        assert!((lower.mean + 0.1).abs() < 1e-9 && !lower.is_clear());
    }

    #[test]
    fn the_interval_of_two_values_goes_from_one_to_the_other() {
        // A quarter of the resamples have the first picture twice, a quarter the second.
        let values = [vec![1.0], vec![3.0]];
        let found = scores(&["a".into()], &values, "higher", &Bootstrap::default()).unwrap();
        let expected = Interval {
            low: 1.0,
            high: 3.0,
        };
        assert_eq!(found[0].interval, Some(expected));
        let one = scores(&["a".into()], &values[..1], "higher", &Bootstrap::default()).unwrap();
        assert_eq!(one[0].interval, None);
    }
}

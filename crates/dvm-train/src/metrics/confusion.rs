//! The confusion matrix and the scores that follow from it.

use serde::{Deserialize, Serialize};

/// The confusion matrix: `counts[class][predicted]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// The scores of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Its name.
    pub name: String,
    /// Precision; `None` if no picture was predicted as this class.
    pub precision: Option<f64>,
    /// Recall; `None` if the class has no pictures.
    pub recall: Option<f64>,
    /// F1, the harmonic mean of both; `None` if the class has no pictures and no predictions.
    pub f1: Option<f64>,
    /// Number of its pictures.
    pub support: u64,
    /// Number of pictures predicted as this class.
    pub predicted: u64,
}

impl Confusion {
    /// Counts pairs of (class, predicted class), both less than `kinds`.
    pub fn new(kinds: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![vec![0; kinds]; kinds];
        for (class, predicted) in pairs {
            counts[class][predicted] += 1;
        }
        Self { counts }
    }

    /// Rows are classes, columns are predicted classes.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// The accuracy.
    pub fn accuracy(&self) -> f64 {
        let found: u64 = (0..self.counts.len()).map(|c| self.counts[c][c]).sum();
        let all: u64 = self.counts.iter().flatten().sum();
        found as f64 / all as f64
    }

    /// Number of classes that have pictures.
    pub fn classes_with_pictures(&self) -> usize {
        let has_pictures = |row: &&Vec<u64>| row.iter().any(|&count| count > 0);
        self.counts.iter().filter(has_pictures).count()
    }

    /// Mean recall of the classes that have pictures.
    pub fn balanced_accuracy(&self) -> f64 {
        self.mean_over_classes(|of| of.recall())
    }

    /// Mean F1 of the classes that have pictures or predictions.
    pub fn macro_f1(&self) -> f64 {
        self.mean_over_classes(|of| of.f1())
    }

    fn mean_over_classes(&self, score: impl Fn(Counts) -> Option<f64>) -> f64 {
        let scores = (0..self.counts.len()).filter_map(|class| score(self.of(class)));
        let (sum, count) = scores.fold((0.0, 0u32), |(sum, count), x| (sum + x, count + 1));
        sum / f64::from(count)
    }

    /// Scores of every class.
    pub(super) fn classes(&self, names: &[String]) -> Vec<ClassScores> {
        let scores = |(class, name): (usize, &String)| {
            let of = self.of(class);
            ClassScores {
                name: name.clone(),
                precision: share(of.found, of.predicted),
                recall: of.recall(),
                f1: of.f1(),
                support: of.support,
                predicted: of.predicted,
            }
        };
        names.iter().enumerate().map(scores).collect()
    }

    fn of(&self, class: usize) -> Counts {
        Counts {
            found: self.counts[class][class],
            support: self.counts[class].iter().sum(),
            predicted: self.counts.iter().map(|row| row[class]).sum(),
        }
    }
}

/// The counts of one class.
struct Counts {
    found: u64,
    support: u64,
    predicted: u64,
}

impl Counts {
    fn recall(&self) -> Option<f64> {
        share(self.found, self.support)
    }

    fn f1(&self) -> Option<f64> {
        share(2 * self.found, self.support + self.predicted)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0: three of four correct, one predicted as 1. Class 1: one of two correct, one
    /// predicted as 2. Class 2 has no pictures. Class 3 has no pictures and no predictions.
    fn confusion() -> Confusion {
        let pairs = [(0, 0), (0, 0), (0, 0), (0, 1), (1, 1), (1, 2)];
        Confusion::new(4, pairs.into_iter())
    }

    #[test]
    fn class_scores_match_hand_computed_values() {
        let names = ["a", "b", "c", "d"].map(String::from);
        let scores: Vec<_> = confusion()
            .classes(&names)
            .into_iter()
            .map(|c| (c.precision, c.recall, c.f1, c.support, c.predicted))
            .collect();
        assert_eq!(
            scores,
            [
                (Some(1.0), Some(0.75), Some(6.0 / 7.0), 4, 3),
                (Some(0.5), Some(0.5), Some(0.5), 2, 2),
                (Some(0.0), None, Some(0.0), 0, 1),
                (None, None, None, 0, 0),
            ]
        );
    }

    #[test]
    fn classes_without_pictures_are_left_out_of_means() {
        assert_eq!(confusion().accuracy(), 4.0 / 6.0);
        assert_eq!(confusion().balanced_accuracy(), (0.75 + 0.5) / 2.0);
        let f1 = (6.0 / 7.0 + 0.5 + 0.0) / 3.0;
        assert!((confusion().macro_f1() - f1).abs() < 1e-15);
    }
}

//! How often which class was taken for which, and what follows from that alone.

use serde::{Deserialize, Serialize};

/// `counts[class][predicted]`: pictures of a class that were taken for another, or for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// How well a class is told from the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Its name.
    pub name: String,
    /// Of the pictures taken for it, the share that is; none if no picture was.
    pub precision: Option<f64>,
    /// Of its pictures, the share that was recognised; none if it has none.
    pub recall: Option<f64>,
    /// Harmonic mean of both; none if it has no pictures and none was taken for it.
    pub f1: Option<f64>,
    /// Number of its pictures.
    pub support: u64,
    /// Number of pictures taken for it.
    pub predicted: u64,
}

impl Confusion {
    /// Counts pairs of (class, predicted class), both below `kinds`.
    pub fn new(kinds: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![vec![0; kinds]; kinds];
        for (class, predicted) in pairs {
            counts[class][predicted] += 1;
        }
        Self { counts }
    }

    /// Rows are classes, columns what they were taken for.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Share of pictures recognised.
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

    /// Mean F1 of the classes that have pictures or were taken for one.
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

/// What is counted of one class.
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

    /// Class 0: three of four found, one taken for 1. Class 1: one of two found, one taken for 2.
    /// Class 2 has no pictures. Class 3 neither, and nothing was taken for it.
    fn confusion() -> Confusion {
        let pairs = [(0, 0), (0, 0), (0, 0), (0, 1), (1, 1), (1, 2)];
        Confusion::new(4, pairs.into_iter())
    }

    #[test]
    fn classes_have_the_scores_counted_by_hand() {
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
    fn classes_without_pictures_do_not_count_where_they_cannot() {
        assert_eq!(confusion().accuracy(), 4.0 / 6.0);
        assert_eq!(confusion().balanced_accuracy(), (0.75 + 0.5) / 2.0);
        let f1 = (6.0 / 7.0 + 0.5 + 0.0) / 3.0;
        assert!((confusion().macro_f1() - f1).abs() < 1e-15);
    }
}

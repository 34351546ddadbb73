//! Detects trainings that do not improve, and suggests what to change.

use std::fmt;

use dvm_data::{Dataset, Split};

use crate::{Config, EpochRecord};

/// A problem of a training, detected at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trouble {
    /// The problem.
    pub sign: Sign,
    /// The epoch, from 1.
    pub epoch: usize,
    /// What to change.
    pub advice: Advice,
}

/// The kind of problem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    /// The network is not better than always predicting the most frequent class.
    Chance {
        /// Accuracy, 0 to 1.
        accuracy: f64,
        /// Share of the most frequent class, 0 to 1.
        most_frequent: f64,
    },
    /// The training loss increases.
    Diverging {
        /// Mean loss of the first epoch.
        first: f64,
        /// Mean loss of this epoch.
        loss: f64,
    },
}

/// Suggested values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advice {
    /// A lower learning rate.
    pub learning_rate: f64,
    /// A limit for the norm of gradients, if there is none or it is large.
    pub clip: Option<f64>,
}

impl Advice {
    /// A tenth of the learning rate, and a gradient norm of at most 1.
    pub fn of(config: &Config) -> Self {
        let tenth = config.learning_rate() / 10.0;
        // Rounded to one digit.
        let power = 10_f64.powf(tenth.log10().floor());
        let text = format!("{:.0e}", (tenth / power).round() * power);
        Self {
            learning_rate: text.parse().unwrap_or(tenth),
            clip: (config.clip == 0.0 || config.clip > 1.0).then_some(1.0),
        }
    }
}

/// The chance level of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chance {
    /// Whether it is for the validation pictures, not the training pictures.
    validates: bool,
    /// Share of the most frequent class, 0 to 1.
    most_frequent: f64,
    /// Accuracy that is better than chance: two standard errors above that share.
    lucky: f64,
    /// Cross-entropy of predicting each class with its share.
    loss: f64,
}

impl Chance {
    pub fn of(data: &Dataset) -> Self {
        let validates = !data.samples(Split::Val).is_empty();
        let split = if validates { Split::Val } else { Split::Train };
        let samples = data.samples(split);
        let mut counts = vec![0_usize; data.classes.len()];
        samples.iter().for_each(|sample| counts[sample.class] += 1);
        Self::of_counts(&counts, validates)
    }

    fn of_counts(counts: &[usize], validates: bool) -> Self {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        let shares = counts.iter().map(|&count| count as f64 / all);
        let most_frequent = shares.clone().fold(0.0, f64::max);
        let deviation = (most_frequent * (1.0 - most_frequent) / all).sqrt();
        Self {
            validates,
            most_frequent,
            lucky: most_frequent + 2.0 * deviation,
            loss: shares.filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum(),
        }
    }

    /// Whether the result of an epoch is not better than chance.
    fn holds(&self, record: &EpochRecord) -> bool {
        match (self.validates, record.val_accuracy, record.val_loss) {
            (true, Some(accuracy), Some(loss)) => {
                accuracy <= self.lucky && loss >= 0.98 * self.loss
            }
            (true, ..) => false,
            // The training loss includes label smoothing and class weights, so it cannot be compared.
            (false, ..) => record.train_accuracy <= self.lucky,
        }
    }

    /// The problem after the last of these epochs, if there is one. A schedule with warm-up may
    /// need two epochs before it improves, so a single epoch at chance level is a problem only at
    /// the end of a short training.
    pub fn sign(&self, records: &[EpochRecord], epochs: u64) -> Option<Sign> {
        let last = records.last()?;
        // With a single class nothing can be better than chance.
        if self.most_frequent >= 1.0 {
            return None;
        }
        let ended = last.epoch as u64 >= epochs;
        if records.len() >= 3 || ended {
            let looked_at = &records[records.len().saturating_sub(2)..];
            if looked_at.iter().all(|record| self.holds(record)) {
                let accuracy = match self.validates {
                    true => last.val_accuracy.unwrap_or(0.0),
                    false => last.train_accuracy,
                };
                return Some(Sign::Chance {
                    accuracy,
                    most_frequent: self.most_frequent,
                });
            }
        }
        let first = records[0].train_loss;
        let grown = records.len() > 1 && last.train_loss > 1.5 * first.max(self.loss);
        grown.then_some(Sign::Diverging {
            first,
            loss: last.train_loss,
        })
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chance {
                accuracy,
                most_frequent,
            } => write!(
                f,
                "the network is not better than chance: its accuracy is {:.1} %, and the most \
                 frequent class has {:.1} % of the pictures",
                100.0 * accuracy,
                100.0 * most_frequent
            ),
            Self::Diverging { first, loss } => write!(
                f,
                "the training diverges: the loss was {first:.4} in the first epoch and is {loss:.4} now"
            ),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "use a lower learning rate (`optimiser.learning_rate = {}`)",
            self.learning_rate
        )?;
        match self.clip {
            Some(clip) => write!(f, " or limit gradients (`clip = {clip}`)"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::of_flowers;

    fn record(epoch: usize, train_loss: f64, val_loss: f64, accuracy: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss,
            train_accuracy: accuracy,
            val_loss: Some(val_loss),
            val_accuracy: Some(accuracy),
            ..EpochRecord::default()
        }
    }

    #[test]
    fn the_chance_level_follows_from_the_class_shares() {
        let even = Chance::of_counts(&[20; 5], true);
        assert!((even.loss - 5_f64.ln()).abs() < 1e-12);
        assert_eq!(even.most_frequent, 0.2);
        // Two standard errors of 100 pictures: 2 · √(0.2 · 0.8 / 100).
        assert!((even.lucky - 0.28).abs() < 1e-12);
        let uneven = Chance::of_counts(&[90, 10, 0], true);
        assert!((uneven.loss - 0.325_082_973_391_448_2).abs() < 1e-12);
    }

    #[test]
    fn a_training_that_collapses_later_is_at_chance() {
        let chance = Chance::of_counts(&[20; 5], true);
        let mut records = vec![record(1, 1.7, 1.2, 0.62), record(2, 1.4, 1.1, 0.56)];
        assert_eq!(chance.sign(&records, 12), None);
        records.push(record(3, 1.54, 2.1, 0.2));
        assert_eq!(chance.sign(&records, 12), None);
        records.push(record(4, 1.6, 1.6067, 0.2));
        assert!(matches!(
            chance.sign(&records, 12),
            Some(Sign::Chance { .. })
        ));
    }

    #[test]
    fn a_slow_start_is_a_problem_only_if_the_training_ends_there() {
        let chance = Chance::of_counts(&[20; 5], true);
        let records = [record(1, 1.8, 2.5, 0.13), record(2, 1.7, 1.62, 0.2)];
        assert_eq!(chance.sign(&records, 12), None);
        assert!(matches!(
            chance.sign(&records, 2),
            Some(Sign::Chance { .. })
        ));
    }

    #[test]
    fn with_uneven_classes_the_most_frequent_one_is_the_chance_level() {
        let chance = Chance::of_counts(&[90, 10], true);
        let stuck: Vec<_> = (1..4).map(|e| record(e, 0.33, 0.326, 0.9)).collect();
        assert!(chance.sign(&stuck, 9).is_some());
        // The same accuracy with a lower loss is better than chance.
        let learns: Vec<_> = (1..4).map(|e| record(e, 0.2, 0.2, 0.9)).collect();
        assert_eq!(chance.sign(&learns, 9), None);
    }

    #[test]
    fn an_increasing_loss_is_reported() {
        let chance = Chance::of_counts(&[20; 5], true);
        let records = [record(1, 1.7, 1.2, 0.6), record(2, 2.7, 1.2, 0.6)];
        let sign = chance.sign(&records, 9).unwrap();
        let words =
            "the training diverges: the loss was 1.7000 in the first epoch and is 2.7000 now";
        assert_eq!(sign.to_string(), words);
    }

    #[test]
    fn the_advice_is_a_tenth_of_the_learning_rate_and_clipping() {
        let advice = |values: &[(&str, &str)]| {
            let config = Config::resolve(None, None, &of_flowers(values));
            Advice::of(&config.unwrap()).to_string()
        };
        assert_eq!(
            advice(&[]),
            "use a lower learning rate (`optimiser.learning_rate = 0.002`) or limit gradients \
             (`clip = 1`)"
        );
        assert_eq!(
            advice(&[("optimiser.learning_rate", "0.0347"), ("clip", "0.5")]),
            "use a lower learning rate (`optimiser.learning_rate = 0.003`)"
        );
    }
}

//! The validation values of an epoch, and their comparison.

/// The validation values of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Accuracy, 0…1.
    pub accuracy: f64,
    /// Balanced accuracy: the mean recall of the classes, 0…1.
    pub balanced_accuracy: f64,
}

/// The validation value that should improve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// The loss: lower is better.
    Loss,
    /// The accuracy.
    Accuracy,
    /// The balanced accuracy.
    BalancedAccuracy,
}

impl Criterion {
    /// Their names.
    pub const WORDS: &[&str] = &["loss", "accuracy", "balanced_accuracy"];

    /// The criterion of this name.
    pub fn find(word: &str) -> Option<Self> {
        match word {
            "loss" => Some(Self::Loss),
            "accuracy" => Some(Self::Accuracy),
            "balanced_accuracy" => Some(Self::BalancedAccuracy),
            _ => None,
        }
    }

    /// The name.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// The value of this criterion.
    pub fn value(self, validation: &Validation) -> f64 {
        match self {
            Self::Loss => validation.loss,
            Self::Accuracy => validation.accuracy,
            Self::BalancedAccuracy => validation.balanced_accuracy,
        }
    }

    /// Whether `now` is better than `best` by more than the share `threshold` of it. Any number is
    /// better than no number; NaN is never better.
    pub fn is_better(self, now: f64, best: Option<f64>, threshold: f64) -> bool {
        match (self, best) {
            (_, None) => !now.is_nan(),
            (Self::Loss, Some(best)) => now < best * (1.0 - threshold),
            (_, Some(best)) => now > best * (1.0 + threshold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for word in Criterion::WORDS {
            assert_eq!(Criterion::find(word).unwrap().word(), *word);
        }
        assert_eq!(Criterion::find("luck"), None);
    }

    #[test]
    fn nan_is_never_better() {
        for criterion in [Criterion::Loss, Criterion::Accuracy] {
            assert!(!criterion.is_better(f64::NAN, None, 0.0));
            assert!(!criterion.is_better(f64::NAN, Some(0.5), 0.0));
            assert!(criterion.is_better(0.5, None, 0.0));
            assert!(!criterion.is_better(0.5, Some(0.5), 0.0));
        }
    }
}

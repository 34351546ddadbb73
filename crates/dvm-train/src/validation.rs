//! What an epoch's validation found, and which of two is better.

/// What an epoch's validation found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share of pictures whose largest logit is their class's, 0…1.
    pub accuracy: f64,
    /// Mean over the classes of the share of their pictures recognised, 0…1.
    pub balanced_accuracy: f64,
}

/// What of a validation is to get better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// The loss: less is better.
    Loss,
    /// The accuracy.
    Accuracy,
    /// The accuracy in which every class counts alike.
    BalancedAccuracy,
}

impl Criterion {
    /// The words for them.
    pub const WORDS: &[&str] = &["loss", "accuracy", "balanced_accuracy"];

    /// The one of this word, if it is one of [`Criterion::WORDS`].
    pub fn find(word: &str) -> Option<Self> {
        match word {
            "loss" => Some(Self::Loss),
            "accuracy" => Some(Self::Accuracy),
            "balanced_accuracy" => Some(Self::BalancedAccuracy),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// What it looks at.
    pub fn value(self, validation: &Validation) -> f64 {
        match self {
            Self::Loss => validation.loss,
            Self::Accuracy => validation.accuracy,
            Self::BalancedAccuracy => validation.balanced_accuracy,
        }
    }

    /// Whether `now` is better than `best` by more than this share of it. Any number is better than
    /// none; what is not a number is never better.
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
    fn every_word_is_its_criterion() {
        for word in Criterion::WORDS {
            assert_eq!(Criterion::find(word).unwrap().word(), *word);
        }
        assert_eq!(Criterion::find("luck"), None);
    }

    #[test]
    fn what_is_not_a_number_is_never_better() {
        for criterion in [Criterion::Loss, Criterion::Accuracy] {
            assert!(!criterion.is_better(f64::NAN, None, 0.0));
            assert!(!criterion.is_better(f64::NAN, Some(0.5), 0.0));
            assert!(criterion.is_better(0.5, None, 0.0));
            assert!(!criterion.is_better(0.5, Some(0.5), 0.0));
        }
    }
}

//! Class weights of the loss.

use std::fmt;

use serde::de::{self, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Class weights in the loss.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ClassWeights {
    /// `none` or `balanced`.
    Named(Balance),
    /// One weight per class, in the order of the classes.
    Each(Vec<f32>),
}

/// A rule for class weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// No weights: every picture counts the same.
    None,
    /// Every class counts the same: the weight is pictures / (classes · pictures of the class).
    Balanced,
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClassWeightsVisitor)
    }
}

struct ClassWeightsVisitor;

impl<'de> Visitor<'de> for ClassWeightsVisitor {
    type Value = ClassWeights;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`none`, `balanced` or a list with one number per class")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<ClassWeights, E> {
        match word {
            "none" => Ok(ClassWeights::Named(Balance::None)),
            "balanced" => Ok(ClassWeights::Named(Balance::Balanced)),
            _ => Err(E::invalid_type(Unexpected::Str(word), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ClassWeights, A::Error> {
        let mut weights = Vec::new();
        while let Some(weight) = list.next_element()? {
            weights.push(weight);
        }
        Ok(ClassWeights::Each(weights))
    }
}

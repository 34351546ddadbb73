//! Methods that use the attention of vision transformers. Each is a formula over the attention probabilities `[heads,
//! T, T]` of every block and their gradients, which come from [`crate::probe::Attentions`].

pub(crate) mod attention_relevance;
pub(crate) mod attention_rollout;
pub(crate) mod legrad;
mod libra;

use dvm_engine::Output;

pub use libra::libra;
pub(crate) use libra::{ATTENTION_RULES, AttentionRules};

use crate::probe::Attentions;
use crate::subject::finite;
use crate::upsample::bilinear;
use crate::{Array, Attribution, Error, Subject, Target};

/// The networks that these methods work with.
const NETWORKS: &str = "ViT, DeiT and others whose tokens all attend to each other";

/// The attention of the network, after its output and the targets were checked.
fn attentions<'a>(subject: &'a Subject<'a>, targets: &[Target]) -> Result<Attentions<'a>, Error> {
    Target::check_all(targets, Output::classes(subject.numbers()?.len()))?;
    subject.attentions()
}

/// The attribution from one value per token, `[T]`: its title, what the values are, and the name of the score.
fn attribution(
    subject: &Subject,
    attentions: &Attentions,
    target: &Target,
    (title, quantity, score): (String, &str, &'static str),
    tokens: &[f64],
) -> Result<Attribution, Error> {
    let tokens: Vec<f32> = tokens.iter().map(|&value| value as f32).collect();
    finite("the attention of its tokens", &tokens)?;
    let places = attentions.at_places(&tokens);
    let (rows, columns) = attentions.grid;
    let map = bilinear(&places, attentions.grid, subject.size());
    Ok(Attribution {
        title,
        quantity: quantity.into(),
        score,
        arrays: vec![
            Array::new(Array::RAW, &[rows, columns], places),
            Array::new("tokens", &[tokens.len()], tokens),
        ],
        ..Attribution::new(target, subject.size(), map)
    }
    .checked())
}

/// The row that a matrix product starts with: the mean of the unit rows of the tokens that are read.
fn rows_read(attentions: &Attentions) -> Vec<f64> {
    let mut row = vec![0.0; attentions.tokens];
    for &token in &attentions.read {
        row[token] = 1.0 / attentions.read.len() as f64;
    }
    row
}

/// `row · matrix` for `[T]` and `[T, T]`.
fn times(row: &[f64], matrix: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; row.len()];
    for (&factor, own) in row.iter().zip(matrix.chunks_exact(row.len())) {
        if factor != 0.0 {
            let pairs = product.iter_mut().zip(own);
            pairs.for_each(|(sum, &value)| *sum += factor * value);
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_times_a_matrix() {
        assert_eq!(times(&[1.0, 2.0], &[1.0, 2.0, 3.0, 4.0]), [7.0, 10.0]);
    }
}

//! Methods that look at how the tokens of a vision transformer attend to each other. Each is a formula over
//! the attention probabilities `[heads, T, T]` of every block and their gradients; both come from
//! [`crate::probe::Attentions`].

mod attention_relevance;
mod attention_rollout;
mod legrad;
mod libra;

use dvm_engine::Output;
use dvm_image::{Grid, HeatMap};

pub use attention_relevance::ATTENTION_RELEVANCE;
pub use attention_rollout::ATTENTION_ROLLOUT;
pub use legrad::LEGRAD;
pub use libra::libra;
pub(crate) use libra::{ATTENTION_RULES, AttentionRules};

use crate::probe::Attentions;
use crate::subject::finite;
use crate::{Array, Attribution, Error, Nature, Subject, Target};

/// For which networks attention of all tokens to each other is defined.
const NETWORKS: &str = "ViT, DeiT and all whose tokens look at each other";

/// The attention of the network, once its answer is known to be one and to have these targets.
fn attentions<'a>(subject: &'a Subject<'a>, targets: &[Target]) -> Result<Attentions<'a>, Error> {
    let classes = Output::classes(subject.numbers()?.len());
    targets
        .iter()
        .try_for_each(|target| target.check(classes))?;
    subject.attentions()
}

/// What the map of a method is called, and what its numbers are.
struct Words {
    title: String,
    quantity: &'static str,
    score: &'static str,
}

/// The attribution that follows from one number per token, `[T]`.
fn attribution(
    subject: &Subject,
    attentions: &Attentions,
    target: &Target,
    words: Words,
    tokens: &[f64],
) -> Result<Attribution, Error> {
    let tokens: Vec<f32> = tokens.iter().map(|&value| value as f32).collect();
    finite("the attention of its tokens", &tokens)?;
    let places = attentions.at_places(&tokens);
    let (rows, columns) = attentions.grid;
    Ok(Attribution {
        target: target.clone(),
        title: words.title,
        quantity: words.quantity.into(),
        score: words.score,
        map: upsampled(&places, attentions.grid, subject.size()),
        size: subject.size(),
        smooth: None,
        arrays: vec![
            Array::new(Array::RAW, &[rows, columns], places),
            Array::new("tokens", &[tokens.len()], tokens),
        ],
        nature: Nature::Magnitude,
        warnings: Vec::new(),
        checks: Vec::new(),
    }
    .checked())
}

/// Values `[rows, columns]` at `[H, W]`, bilinear between the centres of the parts of the picture that they
/// stand for.
fn upsampled(values: &[f32], grid: (usize, usize), (height, width): (usize, usize)) -> Vec<f32> {
    let points = |pixels: usize, places: usize| -> Vec<f64> {
        let scale = places as f64 / pixels as f64;
        (0..pixels)
            .map(|pixel| (pixel as f64 + 0.5) * scale)
            .collect()
    };
    let map = HeatMap::new(Grid::pixels(grid.0, grid.1), values.to_vec());
    map.smooth_at(&points(height, grid.0), &points(width, grid.1))
}

/// The row that a matrix product begins with: the mean of the unit rows of the tokens that are read.
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
    fn pixels_between_two_tokens_are_mixed() {
        let found = upsampled(&[0.0, 8.0], (1, 2), (2, 4));
        assert_eq!(found, [0.0, 2.0, 6.0, 8.0].repeat(2));
    }

    #[test]
    fn a_row_times_a_matrix() {
        assert_eq!(times(&[1.0, 2.0], &[1.0, 2.0, 3.0, 4.0]), [7.0, 10.0]);
    }
}

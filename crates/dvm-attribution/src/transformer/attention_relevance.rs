//! Attention relevance.

use super::{NETWORKS, attentions, attribution, rows_read, times};
use crate::options::SCORE;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, Score, Subject, Target, Walks};

/// Attention that raises the score, accumulated over all blocks.
pub const ATTENTION_RELEVANCE: MethodEntry = MethodEntry {
    name: "attention-relevance",
    title: "attention relevance",
    summary: "attention with a positive gradient of the class's score, accumulated over all blocks",
    reference: Reference {
        authors: "Chefer, Gur, Wolf",
        year: 2021,
        title: "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers",
        published: Published::Arxiv("2103.15679"),
    },
    family: Family::Transformer,
    cost: "1 pass forward, 1 back",
    networks: NETWORKS,
    options: &[SCORE],
    presets: &[],
    build: |options| {
        Ok(Box::new(AttentionRelevance {
            score: options.word(&SCORE)?,
        }))
    },
};

struct AttentionRelevance {
    score: Score,
}

impl Method for AttentionRelevance {
    fn walks(&self) -> Walks {
        Walks::BACKWARD
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        // Kept until all maps are made, so that all use one forward pass.
        let forward = subject.forward()?;
        let attentions = attentions(subject, targets)?;
        Ok(Box::new(move |target| {
            let _held = &forward;
            let first = rows_read(&attentions);
            // R ← R + C · R from the first block on equals r ← r + r · C for one row from the last block on.
            let mut row = first.clone();
            let mut add = |_: usize, probabilities: &[f32], gradients: &[f32]| {
                let added = times(
                    &row,
                    &relevance(probabilities, gradients, attentions.tokens),
                );
                let sums = row.iter_mut().zip(added);
                sums.for_each(|(sum, more)| *sum += more);
                Ok(())
            };
            subject.attention_gradients(&attentions, (target, self.score), &mut add)?;
            // The identity matrix, the start of R, is not part of the map.
            let added: Vec<f64> = row.iter().zip(&first).map(|(r, own)| r - own).collect();
            let score = self.score.name(subject.output(), subject.numbers()?.len());
            let words = ("attention relevance".into(), "relevance of a token", score);
            let mut attribution = attribution(subject, &attentions, target, words, &added)?;
            attribution.warnings.extend(attentions.warning());
            Ok(attribution)
        }))
    }
}

/// The mean over heads of `max(gradient · attention, 0)`: `[heads, T, T]` as `[T, T]`.
fn relevance(probabilities: &[f32], gradients: &[f32], tokens: usize) -> Vec<f64> {
    let size = tokens * tokens;
    let heads = (probabilities.len() / size) as f64;
    let mut sums = vec![0.0; size];
    let tables = probabilities
        .chunks_exact(size)
        .zip(gradients.chunks_exact(size));
    for (probabilities, gradients) in tables {
        for ((sum, &p), &g) in sums.iter_mut().zip(probabilities).zip(gradients) {
            *sum += (f64::from(p) * f64::from(g)).max(0.0) / heads;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_values_are_set_to_0_before_the_mean_over_heads() {
        let probabilities = [0.5, 0.5, 1.0, 0.0, 0.25, 0.75, 0.5, 0.5];
        let gradients = [2.0, -2.0, 1.0, 9.0, -4.0, 4.0, 0.0, 2.0];
        assert_eq!(
            relevance(&probabilities, &gradients, 2),
            [0.5, 1.5, 0.5, 0.5]
        );
    }
}

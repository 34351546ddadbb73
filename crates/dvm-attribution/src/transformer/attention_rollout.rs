//! Attention rollout.

use dvm_options::{Takes, words};

use super::{NETWORKS, attentions, attribution, rows_read, times};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, OptionSpec, Subject, Target};

/// The product over all blocks of half the attention and half the identity.
pub const ATTENTION_ROLLOUT: MethodEntry = MethodEntry {
    name: "attention-rollout",
    title: "attention rollout",
    summary: "the attention of the class token, multiplied through all blocks; the same for every class",
    reference: Reference {
        authors: "Abnar, Zuidema",
        year: 2020,
        title: "Quantifying Attention Flow in Transformers",
        published: Published::Arxiv("2005.00928"),
    },
    family: Family::Transformer,
    cost: "1 pass forward",
    networks: NETWORKS,
    options: &[HEADS, DISCARD],
    presets: &[],
    build: |options| {
        let discard = options.share(&DISCARD)?;
        if discard == 1.0 {
            return Err(DISCARD.refuse(1, "it must be less than 1"));
        }
        Ok(Box::new(AttentionRollout {
            heads: options.word(&HEADS)?,
            discard,
        }))
    },
};

const HEADS: OptionSpec = OptionSpec {
    name: "heads",
    takes: Takes::Text(Heads::FORM),
    default: "mean",
    help: "how the attention of several heads is combined: by the mean, the minimum or the maximum",
};

const DISCARD: OptionSpec = OptionSpec {
    name: "discard",
    takes: Takes::From(0.0, 1.0),
    default: "0",
    help: "share of each block's attention that is set to 0, the smallest values first (vit-explain: 0.9)",
};

words! {
    /// How the attention of several heads is combined.
    enum Heads {
        /// Its mean.
        Mean = "mean",
        /// Its smallest value.
        Min = "min",
        /// Its largest value.
        Max = "max",
    }
}

struct AttentionRollout {
    heads: Heads,
    discard: f64,
}

impl Method for AttentionRollout {
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let attentions = attentions(subject, targets)?;
        // Only one row of the product is needed: it is multiplied from the last block on.
        let mut row = rows_read(&attentions);
        subject.attention(&attentions, &mut |_, probabilities, _| {
            let joined = self.heads.joined(probabilities, attentions.tokens);
            row = times(&row, &self.step(joined, attentions.tokens));
            Ok(())
        })?;
        let shared = (targets.len() > 1).then(|| {
            "attention rollout does not depend on the class: the map is the same for every one"
                .to_owned()
        });
        Ok(Box::new(move |target| {
            let title = match self.discard {
                0.0 => format!("attention rollout, {}", self.heads.word()),
                part => format!("attention rollout, {}, discard {part}", self.heads.word()),
            };
            let words = (title, "share of the attention", "none");
            let mut attribution = attribution(subject, &attentions, target, words, &row)?;
            attribution.warnings.extend(attentions.warning());
            attribution.warnings.extend(shared.clone());
            Ok(attribution)
        }))
    }
}

impl AttentionRollout {
    /// `0.5 · A + 0.5 · I`, each row scaled to the sum 1, of the combined attention `[T, T]`.
    fn step(&self, mut attention: Vec<f64>, tokens: usize) -> Vec<f64> {
        discard(&mut attention, self.discard);
        for (token, row) in attention.chunks_exact_mut(tokens).enumerate() {
            row.iter_mut().for_each(|value| *value *= 0.5);
            row[token] += 0.5;
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
        }
        attention
    }
}

impl Heads {
    /// Attention `[heads, T, T]` as `[T, T]`.
    fn joined(self, probabilities: &[f32], tokens: usize) -> Vec<f64> {
        let size = tokens * tokens;
        let heads = (probabilities.len() / size) as f64;
        let mut tables = probabilities.chunks_exact(size);
        let first = tables.next().expect("there is a head");
        let mut joined: Vec<f64> = first.iter().map(|&p| p.into()).collect();
        for table in tables {
            for (joined, &p) in joined.iter_mut().zip(table) {
                let p = f64::from(p);
                *joined = match self {
                    Self::Mean => *joined + p,
                    Self::Min => joined.min(p),
                    Self::Max => joined.max(p),
                };
            }
        }
        if let Self::Mean = self {
            joined.iter_mut().for_each(|sum| *sum /= heads);
        }
        joined
    }
}

/// Sets this part of the values to 0, the smallest first. The first value, the attention of the class token to
/// itself, is kept, as in vit-explain. Among equal values the first are set to 0 first.
fn discard(values: &mut [f64], part: f64) {
    let count = (values.len() as f64 * part) as usize;
    if count == 0 {
        return;
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.select_nth_unstable_by(count - 1, |&a, &b| {
        values[a].total_cmp(&values[b]).then(a.cmp(&b))
    });
    for &index in order[..count].iter().filter(|&&index| index != 0) {
        values[index] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_combined_by_mean_minimum_and_maximum() {
        let two = [0.25, 0.75, 0.5, 0.5, 0.75, 0.25, 1.0, 0.0];
        assert_eq!(Heads::Mean.joined(&two, 2), [0.5, 0.5, 0.75, 0.25]);
        assert_eq!(Heads::Min.joined(&two, 2), [0.25, 0.25, 0.5, 0.0]);
        assert_eq!(Heads::Max.joined(&two, 2), [0.75, 0.75, 1.0, 0.5]);
    }

    #[test]
    fn the_smallest_values_are_discarded_but_never_the_first() {
        let mut values = [0.1, 0.4, 0.2, 0.3];
        discard(&mut values, 0.5);
        assert_eq!(values, [0.1, 0.4, 0.0, 0.3]);
        let mut equal = [0.25; 4];
        discard(&mut equal, 0.75);
        assert_eq!(equal, [0.25, 0.0, 0.0, 0.25]);
    }

    #[test]
    fn rows_of_a_step_add_up_to_one() {
        let method = AttentionRollout {
            heads: Heads::Max,
            discard: 0.5,
        };
        let step = method.step(vec![0.6, 0.9, 0.3, 0.2], 2);
        for row in step.chunks(2) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        // 0.5 · (0.6, 0.9) + 0.5 · (1, 0); only the identity for the second row.
        assert!((step[1] - 0.45 / 1.25).abs() < 1e-12);
        assert_eq!(step[2..], [0.0, 1.0]);
    }
}

//! LeGrad.

use dvm_options::{Takes, words};

use super::{NETWORKS, attentions, attribution};
use crate::options::SCORE;
use crate::probe::Pool;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, OptionSpec, Score, Subject, Target, Walks};

/// The positive part of the gradient with respect to attention, summed over blocks.
pub const LEGRAD: MethodEntry = MethodEntry {
    name: "legrad",
    title: "LeGrad",
    summary: "the positive gradient of the score with respect to attention, summed over blocks; \
              each block's score is computed from its own tokens",
    reference: Reference {
        authors: "Bousselham, Boggust, Chaybouti, Strobelt, Kuehne",
        year: 2024,
        title: "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity",
        published: Published::Arxiv("2404.03214"),
    },
    family: Family::Transformer,
    cost: "2 passes forward, 1 back",
    networks: NETWORKS,
    options: &[SCORE_FROM, POOL, SCORE],
    presets: &[],
    build: |options| {
        Ok(Box::new(LeGrad {
            from: options.word(&SCORE_FROM)?,
            pool: options.word(&POOL)?,
            score: options.word(&SCORE)?,
        }))
    },
};

const SCORE_FROM: OptionSpec = OptionSpec {
    name: "score-from",
    takes: Takes::Text(From::FORM),
    default: "blocks",
    help: "the score whose gradient a block's attention gets: blocks (the last layers of the network \
           compute it from the block's own tokens, as in the paper) or end (the score of the network)",
};

const POOL: OptionSpec = OptionSpec {
    name: "pool",
    takes: Takes::Text(Pool::FORM),
    default: "mean",
    help: "the tokens of a block from which its score is computed: mean (the mean of all, as in the \
           authors' code) or read (only those that the last layers read, such as the class \
           token); no effect with `score-from=end`",
};

words! {
    /// The score of a block's attention.
    enum From {
        /// That of each block's own tokens.
        Blocks = "blocks",
        /// That of the network.
        End = "end",
    }
}

struct LeGrad {
    from: From,
    pool: Pool,
    score: Score,
}

impl Method for LeGrad {
    fn walks(&self) -> Walks {
        match self.from {
            From::End => Walks::BACKWARD,
            From::Blocks => Walks::default(),
        }
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        // Kept until all maps are made, so that all use one forward pass.
        let forward = match self.from {
            From::End => Some(subject.forward()?),
            From::Blocks => None,
        };
        let attentions = attentions(subject, targets)?;
        Ok(Box::new(move |target| {
            let _held = &forward;
            let mut sums = vec![0.0; attentions.tokens];
            let mut add = |_: usize, _: &[f32], gradients: &[f32]| {
                add_positive(&mut sums, gradients);
                Ok(())
            };
            let asked = (target, self.score);
            match self.from {
                From::Blocks => {
                    let pool = self.pool;
                    subject.attention_gradients_of_blocks(&attentions, asked, pool, &mut add)?;
                }
                From::End => subject.attention_gradients(&attentions, asked, &mut add)?,
            }
            let score = self.score.name(subject.output(), subject.numbers()?.len());
            let words = ("LeGrad".into(), "positive gradient of attention", score);
            attribution(subject, &attentions, target, words, &sums)
        }))
    }
}

/// Adds the mean over heads and queries of the positive part of gradients `[heads, T, T]` to sums `[T]`.
fn add_positive(sums: &mut [f64], gradients: &[f32]) {
    let rows = (gradients.len() / sums.len()) as f64;
    for row in gradients.chunks_exact(sums.len()) {
        for (sum, &gradient) in sums.iter_mut().zip(row) {
            *sum += f64::from(gradient.max(0.0)) / rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positive_gradients_are_averaged_over_heads_and_queries() {
        let mut sums = vec![1.0, 0.0];
        add_positive(&mut sums, &[1.0, -8.0, 3.0, 2.0, 0.0, 2.0, -4.0, 4.0]);
        assert_eq!(sums, [2.0, 2.0]);
    }
}

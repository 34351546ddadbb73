//! The coalitions of segments that Kernel SHAP uses, and their weights (Lundberg and Lee 2017), as
//! in the package `shap`.

use std::collections::HashMap;

use crate::random::Stream;

/// Coalitions with weights.
pub(super) struct Weighted {
    /// `[N, M]`, row-major; without the empty coalition and the one of all segments.
    pub coalitions: Vec<bool>,
    /// `[N]`
    pub weights: Vec<f64>,
    /// Whether these are all coalitions, so that the values are the exact Shapley values.
    pub are_all: bool,
}

/// All coalitions of a size are used if at least this part of them fits in `samples`.
const WHOLE: f64 = 1.0 - 1e-8;

/// Draws per missing coalition; repeated ones get more weight.
const DRAWS: usize = 4;

/// About `samples` coalitions of `count` segments. All coalitions of the smallest and largest sizes
/// are used as far as `samples` allows; those of other sizes are drawn, each with its complement.
pub(super) fn weighted(count: usize, samples: usize, stream: Stream) -> Weighted {
    let mut found = Found {
        count,
        coalitions: Vec::new(),
        weights: Vec::new(),
    };
    let (sizes, paired) = (count / 2, count.saturating_sub(1) / 2);
    let shares = shares(count, sizes, paired);
    let (mut left, mut whole, mut of_the_rest) = (samples, 0, 1.0);
    let fit = count < 63 && (1u64 << count) - 2 <= samples as u64;
    while whole < sizes {
        let size = whole + 1;
        let sides = if size <= paired { 2.0 } else { 1.0 };
        let number = sides * choose(count, size);
        if !fit && left as f64 * shares[whole] / of_the_rest / number < WHOLE {
            break;
        }
        left -= number as usize;
        of_the_rest -= shares[whole];
        found.take_all(size, size <= paired, shares[whole] / number);
        whole += 1;
    }
    if whole < sizes {
        found.draw(left, &shares[whole..], whole, paired, stream);
    }
    Weighted {
        coalitions: found.coalitions,
        weights: found.weights,
        are_all: whole == sizes,
    }
}

/// The part of all weight that coalitions of 1, 2, … segments have, including those of the complementary size.
fn shares(count: usize, sizes: usize, paired: usize) -> Vec<f64> {
    let weight = |size: usize| {
        let sides = if size <= paired { 2.0 } else { 1.0 };
        sides * (count - 1) as f64 / (size * (count - size)) as f64
    };
    let weights: Vec<f64> = (1..=sizes).map(weight).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The binomial coefficient.
fn choose(count: usize, size: usize) -> f64 {
    (0..size).fold(1.0, |ways, i| {
        (ways * (count - i) as f64 / (i + 1) as f64).round()
    })
}

struct Found {
    count: usize,
    coalitions: Vec<bool>,
    weights: Vec<f64>,
}

impl Found {
    fn push(&mut self, coalition: &[bool], weight: f64) {
        self.coalitions.extend(coalition);
        self.weights.push(weight);
    }

    /// Adds all coalitions of `size` segments, in the order of their members, and their complements.
    fn take_all(&mut self, size: usize, is_paired: bool, weight: f64) {
        let mut members: Vec<usize> = (0..size).collect();
        loop {
            let mut coalition = vec![false; self.count];
            for &member in &members {
                coalition[member] = true;
            }
            self.push(&coalition, weight);
            if is_paired {
                self.push(&opposite(&coalition), weight);
            }
            // Move the last member that can move, and put those after it right behind it.
            let movable = |&i: &usize| members[i] < self.count - size + i;
            let Some(moved) = (0..size).rev().find(movable) else {
                return;
            };
            members[moved] += 1;
            for i in moved + 1..size {
                members[i] = members[i - 1] + 1;
            }
        }
    }

    /// Draws `left` coalitions of more than `whole` segments, with their complements.
    fn draw(
        &mut self,
        mut left: usize,
        shares: &[f64],
        whole: usize,
        paired: usize,
        mut stream: Stream,
    ) {
        // A draw of a paired size gives two coalitions.
        let halved =
            shares.iter().zip(whole + 1..).map(
                |(share, size)| {
                    if size <= paired { share / 2.0 } else { *share }
                },
            );
        let halved: Vec<f64> = halved.collect();
        let total: f64 = halved.iter().sum();
        let fixed = self.weights.len();
        let mut places: HashMap<Vec<bool>, usize> = HashMap::new();
        let mut draws = DRAWS * left;
        while left > 0 && draws > 0 {
            draws -= 1;
            let at = f64::from(stream.uniform(1)[0]) * total;
            let mut end = 0.0;
            let further = halved.iter().take_while(|share| {
                end += **share;
                end <= at
            });
            let size = whole + 1 + further.count().min(halved.len() - 1);
            let mut coalition = vec![false; self.count];
            for &member in &stream.permutation(self.count)[..size] {
                coalition[member] = true;
            }
            let other = (size <= paired).then(|| opposite(&coalition));
            for coalition in [Some(coalition), other].into_iter().flatten() {
                if let Some(&place) = places.get(&coalition) {
                    self.weights[place] += 1.0;
                } else if left > 0 {
                    left -= 1;
                    self.push(&coalition, 1.0);
                    places.insert(coalition, self.weights.len() - 1);
                }
            }
        }
        let drawn = &mut self.weights[fixed..];
        let scale = shares.iter().sum::<f64>() / drawn.iter().sum::<f64>();
        drawn.iter_mut().for_each(|weight| *weight *= scale);
    }
}

fn opposite(coalition: &[bool]) -> Vec<bool> {
    coalition.iter().map(|kept| !kept).collect()
}

//! The path of Guided Integrated Gradients: at each step, the values with the smallest gradients move.

/// Differences of distances below this, relative or absolute, are rounding.
const CLOSE: f64 = 1e-9;

/// The settings of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Path {
    /// Number of steps, each with its own gradient.
    pub(super) steps: usize,
    /// The part of all values that moves in a step, 0 … 1.
    pub(super) fraction: f64,
    /// The largest distance of a value from its position on the straight line, in parts of the line.
    pub(super) distance: f64,
}

impl Path {
    /// Goes from `baseline` to `picture` and returns for each value the sum of its movements times
    /// its gradient there. `gradient` is called once per step.
    ///
    /// # Errors
    /// Those of `gradient`.
    pub(super) fn walk<E>(
        &self,
        picture: &[f64],
        baseline: &[f64],
        mut gradient: impl FnMut(&[f64]) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<f64>, E> {
        let mut at = baseline.to_vec();
        let mut sums = vec![0.0; at.len()];
        let total = distance(&at, picture);
        if total == 0.0 {
            return Ok(sums);
        }
        for step in 1..=self.steps {
            let slopes = gradient(&at)?;
            let place = step as f64 / self.steps as f64;
            let within = (
                (place - self.distance).max(0.0),
                (place + self.distance).min(1.0),
            );
            let left = total * (1.0 - place);
            self.step(
                (picture, baseline),
                &mut at,
                &slopes,
                &mut sums,
                within,
                left,
            );
        }
        Ok(sums)
    }

    /// Moves values until the distance to the picture is `left`, those with the smallest gradients first. `within` is
    /// the range of positions on the line from baseline to picture where a value may be.
    fn step(
        &self,
        (picture, baseline): (&[f64], &[f64]),
        at: &mut [f64],
        slopes: &[f32],
        sums: &mut [f64],
        within: (f64, f64),
        left: f64,
    ) {
        let on_line =
            |index: usize, place: f64| baseline[index] + (picture[index] - baseline[index]) * place;
        // A value that has reached the end of its range for this step does not move any more.
        let mut sizes: Vec<f64> = slopes.iter().map(|slope| f64::from(*slope).abs()).collect();
        loop {
            let mut gap = -left;
            for index in 0..at.len() {
                let way = picture[index] - baseline[index];
                if way != 0.0 && (at[index] - baseline[index]) / way < within.0 {
                    let least = on_line(index, within.0);
                    sums[index] += (least - at[index]) * f64::from(slopes[index]);
                    at[index] = least;
                }
                gap += (at[index] - picture[index]).abs();
                if at[index] == on_line(index, within.1) {
                    sizes[index] = f64::INFINITY;
                }
            }
            if gap <= CLOSE.max(CLOSE * left.max(left + gap)) {
                return;
            }
            let threshold = lower_quantile(&sizes, self.fraction);
            let moves = |size: f64| size <= threshold && size != f64::INFINITY;
            let can_move: f64 = (0..at.len())
                .filter(|&index| moves(sizes[index]))
                .map(|index| (at[index] - on_line(index, within.1)).abs())
                .sum();
            // If nothing can move any more, the rest is rounding.
            if can_move == 0.0 {
                return;
            }
            let part = gap / can_move;
            for index in (0..at.len()).filter(|&index| moves(sizes[index])) {
                let end = on_line(index, within.1);
                let next = if part > 1.0 {
                    end
                } else {
                    at[index] + (end - at[index]) * part
                };
                sums[index] += (next - at[index]) * f64::from(slopes[index]);
                at[index] = next;
            }
            if part <= 1.0 {
                return;
            }
        }
    }
}

/// The sum of all |a − b|.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// The lower quantile: at least `fraction` of the values are at most as large.
fn lower_quantile(values: &[f64], fraction: f64) -> f64 {
    let mut values = values.to_vec();
    let index = ((values.len() - 1) as f64 * fraction).floor() as usize;
    *values.select_nth_unstable_by(index, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_quantile_is_one_of_the_values() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        for (fraction, expected) in [(0.0, 1.0), (0.25, 2.0), (0.3, 2.0), (0.5, 3.0), (1.0, 5.0)] {
            assert_eq!(lower_quantile(&values, fraction), expected);
        }
    }

    #[test]
    fn a_linear_function_gives_every_value_its_weight_times_its_movement() {
        let path = Path {
            steps: 7,
            fraction: 0.25,
            distance: 0.1,
        };
        let sums = path.walk::<()>(&[10.0, 5.0, 3.0], &[-1.0, -3.0, 3.0], |_| {
            Ok(vec![2.0, 1.0, 9.0])
        });
        for (sum, expected) in sums.unwrap().into_iter().zip([22.0, 8.0, 0.0]) {
            assert!((sum - expected).abs() < 1e-6, "{sum}, not {expected}");
        }
    }

    #[test]
    fn values_with_small_gradients_move_first() {
        let path = Path {
            steps: 2,
            fraction: 0.5,
            distance: 1.0,
        };
        let mut seen = Vec::new();
        path.walk::<()>(&[1.0, 1.0], &[0.0, 0.0], |at| {
            seen.push(at.to_vec());
            Ok(vec![3.0, -1.0])
        })
        .unwrap();
        assert_eq!(seen, [[0.0, 0.0], [0.0, 1.0]]);
    }

    #[test]
    fn a_picture_equal_to_its_baseline_needs_no_gradient() {
        let path = Path {
            steps: 2,
            fraction: 0.5,
            distance: 1.0,
        };
        let sums = path.walk(&[1.0], &[1.0], |_| Err("asked"));
        assert_eq!(sums, Ok(vec![0.0]));
    }
}

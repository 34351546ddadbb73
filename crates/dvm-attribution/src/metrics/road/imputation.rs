//! Replacing missing pixels: noisy linear imputation (Rong et al. 2022).
//!
//! A missing pixel is the weighted mean of its eight neighbours, missing ones included; this is a
//! system of equations. Then noise is added. The equations are solved by conjugate gradients with
//! `multigrid` as the preconditioner.

use super::multigrid::{Multigrid, Values, bytes_per_pixel};

/// The equations count as solved when the L2 norm of the residual, relative to that of the right side, is below this.
const SOLVED: f64 = 1e-12;

/// Largest number of rounds; ten to twenty are usual.
const MOST_ROUNDS: usize = 1000;

/// The weights of the neighbours, by their distance in rows and columns, as in the authors' code.
fn weight(down: usize, across: usize) -> f64 {
    match (down, across) {
        (0, 1) | (1, 0) => 1.0 / 6.0,
        _ => 1.0 / 12.0,
    }
}

/// Bytes needed to impute one picture.
pub(super) fn bytes((height, width): (usize, usize), channels: usize) -> usize {
    let pixels = (height + 2).saturating_mul(width + 2);
    pixels.saturating_mul(bytes_per_pixel(channels))
}

/// The values of a picture, as stored (`H, W, C`), with every missing pixel replaced by the weighted mean of its
/// neighbours, and the number of rounds. `missing` is `[H, W]`; if all pixels are missing, nothing is replaced.
pub(super) fn imputed(
    size: (usize, usize),
    picture: &[f32],
    missing: &[bool],
) -> (Vec<f32>, usize) {
    let mut values = picture.to_vec();
    if missing.iter().all(|&is_missing| is_missing) {
        return (values, 0);
    }
    let channels = picture.len() / missing.len();
    let mut rounds = 0;
    let mut first = 0;
    while first < channels {
        let (some, at) = (&mut values, (channels, first));
        let (found, taken) = match channels - first {
            3.. => (solve::<3>(size, some, at, missing), 3),
            _ => (solve::<1>(size, some, at, missing), 1),
        };
        rounds = rounds.max(found);
        first += taken;
    }
    (values, rounds)
}

/// Replaces the missing pixels of `N` channels from `first` on.
fn solve<const N: usize>(
    (height, width): (usize, usize),
    values: &mut [f32],
    (channels, first): (usize, usize),
    missing: &[bool],
) -> usize {
    let mut grid = Multigrid::<N>::new((height, width), missing, weight);
    let unknown = grid.unknown().to_vec();
    let stride = width + 2;
    let pixel = |at: usize| (at / stride - 1, at % stride - 1);
    // The right side: the known neighbours.
    let mut rest = vec![[0.0; N]; grid.len()];
    for &at in &unknown {
        let (y, x) = pixel(at);
        for other_y in y.saturating_sub(1)..(y + 2).min(height) {
            for other_x in x.saturating_sub(1)..(x + 2).min(width) {
                let other = other_y * width + other_x;
                if !missing[other] {
                    let factor = weight(other_y.abs_diff(y), other_x.abs_diff(x));
                    let known = &values[other * channels + first..][..N];
                    for (sum, &value) in rest[at].iter_mut().zip(known) {
                        *sum += factor * f64::from(value);
                    }
                }
            }
        }
    }
    let mut found = vec![[0.0; N]; grid.len()];
    let rounds = conjugate_gradients(&mut grid, &unknown, &mut rest, &mut found);
    for &at in &unknown {
        let (y, x) = pixel(at);
        let own = &mut values[(y * width + x) * channels + first..][..N];
        for (own, value) in own.iter_mut().zip(found[at]) {
            *own = value as f32;
        }
    }
    rounds
}

/// Solves the equations with the right side `rest`, starting at `found = 0`, for all channels at once.
fn conjugate_gradients<const N: usize>(
    grid: &mut Multigrid<N>,
    unknown: &[usize],
    rest: &mut [Values<N>],
    found: &mut [Values<N>],
) -> usize {
    let dot = |a: &[Values<N>], b: &[Values<N>]| {
        let mut sums = [0.0; N];
        for &at in unknown {
            for (sum, (a, b)) in sums.iter_mut().zip(a[at].iter().zip(&b[at])) {
                *sum += a * b;
            }
        }
        sums
    };
    // A channel that is solved, or was zero from the start, does not change any more.
    let ratio = |a: Values<N>, b: Values<N>| -> Values<N> {
        std::array::from_fn(|c| if b[c] > 0.0 { a[c] / b[c] } else { 0.0 })
    };
    let limits = dot(rest, rest).map(|square| square * SOLVED * SOLVED);
    let mut direction = vec![[0.0; N]; rest.len()];
    let mut left = vec![[0.0; N]; rest.len()];
    let mut before = [0.0; N];
    for round in 0..MOST_ROUNDS {
        let squares = dot(rest, rest);
        if squares
            .iter()
            .zip(&limits)
            .all(|(square, limit)| square <= limit)
        {
            return round;
        }
        let correction = grid.correction(rest);
        let now = dot(rest, correction);
        let keep = ratio(now, before);
        for &at in unknown {
            for (c, direction) in direction[at].iter_mut().enumerate() {
                *direction = correction[at][c] + keep[c] * *direction;
            }
        }
        for &at in unknown {
            left[at] = grid.left(&direction, at);
        }
        let step = ratio(now, dot(&direction, &left));
        for &at in unknown {
            for (c, step) in step.into_iter().enumerate() {
                found[at][c] += step * direction[at][c];
                rest[at][c] -= step * left[at][c];
            }
        }
        before = now;
    }
    MOST_ROUNDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    /// The equations, solved by elimination.
    fn slowly(size: (usize, usize), picture: &[f32], missing: &[bool]) -> Vec<f32> {
        let (height, width) = size;
        let channels = picture.len() / missing.len();
        let unknown: Vec<usize> = (0..missing.len()).filter(|&at| missing[at]).collect();
        let n = unknown.len();
        let mut rows = vec![vec![0.0f64; n + channels]; n];
        for (row, &at) in unknown.iter().enumerate() {
            let (y, x) = (at / width, at % width);
            for other in (0..missing.len()).filter(|&other| other != at) {
                let apart = ((other / width).abs_diff(y), (other % width).abs_diff(x));
                if apart.0 > 1 || apart.1 > 1 {
                    continue;
                }
                let weight = if apart.0 + apart.1 == 1 {
                    1.0 / 6.0
                } else {
                    1.0 / 12.0
                };
                rows[row][row] += weight;
                match unknown.iter().position(|&u| u == other) {
                    Some(column) => rows[row][column] -= weight,
                    None => {
                        for c in 0..channels {
                            rows[row][n + c] += weight * f64::from(picture[other * channels + c]);
                        }
                    }
                }
            }
        }
        for pivot in 0..n {
            let best =
                (pivot..n).max_by(|&a, &b| rows[a][pivot].abs().total_cmp(&rows[b][pivot].abs()));
            rows.swap(pivot, best.unwrap());
            let top = rows[pivot].clone();
            for row in (0..n).filter(|&row| row != pivot) {
                let factor = rows[row][pivot] / top[pivot];
                if factor != 0.0 {
                    for (value, above) in rows[row].iter_mut().zip(&top).skip(pivot) {
                        *value -= factor * above;
                    }
                }
            }
        }
        let mut values = picture.to_vec();
        for (row, &at) in unknown.iter().enumerate() {
            for c in 0..channels {
                values[at * channels + c] = (rows[row][n + c] / rows[row][row]) as f32;
            }
        }
        assert_eq!(height * width, missing.len());
        values
    }

    fn picture(size: (usize, usize), channels: usize) -> Vec<f32> {
        Stream::new("picture", 0).normal(size.0 * size.1 * channels)
    }

    /// Every pixel with this probability.
    fn scattered(size: (usize, usize), share: f32) -> Vec<bool> {
        let drawn = Stream::new("scattered", 0).uniform(size.0 * size.1);
        drawn.into_iter().map(|unit| unit < share).collect()
    }

    #[test]
    fn missing_pixels_equal_the_solution_by_elimination() {
        for size in [(1, 9), (7, 1), (5, 6), (12, 13), (16, 16)] {
            for channels in [1, 3, 4] {
                let picture = picture(size, channels);
                let mut masks: Vec<Vec<bool>> = [0.1, 0.5, 0.9]
                    .iter()
                    .map(|&s| scattered(size, s))
                    .collect();
                // All but one corner.
                masks.push((0..size.0 * size.1).map(|at| at > 0).collect());
                for missing in masks {
                    if missing.iter().all(|&m| m) {
                        continue;
                    }
                    let (found, _) = imputed(size, &picture, &missing);
                    let expected = slowly(size, &picture, &missing);
                    for (found, expected) in found.iter().zip(&expected) {
                        assert!(
                            (found - expected).abs() < 1e-6,
                            "{size:?}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn few_rounds_solve_any_mask_of_a_large_picture() {
        let size = (96, 100);
        let picture = picture(size, 3);
        let place = |at: usize| (at / size.1, at % size.1);
        let masks: [(&str, Vec<bool>); 6] = [
            ("scattered 0.5", scattered(size, 0.5)),
            ("scattered 0.99", scattered(size, 0.99)),
            ("all but a corner", (0..9600).map(|at| at > 0).collect()),
            (
                "all but an edge",
                (0..9600).map(|at| place(at).1 > 0).collect(),
            ),
            (
                "thin lines",
                (0..9600).map(|at| place(at).0 % 4 > 0).collect(),
            ),
            (
                "half scattered, half whole",
                scattered(size, 0.7)
                    .into_iter()
                    .enumerate()
                    .map(|(at, missing)| missing || place(at).1 > 50)
                    .collect(),
            ),
        ];
        for (name, missing) in masks {
            let (_, rounds) = imputed(size, &picture, &missing);
            println!("{name}: {rounds}");
            assert!(rounds < 40, "{name}: {rounds}");
        }
    }

    #[test]
    fn missing_pixels_in_a_single_colour_get_this_colour() {
        let (found, _) = imputed((20, 21), &vec![0.7; 420], &scattered((20, 21), 0.9));
        assert!(found.iter().all(|value| (value - 0.7).abs() < 1e-6));
    }
}

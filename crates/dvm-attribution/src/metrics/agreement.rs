//! The similarity of two maps: rank correlation, linear correlation, structural similarity.
//!
//! Maps `[H, W]` are compared value by value. All figures are finite for finite maps. A correlation is not defined if
//! a map is the same at every pixel: it is then 1 if both maps are, and 0 if only one is.

use crate::gaussian::weights;

/// The similarity of two maps by four measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Spearman's rank correlation, −1 … 1.
    pub rank: f64,
    /// Spearman's rank correlation of the absolute values, −1 … 1.
    pub absolute_rank: f64,
    /// Pearson's correlation, −1 … 1.
    pub linear: f64,
    /// The mean structural similarity ([`ssim`]), −1 … 1.
    pub ssim: f64,
}

impl Agreement {
    /// The similarity of two maps of `size` = `(H, W)`.
    ///
    /// # Panics
    /// If a map does not have H · W values.
    pub fn of(a: &[f32], b: &[f32], size: (usize, usize)) -> Self {
        Self {
            rank: spearman(a, b),
            absolute_rank: spearman(&magnitudes(a), &magnitudes(b)),
            linear: pearson(a, b),
            ssim: ssim(a, b, size),
        }
    }
}

/// The absolute values.
pub fn magnitudes(map: &[f32]) -> Vec<f32> {
    map.iter().map(|value| value.abs()).collect()
}

/// Spearman's rank correlation, −1 … 1: Pearson's correlation of the [`ranks`].
///
/// # Panics
/// If the maps have different lengths.
pub fn spearman(a: &[f32], b: &[f32]) -> f64 {
    correlation(&ranks(a), &ranks(b))
}

/// Pearson's correlation, −1 … 1, computed in f64.
///
/// # Panics
/// If the maps have different lengths.
pub fn pearson(a: &[f32], b: &[f32]) -> f64 {
    let widened = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
    correlation(&widened(a), &widened(b))
}

/// The rank of each value, 1 for the smallest; equal values share the mean of their ranks. To
/// compare one map with many, rank it once and use [`correlation`].
pub fn ranks<V: Copy + Into<f64>>(values: &[V]) -> Vec<f64> {
    let values = values.iter().map(|&value| value.into());
    let mut order: Vec<(f64, u32)> = values.zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; order.len()];
    let mut before = 0;
    for equals in order.chunk_by(|a, b| a.0 == b.0) {
        let rank = before as f64 + (equals.len() + 1) as f64 / 2.0;
        for &(_, place) in equals {
            ranks[place as usize] = rank;
        }
        before += equals.len();
    }
    ranks
}

/// Pearson's correlation of any numbers, −1 … 1; 1 if both sides are constant, 0 if only one is.
///
/// # Panics
/// If the two sides have different lengths.
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "as many values in one as in the other");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    match (is_plain(a) || aa == 0.0, is_plain(b) || bb == 0.0) {
        (true, true) => 1.0,
        (true, false) | (false, true) => 0.0,
        (false, false) => (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0),
    }
}

/// Whether all values are equal: such a map shows nothing.
pub fn is_plain<T: PartialEq>(map: &[T]) -> bool {
    map.windows(2).all(|pair| pair[0] == pair[1])
}

/// Half of the window of [`ssim`], without its middle.
const RADIUS: usize = 5;

/// Standard deviation of the window of [`ssim`], in pixels.
const DEVIATION: f64 = 1.5;

/// Factors of the range in the constants that prevent a division by zero in [`ssim`]: K₁ and K₂.
const STABILISERS: [f64; 2] = [0.01, 0.03];

/// The mean structural similarity of two maps `[H, W]`, −1 … 1 (Wang, Bovik, Sheikh, Simoncelli 2004,
/// doi 10.1109/TIP.2003.819861), computed in f64.
///
/// Each map is first divided by its largest magnitude (a map of zeros is not changed). Means, variances and the
/// covariance are taken under a Gaussian window of 11×11 pixels with standard deviation 1.5, at all places where the
/// window is inside the map; K₁ is 0.01, K₂ 0.03, and the range L goes from the smallest to the largest value of both
/// maps. This is scikit-image's `structural_similarity` with `gaussian_weights` and `use_sample_covariance=False`. If
/// a map has less than 11 rows or columns, the window has the largest odd side that fits. Two maps that are equal
/// after the division have a similarity of 1, constant maps included.
///
/// # Panics
/// If a map does not have H · W values.
pub fn ssim(a: &[f32], b: &[f32], size: (usize, usize)) -> f64 {
    let (height, width) = size;
    assert!(
        a.len() == height * width && b.len() == a.len(),
        "maps of {height}×{width} values"
    );
    let (a, b) = (scaled(a), scaled(b));
    if a == b {
        return 1.0;
    }
    let all = || a.iter().chain(&b).copied();
    let range = all().fold(f64::NEG_INFINITY, f64::max) - all().fold(f64::INFINITY, f64::min);
    let [c1, c2] = STABILISERS.map(|k| (k * range).powi(2));
    let window = window(RADIUS.min((height.min(width) - 1) / 2));
    let product =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let mean = |values: &[f64]| filtered(values, size, &window);
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    let (aa, bb, ab) = (
        mean(&product(&a, &a)),
        mean(&product(&b, &b)),
        mean(&product(&a, &b)),
    );
    let sum: f64 = (0..mean_a.len())
        .map(|i| {
            let (ma, mb) = (mean_a[i], mean_b[i]);
            let (va, vb, covariance) = (aa[i] - ma * ma, bb[i] - mb * mb, ab[i] - ma * mb);
            ((2.0 * ma * mb + c1) * (2.0 * covariance + c2))
                / ((ma * ma + mb * mb + c1) * (va + vb + c2))
        })
        .sum();
    sum / mean_a.len() as f64
}

/// A map divided by its largest magnitude.
fn scaled(map: &[f32]) -> Vec<f64> {
    let largest = map.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let by = if largest > 0.0 {
        f64::from(largest)
    } else {
        1.0
    };
    map.iter().map(|&value| f64::from(value) / by).collect()
}

/// A Gaussian of `2 · radius + 1` weights that add up to 1.
fn window(radius: usize) -> Vec<f64> {
    let weights = weights(radius, DEVIATION);
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The weighted means `[H − n + 1, W − n + 1]` of `values` `[H, W]` under a square window, the product of `n`
/// weights down and the same across.
fn filtered(values: &[f64], (_, width): (usize, usize), window: &[f64]) -> Vec<f64> {
    let columns = width + 1 - window.len();
    let mut across = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width) {
        let places = row.windows(window.len());
        across.extend(places.map(|part| part.iter().zip(window).map(|(v, w)| v * w).sum::<f64>()));
    }
    let rows: Vec<&[f64]> = across.chunks_exact(columns).collect();
    let mut means = Vec::with_capacity(across.len());
    for part in rows.windows(window.len()) {
        let mut sums = vec![0.0; columns];
        for (row, weight) in part.iter().zip(window) {
            for (sum, value) in sums.iter_mut().zip(*row) {
                *sum += weight * value;
            }
        }
        means.extend(sums);
    }
    means
}

#[cfg(test)]
mod tests {
    use dvm_engine::seeded;

    use super::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        assert_eq!(
            ranks(&[3.0, -1.0, 3.0, 0.0, -0.0]),
            [4.5, 1.0, 4.5, 2.5, 2.5]
        );
        assert_eq!(ranks::<f32>(&[]), [0.0; 0]);
    }

    #[test]
    fn rank_correlation_follows_order_and_not_size() {
        let map = [0.1, 0.4, 0.2, 0.9];
        let grown = map.map(|v: f32| v.powi(5));
        let turned = map.map(|v| -v);
        assert!((spearman(&map, &grown) - 1.0).abs() < 1e-15);
        assert!((spearman(&map, &turned) + 1.0).abs() < 1e-15);
        // By hand: 1 − 6 Σd² / (n (n² − 1)) with the rank differences 1, 1, 1, 1.
        assert!((spearman(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 4.0, 3.0]) - 0.6).abs() < 1e-15);
    }

    #[test]
    fn linear_correlation_is_that_of_a_line() {
        let (x, y) = ([1.0, 2.0, 3.0], [1.0, 2.0, 2.0]);
        // By hand: covariance 1, squares 2 and 2/3.
        assert!((pearson(&x, &y) - 1.0 / (2.0f64 * 2.0 / 3.0).sqrt()).abs() < 1e-15);
        assert!((pearson(&x, &[5.0, 3.0, 1.0]) + 1.0).abs() < 1e-15);
    }

    #[test]
    fn plain_maps_have_a_defined_agreement() {
        let (plain, other) = ([0.1f32; 12], seeded::uniform("map", 12, -1.0, 1.0));
        let size = (3, 4);
        let both = Agreement::of(&plain, &[0.7; 12], size);
        assert_eq!(
            (both.rank, both.absolute_rank, both.linear, both.ssim),
            (1.0, 1.0, 1.0, 1.0)
        );
        let one = Agreement::of(&plain, &other, size);
        assert_eq!((one.rank, one.absolute_rank, one.linear), (0.0, 0.0, 0.0));
        assert!(one.ssim.is_finite() && one.ssim < 0.5);
        let zero = Agreement::of(&[0.0; 12], &other, size);
        assert!(zero.ssim.is_finite() && zero.ssim < 0.5);
    }

    #[test]
    fn a_map_times_a_factor_has_a_similarity_of_1_to_itself() {
        let map = seeded::uniform("map", 20 * 17, -1.0, 1.0);
        let larger: Vec<f32> = map.iter().map(|v| v * 4096.0).collect();
        let found = Agreement::of(&map, &larger, (20, 17));
        for figure in [found.rank, found.absolute_rank, found.linear, found.ssim] {
            assert!((figure - 1.0).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn structural_similarity_equals_a_slow_implementation() {
        for size in [(16, 13), (12, 7), (5, 40), (2, 2), (1, 6)] {
            let (height, width) = size;
            let a = seeded::uniform("first map", height * width, -1.0, 3.0);
            let b = seeded::uniform("second map", height * width, -2.0, 0.5);
            let found = ssim(&a, &b, size);
            assert!(
                (found - slow(&a, &b, size)).abs() < 1e-12,
                "{size:?}: {found}"
            );
        }
    }

    /// One window after another, variances as means of squared distances.
    fn slow(a: &[f32], b: &[f32], (height, width): (usize, usize)) -> f64 {
        let largest = |map: &[f32]| map.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let (by_a, by_b) = (largest(a), largest(b));
        let a: Vec<f64> = a.iter().map(|&v| f64::from(v) / f64::from(by_a)).collect();
        let b: Vec<f64> = b.iter().map(|&v| f64::from(v) / f64::from(by_b)).collect();
        let mut both = [&a[..], &b[..]].concat();
        both.sort_by(f64::total_cmp);
        let range = both[both.len() - 1] - both[0];
        let side = 11.min(height).min(width);
        let side = if side.is_multiple_of(2) {
            side - 1
        } else {
            side
        };
        let middle = (side / 2) as f64;
        let mut similarities = Vec::new();
        for top in 0..=height - side {
            for left in 0..=width - side {
                let mut pixels = Vec::new();
                for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                    let distance = (y as f64 - middle).powi(2) + (x as f64 - middle).powi(2);
                    let place = (top + y) * width + left + x;
                    pixels.push(((-distance / 4.5).exp(), a[place], b[place]));
                }
                let all: f64 = pixels.iter().map(|p| p.0).sum();
                let mean = |f: &dyn Fn(f64, f64) -> f64| {
                    pixels.iter().map(|&(w, a, b)| w * f(a, b)).sum::<f64>() / all
                };
                let (ma, mb) = (mean(&|a, _| a), mean(&|_, b| b));
                let va = mean(&|a, _| (a - ma).powi(2));
                let vb = mean(&|_, b| (b - mb).powi(2));
                let covariance = mean(&|a, b| (a - ma) * (b - mb));
                let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
                let light = (2.0 * ma * mb + c1) / (ma * ma + mb * mb + c1);
                similarities.push(light * (2.0 * covariance + c2) / (va + vb + c2));
            }
        }
        similarities.iter().sum::<f64>() / similarities.len() as f64
    }
}

//! The transforms of one line of a tile, along rows or columns.
//!
//! A tile of 2, 3 or 4 outputs is the product of two polynomials evaluated at the points 0, 1, −1, 1/2, −2
//! and ∞ (Toom–Cook): 4 outputs need all six, 3 do not need −2, and 2 need neither 1/2 nor −2. The filter's
//! values at these points are the same for any tile, so one set of transformed filters works for tiles of all
//! sizes; the factors that depend on the tile are in the transform of its input. The point 1/2 instead of the
//! usual 2 reduces rounding errors (Barabasz et al., arXiv 1803.10986).

#![allow(
    clippy::needless_range_loop,
    reason = "with constant bounds and indices, the compiler vectorises over several filters"
)]

use pulp::Simd;

use super::super::super::simd::multiply_add;

/// The points.
pub(super) const POINTS: usize = 6;

/// Outputs along one side of the largest tile.
pub(super) const LARGEST: usize = 4;

/// The smallest number of outputs of a tile that needs the point.
pub(super) const NEEDED_BY: [usize; POINTS] = [2, 2, 2, 3, 4, 2];

/// The filter's values at the points, `G g`, each with the factor that makes the transform of a tile of 4
/// simplest.
#[inline(always)]
pub(super) fn filter(g: [f64; 3]) -> [f64; POINTS] {
    let [a, b, c] = g;
    [
        a,
        (a + b + c) / 3.0,
        -(a - b + c) / 3.0,
        -(16.0 * a + 8.0 * b + 4.0 * c) / 15.0,
        (a - 2.0 * b + 4.0 * c) / 15.0,
        c,
    ]
}

/// Number of filters that are transformed at a time.
pub(super) const SEVERAL: usize = 16;

/// [`filter`] along both axes of several filters, given tap by tap; `store` is called with their values at
/// each pair of points, in row order.
#[inline(always)]
pub(super) fn filters(taps: &[[f32; SEVERAL]; 9], mut store: impl FnMut(usize, &[f32; SEVERAL])) {
    let mut lines = [[[0.0f64; SEVERAL]; 3]; POINTS];
    for row in 0..3 {
        for f in 0..SEVERAL {
            let [a, b, c] = [taps[3 * row][f], taps[3 * row + 1][f], taps[3 * row + 2][f]];
            let points = filter([f64::from(a), f64::from(b), f64::from(c)]);
            for x in 0..POINTS {
                lines[x][row][f] = points[x];
            }
        }
    }
    for x in 0..POINTS {
        let mut columns = [[0.0f32; SEVERAL]; POINTS];
        for f in 0..SEVERAL {
            let points = filter([lines[x][0][f], lines[x][1][f], lines[x][2][f]]);
            for y in 0..POINTS {
                columns[y][f] = points[y] as f32;
            }
        }
        for y in 0..POINTS {
            store(y * POINTS + x, &columns[y]);
        }
    }
}

/// Arithmetic on vectors.
#[derive(Clone, Copy)]
struct Vectors<S>(S);

impl<S: Simd> Vectors<S> {
    #[inline(always)]
    fn add(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.add_f32s(a, b)
    }

    #[inline(always)]
    fn sub(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.sub_f32s(a, b)
    }

    #[inline(always)]
    fn times(self, factor: f32, a: S::f32s) -> S::f32s {
        self.0.mul_f32s(self.0.splat_f32s(factor), a)
    }

    /// `factor · a + b`
    #[inline(always)]
    fn fma(self, factor: f32, a: S::f32s, b: S::f32s) -> S::f32s {
        multiply_add(self.0, self.0.splat_f32s(factor), a, b)
    }
}

/// `Bᵀ d` for a tile of `M` outputs, which reads the first `M + 2` of `d`; the values at unneeded points are
/// unspecified.
#[inline(always)]
pub(super) fn input<S: Simd, const M: usize>(simd: S, d: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
    let v = Vectors(simd);
    match M {
        2 => [
            v.sub(d[0], d[2]),
            v.times(1.5, v.add(d[1], d[2])),
            v.times(1.5, v.sub(d[1], d[2])),
            d[0],
            d[0],
            v.sub(d[3], d[1]),
        ],
        3 => {
            let low = v.sub(d[0], d[2]);
            let high = v.sub(d[3], d[1]);
            [
                v.fma(2.0, high, low),
                v.fma(3.0, d[3], v.times(1.5, v.sub(d[2], d[1]))),
                v.fma(0.5, d[1], v.fma(-1.5, d[2], d[3])),
                v.times(2.5, high),
                d[0],
                v.fma(-0.5, high, v.sub(d[4], d[2])),
            ]
        }
        _ => {
            let even = v.fma(1.5, d[3], v.sub(d[4], d[2]));
            let odd = v.fma(1.5, d[2], v.sub(d[3], d[1]));
            let outer = v.sub(d[4], d[2]);
            let inner = v.sub(d[3], d[1]);
            [
                v.add(even, v.fma(-1.5, d[1], v.sub(d[0], d[2]))),
                v.add(even, odd),
                v.sub(even, odd),
                v.fma(2.0, inner, outer),
                v.fma(-0.5, inner, outer),
                v.fma(1.5, outer, v.sub(v.sub(d[5], d[3]), inner)),
            ]
        }
    }
}

/// `Aᵀ m` for a tile of `M` outputs: the first `M` returned values.
#[inline(always)]
pub(super) fn output<S: Simd, const M: usize>(simd: S, m: [S::f32s; POINTS]) -> [S::f32s; LARGEST] {
    let v = Vectors(simd);
    let sum = v.add(m[1], m[2]);
    let difference = v.sub(m[1], m[2]);
    match M {
        2 => [v.add(m[0], sum), v.add(difference, m[5]), m[0], m[0]],
        3 => [
            v.add(v.add(m[0], sum), m[3]),
            v.fma(0.5, m[3], difference),
            v.add(v.fma(0.25, m[3], sum), m[5]),
            m[0],
        ],
        _ => [
            v.add(v.add(m[0], sum), v.add(m[3], m[4])),
            v.fma(0.5, m[3], v.fma(-2.0, m[4], difference)),
            v.fma(0.25, m[3], v.fma(4.0, m[4], sum)),
            v.add(v.fma(0.125, m[3], v.fma(-8.0, m[4], difference)), m[5]),
        ],
    }
}

/// `A g`, the transpose of [`output`]: reads the first `M` of `g`; the values at unneeded points are
/// unspecified.
#[inline(always)]
pub(super) fn output_back<S: Simd, const M: usize>(
    simd: S,
    g: [S::f32s; LARGEST],
) -> [S::f32s; POINTS] {
    let v = Vectors(simd);
    match M {
        2 => [g[0], v.add(g[0], g[1]), v.sub(g[0], g[1]), g[0], g[0], g[1]],
        3 => {
            let even = v.add(g[0], g[2]);
            [
                g[0],
                v.add(even, g[1]),
                v.sub(even, g[1]),
                v.fma(0.25, g[2], v.fma(0.5, g[1], g[0])),
                g[0],
                g[2],
            ]
        }
        _ => {
            let (even, odd) = (v.add(g[0], g[2]), v.add(g[1], g[3]));
            let half = v.fma(0.125, g[3], v.fma(0.25, g[2], v.fma(0.5, g[1], g[0])));
            let two = v.fma(-8.0, g[3], v.fma(4.0, g[2], v.fma(-2.0, g[1], g[0])));
            [g[0], v.add(even, odd), v.sub(even, odd), half, two, g[3]]
        }
    }
}

/// `Gᵀ q`, the transpose of [`filter`].
#[inline(always)]
pub(super) fn filter_back<S: Simd>(simd: S, q: [S::f32s; POINTS]) -> [S::f32s; 3] {
    let v = Vectors(simd);
    let difference = v.times(1.0 / 3.0, v.sub(q[1], q[2]));
    let sum = v.times(1.0 / 3.0, v.add(q[1], q[2]));
    let outer = v.fma(-16.0 / 15.0, q[3], v.times(1.0 / 15.0, q[4]));
    let middle = v.fma(-8.0 / 15.0, q[3], v.times(-2.0 / 15.0, q[4]));
    let inner = v.fma(-4.0 / 15.0, q[3], v.times(4.0 / 15.0, q[4]));
    [
        v.add(v.add(q[0], difference), outer),
        v.add(sum, middle),
        v.add(v.add(q[5], difference), inner),
    ]
}

#[cfg(test)]
mod tests {
    use pulp::Scalar256b as Eight;
    use pulp::Simd;

    use super::*;

    /// `Aᵀ (G g ⊙ Bᵀ d)` of small whole numbers.
    fn tile<const M: usize>(d: [f32; POINTS], g: [f64; 3]) -> Vec<f32> {
        let simd = Eight;
        let transformed = input::<_, M>(simd, d.map(|d| simd.splat_f32s(d)));
        let filter = filter(g);
        let mut product = [simd.splat_f32s(0.0); POINTS];
        for point in (0..POINTS).filter(|&p| M >= NEEDED_BY[p]) {
            let factor = simd.splat_f32s(filter[point] as f32);
            product[point] = simd.mul_f32s(factor, transformed[point]);
        }
        let result = output::<_, M>(simd, product);
        let first = |v| pulp::bytemuck::cast::<_, [f32; 8]>(v)[0];
        result[..M].iter().map(|&v| first(v)).collect()
    }

    /// `Gᵀ (A g ⊙ Bᵀ d)` of small whole numbers.
    fn tile_back<const M: usize>(d: [f32; POINTS], g: [f32; LARGEST]) -> [f32; 3] {
        let simd = Eight;
        let transformed = input::<_, M>(simd, d.map(|d| simd.splat_f32s(d)));
        let gradient = output_back::<_, M>(simd, g.map(|g| simd.splat_f32s(g)));
        let mut product = [simd.splat_f32s(0.0); POINTS];
        for point in (0..POINTS).filter(|&p| M >= NEEDED_BY[p]) {
            product[point] = simd.mul_f32s(gradient[point], transformed[point]);
        }
        let first = |v| pulp::bytemuck::cast::<_, [f32; 8]>(v)[0];
        filter_back(simd, product).map(first)
    }

    #[test]
    fn winograd_weight_gradients_are_the_adjoint() {
        let d = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0];
        let g = [2.0, -7.0, 1.0, 5.0];
        let expected = |m: usize, k: usize| (0..m).map(|i| d[i + k] * g[i]).sum::<f32>();
        for (m, found) in [
            (2, tile_back::<2>(d, g)),
            (3, tile_back::<3>(d, g)),
            (4, tile_back::<4>(d, g)),
        ] {
            for (k, found) in found.into_iter().enumerate() {
                assert!(
                    (found - expected(m, k)).abs() < 1e-4,
                    "{m}, tap {k}: {found}"
                );
            }
        }
    }

    #[test]
    fn a_line_of_two_three_or_four_outputs_is_the_sliding_product() {
        let d = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0];
        let g = [2.0, -7.0, 1.0];
        let expected: Vec<f32> = (0..4)
            .map(|i| (0..3).map(|k| d[i + k] * g[k] as f32).sum())
            .collect();
        let near = |found: Vec<f32>| {
            found
                .iter()
                .zip(&expected)
                .all(|(f, e)| (f - e).abs() < 1e-4)
        };
        assert!(near(tile::<2>(d, g)), "{:?}", tile::<2>(d, g));
        assert!(near(tile::<3>(d, g)), "{:?}", tile::<3>(d, g));
        assert!(near(tile::<4>(d, g)), "{:?}", tile::<4>(d, g));
    }
}

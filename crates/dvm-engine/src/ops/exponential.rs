//! The exponential and related functions without function calls: for single values, so that the compiler
//! vectorises loops over them, and for vectors ([`of_vectors`]).

/// ln 2 in two parts; products of integers and the first part are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// Adding and subtracting 1.5 · 2²³ rounds to an integer.
const ROUNDING: f32 = 12_582_912.0;

/// The parts of `eˣ`: an integer `n` and `eʳ − 1` with `eˣ = 2ⁿ · eʳ`.
#[inline(always)]
fn parts(bounded: f32) -> (i32, f32) {
    let rounded = bounded * std::f32::consts::LOG2_E + ROUNDING;
    let n = rounded - ROUNDING;
    let r = bounded - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    for factor in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5.0e-1,
    ] {
        p = p * r + factor;
    }
    // The integer is in the last bits of the large sum.
    let n = rounded.to_bits().wrapping_sub(ROUNDING.to_bits());
    (n as i32, p * r * r + r)
}

/// `eˣ` with a relative error of at most 2e-7: 2ⁿ · eʳ with |r| ≤ ln 2 / 2 and the polynomial of Moshier's
/// Cephes library. NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (n, p) = parts(x.clamp(-88.0, 88.8));
    let p = p + 1.0;
    // In two steps, because 2¹²⁸ is not an f32.
    let half = n >> 1;
    // Wrapping, because a check in a loop would prevent vectorisation.
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32).wrapping_shl(23));
    let value = p * power(half) * power(n.wrapping_sub(half));
    if x < -87.33 { 0.0 } else { value }
}

/// `eˣ − 1` without loss of precision near 0.
#[inline(always)]
pub(super) fn exp_minus_1(x: f32) -> f32 {
    let (n, p) = parts(x.clamp(-88.0, 88.8));
    let far = exp(x) - 1.0;
    if n == 0 { p } else { far }
}

/// tanh(ln(1 + eˣ)), a quotient of polynomials of the exponential.
#[inline(always)]
pub(super) fn tanh_softplus(x: f32) -> f32 {
    // For larger x it is 1, and the square would overflow.
    let e = exp(if x > 20.0 { 20.0 } else { x });
    let n = e * (e + 2.0);
    n / (n + 2.0)
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent; near 0 by an odd polynomial (Cephes), because the difference would lose precision
/// there.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let squared = x * x;
    let mut p = -5.704_988_7e-3;
    for factor in [2.063_909e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_328e-1] {
        p = p * squared + factor;
    }
    let near = x + x * squared * p;
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    if x.abs() < 0.625 { near } else { far }
}

/// The polynomial in the exponent of erfc, highest power first.
const ERFC: [f32; 10] = [
    0.170_872_77,
    -0.822_152_23,
    1.488_515_9,
    -1.135_204,
    0.278_868_07,
    -0.186_288_06,
    0.096_784_18,
    0.374_091_96,
    1.000_023_7,
    -1.265_512_2,
];

/// The probability that a standard normal variable is below `x`: half of erfc(−x/√2) by the Chebyshev
/// fit of "Numerical Recipes" (§6.2, fractional error 1.2e-7).
#[inline(always)]
pub(super) fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut p = ERFC[0];
    for factor in &ERFC[1..] {
        p = p * t + factor;
    }
    let tail = 0.5 * t * exp(p - z * z);
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// The same for vectors, with an error of at most 2e-7: relative for the exponential, absolute for the
/// others. NaN stays NaN, except in [`of_vectors::exp`], whose callers handle it.
pub(super) mod of_vectors {
    use pulp::Simd;

    use super::super::simd::multiply_add;

    /// `Σ factors[i] · xⁱ`.
    #[inline(always)]
    fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f32s, factors: [f32; N]) -> S::f32s {
        let mut sum = simd.splat_f32s(factors[N - 1]);
        for factor in factors[..N - 1].iter().rev() {
            sum = multiply_add(simd, sum, x, simd.splat_f32s(*factor));
        }
        sum
    }

    /// `x`, limited to these bounds.
    #[inline(always)]
    fn bounded<S: Simd>(simd: S, x: S::f32s, low: f32, high: f32) -> S::f32s {
        let (low, high) = (simd.splat_f32s(low), simd.splat_f32s(high));
        let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
        simd.select_f32s(simd.less_than_f32s(high, x), high, x)
    }

    /// `eˣ` for `x` between −87 and 88, beyond these bounds the value at the bound, and an unspecified value
    /// for NaN. It is 2ⁿ · eʳ with |r| ≤ ln 2 / 2; eʳ is the polynomial of degree 6 with the smallest maximum
    /// relative error.
    #[inline(always)]
    pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let x = simd.max_f32s(simd.splat_f32s(-87.0), x);
        let x = simd.min_f32s(simd.splat_f32s(88.0), x);
        // As in `parts`: the integer is in the last bits of the sum.
        let rounding = simd.splat_f32s(super::ROUNDING);
        let rounded = multiply_add(simd, x, simd.splat_f32s(std::f32::consts::LOG2_E), rounding);
        let n = simd.sub_f32s(rounded, rounding);
        let r = multiply_add(simd, n, simd.splat_f32s(-super::LN_2_HIGH), x);
        let r = multiply_add(simd, n, simd.splat_f32s(-super::LN_2_LOW), r);
        let factors = [
            1.0,
            1.0,
            0.499_999_94,
            0.166_664_3,
            0.041_668_005,
            0.008_374_196,
            0.001_384_360_6,
        ];
        let power = simd.transmute_f32s_u32s(
            simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23)),
        );
        // An integer added to the exponent bits multiplies by its power of two.
        simd.transmute_f32s_u32s(simd.add_u32s(
            simd.transmute_u32s_f32s(polynomial(simd, r, factors)),
            simd.transmute_u32s_f32s(power),
        ))
    }

    /// `1 + e⁻ˣ`.
    #[inline(always)]
    fn one_and_exp_of_minus<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        simd.add_f32s(exp(simd, simd.neg_f32s(x)), simd.splat_f32s(1.0))
    }

    /// 1 / (1 + e⁻ˣ).
    #[inline(always)]
    pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let value = simd.div_f32s(simd.splat_f32s(1.0), one_and_exp_of_minus(simd, x));
        simd.select_f32s(simd.equal_f32s(x, x), value, x)
    }

    /// `x · σ(factor · x)`.
    #[inline(always)]
    pub fn swish<S: Simd>(simd: S, x: S::f32s, factor: f32) -> S::f32s {
        let inner = simd.mul_f32s(x, simd.splat_f32s(factor));
        simd.div_f32s(x, one_and_exp_of_minus(simd, inner))
    }

    /// min(max(x + 3, 0), 6) / 6.
    #[inline(always)]
    pub fn hardsigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let moved = bounded(simd, simd.add_f32s(x, simd.splat_f32s(3.0)), 0.0, 6.0);
        simd.mul_f32s(moved, simd.splat_f32s(1.0 / 6.0))
    }

    /// `x · Φ(x)`, as in [`super::normal_cdf`].
    #[inline(always)]
    pub fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let (one, half) = (simd.splat_f32s(1.0), simd.splat_f32s(0.5));
        let root = simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2);
        let z = simd.mul_f32s(simd.abs_f32s(x), root);
        let t = simd.div_f32s(one, multiply_add(simd, half, z, one));
        let mut factors = super::ERFC;
        factors.reverse();
        let exponent = polynomial(simd, t, factors);
        let exponent = multiply_add(simd, simd.neg_f32s(z), z, exponent);
        let tail = simd.mul_f32s(simd.mul_f32s(half, t), exp(simd, exponent));
        let below = simd.select_f32s(
            simd.less_than_f32s(simd.splat_f32s(0.0), x),
            simd.sub_f32s(one, tail),
            tail,
        );
        simd.mul_f32s(x, below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = f32> {
        (-12_000..=12_000).map(|i| i as f32 * 0.007_3)
    }

    #[test]
    fn the_exponential_is_near_that_of_double_precision() {
        for x in all().filter(|x| *x > -87.0) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) / exact - 1.0).abs();
            assert!(error < 2e-7, "{x}: {error:.1e}");
        }
        assert_eq!(
            (exp(-100.0), exp(0.0), exp(100.0)),
            (0.0, 1.0, f32::INFINITY)
        );
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_exponential_less_one_keeps_its_digits_near_zero() {
        for x in all()
            .filter(|x| x.abs() < 80.0)
            .chain([1e-6, -1e-6, 0.34, -0.35])
        {
            let exact = f64::from(x).exp_m1();
            let error = (f64::from(exp_minus_1(x)) - exact).abs();
            assert!(error <= 3e-7 * exact.abs(), "{x}: {error:.1e}");
        }
        assert_eq!((exp_minus_1(0.0), exp_minus_1(-200.0)), (0.0, -1.0));
        assert!(exp_minus_1(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_tanh_and_the_normal_distribution_are_near_those_of_double_precision() {
        for x in all() {
            let wide = f64::from(x);
            for (found, exact) in [
                (sigmoid(x), 1.0 / (1.0 + (-wide).exp())),
                (tanh(x), wide.tanh()),
                (normal_cdf(x), 0.5 * libm::erfc(-wide / 2f64.sqrt())),
                (tanh_softplus(x), wide.min(700.0).exp().ln_1p().tanh()),
            ] {
                let error = (f64::from(found) - exact).abs();
                assert!(error < 3e-7, "{x}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn vectors_are_near_double_precision_with_all_instructions() {
        use pulp::{Simd, WithSimd};

        use super::super::activation::Activation;
        use crate::runtime::instruction_set::InstructionSet;

        struct Apply<'a>(Activation, &'a mut [f32]);
        impl WithSimd for Apply<'_> {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                self.0.finish(simd, self.1);
            }
        }
        type Exact = fn(f64) -> f64;
        let functions: [(Activation, Exact); 5] = [
            (Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
            (Activation::Silu, |x| x / (1.0 + (-x).exp())),
            (Activation::Swish(1.702), |x| x / (1.0 + (-1.702 * x).exp())),
            (Activation::Hardswish, |x| {
                x * (x + 3.0).clamp(0.0, 6.0) / 6.0
            }),
            (Activation::Gelu, |x| x * 0.5 * libm::erfc(-x / 2f64.sqrt())),
        ];
        for set in InstructionSet::available() {
            for (activation, exact) in functions {
                // An odd number, so that the last values do not fill a vector.
                let inputs: Vec<f32> = all().collect();
                let mut found = inputs.clone();
                set.run(Apply(activation, &mut found));
                for (&x, &found) in inputs.iter().zip(&found) {
                    let error = (f64::from(found) - exact(f64::from(x))).abs();
                    let allowed = 3e-7 * f64::from(x.abs().max(1.0));
                    assert!(error < allowed, "{} of {x}: {found}", activation.name());
                }
                let mut lost = [f32::NAN, 1.0];
                set.run(Apply(activation, &mut lost));
                assert!(
                    lost[0].is_nan() && !lost[1].is_nan(),
                    "{}",
                    activation.name()
                );
            }
        }
    }
}

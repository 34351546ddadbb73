//! The exponential and its kin without calls, so that loops over them are vectorised.

/// The parts of `eˣ`: a whole number `n` and `eʳ − 1` with `eˣ = 2ⁿ · eʳ`.
#[inline(always)]
fn parts(bounded: f32) -> (i32, f32) {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding and taking away 1.5 · 2²³ rounds to a whole number.
    const ROUNDING: f32 = 12_582_912.0;
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
    // The number itself stands in the last bits of the large sum.
    let n = rounded.to_bits().wrapping_sub(ROUNDING.to_bits());
    (n as i32, p * r * r + r)
}

/// `eˣ` within 2e-7 of the true value, relative: by 2ⁿ · eʳ with |r| ≤ ln 2 / 2 and the polynomial of
/// Moshier's Cephes library. A NaN stays one.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (n, p) = parts(x.clamp(-88.0, 88.8));
    let p = p + 1.0;
    // In two steps, for 2¹²⁸ is no f32.
    let half = n >> 1;
    // Wrapping, for a check in a loop would keep it from being vectorised.
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32).wrapping_shl(23));
    let value = p * power(half) * power(n.wrapping_sub(half));
    if x < -87.33 { 0.0 } else { value }
}

/// `eˣ − 1` without loss near 0.
#[inline(always)]
pub(super) fn exp_minus_1(x: f32) -> f32 {
    let (n, p) = parts(x.clamp(-88.0, 88.8));
    let far = exp(x) - 1.0;
    if n == 0 { p } else { far }
}

/// tanh(ln(1 + eˣ)), a quotient of polynomials of the exponential.
#[inline(always)]
pub(super) fn tanh_softplus(x: f32) -> f32 {
    // Beyond, it is 1, and the square would overflow.
    let e = exp(if x > 20.0 { 20.0 } else { x });
    let n = e * (e + 2.0);
    n / (n + 2.0)
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent: by an odd polynomial near 0 (Cephes), where the difference below would
/// cancel.
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

/// The probability that a standard normal variable is below `x`: half of erfc(−x/√2) by the Chebyshev
/// fit of "Numerical Recipes" (§6.2, fractional error 1.2e-7).
#[inline(always)]
pub(super) fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut p = 0.170_872_77;
    for factor in [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ] {
        p = p * t + factor;
    }
    let tail = 0.5 * t * exp(p - z * z);
    if x > 0.0 { 1.0 - tail } else { tail }
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
}

//! Compares directional derivatives with central differences.

use crate::Error;

/// Step lengths, in units of a direction of root mean square 1. The first one suits most networks: it changes
/// the score much more than rounding does and crosses few kinks.
const STEPS: [f64; 5] = [1e-2, 3e-3, 3e-2, 1e-3, 1e-1];

/// A derivative is wrong if it certainly differs at this many of the step lengths.
const CERTAIN: usize = 4;

/// The result of one comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// The two agree, up to this relative difference.
    Agrees(f64),
    /// They differ at nearly all step lengths, by more than rounding and kinks can explain; holds the nearest
    /// central difference.
    Differs { central: f64 },
    /// Rounding or kinks are too large to decide.
    Undecided,
}

/// Compares derivatives with the central differences of functions along one direction, step by step until all
/// agree. `claims` has for each function the derivative and the size below which differences do not count;
/// `at` gives the values of all functions at a distance.
///
/// At a kink, or where rounding dominates, a function has different slopes on the two sides. The difference
/// of the two slopes bounds the error of the central difference.
pub(super) fn judge(
    claims: &[(f64, f64)],
    tolerance: f64,
    at: &mut dyn FnMut(f64) -> Result<Vec<f64>, Error>,
) -> Result<Vec<Verdict>, Error> {
    let mut here: Option<Vec<f64>> = None;
    let mut agreed: Vec<Option<f64>> = vec![None; claims.len()];
    let mut nearest = vec![(f64::INFINITY, 0.0); claims.len()];
    let mut certain = vec![0; claims.len()];
    for step in STEPS {
        let (above, below) = (at(step)?, at(-step)?);
        for (index, &(claimed, least)) in claims.iter().enumerate() {
            let (above, below) = (above[index], below[index]);
            let central = (above - below) / (2.0 * step);
            let scale = claimed.abs().max(central.abs()).max(least);
            if !(central.is_finite() && scale.is_finite() && scale > 0.0) {
                continue;
            }
            let mismatch = (central - claimed).abs() / scale;
            if mismatch < nearest[index].0 {
                nearest[index] = (mismatch, central);
            }
            if mismatch <= tolerance {
                agreed[index].get_or_insert(mismatch);
                continue;
            }
            let here = match &here {
                Some(here) => here[index],
                None => here.insert(at(0.0)?)[index],
            };
            let sides = ((above - here) - (here - below)).abs() / step;
            certain[index] += usize::from(mismatch > sides / scale);
        }
        if agreed.iter().all(Option::is_some) {
            break;
        }
    }
    let verdicts = agreed.iter().zip(nearest).zip(certain);
    Ok(verdicts
        .map(|((agreed, (_, central)), certain)| match agreed {
            Some(mismatch) => Verdict::Agrees(*mismatch),
            None if certain >= CERTAIN => Verdict::Differs { central },
            None => Verdict::Undecided,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(claimed: f64, f: impl Fn(f64) -> f64) -> Verdict {
        let claims = [(claimed, 0.0)];
        judge(&claims, 0.02, &mut |t| Ok(vec![f(t)])).unwrap()[0]
    }

    #[test]
    fn a_right_derivative_agrees_and_a_wrong_one_differs() {
        let f = |t: f64| (3.0 * t).sin() + 5.0;
        assert!(matches!(verdict(3.0, f), Verdict::Agrees(m) if m < 1e-3));
        for wrong in [6.0, -3.0, 0.0, 2.7] {
            assert!(matches!(verdict(wrong, f), Verdict::Differs { .. }));
        }
    }

    /// The derivative at a kink may be any slope between the two sides.
    #[test]
    fn any_slope_between_the_two_sides_of_a_kink_is_undecided() {
        for claimed in [0.0, 0.3, 1.0] {
            assert_eq!(verdict(claimed, |t| t.max(0.0)), Verdict::Undecided);
        }
        assert!(matches!(verdict(0.5, |t| t.max(0.0)), Verdict::Agrees(_)));
        let beyond = verdict(2.1, |t| t.max(0.0));
        assert!(matches!(beyond, Verdict::Differs { .. }), "{beyond:?}");
    }

    /// Where the score is only rounding, both slopes are random, and about one comparison in a hundred looks
    /// certain by chance. A network is called wrong only if at least half of its comparisons are.
    #[test]
    fn rounding_is_not_reported_as_an_error() {
        let looks_wrong = |name: &u32| {
            let noise = |t: f64| f64::from(crate::seeded::unit(&format!("{name} {t}"), 1)[0]);
            let verdict = verdict(1e-6, |t| 1e-6 * t + 1e-5 * noise(t));
            matches!(verdict, Verdict::Differs { .. })
        };
        let count = (0..1000).filter(looks_wrong).count();
        assert!(count <= 20, "{count} of 1000");
    }

    #[test]
    fn a_constant_function_has_slope_0_and_nothing_to_compare() {
        assert_eq!(verdict(0.0, |_| 1.0), Verdict::Undecided);
    }
}

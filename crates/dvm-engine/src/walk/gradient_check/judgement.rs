//! Whether a directional derivative is what central differences say.

use crate::Error;

/// Step lengths, in units of a direction of root mean square 1. The first one is right for most networks: it
/// moves the answer by much more than rounding does and crosses few kinks.
const STEPS: [f64; 5] = [1e-2, 3e-3, 3e-2, 1e-3, 1e-1];

/// At how many of the step lengths a derivative must be off for certain to be called wrong.
const CERTAIN: usize = 4;

/// What came of one comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// The two agree, but for this part of the larger one.
    Agrees(f64),
    /// They do not, at nearly all step lengths, and neither rounding nor kinks can be the reason; the central
    /// difference that comes nearest.
    Differs { central: f64 },
    /// Rounding or kinks hide which.
    Undecided,
}

/// Compares derivatives with the central differences of functions along one direction, step by step until
/// all agree: `claims` has for each function the derivative and the size below which differences do not
/// count, `at` gives the values of all functions at a distance.
///
/// A function that has a kink, or that is drowned in rounding, has another slope on either side. The difference
/// of the two says by how much the central difference may be off without any mistake in the derivative.
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

    /// What is computed at a kink may be any slope between the two sides.
    #[test]
    fn any_slope_between_the_two_sides_of_a_kink_is_undecided() {
        for claimed in [0.0, 0.3, 1.0] {
            assert_eq!(verdict(claimed, |t| t.max(0.0)), Verdict::Undecided);
        }
        assert!(matches!(verdict(0.5, |t| t.max(0.0)), Verdict::Agrees(_)));
        let beyond = verdict(2.1, |t| t.max(0.0));
        assert!(matches!(beyond, Verdict::Differs { .. }), "{beyond:?}");
    }

    /// Where the answer is nothing but rounding, both slopes are drawn at random, and by chance one comparison in a
    /// hundred looks certain. A network is called wrong only if at least half of its comparisons are.
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

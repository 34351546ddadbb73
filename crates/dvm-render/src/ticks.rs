//! Ticks at round numbers, and their labels.

/// A tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The position: 0 at the low end of the scale, 1 at the high end.
    pub position: f32,
    /// The number, with a minus sign (U+2212) and, at a clipped end, `≤` or `≥`.
    pub label: String,
}

/// Which ends of a scale are exceeded by values.
#[derive(Clone, Copy, Default)]
pub(crate) struct Clipped {
    pub below: bool,
    pub above: bool,
}

/// Ticks at multiples of 1, 2 or 5 times a power of ten, with a distance of at least 1/`count` of
/// the scale. `low` must be less than `high`, both finite.
pub(crate) fn ticks(low: f64, high: f64, count: usize, clipped: Clipped) -> Vec<Tick> {
    let count = count.max(1) as f64;
    let step = Step::at_least((high - low) / count);
    let notation = Notation::of(low.abs().max(high.abs()), &step);
    let position = |value: f64| ((value - low) / (high - low)) as f32;

    // A label at a clipped end needs space.
    let room = 0.6 * (high - low) / count;
    let slack = step.value * 1e-6;
    let first = if clipped.below {
        low + room
    } else {
        low - slack
    };
    let last = if clipped.above {
        high - room
    } else {
        high + slack
    };

    let mut ticks = Vec::new();
    if clipped.below {
        ticks.push(Tick {
            position: 0.0,
            label: format!("≤ {}", notation.write_finer(low)),
        });
    }
    let mut multiple = (first / step.value).ceil();
    while multiple * step.value <= last {
        ticks.push(Tick {
            position: position(multiple * step.value).clamp(0.0, 1.0),
            label: notation.write(multiple * step.value),
        });
        multiple += 1.0;
    }
    if clipped.above {
        ticks.push(Tick {
            position: 1.0,
            label: format!("≥ {}", notation.write_finer(high)),
        });
    }
    ticks
}

/// The first and the last power of ten around the positive `values`, at least one step apart, and a
/// tick for each power, or for every n-th if there are many.
pub(crate) fn decades(values: impl Iterator<Item = f64>) -> ((i32, i32), Vec<Tick>) {
    let mut ends: Option<(i32, i32)> = None;
    for value in values {
        let (mantissa, exponent) = parts(value);
        let above = exponent + i32::from(mantissa > 1.0);
        let (low, high) = ends.unwrap_or((exponent, above));
        ends = Some((low.min(exponent), high.max(above)));
    }
    let (low, high) = ends.unwrap_or((0, 1));
    let high = high.max(low + 1);
    let step = (high - low).div_euclid(MOST_DECADES) + 1;
    let ticks = (low..=high).step_by(step as usize).map(|exponent| Tick {
        position: ((exponent - low) as f64 / f64::from(high - low)) as f32,
        label: match exponent {
            -4..=5 => format!(
                "{:.*}",
                exponent.min(0).unsigned_abs() as usize,
                power_of_ten(exponent)
            ),
            _ => number(power_of_ten(exponent)),
        },
    });
    ((low, high), ticks.collect())
}

/// Maximum powers of ten that all have a tick.
const MOST_DECADES: i32 = 6;

/// A number with up to four significant digits.
pub(crate) fn number(value: f64) -> String {
    let (_, exponent) = parts(value);
    let step = Step {
        value: power_of_ten(exponent - 3),
        exponent: exponent - 3,
    };
    let text = Notation::of(value.abs(), &step).write(value);
    let (digits, power) = match text.split_once('×') {
        Some((digits, power)) => (digits, format!("×{power}")),
        None => (text.as_str(), String::new()),
    };
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    format!("{digits}{power}")
}

/// The smallest whole number of the form 1, 2 or 5 times a power of ten that is at least `least`.
pub(crate) fn whole_step(least: f64) -> usize {
    Step::at_least(least.max(1.0)).value as usize
}

/// A distance between ticks.
struct Step {
    value: f64,
    /// The power of ten of its digit.
    exponent: i32,
}

impl Step {
    fn at_least(least: f64) -> Self {
        let (mantissa, exponent) = parts(least);
        let (digit, exponent) = match mantissa {
            m if m <= 1.0 => (1.0, exponent),
            m if m <= 2.0 => (2.0, exponent),
            m if m <= 5.0 => (5.0, exponent),
            _ => (1.0, exponent + 1),
        };
        Self {
            value: digit * power_of_ten(exponent),
            exponent,
        }
    }
}

/// The notation of all numbers of a scale.
enum Notation {
    Fixed { decimals: i32 },
    Scientific { decimals: i32, exponent: i32 },
}

impl Notation {
    /// Fixed notation if it is short (`0.99985`, `0.00015`), otherwise scientific (`2.5×10⁻⁶`).
    fn of(largest: f64, step: &Step) -> Self {
        let (_, exponent) = parts(largest);
        let decimals = (-step.exponent).max(0);
        if exponent >= 6 || (exponent < -2 && decimals > 5) {
            Self::Scientific {
                decimals: (exponent - step.exponent).max(0),
                exponent,
            }
        } else {
            Self::Fixed { decimals }
        }
    }

    /// `value` in the notation of the ticks.
    fn write(&self, value: f64) -> String {
        self.write_to(value, 0)
    }

    /// `value` with one decimal more than the ticks, unless it is a zero.
    fn write_finer(&self, value: f64) -> String {
        let (plain, finer) = (self.write_to(value, 0), self.write_to(value, 1));
        if self.digits(value, 1).ends_with('0') {
            plain
        } else {
            finer
        }
    }

    fn write_to(&self, value: f64, more: i32) -> String {
        let digits = self.digits(value, more);
        match self {
            // Zero has no decimals and no power.
            _ if is_zero(&digits) => "0".into(),
            Self::Fixed { .. } => digits,
            Self::Scientific { exponent, .. } => format!("{digits}×10{}", superscript(*exponent)),
        }
    }

    /// The digits of `value` with `more` additional decimals, without the power of ten.
    fn digits(&self, value: f64, more: i32) -> String {
        match self {
            Self::Fixed { decimals } => fixed(value, (decimals + more) as usize),
            Self::Scientific { decimals, exponent } => {
                fixed(value / power_of_ten(*exponent), (decimals + more) as usize)
            }
        }
    }
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|b| b == b'0' || b == b'.')
}

/// `value` with this many decimals and the minus sign of mathematics; zero has no sign.
pub fn fixed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    if value < 0.0 && !is_zero(&digits) {
        format!("−{digits}")
    } else {
        digits
    }
}

fn superscript(exponent: i32) -> String {
    exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32(digit as u32 - '0' as u32 + '⁰' as u32).unwrap_or(digit),
        })
        .collect()
}

/// `value` as a mantissa in 1..10 and a power of ten; (0, 0) for zero. The exponent is read from
/// the decimal text, because a logarithm may be rounded differently on another machine.
fn parts(value: f64) -> (f64, i32) {
    let text = format!("{:e}", value.abs());
    text.split_once('e')
        .and_then(|(m, e)| Some((m.parse().ok()?, e.parse().ok()?)))
        .unwrap_or((0.0, 0))
}

/// The number nearest to ten to the `exponent`.
fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        ticks(low, high, 6, Clipped::default())
            .into_iter()
            .map(|t| t.label)
            .collect()
    }

    #[test]
    fn ticks_are_at_round_numbers() {
        assert_eq!(labels(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-0.5, 0.5), ["−0.4", "−0.2", "0", "0.2", "0.4"]);
        assert_eq!(labels(0.0, 255.0), ["0", "50", "100", "150", "200", "250"]);
    }

    #[test]
    fn neighbouring_labels_differ() {
        assert_eq!(
            labels(0.999_71, 0.999_995),
            ["0.99975", "0.99980", "0.99985", "0.99990", "0.99995"]
        );
        for (low, high) in [
            (0.999_999_8, 1.0),
            (16_777_210.0, 16_777_216.0),
            (0.0, 1e-45),
        ] {
            let labels = labels(low, high);
            assert!(labels.len() >= 2, "{labels:?}");
            for pair in labels.windows(2) {
                assert_ne!(pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn small_numbers_are_fixed_if_short_and_scientific_otherwise() {
        assert_eq!(labels(0.0, 0.00016), ["0", "0.00005", "0.00010", "0.00015"]);
        assert_eq!(
            labels(0.0, 1.1e-5),
            [
                "0",
                "0.2×10⁻⁵",
                "0.4×10⁻⁵",
                "0.6×10⁻⁵",
                "0.8×10⁻⁵",
                "1.0×10⁻⁵"
            ]
        );
        assert_eq!(labels(0.0, 2.4e12)[1..3], ["0.5×10¹²", "1.0×10¹²"]);
    }

    #[test]
    fn positions_increase_from_low_to_high() {
        for (low, high) in [(0.0, 1.0), (-3.3, 12.1), (0.1, 0.100_001), (-1e30, 1e30)] {
            let ticks = ticks(low, high, 6, Clipped::default());
            assert!((2..=7).contains(&ticks.len()), "{ticks:?}");
            assert!(ticks.windows(2).all(|w| w[0].position < w[1].position));
            assert!(ticks.iter().all(|t| (0.0..=1.0).contains(&t.position)));
        }
    }

    #[test]
    fn clipped_ends_have_separate_ticks() {
        let clipped = Clipped {
            below: true,
            above: true,
        };
        let ticks = ticks(-1.0, 1.04, 6, clipped);
        let labels: Vec<_> = ticks.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(labels, ["≤ −1.0", "−0.5", "0", "0.5", "≥ 1.04"]);
        assert_eq!((ticks[0].position, ticks[4].position), (0.0, 1.0));
    }

    #[test]
    fn a_number_has_no_trailing_zeros() {
        assert_eq!(number(0.37_f32.into()), "0.37");
        assert_eq!(number(0.0), "0");
        assert_eq!(number(-2.0), "−2");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(1.5e-9), "1.5×10⁻⁹");
        assert_eq!(number(0.123_456), "0.1235");
    }

    #[test]
    fn a_number_that_is_rounded_to_zero_has_no_sign() {
        let numbers = [0.314_9, -0.2, -0.001, 1.0].map(|value| fixed(value, 2));
        assert_eq!(numbers, ["0.31", "−0.20", "0.00", "1.00"]);
    }

    #[test]
    fn pixel_steps_are_whole() {
        assert_eq!(whole_step(0.2), 1);
        assert_eq!(whole_step(35.0), 50);
        assert_eq!(whole_step(101.0), 200);
    }
}

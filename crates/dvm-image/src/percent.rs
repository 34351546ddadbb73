//! Percentages as text.

/// A probability as text: `96.2 %`, `0.013 %`, `4.1e-7 %`.
pub fn percent(probability: f32) -> String {
    let percent = 100.0 * f64::from(probability);
    if percent >= 0.1 || percent == 0.0 {
        format!("{percent:.1} %")
    } else if percent >= 1e-4 {
        // Two significant digits.
        let decimals = 1 - percent.log10().floor() as i32;
        format!("{percent:.*} %", decimals as usize)
    } else {
        format!("{percent:.1e} %")
    }
}

/// A share in percent with this many decimals: `(0.1234, 1)` is `12.3 %`.
pub fn fixed_percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$} %", 100.0 * share)
}

/// A share in percent, with one decimal below 10 %: `9.5 %`, `34 %`.
pub fn short_percent(share: f64) -> String {
    // 9.96 % is rounded to 10 %, not to 10.0 %.
    fixed_percent(share, usize::from(100.0 * share.abs() < 9.95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_fixed_or_follow_from_the_size() {
        assert_eq!(fixed_percent(0.12345, 2), "12.35 %");
        assert_eq!(fixed_percent(1.0, 1), "100.0 %");
        let short = [0.0, 0.0951, 0.0996, 0.344, -0.021].map(short_percent);
        assert_eq!(short, ["0.0 %", "9.5 %", "10 %", "34 %", "-2.1 %"]);
    }

    #[test]
    fn small_probabilities_keep_two_significant_digits() {
        let written = [1.0, 0.95093, 0.001, 0.00013, 0.000_004_1, 4.1e-9, 0.0].map(percent);
        let expected = [
            "100.0 %",
            "95.1 %",
            "0.1 %",
            "0.013 %",
            "0.00041 %",
            "4.1e-7 %",
            "0.0 %",
        ];
        assert_eq!(written, expected);
    }
}

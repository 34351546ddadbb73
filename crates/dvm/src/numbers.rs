//! Medians, and numbers in words.

/// The median of `values`, which are not empty.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() % 2 {
        1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

/// A number of pictures.
pub(crate) fn pictures(count: usize) -> String {
    match count {
        1 => "1 picture".into(),
        count => format!("{count} pictures"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(vec![4.0, 1.0, 3.0]), 3.0);
    }
}

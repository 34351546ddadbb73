//! The distance of a mask from one of a given area: its sorted values are compared with zeros and then ones.

/// Values that differ by no more than this are equal.
const EQUAL: f64 = 1e-9;

/// The target of each value: 1 for the largest `area` (0 … 1) of them, 0 for the others. Equal
/// values share the mean of their targets.
pub(super) fn wanted(values: &[f64], area: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let zeros = (values.len() as f64 * (1.0 - area)) as usize;
    let mut wanted = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let mut end = first + 1;
        while end < order.len() && values[order[end]] - values[order[end - 1]] <= EQUAL {
            end += 1;
        }
        let ones = end.max(zeros) - first.max(zeros);
        let mean = ones as f64 / (end - first) as f64;
        for &at in &order[first..end] {
            wanted[at] = mean;
        }
        first = end;
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_values_should_be_one() {
        assert_eq!(wanted(&[0.3, 0.9, 0.1, 0.5], 0.5), [0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn equal_values_share_the_mean_of_their_targets() {
        assert_eq!(
            wanted(&[0.5, 0.5, 0.1, 0.5], 0.5),
            [2.0 / 3.0, 2.0 / 3.0, 0.0, 2.0 / 3.0]
        );
        assert_eq!(wanted(&[0.7; 4], 0.25), [0.25; 4]);
    }
}

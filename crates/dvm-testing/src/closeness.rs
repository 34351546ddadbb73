//! Comparing arrays.

/// The largest absolute difference divided by the largest expected magnitude, or the largest difference
/// if everything expected is zero. Infinity if there is a NaN or the lengths differ.
pub fn relative_error<F: Copy + Into<f64>>(found: &[F], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let (mut difference, mut scale) = (0.0f64, 0.0f64);
    for (&found, &expected) in found.iter().zip(expected) {
        let d = (found.into() - expected).abs();
        if d.is_nan() {
            return f64::INFINITY;
        }
        difference = difference.max(d);
        scale = scale.max(expected.abs());
    }
    difference / if scale > 0.0 { scale } else { 1.0 }
}

/// The values of a tensor in f64, row-major.
#[cfg(feature = "engine")]
pub fn wide(tensor: &dvm_engine::Tensor) -> Vec<f64> {
    tensor.to_nchw().into_iter().map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_relative_to_the_largest_expected_value() {
        assert_eq!(relative_error(&[1.0f32, 3.0], &[1.0, 4.0]), 0.25);
        assert_eq!(relative_error(&[0.5f64], &[0.0]), 0.5);
    }

    #[test]
    fn nan_and_another_length_are_infinitely_far_off() {
        assert_eq!(relative_error(&[f32::NAN], &[1.0]), f64::INFINITY);
        assert_eq!(relative_error(&[1.0f32], &[1.0, 1.0]), f64::INFINITY);
    }
}

//! How far off a result is.

use dvm_engine::Tensor;

/// The same values in f64, row-major.
pub fn wide(tensor: &Tensor) -> Vec<f64> {
    tensor.to_nchw().into_iter().map(f64::from).collect()
}

/// The largest difference over the largest expected value; infinity if there is a NaN.
pub fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(
            0.0f64,
            |a, v| if v.is_nan() { f64::INFINITY } else { a.max(v) },
        )
    };
    let differences = &mut found.iter().zip(expected).map(|(f, e)| (f - e).abs());
    largest(differences) / largest(&mut expected.iter().map(|e| e.abs()))
}

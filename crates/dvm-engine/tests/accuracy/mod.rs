//! How far off a result is.

/// The largest difference over the largest expected value; infinity if there is a NaN or the
/// numbers of values differ.
pub fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let (mut difference, mut scale) = (0.0f64, 0.0f64);
    for (&f, &e) in found.iter().zip(expected) {
        let d = (f64::from(f) - e).abs();
        if d.is_nan() {
            return f64::INFINITY;
        }
        difference = difference.max(d);
        scale = scale.max(e.abs());
    }
    // What is expected to be zero throughout is measured absolutely.
    difference / if scale > 0.0 { scale } else { 1.0 }
}

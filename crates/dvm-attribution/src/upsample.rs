//! Upsampling of a map from the size of a layer or of tokens to the size of the input.

use dvm_options::words;

words! {
    /// How a map is upsampled.
    pub(crate) enum Upsampling {
        /// Bilinear interpolation of the four nearest places.
        Bilinear = "bilinear",
        /// The value of the nearest place.
        Nearest = "nearest",
    }
}

impl Upsampling {
    /// Values `[rows, columns]` upsampled to `[H, W]`, row by row, with half-pixel centres, as
    /// PyTorch's `interpolate` with `align_corners=False`.
    pub fn of(self, values: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
        match self {
            Self::Bilinear => bilinear(values, from, to),
            Self::Nearest => {
                let nearest = |index: usize, from: usize, to: usize| index * from / to;
                let mut all = Vec::with_capacity(to.0 * to.1);
                for row in 0..to.0 {
                    let own = &values[nearest(row, from.0, to.0) * from.1..][..from.1];
                    all.extend((0..to.1).map(|column| own[nearest(column, from.1, to.1)]));
                }
                all
            }
        }
    }
}

/// Values `[rows, columns]` upsampled to `[H, W]`, bilinear with half-pixel centres (as `cv2.resize` with
/// INTER_LINEAR and `interpolate` with `align_corners=False`). Values at the border are repeated outside.
pub(crate) fn bilinear(
    values: &[f32],
    (rows, columns): (usize, usize),
    (height, width): (usize, usize),
) -> Vec<f32> {
    let across = between(columns, width);
    let mut all = Vec::with_capacity(height * width);
    for (upper, lower, down) in between(rows, height) {
        let upper = &values[upper * columns..][..columns];
        let lower = &values[lower * columns..][..columns];
        for &(left, right, share) in &across {
            // This form keeps equal values equal.
            let mixed = |row: &[f32]| {
                let (left, right) = (f64::from(row[left]), f64::from(row[right]));
                left + (right - left) * share
            };
            let (above, below) = (mixed(upper), mixed(lower));
            all.push((above + (below - above) * down) as f32);
        }
    }
    all
}

/// For each of `to` points: the two of `from` that it lies between, and its position between them, 0 … 1.
fn between(from: usize, to: usize) -> Vec<(usize, usize, f64)> {
    let scale = from as f64 / to as f64;
    let point = |index: usize| {
        let at = ((index as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (at as usize).min(from - 1);
        (first, (first + 1).min(from - 1), at - first as f64)
    };
    (0..to).map(point).collect()
}

/// The smallest and the largest value.
pub(crate) fn extent(values: &[f32]) -> (f64, f64) {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (low.into(), high.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_interpolated_with_half_pixel_centres() {
        // torch.nn.functional.interpolate of [0, 8] to 4: 0, 2, 6, 8.
        assert_eq!(bilinear(&[0.0, 8.0], (1, 2), (1, 4)), [0.0, 2.0, 6.0, 8.0]);
        let down = bilinear(&[0.0, 8.0], (2, 1), (4, 2));
        assert_eq!(down, [0.0, 0.0, 2.0, 2.0, 6.0, 6.0, 8.0, 8.0]);
    }

    #[test]
    fn a_map_of_the_size_of_the_picture_is_unchanged() {
        let values = [1.0, -2.0, 3.0, 0.1, 5.0, 7.0];
        assert_eq!(bilinear(&values, (2, 3), (2, 3)), values);
        assert_eq!(Upsampling::Nearest.of(&values, (2, 3), (2, 3)), values);
    }

    #[test]
    fn nearest_repeats_each_place() {
        let found = Upsampling::Nearest.of(&[1.0, 2.0, 3.0], (1, 3), (2, 6));
        assert_eq!(found, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0].repeat(2));
    }
}

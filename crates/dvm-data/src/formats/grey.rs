//! Slices as grey pictures.

use super::FormatError;

/// A slice of a volume as an 8-bit grey picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its index in the volume, from 0.
    pub index: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// One byte per pixel, rows from top to bottom.
    pub grey: Vec<u8>,
}

impl Slice {
    /// Scales `values` (row-major) from 0 for the smallest to 255 for the largest, rounded half up. If all are
    /// equal, all become 0.
    ///
    /// # Errors
    /// [`FormatError::NotFinite`] with the first infinity or NaN.
    ///
    /// # Panics
    /// If the number of values is not `height × width`.
    pub fn scaled(
        index: usize,
        height: usize,
        width: usize,
        values: &[f64],
    ) -> Result<Self, FormatError> {
        assert_eq!(values.len(), height * width, "{height} × {width} values");
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(FormatError::NotFinite {
                slice: index,
                row: at / width,
                column: at % width,
                value: values[at].to_string(),
            });
        }
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Halved, because the difference of two finite numbers may overflow.
        let range = largest / 2.0 - least / 2.0;
        let grey = |&value: &f64| {
            if range > 0.0 {
                ((value / 2.0 - least / 2.0) / range * 255.0 + 0.5) as u8
            } else {
                0
            }
        };
        Ok(Self {
            index,
            height,
            width,
            grey: values.iter().map(grey).collect(),
        })
    }

    /// The bytes of a PNG file, 8-bit grey.
    pub fn png(&self) -> Vec<u8> {
        dvm_image::encode_grey_png(self.height, self.width, &self.grey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_value_is_black_and_the_largest_white() {
        let grey = |values: &[f64]| Slice::scaled(0, 1, values.len(), values).unwrap().grey;
        assert_eq!(grey(&[-1.0, 0.0, 1.0]), [0, 128, 255]);
        assert_eq!(grey(&[0.0, 1.4, 1.6, 255.0]), [0, 1, 2, 255]);
        assert_eq!(grey(&[f64::MIN, 0.0, f64::MAX]), [0, 128, 255]);
        assert_eq!(grey(&[0.0, 5e-324]), [0, 0]);
    }

    #[test]
    fn a_constant_slice_is_black() {
        assert_eq!(Slice::scaled(0, 1, 2, &[7.0; 2]).unwrap().grey, [0, 0]);
    }

    #[test]
    fn the_error_gives_the_position_of_a_nan() {
        let mut values = [0.0; 6];
        values[4] = f64::NAN;
        let error = Slice::scaled(3, 2, 3, &values).unwrap_err().to_string();
        assert!(
            error.contains("slice 3 contains NaN at row 1, column 1"),
            "{error}"
        );
    }
}

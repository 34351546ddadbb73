//! The input of a network, and its position on the original picture.

use std::ops::Range;

use crate::{Picture, fixed_percent};

/// A preprocessed picture: the original, the crop and the normalised values.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub(crate) original: Picture,
    pub(crate) crop: Picture,
    pub(crate) values: Vec<f32>,
    pub(crate) placement: Placement,
}

impl Input {
    /// The decoded picture.
    pub fn original(&self) -> &Picture {
        &self.original
    }

    /// The crop, before normalisation.
    pub fn crop(&self) -> &Picture {
        &self.crop
    }

    /// The normalised crop, `[C, height, width]`, its channels in the network's order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The shape of [`Input::values`], `[C, height, width]`: three channels, or one for a grey network.
    pub fn shape(&self) -> [usize; 3] {
        let (height, width) = (self.crop.height(), self.crop.width());
        [self.values.len() / (height * width), height, width]
    }

    /// Rows and columns of the resized picture, before the crop.
    pub fn resized(&self) -> (usize, usize) {
        self.placement.resized
    }

    /// The position of the crop on the original.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }
}

/// The position of a crop on the original picture. Coordinates are continuous, in pixels, `(y, x)`,
/// from the upper left corner of the picture: pixel `i` covers `i .. i + 1` and has its centre at
/// `i + 0.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    pub(crate) original: (usize, usize),
    pub(crate) resized: (usize, usize),
    pub(crate) crop: (usize, usize),
    pub(crate) origin: (isize, isize),
}

impl Placement {
    /// Rows and columns of the original.
    pub fn original_size(&self) -> (usize, usize) {
        self.original
    }

    /// Rows and columns after resizing, before the crop.
    pub fn resized_size(&self) -> (usize, usize) {
        self.resized
    }

    /// Rows and columns of the crop.
    pub fn crop_size(&self) -> (usize, usize) {
        self.crop
    }

    /// Row and column of the resized picture at which the crop starts; negative if the crop is
    /// larger and was padded with black.
    pub fn origin(&self) -> (isize, isize) {
        self.origin
    }

    /// Pixels of the crop per pixel of the original, vertically and horizontally.
    pub fn scale(&self) -> (f64, f64) {
        (
            self.resized.0 as f64 / self.original.0 as f64,
            self.resized.1 as f64 / self.original.1 as f64,
        )
    }

    /// Converts a point `(y, x)` of the original to the crop; the result may be outside the crop.
    pub fn crop_from_original(&self, (y, x): (f64, f64)) -> (f64, f64) {
        let scale = self.scale();
        (
            y * scale.0 - self.origin.0 as f64,
            x * scale.1 - self.origin.1 as f64,
        )
    }

    /// Converts a point `(y, x)` of the crop to the original; the result is outside the original in
    /// the padding.
    pub fn original_from_crop(&self, (y, x): (f64, f64)) -> (f64, f64) {
        let scale = self.scale();
        (
            (y + self.origin.0 as f64) / scale.0,
            (x + self.origin.1 as f64) / scale.1,
        )
    }

    /// Converts a rectangle (rows, columns) of the original to the crop, clipped; empty if it was
    /// cropped away.
    pub fn crop_rectangle(&self, rows: Range<f64>, columns: Range<f64>) -> PixelRanges {
        let start = self.crop_from_original((rows.start, columns.start));
        let end = self.crop_from_original((rows.end, columns.end));
        clipped(start, end, self.crop)
    }

    /// Converts a rectangle (rows, columns) of the crop to the original, clipped; empty if it is in
    /// the padding.
    pub fn original_rectangle(&self, rows: Range<f64>, columns: Range<f64>) -> PixelRanges {
        let start = self.original_from_crop((rows.start, columns.start));
        let end = self.original_from_crop((rows.end, columns.end));
        clipped(start, end, self.original)
    }
}

impl Placement {
    /// The part of the original that is in the crop.
    pub fn shown(&self) -> PixelRanges {
        self.original_rectangle(0.0..self.crop.0 as f64, 0.0..self.crop.1 as f64)
    }

    /// The share of the original's area that is in the crop, 0 … 1.
    pub fn shown_share(&self) -> f64 {
        let (rows, columns) = self.shown();
        let shown = (rows.end - rows.start) * (columns.end - columns.start);
        shown / (self.original.0 as f64 * self.original.1 as f64)
    }

    /// A warning if the crop contains less than half of the picture.
    pub fn warning(&self) -> Option<String> {
        let share = self.shown_share();
        (share < 0.5).then(|| {
            let (height, width) = self.crop;
            let decimals = usize::from(share < 0.1) + usize::from(share < 0.01);
            format!(
                "the network sees only the centre, {} of this picture; the rest is cropped away. \
                 To see all of it, resize the whole picture to {height}×{width}, which changes its proportions",
                fixed_percent(share, decimals)
            )
        })
    }
}

/// Rows and columns, in continuous pixel coordinates.
pub type PixelRanges = (Range<f64>, Range<f64>);

fn clipped(start: (f64, f64), end: (f64, f64), size: (usize, usize)) -> PixelRanges {
    let (height, width) = (size.0 as f64, size.1 as f64);
    (
        start.0.clamp(0.0, height)..end.0.clamp(0.0, height),
        start.1.clamp(0.0, width)..end.1.clamp(0.0, width),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALVED: Placement = Placement {
        original: (40, 60),
        resized: (20, 30),
        crop: (20, 20),
        origin: (0, 5),
    };

    #[test]
    fn points_are_converted_between_crop_and_original() {
        assert_eq!(HALVED.original_from_crop((0.0, 0.0)), (0.0, 10.0));
        assert_eq!(HALVED.original_from_crop((20.0, 20.0)), (40.0, 50.0));
        assert_eq!(HALVED.crop_from_original((40.0, 50.0)), (20.0, 20.0));
    }

    #[test]
    fn a_crop_of_less_than_half_of_the_picture_gives_a_warning() {
        // 15:1, shorter side to 256, 224 × 224 of it.
        let long = Placement {
            original: (100, 1500),
            resized: (256, 3840),
            crop: (224, 224),
            origin: (16, 1808),
        };
        let share = 224.0 * 224.0 / (256.0 * 3840.0);
        assert!((long.shown_share() - share).abs() < 1e-12);
        let warning = long.warning().unwrap();
        assert!(warning.contains("5.1 % of this picture"), "{warning}");
        assert!(warning.contains("224×224"), "{warning}");
        assert_eq!(HALVED.shown(), (0.0..40.0, 10.0..50.0));
        assert_eq!(HALVED.warning(), None);
    }

    #[test]
    fn a_rectangle_outside_the_crop_is_empty() {
        let (rows, columns) = HALVED.crop_rectangle(0.0..10.0, 0.0..10.0);
        assert_eq!((rows, columns), (0.0..5.0, 0.0..0.0));
    }

    #[test]
    fn a_rectangle_over_padding_is_clipped_to_the_original() {
        let padded = Placement {
            original: (2, 10),
            resized: (2, 10),
            crop: (10, 10),
            origin: (-4, 0),
        };
        let (rows, columns) = padded.original_rectangle(0.0..5.0, 3.0..4.0);
        assert_eq!((rows, columns), (0.0..1.0, 3.0..4.0));
    }
}

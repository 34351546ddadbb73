//! The outputs for a single covered window, such as one that a user drags over the picture.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dvm_engine::incremental::Rectangle;

use crate::probe::{Variants, replace, rows_of};
use crate::{Baseline, Error, Subject};

/// The outputs `[K]` of the network while these rows and columns of its input are covered with `fill`, in the same
/// way as by occlusion. Only what the window can change is computed ([`Subject::incremental`]).
///
/// # Errors
/// [`Error::Unfit`] for a window that is empty or outside of the picture, or a `fill` that does not
/// fit; as [`Subject::outputs_of`].
pub fn cover(
    subject: &Subject,
    rows: Range<usize>,
    columns: Range<usize>,
    fill: &Baseline,
) -> Result<Vec<f32>, Error> {
    let [_, channels, height, width] = subject.shape();
    if rows.is_empty() || columns.is_empty() || rows.end > height || columns.end > width {
        return Err(Error::Unfit(format!(
            "a window of rows {}..{} and columns {}..{} is empty or outside of a picture of \
             {height}×{width} pixels",
            rows.start, rows.end, columns.start, columns.end
        )));
    }
    let longer = rows.len().max(columns.len()) as f64;
    let sigma = longer * super::occlusion::BLUR;
    let window = Window {
        cover: fill.input(subject, sigma, "occlusion noise 0")?,
        width,
        channels,
        rectangle: Rectangle { rows, columns },
    };
    let answer = Mutex::new(Vec::new());
    subject.outputs_of(&window, &mut |_, numbers| {
        *answer.lock().unwrap_or_else(PoisonError::into_inner) = numbers.to_vec();
    })?;
    Ok(answer.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One window, and its fill: values as the input is stored, `H, W, C`.
struct Window {
    cover: Vec<f32>,
    /// Pixels in a row of the input.
    width: usize,
    channels: usize,
    rectangle: Rectangle,
}

impl Variants for Window {
    fn count(&self) -> usize {
        1
    }

    fn rectangle(&self, _: usize) -> Option<Rectangle> {
        Some(self.rectangle.clone())
    }

    fn variant(&self, picture: &[f32], _: usize) -> Option<Vec<f32>> {
        let rows = rows_of(&self.rectangle, self.width, self.channels);
        let mut values = picture.to_vec();
        replace(&mut values, &self.cover, rows);
        (values != picture).then_some(values)
    }
}

//! The augmented crop of a picture, during and after augmentation.

use std::borrow::Cow;
use std::ops::Range;

use dvm_image::{Channels, Picture, Preprocess};

/// A crop during augmentation.
pub(super) struct WorkingCrop<'a> {
    /// The decoded picture, or its luma for a grey network.
    pub original: Cow<'a, Picture>,
    /// The size of the crop, the filter, the mean.
    pub preprocess: &'a Preprocess,
    crop: Option<Picture>,
    /// Rows and columns of the crop that are set to 0 after normalisation.
    pub erased: Option<(Range<usize>, Range<usize>)>,
}

impl<'a> WorkingCrop<'a> {
    pub fn new(original: &'a Picture, preprocess: &'a Preprocess) -> Self {
        Self {
            original: preprocess.channels.of(original),
            preprocess,
            crop: None,
            erased: None,
        }
    }

    /// Replaces the crop.
    pub fn set_picture(&mut self, crop: Picture) {
        self.crop = Some(crop);
    }

    /// The crop; by default the same as in validation.
    pub fn picture(&mut self) -> &mut Picture {
        self.crop
            .get_or_insert_with(|| self.preprocess.crop_of(&self.original))
    }

    pub fn finish(mut self) -> AugmentedCrop {
        self.picture();
        AugmentedCrop {
            crop: self.crop.expect("it was made in the line above"),
            erased: self.erased,
        }
    }
}

/// A crop of `Preprocess::crop` rows and columns, in which a rectangle may be erased.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentedCrop {
    crop: Picture,
    erased: Option<(Range<usize>, Range<usize>)>,
}

impl AugmentedCrop {
    /// The erased rows and columns.
    pub fn erased(&self) -> Option<(Range<usize>, Range<usize>)> {
        self.erased.clone()
    }

    /// Its pixels. The erased rectangle has the mean colour, whose normalised value is nearest to 0.
    pub fn picture(mut self, preprocess: &Preprocess) -> Picture {
        if let Some((rows, columns)) = self.erased {
            let colour = mean_colour(preprocess);
            for y in rows {
                for x in columns.clone() {
                    self.crop.set_pixel(y, x, colour);
                }
            }
        }
        self.crop
    }

    /// Appends the normalised values `[H, W, C]`, from the [`Preprocess::tables`] of `channels`. The erased
    /// rectangle is 0.
    pub fn append_to(&self, values: &mut Vec<f32>, channels: Channels, tables: &[[f32; 256]]) {
        let start = values.len();
        let pixels = self.crop.rgb().as_chunks::<3>().0;
        let count = match (channels.sources(), tables) {
            // The compiler unrolls this loop over the colours.
            (&[first, second, third], [a, b, c]) => {
                values.extend(pixels.iter().flat_map(|pixel| {
                    [
                        a[usize::from(pixel[first])],
                        b[usize::from(pixel[second])],
                        c[usize::from(pixel[third])],
                    ]
                }));
                3
            }
            (sources, tables) => {
                let each = sources.iter().zip(tables);
                values.extend(pixels.iter().flat_map(|pixel| {
                    let value =
                        |(&source, table): (&usize, &[f32; 256])| table[usize::from(pixel[source])];
                    each.clone().map(value)
                }));
                sources.len()
            }
        };
        if let Some((rows, columns)) = &self.erased {
            let stride = self.crop.width() * count;
            for row in values[start..]
                .chunks_exact_mut(stride)
                .take(rows.end)
                .skip(rows.start)
            {
                row[columns.start * count..columns.end * count].fill(0.0);
            }
        }
    }
}

/// The mean of `preprocess` as an 8-bit colour.
pub(super) fn mean_colour(preprocess: &Preprocess) -> [u8; 3] {
    preprocess.mean_colour().map(|value| value.round() as u8)
}

//! What a network will see of a picture, while it is made and afterwards.

use std::borrow::Cow;
use std::ops::Range;

use dvm_image::{Channels, Picture, Preprocess};

/// A picture on its way through the augmentations.
pub(super) struct View<'a> {
    /// The picture as it was decoded, or its luma for a grey network.
    pub original: Cow<'a, Picture>,
    /// The size of the crop, the filter, the mean.
    pub preprocess: &'a Preprocess,
    crop: Option<Picture>,
    /// Rows and columns of the crop that will be zero after normalising.
    pub erased: Option<(Range<usize>, Range<usize>)>,
}

impl<'a> View<'a> {
    pub fn new(original: &'a Picture, preprocess: &'a Preprocess) -> Self {
        Self {
            original: preprocess.channels.of(original),
            preprocess,
            crop: None,
            erased: None,
        }
    }

    /// Decides what is cut out of the original.
    pub fn set_crop(&mut self, crop: Picture) {
        self.crop = Some(crop);
    }

    /// The crop; that of validation where no other was chosen.
    pub fn crop(&mut self) -> &mut Picture {
        self.crop
            .get_or_insert_with(|| self.preprocess.crop_of(&self.original))
    }

    pub fn seen(mut self) -> Seen {
        self.crop();
        Seen {
            crop: self.crop.expect("it was made in the line above"),
            erased: self.erased,
        }
    }
}

/// What a network sees of a picture: a crop of `Preprocess::crop` rows and columns, of which a
/// rectangle may be erased.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    crop: Picture,
    erased: Option<(Range<usize>, Range<usize>)>,
}

impl Seen {
    /// Rows and columns that are erased.
    pub fn erased(&self) -> Option<(Range<usize>, Range<usize>)> {
        self.erased.clone()
    }

    /// Its pixels; what is erased has the mean colour, whose normalised value is nearest to zero.
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

    /// Appends the normalised values, `[H, W, C]`, looked up in the [`Preprocess::tables`] of
    /// `channels`; what is erased is zero.
    pub fn append_to(&self, values: &mut Vec<f32>, channels: Channels, tables: &[[f32; 256]]) {
        let start = values.len();
        let pixels = self.crop.rgb().as_chunks::<3>().0;
        let count = match (channels.sources(), tables) {
            // Colours in a loop that the compiler unrolls.
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

/// The colour that the mean of `preprocess` is, to the nearest 8 bits.
pub(super) fn mean_colour(preprocess: &Preprocess) -> [u8; 3] {
    preprocess.mean_colour().map(|value| value.round() as u8)
}

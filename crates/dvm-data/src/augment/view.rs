//! What a network will see of a picture, while it is made and afterwards.

use std::ops::Range;

use dvm_image::{Picture, Preprocess};

/// A picture on its way through the augmentations.
pub(super) struct View<'a> {
    /// The picture as it was decoded.
    pub original: &'a Picture,
    /// The size of the crop, the filter, the mean.
    pub preprocess: &'a Preprocess,
    crop: Option<Picture>,
    /// Rows and columns of the crop that will be zero after normalising.
    pub erased: Option<(Range<usize>, Range<usize>)>,
}

impl<'a> View<'a> {
    pub fn new(original: &'a Picture, preprocess: &'a Preprocess) -> Self {
        Self {
            original,
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
            .get_or_insert_with(|| self.preprocess.crop_of(self.original))
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

    /// Appends the normalised values, `[H, W, 3]`, looked up in [`Preprocess::tables`]; what is
    /// erased is zero.
    pub fn append_to(&self, values: &mut Vec<f32>, tables: &[[f32; 256]; 3]) {
        let start = values.len();
        let [red, green, blue] = tables;
        let pixels = self.crop.rgb().as_chunks::<3>().0;
        values.extend(pixels.iter().flat_map(|&[r, g, b]| {
            [
                red[usize::from(r)],
                green[usize::from(g)],
                blue[usize::from(b)],
            ]
        }));
        if let Some((rows, columns)) = &self.erased {
            let stride = self.crop.width() * 3;
            for row in values[start..]
                .chunks_exact_mut(stride)
                .take(rows.end)
                .skip(rows.start)
            {
                row[columns.start * 3..columns.end * 3].fill(0.0);
            }
        }
    }
}

/// The colour that the mean of `preprocess` is, to the nearest 8 bits.
pub(super) fn mean_colour(preprocess: &Preprocess) -> [u8; 3] {
    preprocess.mean.map(|mean| (mean * 255.0).round() as u8)
}

//! Contact sheets.

use dvm_image::Picture;

use crate::canvas::Area;
use crate::page::Page;

/// The margin, and the space between pictures.
const GAP: usize = 12;
const CAPTION: f32 = 14.0;
/// From the bottom of a picture to the top of the next.
const CAPTION_ROOM: usize = 28;
/// From the bottom of a picture to the baseline of its caption.
const CAPTION_BASELINE: usize = 17;

/// A grid of `pictures`, `columns` per row, each with its caption below; captions that are too wide
/// are shortened. Pictures are not scaled: columns are as wide as the widest picture, rows as high
/// as their highest one, and smaller pictures are centred at the bottom.
///
/// ```
/// use dvm_image::Picture;
///
/// let picture = Picture::filled(50, 60, [200, 0, 0]);
/// let sheet = dvm_render::contact_sheet(&[(picture, "tulip".into())], 4);
/// assert_eq!((sheet.height(), sheet.width()), (12 + 50 + 28, 12 + 60 + 12));
/// ```
///
/// # Panics
/// If `columns` is zero.
pub fn contact_sheet(pictures: &[(Picture, String)], columns: usize) -> Picture {
    let widest = pictures.iter().map(|(picture, _)| picture.width()).max();
    let column = widest.unwrap_or(0);
    let rows: Vec<_> = pictures
        .chunks(columns)
        .map(|row| {
            let highest = row.iter().map(|(picture, _)| picture.height()).max();
            (row, highest.unwrap_or(0))
        })
        .collect();
    let height: usize = rows.iter().map(|(_, high)| high + CAPTION_ROOM).sum();
    let width = columns.min(pictures.len()) * (column + GAP);
    let mut page = Page::new(GAP + height, GAP + width);
    let mut bottom = GAP;
    for (row, high) in rows {
        bottom += high;
        for (place, (picture, caption)) in row.iter().enumerate() {
            let left = GAP + place * (column + GAP);
            let indent = (column - picture.width()) / 2;
            let area = Area {
                left: left + indent,
                top: bottom - picture.height(),
                width: picture.width(),
                height: picture.height(),
            };
            page.paste(picture.clone(), area);
            let at = (left + column / 2, bottom + CAPTION_BASELINE);
            page.title(caption, CAPTION, at, column);
        }
        bottom += CAPTION_ROOM;
    }
    page.picture()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_of_every_picture_is_on_the_sheet() {
        let picture =
            |height, width, colour| (Picture::filled(height, width, colour), "a".repeat(99));
        let colours = [[200, 0, 0], [0, 200, 0], [0, 0, 200]];
        let pictures = [
            picture(20, 40, colours[0]),
            picture(31, 7, colours[1]),
            picture(5, 40, colours[2]),
        ];
        let sheet = contact_sheet(&pictures, 2);
        for ((picture, _), colour) in pictures.iter().zip(colours) {
            let found = sheet.rgb().as_chunks().0.iter().filter(|p| **p == colour);
            assert_eq!(found.count(), picture.height() * picture.width());
        }
    }

    #[test]
    fn a_sheet_without_pictures_is_empty() {
        let sheet = contact_sheet(&[], 3);
        assert_eq!((sheet.height(), sheet.width()), (GAP, GAP));
    }
}

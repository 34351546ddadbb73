//! Objects in the pixels of a network's input.

use std::collections::BTreeSet;

use dvm_image::{PixelRanges, Placement};

use super::shape::{Object, between};

/// The objects of a picture in a network's input.
#[derive(Clone, Debug, PartialEq)]
pub enum Located {
    /// The input shows them.
    Seen(Region),
    /// The input does not show them: they are outside the crop or smaller than a pixel, so metrics of the
    /// object cannot be computed. The text is the reason.
    Unseen(String),
    /// There is no entry for this picture, or for this class in it. The text is the reason.
    Unknown(String),
}

/// The pixels of objects in a network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Whether each pixel of the input is on an object, `[H, W]`; at least one is.
    pub pixels: Vec<bool>,
    /// Name of the picture's entry in its file, such as `images[3]`.
    pub entry: String,
    /// Number of objects.
    pub objects: usize,
    /// Share of their area in the input, 0 … 1, to about 0.01.
    pub seen: f64,
    /// Warnings, such as a part that is cut off.
    pub warnings: Vec<String>,
}

impl Located {
    /// The pixels, `[H, W]`, if they are known.
    pub fn pixels(&self) -> Option<&[bool]> {
        match self {
            Self::Seen(region) => Some(&region.pixels),
            Self::Unseen(_) | Self::Unknown(_) => None,
        }
    }

    /// The warnings.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Seen(region) => region.warnings.clone(),
            Self::Unseen(why) | Self::Unknown(why) => vec![why.clone()],
        }
    }
}

/// The pixels of the objects of a class; or the object that does not match the picture, and why.
pub(super) fn locate<'o>(
    objects: &'o [Object],
    class: Option<&str>,
    placement: &Placement,
    entry: String,
) -> Result<Located, (&'o Object, String)> {
    let is_meant = |object: &&Object| match (class, &object.class) {
        (Some(wanted), Some(own)) => plain(wanted) == plain(own),
        _ => true,
    };
    let meant: Vec<&Object> = objects.iter().filter(is_meant).collect();
    if meant.is_empty() {
        return Ok(Located::Unknown(no_object(objects, class, &entry)));
    }
    for object in &meant {
        if let Some(why) = object.shape.misfit(placement.original_size()) {
            return Err((object, why));
        }
    }
    let (height, width) = placement.crop_size();
    let row = |i| placement.original_from_crop((i as f64 + 0.5, 0.0)).0;
    let column = |j| placement.original_from_crop((0.0, j as f64 + 0.5)).1;
    let ys: Vec<f64> = (0..height).map(row).collect();
    let xs: Vec<f64> = (0..width).map(column).collect();
    let mut pixels = vec![false; height * width];
    paint(&meant, placement, &ys, &xs, &mut pixels);
    let (them, are) = match meant.len() {
        1 => ("the object", "is"),
        _ => ("all objects", "are"),
    };
    let empty = || format!("{them} of {entry} {are} empty: no pixel of the picture belongs to it");
    let Some(bounds) = bounds(&meant) else {
        return Ok(Located::Unseen(empty()));
    };
    let is_seen = pixels.contains(&true);
    let seen = match is_seen && is_shown(&bounds, placement) {
        true => Some(1.0),
        false => seen(&meant, &bounds, placement),
    };
    let Some(seen) = seen else {
        return Ok(Located::Unseen(empty()));
    };
    if !is_seen {
        return Ok(Located::Unseen(match seen > 0.0 {
            true => format!("{them} {are} smaller than a pixel of the input"),
            false => format!(
                "{them} {are} cut off, because the input is only the centre of this picture; to see all of it, \
                 resize the whole picture to {height}×{width}, which changes its proportions"
            ),
        }));
    }
    let mut warnings = Vec::new();
    if seen < 1.0 {
        let share = 100.0 * (1.0 - seen);
        let share = match share {
            share if share < 1.0 => "less than 1".to_owned(),
            share => format!("about {}", share.round().min(99.0)),
        };
        let of = if meant.len() == 1 {
            "the object"
        } else {
            "the objects"
        };
        warnings.push(format!(
            "{share} % of {of} is cut off, because the input is only the centre of this picture; metrics of the \
             object use the visible part"
        ));
    }
    if !pixels.contains(&false) {
        warnings.push("the object fills the whole input, so every map is on the object".into());
    }
    Ok(Located::Seen(Region {
        pixels,
        entry,
        objects: meant.len(),
        seen,
        warnings,
    }))
}

/// Sets the points of the objects within the picture.
fn paint(objects: &[&Object], placement: &Placement, ys: &[f64], xs: &[f64], grid: &mut [bool]) {
    for object in objects {
        object.shape.paint(ys, xs, grid);
    }
    // Boxes may extend beyond the picture, where the crop may be padded.
    let (height, width) = placement.original_size();
    let rows = between(ys, 0.0, height as f64);
    let columns = between(xs, 0.0, width as f64);
    for (row, pixels) in grid.chunks_exact_mut(xs.len()).enumerate() {
        if rows.contains(&row) {
            pixels[..columns.start].fill(false);
            pixels[columns.end..].fill(false);
        } else {
            pixels.fill(false);
        }
    }
}

/// Sampled points along each side of the bounding rectangle, to estimate the visible share.
const POINTS: usize = 256;

/// Rows and columns of the bounding rectangle of the objects; `None` if they have no pixel.
fn bounds(objects: &[&Object]) -> Option<PixelRanges> {
    let bounds = objects.iter().filter_map(|object| object.shape.bounds());
    bounds.reduce(|(rows, columns), (r, c)| {
        (
            rows.start.min(r.start)..rows.end.max(r.end),
            columns.start.min(c.start)..columns.end.max(c.end),
        )
    })
}

/// Whether the crop contains the whole rectangle.
fn is_shown((rows, columns): &PixelRanges, placement: &Placement) -> bool {
    let (height, width) = placement.original_size();
    let (shown_rows, shown_columns) = placement.shown();
    shown_rows.start <= rows.start.max(0.0)
        && rows.end.min(height as f64) <= shown_rows.end
        && shown_columns.start <= columns.start.max(0.0)
        && columns.end.min(width as f64) <= shown_columns.end
}

/// Share of the area of objects within these bounds in the crop, 0 … 1; `None` if they have no area.
fn seen(objects: &[&Object], (rows, columns): &PixelRanges, placement: &Placement) -> Option<f64> {
    let (height, width) = placement.original_size();
    let spread = |from: f64, to: f64| -> Vec<f64> {
        let step = (to - from) / POINTS as f64;
        (0..POINTS)
            .map(|i| from + (i as f64 + 0.5) * step)
            .collect()
    };
    let ys = spread(rows.start.max(0.0), rows.end.min(height as f64));
    let xs = spread(columns.start.max(0.0), columns.end.min(width as f64));
    let is_empty = |values: &[f64]| values[0] >= values[POINTS - 1];
    if is_empty(&ys) || is_empty(&xs) {
        return None;
    }
    let mut grid = vec![false; POINTS * POINTS];
    paint(objects, placement, &ys, &xs, &mut grid);
    let all = count(&grid);
    let (rows, columns) = placement.shown();
    let (rows, columns) = (
        between(&ys, rows.start, rows.end),
        between(&xs, columns.start, columns.end),
    );
    let shown: usize = grid[rows.start * POINTS..rows.end * POINTS]
        .chunks_exact(POINTS)
        .map(|row| count(&row[columns.clone()]))
        .sum();
    (all > 0).then(|| shown as f64 / all as f64)
}

fn count(grid: &[bool]) -> usize {
    grid.iter().filter(|&&is_object| is_object).count()
}

/// A class name for comparison with others.
fn plain(name: &str) -> String {
    name.trim().replace('_', " ").to_lowercase()
}

/// Most class names in a message.
const NAMED: usize = 8;

fn no_object(objects: &[Object], class: Option<&str>, entry: &str) -> String {
    let Some(class) = class.filter(|_| !objects.is_empty()) else {
        return format!("{entry} has no object");
    };
    let known: BTreeSet<&str> = objects.iter().filter_map(|o| o.class.as_deref()).collect();
    let named: Vec<&str> = known.iter().take(NAMED).copied().collect();
    let more = if known.len() > NAMED { ", …" } else { "" };
    format!(
        "{entry} has no object `{class}`; its objects are: {}{more}",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use dvm_image::{Preprocess, Resize};

    use super::*;
    use crate::regions::Shape;

    fn object(class: &str, top: f64, left: f64, height: f64, width: f64) -> Object {
        Object {
            class: Some(class.into()),
            shape: Shape::Box {
                rows: top..top + height,
                columns: left..left + width,
            },
            index: 0,
        }
    }

    fn placement(resize: Resize, crop: (usize, usize), size: (usize, usize)) -> Placement {
        let preprocess = Preprocess {
            resize,
            crop,
            ..Preprocess::imagenet()
        };
        preprocess.placement(size.0, size.1)
    }

    fn located(objects: &[Object], class: Option<&str>, placement: &Placement) -> Located {
        locate(objects, class, placement, "x".into()).unwrap()
    }

    fn seen_rows(located: &Located, width: usize) -> Vec<String> {
        let mark = |&is_object: &bool| if is_object { '#' } else { '.' };
        let pixels = located.pixels().unwrap_or_else(|| panic!("{located:?}"));
        pixels
            .chunks(width)
            .map(|row| row.iter().map(mark).collect())
            .collect()
    }

    #[test]
    fn a_box_goes_through_resizing_and_cropping_of_a_wide_picture() {
        // 8×16 to 4×8, of which the crop has the columns 2 to 5: column j of the crop is x = 2 (j + 2.5) of the
        // original, 5, 7, 9, 11; row i is y = 1, 3, 5, 7.
        let placement = placement(Resize::ShortSide(4), (4, 4), (8, 16));
        let found = located(&[object("a", 2.0, 7.0, 3.0, 4.0)], None, &placement);
        assert_eq!(seen_rows(&found, 4), ["....", ".##.", "....", "...."]);
        assert!(found.warnings().is_empty());
    }

    #[test]
    fn rows_and_columns_are_not_confused_in_a_tall_picture() {
        // 16×8 resized to 8×4, cropped to rows 2 to 5: y = 5, 7, 9, 11; x = 1, 3, 5, 7.
        let placement = placement(Resize::ShortSide(4), (4, 4), (16, 8));
        let found = located(&[object("a", 7.0, 2.0, 4.0, 3.0)], None, &placement);
        assert_eq!(seen_rows(&found, 4), ["....", ".#..", ".#..", "...."]);
    }

    #[test]
    fn proportions_may_change() {
        // 10×20 to 4×4: y = 1.25, 3.75, 6.25, 8.75; x = 2.5, 7.5, 12.5, 17.5.
        let placement = placement(Resize::Exact(4, 4), (4, 4), (10, 20));
        let found = located(&[object("a", 3.75, 0.0, 5.0, 12.5)], None, &placement);
        assert_eq!(seen_rows(&found, 4), ["....", "##..", "##..", "...."]);
    }

    #[test]
    fn padding_is_never_the_object() {
        // 2×3 in the middle of 4×5: one row above and below, one column left and right.
        let placement = placement(Resize::None, (4, 5), (2, 3));
        let found = located(&[object("a", -1.0, -1.0, 4.0, 3.0)], None, &placement);
        assert_eq!(seen_rows(&found, 5), [".....", ".##..", ".##..", "....."]);
    }

    #[test]
    fn a_part_that_is_cut_off_is_a_warning() {
        // The crop has the columns 2 to 5 of 8, half of the box's columns 0 to 3.
        let placement = placement(Resize::None, (4, 4), (4, 8));
        let found = located(&[object("a", 0.0, 0.0, 4.0, 4.0)], None, &placement);
        assert_eq!(seen_rows(&found, 4), ["##.."; 4]);
        let warnings = found.warnings();
        assert!(
            warnings[0].contains("about 50 % of the object is cut off"),
            "{warnings:?}"
        );
        let Located::Seen(region) = found else {
            panic!("{found:?}")
        };
        assert_eq!((region.seen, region.objects), (0.5, 1));
    }

    #[test]
    fn an_object_that_is_cut_off_completely_is_not_seen() {
        let placement = placement(Resize::None, (4, 4), (4, 8));
        let found = located(&[object("a", 0.0, 6.0, 4.0, 2.0)], None, &placement);
        assert_eq!(found.pixels(), None);
        let Located::Unseen(why) = found else {
            panic!("{found:?}")
        };
        assert!(why.contains("the object is cut off"), "{why}");
        assert!(why.contains("4×4"), "{why}");
    }

    #[test]
    fn an_object_between_the_centres_of_pixels_is_not_seen() {
        let placement = placement(Resize::Exact(2, 2), (2, 2), (20, 20));
        let found = located(&[object("a", 6.0, 6.0, 3.0, 3.0)], None, &placement);
        let Located::Unseen(why) = found else {
            panic!("{found:?}")
        };
        assert!(why.contains("smaller than a pixel"), "{why}");
        let flat = located(&[object("a", 6.0, 6.0, 0.0, 3.0)], None, &placement);
        let Located::Unseen(why) = flat else {
            panic!("{flat:?}")
        };
        assert!(why.contains("empty"), "{why}");
    }

    #[test]
    fn an_object_that_fills_the_picture_is_a_warning() {
        let placement = placement(Resize::None, (4, 4), (4, 4));
        let found = located(&[object("a", 0.0, 0.0, 4.0, 4.0)], None, &placement);
        assert!(found.warnings()[0].contains("every map is on the object"));
    }

    #[test]
    fn only_objects_of_the_class_count_and_case_and_underscores_do_not_matter() {
        let placement = placement(Resize::None, (1, 4), (1, 4));
        let objects = [
            object("Tiger_cat", 0.0, 0.0, 1.0, 1.0),
            object("dog", 0.0, 2.0, 1.0, 1.0),
            object("tiger cat", 0.0, 3.0, 1.0, 1.0),
        ];
        let rows = |class| seen_rows(&located(&objects, class, &placement), 4);
        assert_eq!(rows(Some("tiger cat")), ["#..#"]);
        assert_eq!(rows(None), ["#.##"]);
        let Located::Unknown(why) = located(&objects, Some("cow"), &placement) else {
            panic!()
        };
        assert!(why.contains("`cow`; its objects are: Tiger_cat"), "{why}");
        let Located::Unknown(why) = located(&[], Some("cow"), &placement) else {
            panic!()
        };
        assert_eq!(why, "x has no object");
    }

    #[test]
    fn an_object_without_a_class_counts_for_every_class() {
        let placement = placement(Resize::None, (1, 2), (1, 2));
        let nameless = Object {
            class: None,
            ..object("", 0.0, 1.0, 1.0, 1.0)
        };
        let found = located(&[nameless], Some("cow"), &placement);
        assert_eq!(seen_rows(&found, 2), [".#"]);
    }
}

//! A map as coloured pixels.

use dvm_image::Picture;

use crate::Scale;

/// Colours `values`, `[height, width]`, one pixel per value. Values that are not finite are grey
/// ([`NOT_FINITE`](crate::NOT_FINITE)).
///
/// # Panics
/// If the number of values is not `height * width`, or a side is zero.
pub fn heat_picture(values: &[f32], height: usize, width: usize, scale: &Scale) -> Picture {
    assert_eq!(
        values.len(),
        height * width,
        "a map of {height} × {width} pixels has one value per pixel"
    );
    let rgb = values.iter().flat_map(|&v| scale.colour(v)).collect();
    Picture::new(height, width, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColourMap, NOT_FINITE};

    #[test]
    fn each_value_colours_one_pixel() {
        let values = [0.0, 0.5, 1.0, f32::NAN, 0.25, 2.0];
        let scale = Scale::between(0.0, 1.0, &values, ColourMap::Viridis);
        let picture = heat_picture(&values, 2, 3, &scale);
        assert_eq!(picture.pixel(0, 1), ColourMap::Viridis.at(0.5));
        assert_eq!(picture.pixel(1, 0), NOT_FINITE);
        assert_eq!(picture.pixel(1, 1), ColourMap::Viridis.at(0.25));
        assert_eq!(picture.pixel(1, 2), ColourMap::Viridis.at(1.0));
    }

    #[test]
    #[should_panic(expected = "one value per pixel")]
    fn a_map_of_another_size_panics() {
        let scale = Scale::range(&[0.0], ColourMap::Viridis);
        heat_picture(&[0.0; 5], 2, 3, &scale);
    }
}

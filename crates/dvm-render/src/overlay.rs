//! Overlays: a map over its picture.

use dvm_image::Picture;

use crate::Scale;
use crate::canvas::mix;

/// The maximum opacity of a colour overlay.
const STRONGEST: f32 = 0.85;

/// The map with a constant `opacity` (0..=1, typically 0.45) over the grey picture.
///
/// `values` is `[H, W]`, one per pixel of `picture`. Grey is the luma of ITU-R BT.601, as in
/// Pillow's mode `L`.
///
/// # Panics
/// If there is not one value per pixel.
pub fn overlay_grey(picture: &Picture, values: &[f32], scale: &Scale, opacity: f32) -> Picture {
    let opacity = opacity.clamp(0.0, 1.0);
    overlay(picture, values, |pixel, value| {
        mix([luma(pixel); 3], scale.colour(value), opacity)
    })
}

/// The map over the coloured picture. The opacity increases with the distance of a value from the
/// neutral position of the scale, where the picture does not change.
///
/// `values` is `[H, W]`, one per pixel of `picture`.
///
/// # Panics
/// If there is not one value per pixel.
pub fn overlay_colour(picture: &Picture, values: &[f32], scale: &Scale) -> Picture {
    overlay(picture, values, |pixel, value| {
        mix(
            pixel,
            scale.colour(value),
            STRONGEST * scale.strength(value),
        )
    })
}

fn overlay(picture: &Picture, values: &[f32], blend: impl Fn([u8; 3], f32) -> [u8; 3]) -> Picture {
    let (height, width) = (picture.height(), picture.width());
    assert_eq!(
        values.len(),
        height * width,
        "a map over a picture of {height} × {width} pixels has one value per pixel"
    );
    let rgb = picture
        .rgb()
        .chunks_exact(3)
        .zip(values)
        .flat_map(|(p, &value)| blend([p[0], p[1], p[2]], value))
        .collect();
    Picture::new(height, width, rgb)
}

fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColourMap, NOT_FINITE};

    fn photograph() -> Picture {
        Picture::new(1, 3, vec![200, 100, 50, 0, 255, 0, 10, 20, 30])
    }

    #[test]
    fn grey_equals_pillows_luma() {
        // PIL.Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))
        assert_eq!(luma([200, 100, 50]), 124);
        assert_eq!(luma([0, 255, 0]), 150);
        assert_eq!(luma([255, 255, 255]), 255);
        assert_eq!(luma([10, 20, 30]), 18);
    }

    #[test]
    fn the_grey_overlay_has_the_given_opacity() {
        let values = [0.0, 1.0, 0.0];
        let scale = Scale::range(&values, ColourMap::BlueWhiteRed);
        let drawn = overlay_grey(&photograph(), &values, &scale, 0.45);
        // 0.55 × 124 + 0.45 × (0, 0, 255) and 0.55 × 150 + 0.45 × (255, 0, 0)
        assert_eq!(drawn.pixel(0, 0), [68, 68, 183]);
        assert_eq!(drawn.pixel(0, 1), [197, 83, 83]);
    }

    #[test]
    fn the_colour_overlay_does_not_change_the_picture_at_the_neutral_position() {
        let values = [0.0, 1.0, 0.0];
        for scale in [
            Scale::sequential(&values, ColourMap::Inferno, 100.0),
            Scale::diverging(&values, ColourMap::RdBu),
        ] {
            let drawn = overlay_colour(&photograph(), &values, &scale);
            assert_eq!(drawn.pixel(0, 0), [200, 100, 50]);
            assert_ne!(drawn.pixel(0, 1), [0, 255, 0]);
            assert_eq!(drawn.pixel(0, 2), [10, 20, 30]);
        }
    }

    #[test]
    fn values_that_are_not_finite_are_visible_in_both_overlays() {
        let values = [f32::NAN, 0.0, 1.0];
        let scale = Scale::range(&values, ColourMap::Viridis);
        let grey = overlay_grey(&photograph(), &values, &scale, 1.0);
        assert_eq!(grey.pixel(0, 0), NOT_FINITE);
        let colour = overlay_colour(&photograph(), &values, &scale);
        assert_eq!(colour.pixel(0, 0), [158, 143, 135]);
    }
}

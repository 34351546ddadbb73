//! Masks as PNG files.

use std::path::Path;

use dvm_data::regions::Regions;
use dvm_testing::errors::says;
use png::{BitDepth, ColorType, Encoder};

use crate::{as_it_is, folder, refused, rows};

/// A PNG file of so many rows and columns with these samples.
pub fn png(size: (u32, u32), colour: ColorType, depth: BitDepth, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, size.1, size.0);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == ColorType::Indexed {
        // The first colour is white and the second black: the index counts, not the colour.
        encoder.set_palette(&[255, 255, 255, 0, 0, 0, 9, 9, 9, 7, 7, 7][..]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    drop(writer);
    bytes
}

fn seen(bytes: &[u8]) -> Vec<String> {
    let folder = folder(&[("x.png", bytes)]);
    let regions = Regions::open(folder.path()).unwrap();
    assert_eq!(regions.format().name, "masks");
    let located = regions.locate(Path::new("x.jpg"), Some("any class"), &as_it_is(2, 3));
    rows(&located.unwrap(), 3)
}

#[test]
fn non_zero_pixels_are_the_object_in_every_kind_of_png() {
    let expected = ["#..", ".##"];
    let of = |colour, depth, samples: &[u8]| png((2, 3), colour, depth, samples);
    let grey = |depth, samples: &[u8]| of(ColorType::Grayscale, depth, samples);
    let eight = |colour, samples: &[u8]| of(colour, BitDepth::Eight, samples);
    let rgb = [[0, 0, 1], [0; 3], [0; 3], [0; 3], [9, 0, 0], [0, 255, 0]];
    // Fully transparent pixels are not the object.
    let rgba = [
        [0, 0, 1, 1],
        [9, 9, 9, 0],
        [0; 4],
        [0, 0, 0, 255],
        [9, 0, 0, 255],
        [0, 255, 0, 9],
    ];
    let grey_alpha = [[1, 255], [5, 0], [0, 255], [0, 0], [255, 1], [255, 255]];
    let two_bytes = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 255, 255];
    let files = [
        grey(BitDepth::Eight, &[1, 0, 0, 0, 255, 7]),
        grey(BitDepth::One, &[0b1000_0000, 0b0110_0000]),
        grey(BitDepth::Two, &[0b0100_0000, 0b0011_0100]),
        grey(BitDepth::Four, &[0x10, 0x00, 0x0F, 0x20]),
        grey(BitDepth::Sixteen, &two_bytes),
        eight(ColorType::Indexed, &[1, 0, 0, 0, 2, 1]),
        of(
            ColorType::Indexed,
            BitDepth::Two,
            &[0b0100_0000, 0b0010_0100],
        ),
        eight(ColorType::Rgb, &rgb.concat()),
        eight(ColorType::Rgba, &rgba.concat()),
        eight(ColorType::GrayscaleAlpha, &grey_alpha.concat()),
    ];
    for (index, file) in files.iter().enumerate() {
        assert_eq!(seen(file), expected, "{index}");
    }
}

#[test]
fn a_mask_of_another_size_than_its_picture_is_an_error() {
    let mask = png((3, 2), ColorType::Grayscale, BitDepth::Eight, &[1; 6]);
    let folder = folder(&[("deep/x.png", &mask)]);
    let regions = Regions::open(folder.path()).unwrap();
    let located = regions.locate(Path::new("deep/x.jpg"), None, &as_it_is(2, 3));
    let error = refused(located);
    says(&error, "x.png: is for a picture of 3×2 pixels");
    says(&error, "2×3 when displayed upright");
}

#[test]
fn a_mask_of_zeros_is_reported_as_empty() {
    let mask = png((2, 3), ColorType::Grayscale, BitDepth::Eight, &[0; 6]);
    let folder = folder(&[("x.png", &mask)]);
    let regions = Regions::open(&folder.path().join("x.png")).unwrap();
    let located = regions.locate(Path::new("x.jpg"), None, &as_it_is(2, 3));
    let warnings = located.unwrap().warnings();
    assert!(
        warnings[0].contains("the object of x.png is empty"),
        "{warnings:?}"
    );
}

#[test]
fn two_masks_of_one_picture_are_an_error() {
    let mask = png((2, 3), ColorType::Grayscale, BitDepth::Eight, &[1; 6]);
    let folder = folder(&[("a/x.png", &mask), ("a/x.PNG", &mask)]);
    let error = refused(Regions::open(folder.path()));
    says(&error, "a/x.png: is for the same picture as a/x.PNG: `a/x`");
}

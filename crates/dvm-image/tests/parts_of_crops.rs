//! A part of the crop, computed without the rest.

use dvm_image::{Picture, Preprocess, Resize};

#[test]
fn a_part_of_the_crop_equals_that_part_of_the_whole() {
    let bytes = (0..61 * 83 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    let picture = Picture::new(61, 83, bytes.collect());
    for (resize, crop) in [(48, (40, 44)), (120, (100, 90)), (24, (40, 50))] {
        let preprocess = Preprocess {
            resize: Resize::ShortSide(resize),
            crop,
            ..Preprocess::imagenet()
        };
        let whole = preprocess.crop_of(&picture);
        for (top, left, height, width) in
            [(0, 0, 3, 5), (7, 11, 20, 9), (33, 1, 7, 43), (9, 9, 1, 1)]
        {
            let (rows, columns) = (top..top + height, left..left + width);
            let part = preprocess.part_of_crop(&picture, rows.clone(), columns.clone());
            let row = |y: usize| &whole.rgb()[(y * crop.1 + left) * 3..][..width * 3];
            let expected: Vec<u8> = rows.flat_map(row).copied().collect();
            assert_eq!(part.rgb(), expected, "{resize}, {top}, {left}");
        }
    }
}

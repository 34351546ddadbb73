//! Locating objects in the input of a network.

use std::path::PathBuf;

use dvm::regions::{Located, Regions, locate};
use dvm::{Error, Picture, Preprocess, Source};

const BOXES: &str = r#"{
    "images": [{"id": 1, "file_name": "a/x.png", "height": 256, "width": 512}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 256, 256]}],
    "categories": [{"id": 1, "name": "daisy"}]
}"#;

fn located(source: &Source, class: &str) -> Result<Located, Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boxes.json");
    std::fs::write(&file, BOXES).unwrap();
    let regions = Regions::open(&file).unwrap();
    let picture = Picture::filled(256, 512, [9; 3]);
    let input = Preprocess::imagenet().apply(picture).unwrap();
    locate(&regions, source, Some(class), &input)
}

#[test]
fn a_box_is_found_in_the_input_of_a_network() {
    let source = Source::File(PathBuf::from("photos/a/x.png"));
    let Located::Seen(region) = located(&source, "Daisy").unwrap() else {
        panic!()
    };
    // The crop has the columns 144 to 367 of 512; the box ends at 256.
    let row: Vec<bool> = (0..224).map(|column| column < 112).collect();
    assert_eq!(region.pixels, row.repeat(224));
    assert!(region.warnings[0].contains("of the object is cut off"));
    let Located::Unknown(why) = located(&source, "tulip").unwrap() else {
        panic!()
    };
    assert!(why.contains("`tulip`; its objects are: daisy"), "{why}");
}

#[test]
fn no_object_is_located_in_a_file_with_several_slices() {
    let slice = |count| Source::Slice {
        path: PathBuf::from("a/x.png"),
        index: 0,
        count,
    };
    assert!(located(&slice(1), "daisy").unwrap().pixels().is_some());
    let Located::Unknown(why) = located(&slice(2), "daisy").unwrap() else {
        panic!()
    };
    assert!(why.contains("has several slices"), "{why}");
}

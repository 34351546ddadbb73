//! COCO files, compared with pycocotools and scikit-image.

use std::path::Path;

use dvm_data::regions::{Located, Regions};
use serde::Deserialize;

use crate::{as_it_is, opened, reference, rows};

#[derive(Deserialize)]
struct Expected {
    objects: Vec<ExpectedObject>,
}

#[derive(Deserialize)]
struct ExpectedObject {
    image: String,
    class: String,
    rows: Vec<String>,
}

#[test]
fn masks_and_outlines_have_the_pixels_of_pycocotools_and_scikit_image() {
    let json = std::fs::read(reference("expected.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&json).unwrap();
    let regions = Regions::open(&reference("coco.json")).unwrap();
    assert_eq!(regions.format().name, "COCO");
    assert_eq!(regions.pictures(), 2);
    assert_eq!(expected.objects.len(), 6);
    for object in expected.objects {
        let placement = as_it_is(object.rows.len(), object.rows[0].len());
        let class = Some(&object.class[..]);
        let located = regions.locate(Path::new(&object.image), class, &placement);
        let located = located.unwrap();
        assert_eq!(
            rows(&located, object.rows[0].len()),
            object.rows,
            "{} {}",
            object.image,
            object.class
        );
    }
}

const BOXES: &str = r#"{
    "images": [{"id": 7, "file_name": "x.jpg", "width": 6, "height": 3}, {"id": 8, "file_name": "none.jpg"}],
    "annotations": [
        {"image_id": 7, "category_id": 1, "bbox": [1, 0, 2, 1], "iscrowd": 1},
        {"image_id": 7, "category_id": 2, "bbox": [4.4, 1.4, 1.0, 1.0], "segmentation": []},
        {"image_id": 7, "bbox": [0, 2, 1, 1], "segmentation": null, "keypoints": [0, 0, 0], "score": 0.5}
    ],
    "categories": [{"id": 2, "name": "dog", "supercategory": "animal"}, {"id": 1, "name": "cat"}],
    "info": {"year": 2026}
}"#;

#[test]
fn boxes_are_left_top_width_height_and_crowds_count() {
    let regions = opened("boxes.json", BOXES.as_bytes()).unwrap();
    let of = |class| {
        let located = regions.locate(Path::new("x.jpg"), class, &as_it_is(3, 6));
        rows(&located.unwrap(), 6)
    };
    // An object without a known class counts for every class.
    assert_eq!(of(Some("cat")), [".##...", "......", "#....."]);
    assert_eq!(of(Some("dog")), ["......", "....#.", "#....."]);
    assert_eq!(of(None), [".##...", "....#.", "#....."]);
}

#[test]
fn a_picture_without_objects_is_reported() {
    let regions = opened("boxes.json", BOXES.as_bytes()).unwrap();
    let located = regions.locate(Path::new("none.jpg"), None, &as_it_is(3, 6));
    assert_eq!(
        located.unwrap(),
        Located::Unknown("images[1] has no object".into())
    );
}

#[test]
fn a_visible_object_has_the_name_of_its_entry() {
    let regions = opened("boxes.json", BOXES.as_bytes()).unwrap();
    let located = regions.locate(Path::new("x.jpg"), None, &as_it_is(3, 6));
    let Located::Seen(region) = located.unwrap() else {
        panic!()
    };
    assert_eq!(
        (&region.entry[..], region.objects, region.seen),
        ("images[0]", 3, 1.0)
    );
}

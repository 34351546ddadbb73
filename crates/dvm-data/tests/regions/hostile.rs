//! Damaged and hostile files are errors that name file and entry, with little time and memory.

use std::path::Path;
use std::time::{Duration, Instant};

use dvm_data::Error;
use dvm_data::regions::Regions;
use dvm_testing::errors::says;
use png::{BitDepth, ColorType};

use crate::masks::png;
use crate::{as_it_is, folder, opened, reference, refused};

/// The error for a file, which must be found quickly: on opening, or for its picture `x.jpg` of 10×10 pixels.
fn said_of(name: &str, bytes: &[u8]) -> String {
    let start = Instant::now();
    let result = asked(name, bytes);
    assert!(start.elapsed() < Duration::from_secs(10));
    let error = refused(result);
    says(&error, name);
    assert!(error.len() < 600, "{error}");
    error
}

fn asked(name: &str, bytes: &[u8]) -> Result<(), Error> {
    let folder = folder(&[(name, bytes)]);
    let regions = Regions::open(&folder.path().join(name))?;
    regions.locate(Path::new("x.jpg"), None, &as_it_is(10, 10))?;
    Ok(())
}

/// A COCO file with this annotation as the second of two.
fn coco_with(annotation: &str) -> String {
    format!(
        r#"{{"images": [{{"id": 1, "file_name": "x.jpg", "height": 10, "width": 10}}],
        "categories": [{{"id": 1, "name": "dog"}}],
        "annotations": [{{"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}}, {annotation}]}}"#
    )
}

/// Annotations, and what is wrong with them.
const WRONG_ANNOTATIONS: &str = r#"
{"image_id": 1, "bbox": [1, 1, -5, 2]} => a box of negative size: [1, 1, -5, 2]
{"image_id": 1, "bbox": [1, 1, 2, -0.5]} => a box of negative size
{"image_id": 1, "bbox": [-30, 1, 5, 2]} => 30 pixels beyond the left edge
{"image_id": 1, "bbox": [1, 1, 5, 200]} => 191 pixels beyond the bottom edge
{"image_id": 1, "bbox": [1, NaN, 5, 2]} => expected value at line 3
{"image_id": 1, "bbox": [1, 1e999, 5, 2]} => number out of range
{"image_id": 1, "bbox": [1, 2, 5]} => invalid length 3
{"image_id": 1, "bbox": [1, 2, 5, "6"]} => invalid type: string "6"
{"image_id": 1} => neither `bbox` nor `segmentation`
{"bbox": [1, 1, 2, 2]} => missing field `image_id`
{"image_id": 2, "bbox": [1, 1, 2, 2]} => an image with id 2, which `images` does not contain
{"image_id": 1, "category_id": 5, "bbox": [1, 1, 2, 2]} => a category with id 5
[1, 1, [1, 1, 2, 2]] => invalid type: sequence, expected an object
{"image_id": 1, "image_id": 1, "bbox": [1, 1, 2, 2]} => duplicate field `image_id`
{"image_id": 1, "segmentation": [[1, 1, 5, 5]]} => has 2 corners; an outline has 3 or more
{"image_id": 1, "segmentation": [[1, 1, 5, 5, 3, 1], []]} => outline 1 of `segmentation` has 0 corners
{"image_id": 1, "segmentation": [[1, 1, 5, 5, 3]]} => an x without a y
{"image_id": 1, "segmentation": [1, 1, 5, 5, 3, 2]} => expected an outline of `segmentation`
{"image_id": 1, "segmentation": [[[1, 1], [5, 5], [3, 1]]]} => invalid type: sequence
{"image_id": 1, "segmentation": [[1, 1, 5, 5, 3, 1e39]]} => number out of range
{"image_id": 1, "segmentation": [[1, 1, 5, 5, 3, 40]]} => 30 pixels beyond the bottom edge
{"image_id": 1, "segmentation": "x"} => a list of outlines, or a mask
{"image_id": 1, "segmentation": {"size": [10, 10]}} => missing field `counts`
{"image_id": 1, "segmentation": {"counts": [100]}} => missing field `size`
{"image_id": 1, "segmentation": {"size": [10, 10], "counts": [50, 49]}} => add up to 99, but 10×10 pixels are 100
{"image_id": 1, "segmentation": {"size": [10, 10], "counts": [4294967295, 4294967295]}} => add up to 8589934590
{"image_id": 1, "segmentation": {"size": [10, 10], "counts": [50, -1, 51]}} => invalid value: integer `-1`
{"image_id": 1, "segmentation": {"size": [10, 10], "counts": [50.5, 49.5]}} => invalid type: floating point
{"image_id": 1, "segmentation": {"size": [10, 10], "counts": "R"}}} => in the middle of a number
{"image_id": 1, "segmentation": {"size": [10, 10], "counts": "11"}}} => add up to 2
{"image_id": 1, "segmentation": {"size": [4294967295, 4294967295], "counts": []}} => must have 1 to 268435456
{"image_id": 1, "segmentation": {"size": [20, 5], "counts": [100]}} => a mask of 20×5 pixels (rows × columns), but its image
"#;

#[test]
fn errors_name_invalid_annotations() {
    for case in WRONG_ANNOTATIONS.trim().lines() {
        let (annotation, expected) = case.split_once(" => ").unwrap();
        let error = said_of("boxes.json", coco_with(annotation).as_bytes());
        says(&error, expected);
        says(&error, "annotations[1]");
    }
}

/// Lists of images and of categories, and what is wrong with them.
const WRONG_LISTS: &str = r#"
{"id": 1, "file_name": "a/x.jpg"}, {"id": 2, "file_name": "./a/x.jpg"} | => images[1]: is for the same picture as images[0]: `a/x.jpg`
{"id": 1, "file_name": "x.jpg"}, {"id": 1, "file_name": "y.jpg"} | => images[1]: has the same id as images[0]: 1
{"id": 1, "file_name": ""} | => images[0]: has the file name ``
{"id": 1, "file_name": "a/"} | => images[0]: has the file name `a/`
{"id": 1} | => images[0]: missing field `file_name`
{"id": "1", "file_name": "x"} | => images[0]: invalid type: string
{"id": 1, "file_name": "x", "height": 3} | => images[0]: has 3 for `height` and no value
{"id": 1, "file_name": "x", "height": 0, "width": 4} | => images[0]: has 0 for `height`
{"id": 1, "file_name": "x", "height": -1} | => images[0]: invalid value: integer `-1`
{"id": 1, "file_name": "x.jpg"} | {"id": 1, "name": "a"}, {"id": 1, "name": "b"} => categories[1]: has the same id as categories[0]: 1
{"id": 1, "file_name": "x.jpg"} | {"id": 1} => categories[0]: missing field `name`
"#;

#[test]
fn errors_name_invalid_pictures_and_classes() {
    for case in WRONG_LISTS.trim().lines() {
        let (lists, expected) = case.split_once(" => ").unwrap();
        let (images, categories) = lists.split_once(" |").unwrap();
        let json =
            format!(r#"{{"images": [{images}], "annotations": [], "categories": [{categories}]}}"#);
        says(&said_of("boxes.json", json.as_bytes()), expected);
    }
}

#[test]
fn other_json_files_are_not_coco_files() {
    for (json, expected) in [
        ("{}", "missing field `images`"),
        (
            r#"{"images": [], "annotations": {}}"#,
            "invalid type: map, expected the list `annotations`",
        ),
        (
            r#"{"images": [], "annotations": []} x"#,
            "trailing characters",
        ),
        (r#"{"images": [], "annotations": ["#, "EOF while parsing"),
        ("{\"images\": \"\u{0}\"}", "control character"),
    ] {
        let error = said_of("boxes.json", json.as_bytes());
        says(&error, "is not a COCO file");
        says(&error, expected);
    }
}

#[test]
fn too_deep_nesting_is_an_error() {
    let deep = "[".repeat(1_000_000);
    let within = coco_with(&format!(r#"{{"image_id": 1, "segmentation": {deep}"#));
    assert!(said_of("boxes.json", within.as_bytes()).contains("annotations[1]"));
    let beside = format!(r#"{{"info": {deep}"#);
    said_of("boxes.json", beside.as_bytes());
    let xml = format!("<annotation>{}", "<a>".repeat(1_000_000));
    assert!(said_of("x.xml", xml.as_bytes()).contains("more than 32 deep"));
}

#[test]
fn too_long_lists_of_one_object_are_errors() {
    let numbers = "1,".repeat(520_000) + "1";
    let outline = format!(r#"{{"image_id": 1, "segmentation": [[{numbers}]]}}"#);
    let error = said_of("boxes.json", coco_with(&outline).as_bytes());
    says(&error, "more than 500000 numbers");
    let outlines = "[1,1,2,2,3,3],".repeat(90_000) + "[1,1,2,2,3,3]";
    let outlines = format!(r#"{{"image_id": 1, "segmentation": [{outlines}]}}"#);
    let error = said_of("boxes.json", coco_with(&outlines).as_bytes());
    says(&error, "more than 500000 numbers");
    let counts = |counts: &str| {
        let fields = format!(r#"{{"size": [10, 10], "counts": {counts}}}"#);
        coco_with(&format!(r#"{{"image_id": 1, "segmentation": {fields}}}"#))
    };
    let error = said_of("boxes.json", counts(&format!("[{numbers}]")).as_bytes());
    says(&error, "more than 500000 numbers");
    let packed = format!("\"{}\"", "0".repeat(520_000));
    let error = said_of("boxes.json", counts(&packed).as_bytes());
    says(&error, "more than 500000 numbers");
}

#[test]
fn too_many_objects_in_one_picture_are_errors() {
    let whole = r#"{"image_id": 1, "bbox": [0, 0, 10, 10]}"#;
    let many = vec![whole; 10_001].join(",");
    let error = said_of("boxes.json", coco_with(&many).as_bytes());
    says(&error, "images[0]: has 10002 objects");
    let corners = "1,1,9,9,".repeat(20_000) + "1,9";
    let outline = format!(r#"{{"image_id": 1, "segmentation": [[{corners}]]}}"#);
    let many = [&outline[..]; 10].join(",");
    let error = said_of("boxes.json", coco_with(&many).as_bytes());
    says(&error, "outlines of 800024 numbers");
    let object = "<object><name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object>";
    let xml = format!("<annotation>{}</annotation>", object.repeat(10_001));
    says(&said_of("x.xml", xml.as_bytes()), "has 10001 objects");
}

#[test]
fn the_largest_allowed_outlines_need_little_time() {
    // A quarter of a million corners from left to right and back, each edge across every row.
    let corners = "1,0,9,10,".repeat(124_000) + "1,9";
    let outline = format!(r#"{{"image_id": 1, "segmentation": [[{corners}]]}}"#);
    let json = coco_with(&outline);
    let start = Instant::now();
    asked("boxes.json", json.as_bytes()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn too_many_pictures_of_one_name_are_an_error() {
    let images: Vec<String> = (0..10_001)
        .map(|index| format!(r#"{{"id": {index}, "file_name": "{index}/x.jpg"}}"#))
        .collect();
    let json = format!(r#"{{"images": [{}], "annotations": []}}"#, images.join(","));
    let error = said_of("boxes.json", json.as_bytes());
    says(&error, "more than 10000 pictures named `x.jpg`");
}

#[test]
fn entities_are_errors() {
    let mut xml = String::from("<!DOCTYPE annotation [<!ENTITY lol0 \"lol\">");
    for level in 1..10 {
        let inner = format!("&lol{};", level - 1).repeat(10);
        xml += &format!("<!ENTITY lol{level} \"{inner}\">");
    }
    xml += "]><annotation><object><name>&lol9;</name></object></annotation>";
    let error = said_of("x.xml", xml.as_bytes());
    says(&error, "a document type (`<!DOCTYPE`) is not supported");
    let outside = "<!DOCTYPE a SYSTEM \"file:///etc/hostname\"><annotation/>";
    assert!(said_of("x.xml", outside.as_bytes()).contains("is not supported"));
    says(
        &said_of(
            "x.xml",
            b"<annotation><object><name>&lol9;</name></object></annotation>",
        ),
        "byte 26: references to entities are not supported",
    );
    says(
        &said_of(
            "x.xml",
            b"<annotation><folder>&#1114112;</folder></annotation>",
        ),
        "references to entities",
    );
}

#[test]
fn the_error_for_invalid_xml_has_the_position() {
    for (xml, expected) in [
        (
            &b"<annotation>"[..],
            "the file ends before the end of `annotation`",
        ),
        (
            b"<annotation><object>",
            "the file ends before the end of `object`",
        ),
        (
            b"<annotation></object></annotation>",
            "byte 12: the XML is invalid",
        ),
        (b"<annotation><object</annotation>", "the file ends before"),
        (b"<", "the XML is invalid"),
        (
            b"<!-- nothing -->",
            "the file ends before the end of `annotation`",
        ),
        (
            b"<annotation><name>\xFF\xFE</name></annotation>",
            "byte 18: the file is not UTF-8",
        ),
        (b"</annotation>", "the XML is invalid"),
    ] {
        says(&said_of("x.xml", xml), expected);
    }
}

#[test]
fn many_attributes_need_little_time() {
    let attributes: String = (0..200_000)
        .map(|index| format!(" a{index}=\"\""))
        .collect();
    let xml = format!("<annotation{attributes}><x/></annotation>");
    let start = Instant::now();
    asked("x.xml", xml.as_bytes()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_mask_with_a_wrong_size_needs_no_memory() {
    let mut mask = png((2, 2), ColorType::Grayscale, BitDepth::Eight, &[1; 4]);
    // Rows and columns of the header, then its checksum.
    mask[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    let error = said_of("x.png", &mask);
    assert!(
        error.contains("not a readable PNG mask") || error.contains("2147483647×2147483647"),
        "{error}"
    );
    let large = png((3000, 1), ColorType::Grayscale, BitDepth::Eight, &[1; 3000]);
    assert!(said_of("x.png", &large).contains("is for a picture of 3000×1"));
}

#[test]
fn files_truncated_anywhere_are_errors() {
    let grey: Vec<u8> = (0..100).collect();
    let mask = png((10, 10), ColorType::Grayscale, BitDepth::Eight, &grey);
    for length in 8..mask.len() - 12 {
        let error = said_of("x.png", &mask[..length]);
        says(&error, "not a readable PNG mask");
    }
    let coco = std::fs::read(reference("coco.json")).unwrap();
    for length in (1..coco.len() - 1).step_by(7) {
        let error = refused(opened("boxes.json", &coco[..length]));
        says(&error, "boxes.json");
    }
}

#[test]
fn files_with_changed_bytes_never_panic() {
    let xml = coco_with("{}").into_bytes();
    let grey: Vec<u8> = (0..100).collect();
    let seeds = [
        ("boxes.json", std::fs::read(reference("coco.json")).unwrap()),
        ("other.json", xml),
        ("x.xml", include_bytes!("voc.rs").to_vec()),
        (
            "x.png",
            png((10, 10), ColorType::Grayscale, BitDepth::Eight, &grey),
        ),
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize
    };
    for (name, bytes) in seeds {
        // The XML of the tests.
        let start = bytes
            .iter()
            .position(|&b| b == b'<')
            .filter(|_| name == "x.xml");
        let bytes = &bytes[start.unwrap_or(0)..];
        for _ in 0..150 {
            let mut changed = bytes.to_vec();
            for _ in 0..=next() % 4 {
                let at = next() % changed.len();
                changed[at] = if next() % 2 == 0 {
                    next() as u8
                } else {
                    b"0-9[]{}<>&\""[next() % 11]
                };
            }
            let _ = asked(name, &changed);
        }
    }
}

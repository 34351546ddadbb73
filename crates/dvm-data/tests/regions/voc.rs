//! Pascal VOC.

use std::path::Path;

use dvm_data::regions::Regions;
use dvm_testing::errors::says;

use crate::{as_it_is, folder, refused, rows};

/// A file as written by LabelImg and the development kit.
const TWO: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<annotation verified="yes">
    <folder>photos</folder>
    <filename>another name.jpg</filename>
    <source><database>Unknown &amp; new</database></source>
    <size><width>6</width><height>4</height><depth>3</depth></size>
    <segmented>0</segmented>
    <object>
        <name>d&#111;g</name>
        <pose>Unspecified</pose><truncated>0</truncated><difficult>1</difficult>
        <bndbox><xmin>2</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox>
        <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>6</xmax><ymax>4</ymax></bndbox></part>
    </object>
    <!-- and -->
    <object>
        <name><![CDATA[cat]]></name>
        <bndbox><xmax>6.0</xmax><xmin>6</xmin><ymin>3.0</ymin><ymax>4</ymax></bndbox>
    </object>
</annotation>
"#;

fn described(xml: &str, class: Option<&str>) -> Result<Vec<String>, String> {
    let folder = folder(&[("x.xml", xml.as_bytes())]);
    let regions = Regions::open(folder.path()).unwrap();
    let located = regions.locate(Path::new("photos/x.jpg"), class, &as_it_is(4, 6));
    match located {
        Ok(located) => Ok(rows(&located, 6)),
        Err(error) => Err(error.to_string()),
    }
}

fn with_box(corners: &str) -> String {
    format!("<annotation><object><name>dog</name><bndbox>{corners}</bndbox></object></annotation>")
}

#[test]
fn corners_are_counted_from_1_and_are_inside_the_box() {
    let dog = [".##...", ".##...", "......", "......"];
    assert_eq!(described(TWO, Some("dog")).unwrap(), dog);
    let cat = ["......", "......", ".....#", ".....#"];
    assert_eq!(described(TWO, Some("cat")).unwrap(), cat);
    let both = [".##...", ".##...", ".....#", ".....#"];
    assert_eq!(described(TWO, None).unwrap(), both);
}

#[test]
fn a_box_that_starts_at_0_starts_at_the_edge() {
    let xml = with_box("<xmin>0</xmin><ymin>0</ymin><xmax>2</xmax><ymax>1</ymax>");
    assert_eq!(
        described(&xml, None).unwrap(),
        ["##....", "......", "......", "......"]
    );
}

#[test]
fn a_single_file_is_for_the_picture_with_its_name() {
    let folder = folder(&[("x.xml", TWO.as_bytes())]);
    let regions = Regions::open(&folder.path().join("x.xml")).unwrap();
    assert_eq!(regions.format().name, "Pascal VOC");
    let located = regions.locate(Path::new("x.jpg"), Some("dog"), &as_it_is(4, 6));
    assert_eq!(rows(&located.unwrap(), 6)[0], ".##...");
}

#[test]
fn png_pictures_beside_the_files_are_not_masks() {
    let folder = folder(&[("a/x.XML", TWO.as_bytes()), ("a/x.png", b"a picture")]);
    let regions = Regions::open(folder.path()).unwrap();
    assert_eq!(regions.format().name, "Pascal VOC");
    let located = regions.locate(Path::new("photos/a/x.png"), Some("dog"), &as_it_is(4, 6));
    assert_eq!(rows(&located.unwrap(), 6)[0], ".##...");
    let error = refused(regions.locate(Path::new("photos/a/x.png"), None, &as_it_is(4, 7)));
    says(&error, "a/x.XML: is for a picture of 4×6");
}

#[test]
fn a_size_of_0_is_unknown() {
    let xml = TWO.replace("<width>6</width>", "<width>0</width>");
    assert!(described(&xml, None).is_ok());
}

/// Corners of a box, and what is wrong with them.
const WRONG_BOXES: &str = "
<xmin>-3</xmin><ymin>1</ymin><xmax>2</xmax><ymax>1</ymax> => x.xml: object 1: its box is from (-3, 1) to (2, 1)
<xmin>3</xmin><ymin>1</ymin><xmax>2</xmax><ymax>1</ymax> => x.xml: object 1: its box is from (3, 1) to (2, 1)
<xmin>NaN</xmin><ymin>1</ymin><xmax>2</xmax><ymax>1</ymax> => x.xml: object 1: `xmin` is `NaN`, which is not a number
<xmin>1</xmin><ymin>1</ymin><xmax>1e999</xmax><ymax>1</ymax> => x.xml: object 1: `xmax` is `1e999`, which is not a number
<xmin>1</xmin><ymin>1</ymin><xmax>2</xmax> => x.xml: object 1: its box has no `ymax`
<xmin>1</xmin><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax> => x.xml: object 1: has two values of `xmin`
<xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>90</ymax> => x.xml, object 1: extends 86 pixels beyond the bottom edge
";

/// Files, and what is wrong with them.
const WRONG_FILES: &str = "
<annotation><object><name>dog</name></object></annotation> => x.xml: object 1: has no box (`bndbox`)
<annotation><size><object/></size></annotation> => an `object` is not directly inside
<html></html> => starts with `html`, not with `annotation`
<annotation/><annotation/> => more than one `annotation`
";

#[test]
fn errors_name_file_and_object() {
    let refused = |xml: &str, expected: &str| says(&described(xml, None).unwrap_err(), expected);
    for case in WRONG_BOXES.trim().lines() {
        let (corners, expected) = case.split_once(" => ").unwrap();
        refused(&with_box(corners), expected);
    }
    for case in WRONG_FILES.trim().lines() {
        let (xml, expected) = case.split_once(" => ").unwrap();
        refused(xml, expected);
    }
    let without_class = TWO.replace("<name><![CDATA[cat]]></name>", "");
    refused(&without_class, "x.xml: object 2: has no class (`name`)");
    let in_words = TWO.replace("<width>6<", "<width>six<");
    refused(
        &in_words,
        "x.xml: size, width: `six` is not a number of pixels",
    );
}

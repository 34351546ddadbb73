//! Matching of entries and pictures.

use std::path::Path;

use dvm_data::regions::{Located, Regions};
use dvm_testing::errors::says;

use crate::{as_it_is, folder, opened, refused, rows};

/// A COCO file for pictures of 1×4 pixels. The object of a picture is the pixel at its index.
fn about(names: &[&str]) -> Regions {
    let images = names.iter().enumerate().map(|(index, name)| {
        format!(r#"{{"id": {index}, "file_name": "{name}", "height": 1, "width": 4}}"#)
    });
    let annotations = (0..names.len())
        .map(|index| format!(r#"{{"image_id": {index}, "bbox": [{index}, 0, 1, 1]}}"#));
    let json = format!(
        r#"{{"images": [{}], "annotations": [{}]}}"#,
        images.collect::<Vec<_>>().join(","),
        annotations.collect::<Vec<_>>().join(",")
    );
    opened("boxes.json", json.as_bytes()).unwrap()
}

fn located(regions: &Regions, picture: &str) -> Located {
    let located = regions.locate(Path::new(picture), None, &as_it_is(1, 4));
    located.unwrap()
}

#[test]
fn pictures_with_the_same_name_are_told_apart_by_their_folders() {
    let regions = about(&["a/x.jpg", "b/x.jpg"]);
    assert_eq!(rows(&located(&regions, "photos/a/x.jpg"), 4), ["#..."]);
    assert_eq!(rows(&located(&regions, "/photos/b/x.jpg"), 4), [".#.."]);
    let Located::Unknown(why) = located(&regions, "photos/c/x.jpg") else {
        panic!()
    };
    says(&why, "has no entry for photos/c/x.jpg");
    says(&why, "`a/x.jpg` has another folder");
}

#[test]
fn the_entry_with_most_folders_is_used() {
    let regions = about(&["x.jpg", "a/x.jpg", "z/a/x.jpg"]);
    assert_eq!(rows(&located(&regions, "photos/x.jpg"), 4), ["#..."]);
    assert_eq!(rows(&located(&regions, "photos/a/x.jpg"), 4), [".#.."]);
    assert_eq!(rows(&located(&regions, "z/a/x.jpg"), 4), ["..#."]);
}

#[test]
fn two_pictures_of_one_entry_are_an_error_if_all_pictures_are_known() {
    let regions = about(&["x.jpg", "b/y.jpg"]);
    let check = |pictures: &[&str]| {
        regions.check_pictures(pictures.iter().map(|picture| Path::new(*picture)))
    };
    check(&["a/x.jpg", "a/y.jpg", "b/y.jpg", "c/z.jpg"]).unwrap();
    // The same picture twice is not ambiguous.
    check(&["a/x.jpg", "a/x.jpg"]).unwrap();
    let error = refused(check(&["a/x.jpg", "b/x.jpg"]));
    says(&error, "boxes.json: images[0]: ");
    says(&error, "a/x.jpg or b/x.jpg");
}

#[test]
fn two_equally_matching_entries_are_an_error() {
    // One entry has the extension, the other does not.
    let regions = about(&["x.jpg", "x"]);
    let located = regions.locate(Path::new("x.jpg"), None, &as_it_is(1, 4));
    let error = refused(located);
    says(&error, "images[1]");
    says(&error, "as well as images[0] does");
}

#[test]
fn a_picture_of_another_size_is_an_error() {
    let regions = about(&["x.jpg"]);
    let of = |height, width| {
        let located = regions.locate(Path::new("x.jpg"), None, &as_it_is(height, width));
        refused(located)
    };
    let error = of(2, 8);
    says(&error, "boxes.json: images[0]: is for a picture of 1×4");
    says(&error, "but this one has 2×8;");
    assert!(of(4, 1).contains("but this one has 4×1 when displayed upright;"));
}

#[test]
fn the_format_is_recognised_by_content_not_by_name() {
    let folder = folder(&[
        ("boxes", b" \n{\"images\": [], \"annotations\": []}"),
        ("list.xml", b"[]"),
        ("text.json", b"hello"),
        ("folder/photo.jpg", b""),
        ("folder/deep/instances.json", b"{}"),
    ]);
    let open = |name: &str| Regions::open(&folder.path().join(name));
    assert_eq!(open("boxes").ok().unwrap().format().name, "COCO");
    let error = refused(open("list.xml"));
    says(&error, "list.xml: is a list, but a COCO file is an object");
    let error = refused(open("text.json"));
    says(&error, "text.json: must be one of these: a COCO file");
    let error = refused(open("folder"));
    says(&error, "contains no boxes or masks");
    says(&error, "give the file itself: deep/instances.json");
    assert!(refused(open("missing")).contains("missing"));
}

#[cfg(unix)]
#[test]
fn circular_links_are_handled() {
    let folder = folder(&[("a/x.xml", b"<annotation></annotation>")]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/round")).unwrap();
    assert_eq!(Regions::open(folder.path()).ok().unwrap().pictures(), 1);
}

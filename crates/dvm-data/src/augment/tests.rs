//! Tests of all augmentations.

use dvm_image::{Interpolation, Resize};
use serde_json::{Value, json};

use super::*;

fn preprocess() -> Preprocess {
    Preprocess {
        range: dvm_image::Range::File,
        resize: Resize::ShortSide(20),
        interpolation: Interpolation::Bilinear,
        crop: (16, 14),
        channels: dvm_image::Channels::Rgb,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    }
}

fn picture() -> Picture {
    let rgb = (0..40 * 30 * 3).map(|i| (i * 7919 % 251) as u8).collect();
    Picture::new(40, 30, rgb)
}

/// `augment` applied to the same picture in many epochs.
fn seen(augment: &Augment) -> Vec<AugmentedCrop> {
    (0..20)
        .map(|epoch| augment.apply(&picture(), &preprocess(), 1, epoch, 5))
        .collect()
}

/// The augmentations in `names` with default options, without others.
fn only(names: &[&str]) -> Augment {
    let all = ALL.iter().map(|description| description.name);
    let config: serde_json::Map<String, Value> = all
        .map(|name| (name.to_owned(), names.contains(&name).into()))
        .collect();
    serde_json::from_value(config.into()).unwrap()
}

#[test]
fn without_augmentation_the_input_is_that_of_validation() {
    for seen in seen(&Augment::none()) {
        assert_eq!(
            seen.picture(&preprocess()),
            preprocess().crop_of(&picture())
        );
    }
}

#[test]
fn each_augmentation_changes_the_picture_differently_in_every_epoch() {
    for description in ALL {
        let all = seen(&only(&[description.name]));
        let different = all.iter().filter(|seen| **seen != all[0]).count();
        assert!(different > 0, "{}", description.name);
        assert_eq!(
            all,
            seen(&only(&[description.name])),
            "{}",
            description.name
        );
    }
}

#[test]
fn another_seed_or_sample_has_another_result() {
    let augment = Augment::default();
    let with = |seed, position| augment.apply(&picture(), &preprocess(), seed, 0, position);
    assert_ne!(with(1, 0), with(2, 0));
    assert_ne!(with(1, 0), with(1, 1));
}

#[test]
fn switching_one_off_does_not_change_the_others() {
    let all: Vec<&str> = ALL.iter().map(|description| description.name).collect();
    let (all, without_crop) = (only(&all), only(&all[1..]));
    assert_eq!(without_crop.random_resized_crop, None);
    for (with, without) in seen(&all).into_iter().zip(seen(&without_crop)) {
        assert_eq!(with.erased(), without.erased());
    }
    // The crop alone, then flipped, is the same as crop and flip together.
    let (crop, both) = (
        seen(&only(&["random_resized_crop"])),
        seen(&Augment::default()),
    );
    let mut flipped = 0;
    for (crop, both) in crop.into_iter().zip(both) {
        let (crop, both) = (crop.picture(&preprocess()), both.picture(&preprocess()));
        let mirrored: Vec<[u8; 3]> = (0..16 * 14)
            .map(|i| crop.pixel(i / 14, 13 - i % 14))
            .collect();
        if both.rgb().as_chunks().0 == mirrored {
            flipped += 1;
        } else {
            assert_eq!(both, crop);
        }
    }
    assert!((1..20).contains(&flipped));
}

#[test]
fn flips_are_the_same_as_torchvisions() {
    for name in ["horizontal_flip", "vertical_flip"] {
        let config =
            json!({"random_resized_crop": false, "horizontal_flip": false, (name): {"p": 1}});
        let augment: Augment = serde_json::from_value(config).unwrap();
        for case in references::cases(name) {
            let original = case.original();
            let preprocess = Preprocess {
                resize: Resize::None,
                crop: (original.height(), original.width()),
                ..preprocess()
            };
            let seen = augment.apply(original, &preprocess, 0, 0, 0);
            case.check(&seen.picture(&preprocess));
        }
    }
}

#[test]
fn an_erased_rectangle_is_zero_in_the_values_and_the_mean_colour_in_the_preview() {
    let preprocess = preprocess();
    let mut erased = 0;
    for (seen, plain) in seen(&only(&["random_erasing"]))
        .into_iter()
        .zip(seen(&Augment::none()))
    {
        let (mut values, mut expected) = (vec![7.0], vec![7.0]);
        let (channels, tables) = (preprocess.channels, preprocess.tables());
        seen.append_to(&mut values, channels, &tables);
        plain.append_to(&mut expected, channels, &tables);
        let (rows, columns) = seen.erased().unwrap_or((0..0, 0..0));
        let mut shown = plain.picture(&preprocess);
        for y in rows.clone() {
            for x in columns.clone() {
                let at = 1 + (y * 14 + x) * 3;
                expected[at..at + 3].fill(0.0);
                // 0.485 · 255 = 123.7, 0.456 · 255 = 116.3, 0.406 · 255 = 103.5
                shown.set_pixel(y, x, [124, 116, 104]);
            }
        }
        assert_eq!(values, expected);
        let share = rows.len() * columns.len();
        assert_eq!(seen.picture(&preprocess), shown);
        erased += usize::from(share > 0);
    }
    assert!((2..19).contains(&erased), "{erased} of 20");
}

#[test]
fn the_list_has_every_field_with_its_options_and_defaults() {
    let Value::Object(fields) = serde_json::to_value(Augment::none()).unwrap() else {
        panic!("an object");
    };
    assert_eq!(fields.len(), ALL.len());
    for description in ALL {
        let name = description.name;
        let on = serde_json::to_value(only(&[name])).unwrap();
        let expected: serde_json::Map<String, Value> = description
            .options
            .iter()
            .map(|option| {
                let default = serde_json::from_str(option.default).unwrap();
                (option.name.to_owned(), default)
            })
            .collect();
        assert_eq!(on[name], Value::Object(expected), "{name}");
    }
}

#[test]
fn a_written_configuration_is_read_back_unchanged() {
    for augment in [
        Augment::default(),
        Augment::none(),
        only(&["colour_jitter"]),
    ] {
        let json = serde_json::to_value(&augment).unwrap();
        assert_eq!(serde_json::from_value::<Augment>(json).unwrap(), augment);
    }
}

#[test]
fn missing_fields_have_their_defaults() {
    let read = |json: Value| serde_json::from_value::<Augment>(json).unwrap();
    assert_eq!(read(json!({})), Augment::default());
    let rotation = read(json!({"rotation": true, "horizontal_flip": {}}));
    let expected = Augment {
        rotation: Some(Rotation { degrees: 15.0 }),
        ..Augment::default()
    };
    assert_eq!(rotation, expected);
}

#[test]
fn unknown_names_are_errors() {
    let refused = |json: Value| {
        let error = serde_json::from_value::<Augment>(json).unwrap_err();
        error.to_string()
    };
    assert!(refused(json!({"flip": true})).contains("flip"));
    let option = refused(json!({"rotation": {"angle": 3}}));
    assert!(
        option.contains("angle") && option.contains("degrees"),
        "{option}"
    );
    let kind = refused(json!({"rotation": 3}));
    assert!(kind.contains("true, false or a table of options"), "{kind}");
}

#[test]
fn errors_name_invalid_options() {
    for (name, option, value) in [
        ("random_resized_crop", "scale", json!([0.0, 1.0])),
        ("random_resized_crop", "scale", json!([0.5, 1.1])),
        ("random_resized_crop", "ratio", json!([2.0, 1.0])),
        ("horizontal_flip", "p", json!(1.5)),
        ("vertical_flip", "p", json!(-0.1)),
        ("rotation", "degrees", json!(181)),
        ("colour_jitter", "hue", json!(0.6)),
        ("colour_jitter", "contrast", json!(-1)),
        ("random_erasing", "p", json!(2)),
        ("random_erasing", "ratio", json!([0.0, 1.0])),
    ] {
        let config = json!({(name): {(option): value}});
        let augment: Augment = serde_json::from_value(config).unwrap();
        let error = augment.validate().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("augmentation {name}: `{option}` must be ")),
            "{error}"
        );
    }
    let nan = Augment {
        rotation: Some(Rotation { degrees: f64::NAN }),
        ..Augment::none()
    };
    assert!(nan.validate().is_err());
    assert_eq!(Augment::default().validate(), Ok(()));
}

//! The loader: order and contents of batches, errors, and threads.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dvm_data::augment::Augment;
use dvm_data::{Batch, LastBatch, Loader, LoaderOptions, OnBroken, Order, Sample};
use dvm_image::{Channels, Interpolation, Picture, Preprocess, Resize, encode_png};
use dvm_testing::errors::says;

fn preprocess() -> Preprocess {
    Preprocess {
        range: dvm_image::Range::File,
        resize: Resize::ShortSide(10),
        interpolation: Interpolation::Bilinear,
        crop: (8, 6),
        channels: Channels::Rgb,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    }
}

/// `count` pictures of noise. The class is the position modulo 3.
fn pictures(folder: &Path, count: usize) -> Vec<Sample> {
    (0..count)
        .map(|i| {
            let (height, width) = (12 + i, 20 - i % 7);
            let rgb = (0..height * width * 3)
                .map(|at| (at * 7919 + i * 131) as u8)
                .collect();
            let path = folder.join(format!("{i}.png"));
            fs::write(&path, encode_png(&Picture::new(height, width, rgb))).unwrap();
            Sample { path, class: i % 3 }
        })
        .collect()
}

fn training(workers: usize) -> LoaderOptions {
    LoaderOptions {
        workers,
        ..LoaderOptions::training(preprocess(), 4, 7)
    }
}

fn all(loader: &Loader, epoch: u64, first: usize) -> Vec<Batch> {
    loader.epoch(epoch, first).map(Result::unwrap).collect()
}

#[test]
fn any_number_of_workers_gives_the_same_batches() {
    let folder = tempfile::tempdir().unwrap();
    let samples: Arc<[Sample]> = pictures(folder.path(), 23).into();
    let with = |workers| {
        all(
            &Loader::new(samples.clone(), training(workers)).unwrap(),
            3,
            0,
        )
    };
    let expected = with(1);
    assert_eq!(expected.len(), 6);
    for workers in [2, 3, 64] {
        assert_eq!(with(workers), expected, "{workers} workers");
    }
}

#[test]
fn an_epoch_started_in_the_middle_has_the_same_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut samples = pictures(folder.path(), 23);
    let loader = Loader::new(samples.clone(), training(2)).unwrap();
    let whole = all(&loader, 5, 0);
    // Earlier pictures are not opened.
    for &position in whole[..4].iter().flat_map(|batch| &batch.samples) {
        samples[position].path = "missing".into();
    }
    let loader = Loader::new(samples, training(2)).unwrap();
    assert_eq!(all(&loader, 5, 4), whole[4..]);
    assert_eq!(all(&loader, 5, 99), []);
}

#[test]
fn an_epoch_has_each_sample_once_in_a_new_order() {
    let folder = tempfile::tempdir().unwrap();
    let loader = Loader::new(pictures(folder.path(), 23), training(2)).unwrap();
    let order = |epoch| -> Vec<usize> {
        all(&loader, epoch, 0)
            .into_iter()
            .flat_map(|batch| {
                let classes: Vec<usize> = batch.samples.iter().map(|i| i % 3).collect();
                assert_eq!(batch.classes, classes);
                batch.samples
            })
            .collect()
    };
    let (first, second) = (order(0), order(1));
    assert_ne!(first, second);
    for mut order in [first, second] {
        order.sort_unstable();
        assert_eq!(order, Vec::from_iter(0..23));
    }
}

#[test]
fn values_are_identical_to_preprocessing_with_channels_last() {
    let folder = tempfile::tempdir().unwrap();
    let samples = pictures(folder.path(), 3);
    let loader = Loader::new(samples.clone(), LoaderOptions::validation(preprocess(), 3)).unwrap();
    let batch = &all(&loader, 0, 0)[0];
    assert_eq!(batch.shape, [3, 3, 8, 6]);
    assert_eq!(batch.samples, [0, 1, 2]);
    let mut expected = Vec::new();
    for sample in &samples {
        let original = dvm_image::read(&sample.path, &dvm_image::Limits::default()).unwrap();
        let input = preprocess().apply(original).unwrap();
        let plane = 8 * 6;
        expected.extend((0..plane * 3).map(|i| input.values()[i % 3 * plane + i / 3].to_bits()));
    }
    let values: Vec<u32> = batch.values.iter().map(|v| v.to_bits()).collect();
    assert_eq!(values, expected);
}

#[test]
fn the_last_batch_is_smaller_or_skipped_but_never_a_single_picture() {
    let folder = tempfile::tempdir().unwrap();
    let samples: Arc<[Sample]> = pictures(folder.path(), 11).into();
    let sizes = |batch, rest| -> Vec<usize> {
        let loading = LoaderOptions {
            rest,
            batch,
            ..training(2)
        };
        let loader = Loader::new(samples.clone(), loading).unwrap();
        let sizes: Vec<usize> = all(&loader, 0, 0).iter().map(|b| b.samples.len()).collect();
        assert_eq!(loader.batches(), sizes.len());
        sizes
    };
    assert_eq!(sizes(4, LastBatch::Keep), [4, 4, 3]);
    assert_eq!(sizes(5, LastBatch::Keep), [5, 6]);
    assert_eq!(sizes(1, LastBatch::Keep), [1; 11]);
    assert_eq!(sizes(4, LastBatch::Drop), [4, 4]);
    assert_eq!(sizes(11, LastBatch::Drop), [11]);
    assert_eq!(sizes(99, LastBatch::Drop), [11]);
}

#[test]
fn a_broken_picture_ends_the_epoch_with_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let samples = pictures(folder.path(), 9);
    for position in [5, 6] {
        fs::write(&samples[position].path, b"no picture").unwrap();
    }
    let loading = LoaderOptions {
        order: Order::AsListed,
        ..training(3)
    };
    let mut epoch = Loader::new(samples, loading).unwrap().epoch(0, 0);
    assert_eq!(epoch.next().unwrap().unwrap().samples, [0, 1, 2, 3]);
    says(&epoch.next().unwrap().unwrap_err(), "5.png");
    assert!(epoch.next().is_none());
}

#[test]
fn broken_pictures_can_be_skipped_and_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let samples = pictures(folder.path(), 8);
    for position in [1, 4, 5, 6, 7] {
        fs::write(&samples[position].path, b"no picture").unwrap();
    }
    let loading = LoaderOptions {
        order: Order::AsListed,
        on_broken: OnBroken::Skip,
        ..training(3)
    };
    let batches = all(&Loader::new(samples, loading).unwrap(), 0, 0);
    assert_eq!(batches[0].samples, [0, 2, 3]);
    assert_eq!(batches[0].shape, [3, 3, 8, 6]);
    assert_eq!(batches[0].values.len(), 3 * 8 * 6 * 3);
    assert_eq!(batches[0].skipped.len(), 1);
    assert_eq!(batches[0].skipped[0].0, 1);
    assert!(batches[0].skipped[0].1.contains("1.png"));
    assert_eq!(batches[1].shape[0], 0);
    assert_eq!(batches[1].skipped.len(), 4);
}

#[test]
fn an_epoch_can_be_dropped_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let loader = Loader::new(pictures(folder.path(), 23), training(3)).unwrap();
    for taken in 0..5 {
        let mut epoch = loader.epoch(0, 0);
        for _ in 0..taken {
            epoch.next().unwrap().unwrap();
        }
    }
    let none = Loader::new(Vec::new(), training(2)).unwrap();
    assert_eq!(none.batches(), 0);
    assert!(none.epoch(0, 0).next().is_none());
}

#[test]
fn a_preview_shows_the_pixels_of_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let loader = Loader::new(pictures(folder.path(), 5), training(2)).unwrap();
    let tables = preprocess().tables();
    for batch in all(&loader, 2, 0) {
        let pictures = batch.values.chunks_exact(8 * 6 * 3);
        for (&position, values) in batch.samples.iter().zip(pictures) {
            let preview = loader.preview(position, 2).unwrap();
            let expected: Vec<f32> = (preview.rgb().iter().enumerate())
                .map(|(i, &v)| tables[i % 3][usize::from(v)])
                .collect();
            assert_eq!(values, expected);
        }
    }
}

#[test]
fn batches_have_the_channels_of_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let samples = pictures(folder.path(), 3);
    for channels in [Channels::Rgb, Channels::Bgr, Channels::Grey] {
        let preprocess = preprocess().with_channels(channels);
        let loading = LoaderOptions::validation(preprocess.clone(), 3);
        let loader = Loader::new(samples.clone(), loading).unwrap();
        let batch = loader.epoch(0, 0).next().unwrap().unwrap();
        let (height, width) = preprocess.crop;
        let count = channels.count();
        assert_eq!(batch.shape, [3, count, height, width]);
        let pictures = batch.values.chunks_exact(height * width * count);
        for (sample, values) in samples.iter().zip(pictures) {
            let picture = dvm_image::read(&sample.path, &Default::default()).unwrap();
            let input = preprocess.apply(picture).unwrap();
            for (at, pixel) in values.chunks_exact(count).enumerate() {
                for (channel, &value) in pixel.iter().enumerate() {
                    assert_eq!(
                        value,
                        input.values()[channel * height * width + at],
                        "{channels}"
                    );
                }
            }
        }
    }
}

#[test]
fn invalid_options_are_errors_when_the_loader_is_made() {
    let mut augment = Augment::default();
    augment.random_resized_crop.as_mut().unwrap().scale = (0.5, 0.1);
    let loading = LoaderOptions {
        augment: Some(augment),
        ..training(1)
    };
    let error = Loader::new(Vec::new(), loading).unwrap_err().to_string();
    says(&error, "random_resized_crop");
    says(&error, "is (0.5, 0.1)");
}

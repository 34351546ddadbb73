//! Incremental occlusion, compared with whole covered pictures.

use dvm_attribution::Target;

use crate::subject::{Case, as_it_is, made, noise_picture, relative_error, small_network};

/// The scores of all classes for all windows.
fn scores(subject: &Case, options: &[(&str, &str)], incremental: bool) -> Vec<f32> {
    let subject = subject.subject().incremental(incremental);
    let occlusion = made("occlusion", options).unwrap();
    let maps = occlusion.attribute(&subject, &[Target::Class(0)]).unwrap();
    maps[0].raw().values.to_vec()
}

#[test]
fn scores_equal_those_of_whole_covered_pictures() {
    let resized = dvm_image::Preprocess {
        resize: dvm_image::Resize::ShortSide(36),
        ..as_it_is((32, 28))
    };
    let picture = noise_picture("brute force", (45, 61));
    for preprocess in [resized, as_it_is((32, 28))] {
        let subject = Case::new(small_network(), preprocess, picture.clone());
        for options in [
            &[("window", "7x6"), ("stride", "6x4")][..],
            &[("preset", "seed"), ("window", "9"), ("stride", "5")],
            &[("preset", "captum"), ("window", "5"), ("stride", "3")],
            &[("window", "1"), ("stride", "9"), ("fill", "noise")],
            &[("window", "28"), ("stride", "9"), ("fill", "blur")],
            &[("window", "8"), ("fill", "grey"), ("space", "image")],
        ] {
            let expected = scores(&subject, options, false);
            let found = scores(&subject, options, true);
            let off = relative_error(&found, &expected);
            assert!(off <= 1e-5, "{options:?}: off by {off}");
        }
    }
}

//! Pictures augmented by torchvision with fixed parameters (`references/augmentations.py`).

use std::fs;
use std::path::Path;

use dvm_image::Picture;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;

/// A picture, an augmentation with its parameters, and the result.
pub(super) struct Case {
    listed: Listed,
    original: Picture,
    expected: Picture,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    kind: String,
    source: String,
    parameters: Value,
}

/// All cases of a kind.
pub(super) fn cases(kind: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references");
    let bytes = fs::read(folder.join("augmentations.safetensors")).unwrap();
    let pictures = SafeTensors::deserialize(&bytes).unwrap();
    let picture = |name: &str| {
        let stored = pictures.tensor(name).unwrap();
        let &[height, width, 3] = stored.shape() else {
            panic!("{name} is no picture");
        };
        Picture::new(height, width, stored.data().to_vec())
    };
    let list = fs::read(folder.join("augmentations.json")).unwrap();
    let listed: Vec<Listed> = serde_json::from_slice(&list).unwrap();
    let cases: Vec<Case> = listed
        .into_iter()
        .filter(|listed| listed.kind == kind)
        .map(|listed| Case {
            original: picture(&listed.source),
            expected: picture(&listed.name),
            listed,
        })
        .collect();
    assert!(!cases.is_empty(), "there are no references of {kind}");
    cases
}

impl Case {
    /// The picture before the augmentation.
    pub fn original(&self) -> &Picture {
        &self.original
    }

    /// A parameter.
    pub fn parameter<T: for<'de> Deserialize<'de>>(&self, name: &str) -> T {
        T::deserialize(&self.listed.parameters[name]).unwrap()
    }

    /// Panics if `actual` is not the expected picture.
    pub fn check(&self, actual: &Picture) {
        if *actual == self.expected {
            return;
        }
        let Listed {
            name, parameters, ..
        } = &self.listed;
        let both = self.expected.rgb().iter().zip(actual.rgb());
        let worst = both.map(|(a, b)| a.abs_diff(*b)).max();
        panic!("{name} {parameters}: {actual:?} is off by up to {worst:?}");
    }
}

//! The unchanged picture, or the six pictures of test-time augmentation.

use super::RawMap;
use crate::Subject;

/// An augmentation of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Augmentation {
    /// Whether the picture is mirrored left to right.
    mirrored: bool,
    /// The factor of the normalised values.
    factor: f32,
}

/// The unchanged picture.
const UNCHANGED: [Augmentation; 1] = [Augmentation {
    mirrored: false,
    factor: 1.0,
}];

/// Those of pytorch-grad-cam's `aug_smooth`.
const AUGMENTED: [Augmentation; 6] = {
    let mut all = [UNCHANGED[0]; 6];
    let factors = [0.9, 1.0, 1.1];
    let mut index = 0;
    while index < 6 {
        all[index] = Augmentation {
            mirrored: index >= 3,
            factor: factors[index % 3],
        };
        index += 1;
    }
    all
};

/// The augmentations that are averaged.
pub(crate) fn augmentations(augment: bool) -> &'static [Augmentation] {
    if augment { &AUGMENTED } else { &UNCHANGED }
}

impl Augmentation {
    /// Its values as stored (`H, W, C`, normalised).
    pub fn of(&self, subject: &Subject) -> Vec<f32> {
        let [_, channels, _, width] = subject.shape();
        let picture = subject.picture().data();
        let mut values = Vec::with_capacity(picture.len());
        for row in picture.chunks_exact(width * channels) {
            let pixels = row.chunks_exact(channels);
            let mut add = |pixel: &[f32]| values.extend(pixel.iter().map(|v| v * self.factor));
            if self.mirrored {
                pixels.rev().for_each(&mut add);
            } else {
                pixels.for_each(&mut add);
            }
        }
        values
    }

    /// Mirrors a map of it back.
    fn back(&self, mut map: RawMap) -> RawMap {
        if self.mirrored {
            let rows = map.values.chunks_exact_mut(map.size.1);
            rows.for_each(<[f32]>::reverse);
        }
        map
    }
}

/// The mean of the maps of all augmentations, in their order.
pub(crate) fn mean(
    augmentations: &[Augmentation],
    maps: impl IntoIterator<Item = RawMap>,
) -> RawMap {
    let mut maps = augmentations
        .iter()
        .zip(maps)
        .map(|(augmentation, map)| augmentation.back(map));
    let first = maps.next().expect("there is at least one augmentation");
    let mut sums: Vec<f64> = first.values.iter().map(|&v| f64::from(v)).collect();
    for map in maps {
        for (sum, v) in sums.iter_mut().zip(map.values) {
            *sum += f64::from(v);
        }
    }
    let count = augmentations.len() as f64;
    RawMap {
        size: first.size,
        values: sums.into_iter().map(|sum| (sum / count) as f32).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_mirrored_pictures_are_mirrored_back() {
        let map = |values: [f32; 4]| RawMap {
            size: (2, 2),
            values: values.to_vec(),
        };
        let mirrored = Augmentation {
            mirrored: true,
            factor: 1.0,
        };
        let found = mean(
            &[UNCHANGED[0], mirrored],
            [map([1.0, 2.0, 3.0, 4.0]), map([2.0, 1.0, 4.0, 7.0])],
        );
        assert_eq!(found, map([1.0, 2.0, 5.0, 4.0]));
    }

    #[test]
    fn the_six_augmentations_are_two_mirrorings_by_three_factors() {
        let all = augmentations(true);
        assert_eq!(all.len(), 6);
        assert_eq!(
            all.iter()
                .filter(|augmentation| augmentation.mirrored)
                .count(),
            3
        );
        let sum: f32 = all.iter().map(|augmentation| augmentation.factor).sum();
        assert!((sum - 6.0).abs() < 1e-6);
        assert_eq!(augmentations(false), UNCHANGED);
    }
}

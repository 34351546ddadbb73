//! Testing a place: covering it, and copying it onto pictures of other classes.

use dvm_attribution::Walks;
use dvm_attribution::probe::Variants;
use dvm_engine::Tensor;
use dvm_engine::incremental::Rectangle;
use dvm_image::Input;
use dvm_train::metrics::Interval;
use serde::Serialize;

use super::findings::{bootstrap, mean};
use super::picture_map::is_of_picture;
use super::places::Place;
use crate::{Classifier, Error, Explain, Source};

/// The maximum number of pictures that a place is tested on.
pub const TESTED: usize = 40;

/// The effect of changing a place on the probability of a class, averaged over pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceEffect {
    /// Number of pictures.
    pub pictures: usize,
    /// Probability of the class for the unchanged pictures, 0 … 1.
    pub before: f64,
    /// Probability with the place changed.
    pub here: f64,
    /// Mean probability with places of the same shape elsewhere changed, one at a time.
    pub elsewhere: f64,
    /// The 99 % interval of the effect of the place: how much more the probability falls by covering it, or rises
    /// by copying it, than with places elsewhere.
    pub difference: Interval,
}

/// An input with one changed rectangle at a time.
struct ChangedPlaces<'a> {
    rectangles: &'a [Rectangle],
    width: usize,
    channels: usize,
    /// The values `[H, W, C]` that replace those in a rectangle.
    shown: &'a [f32],
}

impl Variants for ChangedPlaces<'_> {
    fn count(&self) -> usize {
        self.rectangles.len()
    }

    fn rectangle(&self, index: usize) -> Option<Rectangle> {
        Some(self.rectangles[index].clone())
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let Rectangle { rows, columns } = &self.rectangles[index];
        let mut values = picture.to_vec();
        for y in rows.clone() {
            let at = |column: usize| (y * self.width + column) * self.channels;
            let row = at(columns.start)..at(columns.end);
            values[row.clone()].copy_from_slice(&self.shown[row]);
        }
        (values != picture).then_some(values)
    }
}

/// Tests places with a network.
pub(super) struct Tests<'a> {
    pub classifier: &'a Classifier,
    /// Gives the memory limit and whether the computation is incremental.
    pub explain: &'a Explain,
    pub seed: u64,
}

/// The probabilities of a class for one picture: unchanged, with the place changed, and the mean over changed places
/// elsewhere.
struct Probabilities {
    before: f64,
    here: f64,
    elsewhere: f64,
}

impl Tests<'_> {
    /// The effect of covering a place in these pictures of a class with the mean colour, compared with places of
    /// the same shape elsewhere. Pictures that can no longer be read are left out.
    ///
    /// # Errors
    /// Those of the network.
    pub fn cover(
        &self,
        class: usize,
        place: &Place,
        sources: &[&Source],
        done: &mut dyn FnMut(),
    ) -> Result<PlaceEffect, Error> {
        let mut all = Vec::new();
        for source in sources {
            if let Some(input) = self.read(source)? {
                let [channels, height, width] = input.shape();
                let means: Vec<f32> = input
                    .values()
                    .chunks_exact(height * width)
                    .map(mean_of)
                    .collect();
                debug_assert_eq!(means.len(), channels);
                let shown = means.repeat(height * width);
                all.push(self.probabilities(class, place, &input, &shown)?);
            }
            done();
        }
        Ok(self.tested(&all, |one| one.elsewhere - one.here))
    }

    /// The effect of copying a place from pictures of a class onto pictures of other classes: each of `receivers`
    /// gets the place of one of `givers`.
    ///
    /// # Errors
    /// Those of the network.
    pub fn paste(
        &self,
        class: usize,
        place: &Place,
        (givers, receivers): (&[&Source], &[&Source]),
        done: &mut dyn FnMut(),
    ) -> Result<PlaceEffect, Error> {
        let mut all = Vec::new();
        for (receiver, giver) in receivers.iter().zip(givers.iter().cycle()) {
            if let (Some(giver), Some(input)) = (self.read(giver)?, self.read(receiver)?) {
                let [c, h, w] = giver.shape();
                let shown = Tensor::from_nchw(&[1, c, h, w], giver.values());
                all.push(self.probabilities(class, place, &input, shown.data())?);
            }
            done();
        }
        Ok(self.tested(&all, |one| one.here - one.elsewhere))
    }

    fn read(&self, source: &Source) -> Result<Option<Input>, Error> {
        match source.read(&self.classifier.reading()) {
            Ok(picture) => Ok(Some(self.classifier.prepare(picture)?)),
            Err(error) if is_of_picture(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn probabilities(
        &self,
        class: usize,
        place: &Place,
        input: &Input,
        shown: &[f32],
    ) -> Result<Probabilities, Error> {
        let classifier = self.classifier;
        let (memory, incremental) = (self.explain.memory, self.explain.incremental);
        let subject = classifier.subject(input, memory, incremental);
        subject.expect_walks(Walks {
            changes: true,
            ..Walks::default()
        });
        let [channels, height, width] = input.shape();
        let places = std::iter::once(*place).chain(place.mirrored());
        let rectangles: Vec<Rectangle> = places.map(|p| p.pixels((height, width))).collect();
        let changed = ChangedPlaces {
            rectangles: &rectangles,
            width,
            channels,
            shown,
        };
        let numbers = classifier.numbers(&subject)?;
        let of = |numbers: &[f32]| f64::from(subject.output().probabilities(numbers)[class]);
        let mut found = vec![0.0; rectangles.len()];
        let asked = subject.outputs_of(&changed, &mut |index, numbers| found[index] = of(numbers));
        asked.map_err(|error| classifier.failed(error))?;
        Ok(Probabilities {
            before: of(&numbers),
            here: found[0],
            elsewhere: mean(&found[1..]),
        })
    }

    fn tested(&self, all: &[Probabilities], effect: impl Fn(&Probabilities) -> f64) -> PlaceEffect {
        let over = |value: &dyn Fn(&Probabilities) -> f64| {
            mean(&all.iter().map(value).collect::<Vec<_>>())
        };
        let effects: Vec<f64> = all.iter().map(effect).collect();
        PlaceEffect {
            pictures: all.len(),
            before: over(&|one| one.before),
            here: over(&|one| one.here),
            elsewhere: over(&|one| one.elsewhere),
            difference: bootstrap(self.seed).of_difference(&effects, &[]),
        }
    }
}

fn mean_of(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
    (sum / values.len() as f64) as f32
}

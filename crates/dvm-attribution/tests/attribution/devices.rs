//! Probes of a network on a device: batches that do not fit in its memory, and a device that is lost.

use std::sync::Arc;

use dvm_attribution::probe::{GradientRequest, Variants};
use dvm_attribution::{Error, Score, Subject, Target};
use dvm_engine::incremental::Rectangle;
use dvm_engine::rules::guided_backprop;
use dvm_testing::small_device::SmallDevice;

use crate::subject::{Case, relative_error, small};

/// The small network on a device with room for batches of this size.
fn on_device(room: usize) -> (Case, Arc<SmallDevice>) {
    let device = Arc::new(SmallDevice::with_room(room));
    let small = small();
    let network = small.network.with_device(Some(device.clone()));
    (Case { network, ..small }, device)
}

/// Versions of the picture in which one row is black.
struct Rows(usize);

impl Variants for Rows {
    fn count(&self) -> usize {
        self.0
    }

    fn rectangle(&self, index: usize) -> Option<Rectangle> {
        Some(Rectangle {
            rows: index..index + 1,
            columns: 0..28,
        })
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let mut picture = picture.to_vec();
        picture[index * 28 * 3..][..28 * 3].fill(0.0);
        Some(picture)
    }
}

/// The number of pictures: no multiple of a batch.
const COUNT: usize = 11;

fn picture(subject: &Subject, index: usize) -> Vec<f32> {
    Rows(COUNT)
        .variant(subject.picture().data(), index)
        .unwrap()
}

fn scores(case: &Case) -> Result<Vec<f32>, Error> {
    case.subject()
        .scores(&Rows(COUNT), &[Target::Class(2)], Score::Logit)
}

fn gradients(case: &Case) -> Result<Vec<f32>, Error> {
    let subject = case.subject();
    let (target, rules) = (Target::Class(2), guided_backprop());
    let ask = GradientRequest::of_picture(&subject, &target, Score::Logit, &rules);
    let mut found = Vec::new();
    let make = |index| picture(&subject, index);
    subject.gradients_of(COUNT, &make, &ask, &mut |index, result| {
        assert_eq!(index * result.gradients[0].len(), found.len());
        found.extend(result.gradients[0].data());
        Ok(())
    })?;
    Ok(found)
}

fn activations(case: &Case) -> Result<Vec<f32>, Error> {
    let subject = case.subject();
    let graph = case.network.folded();
    let nodes = [graph.find("relu2")?];
    let mut found = Vec::new();
    let make = |index| picture(&subject, index);
    subject.activations_of(COUNT, &make, (graph, &nodes), &mut |_, result| {
        found.extend(result.activations[0].data());
        found.extend(result.numbers);
        Ok(())
    })?;
    Ok(found)
}

fn outputs_from(case: &Case) -> Result<Vec<f32>, Error> {
    let subject = case.subject();
    let graph = case.network.folded();
    let at = graph.find("relu2")?;
    let values = subject.activations(graph, &[at])?.remove(0);
    let without = |channel: usize| {
        let mut values = values.data().to_vec();
        values
            .iter_mut()
            .skip(channel)
            .step_by(16)
            .for_each(|v| *v = 0.0);
        values
    };
    let mut found = Vec::new();
    subject.outputs_from((graph, at), COUNT, &without, &mut |_, numbers| {
        found.extend(numbers);
        Ok(())
    })?;
    Ok(found)
}

type Probe = fn(&Case) -> Result<Vec<f32>, Error>;

const PROBES: [(&str, Probe); 4] = [
    ("scores", scores),
    ("gradients", gradients),
    ("activations", activations),
    ("outputs", outputs_from),
];

#[test]
fn batches_that_do_not_fit_on_the_device_become_smaller() {
    for (name, probe) in PROBES {
        let expected = probe(&small()).unwrap();
        for room in [1, 2, 3] {
            let (case, device) = on_device(room);
            let error = relative_error(&probe(&case).unwrap(), &expected);
            assert!(error < 1e-5, "{name} with room for {room}: {error}");
            // The batches stay small: 11, 5, 2 and 1 pictures, and never again.
            let refused = device.refused();
            assert!((1..=3).contains(&refused), "{name}: {refused}");
        }
    }
}

#[test]
fn a_picture_that_does_not_fit_on_the_device_is_an_error() {
    let (case, _) = on_device(0);
    for (name, probe) in PROBES {
        let error = probe(&case).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Network(dvm_engine::Error::DeviceMemory { .. })
            ),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_lost_device_is_an_error() {
    let (case, device) = on_device(16);
    device.lose();
    for (name, probe) in PROBES {
        let error = probe(&case).unwrap_err();
        assert!(
            matches!(error, Error::Network(dvm_engine::Error::Device { .. })),
            "{name}: {error}"
        );
    }
}

#[test]
fn methods_give_the_same_maps_on_a_small_device() {
    let (case, device) = on_device(2);
    for (method, options) in [
        ("gradient", &[][..]),
        ("occlusion", &[("window", "8"), ("stride", "4")]),
        ("grad-cam", &[]),
        ("rise", &[("masks", "40")]),
    ] {
        let expected = small().map_of(1, method, options);
        let found = case.map_of(1, method, options);
        let error = relative_error(&found.map, &expected.map);
        assert!(error < 1e-4, "{method}: {error}");
    }
    assert!(device.refused() > 0);
}

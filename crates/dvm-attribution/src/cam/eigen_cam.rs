//! Eigen-CAM.

use dvm_engine::Output;
use dvm_options::{OptionSpec, Takes};

use super::augmentation::{augmentations, mean};
use super::first_component::{first_component, largest_positive};
use super::layer::{CamLayers, by_channel};
use super::{AUGMENT, RawMap, Shared, attribution};
use crate::options::LAYER;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, Subject, Target};

/// Whether the mean of every channel is subtracted.
const CENTRE: OptionSpec = OptionSpec {
    name: "centre",
    takes: Takes::Flag,
    default: "true",
    help: "subtract the mean of every channel before the first component is computed \
           (pytorch-grad-cam does, the paper does not)",
};

const OPTIONS: &[OptionSpec] = &[LAYER, AUGMENT, CENTRE];

/// The projection of the activations on their first principal component. It does not depend on the class.
pub const EIGEN_CAM: MethodEntry = MethodEntry {
    name: "eigen-cam",
    title: "Eigen-CAM",
    summary: "the first principal component of the activations: the strongest pattern of the \
              layer; the same for every class",
    reference: Reference {
        authors: "Muhammad, Yeasin",
        year: 2020,
        title: "Eigen-CAM: Class Activation Map using Principal Components",
        published: Published::Arxiv("2008.00299"),
    },
    family: Family::Cam,
    cost: "1 pass forward",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| {
        Ok(Box::new(EigenCam {
            shared: Shared::new(options)?,
            centre: options.plain(&CENTRE)?,
        }))
    },
};

struct EigenCam {
    shared: Shared,
    centre: bool,
}

impl EigenCam {
    /// The raw map of each layer.
    fn maps(&self, subject: &Subject, cam_layers: &CamLayers) -> Result<Vec<RawMap>, Error> {
        let augmentations = augmentations(self.shared.augment);
        let mut of_layers: Vec<Vec<RawMap>> = vec![Vec::new(); cam_layers.maps.len()];
        let nodes = cam_layers.nodes();
        let make = |index: usize| augmentations[index].of(subject);
        let at = (cam_layers.graph, &nodes[..]);
        subject.activations_of(augmentations.len(), &make, at, &mut |_, reading| {
            let layers = cam_layers.maps.iter().zip(&reading.activations);
            for ((map, value), maps) in layers.zip(&mut of_layers) {
                let values = by_channel(map, value);
                let component = first_component(&values, map.channels, self.centre);
                let values = largest_positive(component).into_iter().map(|v| v as f32);
                maps.push(RawMap {
                    size: (map.layout.rows, map.layout.columns),
                    values: values.collect(),
                });
            }
            Ok(())
        })?;
        Ok(of_layers
            .into_iter()
            .map(|maps| mean(augmentations, maps))
            .collect())
    }
}

impl Method for EigenCam {
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        // The map is the same for each class, but the class must exist.
        Target::check_all(targets, Output::classes(subject.numbers()?.len()))?;
        let cam_layers = self.shared.layers.find(subject)?;
        let maps = self.maps(subject, &cam_layers)?;
        Ok(Box::new(move |target| {
            let names = ("Eigen-CAM", "first component", "none");
            let mut own = attribution(subject, target, names, &cam_layers, maps.clone())?;
            let what = "Eigen-CAM does not depend on the class: its map is the same for every one";
            own.warnings.push(what.into());
            Ok(own)
        }))
    }
}

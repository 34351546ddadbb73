//! Ablation-CAM.

use dvm_engine::{Output, Tensor};

use super::layer::{CamLayers, active_channels, by_channel, without_channel};
use super::{RawMap, SMOOTH, Shared, attribution, weighted};
use crate::options::{LAYER, SCORE};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::target::place;
use crate::{Error, Method, Observation, Subject, Target};

/// Every channel weighted by the drop of the score when the channel is set to 0: `(y − y without c) / |y|`.
///
/// The paper and pytorch-grad-cam divide by `y`: for a negative score, this flips every sign. In layers with negative
/// values pytorch-grad-cam sets channels to −10⁷; dvm sets them to 0, as in the paper.
pub const ABLATION_CAM: MethodEntry = MethodEntry {
    name: "ablation-cam",
    title: "Ablation-CAM",
    summary: "channels weighted by how much the class's score falls without them",
    reference: Reference {
        authors: "Desai, Ramaswamy",
        year: 2020,
        title: "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization",
        published: Published::Doi("10.1109/WACV45572.2020.9093360"),
    },
    family: Family::Cam,
    cost: "1 pass forward, and per channel 1 from the layer on, for all classes together",
    networks: super::NETWORKS,
    options: &[LAYER, SCORE, SMOOTH],
    presets: &[],
    build: |options| {
        Ok(Box::new(AblationCam {
            shared: Shared::new(options)?,
        }))
    },
};

struct AblationCam {
    shared: Shared,
}

/// The results of one target.
struct OfTarget {
    maps: Vec<RawMap>,
    /// Whether the score is 0, so that drops are absolute.
    is_absolute: bool,
}

impl AblationCam {
    fn find(
        &self,
        subject: &Subject,
        cam_layers: &CamLayers,
        targets: &[Target],
    ) -> Result<Vec<OfTarget>, Error> {
        Target::check_all(targets, Output::classes(subject.numbers()?.len()))?;
        let new = |_: &Target| OfTarget {
            maps: Vec::new(),
            is_absolute: false,
        };
        let mut of_targets: Vec<OfTarget> = targets.iter().map(new).collect();
        let values = subject.activations(cam_layers.graph, &cam_layers.nodes())?;
        for (layer, value) in values.iter().enumerate() {
            self.add_layer(
                subject,
                (cam_layers, layer),
                value,
                (targets, &mut of_targets),
            )?;
        }
        Ok(of_targets)
    }

    /// Adds the raw map of one layer for each target.
    fn add_layer(
        &self,
        subject: &Subject,
        (cam_layers, layer): (&CamLayers, usize),
        value: &Tensor,
        (targets, of_targets): (&[Target], &mut [OfTarget]),
    ) -> Result<(), Error> {
        let map = &cam_layers.maps[layer];
        let values = by_channel(map, value);
        // The unchanged value comes first. Channels that are 0 anyway are skipped.
        let active = active_channels(map, value);
        let make = |index: usize| match index {
            0 => value.data().to_vec(),
            _ => without_channel(map, value, active[index - 1]),
        };
        subject.allow_scores(active.len() + 1, targets.len())?;
        let mut scores = Vec::with_capacity((active.len() + 1) * targets.len());
        let at = (cam_layers.graph, map.node);
        subject.outputs_from(at, active.len() + 1, &make, &mut |index, numbers| {
            for target in targets {
                scores.push(target.score(self.shared.score, subject.output(), numbers)?);
            }
            subject.progress(index + 1, active.len() + 1);
            Ok(())
        })?;
        for (target, own) in of_targets.iter_mut().enumerate() {
            let score = |variant: usize| f64::from(scores[variant * targets.len() + target]);
            let whole = score(0);
            own.is_absolute |= whole == 0.0;
            let scale = if whole == 0.0 { 1.0 } else { whole.abs() };
            let mut weights = vec![0.0; map.channels];
            for (index, &channel) in active.iter().enumerate() {
                weights[channel] = (whole - score(index + 1)) / scale;
            }
            let shares = weighted(&values, &weights);
            own.maps.push(RawMap {
                size: (map.layout.rows, map.layout.columns),
                values: self.shared.reduction().of(&shares, map.channels),
            });
        }
        Ok(())
    }
}

impl Method for AblationCam {
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let cam_layers = self.shared.layers.find(subject)?;
        let found = self.find(subject, &cam_layers, targets)?;
        let outputs = subject.numbers()?.len();
        Ok(Box::new(move |target| {
            let own = &found[place(targets, target)];
            let score = self.shared.score.name(subject.output(), outputs);
            let names = ("Ablation-CAM", "channels × relative drop", score);
            let mut attribution =
                attribution(subject, target, names, &cam_layers, own.maps.clone())?;
            if own.is_absolute {
                let warning =
                    format!("the {score} is 0, so drops are absolute instead of relative");
                attribution.warnings.push(warning);
            }
            Ok(attribution)
        }))
    }
}

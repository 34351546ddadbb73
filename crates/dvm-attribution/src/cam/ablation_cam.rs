//! Ablation-CAM.

use dvm_engine::Output;

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
#[derive(Clone, Default)]
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
        let mut of_targets = vec![OfTarget::default(); targets.len()];
        let values = subject.activations(cam_layers.graph, &cam_layers.nodes())?;
        for (map, value) in cam_layers.maps.iter().zip(&values) {
            // The unchanged value comes first. Channels that are 0 anyway are skipped.
            let active = active_channels(map, value);
            let count = active.len() + 1;
            let make = |index: usize| match index {
                0 => value.data().to_vec(),
                _ => without_channel(map, value, active[index - 1]),
            };
            subject.allow_scores(count, targets.len())?;
            let mut scores = Vec::with_capacity(count * targets.len());
            let at = (cam_layers.graph, map.node);
            subject.outputs_from(at, count, &make, &mut |index, numbers| {
                for target in targets {
                    scores.push(target.score(self.shared.score, subject.output(), numbers)?);
                }
                subject.progress(index + 1, count);
                Ok(())
            })?;
            let activations = by_channel(map, value);
            for (target, own) in of_targets.iter_mut().enumerate() {
                let score = |variant: usize| f64::from(scores[variant * targets.len() + target]);
                let whole = score(0);
                own.is_absolute |= whole == 0.0;
                let scale = if whole == 0.0 { 1.0 } else { whole.abs() };
                let mut weights = vec![0.0; map.channels];
                for (index, &channel) in active.iter().enumerate() {
                    weights[channel] = (whole - score(index + 1)) / scale;
                }
                let shares = weighted(&activations, &weights);
                own.maps.push(RawMap {
                    size: (map.layout.rows, map.layout.columns),
                    values: self.shared.reduction().of(&shares, map.channels),
                });
            }
        }
        Ok(of_targets)
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

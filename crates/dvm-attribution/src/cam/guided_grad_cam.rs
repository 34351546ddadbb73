//! Guided Grad-CAM.

use dvm_engine::rules::{Composite, guided_backprop};
use dvm_options::{OptionSpec, Takes};

use super::grad_cam::{GRAD_CAM, shares};
use super::gradient_cam::GradientCam;
use super::layer::CamLayers;
use crate::gradient::{self, CHANNELS, note_rules, rectifier_warnings};
use crate::options::{LAYER, SCORE};
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry};
use crate::upsample::Upsampling;
use crate::{
    Attribution, Error, Method, Observation, OptionReader, SettingError, Subject, Target, Walks,
};

/// How the map of the layer is upsampled.
const UPSAMPLING: OptionSpec = OptionSpec {
    name: "upsampling",
    takes: Takes::OneOf(Upsampling::WORDS),
    default: "bilinear",
    help: "how the map of the layer is upsampled to the size of the picture; Captum's default is nearest",
};

const OPTIONS: &[OptionSpec] = &[LAYER, SCORE, CHANNELS, UPSAMPLING];

/// Guided backprop times the positive part of Grad-CAM, upsampled to the size of the picture.
pub const GUIDED_GRAD_CAM: MethodEntry = MethodEntry {
    name: "guided-grad-cam",
    title: "guided Grad-CAM",
    summary: "guided backprop times Grad-CAM: fine detail, limited to the class",
    reference: GRAD_CAM.reference,
    family: Family::Cam,
    cost: "1 pass forward, 2 back",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| Ok(Box::new(GuidedGradCam::new(options)?)),
};

struct GuidedGradCam {
    cam: GradientCam,
    gradient: gradient::Shared,
    upsampling: Upsampling,
    composite: Composite,
}

impl GuidedGradCam {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let composite = guided_backprop();
        note_rules(&composite, options);
        Ok(Self {
            cam: GradientCam::new(("Grad-CAM", "weighted channels"), shares, options)?,
            gradient: gradient::Shared::new(options)?,
            upsampling: options.word(&UPSAMPLING)?,
            composite,
        })
    }

    fn attribution(
        &self,
        subject: &Subject,
        cam_layers: &CamLayers,
        target: &Target,
    ) -> Result<Attribution, Error> {
        let maps = self.cam.maps(subject, cam_layers, target)?;
        let size = subject.size();
        let mut positive = vec![0.0f64; size.0 * size.1];
        for map in &maps {
            let own: Vec<f32> = map.values.iter().map(|v| v.max(0.0)).collect();
            let upsampled = self.upsampling.of(&own, map.size, size);
            for (sum, v) in positive.iter_mut().zip(upsampled) {
                *sum += f64::from(v) / maps.len() as f64;
            }
        }
        let score = self.gradient.score;
        let ask = GradientRequest::of_picture(subject, target, score, &self.composite);
        let answer = subject.gradients(&ask)?;
        let guided = answer.gradients[0].to_nchw();
        let planes = guided.chunks_exact(positive.len());
        let products = planes.flat_map(|plane| {
            let pairs = plane.iter().zip(&positive);
            pairs.map(|(&g, &p)| (f64::from(g) * p) as f32)
        });
        let names = ("guided Grad-CAM", "guided gradient × Grad-CAM");
        let values = products.collect();
        let mut attribution = self.gradient.attribution(subject, target, names, values)?;
        attribution.quantity += &format!(" at {}", cam_layers.names());
        attribution.arrays.extend(super::arrays(maps, CAMS));
        let warnings = rectifier_warnings(ask.graph);
        attribution.warnings.splice(0..0, warnings);
        Ok(attribution)
    }
}

/// Names of the raw maps of the layers.
const CAMS: [&str; super::MOST] = [
    "cam", "cam2", "cam3", "cam4", "cam5", "cam6", "cam7", "cam8",
];

impl Method for GuidedGradCam {
    fn walks(&self) -> Walks {
        Walks::BACKWARD
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let cam_layers = self.cam.shared.layers.find(subject)?;
        // Kept until all maps are made, so that all use one forward pass.
        let forward = subject.forward()?;
        Ok(Box::new(move |target| {
            let _held = &forward;
            self.attribution(subject, &cam_layers, target)
        }))
    }
}

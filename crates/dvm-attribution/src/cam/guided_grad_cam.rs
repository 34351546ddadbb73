//! Guided Grad-CAM.

use dvm_engine::rules::{Composite, guided_backprop};
use dvm_options::{OptionSpec, Takes};
use serde_json::{Map, Value};

use super::Shared;
use super::grad_cam::shares;
use super::gradient_cam::GradientCam;
use super::layer::CamLayers;
use crate::gradient::{self, CHANNELS, rectifier_warnings};
use crate::options::{LAYER, SCORE};
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::upsample::Upsampling;
use crate::{
    Array, Attribution, Error, Method, Observation, SettingError, Settings, Subject, Target, Walks,
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
    reference: Reference {
        authors: "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra",
        year: 2016,
        title: "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
        published: Published::Arxiv("1610.02391"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 2 back",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |settings| Ok(Box::new(GuidedGradCam::new(settings)?)),
};

struct GuidedGradCam {
    cam: GradientCam,
    gradient: gradient::Shared,
    upsampling: Upsampling,
    composite: Composite,
}

impl GuidedGradCam {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        // Only the options that it has.
        let mut own = Settings::new();
        for option in [LAYER, SCORE] {
            own = own.with(option.name, option.text(settings));
        }
        Ok(Self {
            cam: GradientCam::new(("Grad-CAM", "weighted channels"), shares, &own)?,
            gradient: gradient::Shared::new(settings)?,
            upsampling: UPSAMPLING.of(settings)?,
            composite: guided_backprop(),
        })
    }

    fn shared(&self) -> &Shared {
        &self.cam.shared
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
            for (sum, v) in positive
                .iter_mut()
                .zip(self.upsampling.of(&own, map.size, size))
            {
                *sum += f64::from(v) / maps.len() as f64;
            }
        }
        let graph = subject.network().folded();
        let answer = subject.gradients(&GradientRequest {
            target,
            score: self.shared().score,
            composite: &self.composite,
            graph,
            nodes: &[graph.input()],
        })?;
        let guided = answer.gradients[0].to_nchw();
        let planes = guided.chunks_exact(positive.len());
        let products = planes.flat_map(|plane| {
            let pairs = plane.iter().zip(&positive);
            pairs.map(|(&g, &p)| (f64::from(g) * p) as f32)
        });
        let names = ("guided Grad-CAM", "guided gradient × Grad-CAM");
        let values = products.collect();
        let mut attribution = self.gradient.attribution(subject, target, names, values)?;
        let layers: Vec<&str> = (0..maps.len())
            .map(|index| cam_layers.name(index))
            .collect();
        attribution.quantity += &format!(" at {}", layers.join(", "));
        let cams = maps.into_iter().zip(CAMS);
        attribution.arrays.extend(
            cams.map(|(map, name)| Array::new(name, &[map.size.0, map.size.1], map.values)),
        );
        attribution.warnings.splice(0..0, rectifier_warnings(graph));
        Ok(attribution)
    }
}

/// Names of the raw maps of the layers.
const CAMS: [&str; super::MOST] = [
    "cam", "cam2", "cam3", "cam4", "cam5", "cam6", "cam7", "cam8",
];

impl Method for GuidedGradCam {
    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = self.shared().parameters(OPTIONS);
        parameters.extend(self.gradient.parameters());
        parameters.insert(UPSAMPLING.name.into(), self.upsampling.word().into());
        let rules = gradient::rules_of(&self.composite);
        parameters.insert("rules".into(), rules.into());
        parameters
    }

    fn walks(&self) -> Walks {
        Walks {
            backward: true,
            ..Walks::default()
        }
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let cam_layers = self.shared().layers.find(subject)?;
        // Kept until all maps are made, so that all use one forward pass.
        let forward = subject.forward()?;
        Ok(Box::new(move |target| {
            let _held = &forward;
            self.attribution(subject, &cam_layers, target)
        }))
    }
}

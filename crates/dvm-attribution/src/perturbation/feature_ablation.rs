//! Feature ablation: covers one segment at a time.

use dvm_engine::incremental::Rectangle;

use super::coalitions::{Divided, Explained, OverSegments};
use super::segments::SEGMENTS;
use crate::gradient::deconvnet::DECONVNET;
use crate::options::{BASELINE, SCORE, SEED};
use crate::probe::Variants;
use crate::registry::{Family, MethodEntry};
use crate::{Error, Method, Observation, Subject, Target, Walks};

/// The drop of the score when a segment is covered.
pub const FEATURE_ABLATION: MethodEntry = MethodEntry {
    name: "feature-ablation",
    title: "feature ablation",
    summary: "drop of the class's score when one segment of the picture is covered, for each segment",
    reference: DECONVNET.reference,
    family: Family::Perturbation,
    cost: "one partial forward pass per segment",
    networks: "all",
    options: &[SEGMENTS, BASELINE, SEED, SCORE],
    presets: &[],
    build: |options| {
        Ok(Box::new(FeatureAblation {
            over: OverSegments::new(options, &SCORE)?,
        }))
    },
};

struct FeatureAblation {
    over: OverSegments,
}

/// The picture with one segment covered.
struct Without<'a> {
    divided: &'a Divided,
    rectangles: Vec<Rectangle>,
}

impl Variants for Without<'_> {
    fn count(&self) -> usize {
        self.rectangles.len()
    }

    fn rectangle(&self, index: usize) -> Option<Rectangle> {
        Some(self.rectangles[index].clone())
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let Divided { segments, baseline } = self.divided;
        let Rectangle { rows, columns } = &self.rectangles[index];
        let channels = picture.len() / segments.labels.len();
        let mut values = picture.to_vec();
        for y in rows.clone() {
            for pixel in y * segments.size.1 + columns.start..y * segments.size.1 + columns.end {
                if segments.labels[pixel] as usize == index {
                    let at = pixel * channels..(pixel + 1) * channels;
                    values[at.clone()].copy_from_slice(&baseline[at]);
                }
            }
        }
        (values != picture).then_some(values)
    }
}

impl Method for FeatureAblation {
    fn shares_walks(&self) -> bool {
        true
    }

    fn walks(&self) -> Walks {
        Walks::CHANGES
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let divided = self.over.divided(subject)?;
        let without = Without {
            divided: &divided,
            rectangles: divided.segments.rectangles(),
        };
        let segments = divided.segments.clone();
        let explain = |scores: &[f64], whole: f64| {
            Ok(Explained {
                title: "feature ablation",
                quantity: "drop in",
                values: scores.iter().map(|score| whole - score).collect(),
                checks: Vec::new(),
            })
        };
        self.over
            .observed(subject, targets, (segments, &without), explain)
    }
}

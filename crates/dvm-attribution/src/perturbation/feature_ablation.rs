//! Feature ablation: covers one segment at a time.

use dvm_engine::incremental::Rectangle;
use serde_json::{Map, Value};

use super::coalitions::{Divided, OverSegments, of_target};
use super::segments::SEGMENTS;
use crate::options::{BASELINE, SCORE, SEED};
use crate::probe::Variants;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, Subject, Target, Walks};

/// The drop of the score when a segment is covered.
pub const FEATURE_ABLATION: MethodEntry = MethodEntry {
    name: "feature-ablation",
    title: "feature ablation",
    summary: "drop of the class's score when one segment of the picture is covered, for each segment",
    reference: Reference {
        authors: "Zeiler, Fergus",
        year: 2013,
        title: "Visualizing and Understanding Convolutional Networks",
        published: Published::Arxiv("1311.2901"),
    },
    family: Family::Perturbation,
    cost: "one partial forward pass per segment",
    networks: "all",
    options: &[SEGMENTS, BASELINE, SEED, SCORE],
    presets: &[],
    build: |settings| {
        Ok(Box::new(FeatureAblation {
            over: OverSegments::new(settings, &SCORE)?,
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

    fn parameters(&self) -> Map<String, Value> {
        self.over.parameters()
    }

    fn walks(&self) -> Walks {
        Walks {
            changes: true,
            ..Walks::default()
        }
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
        let scores = subject.scores(&without, targets, self.over.score)?;
        let numbers = subject.numbers()?;
        let segments = divided.segments;
        Ok(Box::new(move |target| {
            let whole = f64::from(target.score(self.over.score, subject.output(), &numbers)?);
            let covered = of_target(&scores, targets, target).into_iter();
            let values: Vec<f64> = covered.map(|score| whole - score).collect();
            let names = ("feature ablation", "drop in");
            self.over
                .attribution(subject, target, names, &segments, &values)
        }))
    }
}

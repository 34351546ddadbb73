//! A table with a line for each picture, as CSV (RFC 4180).

use super::super::mean_maps::energies;
use super::super::{PARTS, Survey, SurveyedPicture};
use crate::training::report::row;

impl Survey {
    /// A line for each picture: file, classes, probability, cluster (from 1, as its contact sheet), shares of the
    /// relevance, and findings. Unknown values are empty.
    pub(super) fn table(&self, classes: &[String]) -> String {
        let mut head: Vec<String> = [
            "path",
            "slice",
            "label",
            "predicted",
            "probability",
            "explained",
            "counts for",
            "cluster",
        ]
        .map(String::from)
        .into();
        head.extend(PARTS.map(|(name, _)| name.to_owned()));
        let flags = [
            "outlier score",
            "outlier",
            "share at finding",
            "right for the wrong reason",
        ];
        head.extend(flags.map(String::from));
        let mut table = row(head.into_iter());
        for picture in &self.pictures {
            table += &row(cells(picture, classes).into_iter());
        }
        table
    }
}

fn cells(picture: &SurveyedPicture, classes: &[String]) -> Vec<String> {
    let number = |number: f64| format!("{number:.6}");
    let optional = |cell: Option<String>| cell.unwrap_or_default();
    let mut cells = vec![
        picture.path.display().to_string(),
        optional(picture.slice.map(|slice| slice.to_string())),
        optional(picture.label.map(|label| classes[label].clone())),
        classes[picture.predicted].clone(),
        number(picture.probability.into()),
        classes[picture.explained].clone(),
        classes[picture.counts_for].clone(),
        optional(picture.cluster.map(|cluster| (cluster + 1).to_string())),
    ];
    match &picture.cells {
        Some(map) => cells.extend(energies(map).map(number)),
        None => cells.extend(PARTS.map(|_| String::new())),
    }
    cells.push(number(picture.outlier));
    cells.push(picture.is_outlier.to_string());
    cells.push(optional(picture.at_finding.map(number)));
    cells.push(picture.is_for_wrong_reason.to_string());
    cells
}

//! The figures of a survey: mean maps and contact sheets of clusters.

use dvm_image::{Grid, HeatMap, Interpolation, Picture, resize, short_percent as percent};
use dvm_render::{
    ColourMap, Heading, Page, Panel, Scale, contact_sheet, figure, heat_picture, overlay_grey,
};

use super::super::{ClassSurvey, Finding, GRID, MeanMap, Survey, SurveyPicture, SurveyedPicture};
use crate::Classifier;
use crate::numbers::pictures as counted;

/// Longer side of a drawn mean map, in pixels.
const DRAWN: usize = 448;

/// Longer side of a picture on a contact sheet, in pixels.
const ON_SHEET: usize = 160;

/// Pictures side by side on a contact sheet.
const COLUMNS: usize = 4;

/// Opacity of a map over its grey picture.
const OPACITY: f32 = 0.45;

/// Colour of the frame around the place of a finding.
const FRAME: [u8; 3] = [0, 255, 255];

/// Rows and columns of a picture of this shape whose longer side is given.
fn sides((height, width): (usize, usize), longer: usize) -> (usize, usize) {
    let side = |length: usize| (length * longer / height.max(width)).max(1);
    (side(height), side(width))
}

/// A map `[rows, columns]` at `[H, W]`, smooth between the centres of its cells.
fn smooth(values: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let map = HeatMap::new(Grid::pixels(from.0, from.1), values.to_vec());
    let centres = |from: usize, to: usize| -> Vec<f64> {
        (0..to)
            .map(|i| (i as f64 + 0.5) * from as f64 / to as f64)
            .collect()
    };
    map.smooth_at(&centres(from.0, to.0), &centres(from.1, to.1))
}

/// The mean picture and the values and scale of the mean map, at this size. The scale is that of the class's own
/// values.
fn drawn(mean: &MeanMap, size: (usize, usize)) -> (Picture, Vec<f32>, Scale) {
    let picture = resize(&mean.picture, size.0, size.1, Interpolation::Bilinear);
    let values = smooth(&mean.map, mean.size, size);
    let scale = Scale::sequential(&values, ColourMap::Inferno, 100.0);
    (picture, values, scale)
}

impl Survey {
    /// The mean picture of a class, the mean map with its colour bar, and the map over the picture with frames around
    /// the places of confirmed findings; `None` if no map has positive relevance.
    pub fn mean_figure(&self, class: &ClassSurvey) -> Option<Page> {
        let mean = class.mean.as_ref()?;
        let size = sides(self.crop, DRAWN);
        let (picture, values, scale) = drawn(mean, size);
        let mut over = overlay_grey(&picture, &values, &scale, OPACITY);
        let framed = self.confirmed().filter(|f| f.class == class.class);
        let framed = framed.map(|finding| frame(&mut over, finding)).count();
        let panel = |title: &str, picture: Picture, bar: Option<&Scale>| Panel {
            bar: bar.cloned(),
            bar_label: bar.map(|_| "relevance, 1 = uniform map".into()),
            pixel_axes: self.crop,
            ..Panel::new(title, picture)
        };
        let heat = heat_picture(&values, size.0, size.1, &scale);
        let mut panels = [
            panel("mean picture", picture, None),
            panel("mean map", heat, Some(&scale)),
            panel("map over picture", over, Some(&scale)),
        ];
        panels[2].note = (framed > 0).then(|| "framed: the place of the warning".into());
        let heading = Heading {
            title: class.name.replace('_', " "),
            facts: vec![counted(class.pictures - class.empty), self.method.into()],
            origin: Vec::new(),
        };
        Some(figure(Some(heading), &panels))
    }

    /// A sheet with the mean maps of all classes over their mean pictures; `None` if no map has positive relevance.
    pub fn mean_maps_sheet(&self) -> Option<Picture> {
        let one = |class: &ClassSurvey| {
            let mean = class.mean.as_ref()?;
            let size = sides(self.crop, ON_SHEET);
            let (picture, values, scale) = drawn(mean, size);
            let mut over = overlay_grey(&picture, &values, &scale, OPACITY);
            let own = self.confirmed().filter(|f| f.class == class.class);
            own.for_each(|finding| frame(&mut over, finding));
            let maps = class.pictures - class.empty;
            Some((over, format!("{} ({maps})", class.name)))
        };
        let pictures: Vec<_> = self.classes.iter().filter_map(one).collect();
        (!pictures.is_empty()).then(|| contact_sheet(&pictures, COLUMNS + 1))
    }
}

/// Draws a frame around the place of a finding.
fn frame(picture: &mut Picture, finding: &Finding) {
    const LINE: usize = 2;
    let size = (picture.height(), picture.width());
    let place = finding.place.pixels(size);
    for y in place.rows.clone() {
        for x in place.columns.clone() {
            let near = |at: usize, range: &std::ops::Range<usize>| {
                at < range.start + LINE || at + LINE >= range.end
            };
            if near(y, &place.rows) || near(x, &place.columns) {
                picture.set_pixel(y, x, FRAME);
            }
        }
    }
}

/// A sheet with pictures of a cluster and their maps. A picture that can no longer be read is left out.
pub(super) fn cluster_sheet(
    classifier: &Classifier,
    given: &[SurveyPicture],
    survey: &Survey,
    members: &[usize],
) -> Picture {
    let one = |index: &usize| {
        let surveyed = &survey.pictures[*index];
        let source = &given[surveyed.position].source;
        let picture = source.read(&classifier.reading()).ok()?;
        let input = classifier.prepare(picture).ok()?;
        let crop = input.crop();
        let size = sides((crop.height(), crop.width()), ON_SHEET);
        let small = resize(crop, size.0, size.1, Interpolation::Bilinear);
        let cells = surveyed.cells.as_ref()?;
        let values = smooth(cells, (GRID, GRID), size);
        let scale = Scale::sequential(&values, ColourMap::Inferno, 100.0);
        let over = overlay_grey(&small, &values, &scale, OPACITY);
        Some((over, caption(surveyed, classifier.classes())))
    };
    let pictures: Vec<_> = members.iter().filter_map(one).collect();
    contact_sheet(&pictures, COLUMNS)
}

/// The text under a picture: the probability, and the true class if the prediction is wrong.
fn caption(picture: &SurveyedPicture, classes: &[String]) -> String {
    let name = picture
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let sure = percent(picture.probability.into());
    match picture.label {
        Some(label) if label != picture.predicted => {
            format!("{sure} (is {}) {name}", classes[label])
        }
        _ => format!("{sure} {name}"),
    }
}

//! One method's map.

use dvm::metrics::Curve;
use dvm::{Array, Attribution, Checked, Explanation, Neutral, Scale, ValueKind};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Detail, Packed};

/// A map with its details.
#[derive(Clone, Debug, Serialize)]
pub struct MapView {
    /// The name of the method.
    pub method: String,
    title: String,
    quantity: String,
    nature: &'static str,
    values: Packed,
    smooth: Option<Packed>,
    scale: ScaleView,
    segments: Option<Packed>,
    cells: Option<CellsView>,
    checks: Vec<CheckView>,
    own: Vec<OwnCheck>,
    parameters: Map<String, Value>,
    reference: String,
    seconds: f64,
}

/// The scale, as in figures.
#[derive(Clone, Debug, Serialize)]
pub struct ScaleView {
    low: f32,
    high: f32,
    colours: &'static str,
    neutral: &'static str,
}

/// The scores of the classes for each covered window.
#[derive(Clone, Debug, Serialize)]
pub struct CellsView {
    rows: Vec<usize>,
    columns: Vec<usize>,
    score: &'static str,
    classes: Vec<Whole>,
    values: Packed,
}

/// A class's score without a covered window.
#[derive(Clone, Debug, Serialize)]
struct Whole {
    index: usize,
    name: String,
    whole: f32,
}

/// The result of a metric.
#[derive(Clone, Debug, Serialize)]
pub struct CheckView {
    metric: &'static str,
    title: &'static str,
    line: String,
    value: Option<f64>,
    error: Option<String>,
    finding: Option<String>,
    figures: Vec<Figure>,
    curves: Vec<CurveView>,
}

#[derive(Clone, Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
}

#[derive(Clone, Debug, Serialize)]
struct CurveView {
    name: &'static str,
    across: &'static str,
    up: &'static str,
    points: Vec<(f64, f64)>,
}

/// A check that the method makes itself.
#[derive(Clone, Debug, Serialize)]
struct OwnCheck {
    name: &'static str,
    value: f64,
    meaning: String,
}

/// The maps of an explanation with this record.
pub fn maps(explanation: &Explanation, record: &Value, detail: Detail) -> Vec<MapView> {
    let checked: Vec<&[Checked]> = explanation.checked().map(|(_, checked)| checked).collect();
    let maps = explanation.maps().zip(checked).enumerate();
    maps.map(|(index, ((method, attribution), checked))| {
        let recorded = &record["methods"][index];
        let scale = explanation.scale(method).expect("it has this map");
        let (height, width) = attribution.size;
        let pack = |values: &[f32]| Packed::new(&[height, width], values, detail.bits());
        MapView {
            method: method.to_owned(),
            title: attribution.title.clone(),
            quantity: attribution.quantity.clone(),
            nature: match attribution.value_kind {
                ValueKind::Positive => "magnitude",
                ValueKind::Signed => "signed",
                ValueKind::ScoreIfHidden => "level",
                ValueKind::ScoreIfShown => "support",
            },
            values: pack(&attribution.map),
            smooth: attribution.smooth.as_deref().map(pack),
            scale: ScaleView::of(&scale),
            segments: segments(attribution),
            cells: CellsView::of(explanation, attribution, detail),
            checks: checked.iter().map(CheckView::of).collect(),
            own: own(attribution),
            parameters: recorded["parameters"]
                .as_object()
                .cloned()
                .unwrap_or_default(),
            reference: recorded["reference"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            seconds: recorded["seconds"].as_f64().unwrap_or_default(),
        }
    })
    .collect()
}

/// The segments of the picture, if the method has them and their number fits the codes.
fn segments(attribution: &Attribution) -> Option<Packed> {
    let segments = attribution.array(Array::SEGMENTS)?;
    let fits = segments.values.iter().all(|&label| label < 65534.0);
    fits.then(|| Packed::whole(&segments.shape, &segments.values))
}

fn own(attribution: &Attribution) -> Vec<OwnCheck> {
    let checks = attribution.checks.iter();
    checks
        .map(|check| OwnCheck {
            name: check.name,
            value: check.value,
            meaning: check.meaning.clone(),
        })
        .collect()
}

impl ScaleView {
    fn of(scale: &Scale) -> Self {
        Self {
            low: scale.low(),
            high: scale.high(),
            colours: scale.map().name(),
            neutral: match scale.neutral() {
                Neutral::Low => "low",
                Neutral::Middle => "middle",
                Neutral::High => "high",
            },
        }
    }
}

impl CellsView {
    fn of(explanation: &Explanation, attribution: &Attribution, detail: Detail) -> Option<Self> {
        let array = attribution.raw();
        let (&[classes, rows, columns], Some(cells)) = (&array.shape[..], &array.cells) else {
            return None;
        };
        if explanation.unit().is_some() {
            // These scores are activations of a layer, not scores of classes.
            return None;
        }
        let prediction = explanation.prediction();
        let scores = match attribution.score {
            "probability" => prediction.probabilities.clone(),
            "log-probability" => prediction.probabilities.iter().map(|p| p.ln()).collect(),
            _ => prediction.logits.clone(),
        };
        let mut chosen: Vec<usize> = prediction
            .top(detail.classes())
            .iter()
            .map(|ranked| ranked.index)
            .collect();
        for (class, _) in explanation.target().weights() {
            if !chosen.contains(&class) {
                chosen.push(class);
            }
        }
        chosen.retain(|&class| class < classes.min(scores.len()));
        let size = rows * columns;
        let of_class = |&class: &usize| &array.values[class * size..][..size];
        let values: Vec<f32> = chosen.iter().flat_map(of_class).copied().collect();
        let whole = |&index: &usize| Whole {
            index,
            name: explanation.class_named(index).to_owned(),
            whole: scores[index],
        };
        Some(Self {
            rows: cells.rows.clone(),
            columns: cells.columns.clone(),
            score: attribution.score,
            classes: chosen.iter().map(whole).collect(),
            values: Packed::new(&[chosen.len(), rows, columns], &values, 16),
        })
    }
}

impl CheckView {
    fn of(checked: &Checked) -> Self {
        let found = checked.found.as_ref();
        let curve = |curve: &Curve| CurveView {
            name: curve.name,
            across: curve.across,
            up: curve.up,
            points: curve.points.clone(),
        };
        let figures = found.map(|found| &found.figures[..]).unwrap_or_default();
        let curves = found.map(|found| &found.curves[..]).unwrap_or_default();
        Self {
            metric: checked.entry.name,
            title: checked.entry.title,
            line: checked.long_line(),
            value: found.ok().map(|found| found.value),
            error: found.err().cloned(),
            finding: found.ok().and_then(|found| found.finding.clone()),
            figures: figures
                .iter()
                .map(|figure| Figure {
                    name: figure.name.clone(),
                    value: figure.value,
                })
                .collect(),
            curves: curves.iter().map(curve).collect(),
        }
    }
}

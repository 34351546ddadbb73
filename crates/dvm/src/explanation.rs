//! The explanation of one class of one picture: maps, figure, record, files.

mod saving;

use std::ops::Range;
use std::sync::Arc;

use dvm_attribution::registry::Entry;
use dvm_attribution::{Attribution, Target};
use dvm_data::formats::Study;
use dvm_engine::Arithmetic;
use dvm_image::{Input, Picture};
use dvm_render::{ColourMap, Heading, Page, Scale, font_warning};
use serde::Serialize;
use serde_json::{Value, json};

use crate::checks::Checked;
use crate::drawing::{self, FigureFormat, OverlayStyle};
use crate::files::{FileKind, range};
use crate::gradient_check::GradientRecord;
use crate::{Caption, Classifier, Explain, Prediction, Unit};

/// What all explanations of one picture share.
pub(crate) struct Explained {
    input: Arc<Input>,
    prediction: Prediction,
    names: Vec<String>,
    model: Value,
    gradient: GradientRecord,
    /// What is to be known of the network.
    warnings: Vec<String>,
    /// What is to be known of the picture.
    picture_warnings: Vec<String>,
    /// What is to be known of the picture's crop; one of `picture_warnings`.
    crop_warning: Option<String>,
    model_name: String,
    /// The channel that is explained in the place of a class, with its value.
    unit: Option<(Unit, f32)>,
    overlay: OverlayStyle,
    colours: Option<ColourMap>,
    figures: Vec<FigureFormat>,
    files: Vec<FileKind>,
}

impl Explained {
    pub(crate) fn new(
        classifier: &Classifier,
        input: Arc<Input>,
        prediction: Prediction,
        options: &Explain,
        gradient: GradientRecord,
    ) -> Self {
        let name = classifier.name();
        let original = input.original();
        let cut_off = (!original.is_whole()).then(|| CUT_OFF.to_owned());
        let crop_warning = input.placement().warning();
        let picture_warnings = cut_off
            .into_iter()
            .chain(original.notes())
            .chain(crop_warning.clone())
            .collect();
        Self {
            picture_warnings,
            crop_warning,
            input,
            names: classifier.classes().to_vec(),
            model: json!({
                "architecture": name,
                "weights": classifier.weights_file(),
                "weights_sha256": classifier.weights_sha256(),
                "weights_source": classifier.weights_source(),
                "weights_licence": classifier.weights_licence(),
                "weights_part": classifier.weights_part(),
                "classes": classifier.classes().len(),
                "output": {
                    "meaning": classifier.network().output().word(),
                    "numbers": prediction.outputs.len(),
                    "assumed": classifier.assumed_output().is_some(),
                },
                "arithmetic": arithmetic(classifier),
                "preprocess": written(classifier.preprocess()),
            }),
            gradient,
            model_name: name.to_owned(),
            warnings: classifier
                .warnings()
                .chain(prediction.doubt.clone())
                .collect(),
            prediction,
            unit: None,
            overlay: options.overlay,
            colours: options.colours,
            figures: options.figures.clone(),
            files: options.files.clone(),
        }
    }
}

impl Explained {
    /// The same for a channel of a layer that has this value.
    pub(crate) fn of_unit(self, unit: Unit, value: f32) -> Self {
        Self {
            unit: Some((unit, value)),
            ..self
        }
    }
}

/// One method's map, with how it was made.
#[derive(Clone)]
pub(crate) struct Map {
    pub entry: &'static Entry,
    pub parameters: serde_json::Map<String, Value>,
    pub attribution: Attribution,
    pub seconds: f64,
    /// How it was tested.
    pub checked: Vec<Checked>,
}

impl Map {
    /// What a reader of it must know, by the method and by the checks.
    fn warnings(&self) -> impl Iterator<Item = String> {
        let own = self.attribution.warnings.iter().cloned();
        own.chain(self.checked.iter().filter_map(Checked::warning))
    }
}

/// What the network looked at for one class of one picture.
#[derive(Clone)]
pub struct Explanation {
    explained: Arc<Explained>,
    target: Target,
    maps: Vec<Map>,
    /// Of a picture from a DICOM file, its study and its number in the file, from 1.
    study: Option<(Arc<Study>, usize)>,
    caption: Caption,
    /// What a reader of the figure's text must know.
    font_warning: Option<String>,
}

/// What is said of a picture whose file ends before it does.
pub const CUT_OFF: &str = "the file ends before its picture does: what is missing is grey";

impl Explanation {
    pub(crate) fn new(explained: Arc<Explained>, target: Target, maps: Vec<Map>) -> Self {
        explained.gradient.keep();
        Self {
            explained,
            target,
            maps,
            study: None,
            caption: Caption::default(),
            font_warning: None,
        }
        .with_caption(Caption::default())
    }

    /// The same of a picture from a DICOM file, the frame `number` of it, from 1: overlays are saved as
    /// DICOM files of its study, too ([`Study::secondary_capture`]).
    #[must_use]
    pub fn with_study(self, study: Arc<Study>, number: usize) -> Self {
        Self {
            study: Some((study, number)),
            ..self
        }
    }

    /// The same, with where the picture came from: its figure and record show it.
    #[must_use]
    pub fn with_caption(mut self, caption: Caption) -> Self {
        let title = self.title();
        let texts = [
            Some(title.as_str()),
            caption.file.as_deref(),
            caption.true_class.as_deref(),
        ];
        self.font_warning = font_warning(texts.into_iter().flatten());
        self.caption = caption;
        self
    }

    /// What is explained.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Index of the class; of a difference, of the class that is explained against the other; where a channel
    /// of a layer is explained, of the most probable class.
    pub fn class(&self) -> usize {
        match &self.explained.unit {
            Some(_) => self.explained.prediction.top(1)[0].index,
            None => self.target.class(),
        }
    }

    /// The channel of a layer that is explained in the place of a class.
    pub fn unit(&self) -> Option<&Unit> {
        self.explained.unit.as_ref().map(|(unit, _)| unit)
    }

    /// What is explained, as a title: the class, or `tabby against tiger cat`.
    pub fn title(&self) -> String {
        if let Some((unit, _)) = &self.explained.unit {
            return unit.to_string();
        }
        let name = |class: usize| self.explained.names[class].replace('_', " ");
        match &self.target {
            Target::Class(class) => name(*class),
            Target::Difference(class, other) => {
                format!("{} against {}", name(*class), name(*other))
            }
            Target::Sum(classes) => {
                let names: Vec<String> = classes.iter().map(|&class| name(class)).collect();
                names.join(" + ")
            }
        }
    }

    /// Name of the class.
    pub fn class_name(&self) -> &str {
        &self.explained.names[self.class()]
    }

    /// Name of the class of this index.
    ///
    /// # Panics
    /// If the network has no such class.
    pub fn class_named(&self, index: usize) -> &str {
        &self.explained.names[index]
    }

    /// Probability of the class, 0 … 1.
    pub fn probability(&self) -> f32 {
        self.explained.prediction.probabilities[self.class()]
    }

    /// The score of what is explained, for people: the probability of the class, or the channel's value.
    pub fn score(&self) -> String {
        match &self.explained.unit {
            Some((_, value)) => format!("activation {value:.4}"),
            None => percent(self.probability()),
        }
    }

    /// What the network says of the picture.
    pub fn prediction(&self) -> &Prediction {
        &self.explained.prediction
    }

    /// The pixels that the network saw.
    pub fn crop(&self) -> &Picture {
        self.explained.input.crop()
    }

    /// The whole picture, of which the network saw the crop.
    pub fn original(&self) -> &Picture {
        self.explained.input.original()
    }

    /// What the checks found of each map, by the method's name.
    pub fn checked(&self) -> impl Iterator<Item = (&'static str, &[Checked])> {
        self.maps
            .iter()
            .map(|map| (map.entry.name, &map.checked[..]))
    }

    /// The maps, by the method's name.
    pub fn maps(&self) -> impl Iterator<Item = (&'static str, &Attribution)> {
        self.maps
            .iter()
            .map(|map| (map.entry.name, &map.attribution))
    }

    /// How much of the picture the network does not see, if it sees less than half of it; one of
    /// [`Explanation::warnings`].
    pub fn crop_warning(&self) -> Option<&str> {
        self.explained.crop_warning.as_deref()
    }

    /// What readers of the maps must know, and who says so: `picture`, `network`, `figure` or a method.
    pub fn warnings(&self) -> impl Iterator<Item = (&'static str, String)> {
        let of_picture = self.explained.picture_warnings.iter();
        let of_picture = of_picture.map(|warning| ("picture", warning.clone()));
        let of_network = self.explained.warnings.iter();
        let of_network = of_network.map(|warning| ("network", warning.clone()));
        let of_figure = self.font_warning.iter();
        let of_figure = of_figure.map(|warning| ("figure", warning.clone()));
        of_picture
            .chain(of_network)
            .chain(of_figure)
            .chain(self.maps.iter().flat_map(|map| {
                let name = map.entry.name;
                map.warnings().map(move |warning| (name, warning))
            }))
    }

    /// The crop and all maps side by side, titled, with the class and its probability.
    pub fn figure(&self) -> Picture {
        self.page().picture()
    }

    /// As [`Explanation::figure`], as a page that can be had as pixels, SVG or PDF.
    pub fn page(&self) -> Page {
        self.figure_with(None)
    }

    /// As [`Explanation::figure`], with each map over the crop.
    pub fn overlay_figure(&self) -> Picture {
        self.figure_with(Some(self.explained.overlay)).picture()
    }

    /// The scale and colours that the map of a method is drawn with; `None` if there is none of that name.
    pub fn scale(&self, method: &str) -> Option<Scale> {
        let map = self.map_of(method)?;
        Some(drawing::scale(&map.attribution, self.explained.colours))
    }

    /// The map of a method over the crop without a colour bar: pixels as large as the crop's. `None` if there is
    /// none of that name.
    pub fn overlaid(&self, method: &str) -> Option<Picture> {
        let map = self.map_of(method)?;
        let (style, colours) = (self.explained.overlay, self.explained.colours);
        Some(drawing::overlaid(
            &map.attribution,
            self.crop(),
            style,
            colours,
        ))
    }

    /// Where the picture came from.
    pub fn caption(&self) -> &Caption {
        &self.caption
    }

    /// This explanation with the maps of another one of the same picture and target behind its own.
    ///
    /// # Panics
    /// If the other is of another target, or not of the same number of pixels.
    #[must_use]
    pub fn with_maps_of(mut self, other: Self) -> Self {
        assert_eq!(self.target, other.target, "explanations of one target");
        let size = |explanation: &Self| {
            let crop = explanation.crop();
            (crop.height(), crop.width())
        };
        assert_eq!(size(&self), size(&other), "explanations of one picture");
        self.maps.extend(other.maps);
        self
    }

    /// The map of a method in colours, as saved in `<method>.png`; `None` if there is none of that name.
    pub fn map_picture(&self, method: &str) -> Option<Picture> {
        let map = self.map_of(method)?;
        Some(drawing::map(&map.attribution, self.explained.colours))
    }

    /// The map of a method over the crop, as saved in `<method>.overlay.png`; `None` if there is none of that
    /// name.
    pub fn overlay(&self, method: &str) -> Option<Picture> {
        let map = self.map_of(method)?;
        let (style, colours) = (self.explained.overlay, self.explained.colours);
        Some(drawing::overlay(
            &map.attribution,
            self.crop(),
            style,
            colours,
        ))
    }

    fn map_of(&self, method: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.entry.name == method)
    }

    fn figure_with(&self, overlaid: Option<OverlayStyle>) -> Page {
        let heading = Heading {
            title: self.title(),
            facts: vec![self.score(), self.explained.model_name.clone()],
            origin: self.caption.parts(),
        };
        let attributions: Vec<&Attribution> = self.maps.iter().map(|m| &m.attribution).collect();
        let checked: Vec<&[Checked]> = self.maps.iter().map(|map| &map.checked[..]).collect();
        drawing::figure(
            heading,
            &self.explained.input,
            (&attributions, &checked),
            overlaid,
            self.explained.colours,
        )
    }

    /// The record of how the maps were made, as saved in `explanation.json`. Only its `seconds`
    /// differ from run to run.
    pub fn record(&self) -> Value {
        let prediction = &self.explained.prediction;
        let methods: Vec<Value> = self
            .maps
            .iter()
            .map(|map| {
                let attribution = &map.attribution;
                let (least, largest) = range(&attribution.map);
                let reference = &map.entry.reference;
                json!({
                    "name": map.entry.name,
                    "reference": format!(
                        "{} {}, {}, {}",
                        reference.authors, reference.year, reference.title, reference.published
                    ),
                    "parameters": map.parameters,
                    "score": attribution.score,
                    "quantity": attribution.quantity,
                    "map": {
                        "shape": attribution.size,
                        "min": written(least),
                        "max": written(largest),
                    },
                    "arrays": attribution
                        .arrays
                        .iter()
                        .map(|array| json!({ "name": array.name, "shape": array.shape }))
                        .collect::<Vec<_>>(),
                    "checks": attribution
                        .checks
                        .iter()
                        .map(|check| {
                            json!({
                                "name": check.name,
                                "value": check.value,
                                "meaning": check.meaning,
                            })
                        })
                        .collect::<Vec<_>>(),
                    "metrics": map.checked.iter().map(Checked::record).collect::<Vec<_>>(),
                    "warnings": map.warnings().collect::<Vec<_>>(),
                    "seconds": map.seconds,
                })
            })
            .collect();
        let mut model = self.explained.model.clone();
        model["gradient_check"] = self.explained.gradient.record();
        let placement = self.explained.input.placement();
        let (rows, columns) = placement.shown();
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let span = |span: Range<f64>| [round(span.start), round(span.end)];
        json!({
            "dvm": env!("CARGO_PKG_VERSION"),
            "image": {
                "width": self.explained.input.original().width(),
                "height": self.explained.input.original().height(),
                "resized": self.explained.input.resized(),
                "whole": self.explained.input.original().is_whole(),
                "crop_origin": placement.origin(),
                "crop_on_image": { "rows": span(rows), "columns": span(columns) },
                "shown": round(placement.shown_share()),
                "warnings": self.explained.picture_warnings,
                "values": self.explained.input.original().levels().map(|levels| json!({
                    "least": levels.least,
                    "largest": levels.largest,
                    "black": levels.black,
                    "white": levels.white,
                })),
                "true_class": self.caption.true_class,
                "true_class_by_folder": self.caption.by_folder,
            },
            "model": model,
            "warnings": self.explained.warnings,
            "target": match &self.target {
                _ if self.explained.unit.is_some() => json!(self.explained.unit.as_ref().map(|(unit, value)| {
                    json!({
                        "layer": unit.layer,
                        "channel": unit.channel,
                        "place": unit.place,
                        "activation": written(value),
                    })
                })),
                Target::Class(class) => json!({ "class": class }),
                Target::Difference(class, other) => json!({ "class": class, "against": other }),
                Target::Sum(classes) => json!({ "sum": classes }),
            },
            "class": {
                "index": self.class(),
                "name": self.class_name(),
                "probability": written(self.probability()),
            },
            "baseline": {
                "probability": written(self.probability()),
                prediction.output.logit_name(prediction.outputs.len()): written(prediction.logits[self.class()]),
            },
            "top": written(prediction.top(5)),
            "methods": methods,
            "seconds": self.maps.iter().map(|m| m.seconds).sum::<f64>(),
        })
    }
}

/// Which kernels computed the network, for the record.
pub(crate) fn arithmetic(classifier: &Classifier) -> &'static str {
    match classifier.network().graph().arithmetic() {
        Arithmetic::Fast => "fast",
        Arithmetic::Exact => "exact",
    }
}

/// A value as JSON writes it. `json!` would widen each f32 to the f64 nearest to it, and 0.485 would
/// be recorded as 0.48500001430511475.
pub(crate) fn written(value: impl Serialize) -> Value {
    let text = serde_json::to_string(&value).expect("plain data");
    serde_json::from_str(&text).expect("it was just written")
}

/// A probability for people: `96.2 %`, `0.013 %`, `4.1e-7 %`.
pub fn percent(probability: f32) -> String {
    let percent = 100.0 * f64::from(probability);
    if percent >= 0.1 || percent == 0.0 {
        format!("{percent:.1} %")
    } else if percent >= 1e-4 {
        // Two digits that count, wherever they begin.
        let decimals = 1 - percent.log10().floor() as i32;
        format!("{percent:.*} %", decimals as usize)
    } else {
        format!("{percent:.1e} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_written_for_people() {
        let written = [1.0, 0.95093, 0.001, 0.00013, 0.000_004_1, 4.1e-9, 0.0].map(percent);
        let expected = [
            "100.0 %",
            "95.1 %",
            "0.1 %",
            "0.013 %",
            "0.00041 %",
            "4.1e-7 %",
            "0.0 %",
        ];
        assert_eq!(written, expected);
    }
}

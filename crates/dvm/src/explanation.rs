//! The explanation of one class of one picture: maps, figure, record and files.

mod saving;

use std::ops::Range;
use std::sync::Arc;

use dvm_attribution::registry::MethodEntry;
use dvm_attribution::{Attribution, Target};
use dvm_data::formats::Study;
use dvm_engine::Arithmetic;
use dvm_image::{Input, Picture, percent};
use dvm_render::{ColourMap, Heading, Page, Scale, font_warning};
use serde::Serialize;
use serde_json::{Value, json};

use crate::checks::{Checked, cited};
use crate::drawing::{self, FigureFormat, OverlayStyle};
use crate::files::{FileKind, range};
use crate::gradient_check::GradientRecord;
use crate::{Caption, Classifier, Explain, Prediction, Unit};

/// The data that all explanations of one picture share.
pub(crate) struct Explained {
    input: Arc<Input>,
    prediction: Prediction,
    names: Vec<String>,
    model: Value,
    gradient: GradientRecord,
    /// Warnings about the network.
    warnings: Vec<String>,
    /// Warnings about the picture.
    picture_warnings: Vec<String>,
    /// The warning about the crop, which is one of `picture_warnings`.
    crop_warning: Option<String>,
    model_name: String,
    /// The channel that is explained instead of a class, with its value.
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
        let mut model = model(classifier, &prediction);
        if let Some(device) = classifier.device() {
            model["device"] = device.into();
        }
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
            model,
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
    /// Sets the channel that is explained, with its value.
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
    pub entry: &'static MethodEntry,
    pub parameters: serde_json::Map<String, Value>,
    pub attribution: Attribution,
    pub seconds: f64,
    /// Results of its checks.
    pub checked: Vec<Checked>,
}

impl Map {
    /// Warnings by the method and by the checks.
    fn warnings(&self) -> impl Iterator<Item = String> {
        let own = self.attribution.warnings.iter().cloned();
        own.chain(self.checked.iter().filter_map(Checked::warning))
    }
}

/// The explanation of one class of one picture: all its maps, with the record.
#[derive(Clone)]
pub struct Explanation {
    explained: Arc<Explained>,
    target: Target,
    maps: Vec<Map>,
    /// The study of a picture from a DICOM file, and the number of the frame, from 1.
    study: Option<(Arc<Study>, usize)>,
    caption: Caption,
    /// Warnings about the text of the figure.
    font_warning: Option<String>,
    /// The warning about what the device could not compute.
    device_warning: Option<String>,
}

/// The warning for a truncated picture file.
pub const CUT_OFF: &str = "the picture file is truncated; the missing part is grey";

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
            device_warning: None,
        }
        .with_caption(Caption::default())
    }

    /// Sets the warning about what the device could not compute.
    pub(crate) fn with_device_warning(self, device_warning: Option<String>) -> Self {
        Self {
            device_warning,
            ..self
        }
    }

    /// Sets the study of a picture from a DICOM file and the number of its frame, from 1. Overlays are then
    /// also saved as DICOM files of the study ([`Study::secondary_capture`]).
    #[must_use]
    pub fn with_study(self, study: Arc<Study>, number: usize) -> Self {
        Self {
            study: Some((study, number)),
            ..self
        }
    }

    /// Sets the caption, which the figure and the record show.
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

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The index of the class. For a difference, that of the first class; if a channel of a layer is explained,
    /// that of the most probable class.
    pub fn class(&self) -> usize {
        match &self.explained.unit {
            Some(_) => self.explained.prediction.top(1)[0].index,
            None => self.target.class(),
        }
    }

    /// The channel of a layer that is explained instead of a class.
    pub fn unit(&self) -> Option<&Unit> {
        self.explained.unit.as_ref().map(|(unit, _)| unit)
    }

    /// The target as a title: the class, or `tabby against tiger cat`.
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

    /// The score as text: the probability of the class, or the value of the channel.
    pub fn score(&self) -> String {
        match &self.explained.unit {
            Some((_, value)) => format!("activation {value:.4}"),
            None => percent(self.probability()),
        }
    }

    /// The prediction of the network.
    pub fn prediction(&self) -> &Prediction {
        &self.explained.prediction
    }

    /// The crop: the pixels of the input.
    pub fn crop(&self) -> &Picture {
        self.explained.input.crop()
    }

    /// The whole picture.
    pub fn original(&self) -> &Picture {
        self.explained.input.original()
    }

    /// The results of the checks of each map, by the method's name.
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

    /// The warning that the crop is less than half of the picture; one of [`Explanation::warnings`].
    pub fn crop_warning(&self) -> Option<&str> {
        self.explained.crop_warning.as_deref()
    }

    /// The warnings, each with its subject: `picture`, `network`, `device`, `figure` or the name of a
    /// method.
    pub fn warnings(&self) -> impl Iterator<Item = (&'static str, String)> {
        let of_picture = self.explained.picture_warnings.iter();
        let of_picture = of_picture.map(|warning| ("picture", warning.clone()));
        let of_network = self.explained.warnings.iter();
        let of_network = of_network.map(|warning| ("network", warning.clone()));
        let of_device = self.device_warning.iter();
        let of_device = of_device.map(|warning| ("device", warning.clone()));
        let of_figure = self.font_warning.iter();
        let of_figure = of_figure.map(|warning| ("figure", warning.clone()));
        of_picture
            .chain(of_network)
            .chain(of_device)
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

    /// As [`Explanation::figure`], as a page that can be written as pixels, SVG or PDF.
    pub fn page(&self) -> Page {
        self.figure_with(None)
    }

    /// As [`Explanation::figure`], with each map over the crop.
    pub fn overlay_figure(&self) -> Picture {
        self.figure_with(Some(self.explained.overlay)).picture()
    }

    /// The scale and colours of the map of a method; `None` if there is no map of that name.
    pub fn scale(&self, method: &str) -> Option<Scale> {
        let map = self.map_of(method)?;
        Some(drawing::scale(&map.attribution, self.explained.colours))
    }

    /// The map of a method over the crop, of the size of the crop, without a colour bar. `None` if there is no
    /// map of that name.
    pub fn overlaid(&self, method: &str) -> Option<Picture> {
        let map = &self.map_of(method)?.attribution;
        let (style, colours) = (self.explained.overlay, self.explained.colours);
        Some(drawing::overlaid(map, self.crop(), style, colours))
    }

    /// The caption: file and true class.
    pub fn caption(&self) -> &Caption {
        &self.caption
    }

    /// Appends the maps of another explanation of the same picture and target.
    ///
    /// # Panics
    /// If the other has another target or another size.
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

    /// The map of a method in colours, as in `<method>.png`; `None` if there is no map of that name.
    pub fn map_picture(&self, method: &str) -> Option<Picture> {
        let map = self.map_of(method)?;
        Some(drawing::map(&map.attribution, self.explained.colours))
    }

    /// The map of a method over the crop, as in `<method>.overlay.png`; `None` if there is no map of that name.
    pub fn overlay(&self, method: &str) -> Option<Picture> {
        let map = &self.map_of(method)?.attribution;
        let (style, colours) = (self.explained.overlay, self.explained.colours);
        Some(drawing::overlay(map, self.crop(), style, colours))
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

    /// The record of how the maps were made, as in `explanation.json`. Only its `seconds` differ between runs.
    pub fn record(&self) -> Value {
        let prediction = &self.explained.prediction;
        let methods: Vec<Value> = self
            .maps
            .iter()
            .map(|map| {
                let attribution = &map.attribution;
                let (least, largest) = range(&attribution.map);
                json!({
                    "name": map.entry.name,
                    "reference": cited(&map.entry.reference),
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
            "warnings": self.explained.warnings.iter().chain(&self.device_warning).collect::<Vec<_>>(),
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

/// The network, for the record.
fn model(classifier: &Classifier, prediction: &Prediction) -> Value {
    json!({
        "architecture": classifier.name(),
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
    })
}

/// The arithmetic of the network, for the record.
pub(crate) fn arithmetic(classifier: &Classifier) -> &'static str {
    match classifier.network().graph().arithmetic() {
        Arithmetic::Fast => "fast",
        Arithmetic::Exact => "exact",
    }
}

/// A value as JSON. `json!` would convert f32 to f64, and 0.485 would become 0.48500001430511475.
pub(crate) fn written(value: impl Serialize) -> Value {
    let text = serde_json::to_string(&value).expect("plain data");
    serde_json::from_str(&text).expect("it was just written")
}

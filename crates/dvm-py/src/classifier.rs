//! A network with its classes and preprocessing.

use std::path::PathBuf;
use std::sync::Arc;

use dvm::engine::{Arithmetic, Graph, Keep, Mode, Output, Tensor};
use dvm::regions::Regions;
use dvm::{
    Caption, Checks, ClassChoice, ColourMap, DeviceChoice, Explain, FigureFormat, Objects, Opening,
    OverlayStyle, Settings, Unit,
};
use numpy::{
    IntoPyArray, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray4, PyReadonlyArrayDyn,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::explanation::Explanation;
use crate::picture::{Origin, PythonPicture};
use crate::{failure, work};

/// A network with its classes and preprocessing.
#[pyclass(frozen, module = "dvm._dvm")]
pub struct Classifier {
    inner: Arc<dvm::Classifier>,
    /// Why the device `auto` is the CPU.
    device_fallback: Option<String>,
}

/// A class as given in Python: an index, or a name (or `top`, `all`, `top:5`).
#[derive(FromPyObject)]
enum Class {
    Index(usize),
    Name(String),
}

impl From<Class> for ClassChoice {
    fn from(class: Class) -> Self {
        match class {
            Class::Index(index) => Self::Index(index),
            Class::Name(name) => {
                let parsed: Result<Self, std::convert::Infallible> = name.parse();
                parsed.unwrap_or_else(|never| match never {})
            }
        }
    }
}

/// A class with its probability, 0 to 1: index, name, probability.
type Ranked = (usize, String, f32);

/// Classes with their probabilities, most probable first, and the logits, one per class.
type Classified = (Vec<Ranked>, Vec<f32>);

/// A layer: its name, its kind, the shape of its value for one picture, and whether it has a feature map.
type Layer = (String, &'static str, Vec<usize>, bool);

/// Opens a network by name, or from a file.
#[pyfunction]
#[pyo3(signature = (model, *, weights=None, classes=None, part=None, size=None, preprocess=None, output=None, exact=false,
    device="cpu"))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub fn load(
    py: Python<'_>,
    model: String,
    weights: Option<PathBuf>,
    classes: Option<Vec<String>>,
    part: Option<String>,
    size: Option<(usize, usize)>,
    preprocess: Option<String>,
    output: Option<String>,
    exact: bool,
    device: &str,
) -> PyResult<Classifier> {
    let choice = device.parse::<DeviceChoice>();
    let choice = choice.map_err(|why| failure::option(py, "device", device, why))?;
    let output = match output.as_deref() {
        None => None,
        // As on the command line, `labels` are logits or probabilities, as the network computes them.
        Some("labels") => Some(Output::LabelLogits),
        Some(word) => {
            let parsed = word.parse::<Output>();
            Some(parsed.map_err(|why| failure::option(py, "output", word, &why))?)
        }
    };
    let (classifier, device_fallback) = work::run(py, None, |_| {
        let opening = Opening {
            size,
            part: part.as_deref(),
        };
        let mut classifier = dvm::Classifier::open_with(&model, weights.as_deref(), &opening)?;
        if let Some(names) = classes {
            classifier = classifier.with_classes(names)?;
        }
        if let Some(output) = output {
            classifier = classifier.with_output(output)?;
        }
        if let Some(text) = preprocess {
            let (preprocess, known) = match text.trim_start().starts_with('{') {
                true => dvm::parse_preprocess(&text, classifier.preprocess())?,
                false => dvm::read_preprocess(&text, classifier.preprocess())?,
            };
            classifier = classifier.with_known_preprocess(preprocess, known)?;
        }
        let arithmetic = match exact {
            true => Arithmetic::Exact,
            false => Arithmetic::Fast,
        };
        let opened = choice.open(arithmetic)?;
        let classifier = classifier.keeping_gradient_checks();
        let classifier = classifier.with_arithmetic(arithmetic);
        Ok((classifier.with_device(opened.device)?, opened.fallback))
    })?;
    Ok(Classifier {
        inner: Arc::new(classifier),
        device_fallback,
    })
}

/// Names of classes from a file, in the order of their indices.
#[pyfunction]
pub fn read_class_names(py: Python<'_>, path: PathBuf) -> PyResult<Vec<String>> {
    dvm::read_class_names(&path).map_err(|error| failure::exception(py, &error))
}

/// Largest difference, relative to the largest value, of values that are equal within rounding.
const SAME: f32 = 1e-3;

#[pymethods]
impl Classifier {
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.inner.classes().to_vec()
    }

    /// Channels, rows and columns of the input.
    #[getter]
    fn input_shape(&self) -> (usize, usize, usize) {
        let preprocess = self.inner.preprocess();
        let (height, width) = preprocess.crop;
        (preprocess.channels.count(), height, width)
    }

    /// What the network's outputs mean: `logits`, `probabilities`, …
    #[getter]
    fn output(&self) -> &'static str {
        self.inner.network().output().word()
    }

    /// The name of the device that computes the network; `None` for the CPU.
    #[getter]
    fn device(&self) -> Option<&str> {
        self.inner.device()
    }

    /// Why the device `auto` is the CPU.
    #[getter]
    fn device_fallback(&self) -> Option<&str> {
        self.device_fallback.as_deref()
    }

    /// The preprocessing, as JSON.
    #[getter]
    fn preprocess(&self) -> String {
        serde_json::to_string(self.inner.preprocess()).expect("it is plain data")
    }

    #[getter]
    fn weights_file(&self) -> &str {
        self.inner.weights_file()
    }

    #[getter]
    fn weights_sha256(&self) -> &str {
        self.inner.weights_sha256()
    }

    /// What was assumed about the network, and other things to know about it.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.inner.warnings().collect()
    }

    #[getter]
    fn notes(&self) -> Vec<String> {
        self.inner.notes().to_vec()
    }

    /// All layers in the order of computation.
    fn layers(&self, py: Python<'_>) -> PyResult<Vec<Layer>> {
        let graph = self.inner.network().graph();
        let shape = self.shape();
        let listed = listed(graph, &shape);
        listed.map_err(|error| failure::exception(py, &error.into()))
    }

    /// The default layer of class activation maps.
    fn usual_layer(&self) -> Option<String> {
        let graph = self.inner.network().folded();
        let usual = dvm::usual_layer(graph, &self.shape()).ok()?;
        Some(graph.node(usual.node).name.clone())
    }

    /// The network's outputs `[N, K]` for prepared pictures `[N, C, H, W]`.
    fn numbers<'py>(
        &self,
        py: Python<'py>,
        values: PyReadonlyArray4<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let shape = values.shape().to_vec();
        let pictures = values.as_slice()?;
        let graph = self.inner.network().fused();
        let numbers = work::run(py, None, |_| {
            if shape.contains(&0) {
                return Err(dvm::Error::Usage("the batch has no pictures".into()));
            }
            Ok(graph.logits(&Tensor::from_nchw(&shape, pictures))?)
        })?;
        let classes = numbers.data().len() / shape[0];
        let numbers = numbers.data().to_vec().into_pyarray(py);
        numbers.reshape([shape[0], classes])
    }

    /// The first layer with this value, of any shape, for the prepared picture `[1, C, H, W]`;
    /// `None` if there is none.
    fn find_value(
        &self,
        py: Python<'_>,
        values: PyReadonlyArray4<'_, f32>,
        value: PyReadonlyArrayDyn<'_, f32>,
    ) -> PyResult<Option<String>> {
        let shape = values.shape().to_vec();
        let pictures = values.as_slice()?;
        let (wanted_shape, wanted) = (value.shape().to_vec(), value.as_slice()?);
        let graph = self.inner.network().graph();
        work::run(py, None, |_| {
            let picture = Tensor::from_nchw(&shape, pictures);
            let activations = graph.forward(&picture, Mode::Inference, Keep::All)?;
            let largest = wanted.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let is_same = |found: &Tensor| {
                let values = found.to_nchw();
                let mut both = values.iter().zip(wanted);
                both.all(|(a, b)| (a - b).abs() <= SAME * largest)
            };
            for id in graph.ids().skip(1) {
                let found = activations.get(id);
                let Some(found) = found.filter(|found| found.shape() == wanted_shape) else {
                    continue;
                };
                found.read()?;
                if is_same(found) {
                    return Ok(Some(graph.node(id).name.clone()));
                }
            }
            Ok(None)
        })
    }

    /// The value of a layer for prepared pictures `[N, C, H, W]`; feature maps have their channels first.
    fn activation<'py>(
        &self,
        py: Python<'py>,
        values: PyReadonlyArray4<'py, f32>,
        layer: &str,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let shape = values.shape().to_vec();
        let pictures = values.as_slice()?;
        let graph = self.inner.network().graph();
        let (shape, found) = work::run(py, None, |_| {
            let node = graph.find(layer)?;
            let pictures = Tensor::from_nchw(&shape, pictures);
            let activations = graph.forward(&pictures, Mode::Inference, Keep::Nodes(&[node]))?;
            let found = activations.get(node).expect("it was requested");
            Ok((found.shape().to_vec(), found.to_nchw()))
        })?;
        found.into_pyarray(py).reshape(&shape[..])
    }

    /// The classes of a picture, as the network predicts them.
    #[pyo3(signature = (picture, slice=None))]
    fn classify(
        &self,
        py: Python<'_>,
        picture: &Bound<'_, PyAny>,
        slice: Option<usize>,
    ) -> PyResult<Classified> {
        let given = PythonPicture::of(picture, slice)?;
        let prediction = work::run(py, None, |_| {
            let input = given.into_input(&self.inner)?;
            self.inner.classify(&input)
        })?;
        let ranked = prediction.top(prediction.logits.len()).iter();
        let ranked = ranked.map(|r| (r.index, r.name.clone(), r.probability));
        Ok((ranked.collect(), prediction.logits.clone()))
    }

    /// Explains one picture: one explanation for each class.
    #[pyo3(signature = (picture, *, methods, settings, classes, against=None, unit=None, checks="", regions=None,
        slice=None, true_class=None, memory=1 << 30, incremental=true, overlay="grey", colours=None, figures=None,
        progress=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn explain(
        &self,
        py: Python<'_>,
        picture: &Bound<'_, PyAny>,
        methods: &str,
        settings: Vec<(String, String)>,
        classes: Vec<Class>,
        against: Option<Class>,
        unit: Option<&str>,
        checks: &str,
        regions: Option<PathBuf>,
        slice: Option<usize>,
        true_class: Option<Class>,
        memory: usize,
        incremental: bool,
        overlay: &str,
        colours: Option<&str>,
        figures: Option<Vec<String>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Vec<Explanation>> {
        let fail = |error: dvm::Error| failure::exception(py, &error);
        let given = PythonPicture::of(picture, slice)?;
        let settings = settings
            .into_iter()
            .fold(Settings::new(), |all, (name, value)| all.with(&name, value));
        let (of_methods, of_metrics) = Checks::split(&settings);
        let mut explain = Explain::with_settings(methods, &of_methods).map_err(fail)?;
        explain.checks = Checks::with_settings(checks, &of_metrics).map_err(fail)?;
        explain.classes = classes.into_iter().map(Into::into).collect();
        explain.against = against.map(Into::into);
        if let Some(unit) = unit {
            let parsed: Result<Unit, &str> = unit.parse();
            let parsed = parsed.map_err(|why| failure::option(py, "unit", unit, why));
            explain.unit = Some(parsed?);
        }
        explain.memory = memory;
        explain.incremental = incremental;
        explain.overlay = match overlay {
            "grey" | "gray" => OverlayStyle::Grey,
            "colour" | "color" => OverlayStyle::Colour,
            other => {
                let why = "it must be grey or colour";
                return Err(failure::option(py, "overlay", other, why));
            }
        };
        if let Some(name) = colours {
            let known = ColourMap::ALL.map(|map| map.name()).join(", ");
            let why = format!("it must be one of {known}");
            let parsed = name.parse::<ColourMap>();
            let parsed = parsed.map_err(|_| failure::option(py, "colours", name, &why));
            explain.colours = Some(parsed?);
        }
        if let Some(names) = figures {
            let why = "it must be png, svg or pdf";
            let format = |name: &String| {
                FigureFormat::named(name).ok_or_else(|| failure::option(py, "figures", name, why))
            };
            explain.figures = names.iter().map(format).collect::<PyResult<_>>()?;
        }
        let opened = regions.map(|path| Regions::open(&path).map(Arc::new));
        let regions = opened.transpose().map_err(|error| fail(error.into()))?;
        match (&regions, given.source()) {
            (Some(regions), Some(source)) => {
                explain.objects = Some(Objects {
                    regions: regions.clone(),
                    picture: source.clone(),
                });
            }
            (Some(_), None) => {
                let words =
                    "boxes and masks need the file name of the picture: give the picture's path";
                return Err(failure::usage(py, words));
            }
            (None, _) => {
                if let [metric, ..] = explain.checks.needing_regions()[..] {
                    let words = format!("{metric} needs the regions of objects: give `regions`");
                    return Err(failure::usage(py, words));
                }
            }
        }
        let true_class = match true_class {
            None => None,
            Some(class) => {
                let index = ClassChoice::from(class).resolve(self.inner.classes(), 0);
                let index = index.map_err(fail)?[0];
                Some(self.inner.classes()[index].clone())
            }
        };
        let (explained, origin) = work::run(py, progress.as_ref(), |progress| {
            let source = given.source().cloned();
            let input = given.into_input(&self.inner)?;
            let origin = source.as_ref().map(Origin::of).transpose()?.map(Arc::new);
            let mut explained = Vec::new();
            self.inner
                .explain_input(input, &explain, progress, |explanation| {
                    let file = origin.as_ref().map(|origin| origin.source.path());
                    let caption = match (&true_class, file) {
                        (Some(class), file) => {
                            Caption::labelled(file.unwrap_or("".as_ref()), class)
                        }
                        (None, Some(file)) => Caption::of_file(file, self.inner.classes()),
                        (None, None) => Caption::default(),
                    };
                    explained.push(explanation.with_caption(caption));
                    Ok::<_, dvm::Error>(())
                })?;
            Ok((explained, origin))
        })?;
        let made = explained.into_iter();
        Ok(made
            .map(|explanation| Explanation::new(explanation, origin.clone()))
            .collect())
    }
}

impl Classifier {
    fn shape(&self) -> [usize; 4] {
        let (channels, height, width) = self.input_shape();
        [1, channels, height, width]
    }
}

fn listed(graph: &Graph, shape: &[usize]) -> Result<Vec<Layer>, dvm::engine::Error> {
    let shapes = graph.shapes(shape)?;
    let maps = graph.feature_maps(shape)?;
    let nodes = graph.nodes().iter().zip(shapes).zip(maps);
    let layers = nodes.map(|((node, shape), map)| {
        let kind = node.op.kind();
        (node.name.clone(), kind, shape, map.is_some())
    });
    Ok(layers.collect())
}

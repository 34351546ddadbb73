//! The explanation of one class of one picture.

use std::path::PathBuf;
use std::sync::Arc;

use dvm::{FigureFormat, Picture, ResultFolder};
use numpy::{IntoPyArray, PyArray2, PyArray3, PyArrayDyn, PyArrayMethods};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::picture::Origin;
use crate::{failure, work};

/// The result of a metric: its name, its title, its value, and what is wrong with the map or why there is no value.
type Check = (String, String, Option<f64>, Option<String>);

/// The explanation of one class of one picture.
#[pyclass(frozen, module = "dvm._dvm")]
pub struct Explanation {
    inner: dvm::Explanation,
    /// The source of the picture, if it was a file.
    origin: Option<Arc<Origin>>,
}

impl Explanation {
    pub fn new(inner: dvm::Explanation, origin: Option<Arc<Origin>>) -> Self {
        let study = origin.as_ref().and_then(|origin| {
            let number = origin.source.slice().map_or(1, |slice| slice + 1);
            Some((origin.study.clone()?, number))
        });
        let inner = match study {
            Some((study, number)) => inner.with_study(study, number),
            None => inner,
        };
        Self { inner, origin }
    }

    fn attribution(&self, method: &str) -> PyResult<&dvm::Attribution> {
        let mut maps = self.inner.maps();
        let found = maps.find(|(name, _)| *name == method);
        found
            .map(|(_, attribution)| attribution)
            .ok_or_else(|| PyKeyError::new_err(format!("there is no map of `{method}`")))
    }

    /// Adds the source of the picture to the record.
    fn complete(&self, record: &mut serde_json::Value) {
        let Some(origin) = &self.origin else {
            return;
        };
        record["image"]["file"] = origin.source.path().display().to_string().into();
        record["image"]["sha256"] = origin.sha256.as_str().into();
        if let Some(slice) = origin.source.slice() {
            record["image"]["slice"] = slice.into();
        }
    }
}

#[pymethods]
impl Explanation {
    /// Index of the class.
    #[getter]
    fn class_index(&self) -> usize {
        self.inner.class()
    }

    #[getter]
    fn class_name(&self) -> &str {
        self.inner.class_name()
    }

    /// The title of what is explained.
    #[getter]
    fn title(&self) -> String {
        self.inner.title()
    }

    /// The probability of the class, 0 to 1.
    #[getter]
    fn probability(&self) -> f32 {
        self.inner.probability()
    }

    /// The score as text: `96.2 %`.
    #[getter]
    fn score(&self) -> String {
        self.inner.score()
    }

    /// The most probable classes: index, name, probability.
    fn top(&self, count: usize) -> Vec<(usize, String, f32)> {
        let top = self.inner.prediction().top(count).iter();
        top.map(|r| (r.index, r.name.clone(), r.probability))
            .collect()
    }

    /// The logits, one per class.
    #[getter]
    fn logits(&self) -> Vec<f32> {
        self.inner.prediction().logits.clone()
    }

    /// Warnings, each with what it is about.
    #[getter]
    fn warnings(&self) -> Vec<(String, String)> {
        let warnings = self.inner.warnings();
        warnings.map(|(who, words)| (who.into(), words)).collect()
    }

    /// Names of the methods, in the order requested.
    #[getter]
    fn methods(&self) -> Vec<&'static str> {
        self.inner.maps().map(|(name, _)| name).collect()
    }

    /// The map `[H, W]` of a method.
    fn map<'py>(&self, py: Python<'py>, method: &str) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let attribution = self.attribution(method)?;
        let (height, width) = attribution.size;
        attribution
            .map
            .clone()
            .into_pyarray(py)
            .reshape([height, width])
    }

    /// The arrays that the map was reduced from, by name.
    fn arrays<'py>(&self, py: Python<'py>, method: &str) -> PyResult<Bound<'py, PyDict>> {
        let arrays = PyDict::new(py);
        for array in &self.attribution(method)?.arrays {
            let values: Bound<'py, PyArrayDyn<f32>> = array
                .values
                .as_ref()
                .clone()
                .into_pyarray(py)
                .reshape(&array.shape[..])?;
            arrays.set_item(array.name, values)?;
        }
        Ok(arrays)
    }

    /// The properties of a method's map: title, quantity, score.
    fn about<'py>(&self, py: Python<'py>, method: &str) -> PyResult<Bound<'py, PyDict>> {
        let attribution = self.attribution(method)?;
        let about = PyDict::new(py);
        about.set_item("title", &attribution.title)?;
        about.set_item("quantity", &attribution.quantity)?;
        about.set_item("score", attribution.score)?;
        Ok(about)
    }

    /// The results of the metrics for a method's map.
    fn checks(&self, method: &str) -> PyResult<Vec<Check>> {
        self.attribution(method)?;
        let mut all = self.inner.checked();
        let (_, checked) = all
            .find(|(name, _)| *name == method)
            .expect("every method has a list");
        let checks = checked.iter().map(|checked| {
            let entry = checked.entry;
            (
                entry.name.into(),
                entry.title.into(),
                checked.value(),
                checked.warning(),
            )
        });
        Ok(checks.collect())
    }

    /// The record of how the maps were made, as JSON.
    fn record(&self) -> String {
        let mut record = self.inner.record();
        self.complete(&mut record);
        record.to_string()
    }

    /// The pixels `[H, W, 3]` of the crop.
    fn crop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        pixels(py, self.inner.crop())
    }

    /// The figure, `[H, W, 3]`.
    fn figure<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let figure = py.detach(|| self.inner.figure());
        pixels(py, &figure)
    }

    /// The figure as a file: `png`, `svg` or `pdf`.
    fn figure_file<'py>(&self, py: Python<'py>, format: &str) -> PyResult<Bound<'py, PyBytes>> {
        let format = FigureFormat::named(format).ok_or_else(|| {
            failure::value(format!(
                "the format of a figure must be png, svg or pdf, not `{format}`"
            ))
        })?;
        let bytes = py.detach(|| format.encode(&self.inner.page()));
        Ok(PyBytes::new(py, &bytes))
    }

    /// The map of a method drawn over the crop, `[H, W, 3]`.
    fn overlay<'py>(&self, py: Python<'py>, method: &str) -> PyResult<Bound<'py, PyArray3<u8>>> {
        self.attribution(method)?;
        let picture = py.detach(|| self.inner.overlay(method));
        pixels(py, &picture.expect("the method was checked"))
    }

    /// The map of a method in colours, `[H, W, 3]`.
    fn map_picture<'py>(
        &self,
        py: Python<'py>,
        method: &str,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        self.attribution(method)?;
        let picture = py.detach(|| self.inner.map_picture(method));
        pixels(py, &picture.expect("the method was checked"))
    }

    /// Writes the explanation into the folder; returns the paths of its files.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<Vec<PathBuf>> {
        work::run(py, None, |_| {
            let results = ResultFolder::begin(&folder)?;
            let files = self
                .inner
                .write(&results, None, |record| self.complete(record))?;
            results.publish()?;
            Ok(files)
        })
    }
}

/// A picture as an array `[H, W, 3]`.
fn pixels<'py>(py: Python<'py>, picture: &Picture) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let (height, width) = (picture.height(), picture.width());
    picture
        .rgb()
        .to_vec()
        .into_pyarray(py)
        .reshape([height, width, 3])
}

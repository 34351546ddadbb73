//! The lists of methods, metrics, networks and devices.

use dvm::{OptionSpec, methods as method_list, metrics as metric_list, models as model_list};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// All methods, as dictionaries.
#[pyfunction]
pub fn methods(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let entries = method_list::ALL.iter();
    entries
        .map(|entry| {
            let method = PyDict::new(py);
            method.set_item("name", entry.name)?;
            method.set_item("title", entry.title)?;
            method.set_item("summary", entry.summary)?;
            method.set_item("family", entry.family.name())?;
            method.set_item("paper", entry.reference.published.link())?;
            method.set_item("year", entry.reference.year)?;
            method.set_item("cost", entry.cost)?;
            method.set_item("networks", entry.networks)?;
            method.set_item("options", options(py, entry.options)?)?;
            let presets: Vec<&str> = entry.presets.iter().map(|preset| preset.name).collect();
            method.set_item("presets", presets)?;
            Ok(method)
        })
        .collect()
}

/// All metrics, as dictionaries.
#[pyfunction]
pub fn metrics(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let entries = metric_list::registry::ALL.iter();
    entries
        .map(|entry| {
            let metric = PyDict::new(py);
            metric.set_item("name", entry.name)?;
            metric.set_item("title", entry.title)?;
            metric.set_item("summary", entry.summary)?;
            metric.set_item("paper", entry.reference.published.link())?;
            metric.set_item("year", entry.reference.year)?;
            metric.set_item("options", options(py, entry.options)?)?;
            Ok(metric)
        })
        .collect()
}

fn options<'py>(py: Python<'py>, specs: &[OptionSpec]) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let specs = specs.iter();
    specs
        .map(|spec| {
            let option = PyDict::new(py);
            option.set_item("name", spec.name)?;
            option.set_item("takes", spec.takes.to_string())?;
            option.set_item("default", spec.default)?;
            option.set_item("help", spec.help)?;
            Ok(option)
        })
        .collect()
}

/// The CPU and the GPUs of this machine, as dictionaries.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(dvm::devices).into_iter();
    found
        .map(|info| {
            let device = PyDict::new(py);
            device.set_item("device", info.choice.to_string())?;
            device.set_item("name", info.name)?;
            device.set_item("interface", info.interface)?;
            device.set_item("processors", info.processors)?;
            device.set_item("memory", info.memory)?;
            device.set_item("is_software", info.is_software)?;
            Ok(device)
        })
        .collect()
}

/// All networks by name, as dictionaries; `at_hand` is whether weights are on this machine.
#[pyfunction]
pub fn models(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let architectures = model_list::all();
    architectures
        .map(|architecture| {
            let model = PyDict::new(py);
            model.set_item("name", architecture.name)?;
            let is_at_hand =
                architecture.embedded.is_some() || dvm::weights::fetched(architecture).is_some();
            model.set_item("at_hand", is_at_hand)?;
            Ok(model)
        })
        .collect()
}

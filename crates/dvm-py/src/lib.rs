//! The engine as a Python module, `dvm._dvm`: the base of the Python package `dvm`.
//!
//! Only code that needs the engine is here. The public interface (`dvm.load`, `Model`,
//! `Explanation`, the classes for Captum and pytorch-grad-cam) is written in Python, in
//! `python/dvm`. The GIL is released while the engine works ([`work`]).

mod classifier;
mod explanation;
mod failure;
mod picture;
mod registries;
mod work;

use std::ffi::OsString;

use pyo3::prelude::*;

/// The engine of Deep Vision Mask.
#[pymodule]
fn _dvm(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DEFAULT_MODEL", dvm::DEFAULT_MODEL)?;
    module.add("DEFAULT_METHODS", dvm::DEFAULT_METHODS)?;
    module.add_class::<classifier::Classifier>()?;
    module.add_class::<explanation::Explanation>()?;
    module.add_function(wrap_pyfunction!(classifier::load, module)?)?;
    module.add_function(wrap_pyfunction!(classifier::read_class_names, module)?)?;
    module.add_function(wrap_pyfunction!(registries::devices, module)?)?;
    module.add_function(wrap_pyfunction!(registries::methods, module)?)?;
    module.add_function(wrap_pyfunction!(registries::metrics, module)?)?;
    module.add_function(wrap_pyfunction!(registries::models, module)?)?;
    module.add_function(wrap_pyfunction!(work::set_threads, module)?)?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    Ok(())
}

/// Runs the command `dvm` with these arguments, the program's name first, and returns its exit
/// status. Ctrl-C ends the process.
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| dvm_cli::status(arguments))
}

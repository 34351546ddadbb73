//! The check of a network's gradient: its result is cached for the next run and recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use dvm_attribution::{Subject, Walks};
use dvm_engine::{GradientCheck, InstructionSet};
use dvm_fetch::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::lock::lock;
use crate::{Classifier, Error, Unit};

/// The folder in the cache with the results, one small file for each network.
const FOLDER: &str = "gradient-checks";

/// The largest file that is read, in bytes.
const LARGEST_FILE: u64 = 1 << 16;

/// Results of gradient checks, by a key of everything that they depend on.
#[derive(Default)]
pub(crate) struct KnownChecks {
    known: Mutex<BTreeMap<String, GradientCheck>>,
    /// The folder that keeps them between runs.
    folder: Option<PathBuf>,
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The key.
    of: String,
    found: GradientCheck,
}

/// The gradient check of the network for one picture. It is made when a method first needs the true gradient.
pub(crate) struct GradientRecord {
    found: Arc<OnceLock<GradientCheck>>,
    of: String,
    checks: Arc<KnownChecks>,
    is_kept: AtomicBool,
}

impl KnownChecks {
    fn file(&self, of: &str) -> Option<PathBuf> {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = of.chars().map(plain).take(200).collect();
        Some(self.folder.as_ref()?.join(format!("{name}.json")))
    }

    /// An earlier result; a file that cannot be read or has another key is ignored.
    fn recall(&self, of: &str) -> Option<GradientCheck> {
        if let Some(found) = lock(&self.known).get(of) {
            return Some(*found);
        }
        let file = self.file(of)?;
        if std::fs::metadata(&file).ok()?.len() > LARGEST_FILE {
            return None;
        }
        let kept: Kept = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        let is_meant = kept.of == of && kept.found.is_plausible();
        is_meant.then_some(kept.found)
    }

    /// Keeps a result. If the folder cannot be written, the next run checks again.
    fn keep(&self, of: &str, found: GradientCheck) {
        lock(&self.known).insert(of.to_owned(), found);
        let Some(file) = self.file(of) else {
            return;
        };
        let kept = Kept {
            of: of.to_owned(),
            found,
        };
        let text = serde_json::to_vec_pretty(&kept).expect("it is plain data");
        if let Some(folder) = &self.folder
            && std::fs::create_dir_all(folder).is_ok()
        {
            let _ = dvm_image::write_atomic(&file, &text);
        }
    }
}

impl GradientRecord {
    /// Keeps the result, if there is a new one.
    pub(crate) fn keep(&self) {
        if let Some(found) = self.found.get()
            && !self.is_kept.swap(true, Ordering::Relaxed)
        {
            self.checks.keep(&self.of, *found);
        }
    }

    /// The entry in the record; `null` if no method needed the true gradient.
    pub(crate) fn record(&self) -> Value {
        let Some(found) = self.found.get() else {
            return Value::Null;
        };
        let digits = |mismatch: f64| format!("{mismatch:.1e}").parse::<f64>().unwrap_or(mismatch);
        json!({
            "compared": found.compared,
            "undecided": found.undecided,
            "mismatch_along_gradient": digits(found.along_gradient),
            "mismatch_along_random": digits(found.along_random),
            "nodes": found.nodes,
            "mismatch_at_node": digits(found.at_node),
        })
    }
}

impl Classifier {
    /// Keeps the result of the gradient check in the user's cache, so that it is made once and not in every run
    /// ([`dvm_engine::Graph::gradient_check`]). A cache that cannot be written is not an error.
    #[must_use]
    pub fn keeping_gradient_checks(self) -> Self {
        match Cache::usual() {
            Ok(cache) => self.keeping_gradient_checks_in(cache.folder()),
            Err(_) => self,
        }
    }

    /// As [`Classifier::keeping_gradient_checks`], in another folder, which need not exist.
    #[must_use]
    pub fn keeping_gradient_checks_in(mut self, folder: &Path) -> Self {
        self.checks = Arc::new(KnownChecks {
            known: Mutex::default(),
            folder: Some(folder.join(FOLDER)),
        });
        self
    }

    /// The gradient check of a subject's network, which is this classifier's network, possibly up to the layer of
    /// a unit. Methods check it when they need the true gradient. A graph from a file is checked here before any
    /// backward walk, because only networks of the zoo are tested against other frameworks.
    pub(crate) fn gradient_record(
        &self,
        subject: &Subject,
        walks: Walks,
        unit: Option<&Unit>,
    ) -> Result<GradientRecord, Error> {
        let graph = subject.network().folded();
        let of_nodes = subject
            .compares_nodes()
            .map_err(|error| self.failed(error))?;
        let of = self.check_key(subject, unit, of_nodes);
        // Random weights have no checksum, so no key.
        let checks = match self.weights_sha256().is_empty() {
            true => Arc::default(),
            false => Arc::clone(&self.checks),
        };
        let recalled = checks.recall(&of);
        if let Some(found) = recalled {
            graph.note_gradient_check(&subject.shape(), of_nodes, found);
        }
        let record = GradientRecord {
            found: Arc::clone(subject.gradient_checked()),
            of,
            checks,
            is_kept: AtomicBool::new(recalled.is_some()),
        };
        if walks.backward && self.architecture().is_none() {
            subject.check_gradient().map_err(|error| match error {
                dvm_attribution::Error::Network(source @ dvm_engine::Error::Gradient { .. }) => {
                    Error::Gradient {
                        weights: self.weights_file().into(),
                        source,
                    }
                }
                other => self.failed(other),
            })?;
            record.keep();
        }
        Ok(record)
    }

    /// The key of a check: everything that its result depends on.
    fn check_key(&self, subject: &Subject, unit: Option<&Unit>, of_nodes: bool) -> String {
        let [_, c, h, w] = subject.shape();
        let arithmetic = subject.network().graph().arithmetic();
        let extent = if of_nodes { "nodes" } else { "whole" };
        let mut of = format!(
            "{} {} {c}x{h}x{w} {extent} {arithmetic:?} {:?} {}",
            self.weights_sha256(),
            self.name(),
            InstructionSet::in_use(),
            env!("CARGO_PKG_VERSION"),
        );
        if let Some(device) = self.device() {
            of = format!("{of} on {device}");
        }
        if let Some(part) = self.weights_part() {
            of = format!("{of} {part}");
        }
        if let Some(unit) = unit {
            of = format!("{of} up to {} {:?}", unit.layer, unit.place);
        }
        of
    }
}

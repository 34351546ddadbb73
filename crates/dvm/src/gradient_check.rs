//! What was found of a network's gradient when it was first walked back: kept for the next run, and recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dvm_attribution::{Subject, Walks};
use dvm_engine::{GradientCheck, InstructionSet};
use dvm_fetch::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Classifier, Error, Unit};

/// The folder of the cache that holds what was found, one small file for each network.
const FOLDER: &str = "gradient-checks";

/// A file of it is never larger than this.
const LARGEST_FILE: u64 = 1 << 16;

/// What a classifier knows of the gradients of its network: by what was checked.
#[derive(Default)]
pub(crate) struct KnownChecks {
    known: Mutex<BTreeMap<String, GradientCheck>>,
    /// Where they are kept from run to run.
    folder: Option<PathBuf>,
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// What was checked.
    of: String,
    found: GradientCheck,
}

/// The check of the network that explains one picture, which comes when a method first asks for a true
/// gradient.
pub(crate) struct GradientRecord {
    found: Arc<OnceLock<GradientCheck>>,
    of: String,
    checks: Arc<KnownChecks>,
    is_kept: AtomicBool,
}

impl KnownChecks {
    /// What is known in this folder, too.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            ..Self::default()
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, GradientCheck>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, of: &str) -> Option<PathBuf> {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = of.chars().map(plain).take(200).collect();
        Some(self.folder.as_ref()?.join(format!("{name}.json")))
    }

    /// What was found before; a file that cannot be read or is about something else counts as none.
    fn recall(&self, of: &str) -> Option<GradientCheck> {
        if let Some(found) = self.known().get(of) {
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

    /// Keeps what was found. A folder that cannot be written to only means that it is checked again.
    fn keep(&self, of: &str, found: GradientCheck) {
        self.known().insert(of.to_owned(), found);
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
    /// Keeps what was found since, if anything was.
    pub(crate) fn keep(&self) {
        if let Some(found) = self.found.get()
            && !self.is_kept.swap(true, Ordering::Relaxed)
        {
            self.checks.keep(&self.of, *found);
        }
    }

    /// For the record; `null` if no method asked for a true gradient.
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
    /// The same, keeping what is found of its gradient in the cache of this user, so that it is checked once
    /// and not in every run ([`dvm_engine::Graph::gradient_check`]). A cache that cannot be written to is
    /// no error.
    #[must_use]
    pub fn keeping_gradient_checks(self) -> Self {
        match Cache::usual() {
            Ok(cache) => self.keeping_gradient_checks_in(cache.folder()),
            Err(_) => self,
        }
    }

    /// The same in another folder, which need not exist.
    #[must_use]
    pub fn keeping_gradient_checks_in(mut self, folder: &Path) -> Self {
        self.checks = Arc::new(KnownChecks::in_folder(folder.join(FOLDER)));
        self
    }

    /// What is known of the gradient of the network of a subject, which is this classifier's or ends at the
    /// layer of a unit. Methods that ask for true gradients check it. So does a graph from a file here,
    /// whatever it is walked back for: the networks of the zoo are tested against others, it is not.
    pub(crate) fn gradient_record(
        &self,
        subject: &Subject,
        walks: Walks,
        unit: Option<&Unit>,
    ) -> Result<GradientRecord, Error> {
        let graph = subject.network().folded();
        let of = self.checked_network(subject, unit);
        // Random weights have no checksum to be known by.
        let checks = match self.weights_sha256().is_empty() {
            true => Arc::default(),
            false => Arc::clone(&self.checks),
        };
        let recalled = checks.recall(&of);
        if let Some(found) = recalled {
            graph.note_gradient_check(found);
        }
        let record = GradientRecord {
            found: Arc::clone(graph.gradient_checked()),
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

    /// All that the result of a check depends on.
    fn checked_network(&self, subject: &Subject, unit: Option<&Unit>) -> String {
        let [_, c, h, w] = subject.shape();
        let arithmetic = subject.network().graph().arithmetic();
        let mut of = format!(
            "{} {} {c}x{h}x{w} {arithmetic:?} {:?} {}",
            self.weights_sha256(),
            self.name(),
            InstructionSet::in_use(),
            env!("CARGO_PKG_VERSION"),
        );
        if let Some(part) = self.weights_part() {
            of = format!("{of} {part}");
        }
        if let Some(unit) = unit {
            of = format!("{of} up to {} {:?}", unit.layer, unit.place);
        }
        of
    }
}

//! Reads the files of `torch.save`: a pickle that describes tensors, and their bytes.
//!
//! The pickle is read as a table of [`objects`], from which [`names`] collects names and tensors; [`views`]
//! describes which elements of which storage a tensor has, and [`storages`] where these are in the file.
//! Nothing is imported or called.

mod names;
mod objects;
mod storages;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use super::format::Format;
use super::inspection::{self, Objection};
use super::writing::METADATA;
use super::{Array, ForeignFormat, WeightsError};
use objects::Node;
use storages::Opened;
use views::View;

/// The contents of a checkpoint.
pub(super) struct Checkpoint {
    /// All tensors.
    pub arrays: BTreeMap<String, Array>,
    /// Short texts and integers other than tensors, such as `arch`.
    pub notes: BTreeMap<String, String>,
    /// Names of dictionaries, as opposed to layers: `state_dict`.
    pub dictionaries: BTreeSet<String>,
}

/// Reads the checkpoint at `path`, a file of `length` bytes.
pub(super) fn read(
    path: &Path,
    file: &str,
    format: Format,
    length: u64,
) -> Result<Checkpoint, WeightsError> {
    let report = Report { file, format };
    let object = |objection| report.object(objection);
    let mut opened = storages::open(path, format, length).map_err(object)?;
    report.check_root(&opened)?;
    let found = names::collect(&opened.objects, &opened.described, opened.root).map_err(object)?;
    if found.tensors.is_empty() {
        return Err(WeightsError::NoTensors {
            file: file.to_owned(),
        });
    }
    weigh(&found.tensors, length).map_err(object)?;
    Ok(Checkpoint {
        arrays: arrays(&mut opened, found.tensors).map_err(object)?,
        notes: found.notes,
        dictionaries: found.dictionaries,
    })
}

/// Reads each storage once, for all tensors that use it.
fn arrays(
    opened: &mut Opened,
    tensors: BTreeMap<String, View>,
) -> Result<BTreeMap<String, Array>, Objection> {
    let mut by_storage: BTreeMap<String, Vec<(String, View)>> = BTreeMap::new();
    for (name, view) in tensors {
        let same = by_storage.entry(view.storage.clone()).or_default();
        same.push((name, view));
    }
    let mut arrays = BTreeMap::new();
    for (key, views) in by_storage {
        let size = views[0].1.element.size();
        let bytes = opened
            .storages
            .read(&key, size)
            .map_err(|error| match error {
                Objection::Damaged(reason) => {
                    Objection::Damaged(format!("tensor '{}': {reason}", views[0].0))
                }
                other => other,
            })?;
        for (name, view) in views {
            let values = view.values(&name, &bytes)?;
            let shape = view.shape;
            arrays.insert(name, Array { shape, values });
        }
    }
    Ok(arrays)
}

/// The longest metadata that is read, in bytes.
const LONGEST_METADATA: u64 = 16 << 20;

/// The metadata that `to_torch` wrote; empty if another program wrote the file.
pub(super) fn metadata(path: &Path, format: Format) -> BTreeMap<String, String> {
    let read = || {
        let mut archive = storages::open_archive(path).ok()?;
        let name = archive.file_names().find_map(|name| {
            let name = name.ok()?;
            let folder = name.strip_suffix(METADATA)?;
            folder.ends_with('/').then(|| name.to_string())
        })?;
        let record = archive.by_name(&name).ok()?;
        let mut text = String::new();
        record
            .take(LONGEST_METADATA)
            .read_to_string(&mut text)
            .ok()?;
        serde_json::from_str(&text).ok()
    };
    match format {
        Format::Zip => read().unwrap_or_default(),
        _ => BTreeMap::new(),
    }
}

/// Refuses tensors that need more memory than the file's length allows: a view with stride 0 can repeat one
/// value any number of times.
fn weigh(tensors: &BTreeMap<String, View>, length: u64) -> Result<(), Objection> {
    let mut total = 0u64;
    for (name, view) in tensors {
        inspection::rank(name, &view.shape)?;
        let what = format!("tensor '{name}' of shape {:?}", view.shape);
        let bytes = view.bytes();
        inspection::claim(&what, bytes, length)?;
        total = total.saturating_add(bytes);
    }
    inspection::claim("its tensors together", total, length)
}

/// Turns objections into errors that name the file.
struct Report<'a> {
    file: &'a str,
    format: Format,
}

impl Report<'_> {
    /// Refuses a root that is not a dictionary of weights.
    fn check_root(&self, opened: &Opened) -> Result<(), WeightsError> {
        let (objects, root) = (&opened.objects, opened.root);
        let found = match objects.node(root) {
            _ if objects.entries(root).is_some() => return Ok(()),
            Node::Object(object) => {
                let class = objects.class(object.function).unwrap_or_default();
                if class.starts_with("__torch__.") {
                    return Err(self.code(
                        format!("a TorchScript program ({class})"),
                        "in Python: torch.save(torch.jit.load(file).state_dict(), ...)",
                    ));
                }
                if class.contains("._rebuild") {
                    "torch.Tensor".to_owned()
                } else if object.state.is_some() || class == "collections.OrderedDict" {
                    return Ok(());
                } else {
                    objects.type_name(root)
                }
            }
            _ => objects.type_name(root),
        };
        Err(WeightsError::NotADictionary {
            file: self.file.to_owned(),
            found,
        })
    }

    fn object(&self, objection: Objection) -> WeightsError {
        let file = self.file.to_owned();
        match objection {
            Objection::Damaged(reason) => WeightsError::Damaged {
                file,
                format: self.format_name(),
                reason,
            },
            Objection::Excessive(claim) => WeightsError::Excessive { file, claim },
            Objection::Foreign(name) => WeightsError::NotWeights {
                file,
                format: ForeignFormat::Known(name, "give a .safetensors or .pth file"),
            },
            // dvm would not run it, but Python would, and the rest of the file cannot be trusted.
            Objection::Attack(function) => WeightsError::Attack { file, function },
            Objection::Element { tensor, element } => WeightsError::Element {
                file,
                tensor,
                element,
            },
            Objection::Alone => self.code(
                "tensors that were pickled without torch.save".to_owned(),
                "save them with torch.save(model.state_dict(), ...)",
            ),
            Objection::Io(source) => WeightsError::Io { file, source },
        }
    }

    fn code(&self, object: String, advice: &'static str) -> WeightsError {
        WeightsError::Code {
            file: self.file.to_owned(),
            object,
            advice,
        }
    }

    fn format_name(&self) -> &'static str {
        match self.format {
            Format::Zip => "PyTorch (zip)",
            Format::Legacy => "PyTorch (before 1.6)",
            Format::Tar => "PyTorch (tar)",
            Format::Pickle => "pickle",
            Format::Safetensors => "safetensors",
        }
    }
}

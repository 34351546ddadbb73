//! What `torch.save` writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use pytorch_reader::{DType, PickleError, PytorchError, PytorchReader, Tensor};
use zip::ZipArchive;

use super::census::Census;
use super::element::Element;
use super::format::Format;
use super::inspection::{self, Objection};
use super::writing::METADATA;
use super::{Array, Stranger, WeightsError};

/// Shortest time after which reading is given up. A hostile file can have thousands of tensors
/// that each span one large storage; reading it takes the product of both.
const PATIENCE: Duration = Duration::from_secs(5);

/// Slowest reading, in bytes per second of file, that is not given up.
const SLOWEST: u64 = 4 << 20;

/// All tensors of the checkpoint at `path`, a file of `length` bytes.
pub(super) fn read(
    path: &Path,
    file: &str,
    format: Format,
    length: u64,
) -> Result<BTreeMap<String, Array>, WeightsError> {
    let report = Report { file, format };
    let census =
        inspection::inspect(path, format, length).map_err(|objection| report.object(objection))?;
    // Nothing here would run it, but Python would, and the rest of the file deserves no trust.
    if let Some(function) = census.attack() {
        return Err(WeightsError::Attack {
            file: file.to_owned(),
            function: function.to_owned(),
        });
    }
    let reader = PytorchReader::new(path).map_err(|error| report.refuse(error, &census))?;
    let tensors: BTreeMap<String, Tensor> = reader.into_tensors().into_iter().collect();
    if tensors.is_empty() {
        return Err(WeightsError::NoTensors {
            file: file.to_owned(),
        });
    }
    weigh(&tensors, length).map_err(|objection| report.object(objection))?;

    let deadline = Instant::now() + PATIENCE + Duration::from_secs(length / SLOWEST);
    let mut arrays = BTreeMap::new();
    for (name, tensor) in tensors {
        if Instant::now() > deadline {
            let claim = format!("its tensors overlap, reading stopped before tensor '{name}'");
            return Err(report.object(Objection::Excessive(claim)));
        }
        let mut bytes = tensor.read().map_err(|error| report.object(error.into()))?;
        let element = element(tensor.dtype());
        if cfg!(target_endian = "big") {
            // The reader hands out the machine's byte order.
            for value in bytes.chunks_exact_mut(tensor.dtype().size()) {
                value.reverse();
            }
        }
        let array = Array {
            shape: tensor.shape().to_vec(),
            values: element.values(&bytes),
        };
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// The longest metadata that is read.
const LONGEST_METADATA: u64 = 16 << 20;

/// What `to_torch` was given beside the tensors; empty if another program wrote the file.
pub(super) fn metadata(path: &Path, format: Format) -> BTreeMap<String, String> {
    let read = || {
        let file = BufReader::new(File::open(path).ok()?);
        let mut archive = ZipArchive::new(file).ok()?;
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

/// Objects to tensors that come to more than the file's length allows: a view with stride 0
/// repeats one value as often as it likes.
fn weigh(tensors: &BTreeMap<String, Tensor>, length: u64) -> Result<(), Objection> {
    let mut total = 0u64;
    for (name, tensor) in tensors {
        inspection::rank(name, tensor.shape())?;
        let what = format!("tensor '{name}' of shape {:?}", tensor.shape());
        let values = tensor.num_elements() as u64;
        let bytes = values.saturating_mul(tensor.dtype().size().max(4) as u64);
        inspection::claim(&what, bytes, length)?;
        total = total.saturating_add(bytes);
    }
    inspection::claim("its tensors together", total, length)
}

fn element(dtype: DType) -> Element {
    match dtype {
        DType::F64 => Element::F64,
        DType::F32 => Element::F32,
        DType::F16 => Element::F16,
        DType::BF16 => Element::BF16,
        DType::I64 => Element::I64,
        DType::I32 => Element::I32,
        DType::I16 => Element::I16,
        DType::I8 => Element::I8,
        DType::U64 => Element::U64,
        DType::U32 => Element::U32,
        DType::U16 => Element::U16,
        DType::U8 => Element::U8,
        DType::Bool => Element::Bool,
    }
}

/// Turns objections and the reader's errors into ours.
struct Report<'a> {
    file: &'a str,
    format: Format,
}

impl Report<'_> {
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
                stranger: Stranger::Known(name, "give a .safetensors or .pth file"),
            },
            Objection::Io(source) => WeightsError::Io { file, source },
        }
    }

    fn refuse(&self, error: PytorchError, census: &Census) -> WeightsError {
        match error {
            PytorchError::Io(error) => self.object(error.into()),
            PytorchError::Pickle(PickleError::Io(error)) => self.object(error.into()),
            PytorchError::Pickle(PickleError::UnsupportedType(class)) => {
                self.refuse_class(class, census)
            }
            PytorchError::Pickle(PickleError::NoDataSource) => self.code(
                "tensors pickled by themselves".to_owned(),
                "save them with torch.save(model.state_dict(), ...)",
            ),
            // Before 1.6, whole modules were saved with their source text.
            PytorchError::Pickle(PickleError::InvalidData(reason))
                if reason.starts_with("storage persistent id") =>
            {
                self.code(
                    "a whole module with its source text".to_owned(),
                    "if you trust it, in Python: \
                     torch.save(torch.load(file, weights_only=False).state_dict(), ...)",
                )
            }
            // A root that is no dictionary: a lone tensor, a list, an object of some class.
            PytorchError::InvalidFormat(reason) if reason.contains("at the root") => {
                let found = reason.rsplit(' ').next().unwrap_or_default();
                WeightsError::NotADictionary {
                    file: self.file.to_owned(),
                    found: found.to_owned(),
                }
            }
            other => self.object(Objection::Damaged(other.to_string())),
        }
    }

    /// A tensor or an object of a class the reader does not know.
    fn refuse_class(&self, class: String, census: &Census) -> WeightsError {
        if class.starts_with("__torch__.") {
            return self.code(
                format!("a TorchScript program ({class})"),
                "in Python: torch.save(torch.jit.load(file).state_dict(), ...)",
            );
        }
        if class.starts_with("torch.") && !class.starts_with("torch.nn.") {
            let tensor = match census.owner(&class) {
                Some(name) if !name.is_empty() => format!("tensor '{name}'"),
                _ => "a tensor".to_owned(),
            };
            return WeightsError::Element {
                file: self.file.to_owned(),
                tensor,
                element: class,
            };
        }
        self.code(
            format!("tensors inside an object of class {class}"),
            "load it where that class is defined and save the weights with \
             torch.save(model.state_dict(), ...)",
        )
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

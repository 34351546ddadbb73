//! Reads trained weights: `.safetensors`, and every format of `torch.save`.
//!
//! The format follows from the content, not from the name. Reading a `.pth` runs no code: its pickle becomes
//! a table of objects, of which tensors, dictionaries and modules are understood. `inspection` limits memory
//! and work in proportion to the file's length.

mod attack;
mod element;
mod error;
mod format;
mod inspection;
mod matching;
mod parts;
mod safetensors;
mod shards;
mod torch;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

pub use error::{ForeignFormat, WeightsError};
pub use matching::Mismatch;
pub use parts::{Beside, Part, Parts, Role, parts};
pub use writing::{Integers, TensorEntry, to_safetensors, to_torch};

use format::Format;

/// The values of one parameter or buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents, outermost first (`[O, I, kh, kw]` for a convolution); empty for a scalar.
    pub shape: Vec<usize>,
    /// Row-major; as many as the product of `shape`.
    pub values: Vec<f32>,
}

/// Named arrays read from one file, sorted by name.
///
/// Every element type is converted to f32: f64 and integers are rounded to the nearest f32, f16 and bf16 are
/// exact, `false` and `true` become 0 and 1. Complex, quantised and 8-bit floating-point tensors are errors.
#[derive(Clone, Debug)]
pub struct Weights {
    file: String,
    sha256: String,
    metadata: BTreeMap<String, String>,
    notes: BTreeMap<String, String>,
    dictionaries: BTreeSet<String>,
    arrays: BTreeMap<String, Array>,
}

impl Weights {
    /// Reads a file of any known format: `.safetensors`, a PyTorch checkpoint as a zip archive (1.6 and
    /// later), a pickle stream (0.1.10 to 1.5) or a tar archive (before), or an index
    /// (`model.safetensors.index.json`) of such files in its folder.
    ///
    /// Nested dictionaries become dotted names (`state_dict.conv1.weight`), and a pickled module becomes its
    /// state dict.
    ///
    /// # Errors
    /// [`WeightsError`] names the file and the next step. A file that needs more memory than its length
    /// allows is refused before the memory is allocated.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let file = path.display().to_string();
        let failed = |source: io::Error| WeightsError::Io {
            file: file.clone(),
            source,
        };
        // Only regular files are opened: a pipe or a device could block.
        let facts = std::fs::metadata(path).map_err(failed)?;
        if !facts.is_file() {
            return Err(WeightsError::NotAFile { file });
        }
        let mut opened = File::open(path).map_err(failed)?;
        if shards::is_index(path) {
            let mut text = Vec::new();
            let longest = shards::LONGEST;
            opened
                .take(longest)
                .read_to_end(&mut text)
                .map_err(failed)?;
            return shards::read(path, &text);
        }
        let mut head = Vec::new();
        (&mut opened)
            .take(format::HEAD)
            .read_to_end(&mut head)
            .map_err(failed)?;
        let format = Format::of(&head).map_err(|format| WeightsError::NotWeights {
            file: file.clone(),
            format,
        })?;
        opened.seek(SeekFrom::Start(0)).map_err(failed)?;

        if format == Format::Safetensors {
            let mut bytes = Vec::new();
            opened.read_to_end(&mut bytes).map_err(failed)?;
            return Self::from_safetensors(&bytes, &file);
        }
        let (sha256, length) = digest(&mut opened).map_err(failed)?;
        let checkpoint = torch::read(path, &file, format, length)?;
        Ok(Self {
            sha256,
            arrays: checkpoint.arrays,
            notes: checkpoint.notes,
            dictionaries: checkpoint.dictionaries,
            metadata: torch::metadata(path, format),
            file,
        })
    }

    /// Reads the bytes of a `.safetensors` file; messages call it `name`.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn from_safetensors(bytes: &[u8], name: &str) -> Result<Self, WeightsError> {
        let (read, sha256) = rayon::join(
            || safetensors::read(bytes, name),
            || hexadecimal(&Sha256::digest(bytes)),
        );
        let (arrays, metadata) = read?;
        Ok(Self {
            file: name.to_owned(),
            sha256,
            metadata,
            notes: BTreeMap::new(),
            dictionaries: BTreeSet::new(),
            arrays,
        })
    }

    /// The contents of a file of another kind, read by other code.
    pub fn from_arrays(
        file: &str,
        sha256: String,
        metadata: BTreeMap<String, String>,
        arrays: BTreeMap<String, Array>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            sha256,
            metadata,
            notes: BTreeMap::new(),
            dictionaries: BTreeSet::new(),
            arrays,
        }
    }

    /// The file's name, as the caller gave it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// SHA-256 of the file's bytes, 64 lower-case hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The `__metadata__` of a `.safetensors` file, or the metadata that [`to_torch`] wrote; empty for other
    /// files.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Short texts and integers of a PyTorch checkpoint other than its tensors, by their dotted names, such
    /// as `arch` or `args.model`; empty for other files.
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// All arrays with their names, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.arrays.iter().map(|(name, array)| (&name[..], array))
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Number of arrays.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether there is no array at all.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// The same arrays with new names, for those that `rename` returns a name for.
    #[must_use]
    pub fn renamed(mut self, rename: impl Fn(&str) -> Option<String>) -> Self {
        self.arrays = self
            .arrays
            .into_iter()
            .map(|(name, array)| (rename(&name).unwrap_or(name), array))
            .collect();
        self
    }

    /// The same arrays with the shapes of a list of names and shapes. A shape changes only if the names are
    /// equal and the shapes differ only in form: the first dimension is equal, and one of the two has only
    /// the product of the others, as `[O, C, h, w]` and `[O, C·h·w]`, or `[C]` and `[C, 1, 1]`. Ports of one
    /// network differ in this.
    #[must_use]
    pub fn shaped_like(mut self, wanted: &[(String, Vec<usize>)]) -> Self {
        for (name, shape) in wanted {
            let Some(array) = self.arrays.get_mut(name) else {
                continue;
            };
            let rest = |shape: &[usize]| -> usize { shape[1..].iter().product() };
            let alike = match (&array.shape[..], &shape[..]) {
                ([a, ..], [b, ..]) => a == b && rest(&array.shape) == rest(shape),
                _ => false,
            };
            if alike && array.shape.len().min(shape.len()) <= 2 {
                array.shape.clone_from(shape);
            }
        }
        self
    }

    /// The arrays whose names begin with a prefix, without the prefix, and all others.
    pub fn split_off(self, prefix: &str) -> (BTreeMap<String, Array>, Self) {
        let (mut beginning, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (name, array) in self.arrays {
            match name.strip_prefix(prefix) {
                Some(rest) => beginning.insert(rest.to_owned(), array),
                None => others.insert(name, array),
            };
        }
        let rest = Self {
            arrays: others,
            ..self
        };
        (beginning, rest)
    }

    /// The arrays of a network, by the network's names.
    ///
    /// `wanted` is the network's state dict in its order: names and shapes. If the file's names have a
    /// prefix, [`Weights::parts`] finds it and [`Weights::take`] removes it.
    ///
    /// Names that end in `num_batches_tracked` are counters of training; `relative_position_index` and
    /// `attn_mask` follow from a layer's size. They are not weights: they are neither missing nor unexpected,
    /// and are returned only if wanted and found.
    ///
    /// # Errors
    /// [`Mismatch`] unless names and shapes correspond one to one.
    pub fn matched(
        self,
        wanted: &[(String, Vec<usize>)],
    ) -> Result<BTreeMap<String, Array>, Mismatch> {
        matching::matched(&self.file, self.arrays, wanted)
    }
}

/// SHA-256 and length of the data of `reader`.
fn digest(reader: &mut impl Read) -> io::Result<(String, u64)> {
    let mut digest = Sha256::new();
    let mut length = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((hexadecimal(&digest.finalize()), length)),
            read => {
                digest.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}

/// Bytes, such as a checksum, as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

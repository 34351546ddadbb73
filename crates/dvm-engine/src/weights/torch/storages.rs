//! The containers of checkpoints: where their pickles and the bytes of their tensors are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dvm_pickle::Error;
use zip::read::{ArchiveOffset, Config};
use zip::{ZipArchive, ZipReadOptions};

use super::super::format::Format;
use super::super::inspection::{Objection, claim};
use super::objects::{Node, Objects, Place, Refusal};
use super::views::{Described, View, element_of_storage, element_sizes};

pub(super) type Archive = ZipArchive<BufReader<File>>;

/// A checkpoint after its pickles and before its tensors are read.
pub(super) struct Opened {
    pub objects: Objects,
    pub root: Place,
    pub described: Described,
    pub storages: Storages,
}

/// Where the bytes of tensors are.
pub(super) enum Storages {
    /// Entries `data/<key>` of a zip archive, beside `data.pkl` in `folder`.
    Zip {
        archive: Box<Archive>,
        folder: String,
        big_endian: bool,
    },
    /// Consecutive storages in a file; by key, the first byte and the number of bytes.
    InFile(File, BTreeMap<String, (u64, u64)>),
    /// In memory; by key, the first byte and the number of bytes.
    InMemory(Vec<u8>, BTreeMap<String, (usize, usize)>),
}

impl Storages {
    /// The bytes of a storage with elements of `size` bytes, in little-endian order.
    pub fn read(&mut self, key: &str, size: usize) -> Result<Vec<u8>, Objection> {
        let missing = || Objection::Damaged(format!("storage '{key}' is missing"));
        match self {
            Self::Zip {
                archive,
                folder,
                big_endian,
            } => {
                let mut bytes =
                    entry(archive, &format!("{folder}data/{key}"))?.ok_or_else(missing)?;
                if *big_endian {
                    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
                }
                Ok(bytes)
            }
            Self::InFile(file, layout) => {
                let &(start, length) = layout.get(key).ok_or_else(missing)?;
                file.seek(SeekFrom::Start(start))?;
                let mut bytes = Vec::new();
                file.take(length).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Self::InMemory(bytes, layout) => {
                let &(start, length) = layout.get(key).ok_or_else(missing)?;
                Ok(bytes[start..start + length].to_vec())
            }
        }
    }
}

/// Opens a checkpoint of `length` bytes and reads the descriptions of its tensors.
pub(super) fn open(path: &Path, format: Format, length: u64) -> Result<Opened, Objection> {
    match format {
        Format::Zip => open_zip(path, length),
        Format::Tar => open_tar(path, length),
        Format::Legacy => open_legacy(path, length),
        Format::Pickle | Format::Safetensors => {
            let mut objects = Objects::new(length);
            let root = pickle(&mut objects, &mut BufReader::new(File::open(path)?))?;
            Ok(Opened {
                objects,
                root,
                described: Described::default(),
                storages: Storages::InMemory(Vec::new(), BTreeMap::new()),
            })
        }
    }
}

fn pickle(objects: &mut Objects, reader: &mut impl BufRead) -> Result<Place, Objection> {
    objects.read(reader).map_err(|error| match error {
        Error::Io(error) => error.into(),
        Error::Broken { at, reason } => {
            Objection::Damaged(format!("{reason} (byte {at} of its pickle)"))
        }
        Error::Refused(Refusal::Attack(function)) => Objection::Attack(function),
        Error::Refused(Refusal::Excessive(claim)) => Objection::Excessive(claim),
    })
}

/// Opens a zip archive.
///
/// PyTorch's archives start at the first byte of a file, so the directory is at the offset that the end of
/// the file states. The usual search for the directory allows for bytes before an archive. It mistakes the
/// second entry of the directory for the first one if their distance is the length of PyTorch's end records:
/// 76 bytes, as with a name of 21 letters.
pub(super) fn open_archive(path: &Path) -> Result<Archive, Objection> {
    let damaged = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => Objection::from(error),
        error => Objection::Damaged(error.to_string()),
    };
    let at_start = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let opened = ZipArchive::with_config(at_start, BufReader::new(File::open(path)?));
    opened
        .or_else(|_| ZipArchive::new(BufReader::new(File::open(path)?)))
        .map_err(damaged)
}

/// The bytes of an entry, with the length that the directory states.
fn entry(archive: &mut Archive, name: &str) -> Result<Option<Vec<u8>>, Objection> {
    let damaged = |error: &dyn std::fmt::Display| Objection::Damaged(format!("'{name}': {error}"));
    let Some(index) = archive.index_for_name(name) else {
        return Ok(None);
    };
    let raw = archive
        .by_index_raw(index)
        .map_err(|error| damaged(&error))?;
    let (size, checksum) = (raw.size(), raw.crc32());
    drop(raw);
    // PyTorch can omit the checksums.
    let options = ZipReadOptions::new().ignore_crc32(checksum == 0);
    let entry = archive.by_index_with_options(index, options);
    let entry = entry.map_err(|error| damaged(&error))?;
    let mut bytes = Vec::new();
    // One byte more than declared, so that the checksum is compared at the end.
    let read = entry.take(size.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| match Objection::from(error) {
        Objection::Damaged(reason) => damaged(&reason),
        other => other,
    })?;
    if bytes.len() as u64 != size {
        let length = bytes.len();
        return Err(damaged(&format!(
            "has at least {length} bytes, but the directory states {size}"
        )));
    }
    Ok(Some(bytes))
}

fn open_zip(path: &Path, length: u64) -> Result<Opened, Objection> {
    let mut archive = open_archive(path)?;
    let mut unpacked = 0u64;
    let mut folder: Option<String> = None;
    let mut arrays_of_numpy = false;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index);
        let entry = entry.map_err(|error| Objection::Damaged(error.to_string()))?;
        unpacked = unpacked.saturating_add(entry.size());
        let name = String::from_utf8_lossy(entry.name_raw());
        arrays_of_numpy |= name.ends_with(".npy");
        let before = name.strip_suffix("data.pkl");
        if let Some(before) = before.filter(|before| before.is_empty() || before.ends_with('/'))
            && folder
                .as_ref()
                .is_none_or(|found| before.len() < found.len())
        {
            folder = Some(before.to_owned());
        }
    }
    let Some(folder) = folder else {
        return Err(Objection::Foreign(if arrays_of_numpy {
            "a zip archive of NumPy arrays"
        } else {
            "a zip archive that torch.save did not write (it has no data.pkl)"
        }));
    };
    claim("its archive", unpacked, length)?;
    let order = entry(&mut archive, &format!("{folder}byteorder"))?;
    let big_endian = match order.as_deref().map(<[u8]>::trim_ascii) {
        None | Some(b"little") => false,
        Some(b"big") => true,
        Some(_) => return Err(Objection::Damaged("its byte order is unknown".into())),
    };
    let index = archive.index_for_name(&format!("{folder}data.pkl"));
    let index = index.ok_or_else(|| Objection::Damaged("its data.pkl is missing".into()))?;
    let mut objects = Objects::new(length);
    let root = {
        let found = archive.by_index(index);
        let found = found.map_err(|error| Objection::Damaged(error.to_string()))?;
        let declared = found.size();
        pickle(&mut objects, &mut BufReader::new(found.take(declared)))?
    };
    Ok(Opened {
        objects,
        root,
        described: Described::default(),
        storages: Storages::Zip {
            archive: Box::new(archive),
            folder,
            big_endian,
        },
    })
}

/// The parts are: magic number, protocol, system, the object, the keys of its storages; then each storage, as
/// a count of elements and their bytes.
fn open_legacy(path: &Path, length: u64) -> Result<Opened, Objection> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut objects = Objects::new(length);
    let damaged = |what: &str| Objection::Damaged(what.to_owned());
    pickle(&mut objects, &mut reader)?;
    let protocol = pickle(&mut objects, &mut reader)?;
    if objects.count(protocol) != Some(1001) {
        return Err(damaged("its protocol is not 1001"));
    }
    let system = pickle(&mut objects, &mut reader)?;
    check_byte_order(&objects, system)?;
    let root = pickle(&mut objects, &mut reader)?;
    let keys = pickle(&mut objects, &mut reader)?;
    let keys = objects.items(keys);
    let keys = keys.ok_or_else(|| damaged("the keys of its storages are missing"))?;
    let sizes = element_sizes(&objects);
    let mut at = reader.stream_position()?;
    let mut layout = BTreeMap::new();
    for key in keys {
        let key = objects
            .key(*key)
            .ok_or_else(|| damaged("a storage has no key"))?;
        let size = sizes.get(&key);
        let size = size.ok_or_else(|| damaged("a storage belongs to no tensor"))?;
        reader.seek(SeekFrom::Start(at))?;
        let bytes = count(&mut reader)?.checked_mul(*size);
        let end = bytes.and_then(|bytes| at.checked_add(8)?.checked_add(bytes));
        match (bytes, end) {
            (Some(bytes), Some(end)) if end <= length => {
                layout.insert(key, (at + 8, bytes));
                at = end;
            }
            _ => {
                let reason = format!("storage '{key}' extends beyond the end of the file");
                return Err(Objection::Damaged(reason));
            }
        }
    }
    Ok(Opened {
        objects,
        root,
        described: Described::default(),
        storages: Storages::InFile(reader.into_inner(), layout),
    })
}

/// The old container: `sys_info`, `storages`, `tensors`, `pickle`, see `legacy_load` in
/// <https://github.com/pytorch/pytorch/blob/main/torch/serialization.py>.
fn open_tar(path: &Path, length: u64) -> Result<Opened, Objection> {
    let mut archive = tar::Archive::new(BufReader::new(File::open(path)?));
    let mut entries: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_gnu_sparse() {
            let claim = "its tar archive has a sparse entry, which torch.save never writes";
            return Err(Objection::Excessive(claim.to_owned()));
        }
        let name = entry.path()?.to_string_lossy().into_owned();
        let name = name.trim_start_matches("./").to_owned();
        claim(&name, entry.size(), length)?;
        if ["sys_info", "storages", "tensors", "pickle"].contains(&&name[..]) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            entries.insert(name, bytes);
        }
    }
    let mut objects = Objects::new(length);
    if let Some(system) = entries.remove("sys_info") {
        let system = pickle(&mut objects, &mut Cursor::new(system))?;
        check_byte_order(&objects, system)?;
    }
    let mut take = |name: &str| {
        let missing = || Objection::Damaged(format!("its entry '{name}' is missing"));
        entries.remove(name).ok_or_else(missing)
    };
    let (storages, tensors, main) = (take("storages")?, take("tensors")?, take("pickle")?);
    let (layout, classes) = tar_storages(&mut objects, &storages)?;
    let tensors = tar_tensors(&mut objects, &tensors, &classes)?;
    let root = pickle(&mut objects, &mut Cursor::new(main))?;
    Ok(Opened {
        objects,
        root,
        described: Described { tensors },
        storages: Storages::InMemory(storages, layout),
    })
}

type Layout = BTreeMap<String, (usize, usize)>;

/// The position and class of each storage in the entry. The format is: a count; for each storage key,
/// location and class, the count of its elements, and their bytes; then a list of parts of storages, each
/// with a separate key.
fn tar_storages(
    objects: &mut Objects,
    entry: &[u8],
) -> Result<(Layout, BTreeMap<String, String>), Objection> {
    let damaged = |what: &str| Objection::Damaged(format!("its storages have {what}"));
    let mut reader = Cursor::new(entry);
    let total = pickle(objects, &mut reader)?;
    let total = objects.count(total).ok_or_else(|| damaged("no count"))?;
    let (mut layout, mut classes) = (Layout::new(), BTreeMap::new());
    let size = |class: &str| element_of_storage(class).map_or(1, |element| element.size());
    for _ in 0..total {
        let facts = pickle(objects, &mut reader)?;
        let Some(&[key, _, class]) = objects.items(facts) else {
            return Err(damaged("too few fields"));
        };
        let (Some(key), Some(class)) = (objects.key(key), objects.class(class)) else {
            return Err(damaged("no key or class"));
        };
        let bytes = count(&mut reader)?.checked_mul(size(class) as u64);
        let start = reader.position() as usize;
        let end = bytes.and_then(|bytes| (start as u64).checked_add(bytes));
        let Some(end) = end.filter(|&end| end <= entry.len() as u64) else {
            return Err(damaged("a storage that extends beyond their end"));
        };
        layout.insert(key.clone(), (start, end as usize - start));
        classes.insert(key, class.to_owned());
        reader.set_position(end);
    }
    let parts = pickle(objects, &mut reader)?;
    let parts = objects.items(parts);
    for part in parts.ok_or_else(|| damaged("no list of parts"))? {
        let Some(&[key, whole, first, elements]) = objects.items(*part) else {
            return Err(damaged("a part with too few fields"));
        };
        let (Some(key), Some(whole)) = (objects.key(key), objects.key(whole)) else {
            return Err(damaged("a part without a key"));
        };
        let (Some(&(start, length)), Some(class)) = (layout.get(&whole), classes.get(&whole))
        else {
            return Err(damaged("a part of a missing storage"));
        };
        let class = class.clone();
        let bytes = |place: Place| objects.count(place)?.checked_mul(size(&class) as u64);
        let (first, elements) = (bytes(first), bytes(elements));
        let inside = first.zip(elements).filter(|(first, elements)| {
            first
                .checked_add(*elements)
                .is_some_and(|end| end <= length as u64)
        });
        let Some((first, elements)) = inside else {
            return Err(damaged("a part that extends beyond the end of its storage"));
        };
        layout.insert(key.clone(), (start + first as usize, elements as usize));
        classes.insert(key, class);
    }
    Ok((layout, classes))
}

/// The format is: a count; for each tensor key, storage and class, its rank, four unused bytes, its shape,
/// its strides, and its first element.
fn tar_tensors(
    objects: &mut Objects,
    entry: &[u8],
    classes: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, View>, Objection> {
    let damaged = |what: &str| Objection::Damaged(format!("its tensors have {what}"));
    let mut reader = Cursor::new(entry);
    let total = pickle(objects, &mut reader)?;
    let total = objects.count(total).ok_or_else(|| damaged("no count"))?;
    let mut tensors = BTreeMap::new();
    for _ in 0..total {
        let facts = pickle(objects, &mut reader)?;
        let Some(&[key, storage, _]) = objects.items(facts) else {
            return Err(damaged("too few fields"));
        };
        let (Some(key), Some(storage)) = (objects.key(key), objects.key(storage)) else {
            return Err(damaged("no key"));
        };
        let class = classes.get(&storage).ok_or_else(|| damaged("no storage"))?;
        let element = element_of_storage(class).map_err(|_| Objection::Element {
            tensor: "a tensor".into(),
            element: class.clone(),
        })?;
        let rank = count(&mut reader)? & 0xFFFF_FFFF;
        if rank > 64 {
            return Err(damaged("too many dimensions"));
        }
        let mut numbers =
            || -> Result<Vec<u64>, io::Error> { (0..rank).map(|_| count(&mut reader)).collect() };
        let (shape, strides) = (numbers()?, numbers()?);
        let shape: Result<Vec<usize>, _> = shape.into_iter().map(usize::try_from).collect();
        let view = View {
            storage,
            element,
            offset: count(&mut reader)?,
            shape: shape.map_err(|_| damaged("a dimension that is too large"))?,
            strides,
        };
        tensors.insert(key, view);
    }
    Ok(tensors)
}

/// An integer of eight bytes.
fn count(reader: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn check_byte_order(objects: &Objects, system: Place) -> Result<(), Objection> {
    let entries = objects.entries(system).unwrap_or_default();
    let mut entries = entries.into_iter();
    let found = entries.find(|(key, _)| objects.text(*key) == Some("little_endian"));
    match found.map(|(_, value)| objects.node(value)) {
        Some(Node::Bool(true)) => Ok(()),
        Some(Node::Bool(false)) => Err(Objection::Damaged(
            "it was saved on a big-endian machine, which is not supported".into(),
        )),
        _ => Err(Objection::Damaged("its byte order is missing".into())),
    }
}

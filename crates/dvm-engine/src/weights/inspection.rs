//! A PyTorch checkpoint's claims, weighed against its length before the reader acts on them.
//!
//! `pytorch-reader` checks every declared length against the file, nesting and copies against
//! fixed limits. It does not limit what a file may come to in all: compressed entries, views that
//! repeat one value, sparse tar entries, pickles of a hundred million values. Those limits are
//! here, in proportion to the file's length, so that a small file can only cost little.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::census::{Census, Passed};
use super::format::Format;

/// What is wrong with a file's claims.
pub(super) enum Objection {
    /// Unreadable; the reason.
    Damaged(String),
    /// More than the file's length justifies; the claim.
    Excessive(String),
    /// Entirely another kind of archive.
    Foreign(&'static str),
    /// The operating system failed.
    Io(io::Error),
}

impl From<io::Error> for Objection {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            _ if error.raw_os_error().is_some() => Self::Io(error),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// How many bytes a file of `length` bytes may come to once it is unpacked and converted: 16
/// times its length and 16 MiB, at most 16 GiB. A genuine checkpoint stays below 8 times (bytes
/// or booleans as f32, twice under two names).
pub(super) fn allowance(length: u64) -> u64 {
    length
        .saturating_mul(16)
        .saturating_add(16 << 20)
        .min(16 << 30)
}

/// Passes over all that describes tensors in the file, without touching the tensors.
pub(super) fn inspect(path: &Path, format: Format, length: u64) -> Result<Census, Objection> {
    let mut census = Census::new(length);
    let mut file = BufReader::new(File::open(path)?);
    match format {
        Format::Zip => inspect_zip(file, length, &mut census)?,
        Format::Tar => inspect_tar(file, length, &mut census)?,
        Format::Legacy => {
            // Magic number, protocol, system, the object itself, the keys of its storages.
            for _ in 0..5 {
                if pass(&mut census, &mut file)? == Passed::Broken {
                    break;
                }
            }
        }
        Format::Pickle | Format::Safetensors => {
            pass(&mut census, &mut file)?;
        }
    }
    Ok(census)
}

fn pass(census: &mut Census, reader: &mut impl BufRead) -> Result<Passed, Objection> {
    census.pass(reader)?.map_err(Objection::Excessive)
}

fn inspect_zip(file: BufReader<File>, length: u64, census: &mut Census) -> Result<(), Objection> {
    let damaged = |error: zip::result::ZipError| Objection::Damaged(error.to_string());
    let mut archive = zip::ZipArchive::new(file).map_err(damaged)?;
    let mut unpacked = 0u64;
    let mut pickles = Vec::new();
    let mut arrays_of_numpy = false;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        unpacked = unpacked.saturating_add(entry.size());
        let name = String::from_utf8_lossy(entry.name_raw());
        arrays_of_numpy |= name.ends_with(".npy");
        if name.ends_with("data.pkl") {
            pickles.push(index);
        }
    }
    if pickles.is_empty() {
        return Err(Objection::Foreign(if arrays_of_numpy {
            "a zip archive of NumPy arrays"
        } else {
            "a zip archive that torch.save did not write (it has no data.pkl)"
        }));
    }
    claim("its archive", unpacked, length)?;
    for index in pickles {
        let entry = archive.by_index(index).map_err(damaged)?;
        let declared = entry.size();
        pass(census, &mut BufReader::new(entry.take(declared)))?;
    }
    Ok(())
}

/// The old container: `sys_info`, `storages`, `tensors`, `pickle`, see `legacy_load` in
/// <https://github.com/pytorch/pytorch/blob/main/torch/serialization.py>.
fn inspect_tar(file: BufReader<File>, length: u64, census: &mut Census) -> Result<(), Objection> {
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_gnu_sparse() {
            let claim = "its tar archive has a sparse entry, which torch.save never writes";
            return Err(Objection::Excessive(claim.to_owned()));
        }
        let name = entry.path()?.to_string_lossy().into_owned();
        claim(&name, entry.size(), length)?;
        let mut entry = BufReader::new(entry);
        match name.trim_start_matches("./") {
            "sys_info" | "pickle" => {
                pass(census, &mut entry)?;
            }
            // A count, then a description and the values of each, then a list of views.
            "storages" => inspect_table(&mut entry, census, |class, entry| {
                let bytes = count(entry)?.saturating_mul(element_size(class));
                io::copy(&mut entry.take(bytes), &mut io::sink())
            })?,
            // A count, then a description, rank, extents, strides and offset of each.
            "tensors" => inspect_table(&mut entry, census, |_, entry| {
                let rank = count(entry)? & 0xFFFF_FFFF;
                let bytes = rank.saturating_mul(16).saturating_add(8);
                io::copy(&mut entry.take(bytes), &mut io::sink())
            })?,
            _ => {}
        }
    }
    Ok(())
}

/// Passes over pickles, each followed by raw bytes that `skip` consumes if it named a class.
fn inspect_table<R: Read>(
    entry: &mut BufReader<R>,
    census: &mut Census,
    skip: impl Fn(&str, &mut BufReader<R>) -> io::Result<u64>,
) -> Result<(), Objection> {
    while let Passed::Whole { class } = pass(census, entry)? {
        if let Some(class) = class {
            match skip(&class, entry) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                result => result?,
            };
        }
    }
    Ok(())
}

/// A number of eight bytes.
fn count(reader: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Bytes per element of a `torch.FloatStorage` and its like.
fn element_size(class: &str) -> u64 {
    match class.rsplit('.').next().unwrap_or(class) {
        "DoubleStorage" | "LongStorage" => 8,
        "FloatStorage" | "IntStorage" => 4,
        "HalfStorage" | "ShortStorage" | "BFloat16Storage" => 2,
        _ => 1,
    }
}

/// Objects to tensors of more dimensions than networks have: gathering takes time for each.
pub(super) fn rank(name: &str, shape: &[usize]) -> Result<(), Objection> {
    const LIMIT: usize = 16;
    if shape.len() <= LIMIT {
        return Ok(());
    }
    Err(Objection::Excessive(format!(
        "tensor '{name}' has {} dimensions, the limit is {LIMIT}",
        shape.len()
    )))
}

/// Objects to `what` coming to more bytes than the file's length allows.
pub(super) fn claim(what: &str, bytes: u64, length: u64) -> Result<(), Objection> {
    let allowed = allowance(length);
    if bytes <= allowed {
        return Ok(());
    }
    Err(Objection::Excessive(format!(
        "{what} would come to {bytes} bytes, but a file of {length} bytes may come to {allowed}"
    )))
}

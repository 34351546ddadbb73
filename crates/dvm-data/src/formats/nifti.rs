//! NIfTI-1 volumes, `.nii` and `.nii.gz`: <https://nifti.nimh.nih.gov/nifti-1>.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use dvm_image::Whole;
use flate2::bufread::MultiGzDecoder;
use nifti::{Endianness, NiftiError, NiftiHeader, NiftiType};

use super::FormatError;
use super::array::ReadError;
use super::element::Element;
use super::frame::{Frame, Values};
use super::orientation::{Axial, directions};
use super::slices::{MOST_BYTES, Wanted};

const FORMAT: &str = "NIfTI";

/// Bytes of the header.
const HEADER: u64 = 348;

/// Most bytes that one byte of gzip can become.
const DEFLATION: u64 = 1032;

/// A volume with a valid header.
struct Volume {
    source: Box<dyn Read>,
    element: Element,
    big_endian: bool,
    /// A value is `slope × stored + intercept`.
    slope: f64,
    intercept: f64,
    axial: Axial,
    /// The header's range from black to white.
    whole: Whole,
    /// Number of volumes in the file, such as time steps.
    times: usize,
    /// Position of the first voxel, in bytes.
    offset: u64,
}

/// Number of axial slices.
pub(super) fn slice_count(path: &Path) -> Result<usize, ReadError> {
    let volume = Volume::open(path)?;
    Ok(volume.axial.depth * volume.times)
}

/// Calls `each` with one axial slice after the other. Slices of a second volume follow those of the first.
pub(super) fn each_frame(
    path: &Path,
    wanted: &Wanted,
    each: &mut dyn FnMut(Frame) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut volume = Volume::open(path)?;
    let gap = volume.offset - HEADER;
    let skipped = io::copy(&mut (&mut volume.source).take(gap), &mut io::sink());
    skipped.map_err(ReadError::reading(FORMAT))?;
    let axial = &volume.axial;
    let (voxels, size) = (
        axial.width * axial.height * axial.depth,
        volume.element.size(),
    );
    let count = axial.depth * volume.times;
    let indices = wanted.of(count);
    let mut bytes = Vec::new();
    // Volumes after the last wanted slice are not read.
    for time in 0..volume.times.min(indices.end.div_ceil(axial.depth)) {
        bytes.clear();
        let read = (&mut volume.source).take((voxels * size) as u64);
        let read = { read }.read_to_end(&mut bytes);
        read.map_err(ReadError::reading(FORMAT))?;
        if bytes.len() < voxels * size {
            return Err(damaged("it ends before its last voxel".into()));
        }
        for index in indices.clone().filter(|index| index / axial.depth == time) {
            let values: Vec<f64> = axial
                .places(index % axial.depth)
                .map(|place| {
                    let stored = volume
                        .element
                        .value(&bytes[place * size..], volume.big_endian);
                    stored * volume.slope + volume.intercept
                })
                .collect();
            each(Frame {
                index,
                count,
                height: axial.height,
                width: axial.width,
                channels: 1,
                values: Values::Numbers(values),
                whole: volume.whole,
                is_negative: false,
            })?;
        }
    }
    Ok(())
}

fn damaged(detail: String) -> ReadError {
    FormatError::Damaged {
        format: FORMAT,
        detail,
    }
    .into()
}

impl Volume {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(ReadError::Io)?;
        let length = file.metadata().map_err(ReadError::Io)?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let zipped = file
            .fill_buf()
            .map_err(ReadError::Io)?
            .starts_with(&[0x1f, 0x8b]);
        let (mut source, most): (Box<dyn Read>, u64) = if zipped {
            let most = length.saturating_mul(DEFLATION);
            (Box::new(MultiGzDecoder::new(file)), most)
        } else {
            (Box::new(file), length)
        };
        let mut start = [0; HEADER as usize];
        source
            .read_exact(&mut start)
            .map_err(ReadError::reading(FORMAT))?;
        let size = i32::from_le_bytes([start[0], start[1], start[2], start[3]]);
        if size == 540 || size.swap_bytes() == 540 {
            return Err(unsupported(
                "a NIfTI-2 volume".into(),
                "save it as NIfTI-1, in Python: nibabel.Nifti1Image(image.dataobj, image.affine)",
            ));
        }
        let header = NiftiHeader::from_reader(&start[..]).map_err(|error| match error {
            NiftiError::InvalidFormat => damaged("its header has no magic `n+1`".into()),
            other => damaged(other.to_string()),
        })?;
        if &header.magic == b"ni1\0" {
            return Err(unsupported(
                "a NIfTI header with the voxels in another file".into(),
                "save both as one .nii file, in Python: nibabel.save(nibabel.load(…), 'one.nii')",
            ));
        }
        Self::new(source, &header, most)
    }

    /// The volume of the header, if it fits into a file with at most `most` bytes.
    fn new(source: Box<dyn Read>, header: &NiftiHeader, most: u64) -> Result<Self, ReadError> {
        let dim = header.dim().map_err(|error| damaged(error.to_string()))?;
        let side = |axis: usize| usize::from(dim.get(axis).copied().unwrap_or(1).max(1));
        let sides = [side(0), side(1), side(2)];
        let times: u64 = dim.iter().skip(3).fold(1, |times: u64, &side| {
            times.saturating_mul(u64::from(side.max(1)))
        });
        let element = element(header)?;
        let voxels: u64 = sides.iter().map(|&side| side as u64).product();
        let bytes = voxels.saturating_mul(element.size() as u64);
        let all = bytes.saturating_mul(times);
        let offset = f64::from(header.vox_offset);
        if !(0.0..=1e9).contains(&offset) {
            return Err(damaged(format!(
                "its header says that voxels start at byte {offset}"
            )));
        }
        let offset = (offset as u64).max(HEADER + 4);
        if all.saturating_add(offset) > most {
            return Err(damaged(format!(
                "its header declares voxels of {all} bytes ({dim:?}), but the file is shorter"
            )));
        }
        if bytes > MOST_BYTES {
            let claim = format!("a volume has {bytes} bytes; the limit is {MOST_BYTES}");
            return Err(FormatError::Excessive { claim }.into());
        }
        // As in nibabel, a slope of 0 or NaN means that values are not scaled.
        let (slope, intercept) = match (header.scl_slope, header.scl_inter) {
            (slope, _) if slope == 0.0 || !slope.is_finite() => (1.0, 0.0),
            (slope, intercept) if intercept.is_finite() => (slope.into(), intercept.into()),
            (slope, intercept) => {
                return Err(damaged(format!(
                    "its values are scaled by {slope} and shifted by {intercept}"
                )));
            }
        };
        Ok(Self {
            source,
            element,
            big_endian: header.endianness == Endianness::Big,
            slope,
            intercept,
            axial: Axial::new(sides, directions(header)),
            whole: window(header),
            times: usize::try_from(times).unwrap_or(usize::MAX),
            offset,
        })
    }
}

fn unsupported(what: String, advice: &'static str) -> ReadError {
    FormatError::Unsupported { what, advice }.into()
}

/// The header's range of values to show, if it has one.
fn window(header: &NiftiHeader) -> Whole {
    let (black, white) = (f64::from(header.cal_min), f64::from(header.cal_max));
    match black.is_finite() && white.is_finite() && black < white {
        true => Whole::Stated { black, white },
        false => Whole::OfValues,
    }
}

fn element(header: &NiftiHeader) -> Result<Element, ReadError> {
    let kind = header
        .data_type()
        .map_err(|error| damaged(error.to_string()))?;
    Ok(match kind {
        NiftiType::Uint8 => Element::U8,
        NiftiType::Int8 => Element::I8,
        NiftiType::Uint16 => Element::U16,
        NiftiType::Int16 => Element::I16,
        NiftiType::Uint32 => Element::U32,
        NiftiType::Int32 => Element::I32,
        NiftiType::Uint64 => Element::U64,
        NiftiType::Int64 => Element::I64,
        NiftiType::Float32 => Element::F32,
        NiftiType::Float64 => Element::F64,
        other => {
            return Err(unsupported(
                format!("voxels of type {other:?}"),
                "save it with real numbers, in Python: image.set_data_dtype('float32')",
            ));
        }
    })
}

//! `.safetensors` files.

use std::collections::BTreeMap;

use ::safetensors::tensor::Dtype;
use ::safetensors::{SafeTensorError, SafeTensors};

use super::element::Element;
use super::inspection::{self, Objection};
use super::{Array, WeightsError};

/// The longest header that is read, in bytes. A tensor takes about 100, so this is enough for 40 000; the
/// parser needs many times the header's length in memory.
const HEADER_LIMIT: u64 = 4 << 20;

type Arrays = BTreeMap<String, Array>;

/// The arrays and the `__metadata__` of a file's bytes.
pub(super) fn read(
    bytes: &[u8],
    file: &str,
) -> Result<(Arrays, BTreeMap<String, String>), WeightsError> {
    if let Some(length) = bytes.first_chunk().map(|n| u64::from_le_bytes(*n))
        && length > HEADER_LIMIT
        && length < bytes.len() as u64
    {
        return Err(WeightsError::Excessive {
            file: file.to_owned(),
            claim: format!("its header has {length} bytes; the limit is {HEADER_LIMIT}"),
        });
    }
    let damaged = |error: SafeTensorError| WeightsError::Damaged {
        file: file.to_owned(),
        format: "safetensors",
        reason: reason(&error, bytes),
    };
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    // The offsets were checked to cover exactly the data after the header.
    let data = &bytes[size_of::<u64>() + length..];
    let mut arrays = Arrays::new();
    for (name, tensor) in header.tensors() {
        if let Err(Objection::Excessive(claim)) = inspection::rank(&name, &tensor.shape) {
            return Err(WeightsError::Excessive {
                file: file.to_owned(),
                claim,
            });
        }
        let element = element(tensor.dtype).ok_or_else(|| WeightsError::Element {
            file: file.to_owned(),
            tensor: format!("tensor '{name}'"),
            element: format!("{:?}", tensor.dtype),
        })?;
        let (start, end) = tensor.data_offsets;
        let array = Array {
            shape: tensor.shape.clone(),
            values: element.values(&data[start..end]),
        };
        arrays.insert(name, array);
    }
    let metadata = header.metadata().clone().unwrap_or_default();
    if arrays.is_empty() {
        return Err(WeightsError::NoTensors {
            file: file.to_owned(),
        });
    }
    Ok((arrays, metadata.into_iter().collect()))
}

fn reason(error: &SafeTensorError, bytes: &[u8]) -> String {
    let length = bytes.len();
    match error {
        SafeTensorError::HeaderTooSmall => format!("it has {length} bytes, fewer than a header"),
        SafeTensorError::InvalidHeaderLength | SafeTensorError::HeaderTooLarge => {
            let header = bytes.first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
            format!("its header claims {header} bytes, but the whole file has {length}")
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            format!("its tensors do not end where the file does, at {length} bytes")
        }
        SafeTensorError::TensorInvalidInfo => {
            "a tensor's shape does not fit the bytes it is given".to_owned()
        }
        other => other.to_string(),
    }
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::I64 => Element::I64,
        Dtype::I32 => Element::I32,
        Dtype::I16 => Element::I16,
        Dtype::I8 => Element::I8,
        Dtype::U64 => Element::U64,
        Dtype::U32 => Element::U32,
        Dtype::U16 => Element::U16,
        Dtype::U8 => Element::U8,
        Dtype::BOOL => Element::Bool,
        _ => return None,
    })
}

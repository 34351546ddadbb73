//! Weights as the bytes of a `.safetensors` file.

use std::collections::BTreeMap;

use ::safetensors::tensor::{Dtype, TensorInfo};
use serde::Serialize;

use super::TensorEntry;

/// The bytes of a `.safetensors` file with these tensors, f32 or i64 and row-major as in PyTorch, and this
/// metadata. The same tensors and metadata give the same bytes.
///
/// The crate `safetensors` writes metadata in the order of a hash map, which differs from run to run;
/// therefore this module writes the header.
pub fn to_safetensors<'a, T: Into<TensorEntry<'a>>>(
    tensors: impl IntoIterator<Item = (String, T)>,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let tensors = tensors.into_iter();
    let tensors = tensors.map(|(name, tensor)| (name, tensor.into()));
    let tensors: BTreeMap<String, TensorEntry> = tensors.collect();
    // Wider numbers first, so that each begins at a multiple of its size.
    let mut order: Vec<(&str, &TensorEntry)> = tensors.iter().map(|(n, t)| (&n[..], t)).collect();
    order.sort_by_key(|(_, tensor)| matches!(tensor, TensorEntry::Floats(_)));
    let mut end = 0;
    let entries = order.iter().map(|&(name, tensor)| {
        let start = end;
        end += tensor.size();
        let info = TensorInfo {
            dtype: match tensor {
                TensorEntry::Floats(_) => Dtype::F32,
                TensorEntry::Integers(_) => Dtype::I64,
            },
            shape: tensor.shape().to_vec(),
            data_offsets: (start, end),
        };
        (name, info)
    });
    let header = Header {
        metadata,
        tensors: entries.collect(),
    };
    let mut text = serde_json::to_vec(&header).expect("names and numbers can be written");
    // The data after the header must be aligned to 8 bytes.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + text.len() + end);
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text);
    for (_, tensor) in &order {
        tensor.write(&mut bytes);
    }
    bytes
}

#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::weights::{Integers, Weights};

    #[test]
    fn written_tensors_and_metadata_are_read_again() {
        let values: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let filters = Tensor::from_nchw(&[2, 3, 2, 2], &values);
        let bias = Tensor::from_nchw(&[2], &[0.5, -1.0]);
        let metadata =
            BTreeMap::from([("b".to_owned(), "é\"".to_owned()), ("a".into(), "1".into())]);
        let named = [
            ("z.weight".to_owned(), &filters),
            ("a.bias".to_owned(), &bias),
        ];
        let bytes = to_safetensors(named, &metadata);
        let read = Weights::from_safetensors(&bytes, "bytes").unwrap();
        assert_eq!(read.metadata(), &metadata);
        assert_eq!(read.len(), 2);
        let array = read.get("z.weight").unwrap();
        assert_eq!(
            (&array.shape[..], &array.values),
            (&[2, 3, 2, 2][..], &values)
        );
        assert_eq!(read.get("a.bias").unwrap().values, [0.5, -1.0]);
    }

    #[test]
    fn counters_come_before_weights_and_are_read_as_numbers() {
        let counter = Integers {
            shape: vec![],
            values: vec![7],
        };
        let tensor = Tensor::from_nchw(&[3], &[1.0, 2.0, 3.0]);
        let named = [
            ("a.weight".to_owned(), TensorEntry::from(&tensor)),
            ("b.num_batches_tracked".into(), TensorEntry::from(&counter)),
        ];
        let bytes = to_safetensors(named, &BTreeMap::new());
        let read = Weights::from_safetensors(&bytes, "bytes").unwrap();
        assert_eq!(read.get("a.weight").unwrap().values, [1.0, 2.0, 3.0]);
        let array = read.get("b.num_batches_tracked").unwrap();
        assert_eq!((&array.shape[..], &array.values[..]), (&[][..], &[7.0][..]));
    }

    #[test]
    fn numbers_begin_at_a_multiple_of_eight_bytes() {
        let tensor = Tensor::zeros(&[1]);
        for length in 0..9 {
            let named = [("x".repeat(length + 1), &tensor)];
            let bytes = to_safetensors(named, &BTreeMap::new());
            assert_eq!((bytes.len() - size_of::<f32>()) % 8, 0);
        }
    }
}

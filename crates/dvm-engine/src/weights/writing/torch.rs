//! Weights as the bytes of a file that `torch.load` reads.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::TensorEntry;

/// The folder that every record of the archive is in.
const FOLDER: &str = "archive";

/// The record with the metadata, a JSON object of texts. PyTorch's format has no place for metadata, and
/// PyTorch ignores unknown records.
pub const METADATA: &str = "dvm.json";

/// The bytes of a `.pth` file with these tensors, f32 or i64, in the format of `torch.save(state_dict, file)`
/// since PyTorch 1.6: a zip archive of the pickled dictionary and one record per tensor. The same tensors and
/// metadata give the same bytes. `torch.load(file)` returns the dictionary.
pub fn to_torch<'a, T: Into<TensorEntry<'a>>>(
    tensors: impl IntoIterator<Item = (String, T)>,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let tensors = tensors.into_iter();
    let tensors = tensors.map(|(name, tensor)| (name, tensor.into()));
    let tensors: Vec<(String, TensorEntry)> = tensors.collect();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // PyTorch maps records into memory, so each begins at a multiple of 64 bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_alignment(64)
        .large_file(true);
    let mut record = |name: &str, bytes: &[u8]| {
        archive
            .start_file(format!("{FOLDER}/{name}"), options)
            .and_then(|()| Ok(archive.write_all(bytes)?))
            .expect("memory can be written, and names differ");
    };
    record("data.pkl", &dictionary(&tensors));
    record("byteorder", b"little");
    let metadata = serde_json::to_vec(metadata).expect("texts can be written");
    record(METADATA, &metadata);
    for (index, (_, tensor)) in tensors.iter().enumerate() {
        let mut bytes = Vec::with_capacity(tensor.size());
        tensor.write(&mut bytes);
        record(&format!("data/{index}"), &bytes);
    }
    record("version", b"3\n");
    archive
        .finish()
        .expect("memory can be written")
        .into_inner()
}

/// The dictionary pickled with protocol 2: its tensors refer to records by number.
fn dictionary(tensors: &[(String, TensorEntry)]) -> Vec<u8> {
    let mut pickle = Pickle(b"\x80\x02".to_vec());
    pickle.empty_ordered_dictionary();
    pickle.0.push(b'(');
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        pickle.text(name);
        pickle.tensor(index, tensor);
    }
    // All pairs since the mark are set; end.
    pickle.0.extend(b"u.");
    pickle.0
}

/// A pickle being written (Python's `pickletools` names the opcodes).
struct Pickle(Vec<u8>);

impl Pickle {
    fn global(&mut self, module: &str, name: &str) {
        self.0.push(b'c');
        self.0.extend(module.bytes());
        self.0.push(b'\n');
        self.0.extend(name.bytes());
        self.0.push(b'\n');
    }

    fn empty_ordered_dictionary(&mut self) {
        self.global("collections", "OrderedDict");
        self.0.extend(b")R");
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        let length = u32::try_from(text.len()).expect("names are short");
        self.0.extend(length.to_le_bytes());
        self.0.extend(text.bytes());
    }

    fn whole_number(&mut self, number: usize) {
        // LONG1: eight bytes, two's complement.
        self.0.extend(b"\x8a\x08");
        self.0.extend((number as u64).to_le_bytes());
    }

    fn tuple(&mut self, numbers: &[usize]) {
        self.0.push(b'(');
        numbers.iter().for_each(|&number| self.whole_number(number));
        self.0.push(b't');
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`.
    fn tensor(&mut self, record: usize, tensor: &TensorEntry) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.0.extend(b"((");
        self.text("storage");
        let storage = match tensor {
            TensorEntry::Floats(_) => "FloatStorage",
            TensorEntry::Integers(_) => "LongStorage",
        };
        self.global("torch", storage);
        self.text(&record.to_string());
        self.text("cpu");
        self.whole_number(tensor.len());
        self.0.extend(b"tQ");
        self.whole_number(0);
        let shape = tensor.shape();
        self.tuple(shape);
        let stride = |axis: usize| shape[axis + 1..].iter().product();
        self.tuple(&(0..shape.len()).map(stride).collect::<Vec<usize>>());
        self.0.push(b'\x89');
        self.empty_ordered_dictionary();
        self.0.extend(b"tR");
    }
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
        let metadata = BTreeMap::from([("b".to_owned(), "é\"".to_owned())]);
        let named = [
            ("z.weight".to_owned(), &filters),
            ("a.bias".to_owned(), &bias),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pth");
        std::fs::write(&path, to_torch(named, &metadata)).unwrap();
        let read = Weights::read(&path).unwrap();
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
    fn counters_are_read_as_numbers() {
        let counter = Integers {
            shape: vec![],
            values: vec![7],
        };
        let named = [("b.num_batches_tracked".to_owned(), &counter)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pth");
        std::fs::write(&path, to_torch(named, &BTreeMap::new())).unwrap();
        let read = Weights::read(&path).unwrap();
        let array = read.get("b.num_batches_tracked").unwrap();
        assert_eq!((&array.shape[..], &array.values[..]), (&[][..], &[7.0][..]));
    }
}

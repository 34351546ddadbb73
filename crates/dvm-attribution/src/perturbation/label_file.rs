//! Label files: the segment of each pixel, as a PNG whose colours are the labels or as a NumPy
//! array `[H, W]` of whole numbers.

use std::path::Path;

use dvm_image::{Input, Limits};

use super::segments::without_gaps;

/// The labels of a file.
pub(super) struct LabelFile {
    /// Rows and columns.
    pub size: (usize, usize),
    /// `[H, W]`, row-major, from 0 in the order of the file's numbers or colours.
    labels: Vec<u32>,
}

impl LabelFile {
    /// The label of each pixel of the network's input, `[H, W]`. Labels of the size of the original
    /// picture are sampled at the centre of each pixel. `None` if they have neither size.
    pub fn on(&self, input: &Input) -> Option<Vec<u32>> {
        let placement = input.placement();
        let [_, height, width] = input.shape();
        if self.size == (height, width) {
            return Some(self.labels.clone());
        }
        if self.size != placement.original_size() {
            return None;
        }
        let nearest = |at: f64, length: usize| (at.max(0.0) as usize).min(length - 1);
        let label = |y: usize, x: usize| {
            let (y, x) = placement.original_from_crop((y as f64 + 0.5, x as f64 + 0.5));
            self.labels[nearest(y, self.size.0) * self.size.1 + nearest(x, self.size.1)]
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        Some(pixels.map(|(y, x)| label(y, x)).collect())
    }
}

/// Reads a label file.
///
/// # Errors
/// What is wrong with the file, with its name.
pub(super) fn read(path: &Path) -> Result<LabelFile, String> {
    let limits = Limits::default();
    let failed = |what: String| format!("{}: {what}", path.display());
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
    {
        let bytes = dvm_image::bytes_of(path, &limits).map_err(|e| e.to_string())?;
        return array(&bytes).map_err(failed);
    }
    let picture = dvm_image::read(path, &limits).map_err(|e| e.to_string())?;
    if picture.levels().is_some() {
        return Err(failed(
            "labels of more than 8 bits cannot be read from a picture; save them as a .npy file"
                .into(),
        ));
    }
    Ok(LabelFile {
        size: (picture.height(), picture.width()),
        labels: without_gaps(picture.rgb().as_chunks::<3>().0),
    })
}

/// Reads a NumPy file with two axes.
fn array(bytes: &[u8]) -> Result<LabelFile, String> {
    let dvm_image::NpyFile {
        descr: kind,
        shape,
        values,
    } = dvm_image::parse_npy(bytes)?;
    let &[height, width] = &shape[..] else {
        return Err(format!(
            "labels must be an array [H, W], but this one has the shape {shape:?}"
        ));
    };
    let width_of_one = match kind {
        "|u1" | "|i1" | "|b1" => 1,
        "<u2" | "<i2" => 2,
        "<u4" | "<i4" => 4,
        "<u8" | "<i8" => 8,
        _ => {
            return Err(format!(
                "labels must be whole numbers, but this array holds `{kind}`; save it as int32"
            ));
        }
    };
    let expected = height
        .checked_mul(width)
        .and_then(|n| n.checked_mul(width_of_one));
    if expected != Some(values.len()) || values.is_empty() {
        return Err("this is not a complete .npy file".into());
    }
    let signed = kind.as_bytes()[1] == b'i';
    let number = |bytes: &[u8]| {
        let negative = signed && bytes[width_of_one - 1] >= 128;
        let mut wide = [if negative { 255 } else { 0 }; 16];
        wide[..width_of_one].copy_from_slice(bytes);
        i128::from_le_bytes(wide)
    };
    let numbers: Vec<i128> = values.chunks_exact(width_of_one).map(number).collect();
    Ok(LabelFile {
        size: (height, width),
        labels: without_gaps(&numbers),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values);
        bytes
    }

    #[test]
    fn an_array_of_whole_numbers_is_numbered_in_the_order_of_its_values() {
        let values: Vec<u8> = [-5i16, 300, 7, -5]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let read = array(&file("<i2", "(2, 2)", &values)).unwrap();
        assert_eq!(read.size, (2, 2));
        assert_eq!(read.labels, [0, 2, 1, 0]);
        let read = array(&file("|u1", "(1, 3)", &[200, 100, 200])).unwrap();
        assert_eq!(read.labels, [1, 0, 1]);
    }

    #[test]
    fn an_array_of_another_kind_is_an_error_with_advice() {
        let error = |kind, shape, values: &[u8]| array(&file(kind, shape, values)).err().unwrap();
        assert!(error("<f4", "(1, 1)", &[0; 4]).contains("int32"));
        assert!(error("|u1", "(3,)", &[0; 3]).contains("[H, W]"));
        assert!(error("|u1", "(2, 2)", &[0; 3]).contains("complete"));
        assert!(array(b"PK").is_err());
    }
}

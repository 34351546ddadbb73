//! The kinds of files of an explanation.

/// A kind of file of an explanation. The record, `explanation.json`, is always written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `input.png`: the crop.
    Input,
    /// `<method>.npy`: the map, `[H, W]`, 32-bit floats.
    Npy,
    /// `<method>.raw.npy` and other arrays that the map was made from.
    Raw,
    /// `<method>.png`: the map in colours, with its colour bar.
    Png,
    /// `<method>.16.png`: the map as 16-bit grey, from its minimum (0) to its maximum (65535). Both values are in
    /// the record and in the file (tEXt chunks `Minimum` and `Maximum`).
    Png16,
    /// `<method>.overlay.png`: the map over the picture; for DICOM files also `<method>.overlay.dcm`.
    Overlay,
    /// `figure.png`, or the formats of [`Explain::figures`](crate::Explain::figures).
    Figure,
}

impl FileKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Input,
        Self::Npy,
        Self::Raw,
        Self::Png,
        Self::Png16,
        Self::Overlay,
        Self::Figure,
    ];

    /// The default kinds.
    pub const USUAL: [Self; 6] = [
        Self::Input,
        Self::Npy,
        Self::Raw,
        Self::Png,
        Self::Overlay,
        Self::Figure,
    ];

    /// The name: `npy`, `png16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Npy => "npy",
            Self::Raw => "raw",
            Self::Png => "png",
            Self::Png16 => "png16",
            Self::Overlay => "overlay",
            Self::Figure => "figure",
        }
    }
}

/// A PNG file of 16-bit grey that shows `values`, `[height, width]`: the minimum becomes 0, the maximum 65535,
/// values between are rounded to the nearest step. tEXt chunks hold minimum and maximum. If all values are equal,
/// all become 0. The same values give the same bytes.
///
/// # Panics
/// If there are not `height` × `width` values, or a side has 2³¹ pixels or more.
pub(crate) fn encode_png16((height, width): (usize, usize), values: &[f32]) -> Vec<u8> {
    assert_eq!(values.len(), height * width, "{height} × {width} values");
    let (least, largest) = range(values);
    let scale = match largest > least {
        true => f64::from(u16::MAX) / (f64::from(largest) - f64::from(least)),
        false => 0.0,
    };
    let grey: Vec<u8> = values
        .iter()
        // The cast saturates, and NaN becomes 0.
        .map(|&value| ((f64::from(value) - f64::from(least)) * scale).round() as u16)
        .flat_map(u16::to_be_bytes)
        .collect();
    let side = |side: usize| u32::try_from(side).expect("a PNG has fewer than 2^31 rows");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width), side(height));
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.set_compression(png::Compression::Fast);
    let text = [("Minimum", least), ("Maximum", largest)];
    for (keyword, value) in text {
        encoder
            .add_text_chunk(keyword.into(), value.to_string())
            .expect("a short keyword of plain letters");
    }
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&grey)?;
        writer.finish()
    });
    written.expect("writing to memory does not fail");
    bytes
}

/// The minimum and the maximum of `values`.
pub(crate) fn range(values: &[f32]) -> (f32, f32) {
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (least, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Vec<u16>, Vec<(String, String)>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut grey = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut grey).unwrap();
        let info = reader.info();
        assert_eq!(info.bit_depth, png::BitDepth::Sixteen);
        assert_eq!(info.color_type, png::ColorType::Grayscale);
        let text = info.uncompressed_latin1_text.iter();
        let text = text.map(|chunk| (chunk.keyword.clone(), chunk.text.clone()));
        let pairs = grey
            .chunks(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        (pairs.collect(), text.collect())
    }

    #[test]
    fn the_minimum_is_black_the_maximum_white_and_the_file_has_both() {
        let bytes = encode_png16((2, 3), &[-1.0, 0.0, 3.0, 1.0, 2.0, -1.0]);
        let (grey, text) = read(&bytes);
        assert_eq!(grey, [0, 16384, 65535, 32768, 49151, 0]);
        let said = |keyword: &str, value: &str| (keyword.to_owned(), value.to_owned());
        assert_eq!(text, [said("Minimum", "-1"), said("Maximum", "3")]);
    }

    #[test]
    fn a_map_of_equal_values_is_black() {
        assert_eq!(read(&encode_png16((1, 2), &[0.5, 0.5])).0, [0, 0]);
    }
}

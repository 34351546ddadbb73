//! The frames of a DICOM file.

use dvm_image::Whole;

use super::super::array::ReadError;
use super::super::frame::{Frame, Values};
use super::compressed::{self, Shape};
use super::elements::Elements;
use super::{DECOMPRESS, SAVE_GREY, damaged, tags, unsupported};

/// Frames of the same size.
pub(super) struct Image<'a> {
    rows: usize,
    columns: usize,
    pub frames: usize,
    colours: Colours,
    /// Bytes of a stored value: one or two.
    size: usize,
    big_endian: bool,
    /// Number of used bits of a stored value. The lowest is bit `shift`.
    bits: u32,
    shift: u32,
    signed: bool,
    slope: f64,
    intercept: f64,
    window: Window,
    pixels: Pixels<'a>,
}

enum Pixels<'a> {
    Plain(&'a [u8]),
    Compressed(compressed::Compression, Vec<Vec<u8>>),
}

/// The meaning of a pixel's values.
#[derive(Clone, Copy, PartialEq)]
enum Colours {
    Grey {
        is_negative: bool,
    },
    Rgb {
        planar: bool,
    },
    /// Luma and two colour differences of 8 bits each (ITU-R BT.601, full range).
    Ybr {
        planar: bool,
    },
}

/// The file's range from black to white.
#[derive(Clone, Copy)]
enum Window {
    None,
    Linear { black: f64, white: f64 },
}

impl<'a> Image<'a> {
    pub fn of(elements: &'a Elements) -> Result<Self, ReadError> {
        let need = |tag| {
            let value = elements.short(tag);
            value.ok_or_else(|| {
                damaged(format!(
                    "it has no element {tag}, so it contains no picture"
                ))
            })
        };
        let (rows, columns) = (need(tags::ROWS)?.into(), need(tags::COLUMNS)?.into());
        let colours = colours(elements)?;
        let allocated = need(tags::BITS_ALLOCATED)?;
        let is_grey = matches!(colours, Colours::Grey { .. });
        if !matches!(allocated, 8 | 16) || !is_grey && allocated != 8 {
            return Err(unsupported(
                format!("pixels of {allocated} bits"),
                SAVE_GREY,
            ));
        }
        let stored = elements.short(tags::BITS_STORED).unwrap_or(allocated);
        let high = elements
            .short(tags::HIGH_BIT)
            .unwrap_or(stored.saturating_sub(1));
        if stored == 0 || high >= allocated || stored > high + 1 {
            return Err(damaged(format!(
                "its pixels declare {stored} of {allocated} bits, up to bit {high}"
            )));
        }
        if elements.big_endian && allocated == 8 {
            let what = "pixels of 8 bits in big-endian words";
            return Err(unsupported(what, SAVE_GREY));
        }
        let frames = elements.number(tags::FRAMES, 1.0)?;
        if rows * columns == 0 || !(1.0..=65536.0).contains(&frames) || frames.fract() != 0.0 {
            return Err(damaged(format!(
                "it declares {frames} pictures of {rows} rows and {columns} columns"
            )));
        }
        let size = usize::from(allocated / 8);
        let pixels = match elements.compression {
            Some(compression) => Pixels::Compressed(
                compression,
                compressed::frames(&elements.items, frames as usize)?,
            ),
            None => {
                let pixels = elements.value(tags::PIXELS);
                let pixels = pixels.ok_or_else(|| damaged("it has no pixels"))?;
                let needed = (rows * columns * size * colours.samples()) as f64 * frames;
                if needed > pixels.len() as f64 {
                    return Err(damaged(format!(
                        "{frames} pictures of {rows} rows and {columns} columns need {needed} bytes, but it \
                         has {}",
                        pixels.len()
                    )));
                }
                Pixels::Plain(pixels)
            }
        };
        Ok(Self {
            rows,
            columns,
            frames: frames as usize,
            colours,
            size,
            big_endian: elements.big_endian,
            bits: stored.into(),
            shift: u32::from(high + 1 - stored),
            signed: elements.short(tags::REPRESENTATION) == Some(1),
            slope: elements.number(tags::SLOPE, 1.0)?,
            intercept: elements.number(tags::INTERCEPT, 0.0)?,
            window: Window::of(elements)?,
            pixels,
        })
    }

    /// A frame, with slope and intercept applied.
    pub fn frame(&self, index: usize) -> Result<Frame, ReadError> {
        let length = self.rows * self.columns * self.colours.samples();
        let (words, is_rgb): (Vec<u16>, bool) = match &self.pixels {
            Pixels::Plain(pixels) => {
                let bytes = length * self.size;
                let frame = &pixels[index * bytes..(index + 1) * bytes];
                let words = frame.chunks_exact(self.size);
                let words = words.map(|bytes| match (bytes, self.big_endian) {
                    (&[low, high], false) => u16::from_le_bytes([low, high]),
                    (&[high, low], true) => u16::from_be_bytes([high, low]),
                    (bytes, _) => u16::from(bytes[0]),
                });
                (words.collect(), false)
            }
            Pixels::Compressed(compression, frames) => {
                let plain = compression.decode(
                    &frames[index],
                    Shape {
                        rows: self.rows,
                        columns: self.columns,
                        samples: self.colours.samples(),
                        size: self.size,
                        bits: self.bits,
                    },
                )?;
                (plain.values, plain.is_rgb)
            }
        };
        let frame = |channels, values, whole| Frame {
            index,
            count: self.frames,
            height: self.rows,
            width: self.columns,
            channels,
            values,
            whole,
            is_negative: self.colours == Colours::Grey { is_negative: true },
        };
        if let Colours::Grey { .. } = self.colours {
            let values = words.into_iter().map(|word| self.value(word)).collect();
            return Ok(frame(1, Values::Numbers(values), self.window.whole()));
        }
        // Decoders return the channels of a pixel side by side, and convert luma to red, green and blue.
        let is_compressed = matches!(self.pixels, Pixels::Compressed(..));
        let (is_planar, is_ybr) = match self.colours {
            Colours::Ybr { planar } => (planar && !is_compressed, !is_rgb),
            Colours::Rgb { planar } => (planar && !is_compressed, false),
            Colours::Grey { .. } => (false, false),
        };
        let pixels = self.rows * self.columns;
        let sample = |pixel: usize, channel: usize| {
            let at = match is_planar {
                true => channel * pixels + pixel,
                false => 3 * pixel + channel,
            };
            words[at] as u8
        };
        let rgb = (0..pixels).flat_map(|pixel| {
            let three = [0, 1, 2].map(|channel| sample(pixel, channel));
            if is_ybr { rgb_of(three) } else { three }
        });
        let values = Values::Bytes(rgb.collect());
        Ok(frame(3, values, Whole::unsigned(8)))
    }

    fn value(&self, word: u16) -> f64 {
        let unused = 32 - self.bits;
        let stored = u32::from(word >> self.shift) << unused;
        let value = if self.signed {
            f64::from(stored as i32 >> unused)
        } else {
            f64::from(stored >> unused)
        };
        value * self.slope + self.intercept
    }
}

impl Colours {
    fn samples(self) -> usize {
        match self {
            Self::Grey { .. } => 1,
            Self::Rgb { .. } | Self::Ybr { .. } => 3,
        }
    }
}

fn colours(elements: &Elements) -> Result<Colours, ReadError> {
    let photometric = elements.text(tags::PHOTOMETRIC).unwrap_or_default();
    let samples = elements.short(tags::SAMPLES).unwrap_or(1);
    let planar = elements.short(tags::PLANAR) == Some(1);
    Ok(match (photometric.as_str(), samples) {
        ("MONOCHROME1", 1) => Colours::Grey { is_negative: true },
        ("MONOCHROME2", 1) => Colours::Grey { is_negative: false },
        ("RGB" | "YBR_RCT" | "YBR_ICT", 3) => Colours::Rgb { planar },
        ("YBR_FULL", 3) => Colours::Ybr { planar },
        // Uncompressed YBR_FULL_422 has only every second colour difference, and is not supported.
        ("YBR_FULL_422" | "YBR_PARTIAL_420", 3) if elements.compression.is_some() => {
            Colours::Ybr { planar: false }
        }
        (name, samples) => {
            let what = format!("a picture in {name:?} with {samples} values per pixel");
            let advice = match elements.compression {
                Some(_) => DECOMPRESS,
                None => SAVE_GREY,
            };
            return Err(unsupported(what, advice));
        }
    })
}

/// Red, green and blue from luma and colour differences (YBR_FULL in PS3.3, C.7.6.3.1.2).
fn rgb_of([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0];
    [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ]
    .map(|value| value.round() as u8)
}

impl Window {
    /// The first window of the file.
    fn of(elements: &Elements) -> Result<Self, ReadError> {
        let first = |tag| -> Result<Option<f64>, ReadError> {
            let text = elements.text(tag).unwrap_or_default();
            let text = text
                .split('\\')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            if text.is_empty() {
                return Ok(None);
            }
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            let wrong = || damaged(format!("its element {tag} is {text:?}, not a number"));
            number.map(Some).ok_or_else(wrong)
        };
        let (centre, width) = (first(tags::WINDOW_CENTRE)?, first(tags::WINDOW_WIDTH)?);
        // Without a window, and with a sigmoid, the range is that of the picture's values.
        let function = elements.text(tags::WINDOW_FUNCTION).unwrap_or_default();
        let (Some(centre), Some(width)) = (centre, width) else {
            return Ok(Self::None);
        };
        Ok(match function.as_str() {
            "LINEAR_EXACT" if width > 0.0 => Self::Linear {
                black: centre - width / 2.0,
                white: centre + width / 2.0,
            },
            "SIGMOID" => Self::None,
            _ => match dvm_image::Range::window(centre, width) {
                Ok(dvm_image::Range::Values { black, white }) => Self::Linear { black, white },
                _ => Self::None,
            },
        })
    }

    fn whole(self) -> Whole {
        match self {
            Self::None => Whole::OfValues,
            Self::Linear { black, white } => Whole::Stated { black, white },
        }
    }
}

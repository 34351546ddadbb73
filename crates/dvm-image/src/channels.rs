//! The channels of a network's input: RGB, BGR or grey.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Picture;

/// The channels of a network's input, in order. In JSON `"rgb"`, `"bgr"` or `"grey"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red, green, blue: PyTorch, TensorFlow and most others.
    #[default]
    Rgb,
    /// Blue, green, red: Caffe, OpenCV, Keras's networks in "caffe" mode.
    Bgr,
    /// One channel, the luma of the picture as Pillow's `convert("L")` gives it.
    #[serde(alias = "gray")]
    Grey,
}

impl Channels {
    /// Number of channels.
    pub const fn count(self) -> usize {
        self.sources().len()
    }

    /// For each channel of the network, the index of its value in a pixel `R G B`. In a grey
    /// picture all three values are the luma.
    pub const fn sources(self) -> &'static [usize] {
        match self {
            Self::Rgb => &[0, 1, 2],
            Self::Bgr => &[2, 1, 0],
            Self::Grey => &[0],
        }
    }

    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
            Self::Grey => "grey",
        }
    }

    /// The picture to resize and crop for these channels: the picture itself, or its luma.
    pub fn of(self, picture: &Picture) -> Cow<'_, Picture> {
        match self {
            Self::Grey => grey(picture),
            Self::Rgb | Self::Bgr => Cow::Borrowed(picture),
        }
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Channels {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "rgb" => Ok(Self::Rgb),
            "bgr" => Ok(Self::Bgr),
            "grey" | "gray" => Ok(Self::Grey),
            _ => Err("it must be rgb, bgr or grey"),
        }
    }
}

/// ITU-R 601-2 luma of a pixel in 16-bit fixed point, rounded as Pillow rounds it.
pub const fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = red as u32 * 19_595 + green as u32 * 38_470 + blue as u32 * 7_471;
    ((sum + 0x8000) >> 16) as u8
}

/// The picture with its luma in all three channels; the same picture if it is grey already.
fn grey(picture: &Picture) -> Cow<'_, Picture> {
    let pixels = picture.rgb().as_chunks::<3>().0;
    if pixels.iter().all(|&[r, g, b]| r == g && g == b) {
        return Cow::Borrowed(picture);
    }
    let mut grey = picture.clone();
    for pixel in grey.rgb_mut().as_chunks_mut::<3>().0 {
        *pixel = [luma(*pixel); 3];
    }
    Cow::Owned(grey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_equals_pillows() {
        // Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)), Pillow 13.
        let known = [
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([1, 2, 3], 2),
            ([10, 200, 77], 129),
            ([254, 3, 128], 92),
            ([255, 255, 255], 255),
        ];
        for (colour, grey) in known {
            assert_eq!(luma(colour), grey, "{colour:?}");
        }
    }

    #[test]
    fn grey_pixels_keep_their_value() {
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
    }

    #[test]
    fn names_are_read_back() {
        for channels in [Channels::Rgb, Channels::Bgr, Channels::Grey] {
            assert_eq!(channels.name().parse(), Ok(channels));
            let json = serde_json::to_string(&channels).unwrap();
            assert_eq!(json, format!("\"{channels}\""));
        }
        assert!("rgba".parse::<Channels>().is_err());
    }
}

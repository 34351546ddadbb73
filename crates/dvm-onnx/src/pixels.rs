//! Which pixels a file's graph expects.

/// Which pixels a graph expects, from what it does to them before its first layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// The values of the pixels.
    pub range: PixelRange,
    /// The order of the channels, if the graph subtracts ImageNet's mean.
    pub channels: Option<ChannelOrder>,
    /// What the graph does, as a predicate: `subtracts 123.7, 116.8, 103.9`.
    pub how: String,
}

/// The values of the darkest and the brightest pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelRange {
    /// 0 to 255.
    Bytes,
    /// 0 to 1.
    Unit,
    /// −1 to 1.
    PlusMinusOne,
}

impl PixelRange {
    /// The darkest and the brightest value.
    pub const fn bounds(self) -> (f64, f64) {
        match self {
            Self::Bytes => (0.0, 255.0),
            Self::Unit => (0.0, 1.0),
            Self::PlusMinusOne => (-1.0, 1.0),
        }
    }
}

/// The order of the colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

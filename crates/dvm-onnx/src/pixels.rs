//! What a file's graph tells of the pixels that it takes.

/// What the graph does to the picture before its first layer, and what follows from that.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// The values of its pixels.
    pub range: PixelRange,
    /// The order of its channels, where the means that it subtracts are those of ImageNet's colours.
    pub channels: Option<ChannelOrder>,
    /// What it does, as the end of "the network itself …": `subtracts 123.7, 116.8, 103.9`.
    pub how: String,
}

/// The values that a network takes for the darkest and the brightest pixel.
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

/// The order of three colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

//! Colour maps: from a position between 0 and 1 to a colour.

use std::fmt;
use std::str::FromStr;

use crate::canvas::mix;

/// A colour map. Inferno, magma, plasma and viridis are the perceptually uniform maps of van der
/// Walt and Smith (<https://bids.github.io/colormap/>, CC0). YlGnBu, RdBu and PuOr interpolate
/// colour specifications developed by Cynthia Brewer (<https://colorbrewer.org/>, Apache-2.0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ColourMap {
    /// Black, purple, orange, light yellow.
    #[default]
    Inferno,
    /// Black, purple, rose, cream.
    Magma,
    /// Dark blue, magenta, yellow.
    Plasma,
    /// Violet, green, yellow; suitable for colour-blind readers and for grey printing.
    Viridis,
    /// Black, red, yellow, white, as matplotlib's `hot`. Not perceptually uniform.
    Hot,
    /// Light yellow (low), green, dark blue (high).
    YlGnBu,
    /// Diverging: blue (negative), near white (zero), red (positive); matplotlib's `RdBu_r`.
    RdBu,
    /// Diverging: purple (negative), near white (zero), brown (positive); matplotlib's `PuOr_r`.
    PuOr,
    /// Diverging: pure blue (negative), pure white (zero), pure red (positive), as matplotlib's
    /// `bwr`. Not perceptually uniform.
    BlueWhiteRed,
}

impl ColourMap {
    /// All colour maps, in the order of help texts.
    pub const ALL: [Self; 9] = [
        Self::Inferno,
        Self::Magma,
        Self::Plasma,
        Self::Viridis,
        Self::Hot,
        Self::YlGnBu,
        Self::RdBu,
        Self::PuOr,
        Self::BlueWhiteRed,
    ];

    /// The name that [`FromStr`] reads and [`Display`](fmt::Display) writes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inferno => "inferno",
            Self::Magma => "magma",
            Self::Plasma => "plasma",
            Self::Viridis => "viridis",
            Self::Hot => "hot",
            Self::YlGnBu => "ylgnbu",
            Self::RdBu => "rdbu",
            Self::PuOr => "puor",
            Self::BlueWhiteRed => "blue-white-red",
        }
    }

    /// Whether the map has a neutral colour in the middle, for signed values.
    pub fn is_diverging(self) -> bool {
        matches!(self, Self::RdBu | Self::PuOr | Self::BlueWhiteRed)
    }

    /// The sRGB colour at `t`, which is clamped to 0..=1.
    pub fn at(self, t: f32) -> [u8; 3] {
        let t = t.clamp(0.0, 1.0);
        match self {
            Self::Inferno => sampled(colorous::INFERNO, t),
            Self::Magma => sampled(colorous::MAGMA, t),
            Self::Plasma => sampled(colorous::PLASMA, t),
            Self::Viridis => sampled(colorous::VIRIDIS, t),
            Self::Hot => hot(t),
            Self::YlGnBu => between(&YL_GN_BU, t),
            Self::RdBu => between(&RD_BU, t),
            Self::PuOr => between(&PU_OR, t),
            Self::BlueWhiteRed => between(&BLUE_WHITE_RED, t),
        }
    }
}

impl fmt::Display for ColourMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An unknown name of a colour map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown colour map `{name}`; choose one of: {}", names())]
pub struct UnknownColourMap {
    /// The unknown name.
    pub name: String,
}

impl FromStr for ColourMap {
    type Err = UnknownColourMap;

    /// Parses a [`name`](ColourMap::name) in any case, or one of matplotlib's `RdBu_r`, `PuOr_r`
    /// and `bwr`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "rdbu_r" => return Ok(Self::RdBu),
            "puor_r" => return Ok(Self::PuOr),
            "bwr" => return Ok(Self::BlueWhiteRed),
            _ => {}
        }
        Self::ALL
            .into_iter()
            .find(|map| map.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownColourMap { name: name.into() })
    }
}

fn names() -> String {
    ColourMap::ALL.map(ColourMap::name).join(", ")
}

/// The colour of a map that is published as a table.
fn sampled(gradient: colorous::Gradient, t: f32) -> [u8; 3] {
    gradient.eval_continuous(f64::from(t)).into_array()
}

/// matplotlib's `hot`: red rises first, then green, then blue.
fn hot(t: f32) -> [u8; 3] {
    const RED_FULL: f32 = 0.365_079;
    const GREEN_FULL: f32 = 0.746_032;
    const DARKEST: f32 = 0.0416;
    let red = DARKEST + (1.0 - DARKEST) * t / RED_FULL;
    let green = (t - RED_FULL) / (GREEN_FULL - RED_FULL);
    let blue = (t - GREEN_FULL) / (1.0 - GREEN_FULL);
    [red, green, blue].map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8)
}

/// Linear interpolation at `t` between evenly spaced `colours` (`0xRRGGBB`).
pub(crate) fn between(colours: &[u32], t: f32) -> [u8; 3] {
    let place = t * (colours.len() - 1) as f32;
    let first = (place as usize).min(colours.len() - 2);
    let [below, above] = [colours[first], colours[first + 1]].map(rgb);
    mix(below, above, place - first as f32)
}

/// The channels of `0xRRGGBB`.
pub(crate) fn rgb(colour: u32) -> [u8; 3] {
    let [_, red, green, blue] = colour.to_be_bytes();
    [red, green, blue]
}

const YL_GN_BU: [u32; 9] = [
    0xffffd9, 0xedf8b1, 0xc7e9b4, 0x7fcdbb, 0x41b6c4, 0x1d91c0, 0x225ea8, 0x253494, 0x081d58,
];

/// ColorBrewer's eleven-class RdBu, from its blue end.
const RD_BU: [u32; 11] = [
    0x053061, 0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xf4a582, 0xd6604d,
    0xb2182b, 0x67001f,
];

/// ColorBrewer's eleven-class PuOr, from its purple end.
const PU_OR: [u32; 11] = [
    0x2d004b, 0x542788, 0x8073ac, 0xb2abd2, 0xd8daeb, 0xf7f7f7, 0xfee0b6, 0xfdb863, 0xe08214,
    0xb35806, 0x7f3b08,
];

const BLUE_WHITE_RED: [u32; 3] = [0x0000ff, 0xffffff, 0xff0000];

#[cfg(test)]
mod tests {
    use super::*;

    /// matplotlib 3.11.2: `matplotlib.colormaps[name](t, bytes=True)[:3]` for `t` in
    /// 0, 0.25, 0.5, 0.75, 1, in the order of [`ColourMap::ALL`].
    const MATPLOTLIB: [[u32; 5]; 9] = [
        [0x000003, 0x570f6d, 0xbb3754, 0xf98e08, 0xfcfea4],
        [0x000003, 0x50127b, 0xb63679, 0xfb8861, 0xfbfcbf],
        [0x0c0786, 0x7e03a7, 0xcb4777, 0xf89540, 0xeff821],
        [0x440154, 0x3a528b, 0x20908c, 0x5ec961, 0xfde724],
        [0x0a0000, 0xb20000, 0xff5b00, 0xffff06, 0xffffff],
        [0xffffd9, 0xc6e8b4, 0x40b5c3, 0x225da7, 0x081d58],
        [0x053061, 0x6bacd0, 0xf7f6f6, 0xe48065, 0x67001f],
        [0x2d004b, 0x998fbf, 0xf7f6f5, 0xed9b39, 0x7f3b08],
        [0x0000ff, 0x8080ff, 0xfffefe, 0xff7e7e, 0xff0000],
    ];

    #[test]
    fn colours_agree_with_matplotlib() {
        // matplotlib has 256 steps and rounds down, and the steepest map changes by 6 of 255 in one
        // step: half a step and one unit of rounding are 4.
        for (map, colours) in ColourMap::ALL.into_iter().zip(MATPLOTLIB) {
            for (i, expected) in colours.map(rgb).into_iter().enumerate() {
                let actual = map.at(i as f32 / 4.0);
                // The ends are within one unit.
                let most = if i % 4 == 0 { 1 } else { 4 };
                let is_near = (0..3).all(|c| actual[c].abs_diff(expected[c]) <= most);
                assert!(
                    is_near,
                    "{map} at {i}/4: {actual:?}, matplotlib {expected:?}"
                );
            }
        }
    }

    #[test]
    fn the_middle_of_a_diverging_map_has_no_hue() {
        for map in ColourMap::ALL.into_iter().filter(|m| m.is_diverging()) {
            let [r, g, b] = map.at(0.5);
            assert!(r == g && g == b && r >= 247, "{map}: {r} {g} {b}");
        }
    }

    #[test]
    fn diverging_maps_are_blue_or_purple_below_zero_and_red_or_brown_above() {
        for map in ColourMap::ALL.into_iter().filter(|m| m.is_diverging()) {
            let (low, high) = (map.at(0.1), map.at(0.9));
            assert!(low[2] > low[0] && high[0] > high[2], "{map}");
        }
    }

    #[test]
    fn the_uniform_maps_and_hot_increase_in_brightness() {
        for map in &ColourMap::ALL[..5] {
            let light = |i: u16| {
                let [r, g, b] = map.at(f32::from(i) / 64.0).map(|c| {
                    let c = f32::from(c) / 255.0;
                    if c <= 0.04045 {
                        c / 12.92
                    } else {
                        ((c + 0.055) / 1.055).powf(2.4)
                    }
                });
                0.2126 * r + 0.7152 * g + 0.0722 * b
            };
            for i in 0..64 {
                assert!(light(i) < light(i + 1), "{map} at {i}/64");
            }
        }
    }

    #[test]
    fn positions_outside_the_map_are_clamped() {
        for map in ColourMap::ALL {
            assert_eq!(map.at(-3.0), map.at(0.0));
            assert_eq!(map.at(7.0), map.at(1.0));
        }
    }

    #[test]
    fn every_name_is_read_back() {
        for map in ColourMap::ALL {
            assert_eq!(map.name().parse(), Ok(map));
            assert_eq!(map.name().to_uppercase().parse(), Ok(map));
        }
        assert_eq!("RdBu_r".parse(), Ok(ColourMap::RdBu));
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_known_ones() {
        let error = "jet".parse::<ColourMap>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown colour map `jet`; choose one of: inferno, magma, plasma, viridis, hot, \
             ylgnbu, rdbu, puor, blue-white-red"
        );
    }
}

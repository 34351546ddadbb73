//! Colour maps: from a position between 0 and 1 to a colour.

use std::fmt;
use std::str::FromStr;

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

/// Linear interpolation at `t` between evenly spaced `colours`.
fn between(colours: &[[u8; 3]], t: f32) -> [u8; 3] {
    let place = t * (colours.len() - 1) as f32;
    let first = (place as usize).min(colours.len() - 2);
    let share = place - first as f32;
    let (a, b) = (colours[first], colours[first + 1]);
    std::array::from_fn(|c| {
        let (a, b) = (f32::from(a[c]), f32::from(b[c]));
        (a + (b - a) * share).round() as u8
    })
}

const YL_GN_BU: [[u8; 3]; 9] = [
    [255, 255, 217],
    [237, 248, 177],
    [199, 233, 180],
    [127, 205, 187],
    [65, 182, 196],
    [29, 145, 192],
    [34, 94, 168],
    [37, 52, 148],
    [8, 29, 88],
];

/// ColorBrewer's eleven-class RdBu, from its blue end.
const RD_BU: [[u8; 3]; 11] = [
    [5, 48, 97],
    [33, 102, 172],
    [67, 147, 195],
    [146, 197, 222],
    [209, 229, 240],
    [247, 247, 247],
    [253, 219, 199],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
    [103, 0, 31],
];

/// ColorBrewer's eleven-class PuOr, from its purple end.
const PU_OR: [[u8; 3]; 11] = [
    [45, 0, 75],
    [84, 39, 136],
    [128, 115, 172],
    [178, 171, 210],
    [216, 218, 235],
    [247, 247, 247],
    [254, 224, 182],
    [253, 184, 99],
    [224, 130, 20],
    [179, 88, 6],
    [127, 59, 8],
];

const BLUE_WHITE_RED: [[u8; 3]; 3] = [[0, 0, 255], [255, 255, 255], [255, 0, 0]];

#[cfg(test)]
mod tests {
    use super::*;

    /// matplotlib 3.11.2: `matplotlib.colormaps[name](t, bytes=True)[:3]` for `t` in
    /// 0, 0.25, 0.5, 0.75, 1.
    const MATPLOTLIB: [(ColourMap, [[u8; 3]; 5]); 9] = [
        (
            ColourMap::Inferno,
            [
                [0, 0, 3],
                [87, 15, 109],
                [187, 55, 84],
                [249, 142, 8],
                [252, 254, 164],
            ],
        ),
        (
            ColourMap::Magma,
            [
                [0, 0, 3],
                [80, 18, 123],
                [182, 54, 121],
                [251, 136, 97],
                [251, 252, 191],
            ],
        ),
        (
            ColourMap::Plasma,
            [
                [12, 7, 134],
                [126, 3, 167],
                [203, 71, 119],
                [248, 149, 64],
                [239, 248, 33],
            ],
        ),
        (
            ColourMap::Viridis,
            [
                [68, 1, 84],
                [58, 82, 139],
                [32, 144, 140],
                [94, 201, 97],
                [253, 231, 36],
            ],
        ),
        (
            ColourMap::Hot,
            [
                [10, 0, 0],
                [178, 0, 0],
                [255, 91, 0],
                [255, 255, 6],
                [255, 255, 255],
            ],
        ),
        (
            ColourMap::YlGnBu,
            [
                [255, 255, 217],
                [198, 232, 180],
                [64, 181, 195],
                [34, 93, 167],
                [8, 29, 88],
            ],
        ),
        (
            ColourMap::RdBu,
            [
                [5, 48, 97],
                [107, 172, 208],
                [247, 246, 246],
                [228, 128, 101],
                [103, 0, 31],
            ],
        ),
        (
            ColourMap::PuOr,
            [
                [45, 0, 75],
                [153, 143, 191],
                [247, 246, 245],
                [237, 155, 57],
                [127, 59, 8],
            ],
        ),
        (
            ColourMap::BlueWhiteRed,
            [
                [0, 0, 255],
                [128, 128, 255],
                [255, 254, 254],
                [255, 126, 126],
                [255, 0, 0],
            ],
        ),
    ];

    #[test]
    fn colours_agree_with_matplotlib() {
        // matplotlib has 256 steps and rounds down, and the steepest map changes by 6 of 255 in one
        // step: half a step and one unit of rounding are 4.
        for (map, colours) in MATPLOTLIB {
            for (i, expected) in colours.into_iter().enumerate() {
                let actual = map.at(i as f32 / 4.0);
                for c in 0..3 {
                    assert!(
                        actual[c].abs_diff(expected[c]) <= 4,
                        "{map} at {}/4: {actual:?}, matplotlib {expected:?}",
                        i
                    );
                }
            }
        }
    }

    #[test]
    fn the_ends_are_within_one_unit_of_matplotlib() {
        for (map, colours) in MATPLOTLIB {
            for (t, expected) in [(0.0, colours[0]), (1.0, colours[4])] {
                let actual = map.at(t);
                for c in 0..3 {
                    assert!(actual[c].abs_diff(expected[c]) <= 1, "{map} at {t}");
                }
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
        for map in [
            ColourMap::Inferno,
            ColourMap::Magma,
            ColourMap::Plasma,
            ColourMap::Viridis,
            ColourMap::Hot,
        ] {
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

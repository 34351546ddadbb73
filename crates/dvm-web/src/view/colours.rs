//! Colour maps as tables of 256 colours.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm::ColourMap;
use serde::Serialize;

/// Colour maps by name.
pub type Colours = BTreeMap<&'static str, ColourTable>;

/// One colour map.
#[derive(Clone, Debug, Serialize)]
pub struct ColourTable {
    /// Whether it is diverging: for signed values.
    diverging: bool,
    /// 256 colours of three bytes in base64, from the low end of the scale to the high end.
    table: String,
}

/// All colour maps.
pub fn colours() -> Colours {
    let table = |map: ColourMap| -> Vec<u8> {
        let position = |index: u16| f32::from(index) / 255.0;
        (0..256).flat_map(|index| map.at(position(index))).collect()
    };
    let all = ColourMap::ALL.iter().map(|&map| {
        let table = ColourTable {
            diverging: map.is_diverging(),
            table: BASE64_STANDARD.encode(table(map)),
        };
        (map.name(), table)
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_start_and_end_with_the_first_and_the_last_colour() {
        let all = colours();
        for map in ColourMap::ALL {
            let table = &all[map.name()];
            let bytes = BASE64_STANDARD.decode(&table.table).unwrap();
            assert_eq!(bytes.len(), 768);
            assert_eq!(bytes[..3], map.at(0.0), "{}", map.name());
            assert_eq!(bytes[765..], map.at(1.0), "{}", map.name());
        }
    }
}

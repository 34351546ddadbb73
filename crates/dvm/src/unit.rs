//! A channel of a layer, to be explained in the place of a class.

use std::fmt;
use std::str::FromStr;

use crate::{ClassChoice, Error, Explain};

/// A channel of a layer: its mean over all places, or its value at one place. Written
/// `LAYER:CHANNEL` or `LAYER:CHANNEL:ROW,COLUMN`, all from 0.
///
/// ```
/// let unit: dvm::Unit = "layer4.1.relu2:37:3,4".parse().unwrap();
/// assert_eq!((&unit.layer[..], unit.channel, unit.place), ("layer4.1.relu2", 37, Some((3, 4))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Name of the layer's node, as `dvm models show` lists it.
    pub layer: String,
    /// The channel of a map, or feature of a token.
    pub channel: usize,
    /// Row and column of a place.
    pub place: Option<(usize, usize)>,
}

impl FromStr for Unit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            "it is LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN, such as layer4.1.relu2:37:3,4";
        let (front, last) = text.rsplit_once(':').ok_or(wrong)?;
        // Names of layers may have colons, too.
        let (layer, channel, place) = match last.split_once(',') {
            None => (front, last, None),
            Some((row, column)) => {
                let (layer, channel) = front.rsplit_once(':').ok_or(wrong)?;
                let number = |text: &str| text.trim().parse().map_err(|_| wrong);
                (layer, channel, Some((number(row)?, number(column)?)))
            }
        };
        if layer.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            layer: layer.into(),
            channel: channel.trim().parse().map_err(|_| wrong)?,
            place,
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, channel {}", self.layer, self.channel)?;
        match self.place {
            Some((row, column)) => write!(f, " at ({row}, {column})"),
            None => Ok(()),
        }
    }
}

impl Unit {
    /// Refuses a channel that a layer of so many does not have, and classes beside a unit.
    pub(crate) fn check(&self, options: &Explain, channels: usize) -> Result<(), Error> {
        if options.against.is_some() || options.classes != [ClassChoice::Top] {
            return Err(Error::Usage(
                "a channel of a layer is explained, or classes are, not both at once".into(),
            ));
        }
        if self.channel >= channels {
            return Err(Error::Usage(format!(
                "`{}` has no channel {}: it has {channels}, 0 to {}",
                self.layer,
                self.channel,
                channels - 1
            )));
        }
        Ok(())
    }
}

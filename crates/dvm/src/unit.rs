//! A channel of a layer as a target.

use std::fmt;
use std::str::FromStr;

use crate::{ClassChoice, Error, Explain};

/// A channel of a layer as a target: its mean over all positions, or its value at one position. Written
/// `LAYER:CHANNEL` or `LAYER:CHANNEL:ROW,COLUMN`; numbers start at 0.
///
/// ```
/// let unit: dvm::Unit = "layer4.1.relu2:37:3,4".parse().unwrap();
/// assert_eq!((&unit.layer[..], unit.channel, unit.place), ("layer4.1.relu2", 37, Some((3, 4))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Name of the layer's node, as in `dvm models show`.
    pub layer: String,
    /// The channel of a feature map, or the feature of a token.
    pub channel: usize,
    /// Row and column of the position.
    pub place: Option<(usize, usize)>,
}

impl FromStr for Unit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            "write LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN, such as layer4.1.relu2:37:3,4";
        let (front, last) = text.rsplit_once(':').ok_or(wrong)?;
        // Names of layers can contain colons.
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
    /// Returns an error for a channel that does not exist, or if classes are chosen, too.
    pub(crate) fn check(&self, options: &Explain, channels: usize) -> Result<(), Error> {
        if options.against.is_some() || options.classes != [ClassChoice::Top] {
            return Err(Error::Usage(
                "a channel of a layer and classes cannot be explained together; choose one of them"
                    .into(),
            ));
        }
        if self.channel >= channels {
            return Err(Error::Usage(format!(
                "`{}` has no channel {}; it has {channels} channels, 0 to {}",
                self.layer,
                self.channel,
                channels - 1
            )));
        }
        Ok(())
    }
}

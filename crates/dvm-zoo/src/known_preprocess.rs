//! The preprocessing of a network from a file: known fields, and assumed ones.

use std::collections::BTreeSet;

use dvm_image::{Channels, Interpolation, Preprocess, PreprocessField, Resize};
use dvm_onnx::{ChannelOrder, Imported, PixelRange};

use crate::ASSUMED_KEY;
use crate::graphs::Remarks;
use crate::pretrained::{LoadError, own_preprocess};
use crate::stated::{ConfigFiles, StatedFields, Statements};

/// The known preprocessing of a file.
pub(crate) enum KnownPreprocess {
    /// The preprocessing in dvm's metadata, with the fields that were assumed when it was written.
    Own(Box<Preprocess>, BTreeSet<PreprocessField>),
    /// The statements of other tools.
    StatedFields(Box<Statements>),
}

impl KnownPreprocess {
    /// Reads the metadata of a file and the files beside it.
    ///
    /// # Errors
    /// [`LoadError::Metadata`] for invalid metadata of dvm.
    pub fn of(imported: &Imported, beside: &ConfigFiles, file: &str) -> Result<Self, LoadError> {
        let metadata = &imported.metadata;
        if let Some(own) = own_preprocess(metadata, file)? {
            let assumed = metadata.get(ASSUMED_KEY);
            let assumed = assumed.and_then(|text| serde_json::from_str(text).ok());
            return Ok(Self::Own(Box::new(own), assumed.unwrap_or_default()));
        }
        let size = (imported.height, imported.width);
        let statements = Statements::of(metadata, beside, size);
        Ok(Self::StatedFields(Box::new(statements)))
    }

    /// The stated crop, rows and columns.
    pub fn crop(&self) -> Option<(usize, usize)> {
        match self {
            Self::Own(own, _) => Some(own.crop),
            Self::StatedFields(statements) => statements.crop(),
        }
    }

    /// The preprocessing. Adds its sources and the assumed fields to `remarks`.
    pub fn settle(self, imported: &Imported, remarks: &mut Remarks) -> Preprocess {
        let statements = match self {
            Self::Own(own, assumed) => {
                remarks.assumed = assumed;
                return match imported.channels {
                    1 => own.with_channels(Channels::Grey),
                    _ => *own,
                };
            }
            Self::StatedFields(statements) => *statements,
        };
        remarks.warnings.extend(statements.unused.iter().cloned());
        let of_graph = of_graph(imported, remarks);
        if let Some(graph) = &of_graph {
            remarks
                .notes
                .extend(statements.sources_of_values().map(|source| {
                    format!(
                        "mean and standard deviation of {source} are not applied, because dvm takes them from {}",
                        graph.from
                    )
                }));
        }
        let is_settled = of_graph.is_some();
        let training = statements
            .of_training
            .into_iter()
            .map(|stated| match is_settled {
                true => stated.without_values(),
                false => stated,
            });
        let mut draft = Draft::assuming(imported);
        let mut taken = |stated: &StatedFields| {
            let used = draft.take(stated).into_iter().map(PreprocessField::name);
            let used: Vec<&str> = used.collect();
            (!used.is_empty()).then(|| {
                let used = used.join(", ");
                format!("preprocessing ({used}) is from {}", stated.from)
            })
        };
        let of_tensor = statements.of_tensor.iter().filter_map(&mut taken);
        remarks.notes.extend(of_tensor);
        // The graph's fields already have a note.
        of_graph.as_ref().map(&mut taken);
        remarks
            .notes
            .extend(training.filter_map(|stated| taken(&stated)));
        remarks.assumed = draft.assumed;
        draft.preprocess
    }
}

/// The preprocessing that the graph implies: by the type of its input, and by its first operations.
fn of_graph(imported: &Imported, remarks: &mut Remarks) -> Option<StatedFields> {
    if imported.takes_bytes {
        return Some(StatedFields {
            from: format!(
                "its input `{}`, which expects integers from 0 to 255",
                imported.input
            ),
            mean: Some([0.0; 3]),
            std: Some([1.0 / 255.0; 3]),
            ..StatedFields::default()
        });
    }
    let pixels = imported.pixels.as_ref()?;
    let (range, mean, std) = match pixels.range {
        PixelRange::Bytes => ("0 to 255", 0.0, 1.0 / 255.0),
        PixelRange::Unit => ("0 to 1", 0.0, 1.0),
        PixelRange::PlusMinusOne => ("−1 to 1", 0.5, 0.5),
    };
    remarks.notes.push(format!(
        "the network itself {}, so its input is pixels from {range}",
        pixels.how
    ));
    Some(StatedFields {
        from: format!("the graph, which {}", pixels.how),
        mean: Some([mean; 3]),
        std: Some([std; 3]),
        channels: pixels.channels.map(|order| match order {
            ChannelOrder::Rgb => Channels::Rgb,
            ChannelOrder::Bgr => Channels::Bgr,
        }),
        ..StatedFields::default()
    })
}

/// A preprocessing that is completed field by field.
struct Draft {
    preprocess: Preprocess,
    assumed: BTreeSet<PreprocessField>,
}

impl Draft {
    /// The usual preprocessing. All fields are assumed, except those that the input defines.
    fn assuming(imported: &Imported) -> Self {
        let (height, width) = imported.size;
        let usual = Preprocess::imagenet();
        let mut assumed = BTreeSet::from(PreprocessField::ALL);
        let mut preprocess = Preprocess {
            resize: match height == width {
                true => Resize::ShortSide(((height * 256) as f64 / 224.0).round() as usize),
                false => Resize::Exact(height, width),
            },
            interpolation: Interpolation::Bilinear,
            crop: (height, width),
            ..usual
        };
        if imported.height.is_some() && imported.width.is_some() {
            assumed.remove(&PreprocessField::Crop);
        }
        if imported.channels == 1 {
            preprocess.channels = Channels::Grey;
            preprocess.mean = [0.0; 3];
            preprocess.std = [1.0; 3];
            assumed.remove(&PreprocessField::Channels);
        }
        Self {
            preprocess,
            assumed,
        }
    }

    /// Uses the stated fields that are still assumed; returns them.
    fn take(&mut self, stated: &StatedFields) -> Vec<PreprocessField> {
        use PreprocessField as Field;
        let own = &mut self.preprocess;
        let count = own.channels.count();
        let mut used = Vec::new();
        let mut settles = |field| {
            let settles = self.assumed.remove(&field);
            used.extend(settles.then_some(field));
            settles
        };
        let order = stated.channels.filter(|order| order.count() == count);
        if let Some(order) = order
            && settles(Field::Channels)
        {
            *own = own.with_channels(order);
        }
        // Without a channel order, values are for red, green and blue.
        let arranged = |values: [f32; 3], channels: Channels| match (order, channels) {
            (_, Channels::Grey) => [average(values); 3],
            (None, Channels::Bgr) => [values[2], values[1], values[0]],
            _ => values,
        };
        if let Some(mean) = stated.mean
            && settles(Field::Mean)
        {
            own.mean = arranged(mean, own.channels);
        }
        if let Some(std) = stated.std
            && settles(Field::Std)
        {
            own.std = arranged(std, own.channels);
        }
        if let Some(crop) = stated.crop
            && settles(Field::Crop)
        {
            own.crop = crop;
        }
        if let Some(resize) = stated.resize
            && settles(Field::Resize)
        {
            own.resize = resize;
        }
        if let Some(interpolation) = stated.interpolation
            && settles(Field::Interpolation)
        {
            own.interpolation = interpolation;
        }
        used
    }
}

fn average(values: [f32; 3]) -> f32 {
    match values {
        [first, ..] if values == [first; 3] => first,
        _ => (values.iter().map(|&v| f64::from(v)).sum::<f64>() / 3.0) as f32,
    }
}

//! Compares a network's parameters with a file's names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Array;

/// The most names of a list that [`Mismatch`] shows.
const SHOWN: usize = 10;

/// The differences between a file's names and the names of a network.
///
/// The shortest list comes first, because it is usually the cause of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The file.
    pub file: String,
    /// Number of wanted names, without counters.
    pub wanted: usize,
    /// Number of names in the file, without counters.
    pub found: usize,
    /// Wanted names the file does not have, in the network's order.
    pub missing: Vec<String>,
    /// Names in the file that the network does not have, sorted.
    pub unexpected: Vec<String>,
    /// Name, shape wanted, shape found; in the network's order.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Whether only the number of outputs of the last layer differs.
    pub last_layer_only: bool,
}

pub(super) fn matched(
    file: &str,
    mut arrays: BTreeMap<String, Array>,
    wanted: &[(String, Vec<usize>)],
) -> Result<BTreeMap<String, Array>, Mismatch> {
    let required: Vec<_> = wanted
        .iter()
        .filter(|(name, _)| !is_counter(name))
        .collect();
    let required_names: BTreeSet<&str> = required.iter().map(|(name, _)| &name[..]).collect();
    let unexpected = arrays
        .keys()
        .filter(|name| !is_counter(name) && !required_names.contains(&name[..]));
    let mut mismatch = Mismatch {
        file: file.to_owned(),
        wanted: required.len(),
        found: arrays.keys().filter(|name| !is_counter(name)).count(),
        missing: Vec::new(),
        unexpected: unexpected.cloned().collect(),
        misshapen: Vec::new(),
        last_layer_only: false,
    };
    for (name, shape) in required {
        match arrays.get(name).map(|array| &array.shape) {
            None => mismatch.missing.push(name.clone()),
            Some(found) if found != shape => {
                let shapes = (name.clone(), shape.clone(), found.clone());
                mismatch.misshapen.push(shapes);
            }
            Some(_) => {}
        }
    }
    if !mismatch.is_match() {
        mismatch.last_layer_only = mismatch.concerns_last_layer_only(wanted);
        return Err(mismatch);
    }
    Ok(wanted
        .iter()
        .filter_map(|(name, _)| {
            let array = arrays.remove(name)?;
            Some((name.clone(), array))
        })
        .collect())
}

/// Whether the name is not a weight: a counter, or a table that follows from a layer's size (Swin).
pub(super) fn is_counter(name: &str) -> bool {
    let last = name.rsplit('.').next();
    matches!(
        last,
        Some("num_batches_tracked" | "relative_position_index" | "attn_mask")
    )
}

impl Mismatch {
    fn is_match(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }

    /// The number of classes that the file was trained for, if nothing else differs.
    pub fn classes(&self) -> Option<usize> {
        let (_, _, found) = self.misshapen.first().filter(|_| self.last_layer_only)?;
        found.first().copied()
    }

    fn concerns_last_layer_only(&self, wanted: &[(String, Vec<usize>)]) -> bool {
        let layer = |name: &str| name.rsplit_once('.').map(|(layer, _)| layer.to_owned());
        let Some((last, _)) = wanted.iter().rfind(|(name, _)| !is_counter(name)) else {
            return false;
        };
        let outputs = |(_, _, found): &(String, Vec<usize>, Vec<usize>)| found.first().copied();
        let classes = self.misshapen.first().and_then(outputs);
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && classes.is_some()
            && self.misshapen.iter().all(|shapes| {
                let (name, wanted, found) = shapes;
                layer(name) == layer(last)
                    && outputs(shapes) == classes
                    && found.get(1..) == wanted.get(1..)
            })
    }
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, wanted) = (&self.file, self.wanted);
        if self.missing.len() == wanted {
            write!(
                f,
                "{file}: weights of another architecture: the file has {} tensors, but no name matches the \
                 network's {wanted}. The network has {}; the file has {}. Name the model that these weights \
                 were trained for, or export that network as ONNX: torch.onnx.export(model.eval(), \
                 torch.randn(1, 3, 224, 224), \"model.onnx\")",
                self.found,
                sample(&self.missing),
                sample(&self.unexpected),
            )?;
            return Ok(());
        }
        let fitting = wanted - self.missing.len() - self.misshapen.len();
        write!(f, "{file}: {fitting} of the network's {wanted} weights fit")?;
        let misshapen = |(name, wanted, found): &(String, Vec<usize>, Vec<usize>)| {
            format!("{name} has shape {found:?}, expected {wanted:?}")
        };
        let mut lists = [
            (
                "with another shape",
                self.misshapen.iter().map(misshapen).collect(),
            ),
            ("missing", self.missing.clone()),
            ("unexpected", self.unexpected.clone()),
        ];
        lists.sort_by_key(|(_, names)| names.len());
        for (title, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
            write!(f, "\n{} {title}: ", names.len())?;
            let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            write!(f, "{}", shown.join(", "))?;
            if names.len() > SHOWN {
                write!(f, ", … and {} more", names.len() - SHOWN)?;
            }
        }
        if let Some(classes) = self.classes() {
            write!(
                f,
                "\nonly the last layer differs: the file was trained for {classes} classes; \
                 build the network for {classes} classes"
            )?;
        }
        Ok(())
    }
}

/// The first three names.
fn sample(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [a, b, c, _, ..] => format!("{a}, {b}, {c}, …"),
        few => few.join(", "),
    }
}

//! Finding a network's parameters among a file's names.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Array;

/// Dictionary keys under which training scripts keep a state dict; of two that serve equally
/// well the earlier is taken, so that a model goes before its moving average.
const WRAPPERS: [&str; 15] = [
    "state_dict",
    "model",
    "model_state_dict",
    "model_state",
    "net",
    "network",
    "weights",
    "params",
    "ema",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "params_ema",
    "student",
    "teacher",
];

/// Attributes under which a network holds the network whose parameters are wanted.
const HOLDERS: [&str; 9] = [
    "module",
    "_orig_mod",
    "model",
    "backbone",
    "encoder",
    "net",
    "network",
    "base_model",
    "base_encoder",
];

/// How many names of a list [`Mismatch`] shows.
const SHOWN: usize = 10;

/// How a file's names differ from the names a network wants.
///
/// Displayed with the shortest list first, since that is mostly the cause of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The file.
    pub file: String,
    /// Number of names wanted, counters not counted.
    pub wanted: usize,
    /// Number of names in the file (beneath the prefix that fits best), counters not counted.
    pub found: usize,
    /// Wanted names the file does not have, in the network's order.
    pub missing: Vec<String>,
    /// Names in the file that the network does not have, sorted, without the stripped prefix.
    pub unexpected: Vec<String>,
    /// Name, shape wanted, shape found; in the network's order.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Whether nothing differs but how many outputs the last layer has.
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
    let fitting = Prefix::candidates(arrays.keys())
        .into_iter()
        .map(|prefix| (prefix.strip(arrays.keys()), prefix))
        .min_by_key(|(stripped, prefix)| {
            let found = stripped
                .by_name
                .keys()
                .filter(|name| required_names.contains(&name[..]))
                .count();
            let left_over = stripped.count() - found;
            (Reverse(found), left_over, prefix.length(), prefix.rank())
        })
        .map(|(stripped, _)| stripped)
        .unwrap_or_default();

    let mut mismatch = Mismatch {
        file: file.to_owned(),
        wanted: required.len(),
        found: fitting.count(),
        missing: Vec::new(),
        unexpected: fitting.displaced.iter().cloned().collect(),
        misshapen: Vec::new(),
        last_layer_only: false,
    };
    mismatch.unexpected.extend(
        fitting
            .by_name
            .keys()
            .filter(|name| !is_counter(name) && !required_names.contains(&name[..]))
            .cloned(),
    );
    mismatch.unexpected.sort();
    for (name, shape) in required {
        match fitting.by_name.get(name).map(|own| &arrays[own].shape) {
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
            let own = fitting.by_name.get(name)?;
            Some((name.clone(), arrays.remove(own)?))
        })
        .collect())
}

/// Whether this is no weight: a counter, or a table that follows from a layer's size (Swin's).
fn is_counter(name: &str) -> bool {
    let last = name.rsplit('.').next();
    matches!(
        last,
        Some("num_batches_tracked" | "relative_position_index" | "attn_mask")
    )
}

/// What stands before the wanted names: dictionary keys, then attributes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix {
    /// Names outside are no part of the network. Empty, or ends in a dot.
    wrapper: String,
    /// Names outside keep their name. Empty, or ends in a dot.
    holder: String,
}

/// The names of a file as they read without a prefix.
#[derive(Default)]
struct Stripped {
    /// Name without the prefix, to the file's own name.
    by_name: BTreeMap<String, String>,
    /// Names that read the same as another one once that is stripped.
    displaced: BTreeSet<String>,
}

impl Prefix {
    /// Every way to read the leading components of `names` as known wrappers and holders.
    fn candidates<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<Self> {
        let mut candidates = BTreeSet::new();
        let known = |part: &&str| WRAPPERS.contains(part) || HOLDERS.contains(part);
        let leads: BTreeSet<Vec<&str>> = names
            .map(|name| {
                let (path, _) = name.rsplit_once('.').unwrap_or(("", name));
                path.split('.').take_while(known).take(6).collect()
            })
            .collect();
        for lead in &leads {
            for end in 0..=lead.len() {
                for split in 0..=end {
                    let (wrapper, holder) = (&lead[..split], &lead[split..end]);
                    if wrapper.iter().all(|part| WRAPPERS.contains(part))
                        && holder.iter().all(|part| HOLDERS.contains(part))
                    {
                        let dotted =
                            |parts: &[&str]| parts.iter().map(|part| format!("{part}.")).collect();
                        candidates.insert(Self {
                            wrapper: dotted(wrapper),
                            holder: dotted(holder),
                        });
                    }
                }
            }
        }
        candidates
    }

    fn strip<'a>(&self, names: impl Iterator<Item = &'a String>) -> Stripped {
        let mut stripped = Stripped::default();
        for name in names {
            let Some(inner) = name.strip_prefix(&self.wrapper) else {
                continue;
            };
            let held = inner.strip_prefix(&self.holder);
            match stripped.by_name.get(held.unwrap_or(inner)) {
                // Sorted names may bring either first; the one that was stripped stays.
                Some(_) if held.is_none() || self.holder.is_empty() => {
                    stripped.displaced.insert(inner.to_owned());
                }
                Some(other) => {
                    let other = other[self.wrapper.len()..].to_owned();
                    stripped.displaced.insert(other);
                    let key = held.unwrap_or(inner).to_owned();
                    stripped.by_name.insert(key, name.clone());
                }
                None => {
                    let key = held.unwrap_or(inner).to_owned();
                    stripped.by_name.insert(key, name.clone());
                }
            }
        }
        stripped
    }

    fn length(&self) -> usize {
        (self.wrapper.clone() + &self.holder).matches('.').count()
    }

    /// Position of the outermost wrapper in [`WRAPPERS`].
    fn rank(&self) -> usize {
        let outermost = self.wrapper.split('.').next();
        WRAPPERS
            .iter()
            .position(|wrapper| Some(*wrapper) == outermost)
            .map_or(0, |position| position + 1)
    }
}

impl Stripped {
    /// Number of names, counters not counted.
    fn count(&self) -> usize {
        let kept = self.by_name.keys().filter(|name| !is_counter(name));
        kept.count() + self.displaced.len()
    }
}

impl Mismatch {
    fn is_match(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }

    /// The number of classes the file was trained for, where nothing but that differs.
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
                "{file}: weights of another architecture: none of the {wanted} names the network \
                 wants is among the {} in the file. The network wants {}; the file has {}. Build \
                 the network these weights were trained for",
                self.found,
                sample(&self.missing),
                sample(&self.unexpected),
            )?;
            return Ok(());
        }
        let fitting = wanted - self.missing.len() - self.misshapen.len();
        write!(f, "{file}: {fitting} of the network's {wanted} weights fit")?;
        let misshapen = |(name, wanted, found): &(String, Vec<usize>, Vec<usize>)| {
            format!("{name} is {found:?}, wanted {wanted:?}")
        };
        let mut lists = [
            (
                "of another shape",
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

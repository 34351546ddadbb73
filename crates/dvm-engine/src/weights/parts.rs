//! The networks in a file: the prefixes under which all names of a network are found.
//!
//! Training scripts store a network in dictionaries and in other networks (`state_dict.module.`, `resnet.`),
//! and often several versions of it: its moving average, its teacher. Each prefix with a complete network is
//! a [`Part`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::matching::is_counter;
use super::{Array, Weights};

/// The most components of a name that a prefix may have.
const DEEPEST: usize = 16;

/// One of the networks in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The prefix of all its names. Empty, or ends in a dot.
    outer: String,
    /// The second prefix of most of its names; the others, such as a new last layer, do not have it. Empty,
    /// or ends in a dot.
    inner: String,
}

/// The role of a part, by the words in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Unknown.
    Plain,
    /// The moving average of another network: `ema`, `swa`.
    Averaged,
    /// The network that another one learns from.
    Teacher,
    /// The network that learns from another one.
    Student,
    /// A slow copy of a network in training: `momentum_encoder`, `target_network`.
    Momentum,
}

/// The places in a file where a network is found.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The parts with all of its tensors, by name.
    pub complete: Vec<Part>,
    /// The parts with at least half of its tensors, but not all, each with the number of these tensors.
    pub incomplete: Vec<(Part, usize)>,
    /// The part with most of its names, regardless of their shapes.
    pub nearest: Part,
    /// How many of its tensors that part has, by name and shape.
    pub fitting: usize,
    /// The number of tensors of the network.
    pub wanted: usize,
}

/// Tensors of a file that do not belong to the chosen network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// Tensors of training: losses, metrics, counters.
    pub of_training: Vec<String>,
    /// Other networks, by their prefix, and the number of their tensors.
    pub networks: BTreeMap<String, usize>,
}

impl Part {
    /// The name that selects it: its prefix, or `root`.
    pub fn name(&self) -> String {
        match self.prefix().trim_end_matches('.') {
            "" => "root".to_owned(),
            name => name.to_owned(),
        }
    }

    /// Whether it has no prefix.
    pub fn is_root(&self) -> bool {
        self.outer.is_empty() && self.inner.is_empty()
    }

    /// The role that its name suggests.
    pub fn role(&self) -> Role {
        role(&self.name())
    }

    /// The network's name for this tensor of the file; `None` if the tensor is not part of it.
    fn inside<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&self.outer[..])?;
        Some(rest.strip_prefix(&self.inner[..]).unwrap_or(rest))
    }

    /// The full prefix.
    fn prefix(&self) -> String {
        format!("{}{}", self.outer, self.inner)
    }
}

/// The words of a name: `model_ema.module` has `model`, `ema` and `module`.
fn words(name: &str) -> impl Iterator<Item = String> + '_ {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
}

fn role(prefix: &str) -> Role {
    let is = |known: &[&str]| words(prefix).any(|word| known.contains(&&word[..]));
    if is(&[
        "ema", "swa", "averaged", "average", "avg", "shadow", "polyak", "emamodel", "modelema",
    ]) {
        Role::Averaged
    } else if is(&["teacher"]) {
        Role::Teacher
    } else if is(&["student"]) {
        Role::Student
    } else if is(&["momentum", "target", "k"]) {
        Role::Momentum
    } else {
        Role::Plain
    }
}

/// Whether a prefix is a typical name for one of several networks.
fn is_name_of_network(prefix: &str) -> bool {
    const NAMES: [&str; 9] = [
        "generator",
        "discriminator",
        "critic",
        "actor",
        "gen",
        "disc",
        "netg",
        "netd",
        "online",
    ];
    const NUMBERED: [&str; 4] = ["model", "net", "network", "classifier"];
    let words: Vec<String> = words(prefix).collect();
    let is_mark = |mark: &str| mark.len() == 1;
    role(prefix) != Role::Plain
        || words.iter().any(|word| {
            let marked = |name: &&str| word.strip_prefix(*name).is_some_and(is_mark);
            NAMES.contains(&&word[..]) || NUMBERED.iter().any(marked)
        })
        || words
            .windows(2)
            .any(|pair| NUMBERED.contains(&&pair[0][..]) && is_mark(&pair[1]))
}

/// Whether a name belongs to something that only training needs: a loss, a metric, an optimiser, a counter.
fn is_of_training(name: &str) -> bool {
    const WORDS: [&str; 34] = [
        "criterion",
        "criteria",
        "loss",
        "losses",
        "lossfn",
        "metric",
        "metrics",
        "accuracy",
        "acc",
        "auroc",
        "auc",
        "f1",
        "f1score",
        "precision",
        "recall",
        "confmat",
        "confusion",
        "optimizer",
        "optimizers",
        "optimiser",
        "optim",
        "scheduler",
        "schedulers",
        "scaler",
        "callbacks",
        "loops",
        "rng",
        "history",
        "total_ops",
        "total_params",
        "averager",
        "mixup",
        "best",
        "amp",
    ];
    const COUNTERS: [&str; 10] = [
        "n_averaged",
        "epoch",
        "step",
        "steps",
        "global_step",
        "iteration",
        "num_updates",
        "decay",
        "total_ops",
        "total_params",
    ];
    let last = name.rsplit('.').next().unwrap_or(name);
    COUNTERS.contains(&last) || words(name).any(|word| WORDS.contains(&&word[..]))
}

/// The wanted names that a prefix has.
#[derive(Default, Clone)]
struct Hits {
    /// Those with the right shape.
    fitting: BTreeSet<u32>,
    /// Those with any shape.
    named: usize,
}

/// Finds a network among the names and shapes of a file. `wanted` is its state dict: names and shapes. The
/// number of outputs of the layer `head` is ignored. Of shapes, only the first side and the product of the
/// others are compared, because ports of a network differ in the rest.
pub fn parts<'a>(
    names: impl Iterator<Item = (&'a str, &'a [usize])>,
    wanted: &[(String, Vec<usize>)],
    head: Option<&str>,
) -> Parts {
    let required: Vec<&(String, Vec<usize>)> = wanted
        .iter()
        .filter(|(name, _)| !is_counter(name))
        .collect();
    let places: HashMap<&str, u32> = (0u32..)
        .zip(&required)
        .map(|(place, (name, _))| (&name[..], place))
        .collect();
    let mut hits: HashMap<&str, Hits> = HashMap::new();
    for (name, shape) in names {
        let dots = name.match_indices('.').map(|(dot, _)| dot + 1);
        for start in std::iter::once(0).chain(dots).take(DEEPEST) {
            let (prefix, rest) = name.split_at(start);
            let Some(&place) = places.get(rest) else {
                continue;
            };
            let found = hits.entry(prefix).or_default();
            found.named += 1;
            let (own, expected) = required[place as usize];
            let is_in_head = head.is_some_and(|head| {
                own.strip_prefix(head)
                    .is_some_and(|rest| rest.starts_with('.'))
            });
            if is_alike(shape, expected, is_in_head) {
                found.fitting.insert(place);
            }
        }
    }
    let total = required.len();
    let mut parts = Parts {
        wanted: total,
        ..Parts::default()
    };
    let is_complete = |prefix: &str| {
        hits.get(prefix)
            .is_some_and(|hits| hits.fitting.len() == total)
    };
    let mut best = (0, 0);
    let mut sorted: Vec<(&str, &Hits)> =
        hits.iter().map(|(prefix, hits)| (*prefix, hits)).collect();
    sorted.sort_unstable_by_key(|(prefix, _)| (prefix.matches('.').count(), *prefix));
    for (prefix, found) in sorted {
        let mut part = Part {
            outer: prefix.to_owned(),
            inner: String::new(),
        };
        let mut fitting = found.fitting.len();
        let mut named = found.named;
        // Names that the prefix lacks may be outside of it: `backbone.conv1.weight` and `fc.weight`.
        if fitting < total {
            let outers = prefix[..prefix.len().saturating_sub(1)].match_indices('.');
            let outers = std::iter::once(0).chain(outers.map(|(dot, _)| dot + 1));
            for outer in outers.filter(|_| !prefix.is_empty()) {
                let Some(outside) = hits.get(&prefix[..outer]) else {
                    continue;
                };
                // The inner prefix must have most of the names; otherwise it is a layer with similar names.
                if is_complete(&prefix[..outer]) || outside.fitting.len() >= found.fitting.len() {
                    continue;
                }
                let both = found.fitting.union(&outside.fitting).count();
                if both > fitting {
                    fitting = both;
                    named = found.named + outside.named;
                    part.outer = prefix[..outer].to_owned();
                    part.inner = prefix[outer..].to_owned();
                }
            }
        }
        if (named, fitting) > best {
            best = (named, fitting);
            parts.nearest = part.clone();
            parts.fitting = fitting;
        }
        if fitting == total && total > 0 {
            parts.complete.push(part);
        } else if 2 * fitting >= total && total > 1 {
            parts.incomplete.push((part, fitting));
        }
    }
    parts
}

/// Whether two shapes can be the same weight in two ports of a network.
fn is_alike(found: &[usize], expected: &[usize], any_first: bool) -> bool {
    let size = |shape: &[usize]| {
        let rest = shape.iter().skip(1);
        let rest = rest.fold(1usize, |product, &side| product.saturating_mul(side));
        (shape.first().copied().unwrap_or(1), rest)
    };
    let (found, expected) = (size(found), size(expected));
    found.1 == expected.1 && (found.0 == expected.0 || any_first && found.0 > 0)
}

impl Weights {
    /// The parts of the file that hold a network; see [`parts`].
    pub fn parts(&self, wanted: &[(String, Vec<usize>)], head: Option<&str>) -> Parts {
        let names = self.iter().map(|(name, array)| (name, &array.shape[..]));
        parts(names, wanted, head)
    }

    /// Whether two parts have the same values under all of these names.
    pub fn are_equal(&self, one: &Part, other: &Part, wanted: &[(String, Vec<usize>)]) -> bool {
        let bits = |array: &Array| array.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        wanted.iter().all(
            |(name, _)| match (self.of_part(one, name), self.of_part(other, name)) {
                (Some(a), Some(b)) => a.shape == b.shape && bits(a) == bits(b),
                (None, None) => true,
                _ => false,
            },
        )
    }

    fn of_part(&self, part: &Part, name: &str) -> Option<&Array> {
        let Part { outer, inner } = part;
        let held = self.get(&format!("{outer}{inner}{name}"));
        held.or_else(|| self.get(&format!("{outer}{name}")))
    }

    /// The tensors of one part, by the network's names, and the other contents of the file. `wanted` are the
    /// names of the network.
    ///
    /// Unexplained tensors next to those of the part are kept, so that a network that fits only partly does
    /// not match; if the part was `asked` for by name, only those with its prefix are kept. Other
    /// dictionaries, such as an optimiser's state, are ignored, except for networks in them, which are
    /// returned.
    #[must_use]
    pub fn take(
        self,
        part: &Part,
        parts: &Parts,
        wanted: &BTreeSet<&str>,
        asked: bool,
    ) -> (Self, Beside) {
        let prefix = part.prefix();
        let dictionary = self.dictionary_of(&prefix);
        let others = parts
            .complete
            .iter()
            .chain(parts.incomplete.iter().map(|(part, _)| part));
        let others: Vec<String> = others
            .map(Part::prefix)
            .filter(|other| *other != prefix)
            .collect();
        let is_of_other = |name: &str| {
            let mut others = others.iter();
            others.any(|other| !prefix.starts_with(&other[..]) && name.starts_with(&other[..]))
        };
        // The part may be inside another one, which owns all names around it.
        let is_around = |name: &str| {
            let mut others = others.iter();
            others.any(|other| prefix.starts_with(&other[..]) && name.starts_with(&other[..]))
        };
        let mut beside = Beside::default();
        let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
        let (mut loose, mut stray) = (Vec::new(), Vec::new());
        for (name, array) in self.arrays {
            let inside = part.inside(&name).map(str::to_owned);
            let is_held = name.starts_with(&prefix);
            match inside {
                Some(inside) if wanted.contains(&inside[..]) && is_held => {
                    arrays.insert(inside, array);
                    continue;
                }
                // If two tensors have the same name, the one with the full prefix is used.
                Some(inside) if wanted.contains(&inside[..]) => {
                    loose.push((inside, name, array));
                    continue;
                }
                _ if is_counter(&name) || is_of_other(&name) => continue,
                _ => {}
            }
            if is_held && !prefix.is_empty() {
                let inside = &name[prefix.len()..];
                if is_of_training(inside) {
                    beside.of_training.push(name);
                } else {
                    arrays.insert(inside.to_owned(), array);
                }
                continue;
            }
            let Some(inside) = name.strip_prefix(&dictionary[..]) else {
                let (first, rest) = name.split_once('.').unwrap_or((&name, ""));
                if rest.ends_with("weight") && !is_of_training(first) {
                    *beside.networks.entry(first.to_owned()).or_default() += 1;
                }
                continue;
            };
            let (first, _) = inside.split_once('.').unwrap_or((inside, ""));
            if is_of_training(inside) {
                beside.of_training.push(name);
            } else if is_name_of_network(first) {
                *beside.networks.entry(first.to_owned()).or_default() += 1;
            } else if !asked && !is_around(&name) {
                stray.push((name, array));
            }
        }
        for (inside, name, array) in loose {
            match arrays.entry(inside) {
                Entry::Vacant(place) => {
                    place.insert(array);
                }
                _ if !is_around(&name) && !asked => stray.push((name, array)),
                _ => {}
            }
        }
        for (mut name, array) in stray {
            if arrays.contains_key(&name) {
                name += " without the prefix";
            }
            arrays.insert(name, array);
        }
        let only = Self { arrays, ..self };
        (only, beside)
    }

    /// The longest dictionary name that the prefix begins with, with a dot after it.
    fn dictionary_of(&self, prefix: &str) -> String {
        let all = self.dictionaries.iter().map(|name| format!("{name}."));
        let fitting = all.filter(|name| prefix.starts_with(&name[..]));
        fitting.max_by_key(String::len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_of_a_part_is_in_its_name() {
        for (prefix, expected) in [
            ("state_dict_ema", Role::Averaged),
            ("model_ema.module", Role::Averaged),
            ("ema_state_dict", Role::Averaged),
            ("swa_model", Role::Averaged),
            ("teacher.backbone", Role::Teacher),
            ("student", Role::Student),
            ("backbone_momentum", Role::Momentum),
            ("encoder_k", Role::Momentum),
            ("state_dict.schema", Role::Plain),
            ("model", Role::Plain),
        ] {
            assert_eq!(role(prefix), expected, "{prefix}");
        }
    }

    #[test]
    fn a_prefix_of_a_network_is_distinguished_from_a_layer() {
        for prefix in [
            "model_a",
            "net1",
            "model2",
            "generator",
            "netD",
            "teacher",
            "network_b",
        ] {
            assert!(is_name_of_network(prefix), "{prefix}");
        }
        for prefix in ["head", "layer1", "model", "classifier", "fc", "norm1"] {
            assert!(!is_name_of_network(prefix), "{prefix}");
        }
    }
}

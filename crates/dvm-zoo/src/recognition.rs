//! Which architecture a weight file is of.

use dvm_engine::Parameter;
use dvm_engine::weights::Weights;

use crate::{ARCHITECTURE_KEY, Architecture, LoadError, Published, Source, all, names};

/// The architecture that was asked for, or that the file says, or that its names and shapes are of.
pub(crate) fn architecture_of(
    weights: &Weights,
    asked: Option<&'static Architecture>,
) -> Result<&'static Architecture, LoadError> {
    let said = weights.metadata().get(ARCHITECTURE_KEY);
    let wrong = |found: &str, expected: String| LoadError::Architecture {
        file: weights.file().into(),
        found: found.into(),
        expected,
    };
    match (said, asked) {
        (Some(said), Some(asked)) if said == asked.name => Ok(asked),
        (Some(said), Some(asked)) => Err(wrong(said, format!("`{}`", asked.name))),
        (Some(said), None) => {
            crate::find(said).ok_or_else(|| wrong(said, format!("one of {}", names())))
        }
        (None, Some(asked)) => match tensorflows(weights, asked) {
            Some(found) => Err(wrong(found.name, format!("`{}`", asked.name))),
            None => Ok(asked),
        },
        (None, None) => recognised(weights),
    }
}

/// What `here` says of a name of another port, be it behind a prefix (`module.`), which stays.
pub(crate) fn behind_prefix(name: &str, here: fn(&str) -> Option<String>) -> Option<String> {
    let dots = name.match_indices('.').map(|(dot, _)| dot + 1);
    let mut starts = std::iter::once(0).chain(dots);
    starts.find_map(|start| {
        let (prefix, rest) = name.split_at(start);
        here(rest).map(|rest| format!("{prefix}{rest}"))
    })
}

/// What a file's name says that TensorFlow computes otherwise than the architecture that was asked for,
/// under the same names and shapes.
fn tensorflows(weights: &Weights, asked: &Architecture) -> Option<&'static Architecture> {
    let name = format!("tf_{}", asked.name);
    let other = crate::find(&name).filter(|other| other.name != asked.name)?;
    file_name(weights).contains(&name).then_some(other)
}

/// The file's name without folders, in lower case.
fn file_name(weights: &Weights) -> String {
    let file = weights.file().rsplit(['/', '\\']);
    file.take(1).collect::<String>().to_ascii_lowercase()
}

/// The architecture whose every parameter has a tensor of its name and size, perhaps behind a prefix;
/// of several (the names of ResNet-18 are among those of ResNet-34) the one with most parameters, and of
/// several with as many the one that the file is named after. How many classes there are does not
/// matter.
fn recognised(weights: &Weights) -> Result<&'static Architecture, LoadError> {
    let fitting: Vec<(usize, &'static Architecture)> = all()
        .filter_map(|architecture| Some((fits(weights, architecture)?, architecture)))
        .collect();
    let most = fitting.iter().map(|(count, _)| *count).max();
    let mut best = fitting
        .into_iter()
        .filter(|(count, _)| Some(*count) == most)
        .map(|(_, architecture)| architecture);
    let Some(first) = best.next() else {
        return Err(LoadError::Unrecognised {
            file: weights.file().into(),
            known: names(),
        });
    };
    let others: Vec<&Architecture> = best.collect();
    // timm's own networks have the names and shapes of those that it took from TensorFlow.
    let has_twin = first.name.starts_with("tf_") && file_has_names_of(weights, first);
    if others.is_empty() && !has_twin {
        return Ok(first);
    }
    let file = file_name(weights);
    let named = [first].into_iter().chain(others.iter().copied());
    let named = named.clone().filter(|a| file.contains(a.name));
    if let Some(longest) = named.max_by_key(|a| a.name.len()) {
        return Ok(longest);
    }
    let mut fitting: Vec<&str> = vec![first.name];
    fitting.extend(others.iter().map(|a| a.name));
    let mut fitting = fitting.join(", ");
    if others.is_empty() {
        let twin = first.name.trim_start_matches("tf_");
        fitting += &format!(", and timm's {twin}, which this program does not have");
    }
    Err(LoadError::Ambiguous {
        file: weights.file().into(),
        fitting,
    })
}

/// Whether the file has the architecture's own names rather than those of another port.
fn file_has_names_of(weights: &Weights, architecture: &Architecture) -> bool {
    let blueprint = (architecture.build)(1);
    let first = &blueprint.parameters()[0].name;
    let mut names = weights.names();
    names.any(|name| {
        let before = name.strip_suffix(&first[..]);
        before.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    })
}

/// The number of the architecture's parameters, if the file has all of them.
fn fits(weights: &Weights, architecture: &Architecture) -> Option<usize> {
    let other_names = architecture.other_names.unwrap_or(|_| None);
    // Every name and what is left of it after each dot.
    let mut endings: Vec<(String, Size)> = Vec::new();
    for (name, array) in weights.iter() {
        let name = behind_prefix(name, other_names).unwrap_or_else(|| name.to_owned());
        let size = Size::of(&array.shape);
        endings.extend(
            name.match_indices('.')
                .map(|(dot, _)| (name[dot + 1..].to_owned(), size)),
        );
        endings.push((name, size));
    }
    endings.sort_unstable();
    // A file may lack the heads that only training has.
    let blueprint = (architecture.build)(1).without_auxiliaries();
    let parameters = blueprint.parameters();
    let is_in_head = |name: &str| {
        let rest = name.strip_prefix(architecture.head);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let is_there = |parameter: &Parameter| {
        let size = Size::of(&parameter.shape);
        let from = endings.partition_point(|(name, _)| *name < parameter.name);
        let same = endings[from..].iter();
        same.take_while(|(name, _)| *name == parameter.name)
            .any(|(_, found)| {
                let is_first = found.first == size.first;
                found.rest == size.rest && (is_first || is_in_head(&parameter.name))
            })
    };
    parameters.iter().all(is_there).then_some(parameters.len())
}

/// A shape as far as all ports of a network agree on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Size {
    first: usize,
    /// Product of all but the first dimension.
    rest: usize,
}

impl Size {
    fn of(shape: &[usize]) -> Self {
        let rest = shape.iter().skip(1);
        Self {
            first: shape.first().copied().unwrap_or(1),
            rest: rest.fold(1, |product, &side| product.saturating_mul(side)),
        }
    }
}

impl Architecture {
    /// The published weights that a file is most likely related to: if its first layer has timm's name
    /// where it has another here, the first of timm's.
    pub(crate) fn published_like(&self, weights: &Weights) -> &'static Published {
        let timms = || {
            let other_names = self.other_names?;
            let blueprint = (self.build)(1);
            let first = &blueprint.parameters()[0].name;
            let mut names = weights.names();
            names.find(|name| {
                let here = behind_prefix(name, other_names);
                here.is_some_and(|here| here.ends_with(&first[..]))
            })?;
            let mut published = self.published.iter();
            published.find(|p| matches!(p.source, Source::HuggingFace { .. }))
        };
        timms().unwrap_or_else(|| &self.published[0])
    }
}

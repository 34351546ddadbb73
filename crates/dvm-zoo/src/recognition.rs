//! Recognises the architecture of a weight file.

use dvm_engine::weights::{Parts, Weights, parts};

use crate::choice::names_and_shapes;
use crate::{ARCHITECTURE_KEY, Architecture, LoadError, Published, Source, all, lookalikes, names};

/// An architecture, and reasons for doubt.
pub(crate) struct Recognised {
    pub architecture: &'static Architecture,
    pub warnings: Vec<String>,
}

/// The requested architecture, or the one that the file names, or the one that its names and shapes match.
pub(crate) fn architecture_of(
    weights: &Weights,
    asked: Option<&'static Architecture>,
) -> Result<Recognised, LoadError> {
    let said = weights.metadata().get(ARCHITECTURE_KEY);
    let wrong = |found: &str, expected: String| LoadError::Architecture {
        file: weights.file().into(),
        found: found.into(),
        expected,
    };
    let certain = |architecture| Recognised {
        architecture,
        warnings: Vec::new(),
    };
    match (said, asked) {
        (Some(said), Some(asked)) if said == asked.name => Ok(certain(asked)),
        (Some(said), Some(asked)) => Err(wrong(said, format!("`{}`", asked.name))),
        (Some(said), None) => crate::find(said)
            .map(certain)
            .ok_or_else(|| wrong(said, format!("one of {}", names()))),
        (None, Some(asked)) => match tensorflows(weights, asked) {
            Some(found) => Err(wrong(found.name, format!("`{}`", asked.name))),
            None => against(weights, asked, true),
        },
        (None, None) => {
            let noted = lookalikes::said(weights);
            let mut noted = noted.iter().filter_map(|name| crate::find(name));
            let fitting = noted.find(|a| !parts_of(weights, a).complete.is_empty());
            match fitting {
                Some(noted) => against(weights, noted, false),
                None => against(weights, recognised(weights)?, false),
            }
        }
    }
}

/// Compares the network that the file names, and the file's name, with the architecture that it matches.
///
/// # Errors
/// [`LoadError::LookAlike`] if the file names another network, unless this architecture was requested.
fn against(
    weights: &Weights,
    architecture: &'static Architecture,
    asked: bool,
) -> Result<Recognised, LoadError> {
    let file = weights.file();
    let mut warnings = Vec::new();
    for name in lookalikes::said(weights) {
        let twin = crate::find(&name).filter(|other| other.name != architecture.name);
        let difference = match twin {
            // A file of several networks may name another one.
            Some(twin) if parts_of(weights, twin).complete.is_empty() => None,
            Some(_) => Some("another network with the same names and shapes".to_owned()),
            None => lookalikes::difference(&name, architecture),
        };
        let Some(difference) = difference else {
            continue;
        };
        if !asked {
            return Err(LoadError::LookAlike {
                file: file.into(),
                said: name,
                architecture: architecture.name,
                difference,
            });
        }
        warnings.push(format!(
            "{file} names its network `{name}`, not {}: {difference}",
            architecture.name
        ));
    }
    let stem = file_name(weights);
    let stem = stem.rsplit_once('.').map_or(&stem[..], |(stem, _)| stem);
    if crate::find(stem).is_none_or(|named| named.name != architecture.name)
        && let Some(difference) = lookalikes::difference(stem, architecture)
    {
        warnings.push(format!(
            "the file name of {file} suggests another network with the same parameters as {0}: {difference}; if that \
             is right, results with {0} are wrong",
            architecture.name
        ));
    }
    warnings.extend(
        lookalikes::output_stride(weights)
            .map(|why| format!("{file} is read as {}, but {why}", architecture.name)),
    );
    Ok(Recognised {
        architecture,
        warnings,
    })
}

/// Applies `here` to a name of another port. A prefix (`module.`) is kept.
pub(crate) fn behind_prefix(name: &str, here: fn(&str) -> Option<String>) -> Option<String> {
    let dots = name.match_indices('.').map(|(dot, _)| dot + 1);
    let mut starts = std::iter::once(0).chain(dots);
    starts.find_map(|start| {
        let (prefix, rest) = name.split_at(start);
        here(rest).map(|rest| format!("{prefix}{rest}"))
    })
}

/// TensorFlow's variant of the requested architecture (same names and shapes), if the file's name shows that it
/// is that.
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

/// The architecture whose parameters are all in the file, by name and size, possibly with a prefix. Of several
/// (ResNet-34 has all names of ResNet-18), the one with most parameters; of several with the same number, the
/// one in the file's name. The number of classes does not matter.
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
            tensors: weights.len(),
            nearest: nearest(weights),
        });
    };
    let others: Vec<&Architecture> = best.collect();
    // timm's own networks have the names and shapes of those that it converted from TensorFlow.
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
        fitting += &format!(", and timm's {twin}, which dvm does not have");
    }
    Err(LoadError::Ambiguous {
        file: weights.file().into(),
        fitting,
    })
}

/// Whether the file has the architecture's names, not those of another port.
fn file_has_names_of(weights: &Weights, architecture: &Architecture) -> bool {
    let blueprint = (architecture.build)(1);
    let first = &blueprint.parameters()[0].name;
    let mut names = weights.names();
    names.any(|name| {
        let before = name.strip_suffix(&first[..]);
        before.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    })
}

/// The number of the architecture's parameters, if the file has all of them with the same prefix.
fn fits(weights: &Weights, architecture: &Architecture) -> Option<usize> {
    let parts = parts_of(weights, architecture);
    (!parts.complete.is_empty()).then_some(parts.wanted)
}

/// The parts of the file that match an architecture, by the names of any port.
fn parts_of(weights: &Weights, architecture: &Architecture) -> Parts {
    let wanted = names_and_shapes(architecture, false);
    let Some(other_names) = architecture.other_names else {
        return weights.parts(&wanted, Some(architecture.head));
    };
    let renamed: Vec<(String, &[usize])> = weights
        .iter()
        .map(|(name, array)| {
            let here = behind_prefix(name, other_names);
            (here.unwrap_or_else(|| name.to_owned()), &array.shape[..])
        })
        .collect();
    let names = renamed.iter().map(|(name, shape)| (&name[..], *shape));
    parts(names, &wanted, Some(architecture.head))
}

/// The nearest architecture, if nearly all of it is in the file, and what is missing.
fn nearest(weights: &Weights) -> Option<String> {
    let found = all().map(|architecture| (parts_of(weights, architecture), architecture));
    let share = |parts: &Parts| parts.fitting as f64 / parts.wanted.max(1) as f64;
    let nearest = found.max_by(|(a, _), (b, _)| {
        share(a)
            .total_cmp(&share(b))
            .then(a.fitting.cmp(&b.fitting))
    });
    let (parts, architecture) = nearest.filter(|(parts, _)| share(parts) >= 0.8)?;
    Some(format!(
        "{} is the nearest: {} of its {} tensors match",
        architecture.name, parts.fitting, parts.wanted
    ))
}

impl Architecture {
    /// The published weights that a file is most likely based on: the first of timm, if its first layer has
    /// timm's name and that differs from the name here.
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

//! Which architecture a weight file is of.

use dvm_engine::weights::{Parts, Weights, parts};

use crate::choice::names_and_shapes;
use crate::{ARCHITECTURE_KEY, Architecture, LoadError, Published, Source, all, lookalikes, names};

/// An architecture, and what speaks against it.
pub(crate) struct Recognised {
    pub architecture: &'static Architecture,
    pub warnings: Vec<String>,
}

/// The architecture that was asked for, or that the file says, or that its names and shapes are of.
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

/// What the file says of itself, and its name, against an architecture whose names and shapes it has.
///
/// # Errors
/// [`LoadError::LookAlike`] if the file says that it is another network, and nobody asked for this one.
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
            // A file of several networks may say the name of another one.
            Some(twin) if parts_of(weights, twin).complete.is_empty() => None,
            Some(_) => Some("another network of the same names and shapes".to_owned()),
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
            "{file} says that its network is `{name}`, not {}: {difference}",
            architecture.name
        ));
    }
    let stem = file_name(weights);
    let stem = stem.rsplit_once('.').map_or(&stem[..], |(stem, _)| stem);
    if crate::find(stem).is_none_or(|named| named.name != architecture.name)
        && let Some(difference) = lookalikes::difference(stem, architecture)
    {
        warnings.push(format!(
            "the name of {file} is that of a network which looks like {0} by its weights, but is not: \
             {difference}; its answers are wrong if it is no {0}",
            architecture.name
        ));
    }
    warnings.extend(
        lookalikes::output_stride(weights)
            .map(|why| format!("{file} is taken for {}, but {why}", architecture.name)),
    );
    Ok(Recognised {
        architecture,
        warnings,
    })
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
            tensors: weights.len(),
            nearest: nearest(weights),
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

/// The number of the architecture's parameters, if the file has all of them behind one prefix.
fn fits(weights: &Weights, architecture: &Architecture) -> Option<usize> {
    let parts = parts_of(weights, architecture);
    (!parts.complete.is_empty()).then_some(parts.wanted)
}

/// What the file holds of an architecture, by whatever port's names.
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

/// The architecture that the file has most of, where that is nearly all, and what it lacks.
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
        "{} is nearest: {} of its {} tensors are there",
        architecture.name, parts.fitting, parts.wanted
    ))
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

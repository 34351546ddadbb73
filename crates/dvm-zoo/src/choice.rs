//! Selects one of the networks in a file.

use std::collections::BTreeSet;

use dvm_engine::Blueprint;
use dvm_engine::weights::{Beside, Part, Parts, Role, Weights};

use crate::graphs::Remarks;
use crate::{Architecture, LoadError};

/// The tensors of the selected network, by the architecture's names, and remarks about the selection.
pub(crate) struct SelectedPart {
    pub weights: Weights,
    /// The part of the file; `None` if the network is the whole file.
    pub part: Option<String>,
    pub remarks: Remarks,
}

/// Selects the tensors of `architecture` in a file. If it contains several sets, `asked` names the one to use.
/// By default, averaged weights are used before raw ones (as in timm), and a teacher before its student (as in
/// DINO).
///
/// # Errors
/// [`LoadError::Part`] if there is no such part, [`LoadError::Parts`] if the default is not clear.
pub(crate) fn choose(
    weights: Weights,
    architecture: &Architecture,
    asked: Option<&str>,
) -> Result<SelectedPart, LoadError> {
    let whole = names_and_shapes(architecture, true);
    let in_use = names_and_shapes(architecture, false);
    let parts = weights.parts(&in_use, Some(architecture.head));
    let distinct = distinct(&weights, &parts, &whole);
    let file = weights.file().to_owned();
    let (part, why) = match asked {
        Some(asked) => (named(&distinct, &parts, asked, &file)?, None),
        None => by_convention(&distinct, &parts, &file)?,
    };
    let mut remarks = Remarks {
        part: why,
        ..Remarks::default()
    };
    for (other, count) in &parts.incomplete {
        if *other != part && asked.is_none() {
            remarks.warnings.push(format!(
                "{file}: `{}` has only {count} of the {} tensors of {}, so it is ignored",
                other.name(),
                parts.wanted,
                architecture.name
            ));
        }
    }
    let wanted: BTreeSet<&str> = whole.iter().map(|(name, _)| &name[..]).collect();
    let (weights, beside) = weights.take(&part, &parts, &wanted, asked.is_some());
    tell_beside(&beside, &file, asked.is_some(), &mut remarks);
    let is_all = part.is_root() && distinct.len() < 2;
    Ok(SelectedPart {
        weights,
        part: (!is_all).then(|| part.name()),
        remarks,
    })
}

/// Names and shapes of an architecture's parameters, with or without auxiliary heads.
pub(crate) fn names_and_shapes(
    architecture: &Architecture,
    with_auxiliaries: bool,
) -> Vec<(String, Vec<usize>)> {
    let mut blueprint = (architecture.build)(1);
    if !with_auxiliaries {
        blueprint = blueprint.without_auxiliaries();
    }
    of_parameters(&blueprint)
}

/// Names and shapes of the parameters of a network.
pub(crate) fn of_parameters(blueprint: &Blueprint) -> Vec<(String, Vec<usize>)> {
    let parameters = blueprint.parameters().iter();
    parameters
        .map(|p| (p.name.clone(), p.shape.clone()))
        .collect()
}

/// The complete parts, without copies of another part.
fn distinct(weights: &Weights, parts: &Parts, wanted: &[(String, Vec<usize>)]) -> Vec<Part> {
    let mut distinct: Vec<Part> = Vec::new();
    for part in &parts.complete {
        let is_new = |other: &Part| !weights.are_equal(part, other, wanted);
        if distinct.iter().all(is_new) {
            distinct.push(part.clone());
        }
    }
    distinct
}

/// The part with this name: its full name, a word of it between dots, or its role (such as `ema`).
fn named(distinct: &[Part], parts: &Parts, asked: &str, file: &str) -> Result<Part, LoadError> {
    let all = &parts.complete;
    if let Some(part) = all.iter().find(|part| part.name() == asked) {
        return Ok(part.clone());
    }
    let role = match &asked.to_ascii_lowercase()[..] {
        "ema" | "averaged" | "average" | "swa" => Some(Role::Averaged),
        "teacher" => Some(Role::Teacher),
        "student" => Some(Role::Student),
        "raw" => Some(Role::Plain),
        _ => None,
    };
    let by_word = |part: &&Part| part.name().split('.').any(|word| word == asked);
    let by_role = |part: &&Part| Some(part.role()) == role;
    let words: Vec<&Part> = all.iter().filter(by_word).collect();
    let roles: Vec<&Part> = distinct.iter().filter(by_role).collect();
    match (&words[..], &roles[..]) {
        ([part], _) | ([], [part]) => Ok((*part).clone()),
        _ => Err(LoadError::Part {
            file: file.to_owned(),
            asked: asked.to_owned(),
            parts: listed(all),
        }),
    }
}

/// The part that is used by default, and the reason if there is more than one.
fn by_convention(
    distinct: &[Part],
    parts: &Parts,
    file: &str,
) -> Result<(Part, Option<String>), LoadError> {
    let of = |role: Role| {
        distinct
            .iter()
            .filter(move |part| part.role() == role)
            .collect::<Vec<_>>()
    };
    let (plain, averaged) = (of(Role::Plain), of(Role::Averaged));
    let (teacher, student) = (of(Role::Teacher), of(Role::Student));
    let momentum = of(Role::Momentum);
    let (part, why) = match (
        &plain[..],
        &averaged[..],
        &teacher[..],
        &student[..],
        &momentum[..],
    ) {
        // No part matches: the error describes the difference from the nearest.
        ([], [], [], [], []) => return Ok((parts.nearest.clone(), None)),
        ([part], [], [], [], [])
        | ([], [part], [], [], [])
        | ([], [], [part], [], [])
        | ([], [], [], [part], [])
        | ([], [], [], [], [part]) => return Ok(((*part).clone(), None)),
        ([_], [part], [], [], []) | ([], [part], [], [_], []) | ([], [part], [_], [], []) => {
            (part, "the averaged weights are used, as timm does")
        }
        ([], [], [part], [_], []) => (part, "the teacher is used, as with DINO"),
        ([part], [], [], [], [_]) => (part, "the trained network is used, not its moving average"),
        _ => {
            return Err(LoadError::Parts {
                file: file.to_owned(),
                parts: listed(distinct),
            });
        }
    };
    let why = format!(
        "{file} contains {} networks with these names, {}; {why}: `{}`",
        distinct.len(),
        listed(distinct),
        part.name()
    );
    Ok(((*part).clone(), Some(why)))
}

fn listed(parts: &[Part]) -> String {
    let names: Vec<String> = parts
        .iter()
        .map(|part| format!("`{}`", part.name()))
        .collect();
    match &names[..] {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn tell_beside(beside: &Beside, file: &str, asked: bool, remarks: &mut Remarks) {
    if !beside.of_training.is_empty() {
        let names: Vec<&str> = beside
            .of_training
            .iter()
            .take(3)
            .map(|name| &name[..])
            .collect();
        let more = match beside.of_training.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        remarks.notes.push(format!(
            "{file}: tensors that are only used in training are ignored: {}{more}",
            names.join(", ")
        ));
    }
    if !beside.networks.is_empty() {
        let networks = beside.networks.iter();
        let networks: Vec<String> = networks
            .map(|(name, count)| format!("`{name}` ({count} tensors)"))
            .collect();
        let text = format!(
            "{file} also contains other networks, which are ignored: {}",
            networks.join(", ")
        );
        if asked {
            remarks.notes.push(text);
        } else {
            remarks.warnings.push(text);
        }
    }
}

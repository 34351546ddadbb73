//! What is chosen by name from a list (methods, metrics), and the settings that are meant for it.

use dvm_attribution::metrics::registry::{self as metrics, MetricEntry};
use dvm_attribution::registry::{self as methods, Entry};
use dvm_options::{OptionSpec, Settings};

use crate::Error;
use crate::nearest::did_you_mean;

/// Something that is listed and has options.
pub(crate) trait Listed: Sized + 'static {
    /// What one of them is called: `method`.
    const KIND: &'static str;

    /// All of them.
    fn all() -> &'static [Self];

    fn name(&self) -> &'static str;

    fn options(&self) -> &'static [OptionSpec];

    /// Whether it has an option of this name.
    fn takes(&self, option: &str) -> bool;
}

impl Listed for Entry {
    const KIND: &'static str = "method";

    fn all() -> &'static [Self] {
        methods::ALL
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn options(&self) -> &'static [OptionSpec] {
        self.options
    }

    fn takes(&self, option: &str) -> bool {
        Entry::takes(self, option)
    }
}

impl Listed for MetricEntry {
    const KIND: &'static str = "metric";

    fn all() -> &'static [Self] {
        metrics::ALL
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn options(&self) -> &'static [OptionSpec] {
        self.options
    }

    fn takes(&self, option: &str) -> bool {
        MetricEntry::takes(self, option)
    }
}

/// Those named, separated by commas, in that order.
///
/// # Errors
/// [`Error::Usage`] for a name that is not in the list, or is given twice.
pub(crate) fn named<E: Listed>(names: &str) -> Result<Vec<&'static E>, Error> {
    let mut chosen: Vec<&'static E> = Vec::new();
    for name in names.split(',').map(str::trim) {
        let entry = find::<E>(name)?;
        if chosen.iter().any(|known| known.name() == entry.name()) {
            return Err(Error::Usage(format!("{} `{name}` is named twice", E::KIND)));
        }
        chosen.push(entry);
    }
    Ok(chosen)
}

/// The one of this name.
///
/// # Errors
/// [`Error::Usage`] with the names that come near.
pub(crate) fn find<E: Listed>(name: &str) -> Result<&'static E, Error> {
    E::all()
        .iter()
        .find(|e| e.name() == name)
        .ok_or_else(|| no_such::<E>(name))
}

/// That there is none of this name.
fn no_such<E: Listed>(name: &str) -> Error {
    let known: Vec<&str> = E::all().iter().map(Listed::name).collect();
    let kind = E::KIND;
    let all = || format!("{kind}s are {}", known.join(", "));
    let near = did_you_mean(name, known.iter().copied()).unwrap_or_else(all);
    Error::Usage(format!("there is no {kind} named `{name}`; {near}"))
}

/// The method or metric and the option that a setting `occlusion.window` is about; the first is missing
/// if it is for all that have the option.
pub(crate) fn split(setting: &str) -> (Option<&str>, &str) {
    match setting.split_once('.') {
        Some((owner, option)) => (Some(owner), option),
        None => (None, setting),
    }
}

/// The settings whose name `keeps`.
pub(crate) fn those_of(settings: &Settings, keeps: impl Fn(&str) -> bool) -> Settings {
    let names = settings.names().filter(|name| keeps(name));
    names.fold(Settings::new(), |own, name| {
        let value = settings.text(name).expect("it is one of its names");
        own.with(name, value)
    })
}

/// What of the settings is meant for one: those for all, and those for it alone, which win.
pub(crate) fn own_settings<E: Listed>(entry: &E, settings: &Settings) -> Settings {
    let given = |is_own: bool| {
        settings.names().fold(Settings::new(), |own, setting| {
            let (owner, option) = split(setting);
            let is_meant = match is_own {
                true => owner == Some(entry.name()),
                false => owner.is_none(),
            };
            match settings.text(setting).filter(|_| is_meant) {
                Some(value) => own.with(option, value),
                None => own,
            }
        })
    };
    given(true).or(&given(false))
}

/// Refuses settings that none of those chosen has.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn check_settings<E: Listed>(chosen: &[&E], settings: &Settings) -> Result<(), Error> {
    for option in settings.names() {
        let (owner, name) = split(option);
        if let Some(owner) = owner {
            let entry = find::<E>(owner)?;
            if !entry.takes(name) {
                return Err(no_option(&format!("{} `{owner}`", E::KIND), name, &[entry]));
            }
        }
        let is_meant = |entry: &E| owner.is_none_or(|owner| owner == entry.name());
        let takes = |entry: &E| is_meant(entry) && entry.takes(name);
        if chosen.iter().any(|entry| takes(entry)) {
            continue;
        }
        let owners: Vec<&E> = E::all().iter().filter(|e| takes(e)).collect();
        return Err(if owners.is_empty() {
            let all: Vec<&E> = E::all().iter().collect();
            no_option(&format!("no {}", E::KIND), name, &all)
        } else {
            let owners: Vec<&str> = owners.iter().map(|entry| entry.name()).collect();
            Error::Usage(format!(
                "`{name}` is an option of {}, which is not among the {}s asked for",
                owners.join(", "),
                E::KIND
            ))
        });
    }
    Ok(())
}

/// That `who` of these has no option of this name.
fn no_option<E: Listed>(who: &str, name: &str, among: &[&E]) -> Error {
    let all = among.iter().flat_map(|entry| entry.options());
    let near = did_you_mean(name, all.map(|option| option.name));
    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
    let has = match who.starts_with("no ") {
        true => "has an option",
        false => "has no option",
    };
    Error::Usage(format!("{who} {has} `{name}`{near}"))
}

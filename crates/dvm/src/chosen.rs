//! Choosing methods and metrics by name, and finding the settings of each.

use std::sync::Arc;

use dvm_attribution::Method;
use dvm_attribution::metrics::Metric;
use dvm_attribution::metrics::registry::{self as metrics, MetricEntry};
use dvm_attribution::registry::{self as methods, MethodEntry};
use dvm_options::{OptionSpec, SettingError, Settings};

use crate::Error;
use crate::nearest::did_you_mean;

/// An entry of a registry: it has a name and options.
pub(crate) trait Registered: Sized + 'static {
    /// The word for an entry: `method`.
    const KIND: &'static str;

    /// What an entry builds.
    type Built;

    /// All entries.
    fn all() -> &'static [Self];

    fn name(&self) -> &'static str;

    fn options(&self) -> &'static [OptionSpec];

    /// Whether the entry has an option of this name.
    fn takes(&self, option: &str) -> bool;

    /// The method or metric with these settings.
    fn build(&self, settings: &Settings) -> Result<Self::Built, SettingError>;
}

macro_rules! registered {
    ($entry:ty, $kind:literal, $registry:ident, $build:ident, $built:ty) => {
        impl Registered for $entry {
            const KIND: &'static str = $kind;

            type Built = $built;

            fn all() -> &'static [Self] {
                $registry::ALL
            }

            fn name(&self) -> &'static str {
                self.name
            }

            fn options(&self) -> &'static [OptionSpec] {
                self.options
            }

            fn takes(&self, option: &str) -> bool {
                <$entry>::takes(self, option)
            }

            fn build(&self, settings: &Settings) -> Result<Self::Built, SettingError> {
                self.$build(settings).map(Arc::from)
            }
        }
    };
}

registered!(MethodEntry, "method", methods, method, Arc<dyn Method>);
registered!(MetricEntry, "metric", metrics, metric, Arc<dyn Metric>);

/// Entries, each with its method or metric.
pub(crate) type Chosen<E> = Vec<(&'static E, <E as Registered>::Built)>;

/// Builds the method or metric of each entry with its own settings.
///
/// # Errors
/// [`Error::Usage`] for a setting that none of the entries has; [`Error::Setting`] for an invalid value.
pub(crate) fn built<E: Registered>(
    entries: Vec<&'static E>,
    settings: &Settings,
) -> Result<Chosen<E>, Error> {
    check_settings(&entries, settings)?;
    let build = |entry: &'static E| Ok((entry, entry.build(&own_settings(entry, settings))?));
    entries.into_iter().map(build).collect()
}

/// The entries with these names, separated by commas, in that order.
///
/// # Errors
/// [`Error::Usage`] for an unknown name or a name that is given twice.
pub(crate) fn named<E: Registered>(names: &str) -> Result<Vec<&'static E>, Error> {
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

/// The entry of this name.
///
/// # Errors
/// [`Error::Usage`] with the most similar names.
pub(crate) fn find<E: Registered>(name: &str) -> Result<&'static E, Error> {
    E::all()
        .iter()
        .find(|e| e.name() == name)
        .ok_or_else(|| no_such::<E>(name))
}

/// The error for an unknown name.
fn no_such<E: Registered>(name: &str) -> Error {
    let known: Vec<&str> = E::all().iter().map(Registered::name).collect();
    let kind = E::KIND;
    let all = || format!("{kind}s are {}", known.join(", "));
    let near = did_you_mean(name, known.iter().copied()).unwrap_or_else(all);
    Error::Usage(format!("there is no {kind} named `{name}`; {near}"))
}

/// Splits a setting `occlusion.window` into method (or metric) and option. A setting without a dot is for all
/// that have the option.
pub(crate) fn split(setting: &str) -> (Option<&str>, &str) {
    match setting.split_once('.') {
        Some((owner, option)) => (Some(owner), option),
        None => (None, setting),
    }
}

/// The settings whose names satisfy `keeps`.
pub(crate) fn filtered(settings: &Settings, keeps: impl Fn(&str) -> bool) -> Settings {
    let names = settings.names().filter(|name| keeps(name));
    names.fold(Settings::new(), |own, name| {
        let value = settings.text(name).expect("it is one of its names");
        own.with(name, value)
    })
}

/// The settings of one entry: those for all entries, overridden by those for this entry alone.
fn own_settings<E: Registered>(entry: &E, settings: &Settings) -> Settings {
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

/// Returns an error if none of the chosen entries has an option that is set.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn check_settings<E: Registered>(
    chosen: &[&E],
    settings: &Settings,
) -> Result<(), Error> {
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
                "`{name}` is an option of {}, which is not one of the chosen {}s",
                owners.join(", "),
                E::KIND
            ))
        });
    }
    Ok(())
}

/// The error for an unknown option.
fn no_option<E: Registered>(who: &str, name: &str, among: &[&E]) -> Error {
    let all = among.iter().flat_map(|entry| entry.options());
    let near = did_you_mean(name, all.map(|option| option.name));
    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
    let has = match who.starts_with("no ") {
        true => "has an option",
        false => "has no option",
    };
    Error::Usage(format!("{who} {has} `{name}`{near}"))
}

//! The networks of a server, by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use dvm::{Classifier, Reading};

use crate::server::{Limits, Problem};

/// Networks by name, in the given order.
pub struct Models {
    all: Vec<(String, Arc<Classifier>)>,
    pixels: u64,
}

impl Models {
    /// Networks with the names of [`Models::names`].
    pub fn new(given: Vec<(String, Arc<Classifier>)>, limits: &Limits) -> Self {
        let names = Self::names(given.iter().map(|(name, _)| &name[..]));
        let classifiers = given.into_iter().map(|(_, classifier)| classifier);
        Self {
            all: names.into_iter().zip(classifiers).collect(),
            pixels: limits.pixels,
        }
    }

    /// Unique names that can be part of an address: characters other than letters, digits and `._-` become `-`; a
    /// repeated name gets a number.
    pub fn names<'a>(given: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut taken = BTreeSet::new();
        let unique = given.map(|name| {
            let plain = plain(name);
            let numbered = (2..).map(|number| format!("{plain}-{number}"));
            let mut names = std::iter::once(plain.clone()).chain(numbered);
            let name = names.find(|name| !taken.contains(name));
            let name = name.expect("there is a free number");
            taken.insert(name.clone());
            name
        });
        unique.collect()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Classifier>)> {
        self.all.iter().map(|(name, model)| (&name[..], model))
    }

    /// The network of this name.
    ///
    /// # Errors
    /// 404 with similar names.
    pub fn get(&self, name: &str) -> Result<&Arc<Classifier>, Problem> {
        let found = self.iter().find(|(known, _)| *known == name);
        if let Some((_, classifier)) = found {
            return Ok(classifier);
        }
        let names = || self.iter().map(|(name, _)| name);
        let hint = match dvm::nearest(name, names())[..] {
            [] => format!("the models are {}", quoted(names())),
            [..] => format!("did you mean {}?", quoted(dvm::nearest(name, names()))),
        };
        let name = shortened(name);
        Err(Problem::missing(format!(
            "there is no model named `{name}`; {hint}"
        )))
    }

    /// How picture files are read for a network of this server.
    pub fn reading(&self, classifier: &Classifier) -> Reading {
        Reading {
            limits: dvm::Limits::up_to(self.pixels),
            range: classifier.preprocess().range,
        }
    }
}

/// Names in backticks.
fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The beginning of a client's name.
pub(crate) fn shortened(name: &str) -> String {
    const MOST: usize = 80;
    let shown = name.chars().filter(|c| !c.is_control()).take(MOST);
    shown.collect()
}

fn plain(name: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c,
        '.' | '_' | '-' => c,
        _ => '-',
    };
    let name: String = name.chars().map(plain).collect();
    match name.trim_matches('.') {
        "" => "model".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(names: &[&str]) -> Models {
        let network = Arc::new(Classifier::random("squeezenet1_1").unwrap());
        let given = names.iter().map(|name| (name.to_string(), network.clone()));
        Models::new(given.collect(), &Limits::default())
    }

    #[test]
    fn names_are_unique_and_valid_in_addresses() {
        let models = models(&["resnet18", "resnet18", "my net:v1/é", "resnet18", ".."]);
        let names: Vec<&str> = models.iter().map(|(name, _)| name).collect();
        let expected = [
            "resnet18",
            "resnet18-2",
            "my-net-v1--",
            "resnet18-3",
            "model",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn an_unknown_name_is_an_error_with_similar_names_or_all() {
        let models = models(&["resnet18", "vit_b_16"]);
        let refused = |name| models.get(name).err().unwrap();
        assert_eq!(refused("resent18").status.as_u16(), 404);
        assert!(
            refused("resent18")
                .message
                .contains("did you mean `resnet18`?")
        );
        assert!(refused("xyz").message.contains("`resnet18`, `vit_b_16`"));
        assert!(models.get("vit_b_16").is_ok());
    }
}

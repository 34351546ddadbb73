//! Names of classes, and the choice of the classes to explain.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use crate::nearest::did_you_mean;
use crate::{Error, system_words};

/// The largest text file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Which classes to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassChoice {
    /// The most probable class.
    Top,
    /// All classes.
    All,
    /// The sum of the scores of this many most probable classes.
    Sum(usize),
    /// The class of this index, from 0.
    Index(usize),
    /// The class of this name, or else of this index.
    Named(String),
}

impl FromStr for ClassChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "top" => Self::Top,
            "all" => Self::All,
            text if sum_of(text).is_some() => Self::Sum(sum_of(text).unwrap_or_default()),
            name => Self::Named(name.into()),
        })
    }
}

/// The number in `top:5`.
fn sum_of(text: &str) -> Option<usize> {
    let count = text.strip_prefix("top:")?.parse().ok()?;
    (count > 0).then_some(count)
}

impl ClassChoice {
    /// The indices of the chosen classes, given the names of all classes and the index of the most probable
    /// class. For a sum, that is the index of the most probable class.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that no class or several classes have, or an index that is too large.
    pub fn resolve(&self, names: &[String], top: usize) -> Result<Vec<usize>, Error> {
        let text = match self {
            Self::Top | Self::Sum(_) => return Ok(vec![top]),
            Self::All => return Ok((0..names.len()).collect()),
            Self::Index(index) => return at(*index, names.len()).map(|index| vec![index]),
            Self::Named(text) => text,
        };
        let matches = |same: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..names.len()).filter(|&i| same(&names[i])).collect()
        };
        let plain = |name: &str| name.replace('_', " ").to_lowercase();
        let mut found = matches(&|name| name == text);
        if found.is_empty() {
            found = matches(&|name| plain(name) == plain(text));
        }
        match found[..] {
            [index] => return Ok(vec![index]),
            [] => {}
            _ => {
                let found: Vec<String> = found.iter().map(usize::to_string).collect();
                return Err(Error::Usage(format!(
                    "several classes are named `{text}`; choose one by its index: {}",
                    found.join(", ")
                )));
            }
        }
        if let Ok(index) = text.parse::<usize>() {
            return at(index, names.len()).map(|index| vec![index]);
        }
        let near = matches(&|name| plain(name).contains(&plain(text)));
        let similar = || did_you_mean(text, names.iter().map(String::as_str));
        let hint = if near.is_empty() {
            similar().unwrap_or_else(|| "see the list of class names".to_owned())
        } else {
            let near: Vec<&str> = near.iter().take(5).map(|&i| names[i].as_str()).collect();
            format!("did you mean {}?", near.join(", "))
        };
        Err(Error::Usage(format!(
            "there is no class named `{text}`; {hint}"
        )))
    }
}

/// The index, if it is below the number of classes.
fn at(index: usize, classes: usize) -> Result<usize, Error> {
    if index < classes {
        return Ok(index);
    }
    Err(Error::Usage(format!(
        "there is no class {index}; the network has {classes} classes, 0 to {}",
        classes - 1
    )))
}

/// The JSON forms of class names.
#[derive(Deserialize)]
#[serde(untagged)]
enum ClassNames {
    /// `["daisy", "roses"]`
    Names(Vec<String>),
    /// `{"0": "daisy"}`
    ByIndex(BTreeMap<String, String>),
    /// `{"0": ["n01440764", "tench"]}`, as in Keras.
    WithIds(BTreeMap<String, (String, String)>),
    /// `{"daisy": 0}`, as torchvision's `class_to_idx`.
    Indices(BTreeMap<String, usize>),
}

/// Reads class names, in the order of their indices: a text file with one name per line, or JSON:
/// a list of names, `{"0": "daisy", …}`, `{"0": ["n11939491", "daisy"], …}` or `{"daisy": 0, …}`.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read, or in which an index has no name.
pub fn read_class_names(path: &Path) -> Result<Vec<String>, Error> {
    let fail = |detail: String| Error::File {
        file: path.to_owned(),
        detail,
    };
    let text = read_text(path)
        .map_err(|why| fail(format!("cannot be read as a file of class names: {why}")))?;
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    let names = if trimmed.starts_with(['[', '{']) {
        from_json(trimmed).map_err(fail)?
    } else {
        trimmed.lines().map(|line| line.trim().to_owned()).collect()
    };
    // An empty file has one empty line.
    if names.iter().all(String::is_empty) {
        return Err(fail("contains no class names".into()));
    }
    dvm_zoo::check_class_names(&names).map_err(fail)?;
    Ok(names)
}

/// Reads a text file of at most [`LONGEST`] bytes; the error says why it cannot be read.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        .map_err(|error| system_words(&error))?;
    match text.len() as u64 > LONGEST {
        true => Err(format!(
            "it is larger than the limit of {} MiB",
            LONGEST >> 20
        )),
        false => Ok(text),
    }
}

fn from_json(text: &str) -> Result<Vec<String>, String> {
    let listed: ClassNames = serde_json::from_str(text).map_err(|_| {
        "is JSON, but not a list of class names; write [\"name\", …], {\"0\": \"name\", …} or {\"name\": 0, …}".to_owned()
    })?;
    let indexed: BTreeMap<usize, String> = match listed {
        ClassNames::Names(names) => return Ok(names),
        ClassNames::ByIndex(names) => by_number(names)?,
        ClassNames::WithIds(names) => {
            by_number(names.into_iter().map(|(i, (_, name))| (i, name)).collect())?
        }
        ClassNames::Indices(indices) => {
            let count = indices.len();
            let names: BTreeMap<usize, String> = indices
                .into_iter()
                .map(|(name, index)| (index, name))
                .collect();
            if names.len() != count {
                return Err("gives two classes the same index".into());
            }
            names
        }
    };
    match indexed.keys().enumerate().find(|(i, index)| i != *index) {
        Some((missing, _)) => Err(format!("has no name for class {missing}")),
        None => Ok(indexed.into_values().collect()),
    }
}

fn by_number(names: BTreeMap<String, String>) -> Result<BTreeMap<usize, String>, String> {
    names
        .into_iter()
        .map(|(index, name)| match index.trim().parse() {
            Ok(index) => Ok((index, name)),
            Err(_) => Err(format!("has the key `{index}`, which is not an index")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["daisy", "tiger_cat", "crane", "crane", "0"]
            .map(String::from)
            .to_vec()
    }

    fn resolve(text: &str) -> Result<Vec<usize>, String> {
        let choice: ClassChoice = text.parse().unwrap();
        choice.resolve(&names(), 3).map_err(|e| e.to_string())
    }

    #[test]
    fn a_class_is_found_by_name_by_index_or_as_the_most_probable_one() {
        assert_eq!(resolve("daisy"), Ok(vec![0]));
        assert_eq!(resolve("Tiger Cat"), Ok(vec![1]));
        assert_eq!(resolve("2"), Ok(vec![2]));
        assert_eq!(resolve("top"), Ok(vec![3]));
        assert_eq!(resolve("all"), Ok(vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn a_name_that_is_a_number_is_looked_up_as_a_name_first() {
        assert_eq!(resolve("0"), Ok(vec![4]));
    }

    #[test]
    fn a_name_of_two_classes_is_an_error_with_their_indices() {
        assert!(resolve("crane").unwrap_err().contains("by its index: 2, 3"));
    }

    #[test]
    fn an_unknown_name_is_an_error_with_similar_names() {
        assert!(
            resolve("cat")
                .unwrap_err()
                .contains("did you mean tiger_cat?")
        );
        assert!(resolve("7").unwrap_err().contains("0 to 4"));
        let error = resolve("dasiy").unwrap_err();
        assert!(error.contains("did you mean `daisy`?"), "{error}");
    }

    #[test]
    fn class_names_are_read_from_every_json_form() {
        let expected = Ok(vec!["daisy".to_owned(), "roses".to_owned()]);
        for json in [
            r#"["daisy", "roses"]"#,
            r#"{"1": "roses", "0": "daisy"}"#,
            r#"{"0": ["n1", "daisy"], "1": ["n2", "roses"]}"#,
            r#"{"roses": 1, "daisy": 0}"#,
        ] {
            assert_eq!(from_json(json), expected, "{json}");
        }
    }

    #[test]
    fn an_index_without_a_name_is_an_error() {
        let error = from_json(r#"{"0": "daisy", "2": "roses"}"#).unwrap_err();
        assert_eq!(error, "has no name for class 1");
    }
}

//! The plan of a data set.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Error, Split};

/// The contents of a data set, before it is written.
#[derive(Debug)]
pub struct Plan {
    /// Name of the corpus.
    pub corpus: &'static str,
    /// The path of its source.
    pub source: PathBuf,
    /// The settings by name, as text, for the data set's record.
    pub settings: BTreeMap<String, String>,
    /// The pictures, in any order; [`Plan::write`] sorts them.
    pub pictures: Vec<Planned>,
    /// Number of files and folders of the source that are in no split, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// Problems of the source that do not prevent the data set.
    pub warnings: Vec<String>,
}

/// One picture of a plan.
#[derive(Debug)]
pub struct Planned {
    /// Its split.
    pub split: Split,
    /// Its class, which is the name of its folder.
    pub class: String,
    /// Its file name.
    pub name: String,
    /// The source of its bytes.
    pub content: Content,
}

/// The source of a picture's bytes.
pub enum Content {
    /// An existing file, which is copied, linked or listed.
    File(PathBuf),
    /// A function that makes the bytes, such as a PNG of an array. It is called on any thread, possibly more
    /// than once, and must always return the same bytes.
    Made(Make),
}

/// Makes the bytes of a picture.
pub type Make = Box<dyn Fn() -> Result<Vec<u8>, Error> + Send + Sync>;

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Made(_) => f.write_str("Made"),
        }
    }
}

impl Plan {
    /// A plan without pictures.
    pub fn new(corpus: &'static str, source: &Path) -> Self {
        Self {
            corpus,
            source: source.into(),
            settings: BTreeMap::new(),
            pictures: Vec::new(),
            left_out: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Counts a file or folder of the source that is in no split, by a reason in the plural, such as `files
    /// without a class`.
    pub fn leave_out(&mut self, reason: &str) {
        *self.left_out.entry(reason.to_owned()).or_default() += 1;
    }

    /// The pictures by split, class and name.
    ///
    /// # Errors
    /// [`Error::Layout`] if there are no pictures for training, if a class or file name is not a valid file
    /// name, if two pictures get the same name (ignoring upper and lower case, as some file systems do), or if
    /// a split has a class that `train` does not have.
    pub(super) fn sorted(&self) -> Result<Vec<&Planned>, Error> {
        let fail = |detail: String| Error::Layout {
            path: self.source.clone(),
            detail,
        };
        let mut pictures: Vec<&Planned> = self.pictures.iter().collect();
        pictures.sort_by(|a, b| a.place().cmp(&b.place()));
        let mut taken = HashMap::new();
        for picture in &pictures {
            for name in [&picture.class, &picture.name] {
                if let Some(why) = unfit(name) {
                    return Err(fail(format!("`{name}` cannot be a file name: {why}")));
                }
            }
            let key = (
                picture.split,
                picture.class.to_lowercase(),
                picture.name.to_lowercase(),
            );
            if let Some(other) = taken.insert(key, *picture) {
                return Err(fail(format!(
                    "two pictures would get the name {}: {} and {}; rename one of them",
                    picture.shown(),
                    other.origin(),
                    picture.origin()
                )));
            }
        }
        let trained = |class: &str| {
            let place = |p: &&Planned| (p.split, p.class.as_str()).cmp(&(Split::Train, class));
            pictures.binary_search_by(place).is_ok()
        };
        if let Some(stray) = pictures.iter().find(|picture| !trained(&picture.class)) {
            return Err(fail(format!(
                "{} would have pictures of class `{}`, but train would have none",
                stray.split.name(),
                stray.class
            )));
        }
        if pictures.is_empty() {
            return Err(fail("there are no pictures for training".into()));
        }
        Ok(pictures)
    }
}

impl Planned {
    fn place(&self) -> (Split, &str, &str) {
        (self.split, &self.class, &self.name)
    }

    fn shown(&self) -> String {
        format!("{}/{}/{}", self.split.name(), self.class, self.name)
    }

    fn origin(&self) -> String {
        match &self.content {
            Content::File(path) => path.display().to_string(),
            Content::Made(_) => "a picture made from the source".into(),
        }
    }
}

/// Why a file or folder of a data set cannot have this name.
fn unfit(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.starts_with('.') {
        Some("a file whose name starts with a dot is hidden")
    } else if name.len() > 255 {
        Some("it is longer than 255 bytes")
    } else if name.contains(['/', '\\', '\0']) {
        Some("it contains a separator")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(split: Split, class: &str, name: &str) -> Planned {
        Planned {
            split,
            class: class.into(),
            name: name.into(),
            content: Content::File(format!("source/{name}").into()),
        }
    }

    fn refusal(pictures: Vec<Planned>) -> String {
        let mut plan = Plan::new("test", Path::new("source"));
        plan.pictures = pictures;
        plan.sorted().unwrap_err().to_string()
    }

    #[test]
    fn pictures_are_sorted_by_split_class_and_name() {
        let mut plan = Plan::new("test", Path::new("source"));
        plan.pictures = vec![
            planned(Split::Val, "a", "1"),
            planned(Split::Train, "b", "1"),
            planned(Split::Train, "a", "2"),
            planned(Split::Train, "a", "1"),
        ];
        let shown: Vec<String> = plan.sorted().unwrap().iter().map(|p| p.shown()).collect();
        assert_eq!(shown, ["train/a/1", "train/a/2", "train/b/1", "val/a/1"]);
    }

    #[test]
    fn two_pictures_of_one_name_are_an_error_in_upper_and_lower_case() {
        let error = refusal(vec![
            planned(Split::Train, "a", "Photo.jpg"),
            planned(Split::Train, "a", "photo.jpg"),
        ]);
        assert!(error.contains("source/Photo.jpg"), "{error}");
        assert!(error.contains("source/photo.jpg"), "{error}");
    }

    #[test]
    fn names_that_are_not_file_names_are_errors() {
        for name in ["..", "", "a/b", "a\\b", ".hidden"] {
            let error = refusal(vec![planned(Split::Train, "a", name)]);
            assert!(error.contains("cannot be a file name"), "{name}: {error}");
            let error = refusal(vec![planned(Split::Train, name, "1.png")]);
            assert!(error.contains("cannot be a file name"), "{name}: {error}");
        }
    }

    #[test]
    fn a_class_without_training_pictures_is_an_error() {
        let error = refusal(vec![
            planned(Split::Train, "a", "1"),
            planned(Split::Test, "b", "1"),
        ]);
        assert!(
            error.contains("test would have pictures of class `b`"),
            "{error}"
        );
        assert!(refusal(Vec::new()).contains("no pictures"));
    }
}

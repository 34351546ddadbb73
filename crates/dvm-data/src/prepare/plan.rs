//! What goes where.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Error, Split};

/// What a prepared data set will hold.
#[derive(Debug)]
pub struct Plan {
    /// Name of the corpus.
    pub corpus: &'static str,
    /// Where its source is.
    pub source: PathBuf,
    /// What was asked for, as text, by name: part of the data set's record.
    pub settings: BTreeMap<String, String>,
    /// The pictures, in any order; [`Plan::write`] sorts them.
    pub pictures: Vec<Planned>,
    /// How many things of the source are in no split, by the reason.
    pub left_out: BTreeMap<String, usize>,
    /// What is wrong with the source, though the data set can be made.
    pub warnings: Vec<String>,
}

/// One picture of a plan.
#[derive(Debug)]
pub struct Planned {
    /// Where it goes.
    pub split: Split,
    /// Name of its class: a folder.
    pub class: String,
    /// Its file name.
    pub name: String,
    /// Where its bytes come from.
    pub content: Content,
}

/// Where the bytes of a picture come from.
pub enum Content {
    /// An existing file, which is copied, linked or pointed at.
    File(PathBuf),
    /// Bytes made when they are needed, such as a PNG of an array. Called on any thread, perhaps
    /// more than once; the bytes must be the same every time.
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

    /// One more thing of the source that is in no split, and why: a phrase in the plural such as
    /// `files that are no pictures`.
    pub fn leave_out(&mut self, reason: &str) {
        *self.left_out.entry(reason.to_owned()).or_default() += 1;
    }

    /// The pictures by split, class and name.
    ///
    /// # Errors
    /// [`Error::Layout`] if there are none to train with, if a class or file name cannot be one, if
    /// two pictures would get the same name (upper and lower case taken for the same, as some file
    /// systems do), or if a split has a class that `train` does not have.
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
                    "two pictures would become {}: {} and {}; rename one",
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
                "{} would have pictures of class `{}`, but train none",
                stray.split.name(),
                stray.class
            )));
        }
        if pictures.is_empty() {
            return Err(fail("there is no picture to train with".into()));
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
            Content::Made(_) => "one made from the source".into(),
        }
    }
}

/// Why no file or folder that a data set shows can have this name.
fn unfit(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.starts_with('.') {
        Some("files that begin with a dot are hidden")
    } else if name.len() > 255 {
        Some("it is longer than 255 bytes")
    } else if name.contains(['/', '\\', '\0']) {
        Some("it has a separator in it")
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
    fn two_pictures_of_one_name_are_refused_whatever_their_case() {
        let error = refusal(vec![
            planned(Split::Train, "a", "Photo.jpg"),
            planned(Split::Train, "a", "photo.jpg"),
        ]);
        assert!(error.contains("source/Photo.jpg"), "{error}");
        assert!(error.contains("source/photo.jpg"), "{error}");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["..", "", "a/b", "a\\b", ".hidden"] {
            let error = refusal(vec![planned(Split::Train, "a", name)]);
            assert!(error.contains("cannot be a file name"), "{name}: {error}");
            let error = refusal(vec![planned(Split::Train, name, "1.png")]);
            assert!(error.contains("cannot be a file name"), "{name}: {error}");
        }
    }

    #[test]
    fn a_class_without_training_pictures_is_refused() {
        let error = refusal(vec![
            planned(Split::Train, "a", "1"),
            planned(Split::Test, "b", "1"),
        ]);
        assert!(
            error.contains("test would have pictures of class `b`"),
            "{error}"
        );
        assert!(refusal(Vec::new()).contains("no picture"));
    }
}

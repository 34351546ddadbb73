//! The folders of the pictures' results.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path, PathBuf};

use super::Image;

/// Chooses one folder per picture: unique, and not within the folder of another picture.
///
/// Names are kept as checksums of 128 bits; a million of them take 16 MB.
#[derive(Default)]
pub struct Folders {
    /// In lower case: on some file systems `Cat` and `cat` are the same.
    taken: HashSet<u128>,
    /// The last number given to a name that is taken.
    numbered: HashMap<u128, usize>,
}

impl Folders {
    /// For these pictures.
    pub fn of(images: &[Image]) -> Self {
        let mut taken = HashSet::new();
        let mut last: Option<&Path> = None;
        for image in images {
            if let Image::Picture { result_folder, .. } = image
                && result_folder.parent() != last
            {
                last = result_folder.parent();
                let above = result_folder.ancestors().skip(1);
                taken.extend(above.map(key));
            }
        }
        Self {
            taken,
            numbered: HashMap::new(),
        }
    }

    /// The folder `folder`, followed by `-2`, `-3`, … if it is taken; and whether it was.
    pub fn next(&mut self, folder: &Path) -> (PathBuf, bool) {
        let wanted = key(folder);
        if self.taken.insert(wanted) {
            return (folder.to_owned(), false);
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let first = self.numbered.get(&wanted).map_or(2, |last| last + 1);
        for number in first.. {
            let folder = folder.with_file_name(format!("{name}-{number}"));
            if self.taken.insert(key(&folder)) {
                self.numbered.insert(wanted, number);
                return (folder, true);
            }
        }
        unreachable!("there is always another number")
    }
}

fn key(folder: &Path) -> u128 {
    let name = folder.to_string_lossy().to_lowercase();
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &name).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// The folders of a listed path, for the folder of its results: without `/` and `..`, and relative to the list's
/// folder if the path is in it.
pub fn folders_of(path: &Path, list: Option<&Path>) -> PathBuf {
    let parent = path.parent().unwrap_or(Path::new(""));
    normal(parent, list)
}

/// The same for a path that is itself a folder.
pub fn normal(folder: &Path, list: Option<&Path>) -> PathBuf {
    let list = list.filter(|list| list.is_absolute());
    let within = list.and_then(|list| folder.strip_prefix(list).ok());
    let components = within.unwrap_or(folder).components();
    let names = components.filter(|component| matches!(component, Component::Normal(_)));
    names.collect()
}

/// Most characters of a class's name in a folder's name.
const LONGEST: usize = 60;

/// The folder of one class of several: `967-espresso`. Characters that file systems do not allow become `_`.
pub fn class_folder(index: usize, name: &str) -> String {
    let safe: String = name
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            '-' | '.' | '_' => c,
            c if c.is_alphanumeric() => c,
            _ => '_',
        })
        .collect();
    // Windows drops dots at the end of a name.
    format!("{index}-{}", safe.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_with_the_same_stem_get_different_folders() {
        let mut folders = Folders::default();
        let mut next = |path: &str| {
            let (folder, taken) = folders.next(Path::new(path));
            (folder.display().to_string(), taken)
        };
        assert_eq!(next("coffee"), ("coffee".into(), false));
        assert_eq!(next("coffee"), ("coffee-2".into(), true));
        assert_eq!(next("coffee-2"), ("coffee-2-2".into(), true));
        assert_eq!(next("Coffee"), ("Coffee-3".into(), true));
    }

    #[test]
    fn a_hundred_thousand_pictures_with_one_name_are_named_quickly() {
        let mut folders = Folders::default();
        let last = (0..100_000).map(|_| folders.next(Path::new("x")).0).last();
        assert_eq!(last, Some("x-100000".into()));
    }

    #[test]
    fn a_listed_picture_keeps_its_folders() {
        let folders = |path: &str, list: &str| {
            let list = Some(Path::new(list)).filter(|list| !list.as_os_str().is_empty());
            folders_of(Path::new(path), list).display().to_string()
        };
        assert_eq!(folders("a/x.jpg", ""), "a");
        assert_eq!(folders("./a/../../b/x.jpg", ""), "a/b");
        assert_eq!(folders("x.jpg", "/data"), "");
        assert_eq!(folders("/data/a/x.jpg", "/data"), "a");
        assert_eq!(folders("/other/a/x.jpg", "/data"), "other/a");
    }

    #[test]
    fn any_class_name_becomes_a_folder() {
        assert_eq!(class_folder(967, "espresso"), "967-espresso");
        assert_eq!(class_folder(1, "../a b/c\\d:e"), "1-.._a_b_c_d_e");
        assert_eq!(class_folder(2, "Käse..."), "2-Käse");
        assert!(class_folder(3, &"x".repeat(500)).len() < 70);
    }
}

//! The folders that the results of pictures go to.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path, PathBuf};

use super::Image;

/// Names one folder per picture, each only once, none within the folder of another picture.
///
/// Names are kept as checksums of 128 bits: those of a million pictures take 16 MB.
#[derive(Default)]
pub struct Folders {
    /// In lower case: some file systems take `Cat` and `cat` for the same.
    taken: HashSet<u128>,
    /// The last number that was given to a name that is taken.
    numbered: HashMap<u128, usize>,
}

impl Folders {
    /// For these pictures. No results go to a folder that holds results of others.
    pub fn of(images: &[Image]) -> Self {
        let mut taken = HashSet::new();
        let mut last: Option<&Path> = None;
        for image in images {
            if let Image::Picture { place, .. } = image
                && place.parent() != last
            {
                last = place.parent();
                let above = place.ancestors().skip(1);
                taken.extend(above.map(key));
            }
        }
        Self {
            taken,
            numbered: HashMap::new(),
        }
    }

    /// The place that was wished for, followed by `-2`, `-3`, … where that is taken; and whether it was.
    pub fn next(&mut self, place: &Path) -> (PathBuf, bool) {
        let wished = key(place);
        if self.taken.insert(wished) {
            return (place.to_owned(), false);
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let first = self.numbered.get(&wished).map_or(2, |last| last + 1);
        for number in first.. {
            let place = place.with_file_name(format!("{name}-{number}"));
            if self.taken.insert(key(&place)) {
                self.numbered.insert(wished, number);
                return (place, true);
            }
        }
        unreachable!("numbers do not end")
    }
}

fn key(place: &Path) -> u128 {
    let name = place.to_string_lossy().to_lowercase();
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &name).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// The folders of a path that a list names, for the place of its results: without what leads out of a folder
/// (`/`, `..`), and from the list's own folder where the path leads there.
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

/// Most characters of a class's name that become part of a folder's.
const LONGEST: usize = 60;

/// The folder of one class among several: `967-espresso`. Any name can be part of it: what file
/// systems do not take becomes `_`.
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
    fn pictures_of_one_stem_get_folders_of_their_own() {
        let mut folders = Folders::default();
        let mut next = |path: &str| {
            let (place, taken) = folders.next(Path::new(path));
            (place.display().to_string(), taken)
        };
        assert_eq!(next("coffee"), ("coffee".into(), false));
        assert_eq!(next("coffee"), ("coffee-2".into(), true));
        assert_eq!(next("coffee-2"), ("coffee-2-2".into(), true));
        assert_eq!(next("Coffee"), ("Coffee-3".into(), true));
    }

    #[test]
    fn a_hundred_thousand_pictures_of_one_name_are_named_quickly() {
        let mut folders = Folders::default();
        let last = (0..100_000).map(|_| folders.next(Path::new("x")).0).last();
        assert_eq!(last, Some("x-100000".into()));
    }

    #[test]
    fn a_listed_picture_keeps_the_folders_that_tell_it_from_others() {
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
    fn any_class_name_makes_a_folder() {
        assert_eq!(class_folder(967, "espresso"), "967-espresso");
        assert_eq!(class_folder(1, "../a b/c\\d:e"), "1-.._a_b_c_d_e");
        assert_eq!(class_folder(2, "Käse..."), "2-Käse");
        assert!(class_folder(3, &"x".repeat(500)).len() < 70);
    }
}

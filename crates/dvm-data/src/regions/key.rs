//! Matches entries with pictures.

use std::fmt;
use std::path::Path;

/// The picture of an entry: its name, and the folders that the entry gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Folders, from the outermost, then the name.
    parts: Box<[Box<str>]>,
    /// Whether the name has no extension.
    has_no_ending: bool,
}

impl Key {
    /// The picture with this path, with `/` or `\` between folders; `None` if there is no name.
    pub(super) fn named(text: &str) -> Option<Self> {
        let mut parts: Vec<Box<str>> = Vec::new();
        for part in text.split(['/', '\\']) {
            match part {
                "" | "." => {}
                // The folders above are not known.
                ".." => parts.clear(),
                part => parts.push(part.into()),
            }
        }
        let ends_in_folder = text.ends_with(['/', '\\']) || text.ends_with("..");
        let name = parts.last().filter(|_| !ends_in_folder)?;
        let has_no_ending = Path::new(&**name).extension().is_none();
        Some(Self {
            parts: parts.into(),
            has_no_ending,
        })
    }

    /// The picture with the same name as this file except for the extension, in the folder of the same name.
    pub(super) fn without_ending(file: &Path) -> Option<Self> {
        let mut parts = Vec::new();
        for part in file.with_extension("").iter() {
            parts.push(part.to_str()?.into());
        }
        Some(Self {
            parts: parts.into(),
            has_no_ending: true,
        })
    }

    /// The picture's name, without folders.
    pub(super) fn name(&self) -> &str {
        self.parts.last().map_or("", |name| name)
    }

    /// Number of known folders, plus 1 for the name.
    pub(super) fn depth(&self) -> usize {
        self.parts.len()
    }

    /// Whether this is the picture: it has the name and is in these folders.
    pub(super) fn fits(&self, picture: &Path) -> bool {
        let is = |own: &str, part: Option<&std::ffi::OsStr>| part.is_some_and(|part| part == own);
        let name = self.name();
        let is_named =
            is(name, picture.file_name()) || self.has_no_ending && is(name, picture.file_stem());
        let folders = &self.parts[..self.parts.len() - 1];
        let mut above = picture.iter().rev().skip(1);
        is_named && folders.iter().rev().all(|own| is(own, above.next()))
    }
}

/// The names that entries may use for a picture: with and without extension.
pub(super) fn names_of(picture: &Path) -> impl Iterator<Item = String> {
    let name =
        |name: Option<&std::ffi::OsStr>| name.and_then(|name| name.to_str().map(str::to_owned));
    let (name, stem) = (name(picture.file_name()), name(picture.file_stem()));
    let stem = stem.filter(|stem| Some(stem) != name.as_ref());
    name.into_iter().chain(stem)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(named: &str, picture: &str) -> bool {
        Key::named(named).unwrap().fits(Path::new(picture))
    }

    #[test]
    fn a_name_without_folders_matches_in_any_folder() {
        assert!(fits("x.jpg", "/data/a/x.jpg"));
        assert!(!fits("x.jpg", "/data/a/xx.jpg"));
        assert!(!fits("x.jpg", "/data/x.jpg/y.jpg"));
    }

    #[test]
    fn given_folders_must_match_the_pictures() {
        assert!(fits("a/x.jpg", "/data/a/x.jpg"));
        assert!(!fits("a/x.jpg", "/data/b/x.jpg"));
        assert!(!fits("data/a/x.jpg", "a/x.jpg"));
        assert!(fits(r".\a\x.jpg", "/data/a/x.jpg"));
        assert!(fits("../images/x.jpg", "/data/images/x.jpg"));
    }

    #[test]
    fn an_extension_must_match_if_the_entry_has_one() {
        assert!(!fits("x.jpg", "/data/x.png"));
        assert!(fits("x", "/data/x.png"));
        // The picture `x.jpg.png` is not `x.jpg`.
        assert!(!fits("x.jpg", "/data/x.jpg.png"));
        let mask = Key::without_ending(Path::new("a/x.png")).unwrap();
        assert!(mask.fits(Path::new("/photos/a/x.jpg")));
        assert!(!mask.fits(Path::new("/photos/b/x.jpg")));
        let mask = Key::without_ending(Path::new("x.jpg.png")).unwrap();
        assert!(mask.fits(Path::new("/photos/x.jpg")));
    }

    #[test]
    fn a_folder_is_not_a_picture() {
        for text in ["", ".", "a/", "a/..", "/", "\\"] {
            assert_eq!(Key::named(text), None, "{text}");
        }
    }
}

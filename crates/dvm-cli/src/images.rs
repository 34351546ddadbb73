//! Which pictures are meant, and the folders that their files go to.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file that was asked for, or why there is none.
#[derive(Debug, PartialEq)]
pub enum Image {
    /// A file, which may or may not be a picture.
    File(PathBuf),
    /// A folder without pictures.
    Nothing {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Image {
    /// The file or folder, as it was given.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Nothing { folder: path, .. } => path,
        }
    }

    /// The name for lines that people read.
    pub fn name(&self) -> String {
        let name = self.path().file_name().unwrap_or(self.path().as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// The files themselves, and in place of a folder the pictures in it, by name; its folders are not
/// entered.
pub fn expand(given: &[PathBuf]) -> Vec<Image> {
    let mut images = Vec::new();
    for path in given {
        if !path.is_dir() {
            images.push(Image::File(path.clone()));
            continue;
        }
        match pictures_in(path) {
            Ok(pictures) if !pictures.is_empty() => {
                images.extend(pictures.into_iter().map(Image::File));
            }
            found => images.push(Image::Nothing {
                folder: path.clone(),
                why: match found {
                    Ok(_) => format!("the folder holds no picture ({})", dvm::ENDINGS.join(", ")),
                    Err(error) => format!("the folder cannot be read: {error}"),
                },
            }),
        }
    }
    images
}

fn pictures_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if dvm::is_named_as_picture(&path) && path.is_file() {
            pictures.push(path);
        }
    }
    pictures.sort();
    Ok(pictures)
}

/// Names one folder per picture, each only once.
#[derive(Default)]
pub struct Folders {
    /// In lower case: some file systems take `Cat` and `cat` for the same.
    taken: HashSet<String>,
}

impl Folders {
    /// The picture's stem, followed by `-2`, `-3`, … where that is taken; and whether it was.
    pub fn next(&mut self, picture: &Path) -> (String, bool) {
        let stem = picture.file_stem().unwrap_or_default().to_string_lossy();
        // The stem of `...png` is `..`, which would lead out of the folder for results.
        let stem = match stem.trim_matches('.') {
            "" => "picture".into(),
            _ => stem,
        };
        let names = (1..).map(|n| match n {
            1 => stem.to_string(),
            n => format!("{stem}-{n}"),
        });
        for (tried, name) in names.enumerate() {
            if self.taken.insert(name.to_lowercase()) {
                return (name, tried > 0);
            }
        }
        unreachable!("numbers do not end")
    }
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
    fn a_folder_stands_for_its_pictures_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.PNG", "a.jpeg", "notes.txt", "._b.png", "c"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        fs::create_dir(folder.path().join("deeper.png")).unwrap();
        let names: Vec<String> = expand(&[folder.path().to_owned()])
            .iter()
            .map(Image::name)
            .collect();
        assert_eq!(names, ["a.jpeg", "b.PNG"]);
    }

    #[test]
    fn a_folder_without_pictures_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let images = expand(&[folder.path().to_owned(), "given.txt".into()]);
        assert!(matches!(&images[0], Image::Nothing { why, .. } if why.contains("no picture")));
        assert_eq!(images[1], Image::File("given.txt".into()));
    }

    #[test]
    fn pictures_of_one_stem_get_folders_of_their_own() {
        let mut folders = Folders::default();
        let mut next = |path: &str| folders.next(Path::new(path));
        assert_eq!(next("a/coffee.png"), ("coffee".into(), false));
        assert_eq!(next("b/coffee.jpg"), ("coffee-2".into(), true));
        assert_eq!(next("coffee-2.png"), ("coffee-2-2".into(), true));
        assert_eq!(next("Coffee.png"), ("Coffee-3".into(), true));
    }

    #[test]
    fn any_class_name_makes_a_folder() {
        assert_eq!(class_folder(967, "espresso"), "967-espresso");
        assert_eq!(class_folder(1, "../a b/c\\d:e"), "1-.._a_b_c_d_e");
        assert_eq!(class_folder(2, "Käse..."), "2-Käse");
        assert!(class_folder(3, &"x".repeat(500)).len() < 70);
    }
}

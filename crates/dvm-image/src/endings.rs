//! Which files of a folder are taken for pictures.

use std::path::Path;

/// Endings of the names of files that are taken for pictures, in lower case.
pub const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp", "gif"];

/// Whether a file's name says that it is a picture: it has one of [`ENDINGS`], in any case, and is
/// not hidden. Some systems keep `._photo.jpg`, which is no picture, beside each `photo.jpg`.
pub fn is_named_as_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let name = path.file_name().unwrap_or_default();
    ENDINGS.contains(&ending.to_lowercase().as_str()) && !name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_known_in_any_case_and_hidden_files_are_none() {
        for name in ["a.png", "a.b.JPeG", "folder/x.TIF"] {
            assert!(is_named_as_picture(Path::new(name)), "{name}");
        }
        for name in ["a", "png", ".png", "._a.png", "a.png.txt", "a.jpgx", ""] {
            assert!(!is_named_as_picture(Path::new(name)), "{name}");
        }
    }
}

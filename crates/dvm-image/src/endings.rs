//! Which files of a folder count as pictures.

use std::path::Path;

/// The extensions of picture files, in lower case.
pub const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp", "gif"];

/// Whether a file counts as a picture by its name: it has one of [`ENDINGS`], in any case, and is
/// not hidden. (macOS writes a file `._photo.jpg`, which is not a picture, beside `photo.jpg`.)
pub fn is_named_as_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let name = path.file_name().unwrap_or_default();
    ENDINGS.contains(&ending.to_lowercase().as_str()) && !name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_match_in_any_case_and_hidden_files_do_not() {
        for name in ["a.png", "a.b.JPeG", "folder/x.TIF"] {
            assert!(is_named_as_picture(Path::new(name)), "{name}");
        }
        for name in ["a", "png", ".png", "._a.png", "a.png.txt", "a.jpgx", ""] {
            assert!(!is_named_as_picture(Path::new(name)), "{name}");
        }
    }
}

//! Lists of pictures: a text file with one path per line.

use std::path::{Path, PathBuf};

/// The paths in a text, one per line, without empty lines and lines that begin with `#`. A path that does not
/// exist from the working folder is taken from `folder`, that of the list.
pub fn paths(text: &str, folder: Option<&Path>) -> Vec<PathBuf> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            // Some programs write quotes around paths with spaces.
            let quoted = line
                .strip_prefix('"')
                .and_then(|line| line.strip_suffix('"'));
            let path = PathBuf::from(quoted.unwrap_or(line));
            match folder.map(|folder| folder.join(&path)) {
                Some(beside) if !path.exists() && beside.exists() => beside,
                _ => path,
            }
        })
        .collect()
}

/// The file of an argument that is a list: `@list`, or a name that ends in `.txt` or `.lst`.
pub fn named(argument: &Path) -> Option<PathBuf> {
    if argument.exists() {
        let ending = argument.extension()?.to_str()?.to_lowercase();
        return matches!(ending.as_str(), "txt" | "lst").then(|| argument.into());
    }
    let list = argument.to_str()?.strip_prefix('@')?;
    (!list.is_empty()).then(|| list.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_path_per_line() {
        let text = "\u{feff}# mine\r\na.png\r\n\r\n  b c.jpg  \n\"d e.png\"\n";
        let expected = ["a.png", "b c.jpg", "d e.png"].map(PathBuf::from);
        assert_eq!(paths(text, None), expected);
    }

    #[test]
    fn paths_start_at_the_working_folder_or_at_the_lists_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.png"), b"").unwrap();
        let found = paths("x.png\nmissing.png\n", Some(folder.path()));
        assert_eq!(found, [folder.path().join("x.png"), "missing.png".into()]);
    }

    #[test]
    fn lists_are_recognised_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("a.TXT");
        std::fs::write(&text, b"").unwrap();
        assert_eq!(named(&text), Some(text.clone()));
        assert_eq!(named(Path::new("@some")), Some("some".into()));
        for other in ["@", "missing.txt", "a.png"] {
            assert_eq!(named(Path::new(other)), None, "{other}");
        }
    }
}

//! The caption of a picture: its file and true class.

use std::path::Path;

/// The file and the true class of a picture, shown in the figure and in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    /// The file's name, without its folders.
    pub file: Option<String>,
    /// The true class of the picture.
    pub true_class: Option<String>,
    /// Whether the true class was taken from the name of the picture's folder.
    pub by_folder: bool,
}

impl Caption {
    /// The caption of a picture file. If its folder has the name of one of `classes` (case, `_` and `-` do
    /// not matter), as in a data set with one folder per class, that class is the true class.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// let classes = ["daisy".to_owned(), "sea-lion".to_owned()];
    /// let caption = dvm::Caption::of_file(Path::new("val/Sea_Lion/7.jpg"), &classes);
    /// assert_eq!(caption.file.as_deref(), Some("7.jpg"));
    /// assert_eq!(caption.true_class.as_deref(), Some("sea-lion"));
    /// ```
    pub fn of_file(path: &Path, classes: &[String]) -> Self {
        let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
        let plain = |text: &str| text.to_lowercase().replace(['_', '-'], " ");
        let folder = path.parent().and_then(name).map(|folder| plain(&folder));
        let mut like = classes
            .iter()
            .filter(|class| folder.as_ref() == Some(&plain(class)));
        // If two classes have the same name, the true class is not known.
        let true_class = match (like.next(), like.next()) {
            (Some(class), None) => Some(class.clone()),
            _ => None,
        };
        Self {
            file: name(path),
            by_folder: true_class.is_some(),
            true_class,
        }
    }

    /// The caption of a picture file whose class is known.
    pub fn labelled(path: &Path, class: &str) -> Self {
        Self {
            true_class: Some(class.to_owned()),
            ..Self::of_file(path, &[])
        }
    }

    /// Labels and values for a figure.
    pub(crate) fn parts(&self) -> Vec<(String, String)> {
        let file = self
            .file
            .iter()
            .map(|file| ("file".to_owned(), file.clone()));
        let class = self.true_class.iter().map(|class| {
            let label = if self.by_folder {
                "true class (name of its folder)"
            } else {
                "true class"
            };
            (label.to_owned(), class.replace('_', " "))
        });
        file.chain(class).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_class_is_the_class_with_the_name_of_the_folder() {
        let classes = ["rose", "Daisy", "tulip", "Tulip"].map(String::from);
        let of = |path: &str| Caption::of_file(Path::new(path), &classes).true_class;
        assert_eq!(of("data/daisy/1.jpg").as_deref(), Some("Daisy"));
        assert_eq!(of("data/rose/1.jpg").as_deref(), Some("rose"));
        for path in [
            "daisy.jpg",
            "photos/1.jpg",
            "rose/more/1.jpg",
            "tulip/1.jpg",
            "/1.jpg",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn a_figure_shows_that_the_true_class_comes_from_the_folder() {
        let parts = Caption::of_file(Path::new("a_b/x.png"), &["a b".into()]).parts();
        let expected = [
            ("file", "x.png"),
            ("true class (name of its folder)", "a b"),
        ];
        assert_eq!(
            parts,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}

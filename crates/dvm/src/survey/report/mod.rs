//! The folder of a survey: record, tables, pictures and a page.

mod markdown;
mod pictures;
mod table;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use dvm_image::encode_png;
use serde_json::Value;

use super::{ClassSurvey, Survey, SurveyPicture};
use crate::results::foreign_file;
use crate::{Classifier, Error, ResultFolder};

/// The record of a survey, which lists all other files.
const RECORD: &str = "survey.json";

/// The page.
const PAGE: &str = "survey.md";

/// A line for each picture.
const TABLE: &str = "pictures.csv";

/// The maximum number of pictures on a contact sheet.
const ON_SHEET: usize = 16;

/// The maximum length of a class name in a folder name, in characters.
const LONGEST: usize = 60;

/// Checks that a survey can be written into this folder.
///
/// # Errors
/// [`Error::Occupied`] if the folder contains other files, [`Error::Save`].
pub fn check_folder(folder: &Path) -> Result<(), Error> {
    ResultFolder::of(folder, foreign_to_survey).map(drop)
}

/// A file that is not listed in the record of a survey.
fn foreign_to_survey(folder: &Path) -> io::Result<Option<PathBuf>> {
    let record = std::fs::read(folder.join(RECORD)).ok();
    let record: Option<Value> = record.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let names = record
        .as_ref()
        .and_then(|record| record["files"].as_array());
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let known: HashSet<PathBuf> = names.map(PathBuf::from).collect();
    foreign_file(folder, &|name| known.contains(name))
}

impl Survey {
    /// Everything but the pictures as JSON: settings, classes, clusters, findings.
    pub fn record(&self) -> Value {
        serde_json::to_value(self).expect("a survey is plain data")
    }

    /// Writes the survey into `folder`: `survey.json`, `pictures.csv`, `survey.md`, and for each class a folder
    /// with `mean.png` and a contact sheet for each cluster. The folder appears complete or not at all, and
    /// replaces an earlier survey. `given` are the surveyed pictures; `drawn` is called with the number of drawn
    /// classes and of all classes.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder contains other files, [`Error::Save`].
    pub fn write(
        &self,
        classifier: &Classifier,
        given: &[SurveyPicture],
        title: &str,
        folder: &Path,
        drawn: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        let results = ResultFolder::of(folder, foreign_to_survey)?;
        let mut files: Vec<String> = Vec::new();
        let mut save = |name: String, bytes: &[u8]| -> Result<(), Error> {
            results.write(Path::new(&name), bytes)?;
            files.push(name);
            Ok(())
        };
        let folders = self.folders();
        for (done, (class, own)) in self.classes.iter().zip(&folders).enumerate() {
            drawn(done, self.classes.len());
            if let Some(figure) = self.mean_figure(class) {
                save(format!("{own}/mean.png"), &encode_png(&figure.picture()))?;
            }
            for cluster in 0..class.clusters.len() {
                let members = self.on_sheet(class, cluster);
                let sheet = pictures::cluster_sheet(classifier, given, self, &members);
                save(
                    format!("{own}/{}", sheet_name(cluster)),
                    &encode_png(&sheet),
                )?;
            }
        }
        drawn(self.classes.len(), self.classes.len());
        save(TABLE.into(), self.table(classifier.classes()).as_bytes())?;
        save(
            PAGE.into(),
            self.markdown(title, classifier.classes()).as_bytes(),
        )?;
        let mut record = self.record();
        record["title"] = title.into();
        let names = folders.iter().zip(&self.classes);
        record["folders"] = names
            .map(|(own, class)| (class.class.to_string(), own.as_str().into()))
            .collect::<serde_json::Map<_, Value>>()
            .into();
        files.push(RECORD.into());
        files.sort();
        record["files"] = files.into();
        let mut text = serde_json::to_string_pretty(&record).expect("a survey is plain data");
        text.push('\n');
        results.write(Path::new(RECORD), text.as_bytes())?;
        results.publish()
    }

    /// The folder name of each class: its name with `_` for characters that file systems do not allow, and with
    /// its index if two names would be equal.
    fn folders(&self) -> Vec<String> {
        let safe = |name: &str| -> String {
            let characters = name.chars().take(LONGEST).map(|c| match c {
                '-' | '.' | '_' => c,
                c if c.is_alphanumeric() => c,
                _ => '_',
            });
            characters.collect()
        };
        let mut taken = HashSet::new();
        let own = |class: &ClassSurvey| {
            let name = safe(&class.name);
            let is_plain = name == class.name && !name.starts_with('.') && !name.ends_with('.');
            let is_free = ![RECORD, PAGE, TABLE].contains(&&name[..]);
            let name = match is_plain && is_free && taken.insert(name.to_lowercase()) {
                true => name,
                false => format!("{}-{}", class.class, name.trim_matches('.')),
            };
            taken.insert(name.to_lowercase());
            name
        };
        self.classes.iter().map(own).collect()
    }

    /// Positions in `pictures` of the pictures on a cluster's sheet, spread evenly over its members.
    fn on_sheet(&self, class: &ClassSurvey, cluster: usize) -> Vec<usize> {
        let is_member = |index: &usize| {
            let picture = &self.pictures[*index];
            picture.counts_for == class.class && picture.cluster == Some(cluster)
        };
        let members: Vec<usize> = (0..self.pictures.len()).filter(is_member).collect();
        let shown = members.len().min(ON_SHEET);
        (0..shown)
            .map(|index| members[index * members.len() / shown])
            .collect()
    }
}

/// The file of a cluster's contact sheet; its number starts at 1.
fn sheet_name(cluster: usize) -> String {
    format!("cluster-{}.png", cluster + 1)
}

//! The report of a run: figures, tables, and a page.

mod markdown;
mod pictures;
mod tables;

use std::io;
use std::path::{Path, PathBuf};

use dvm_image::encode_png;
use dvm_train::{EpochRecord, Evaluation};

use crate::results::foreign_file;
use crate::survey::Survey;
use crate::{Error, ResultFolder};

pub(crate) use markdown::{link, text};
pub use pictures::{calibration_page, confusion_page, curves_page};
pub(crate) use tables::row;
pub use tables::{confusion_csv, per_class_csv};

/// The maximum number of classes in a drawn confusion matrix.
pub const DRAWN_CLASSES: usize = 2000;

/// The content of a report.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Network and data set, such as `resnet18 on flower_5`.
    pub title: &'a str,
    /// The record of each epoch; none if the network was only evaluated.
    pub records: &'a [EpochRecord],
    /// The metrics of the network.
    pub evaluation: &'a Evaluation,
    /// The most confident wrong predictions, worst first.
    pub most_wrong: &'a [WrongPicture],
    /// The survey, if there is one.
    pub survey: Option<&'a Survey>,
    /// The name of the device that computed the network; `None` for the CPU.
    pub device: Option<&'a str>,
}

/// A picture with a wrong prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongPicture {
    /// Its file.
    pub path: PathBuf,
    /// Name of its true class.
    pub class: String,
    /// Name of the predicted class.
    pub predicted: String,
    /// Probability of the predicted class, 0…1.
    pub probability: f64,
    /// The figure of its maps, relative to the folder of the report.
    pub figure: Option<PathBuf>,
}

impl Report<'_> {
    /// Writes `curves.png` (if there are records), `confusion.png` (if there are at most
    /// [`DRAWN_CLASSES`]), `confusion.csv`, `per_class.csv`, `calibration.png`, `mean_maps.png` and `survey.json`
    /// (if there is a survey) and `report.md` into `folder`. The folder appears complete or not at all, and replaces
    /// an earlier report.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder contains other files, [`Error::Save`] with the file.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let results = begin(folder)?;
        self.write_into(&results)?;
        results.publish()
    }

    /// As [`Report::write`], into a folder that already has the maps.
    pub(super) fn write_into(&self, results: &ResultFolder) -> Result<(), Error> {
        let save = |name: &str, bytes: &[u8]| -> Result<(), Error> {
            results.write(Path::new(name), bytes)?;
            Ok(())
        };
        if self.has_curves() {
            let curves = curves_page(self.title, self.records).picture();
            save("curves.png", &encode_png(&curves))?;
        }
        if self.has_matrix() {
            save(
                "confusion.png",
                &encode_png(&confusion_page(self.evaluation).picture()),
            )?;
        }
        save("confusion.csv", confusion_csv(self.evaluation).as_bytes())?;
        save("per_class.csv", per_class_csv(self.evaluation).as_bytes())?;
        let calibration = calibration_page(self.evaluation).picture();
        save("calibration.png", &encode_png(&calibration))?;
        if let Some(survey) = self.survey {
            if let Some(sheet) = survey.mean_maps_sheet() {
                save(MEAN_MAPS, &encode_png(&sheet))?;
            }
            let record = serde_json::to_string_pretty(survey).expect("a survey is plain data");
            save("survey.json", record.as_bytes())?;
        }
        save(PAGE, self.markdown().as_bytes())
    }

    fn has_curves(&self) -> bool {
        !self.records.is_empty()
    }

    fn has_matrix(&self) -> bool {
        self.evaluation.classes.len() <= DRAWN_CLASSES
    }
}

/// The file of the mean maps.
const MEAN_MAPS: &str = "mean_maps.png";

/// The page of a report.
const PAGE: &str = "report.md";

/// The folder of maps in the report.
pub(super) const MAPS: &str = "most_wrong";

/// Begins the folder of a report.
pub(super) fn begin(folder: &Path) -> Result<ResultFolder, Error> {
    ResultFolder::of(folder, foreign_to_report)
}

/// Checks that a report can be written into this folder.
///
/// # Errors
/// As [`Report::write`].
pub fn check_folder(folder: &Path) -> Result<(), Error> {
    begin(folder).map(drop)
}

/// A file that is not part of a report. A folder without a page is not a report.
fn foreign_to_report(folder: &Path) -> io::Result<Option<PathBuf>> {
    const STEMS: [&str; 7] = [
        "curves",
        "confusion",
        "per_class",
        "calibration",
        "mean_maps",
        "survey",
        "report",
    ];
    let has_page = folder.join(PAGE).is_file();
    foreign_file(folder, &|name| {
        let stem = name.file_stem().and_then(|stem| stem.to_str());
        let is_map = name.parent() == Some(Path::new(MAPS));
        has_page && (is_map || stem.is_some_and(|stem| STEMS.contains(&stem)))
    })
}

/// A share in percent, with one decimal.
fn percent(share: f64) -> String {
    dvm_image::fixed_percent(share, 1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use dvm_engine::{Output, Tensor};
    use dvm_train::metrics::Bootstrap;
    use std::fs;

    /// Six pictures of three classes, whose names need escaping. First class: two right, one predicted as the second.
    /// Second class: both right. Third class: one picture, wrong.
    pub fn evaluation() -> Evaluation {
        let labels = [0, 0, 0, 1, 1, 2];
        let found = [0, 0, 1, 1, 1, 0];
        let logits = found
            .iter()
            .flat_map(|&class| (0..3).map(move |c| if c == class { 3.0 } else { 0.0 }))
            .collect();
        let names = ["daisy, \"white\"", "a|b <i>", "rose"].map(String::from);
        let logits = Tensor::from_stored(&[6, 3], logits);
        Evaluation::new(
            &logits,
            &labels,
            Output::Logits,
            &names,
            Some(&Bootstrap::default()),
        )
        .unwrap()
    }

    pub fn records() -> Vec<EpochRecord> {
        (1..=3)
            .map(|epoch| EpochRecord {
                epoch,
                train_loss: 1.0 / epoch as f64,
                train_accuracy: 0.5 + 0.1 * epoch as f64,
                val_loss: Some(1.1 / epoch as f64),
                val_accuracy: Some([0.6, 0.8, 0.7][epoch - 1]),
                learning_rate: 0.02,
                seconds: 61.0,
                images_per_second: 17.0,
                best: epoch < 3,
            })
            .collect()
    }

    pub fn wrong() -> Vec<WrongPicture> {
        vec![
            WrongPicture {
                path: "/data/val/rose/my photo (1).jpg".into(),
                class: "rose".into(),
                predicted: "a|b <i>".into(),
                probability: 0.987,
                figure: Some("wrong/1/figure.png".into()),
            },
            WrongPicture {
                path: "/data/val/rose/2.jpg".into(),
                class: "rose".into(),
                predicted: "daisy, \"white\"".into(),
                probability: 0.5,
                figure: None,
            },
        ]
    }

    pub fn report<'a>(
        evaluation: &'a Evaluation,
        records: &'a [EpochRecord],
        most_wrong: &'a [WrongPicture],
    ) -> Report<'a> {
        Report {
            title: "resnet18 on my_flowers",
            records,
            evaluation,
            most_wrong,
            survey: None,
            device: None,
        }
    }

    #[test]
    fn all_files_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("run/report");
        let evaluation = evaluation();
        let (records, wrong) = (records(), wrong());
        let report = report(&evaluation, &records, &wrong);
        report.write(&folder).unwrap();
        let pictures = ["curves.png", "confusion.png", "calibration.png"];
        for name in pictures {
            let picture = crate::read(folder.join(name)).unwrap();
            assert!(picture.width() > 400, "{name}");
        }
        let page = fs::read_to_string(folder.join("report.md")).unwrap();
        for name in pictures
            .into_iter()
            .chain(["confusion.csv", "per_class.csv"])
        {
            assert!(page.contains(&format!("({name})")), "{name}");
            assert!(folder.join(name).exists(), "{name}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 6);
    }

    #[test]
    fn an_evaluation_without_training_has_no_curves() {
        let folder = tempfile::tempdir().unwrap();
        let evaluation = evaluation();
        let report = report(&evaluation, &[], &[]);
        report.write(folder.path()).unwrap();
        assert!(!folder.path().join("curves.png").exists());
        assert!(!report.markdown().contains("curves.png"));
        assert!(!report.markdown().contains("Most confident mistakes"));
    }

    #[test]
    fn a_report_replaces_only_a_report() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("report");
        let evaluation = evaluation();
        let (records, wrong) = (records(), wrong());
        let mut report = report(&evaluation, &records, &wrong);
        report.write(&folder).unwrap();
        fs::create_dir(folder.join(MAPS)).unwrap();
        fs::write(folder.join(MAPS).join("01.png"), "").unwrap();
        report.records = &[];
        report.write(&folder).unwrap();
        assert!(!folder.join("curves.png").exists());
        assert!(!folder.join(MAPS).exists());
        fs::write(folder.join("notes.txt"), "").unwrap();
        let error = report.write(&folder).unwrap_err().to_string();
        assert!(error.contains("notes.txt"), "{error}");
        assert!(folder.join("notes.txt").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, "").unwrap();
        let evaluation = evaluation();
        let written = report(&evaluation, &[], &[]).write(&taken);
        let error = written.unwrap_err().to_string();
        assert!(error.contains("taken"), "{error}");
    }
}

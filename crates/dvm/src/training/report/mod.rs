//! The report of a run: pictures, tables, and a page that shows them.

mod markdown;
mod pictures;
mod tables;

use std::io;
use std::path::{Path, PathBuf};

use dvm_image::encode_png;
use dvm_train::{EpochRecord, Evaluation};

use crate::results::stranger;
use crate::survey::Survey;
use crate::{Error, ResultFolder};

pub(crate) use markdown::{link, text};
pub use pictures::{calibration_page, confusion_page, curves_page};
pub(crate) use tables::row;
pub use tables::{confusion_csv, per_class_csv};

/// More classes than this are not drawn as a matrix: it would be larger than any screen.
pub const DRAWN_CLASSES: usize = 2000;

/// What a report tells.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What was trained on what, such as `resnet18 on flower_5`.
    pub title: &'a str,
    /// The record of each epoch; none if the network was only evaluated.
    pub records: &'a [EpochRecord],
    /// How good the network is.
    pub evaluation: &'a Evaluation,
    /// The pictures of which it was wrong and most sure, worst first.
    pub most_wrong: &'a [WrongPicture],
    /// Where it looks for each class, if that was surveyed.
    pub survey: Option<&'a Survey>,
}

/// A picture that was taken for something else.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongPicture {
    /// Its file.
    pub path: PathBuf,
    /// Name of its class.
    pub class: String,
    /// Name of the class that it was taken for.
    pub predicted: String,
    /// Probability of the predicted class, 0…1.
    pub probability: f64,
    /// Its maps, relative to the folder of the report.
    pub figure: Option<PathBuf>,
}

impl Report<'_> {
    /// Writes `curves.png` (if there are records), `confusion.png` (if there are at most
    /// [`DRAWN_CLASSES`]), `confusion.csv`, `per_class.csv`, `calibration.png`, `mean_maps.png` and `survey.json`
    /// (if there is a survey) and `report.md` into `folder`, which appears whole or not at all; a report that was in it is gone
    /// then.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder holds anything but a report, [`Error::Save`], naming the
    /// file.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let results = begin(folder)?;
        self.write_into(&results)?;
        results.publish()
    }

    /// The same into a folder that holds the maps already.
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

/// The mean maps of all classes.
const MEAN_MAPS: &str = "mean_maps.png";

/// The page of a report.
const PAGE: &str = "report.md";

/// The folder of maps in that of a report.
pub(super) const MAPS: &str = "most_wrong";

/// Begins the folder of a report.
pub(super) fn begin(folder: &Path) -> Result<ResultFolder, Error> {
    ResultFolder::of(folder, foreign_to_report)
}

/// Makes sure that a report can be written into this folder.
///
/// # Errors
/// As [`Report::write`].
pub fn check_folder(folder: &Path) -> Result<(), Error> {
    begin(folder).map(drop)
}

/// A file that is no part of a report. A folder without a page is none.
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
    stranger(folder, &|name| {
        let stem = name.file_stem().and_then(|stem| stem.to_str());
        let is_map = name.parent() == Some(Path::new(MAPS));
        has_page && (is_map || stem.is_some_and(|stem| STEMS.contains(&stem)))
    })
}

/// A share in percent, with one decimal.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use dvm_engine::{Output, Tensor};
    use dvm_train::metrics::Bootstrap;
    use std::fs;

    /// Six pictures of three classes, whose names are not kind: two of the first are found, one is
    /// taken for the second; both of the second are found; the only one of the third is not.
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

    #[test]
    fn all_files_are_written_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("run/report");
        let evaluation = evaluation();
        let report = Report {
            title: "resnet18 on flowers",
            records: &records(),
            evaluation: &evaluation,
            most_wrong: &wrong(),
            survey: None,
        };
        report.write(&folder).unwrap();
        for name in ["curves.png", "confusion.png", "calibration.png"] {
            assert!(
                crate::read(folder.join(name)).unwrap().width() > 400,
                "{name}"
            );
        }
        let page = fs::read_to_string(folder.join("report.md")).unwrap();
        for name in [
            "curves.png",
            "confusion.png",
            "calibration.png",
            "confusion.csv",
            "per_class.csv",
        ] {
            assert!(page.contains(&format!("({name})")), "{name}");
            assert!(folder.join(name).exists(), "{name}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 6);
    }

    #[test]
    fn an_evaluation_without_a_training_has_no_curves() {
        let folder = tempfile::tempdir().unwrap();
        let evaluation = evaluation();
        let report = Report {
            title: "resnet18 on flowers",
            records: &[],
            evaluation: &evaluation,
            most_wrong: &[],
            survey: None,
        };
        report.write(folder.path()).unwrap();
        assert!(!folder.path().join("curves.png").exists());
        assert!(!report.markdown().contains("curves.png"));
        assert!(!report.markdown().contains("Most wrong"));
    }

    #[test]
    fn a_report_replaces_another_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("report");
        let evaluation = evaluation();
        let (records, wrong) = (records(), wrong());
        let mut report = Report {
            title: "resnet18 on flowers",
            records: &records,
            evaluation: &evaluation,
            most_wrong: &wrong,
            survey: None,
        };
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
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, "").unwrap();
        let evaluation = evaluation();
        let report = Report {
            title: "",
            records: &[],
            evaluation: &evaluation,
            most_wrong: &[],
            survey: None,
        };
        let error = report.write(&taken).unwrap_err().to_string();
        assert!(error.contains("taken"), "{error}");
    }
}

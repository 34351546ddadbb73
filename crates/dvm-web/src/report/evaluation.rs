//! The report of an evaluation.

use dvm::survey::Survey;
use dvm::training::report::{DRAWN_CLASSES, calibration_page, confusion_page};
use dvm::training::{Evaluation, Interval, PicturePrediction};
use dvm::{Picture, encode_png};

use super::head::{Cell, Chart, Section, Table};
use crate::view::data_url;

/// The maximum number of classes in a confusion matrix of vector graphics; larger ones are pixels.
const AS_LINES: usize = 60;

/// The maximum number of classes in a confusion matrix as a table.
const AS_TABLE: usize = 30;

/// The maximum number of rows in the table of mistakes.
const MISTAKES: usize = 100;

/// The maximum number of listed wrong predictions.
const WRONG: usize = 500;

/// The maximum number of listed uncertain predictions.
const UNCERTAIN: usize = 30;

/// Metrics, classes, confusion matrix and calibration.
pub fn evaluation(evaluation: &Evaluation) -> Vec<Section> {
    let mut sections = Vec::new();
    sections.push(Section::Table(figures(evaluation)));
    sections.push(Section::Table(classes(evaluation)));
    let title = "Confusion matrix";
    let count = evaluation.classes.len();
    let table = match count {
        0..=AS_TABLE => matrix(evaluation),
        _ => mistakes(evaluation),
    };
    sections.push(match count {
        0..=AS_LINES => Section::chart(title, &confusion_page(evaluation), Some(table)),
        _ if count <= DRAWN_CLASSES => {
            of_picture(title, &confusion_page(evaluation).picture(), Some(table))
        }
        _ => Section::Table(table),
    });
    let bins = &evaluation.calibration.bins;
    let rows = bins.iter().enumerate().map(|(index, bin)| {
        let bound = |index: usize| format!("{:.0}", 100.0 * index as f64 / bins.len() as f64);
        vec![
            format!("{} … {} %", bound(index), bound(index + 1)).into(),
            bin.pictures.into(),
            Cell::from((bin.pictures > 0).then_some(bin.confidence)),
            Cell::from((bin.pictures > 0).then_some(bin.accuracy)),
        ]
    });
    let columns = ["probability", "pictures", "mean probability", "accuracy"];
    let table = Table::of("Probability and accuracy", &columns, rows.collect());
    let Section::Chart(chart) =
        Section::chart("Calibration", &calibration_page(evaluation), Some(table))
    else {
        unreachable!("it is a chart");
    };
    sections.push(Section::Chart(Chart {
        note: Some("A network is calibrated if 80 % of its predictions with a probability of 80 % are right.".into()),
        ..chart
    }));
    sections
}

/// A chart of a picture.
pub(super) fn of_picture(title: &str, picture: &Picture, table: Option<Table>) -> Section {
    let (height, width) = (picture.height(), picture.width());
    let address = data_url("image/png", &encode_png(picture));
    Section::Chart(Chart {
        title: title.into(),
        note: None,
        svg: format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
             {height}\"><image width=\"{width}\" height=\"{height}\" href=\"{address}\"/></svg>\n"
        ),
        table,
    })
}

fn figures(evaluation: &Evaluation) -> Table {
    let intervals = evaluation.intervals.as_ref();
    let row = |name: &str, value: Option<f64>, interval: Option<Interval>| {
        let interval = interval.filter(|_| value.is_some());
        vec![
            name.into(),
            value.into(),
            interval.map(|interval| interval.low).into(),
            interval.map(|interval| interval.high).into(),
        ]
    };
    let mut rows = vec![
        row(
            "accuracy",
            Some(evaluation.accuracy),
            intervals.map(|i| i.accuracy),
        ),
        row(
            "balanced accuracy",
            evaluation.balanced_accuracy,
            intervals.map(|i| i.balanced_accuracy),
        ),
        row(
            "macro F1",
            evaluation.macro_f1,
            intervals.map(|i| i.macro_f1),
        ),
    ];
    for (k, share) in evaluation.top_k.iter().filter(|(k, _)| **k > 1) {
        rows.push(row(&format!("top-{k} accuracy"), Some(*share), None));
    }
    rows.push(row(
        "calibration error",
        Some(evaluation.calibration.error),
        None,
    ));
    rows.push(row(
        "loss (cross-entropy, nats)",
        Some(evaluation.loss),
        None,
    ));
    let pictures = match evaluation.pictures {
        1 => "1 picture".into(),
        count => format!("{count} pictures"),
    };
    let mut note = format!("From {pictures}; values are 0 … 1.");
    if let Some(intervals) = intervals {
        note += &format!(
            " `from` and `to` are the {:.0} % interval from {} resamples of the pictures.",
            100.0 * intervals.level,
            intervals.resamples
        );
    }
    if let Some(about) = evaluation.about_classes() {
        note += &format!(" Note: {about}.");
    }
    Table::of("Metrics", &["figure", "value", "from", "to"], rows).with_note(note)
}

fn classes(evaluation: &Evaluation) -> Table {
    let classes = &evaluation.classes;
    let seen = classes.iter().enumerate();
    // A data set may have only a few of the network's classes.
    let seen = seen.filter(|(_, class)| class.support > 0);
    let rows = seen.map(|(index, class)| {
        let counts = &evaluation.confusion.counts()[index];
        // Ties go to the first class.
        let most = (0..counts.len())
            .filter(|&other| other != index && counts[other] > 0)
            .min_by_key(|&other| std::cmp::Reverse(counts[other]));
        vec![
            class.name.as_str().into(),
            class.support.into(),
            class.recall.into(),
            class.precision.into(),
            class.f1.into(),
            most.map(|other| format!("{} ({})", classes[other].name, counts[other]))
                .into(),
        ]
    });
    let columns = [
        "class",
        "pictures",
        "recall",
        "precision",
        "F1",
        "most often confused with",
    ];
    let rows: Vec<_> = rows.collect();
    let left_out = classes.len() - rows.len();
    let table = Table::of("Classes", &columns, rows).with_words_in(&[5]);
    match left_out {
        0 => table,
        1 => table.with_note("One class without pictures is left out."),
        count => table.with_note(format!("{count} classes without pictures are left out.")),
    }
}

fn matrix(evaluation: &Evaluation) -> Table {
    let mut columns = vec!["true class"];
    columns.extend(evaluation.classes.iter().map(|class| &class.name[..]));
    let counts = evaluation.confusion.counts();
    let rows = evaluation
        .classes
        .iter()
        .zip(counts)
        .map(|(class, counts)| {
            let counts = counts.iter().map(|&count| count.into());
            [class.name.as_str().into()]
                .into_iter()
                .chain(counts)
                .collect()
        });
    Table::of(
        "Pictures by true class (row) and predicted class (column)",
        &columns,
        rows.collect(),
    )
}

fn mistakes(evaluation: &Evaluation) -> Table {
    let counts = evaluation.confusion.counts().iter().enumerate();
    let mut wrong: Vec<(usize, usize, u64)> = counts
        .flat_map(|(class, counts)| {
            let of_class = counts.iter().enumerate();
            let wrong =
                of_class.filter(move |(predicted, count)| *predicted != class && **count > 0);
            wrong.map(move |(predicted, &count)| (class, predicted, count))
        })
        .collect();
    // Ties stay in the order of classes.
    wrong.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count));
    let all = wrong.len();
    wrong.truncate(MISTAKES);
    let name = |class: usize| Cell::from(evaluation.classes[class].name.as_str());
    let rows = wrong
        .into_iter()
        .map(|(class, predicted, count)| vec![name(class), name(predicted), count.into()]);
    let table = Table::of(
        "Mistakes",
        &["true class", "predicted class", "pictures"],
        rows.collect(),
    )
    .with_words_in(&[1]);
    match all > MISTAKES {
        true => table.with_note(format!(
            "The {MISTAKES} most frequent of {all} kinds of mistakes."
        )),
        false => table,
    }
}

/// The wrong predictions, the most confident first, and the right predictions with the lowest probability.
pub fn predictions(predictions: &[PicturePrediction]) -> Vec<Section> {
    let (mut uncertain, mut wrong): (Vec<&PicturePrediction>, Vec<&PicturePrediction>) =
        predictions.iter().partition(|one| one.is_right());
    wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    uncertain.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let mut sections = Vec::new();
    let mut add = |title: &str, what: &str, mut pictures: Vec<&PicturePrediction>, most: usize| {
        let all = pictures.len();
        if all == 0 {
            return;
        }
        pictures.truncate(most);
        let rows = pictures.iter().map(|one| {
            vec![
                one.path.display().to_string().into(),
                one.class.into(),
                one.predicted.into(),
                one.probability.into(),
            ]
        });
        let columns = ["picture", "true class", "predicted class", "probability"];
        let table = Table::of(title, &columns, rows.collect()).with_words_in(&[1, 2]);
        let first = match all > most {
            true => format!(" The first {most} of {all} pictures."),
            false => String::new(),
        };
        sections.push(Section::Table(table.with_note(format!("{what}{first}"))));
    };
    add(
        "Wrong predictions",
        "Pictures predicted as another class, the most confident mistake first.",
        wrong,
        WRONG,
    );
    add(
        "Uncertain predictions",
        "Pictures with a right prediction and the lowest probability.",
        uncertain,
        UNCERTAIN,
    );
    sections
}

/// The small survey of an evaluation: warnings and the mean map of each class.
pub fn where_it_looks(survey: &Survey) -> Vec<Section> {
    let mut paragraphs = vec![format!(
        "The mean map of each class by {}, over the mean picture of the pictures predicted as this class ({} pictures \
         in all).",
        survey.method,
        survey.pictures.len()
    )];
    paragraphs.extend(
        survey
            .confirmed()
            .map(|finding| format!("Warning: {}.", finding.sentence)),
    );
    paragraphs.extend(survey.no_warning().map(|words| {
        format!("No warning: {words}. `dvm survey` uses more pictures and shows clusters of maps.")
    }));
    let mut sections = vec![Section::text("Where the network looks", paragraphs)];
    if let Some(sheet) = survey.mean_maps_sheet() {
        sections.push(of_picture("Mean maps", &sheet, None));
    }
    sections
}

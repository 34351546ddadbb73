//! How good a network is.

use dvm::survey::Survey;
use dvm::training::report::{DRAWN_CLASSES, calibration_page, confusion_page};
use dvm::training::{Evaluation, Interval, Judged};
use dvm::{Picture, encode_png};

use super::head::{Cell, Chart, Section, Table};
use crate::view::data_url;

/// More classes than this are drawn as pixels: as lines they would be a large file.
const AS_LINES: usize = 60;

/// More classes than this have no matrix as a table.
const AS_TABLE: usize = 30;

/// Mistakes that are told of many classes.
const MISTAKES: usize = 100;

/// Wrong pictures that are named.
const WRONG: usize = 500;

/// Doubtful pictures that are named.
const DOUBTFUL: usize = 30;

/// Figures, classes, what was taken for what, and how far probabilities can be trusted.
pub fn evaluation(evaluation: &Evaluation) -> Vec<Section> {
    let mut sections = Vec::new();
    sections.push(Section::Table(figures(evaluation)));
    sections.push(Section::Table(classes(evaluation)));
    let title = "What was taken for what";
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
    let columns = ["probability", "pictures", "mean probability", "recognised"];
    let table = Table::of("Probabilities and what came true", &columns, rows.collect());
    let Section::Chart(chart) = Section::chart(
        "How far probabilities can be trusted",
        &calibration_page(evaluation),
        Some(table),
    ) else {
        unreachable!("it is a chart");
    };
    sections.push(Section::Chart(Chart {
        note: Some("Of the pictures recognised with 80 % probability, are 80 % right?".into()),
        ..chart
    }));
    sections
}

/// A drawing that is there as pixels only.
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
        rows.push(row(&format!("among the first {k}"), Some(*share), None));
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
    let mut note = format!("Of {pictures}; shares are 0 … 1.");
    if let Some(intervals) = intervals {
        note += &format!(
            " `from` and `to`: the {:.0} % interval, by {} resamples of the pictures.",
            100.0 * intervals.level,
            intervals.resamples
        );
    }
    if let Some(about) = evaluation.about_classes() {
        note += &format!(" Note: {about}.");
    }
    Table::of("Figures", &["figure", "value", "from", "to"], rows).with_note(note)
}

fn classes(evaluation: &Evaluation) -> Table {
    let classes = &evaluation.classes;
    let seen = classes.iter().enumerate();
    // Of a thousand classes of ImageNet, a data set may have five.
    let seen = seen.filter(|(_, class)| class.support > 0);
    let rows = seen.map(|(index, class)| {
        let counts = &evaluation.confusion.counts()[index];
        // Of equal counts the first class.
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
        "most often taken for",
    ];
    let rows: Vec<_> = rows.collect();
    let left_out = classes.len() - rows.len();
    let table = Table::of("Classes", &columns, rows).with_words_in(&[5]);
    match left_out {
        0 => table,
        1 => table.with_note("One class has no picture here and is left out."),
        count => table.with_note(format!(
            "{count} classes have no picture here and are left out."
        )),
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
    // Of equal counts in the order of classes.
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
        true => table.with_note(format!("The {MISTAKES} most frequent of {all}.")),
        false => table,
    }
}

/// Pictures that were taken for another class, the most certain mistake first, and those that were recognised with
/// the least probability.
pub fn answered(judged: &[Judged]) -> Vec<Section> {
    let (mut doubtful, mut wrong): (Vec<&Judged>, Vec<&Judged>) =
        judged.iter().partition(|judged| judged.is_right());
    wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    doubtful.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let mut sections = Vec::new();
    let mut add = |title: &str, what: &str, mut pictures: Vec<&Judged>, most: usize| {
        let all = pictures.len();
        if all == 0 {
            return;
        }
        pictures.truncate(most);
        let rows = pictures.iter().map(|judged| {
            vec![
                judged.path.display().to_string().into(),
                judged.class.into(),
                judged.predicted.into(),
                judged.probability.into(),
            ]
        });
        let columns = [
            "picture",
            "true class",
            "predicted class",
            "its probability",
        ];
        let table = Table::of(title, &columns, rows.collect()).with_words_in(&[1, 2]);
        let first = match all > most {
            true => format!(" The first {most} of {all}."),
            false => String::new(),
        };
        sections.push(Section::Table(table.with_note(format!("{what}{first}"))));
    };
    add(
        "Wrong",
        "All pictures that were taken for another class, the most certain mistake first.",
        wrong,
        WRONG,
    );
    add(
        "Doubtful",
        "Pictures that were recognised with the least probability.",
        doubtful,
        DOUBTFUL,
    );
    sections
}

/// The mean map of each class, and the places that classes depend on, of the small survey of an evaluation.
pub fn where_it_looks(survey: &Survey) -> Vec<Section> {
    let mut paragraphs = vec![format!(
        "The mean map of each class by {}, over the mean picture, of the pictures that are taken for it: {} in all.",
        survey.method,
        survey.pictures.len()
    )];
    paragraphs.extend(
        survey
            .confirmed()
            .map(|finding| format!("Warning: {}.", finding.sentence)),
    );
    paragraphs.extend(survey.no_warning().map(|words| {
        format!(
            "No warning: {words}. `dvm survey` looks at more pictures, and shows clusters of maps."
        )
    }));
    let mut sections = vec![Section::text("Where it looks", paragraphs)];
    if let Some(sheet) = survey.mean_maps_sheet() {
        sections.push(of_picture("Mean maps", &sheet, None));
    }
    sections
}

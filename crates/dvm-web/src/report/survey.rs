//! Where a network looks, over a whole data set.

use std::cmp::Reverse;

use dvm::survey::{ClassSurvey, OUTLIER, Survey, SurveyedPicture};

use super::head::{Cell, Section, Table};

/// Pictures that stand out and are shown, at most.
pub const MOST_SHOWN: usize = 24;

/// Classes whose mean maps are shown, at most: each takes most of a megabyte.
const MOST_DRAWN: usize = 30;

/// Pictures that stand out and are named, at most.
const MOST_NAMED: usize = 500;

/// What was found, every class with its mean map, and the pictures that stand out; `classes` are the names of the
/// network's classes, and `shown` says how many of the pictures that stand out are shown with their maps.
pub fn survey(survey: &Survey, classes: &[String], shown: usize) -> Vec<Section> {
    let mut sections = vec![Section::text("What was found", findings(survey))];
    if !survey.findings.is_empty() {
        sections.push(Section::Table(places(survey)));
    }
    sections.push(Section::Table(of_classes(survey)));
    let drawn = drawn(survey);
    if drawn.len() < survey.classes.len() {
        sections.push(Section::text(
            "Mean maps",
            vec![format!(
                "Of {} of {} classes: those with a warning, and those with most pictures.",
                drawn.len(),
                survey.classes.len()
            )],
        ));
    }
    for class in drawn {
        if let Some(page) = survey.mean_figure(class) {
            let title = format!("Mean map: {}", class.name);
            let table = (class.clusters.len() > 1).then(|| clusters(class));
            sections.push(Section::chart(&title, &page, table));
            sections.push(Section::Text {
                title: None,
                paragraphs: about(class),
            });
        }
    }
    let standing_out = standing_out(survey);
    if !standing_out.is_empty() {
        sections.push(Section::Table(named(&standing_out, classes)));
    }
    if shown > 0 {
        sections.push(Section::Pictures {
            title: Some("Pictures that stand out".into()),
            paragraphs: vec![match standing_out.len() {
                all if all > shown => format!("The first {shown} of {all}, with their maps."),
                _ => "All of them, with their maps.".into(),
            }],
            group: None,
        });
    }
    sections
}

/// The classes whose mean maps are shown, in the order of all.
fn drawn(survey: &Survey) -> Vec<&ClassSurvey> {
    let warned: Vec<usize> = survey.confirmed().map(|finding| finding.class).collect();
    let mut order: Vec<usize> = (0..survey.classes.len()).collect();
    order.sort_by_key(|&index| {
        let class = &survey.classes[index];
        (!warned.contains(&class.class), Reverse(class.pictures))
    });
    order.truncate(MOST_DRAWN);
    order.sort_unstable();
    order
        .into_iter()
        .map(|index| &survey.classes[index])
        .collect()
}

fn findings(survey: &Survey) -> Vec<String> {
    let confirmed = survey.confirmed();
    let mut all: Vec<String> = confirmed
        .map(|finding| format!("Warning: {}.", finding.sentence))
        .collect();
    match survey.no_warning() {
        Some(words) => all.push(format!("No warning: {words}.")),
        None => all.push(
            "A place like this is a shortcut if what is there does not belong to the class, such as a tag, a ruler or a \
             caption. Look at the pictures of the class."
                .into(),
        ),
    }
    for finding in survey
        .findings
        .iter()
        .filter(|finding| !finding.is_confirmed)
    {
        all.push(format!(
            "No warning, because it is not sure that covering or copying the place changes the probability: {}.",
            finding.sentence
        ));
    }
    if survey.beyond_limit > 0 {
        all.push(format!(
            "Pictures left out, because of the limit for each class: {}.",
            survey.beyond_limit
        ));
    }
    all
}

/// The places where maps of a class concentrate, in numbers.
fn places(survey: &Survey) -> Table {
    let rows = survey.findings.iter().map(|finding| {
        vec![
            finding.class_name.as_str().into(),
            finding.place_name.into(),
            finding.area.into(),
            finding.share.into(),
            finding.other_share.into(),
            finding.looking.into(),
            finding.pictures.into(),
            if finding.is_confirmed { "yes" } else { "no" }.into(),
        ]
    });
    let columns = [
        "class",
        "place",
        "area",
        "relevance there",
        "of other classes",
        "pictures that look there",
        "pictures",
        "warning",
    ];
    Table::of("Places", &columns, rows.collect())
        .with_words_in(&[1, 7])
        .with_note(
            "Places where the maps of a class concentrate. Areas and relevances are shares, 0 … 1.",
        )
}

fn of_classes(survey: &Survey) -> Table {
    let rows = survey.classes.iter().map(|class| {
        let [middle, borders, corners] = class.middle_borders_corners();
        vec![
            class.name.as_str().into(),
            class.pictures.into(),
            class.right.into(),
            middle.into(),
            borders.into(),
            corners.into(),
            class.clusters.len().into(),
            class.outliers.into(),
        ]
    });
    let columns = [
        "class",
        "pictures",
        "recognised",
        "middle",
        "borders",
        "corners",
        "clusters",
        "outliers",
    ];
    Table::of("Classes", &columns, rows.collect()).with_note(
        "Shares of the relevance in the mean of all maps of the class, 0 … 1. A map that is the same everywhere has 0.25 \
         in the middle, 0.5 at the borders and 0.25 in the corners.",
    )
}

fn clusters(class: &ClassSurvey) -> Table {
    let rows = class.clusters.iter().enumerate().map(|(index, cluster)| {
        let [middle, borders, corners] = cluster.middle_borders_corners();
        vec![
            format!("cluster {}", index + 1).into(),
            cluster.pictures.into(),
            middle.into(),
            borders.into(),
            corners.into(),
        ]
    });
    let columns = ["", "pictures", "middle", "borders", "corners"];
    Table::of("Clusters of maps that are alike", &columns, rows.collect())
}

fn about(class: &ClassSurvey) -> Vec<String> {
    let mut words = vec![class.in_words()];
    if class.empty > 0 {
        words.push(format!(
            "In {} of {} pictures nothing speaks for the class; they count in no mean.",
            class.empty, class.pictures
        ));
    }
    words
}

/// The pictures that stand out, with why: first those that are right for the wrong reason or look at the place of a
/// warning, then those whose map is far from all others of their class; the most of each first.
pub fn standing_out(survey: &Survey) -> Vec<(&SurveyedPicture, String)> {
    let share = |picture: &SurveyedPicture| picture.at_finding.unwrap_or_default();
    let at_place = survey.pictures.iter().filter(|p| p.at_finding.is_some());
    let mut at_place: Vec<_> = at_place.collect();
    at_place.sort_by(|a, b| {
        let order = b.is_for_wrong_reason.cmp(&a.is_for_wrong_reason);
        order.then(share(b).total_cmp(&share(a)))
    });
    let outliers = survey.pictures.iter();
    let outliers = outliers.filter(|picture| picture.is_outlier && picture.at_finding.is_none());
    let mut outliers: Vec<_> = outliers.collect();
    outliers.sort_by(|a, b| b.outlier.total_cmp(&a.outlier));
    let at_place = at_place.into_iter().map(|picture| {
        let there = format!("{:.0} % of its relevance is there", 100.0 * share(picture));
        let why = match picture.is_for_wrong_reason {
            true => {
                format!("right for the wrong reason: it looks at the place of a warning; {there}")
            }
            false => format!("it looks at the place of a warning; {there}"),
        };
        (picture, why)
    });
    let outliers = outliers.into_iter().map(|picture| {
        let why = format!(
            "its map is far from all others of the class: robust z {:.1}, more than {OUTLIER}",
            picture.outlier
        );
        (picture, why)
    });
    at_place.chain(outliers).collect()
}

fn named(pictures: &[(&SurveyedPicture, String)], classes: &[String]) -> Table {
    let rows = pictures.iter().take(MOST_NAMED).map(|(picture, why)| {
        let file = picture.path.display();
        vec![
            match picture.slice {
                Some(slice) => format!("{file}, slice {slice}"),
                None => file.to_string(),
            }
            .into(),
            Cell::from(picture.label.map(|label| classes[label].as_str())),
            classes[picture.predicted].as_str().into(),
            f64::from(picture.probability).into(),
            why.as_str().into(),
        ]
    });
    let columns = [
        "picture",
        "true class",
        "predicted class",
        "its probability",
        "why",
    ];
    let table = Table::of("Pictures that stand out, by name", &columns, rows.collect())
        .with_words_in(&[1, 2, 4]);
    match pictures.len() {
        all if all > MOST_NAMED => table.with_note(format!("The first {MOST_NAMED} of {all}.")),
        _ => table,
    }
}

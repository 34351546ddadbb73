//! The report of a survey.

use std::cmp::Reverse;

use dvm::survey::{ClassSurvey, OUTLIER, Survey, SurveyedPicture};

use super::head::{Cell, Section, Table};

/// The maximum number of notable pictures that are shown with maps.
pub const MOST_SHOWN: usize = 24;

/// The maximum number of classes with a mean map, each of which takes almost a megabyte.
const MOST_DRAWN: usize = 30;

/// The maximum number of notable pictures in the table.
const MOST_NAMED: usize = 500;

/// The findings, the classes with their mean maps, and the notable pictures. `classes` are the names of the
/// network's classes; `shown` is the number of notable pictures that are shown with maps.
pub fn survey(survey: &Survey, classes: &[String], shown: usize) -> Vec<Section> {
    let mut sections = vec![Section::text("Findings", findings(survey))];
    if !survey.findings.is_empty() {
        sections.push(Section::Table(places(survey)));
    }
    sections.push(Section::Table(of_classes(survey)));
    let drawn = drawn(survey);
    if drawn.len() < survey.classes.len() {
        sections.push(Section::text(
            "Mean maps",
            vec![format!(
                "Mean maps of {} of {} classes: those with a warning, and those with the most pictures.",
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
    let notable = notable_pictures(survey);
    if !notable.is_empty() {
        sections.push(Section::Table(named(&notable, classes)));
    }
    if shown > 0 {
        sections.push(Section::Pictures {
            title: Some("Notable pictures".into()),
            paragraphs: vec![match notable.len() {
                all if all > shown => format!("The first {shown} of {all} pictures, with maps."),
                _ => "All notable pictures, with maps.".into(),
            }],
            group: None,
        });
    }
    sections
}

/// The classes whose mean maps are shown, in the order of classes.
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
            "The network uses a shortcut if this place shows something that does not belong to the class, such as a \
             tag, a ruler or a caption. Look at the pictures of the class."
                .into(),
        ),
    }
    for finding in survey
        .findings
        .iter()
        .filter(|finding| !finding.is_confirmed)
    {
        all.push(format!(
            "No warning, because the tests do not show that covering or copying the place changes the probability: {}.",
            finding.sentence
        ));
    }
    if survey.beyond_limit > 0 {
        all.push(format!(
            "{} pictures were left out because of the limit for each class.",
            survey.beyond_limit
        ));
    }
    all
}

/// The places where the maps of a class concentrate.
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
        "relevance",
        "relevance in other classes",
        "pictures looking there",
        "pictures",
        "warning",
    ];
    Table::of("Places", &columns, rows.collect())
        .with_words_in(&[1, 7])
        .with_note(
            "Places where the maps of a class concentrate. Area and relevance are shares, 0 … 1.",
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
        "Middle, borders and corners: shares of the relevance, 0 … 1, averaged over the maps of the class. A uniform \
         map has 0.25 in the middle, 0.5 at the borders and 0.25 in the corners.",
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
    Table::of("Clusters of similar maps", &columns, rows.collect())
}

fn about(class: &ClassSurvey) -> Vec<String> {
    let mut words = vec![class.in_words()];
    if class.empty > 0 {
        words.push(format!(
            "The maps of {} of {} pictures have no positive relevance for the class; means leave them out.",
            class.empty, class.pictures
        ));
    }
    words
}

/// The notable pictures with the reason: first those in which the network looks at the place of a warning (right for
/// the wrong reason first), then outliers; strongest first.
pub fn notable_pictures(survey: &Survey) -> Vec<(&SurveyedPicture, String)> {
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
        let there = format!("{:.0} % of the relevance is there", 100.0 * share(picture));
        let why = match picture.is_for_wrong_reason {
            true => {
                format!("right for the wrong reason: the network looks at the place of a warning; {there}")
            }
            false => format!("the network looks at the place of a warning; {there}"),
        };
        (picture, why)
    });
    let outliers = outliers.into_iter().map(|picture| {
        let why = format!(
            "outlier: the map differs from all others of the class (robust z-score {:.1}, limit {OUTLIER})",
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
        "probability",
        "why",
    ];
    let table =
        Table::of("List of notable pictures", &columns, rows.collect()).with_words_in(&[1, 2, 4]);
    match pictures.len() {
        all if all > MOST_NAMED => {
            table.with_note(format!("The first {MOST_NAMED} of {all} pictures."))
        }
        _ => table,
    }
}

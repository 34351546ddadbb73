//! The report of a comparison.

use dvm::Page;
use dvm::compare::{MetricSummary, Similarity, Summary};

use super::head::{Cell, Section, Table};

/// The answer, an overview of methods and metrics, each metric, times, and agreement of maps.
pub fn comparison(summary: &Summary) -> Vec<Section> {
    let mut sections = vec![answer(summary), Section::Table(overview(summary))];
    for (metric, page) in summary.metric_pages() {
        sections.push(Section::chart(
            &metric.title,
            &page,
            Some(scores(summary, metric)),
        ));
    }
    sections.push(Section::chart(
        "Time",
        &summary.seconds_page(),
        Some(seconds(summary)),
    ));
    let [ranks, structure] = summary.agreement_pages();
    let agreement = &summary.agreement;
    let of = |title: &str, note: &str, page: &Page, values| {
        let table = matrix(title, agreement, values).with_note(note);
        Section::chart(title, page, Some(table))
    };
    sections.push(of(
        "Agreement of ranks",
        "Spearman's rank correlation of two methods' maps of the same picture, averaged over the pictures: 1 \
         if both put all pixels in the same order.",
        &ranks,
        &agreement.rank_correlation,
    ));
    sections.push(of(
        "Agreement of structure",
        "The structural similarity of two methods' maps of the same picture, averaged over the pictures: 1 \
         if both are equal.",
        &structure,
        &agreement.structural_similarity,
    ));
    sections
}

fn answer(summary: &Summary) -> Section {
    let pictures = match summary.pictures {
        1 => "1 picture was measured.".into(),
        count => format!("{count} pictures were measured."),
    };
    let sentence = match &summary.answer {
        Some(answer) => answer.sentence.clone(),
        None => "These metrics do not say which map is better.".into(),
    };
    Section::text("Which method to use", vec![sentence, pictures])
}

fn is_control(summary: &Summary, method: &str) -> bool {
    summary.method(method).is_some_and(|method| method.control)
}

fn named(summary: &Summary, method: &str) -> String {
    match is_control(summary, method) {
        true => format!("{method} (control)"),
        false => method.to_owned(),
    }
}

fn arrow(metric: &MetricSummary) -> &'static str {
    match &metric.better[..] {
        "higher" => " ↑",
        "lower" => " ↓",
        _ => "",
    }
}

/// The overview: methods × metrics.
fn overview(summary: &Summary) -> Table {
    let metrics = summary.metrics.iter();
    let mut columns = vec!["method".to_owned()];
    columns.extend(metrics.map(|metric| format!("{}{}", metric.title, arrow(metric))));
    columns.push("seconds per map".into());
    let rows = summary.methods.iter().map(|method| {
        let score = |metric: &MetricSummary| -> Cell {
            let mut scores = metric.scores.iter();
            let score = scores.find(|score| score.method == method.name);
            score.map(dvm::compare::Score::short).into()
        };
        let mut row: Vec<Cell> = vec![named(summary, &method.name).into()];
        row.extend(summary.metrics.iter().map(score));
        row.push(method.seconds.map(|seconds| seconds.median).into());
        row
    });
    let rows = rows.collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let words: Vec<usize> = (1..columns.len() - 1).collect();
    Table::of("Methods and metrics", &columns, rows)
        .with_words_in(&words)
        .with_note(
            "Means over the pictures, ± half of their 95 % intervals. ↑ higher is better, ↓ lower is better. Controls do \
             not use the network; a method should be better than the controls.",
        )
}

/// All values of one metric.
fn scores(summary: &Summary, metric: &MetricSummary) -> Table {
    let rows = metric.scores.iter().map(|score| {
        let bound = |interval: Option<dvm::training::Interval>| {
            let low = interval.map(|interval| interval.low);
            (low, interval.map(|interval| interval.high))
        };
        let (low, high) = bound(score.interval);
        let (rank_low, rank_high) = bound(score.mean_rank_interval);
        vec![
            named(summary, &score.method).into(),
            score.mean.into(),
            low.into(),
            high.into(),
            score.median.into(),
            score.mean_rank.into(),
            rank_low.into(),
            rank_high.into(),
            score.not_passed.into(),
        ]
    });
    let columns = [
        "method",
        "mean",
        "from",
        "to",
        "median",
        "mean rank",
        "rank from",
        "rank to",
        "maps that do not pass",
    ];
    let pictures = match metric.pictures {
        1 => "1 picture".into(),
        count => format!("{count} pictures"),
    };
    let mut note = format!(
        "From {pictures}. `from` and `to` are the 95 % interval of the value before them. Rank 1 is the best method of a picture."
    );
    if !metric.left_out.is_empty() {
        note += &format!(
            " Left out, because there are no values for most maps: {}.",
            metric.left_out.join(", ")
        );
    }
    Table::of(&metric.title, &columns, rows.collect()).with_note(note)
}

fn seconds(summary: &Summary) -> Table {
    let rows = summary.methods.iter().map(|method| {
        vec![
            named(summary, &method.name).into(),
            method.seconds.map(|seconds| seconds.median).into(),
            method.seconds.map(|seconds| seconds.mean).into(),
            method.maps.into(),
        ]
    });
    let columns = ["method", "median", "mean", "maps"];
    Table::of("Seconds per map", &columns, rows.collect())
}

fn matrix(title: &str, agreement: &Similarity, values: &[Vec<Option<f64>>]) -> Table {
    let mut columns = vec![""];
    columns.extend(agreement.methods.iter().map(String::as_str));
    let rows = agreement
        .methods
        .iter()
        .zip(values)
        .map(|(method, values)| {
            let cells = values.iter().map(|&value| value.into());
            [method.as_str().into()].into_iter().chain(cells).collect()
        });
    Table::of(title, &columns, rows.collect())
}

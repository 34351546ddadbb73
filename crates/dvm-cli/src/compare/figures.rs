//! The result of a comparison as text.

use std::path::Path;

use dvm::compare::{MetricSummary, Score, Summary};

use crate::report::{Align, escaped, pictures, shown, table_of};

/// Characters of a line.
const WIDTH: usize = 100;

/// The table of methods and metrics, the answer, warnings and the folder.
pub fn text(summary: &Summary, out: &Path) -> String {
    let pictures = pictures(summary.pictures);
    let mut text = format!(
        "{pictures}; means ± half the 95 % interval; * best method, ↑ higher is better, ↓ lower is better\n\n"
    );
    text += &blocks(summary);
    text.push('\n');
    match &summary.answer {
        Some(answer) => text += &format!("{}\n", escaped(&answer.sentence)),
        None => {
            text += "These metrics do not rank methods; choose one that does (dvm metrics list).\n";
        }
    }
    for warning in &summary.warnings {
        text += &format!("warning: {}\n", escaped(warning));
    }
    text += &format!("→ {}\n", shown(&out.join("compare.png")));
    text
}

/// The table, split into parts that fit the width.
fn blocks(summary: &Summary) -> String {
    let methods: Vec<String> = summary
        .methods
        .iter()
        .map(|method| match method.control {
            true => format!("{} (control)", method.name),
            false => method.name.clone(),
        })
        .collect();
    let first: Vec<String> = [String::new()].into_iter().chain(methods).collect();
    let mut columns: Vec<Vec<String>> = summary
        .metrics
        .iter()
        .map(|metric| column(summary, metric))
        .collect();
    columns.push(seconds(summary));
    let width = |column: &[String]| column.iter().map(|cell| cell.chars().count()).max();
    let mut parts: Vec<Vec<&Vec<String>>> = vec![Vec::new()];
    let mut used = width(&first).unwrap_or(0);
    for column in &columns {
        let more = 2 + width(column).unwrap_or(0);
        let last = parts.last_mut().expect("there is one");
        if used + more > WIDTH && !last.is_empty() {
            used = width(&first).unwrap_or(0);
            parts.push(Vec::new());
        }
        used += more;
        parts.last_mut().expect("there is one").push(column);
    }
    let part = |columns: &Vec<&Vec<String>>| {
        let rows: Vec<Vec<String>> = (0..first.len())
            .map(|row| {
                let cells = columns.iter().map(|column| column[row].clone());
                [first[row].clone()].into_iter().chain(cells).collect()
            })
            .collect();
        let aligns: Vec<Align> = [Align::Left]
            .into_iter()
            .chain(columns.iter().map(|_| Align::Right))
            .collect();
        table_of(&aligns, &rows)
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    parts.join("\n")
}

/// The name of a metric and the value of each method.
fn column(summary: &Summary, metric: &MetricSummary) -> Vec<String> {
    let arrow = match &metric.better[..] {
        "higher" => " ↑",
        "lower" => " ↓",
        _ => "",
    };
    let candidates = metric.scores.iter().filter(|score| {
        let method = summary.method(&score.method);
        method.is_some_and(|method| !method.control)
    });
    let is_better = |a: &&Score, b: &&Score| a.mean.total_cmp(&b.mean);
    let best = match &metric.better[..] {
        "higher" => candidates.max_by(is_better),
        "lower" => candidates.min_by(is_better),
        _ => None,
    };
    // Pads cells without a mark, so that digits are aligned.
    let cell = |name: &str| {
        let found = metric.scores.iter().find(|score| score.method == name);
        found.map_or_else(
            || "–  ".into(),
            |score| {
                let is_best = best.is_some_and(|best| best.method == score.method);
                format!("{} {}", score.short(), if is_best { '*' } else { ' ' })
            },
        )
    };
    let head = format!("{}{arrow}", metric.title);
    let cells = summary.methods.iter().map(|method| cell(&method.name));
    [head].into_iter().chain(cells).collect()
}

fn seconds(summary: &Summary) -> Vec<String> {
    let cells = summary.methods.iter().map(|method| {
        let seconds = method.seconds.map(|seconds| match seconds.median {
            median if median < 0.001 => "< 0.001".into(),
            median => format!("{median:.3}"),
        });
        seconds.unwrap_or_else(|| "–".into())
    });
    ["seconds per map".into()]
        .into_iter()
        .chain(cells)
        .collect()
}

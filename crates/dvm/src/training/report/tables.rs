//! The tables of a report, as CSV (RFC 4180).

use dvm_train::Evaluation;

/// The confusion matrix: a row for each true class, a column for each predicted class. The first row and the first
/// column are the names.
pub fn confusion_csv(evaluation: &Evaluation) -> String {
    let names = || evaluation.classes.iter().map(|class| class.name.clone());
    let mut csv = row(std::iter::once("true class \\ predicted".into()).chain(names()));
    for (name, counts) in names().zip(evaluation.confusion.counts()) {
        csv += &row(std::iter::once(name).chain(counts.iter().map(u64::to_string)));
    }
    csv
}

/// A row for each class: its pictures, its predictions, precision, recall and F1 (0 … 1). Undefined values are
/// empty.
pub fn per_class_csv(evaluation: &Evaluation) -> String {
    let head = [
        "class",
        "pictures",
        "predicted",
        "precision",
        "recall",
        "f1",
    ];
    let mut csv = row(head.map(String::from).into_iter());
    for class in &evaluation.classes {
        let score = |score: Option<f64>| score.map_or_else(String::new, |s| s.to_string());
        let cells = [
            class.name.clone(),
            class.support.to_string(),
            class.predicted.to_string(),
            score(class.precision),
            score(class.recall),
            score(class.f1),
        ];
        csv += &row(cells.into_iter());
    }
    csv
}

/// A row of a table, with cells in quotes if necessary.
pub(crate) fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    cells.join(",") + "\r\n"
}

/// A cell, in quotes if necessary.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::evaluation;
    use super::*;

    #[test]
    fn rows_are_true_classes_and_columns_are_predictions() {
        let expected = "true class \\ predicted,\"daisy, \"\"white\"\"\",a|b <i>,rose\r\n\
                        \"daisy, \"\"white\"\"\",2,1,0\r\n\
                        a|b <i>,0,2,0\r\n\
                        rose,1,0,0\r\n";
        assert_eq!(confusion_csv(&evaluation()), expected);
    }

    #[test]
    fn undefined_scores_are_empty() {
        let csv = per_class_csv(&evaluation());
        let rows: Vec<_> = csv.split("\r\n").collect();
        assert_eq!(rows[0], "class,pictures,predicted,precision,recall,f1");
        assert_eq!(rows[2], "a|b <i>,2,3,0.6666666666666666,1,0.8");
        assert_eq!(rows[3], "rose,1,0,,0,0");
    }
}

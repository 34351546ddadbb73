//! The figures of a report.

use dvm_render::{
    LineChart, Page, ReliabilityBin, Series, confusion_matrix, line_charts, reliability,
};
use dvm_train::{EpochRecord, Evaluation};

use super::percent;

/// Loss, accuracy and learning rate of the epochs; the best epoch is marked.
pub fn curves_page(title: &str, records: &[EpochRecord]) -> Page {
    let best = records.iter().rfind(|record| record.best);
    let series = |name: &str, value: &dyn Fn(&EpochRecord) -> Option<f64>| Series {
        name: name.into(),
        points: records
            .iter()
            .map(|record| (record.epoch as f64, value(record).unwrap_or(f64::NAN)))
            .collect(),
    };
    let chart = |title: &str, y_name: &str, mut series: Vec<Series>| {
        series.retain(|series| series.points.iter().any(|point| point.1.is_finite()));
        LineChart {
            title: title.into(),
            x_name: "epoch".into(),
            counts: true,
            y_name: y_name.into(),
            series,
            mark: best.map(|best| (best.epoch as f64, format!("best: epoch {}", best.epoch))),
        }
    };
    let charts = [
        chart(
            "loss",
            "cross-entropy",
            vec![
                series("training", &|record| Some(record.train_loss)),
                series("validation", &|record| record.val_loss),
            ],
        ),
        chart(
            "accuracy",
            "pictures recognised, in %",
            vec![
                series("training", &|record| Some(100.0 * record.train_accuracy)),
                series("validation", &|record| Some(100.0 * record.val_accuracy?)),
            ],
        ),
        chart(
            "learning rate",
            "",
            vec![series("at the end of the epoch", &|record| {
                Some(record.learning_rate)
            })],
        ),
    ];
    line_charts(Some(title), &charts)
}

/// The confusion matrix.
pub fn confusion_page(evaluation: &Evaluation) -> Page {
    let names: Vec<String> = evaluation.classes.iter().map(|c| c.name.clone()).collect();
    let (right, all) = (percent(evaluation.accuracy), evaluation.pictures);
    let pictures = if all == 1 { "picture" } else { "pictures" };
    let title = format!("{right} of {all} {pictures} recognised");
    confusion_matrix(&title, &names, evaluation.confusion.counts())
}

/// The reliability diagram.
pub fn calibration_page(evaluation: &Evaluation) -> Page {
    let calibration = &evaluation.calibration;
    let count = calibration.bins.len() as f64;
    let bins: Vec<_> = calibration
        .bins
        .iter()
        .enumerate()
        .map(|(i, bin)| ReliabilityBin {
            bounds: (i as f64 / count, (i + 1) as f64 / count),
            confidence: bin.confidence,
            accuracy: bin.accuracy,
            count: bin.pictures as u64,
        })
        .collect();
    let title = format!("calibration error {}", percent(calibration.error));
    reliability(&title, &bins)
}

#[cfg(test)]
mod tests {
    use super::super::tests::records;
    use super::*;

    #[test]
    fn curves_are_drawn_without_validation() {
        let mut records = records();
        for record in &mut records {
            (record.val_loss, record.val_accuracy, record.best) = (None, None, false);
        }
        let drawn = curves_page("only training", &records);
        assert!(drawn.width() > 1900);
    }
}

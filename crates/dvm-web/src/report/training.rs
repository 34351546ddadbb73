//! The report of a training.

use dvm::training::EpochRecord;
use dvm::training::report::curves_page;

use super::head::{Section, Table};

/// Loss, accuracy and learning rate of each epoch.
pub fn training(title: &str, records: &[EpochRecord]) -> Vec<Section> {
    if records.is_empty() {
        return Vec::new();
    }
    let seconds: f64 = records.iter().map(|record| record.seconds).sum();
    let mut words = match records.len() {
        1 => format!("1 epoch took {:.1} minutes.", seconds / 60.0),
        count => format!("{count} epochs took {:.1} minutes.", seconds / 60.0),
    };
    if let Some(best) = records.iter().rfind(|record| record.best) {
        words += &format!(" Epoch {} was the best", best.epoch);
        words += &best.val_accuracy.map_or_else(
            || ".".into(),
            |share| {
                format!(
                    ": accuracy {:.1} % on the validation pictures.",
                    100.0 * share
                )
            },
        );
    }
    let rows = records.iter().map(|record| {
        vec![
            record.epoch.into(),
            record.train_loss.into(),
            record.val_loss.into(),
            record.train_accuracy.into(),
            record.val_accuracy.into(),
            record.learning_rate.into(),
            record.seconds.into(),
            if record.best { "best so far" } else { "" }.into(),
        ]
    });
    let columns = [
        "epoch",
        "training loss",
        "validation loss",
        "training accuracy",
        "validation accuracy",
        "learning rate",
        "seconds",
        "",
    ];
    let mut table = Table::of("Epochs", &columns, rows.collect()).with_words_in(&[7]);
    table.columns[0].numeric = true;
    vec![
        Section::text("Training", vec![words]),
        Section::chart(
            "Loss, accuracy and learning rate",
            &curves_page(title, records),
            Some(table),
        ),
    ]
}

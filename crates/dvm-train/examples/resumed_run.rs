//! Writes the event files of a run that was killed in the middle of a record and resumed later,
//! with the metrics and the config to compare with:
//!
//! ```text
//! cargo run -p dvm-train --example resumed_run -- RUN
//! python references/tensorboard_reads.py RUN --image-tags 1
//! ```

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::path::Path;

use dvm_image::{Picture, encode_png};
use dvm_train::tensorboard::{Events, TagNames};
use dvm_train::{EpochRecord, StepRecord};

const CONFIG: &str = "model = \"resnet18\"\nepochs = 6\n\n[schedule]\nname = \"cosine\"\n";

fn main() -> Result<(), Box<dyn Error>> {
    let run = std::env::args()
        .nth(1)
        .ok_or("usage: resumed_run RUN_FOLDER")?;
    let run = Path::new(&run);

    let mut events = Events::create(run, None)?;
    let indented: String = CONFIG.lines().map(|line| format!("    {line}\n")).collect();
    events.text("config", 0, 1e9, &indented)?;
    for epoch in 1..=4 {
        for step in steps_of(epoch) {
            events.step(1e9, &step_record(step, 0.5))?;
        }
        write(&mut events, &record(epoch, 0.5))?;
    }
    events.flush()?;
    // The process is killed while it writes: the last record has no checksum.
    let path = events.path().to_owned();
    drop(events);
    let length = fs::metadata(&path)?.len();
    OpenOptions::new()
        .write(true)
        .open(&path)?
        .set_len(length - 3)?;

    // Only two epochs were saved, so the third is trained again.
    let mut events = Events::create(run, Some(3))?;
    // The start event discards all steps from the third on; those of two epochs are still valid.
    for step in 3..=10 {
        events.step(1e9, &step_record(step, 0.5))?;
    }
    for epoch in 3..=6 {
        for step in steps_of(epoch) {
            events.step(1e9, &step_record(step, 0.25))?;
        }
        write(&mut events, &record(epoch, 0.25))?;
    }
    events.flush()?;

    let kept = (1..=2).map(|epoch| record(epoch, 0.5));
    let mut metrics = String::new();
    for record in kept.chain((3..=6).map(|epoch| record(epoch, 0.25))) {
        metrics += &serde_json::to_string(&record)?;
        metrics.push('\n');
    }
    fs::write(run.join("metrics.jsonl"), metrics)?;
    let kept = (1..=10).map(|step| step_record(step, 0.5));
    let mut steps = String::new();
    for record in kept.chain((11..=30).map(|step| step_record(step, 0.25))) {
        steps += &serde_json::to_string(&record)?;
        steps.push('\n');
    }
    fs::write(run.join("steps.jsonl"), steps)?;
    fs::write(run.join("config.toml"), CONFIG)?;
    Ok(())
}

/// Five steps in each epoch.
fn steps_of(epoch: usize) -> std::ops::RangeInclusive<u64> {
    let last = 5 * epoch as u64;
    last - 4..=last
}

fn step_record(step: u64, loss: f64) -> StepRecord {
    StepRecord {
        step,
        loss: loss / step as f64,
        learning_rate: 0.1 / step as f64,
    }
}

fn record(epoch: usize, loss: f64) -> EpochRecord {
    EpochRecord {
        epoch,
        train_loss: loss / epoch as f64,
        train_accuracy: 1.0 - loss / (epoch + 1) as f64,
        val_loss: Some(1.1 * loss),
        val_accuracy: Some(1.0 - loss),
        learning_rate: 0.1 / epoch as f64,
        seconds: 60.0,
        images_per_second: 17.5,
        best: true,
    }
}

fn write(events: &mut Events, record: &EpochRecord) -> Result<(), Box<dyn Error>> {
    let (step, time) = (record.epoch as u64, 1e9 + record.epoch as f64);
    events.epoch(TagNames::Dvm, time, record)?;
    let png = encode_png(&Picture::filled(20, 30, [40 * record.epoch as u8; 3]));
    events.image("maps/grey", step, time, &png, 30, 20)?;
    Ok(())
}

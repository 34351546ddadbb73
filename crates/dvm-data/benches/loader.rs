//! Pictures per second of one epoch, decoded, augmented and normalised:
//!
//! ```sh
//! cargo bench -p dvm-data --bench loader -- FOLDER [workers=2] [batch=20] [busy=0]
//! ```
//!
//! `FOLDER` has one folder of pictures per class. `busy` threads use other cores meanwhile, as the engine does.
//! Prints JSON; `benches/peers/loader.py` compares.

use std::hint::spin_loop;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use dvm_data::{Loader, LoaderOptions, Sample};
use dvm_image::Preprocess;

fn main() {
    // Cargo adds an option.
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let [folder, options @ ..] = arguments.as_slice() else {
        println!("no folder of pictures given; nothing is measured");
        return;
    };
    let option = |name: &str, default: usize| {
        let given = options
            .iter()
            .find_map(|o| o.strip_prefix(name)?.strip_prefix('='));
        given.map_or(default, |number| {
            number.parse().expect("options are numbers")
        })
    };
    let loading = LoaderOptions {
        workers: option("workers", 2),
        ..LoaderOptions::training(Preprocess::imagenet(), option("batch", 20), 1)
    };
    let loader = Loader::new(samples(Path::new(folder)), loading).expect("valid options");
    // A first run loads the files into memory.
    one_epoch(&loader, 0);
    let done = AtomicBool::new(false);
    let (seconds, first) = thread::scope(|scope| {
        for _ in 0..option("busy", 0) {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        let measured = one_epoch(&loader, 1);
        done.store(true, Ordering::Relaxed);
        measured
    });
    let pictures = loader.samples().len();
    println!(
        "{}",
        serde_json::json!({
            "pictures": pictures,
            "seconds": seconds.as_secs_f64(),
            "first_batch_seconds": first.as_secs_f64(),
            "pictures_per_second": pictures as f64 / seconds.as_secs_f64(),
        })
    );
}

/// Time of all batches, and of the first.
fn one_epoch(loader: &Loader, epoch: u64) -> (Duration, Duration) {
    let start = Instant::now();
    let mut first = None;
    for batch in loader.epoch(epoch, 0) {
        batch.expect("pictures can be read");
        first.get_or_insert(start.elapsed());
    }
    (start.elapsed(), first.unwrap_or_default())
}

fn samples(folder: &Path) -> Vec<Sample> {
    let paths = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("the folder can be listed");
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    paths(folder)
        .iter()
        .filter(|path| path.is_dir())
        .enumerate()
        .flat_map(|(class, folder)| {
            paths(folder)
                .into_iter()
                .map(move |path| Sample { path, class })
        })
        .collect()
}

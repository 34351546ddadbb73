//! Finds broken pictures before training.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use dvm_image::Reading;

use crate::Sample;

/// The positions of samples whose pictures cannot be read, with the errors, which name the file. Each picture
/// is decoded as by a [`super::Loader`] with this `reading`, on `workers` threads. `done` gets the number of
/// checked pictures; if it returns false, the search stops and `None` is returned.
pub fn broken(
    samples: &[Sample],
    reading: &Reading,
    workers: usize,
    mut done: impl FnMut(usize) -> bool,
) -> Option<Vec<(usize, String)>> {
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    let mut broken = Vec::new();
    let finished = thread::scope(|scope| {
        for _ in 0..workers.clamp(1, samples.len().max(1)) {
            let (next, tell) = (&next, tell.clone());
            scope.spawn(move || {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(sample) = samples.get(position) else {
                        return;
                    };
                    let read = dvm_image::read_as(&sample.path, reading);
                    let why = read.err().map(|error| error.to_string());
                    if tell.send((position, why)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut count = 0;
        for (position, why) in &told {
            count += 1;
            broken.extend(why.map(|why| (position, why)));
            if !done(count) {
                // No picture is left for the workers.
                next.store(samples.len(), Ordering::Relaxed);
                return false;
            }
        }
        true
    });
    broken.sort();
    finished.then_some(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm_image::{Picture, encode_png};

    fn samples(folder: &std::path::Path) -> Vec<Sample> {
        (0..9)
            .map(|n| {
                let path = folder.join(format!("{n}.png"));
                let bytes = match n {
                    3 | 7 => b"no picture".to_vec(),
                    _ => encode_png(&Picture::filled(8, 8, [n; 3])),
                };
                std::fs::write(&path, bytes).unwrap();
                Sample { path, class: 0 }
            })
            .collect()
    }

    #[test]
    fn every_broken_picture_is_found_in_order_by_any_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        let samples = samples(folder.path());
        for workers in [1, 4, 100] {
            let mut last = 0;
            let found = broken(&samples, &Reading::default(), workers, |done| {
                last = done;
                true
            });
            let found = found.unwrap();
            assert_eq!(found.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [3, 7]);
            assert!(found[0].1.contains("3.png"), "{}", found[0].1);
            assert_eq!(last, 9);
        }
        assert_eq!(
            broken(&[], &Reading::default(), 2, |_| true),
            Some(Vec::new())
        );
    }

    #[test]
    fn it_stops_on_request() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            broken(&samples(folder.path()), &Reading::default(), 2, |done| done
                < 4),
            None
        );
    }
}

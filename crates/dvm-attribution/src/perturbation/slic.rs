//! SLIC superpixels: k-means over colour and position (Achanta, Shaji, Smith, Lucchi, Fua,
//! Süsstrunk 2012, doi 10.1109/TPAMI.2012.120), with the grid, colours and connectivity of
//! scikit-image, so that both give the same labels.
//!
//! The crate `simple_clustering` also has SLIC, but it rounds centres to whole pixels, keeps
//! distances from one round to the next, so that a pixel never leaves a centre that moved away, and
//! depends on `fxhash`, which is no longer maintained (RUSTSEC-2025-0057).

use dvm_image::Picture;

/// The distance in Lab that counts as much as one step of the grid.
const COMPACTNESS: f64 = 10.0;

/// Largest number of rounds of k-means.
const ROUNDS: usize = 10;

/// A connected part smaller than this fraction of the mean segment is merged with a neighbour; one
/// larger than this many mean segments is divided.
const SMALLEST: f64 = 0.5;
const LARGEST: f64 = 3.0;

/// No label yet.
const NONE: u32 = u32::MAX;

/// About `count` connected segments of similar colour: labels `[H, W]`, row-major, from 0 without gaps.
pub(super) fn slic(picture: &Picture, count: usize) -> Vec<u32> {
    let size = (picture.height(), picture.width());
    let colours = scaled_lab(picture);
    let (steps, mut centres) = grid(size, count);
    let largest_step = steps.0.max(steps.1);
    let place_weight = 1.0 / (largest_step * largest_step);
    let mut labels = vec![0; colours.len()];
    let mut distances = vec![0.0; colours.len()];
    for _ in 0..ROUNDS {
        distances.fill(f64::INFINITY);
        for (centre, k) in centres.iter().zip(0u32..) {
            let window = |at: f64, step: f64, length: usize| {
                let start = (at - 2.0 * step).max(0.0) as usize;
                start..((at + 2.0 * step + 1.0) as usize).min(length)
            };
            for y in window(centre.y, steps.0, size.0) {
                let dy = centre.y - y as f64;
                for x in window(centre.x, steps.1, size.1) {
                    let dx = centre.x - x as f64;
                    let at = y * size.1 + x;
                    let colour: f64 = (0..3)
                        .map(|c| (colours[at][c] - centre.colour[c]).powi(2))
                        .sum();
                    let distance = (dy * dy + dx * dx) * place_weight + colour;
                    if distance < distances[at] {
                        (labels[at], distances[at]) = (k, distance);
                    }
                }
            }
        }
        if !move_centres(&mut centres, &labels, &colours, size.1) {
            break;
        }
    }
    connected(&labels, size, colours.len() as f64 / centres.len() as f64)
}

/// The centre of a segment.
#[derive(Clone, Copy, PartialEq)]
struct Centre {
    y: f64,
    x: f64,
    /// Lab, divided by the compactness.
    colour: [f64; 3],
}

/// The distances of the grid's rows and columns, and centres at its nodes without a colour.
fn grid((height, width): (usize, usize), count: usize) -> ((f64, f64), Vec<Centre>) {
    let area = (height * width) as f64;
    let (mut rows, mut columns) = (1.0, 1.0);
    if area > count as f64 {
        let step = (area / count as f64).sqrt();
        // If one side is shorter than a step, all centres are in one line along the other.
        (rows, columns) = if (height as f64) < step && height <= width {
            (height as f64, width as f64 / count as f64)
        } else if (width as f64) < step {
            (height as f64 / count as f64, width as f64)
        } else {
            (step, step)
        };
    }
    let nodes = |step: f64, length: usize| {
        let first = (step / 2.0).floor() as usize;
        (first..length).step_by((step.round_ties_even() as usize).max(1))
    };
    let centre = |y: usize, x: usize| Centre {
        y: y as f64,
        x: x as f64,
        colour: [0.0; 3],
    };
    let centres = nodes(rows, height)
        .flat_map(|y| nodes(columns, width).map(move |x| centre(y, x)))
        .collect();
    let whole = |step: f64| step.round_ties_even().max(1.0);
    ((whole(rows), whole(columns)), centres)
}

/// Moves each centre to the mean of its pixels; returns whether any moved. A centre without pixels does not move.
fn move_centres(
    centres: &mut [Centre],
    labels: &[u32],
    colours: &[[f64; 3]],
    width: usize,
) -> bool {
    let mut sums = vec![([0.0; 5], 0.0); centres.len()];
    for (at, (&label, colour)) in labels.iter().zip(colours).enumerate() {
        let (sum, pixels) = &mut sums[label as usize];
        let place = [(at / width) as f64, (at % width) as f64];
        for (sum, value) in sum.iter_mut().zip(place.iter().chain(colour)) {
            *sum += value;
        }
        *pixels += 1.0;
    }
    let mut moved = false;
    for (centre, (sum, pixels)) in centres.iter_mut().zip(sums) {
        if pixels > 0.0 {
            let [y, x, colour @ ..] = sum.map(|sum| sum / pixels);
            let mean = Centre { y, x, colour };
            moved |= mean != *centre;
            *centre = mean;
        }
    }
    moved
}

/// Gives each connected part its own label; small parts are merged with a neighbour.
fn connected(labels: &[u32], (height, width): (usize, usize), mean_size: f64) -> Vec<u32> {
    let smallest = (SMALLEST * mean_size) as usize;
    let largest = (LARGEST * mean_size) as usize;
    let mut found = vec![NONE; labels.len()];
    let mut next = 0;
    let mut part = Vec::new();
    for first in 0..labels.len() {
        if found[first] != NONE {
            continue;
        }
        let mut neighbour = 0;
        found[first] = next;
        part.clear();
        part.push(first);
        let mut visited = 0;
        while visited < part.len() && part.len() < largest {
            let (y, x) = (part[visited] / width, part[visited] % width);
            let right = (x + 1 < width).then(|| part[visited] + 1);
            let left = (x > 0).then(|| part[visited] - 1);
            let below = (y + 1 < height).then(|| part[visited] + width);
            let above = (y > 0).then(|| part[visited] - width);
            for at in [right, left, below, above].into_iter().flatten() {
                if found[at] == NONE {
                    if labels[at] == labels[first] {
                        found[at] = next;
                        part.push(at);
                        if part.len() >= largest {
                            break;
                        }
                    }
                } else if found[at] != next {
                    neighbour = found[at];
                }
            }
            visited += 1;
        }
        if part.len() < smallest {
            for &at in &part {
                found[at] = neighbour;
            }
        } else {
            next += 1;
        }
    }
    // If all parts are small, or the first one is, the label of its neighbour may be missing.
    super::segments::without_gaps(&found)
}

/// The picture in CIE Lab (D65), stretched to the whole range first, divided by the compactness.
fn scaled_lab(picture: &Picture) -> Vec<[f64; 3]> {
    let values = picture.rgb();
    let least = values.iter().copied().min().unwrap_or(0);
    let range = f64::from(values.iter().copied().max().unwrap_or(0) - least) / 255.0;
    let linear = |value: u8| {
        let value = f64::from(value - least) / 255.0 / if range > 0.0 { range } else { 1.0 };
        if value > 0.04045 {
            ((value + 0.055) / 1.055).powf(2.4)
        } else {
            value / 12.92
        }
    };
    let table: Vec<f64> = (0..=255u8).map(|value| linear(value.max(least))).collect();
    let cube_root = |t: f64| {
        if t > 0.008_856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    let lab = |pixel: &[u8]| {
        let [r, g, b] = [0, 1, 2].map(|c| table[pixel[c] as usize]);
        let x = cube_root((0.412_453 * r + 0.357_580 * g + 0.180_423 * b) / 0.950_47);
        let y = cube_root(0.212_671 * r + 0.715_160 * g + 0.072_169 * b);
        let z = cube_root((0.019_334 * r + 0.119_193 * g + 0.950_227 * b) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)].map(|value| value / COMPACTNESS)
    };
    values.chunks_exact(3).map(lab).collect()
}

//! Segments by a graph of neighbouring pixels (Felzenszwalb and Huttenlocher 2004, doi
//! 10.1023/B:VISI.0000022288.19776.77), as in scikit-image.

use dvm_image::Picture;

use crate::gaussian::{self, filtered};

/// Standard deviation of the blur applied first, in pixels.
const BLUR: f64 = 0.8;

/// Labels `[H, W]`, row-major, numbered in the order of their first pixels. The picture's values
/// are stretched to −1 … 1 first. A larger `scale` gives larger segments. Segments with fewer than
/// `smallest` pixels are merged with a neighbour, if they have one.
pub(super) fn felzenszwalb(picture: &Picture, scale: f64, smallest: usize) -> Vec<u32> {
    let (height, width) = (picture.height(), picture.width());
    let values = blurred(&stretched(picture), height, width);
    let edges = edges(values.as_chunks().0, height, width);
    let mut parts = Parts::new(height * width);
    let mut inner = vec![0.0f64; height * width];
    let scale = scale / 255.0;
    for edge in &edges {
        let (a, b) = (parts.root(edge.a), parts.root(edge.b));
        if a == b {
            continue;
        }
        let bound = |root: u32| inner[root as usize] + scale / parts.sizes[root as usize] as f64;
        if edge.cost < bound(a).min(bound(b)) {
            let joined = parts.join(a, b);
            inner[joined as usize] = edge.cost;
        }
    }
    for edge in &edges {
        let (a, b) = (parts.root(edge.a), parts.root(edge.b));
        let size = |root: u32| parts.sizes[root as usize];
        if a != b && (size(a) < smallest || size(b) < smallest) {
            parts.join(a, b);
        }
    }
    let roots: Vec<u32> = (0..(height * width) as u32)
        .map(|pixel| parts.root(pixel))
        .collect();
    super::segments::without_gaps(&roots)
}

/// Two neighbouring pixels and the difference of their colours.
struct Edge {
    cost: f64,
    a: u32,
    b: u32,
}

/// All edges between a pixel and its eight neighbours, sorted by cost.
fn edges(values: &[[f64; 3]], height: usize, width: usize) -> Vec<Edge> {
    let mut edges = Vec::with_capacity(4 * values.len());
    // Right, below, below and right, above and right.
    for (dy, dx) in [(0, 1), (1, 0), (1, 1), (-1isize, 1)] {
        let rows = if dy < 0 {
            1..height
        } else {
            0..height - dy as usize
        };
        for y in rows {
            for x in 0..width - dx {
                let a = y * width + x;
                let b = (y as isize + dy) as usize * width + x + dx;
                let squares = (0..3).map(|c| (values[a][c] - values[b][c]).powi(2));
                let cost = squares.sum::<f64>().sqrt();
                edges.push(Edge {
                    cost,
                    a: a as u32,
                    b: b as u32,
                });
            }
        }
    }
    edges.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    edges
}

/// The values of a picture, with its smallest at −1 and its largest at 1.
fn stretched(picture: &Picture) -> Vec<f64> {
    let values = picture.rgb();
    let least = f64::from(values.iter().copied().min().unwrap_or(0));
    let range = f64::from(values.iter().copied().max().unwrap_or(0)) - least;
    let range = if range > 0.0 { range } else { 1.0 };
    let stretch = |&value: &u8| (f64::from(value) - least) / range * 2.0 - 1.0;
    values.iter().map(stretch).collect()
}

/// Blurred with a Gaussian that is cut at four standard deviations; the picture is mirrored at the border.
fn blurred(values: &[f64], height: usize, width: usize) -> Vec<f64> {
    let weights = gaussian::weights((4.0 * BLUR + 0.5) as usize, BLUR);
    let total: f64 = weights.iter().sum();
    let weights: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let pass = |values: &[f64], axis: (usize, usize)| {
        filtered(values, axis, &weights, |place, length| {
            Some(mirrored(place, length))
        })
    };
    pass(&pass(values, (height, 3 * width)), (width, 3))
}

/// The position of a pixel that may be outside of the border: `… 1 0 | 0 1 … n−1 | n−1 …`.
fn mirrored(position: isize, length: isize) -> isize {
    let within = position.rem_euclid(2 * length);
    within.min(2 * length - 1 - within)
}

/// Sets of connected pixels: each pixel points to another of its set, and the first pixel to itself.
struct Parts {
    parents: Vec<u32>,
    /// Number of pixels of a set, at its first pixel.
    sizes: Vec<usize>,
}

impl Parts {
    fn new(pixels: usize) -> Self {
        Self {
            parents: (0..pixels as u32).collect(),
            sizes: vec![1; pixels],
        }
    }

    /// The first pixel of the set of `pixel`.
    fn root(&mut self, mut pixel: u32) -> u32 {
        while self.parents[pixel as usize] != pixel {
            let parent = self.parents[pixel as usize];
            self.parents[pixel as usize] = self.parents[parent as usize];
            pixel = parent;
        }
        pixel
    }

    /// Joins two sets, given by their first pixels; returns the first pixel of both.
    fn join(&mut self, a: u32, b: u32) -> u32 {
        let (first, other) = (a.min(b), a.max(b));
        self.parents[other as usize] = first;
        self.sizes[first as usize] += self.sizes[other as usize];
        first
    }
}

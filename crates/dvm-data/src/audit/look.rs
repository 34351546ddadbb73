//! What a picture looks like, in so few numbers that any two can be compared.

use dvm_image::{Interpolation, Picture, resize};

/// Rows and columns of the picture whose frequencies are hashed.
const SIDE: usize = 32;
/// Lowest frequencies along each side that are part of the hash.
const FREQUENCIES: usize = 8;
/// Rows and columns of the thumbnail.
const THUMBNAIL: usize = 16;

/// How a picture looks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    /// One bit for each of the 64 lowest frequencies of the grey picture: whether its part is above
    /// their median. Compression, size and brightness hardly change it.
    pub(super) hash: u64,
    /// The thumbnail, 16 × 16 × RGB, less its mean.
    thumbnail: Vec<i16>,
}

impl Look {
    pub(super) fn of(picture: &Picture) -> Self {
        let small = resize(picture, SIDE, SIDE, Interpolation::Bilinear);
        let thumbnail = resize(&small, THUMBNAIL, THUMBNAIL, Interpolation::Bilinear);
        Self {
            hash: hash(&small),
            thumbnail: centred(thumbnail.rgb()),
        }
    }

    /// Whether both thumbnails show the same: their correlation, and how much of 255 they differ by
    /// on average.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let (mut ab, mut aa, mut bb, mut apart) = (0i64, 0i64, 0i64, 0i64);
        for (&a, &b) in self.thumbnail.iter().zip(&other.thumbnail) {
            let (a, b) = (i64::from(a), i64::from(b));
            ab += a * b;
            aa += a * a;
            bb += b * b;
            apart += (a - b).abs();
        }
        let count = self.thumbnail.len() as i64;
        // Where nothing is to be seen there is nothing to correlate.
        let are_flat = aa.max(bb) <= FLAT * count;
        let correlate = ab > 0 && (ab as f64).powi(2) >= ALIKE.powi(2) * aa as f64 * bb as f64;
        apart <= APART * count && (are_flat || correlate)
    }
}

/// Least correlation of thumbnails that show the same.
const ALIKE: f64 = 0.97;
/// Most that the values of such thumbnails differ by on average.
const APART: i64 = 12;
/// Variance of a thumbnail on which nothing is to be seen.
const FLAT: i64 = 4;

fn centred(values: &[u8]) -> Vec<i16> {
    let sum: i64 = values.iter().map(|v| i64::from(*v)).sum();
    let mean = (sum / values.len() as i64) as i16;
    values.iter().map(|v| i16::from(*v) - mean).collect()
}

/// The perceptual hash by the discrete cosine transform (Zauner 2010, "Implementation and
/// benchmarking of perceptual image hash functions").
fn hash(small: &Picture) -> u64 {
    let grey: Vec<f64> = small.rgb().chunks_exact(3).map(luma).collect();
    // cosines[k][x] of DCT-II. The system's cosine may differ in its last bit; this one does not.
    let cosines: [[f64; SIDE]; FREQUENCIES] = std::array::from_fn(|k| {
        std::array::from_fn(|x| {
            let angle = std::f64::consts::PI * k as f64 * (x as f64 + 0.5) / SIDE as f64;
            libm::cos(angle)
        })
    });
    let mut parts = [0.0; FREQUENCIES * FREQUENCIES];
    for (v, down) in cosines.iter().enumerate() {
        let mut row = [0.0; SIDE];
        for (line, weight) in grey.chunks_exact(SIDE).zip(down) {
            for (sum, value) in row.iter_mut().zip(line) {
                *sum += value * weight;
            }
        }
        for (u, along) in cosines.iter().enumerate() {
            let part = row.iter().zip(along).map(|(value, weight)| value * weight);
            parts[v * FREQUENCIES + u] = part.sum();
        }
    }
    let mut sorted = parts;
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[31], sorted[32]);
    let bits = parts.iter().enumerate();
    bits.fold(0, |hash, (bit, part)| {
        hash | u64::from(*part > median) << bit
    })
}

fn luma(rgb: &[u8]) -> f64 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    f64::from(299 * r + 587 * g + 114 * b) / 1000.0
}

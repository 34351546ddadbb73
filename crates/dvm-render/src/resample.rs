//! Scaling by area.

use dvm_image::Picture;

/// Scales `picture` to `height × width` pixels, each the mean of the area that it covers. Enlarging
/// by a whole factor repeats pixels; other factors blend at their edges; reducing averages. The
/// arithmetic uses integers.
pub(crate) fn resampled(picture: &Picture, height: usize, width: usize) -> Picture {
    if (picture.height(), picture.width()) == (height, width) {
        return picture.clone();
    }
    let rows = shares(picture.height(), height);
    let columns = shares(picture.width(), width);
    let area = (picture.height() * picture.width()) as u64;
    let mut rgb = Vec::with_capacity(height * width * 3);
    for row in &rows {
        for column in &columns {
            let mut sums = [0_u64; 3];
            for &(y, tall) in row {
                for &(x, wide) in column {
                    let pixel = picture.pixel(y, x);
                    for c in 0..3 {
                        sums[c] += tall * wide * u64::from(pixel[c]);
                    }
                }
            }
            rgb.extend(sums.map(|sum| ((sum + area / 2) / area) as u8));
        }
    }
    Picture::new(height, width, rgb)
}

/// For each of `target` pixels along an axis, the source pixels that it covers and the covered
/// lengths, in units of 1/`target` of a source pixel. The lengths of a target pixel sum to
/// `source`.
fn shares(source: usize, target: usize) -> Vec<Vec<(usize, u64)>> {
    (0..target)
        .map(|i| {
            let (start, end) = (i * source, (i + 1) * source);
            (start / target..end.div_ceil(target))
                .map(|j| {
                    let covered = end.min((j + 1) * target) - start.max(j * target);
                    (j, covered as u64)
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greys(height: usize, width: usize, greys: &[u8]) -> Picture {
        let rgb = greys.iter().flat_map(|&g| [g; 3]).collect();
        Picture::new(height, width, rgb)
    }

    #[test]
    fn a_whole_factor_repeats_pixels() {
        let drawn = resampled(&greys(1, 2, &[10, 200]), 2, 6);
        assert_eq!(
            drawn,
            greys(
                2,
                6,
                &[10, 10, 10, 200, 200, 200, 10, 10, 10, 200, 200, 200]
            )
        );
    }

    #[test]
    fn other_factors_blend_only_at_pixel_edges() {
        assert_eq!(
            resampled(&greys(1, 2, &[0, 100]), 1, 5),
            greys(1, 5, &[0, 0, 50, 100, 100])
        );
    }

    #[test]
    fn a_smaller_picture_is_the_average() {
        assert_eq!(
            resampled(&greys(2, 4, &[0, 10, 20, 30, 40, 50, 60, 70]), 1, 2),
            greys(1, 2, &[25, 45])
        );
    }

    #[test]
    fn a_constant_picture_is_constant_at_any_size() {
        let flat = greys(3, 7, &[123; 21]);
        for (height, width) in [(1, 1), (2, 5), (10, 3), (17, 19)] {
            assert_eq!(
                resampled(&flat, height, width),
                greys(height, width, &vec![123; height * width])
            );
        }
    }
}

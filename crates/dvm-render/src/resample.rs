//! Drawing a picture at another size.

use dvm_image::Picture;

/// `picture` at `height × width` pixels, each the average of the area that it covers.
///
/// At a whole factor upwards this is exact pixel repetition, at any other a repetition whose
/// seams are smooth, and downwards an average. The arithmetic is in whole numbers.
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

/// For each of `target` pixels along an axis, the source pixels under it and the lengths covered,
/// in units of one `target`-th of a source pixel; the lengths of one target pixel sum to `source`.
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
    fn any_other_factor_smooths_the_seams_only() {
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
    fn a_flat_picture_stays_flat_at_any_size() {
        let flat = greys(3, 7, &[123; 21]);
        for (height, width) in [(1, 1), (2, 5), (10, 3), (17, 19)] {
            assert_eq!(
                resampled(&flat, height, width),
                greys(height, width, &vec![123; height * width])
            );
        }
    }
}

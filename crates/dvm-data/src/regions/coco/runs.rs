//! COCO's run-length encoded masks, column by column, plain or compressed as in `pycocotools`.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::document::{MOST_OF_ONE, too_many};
use crate::regions::shape::between;

/// A run-length encoded mask: pixels column by column; the first run is outside the object.
#[derive(Clone, Debug)]
pub struct Runs {
    height: u32,
    width: u32,
    /// The end of each run; the last one is the end of the picture.
    ends: Box<[u32]>,
}

/// Most pixels of a mask; those of the largest picture that is read.
const MOST_PIXELS: u64 = 1 << 28;

impl Runs {
    /// The mask with these run lengths.
    ///
    /// # Errors
    /// A message if they do not match a mask of this size.
    fn new([height, width]: [u32; 2], counts: Counts) -> Result<Self, String> {
        let pixels = u64::from(height) * u64::from(width);
        if pixels == 0 || pixels > MOST_PIXELS {
            return Err(format!(
                "has a mask of {height}×{width} pixels; it must have 1 to {MOST_PIXELS}"
            ));
        }
        let mut sum = 0u64;
        let ends = counts.0.iter().map(|&count| {
            sum += u64::from(count);
            // Limited, so that the sum of a million does not overflow.
            sum.min(pixels) as u32
        });
        let ends: Box<[u32]> = ends.collect();
        if sum != pixels {
            return Err(format!(
                "has a mask whose `counts` add up to {sum}, but {height}×{width} pixels are {pixels}"
            ));
        }
        Ok(Self {
            height,
            width,
            ends,
        })
    }

    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        (self.height as usize, self.width as usize)
    }

    /// Number of runs.
    pub(in crate::regions) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The runs of the object, as ranges of pixels, column by column.
    fn objects(&self) -> impl Iterator<Item = Range<u32>> {
        let pairs = self.ends.chunks_exact(2).map(|pair| pair[0]..pair[1]);
        pairs.filter(|run| !run.is_empty())
    }

    /// Rows and columns of the object's bounding rectangle; `None` if there is no object.
    pub(in crate::regions) fn bounds(&self) -> Option<(Range<usize>, Range<usize>)> {
        let mut bounds: Option<(Range<u32>, Range<u32>)> = None;
        for run in self.objects() {
            let (first, last) = (run.start / self.height, (run.end - 1) / self.height);
            let of_run = match first == last {
                true => run.start % self.height..(run.end - 1) % self.height + 1,
                false => 0..self.height,
            };
            let (rows, columns) = bounds.get_or_insert((of_run.clone(), first..last + 1));
            *rows = rows.start.min(of_run.start)..rows.end.max(of_run.end);
            *columns = columns.start.min(first)..columns.end.max(last + 1);
        }
        let whole = |range: Range<u32>| range.start as usize..range.end as usize;
        bounds.map(|(rows, columns)| (whole(rows), whole(columns)))
    }

    /// As [`Shape::paint`](crate::regions::Shape).
    pub(in crate::regions) fn paint(&self, ys: &[f64], xs: &[f64], grid: &mut [bool]) {
        let height = self.height;
        for column in between(xs, 0.0, f64::from(self.width)) {
            let start = xs[column] as u32 * height;
            let mut run = self.ends.partition_point(|&end| end <= start);
            // Every second run belongs to the object.
            run += usize::from(run.is_multiple_of(2));
            while run < self.ends.len() && self.ends[run - 1] < start + height {
                let from = self.ends[run - 1].max(start) - start;
                let to = self.ends[run].min(start + height) - start;
                for row in between(ys, f64::from(from), f64::from(to)) {
                    grid[row * xs.len() + column] = true;
                }
                run += 2;
            }
        }
    }
}

impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            size: [u32; 2],
            counts: Counts,
        }
        let fields = Fields::deserialize(deserializer)?;
        Self::new(fields.size, fields.counts).map_err(D::Error::custom)
    }
}

/// Lengths of runs.
#[derive(Debug)]
struct Counts(Vec<u32>);

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Counts;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(
                    "`counts`: a list of run lengths, or a text with compressed run lengths",
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Counts, A::Error> {
                let mut counts = Vec::new();
                while let Some(count) = list.next_element()? {
                    if counts.len() >= MOST_OF_ONE {
                        return Err(too_many(MOST_OF_ONE));
                    }
                    counts.push(count);
                }
                Ok(Counts(counts))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Counts, E> {
                match unpacked(text.as_bytes()) {
                    Ok(counts) if counts.len() > MOST_OF_ONE => Err(too_many(MOST_OF_ONE)),
                    Ok(counts) => Ok(Counts(counts)),
                    Err(detail) => Err(E::custom(detail)),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The lengths in a text: five bits per character (from 48), the lowest first; a sixth bit means that more
/// follow, and the highest of the last five is the sign. From the fourth length on, it is the difference to the
/// length two before. This is `rleFrString` of `pycocotools`.
fn unpacked(text: &[u8]) -> Result<Vec<u32>, String> {
    let mut counts: Vec<u32> = Vec::new();
    let mut at = 0;
    while at < text.len() && counts.len() <= MOST_OF_ONE {
        let (mut value, mut bits) = (0i64, 0);
        loop {
            let Some(&character) = text.get(at) else {
                return Err("its `counts` end in the middle of a number".into());
            };
            let code = character.wrapping_sub(48);
            // 35 bits are enough for every length.
            if code >= 64 || bits >= 35 {
                return Err(format!(
                    "its `counts` are not valid compressed lengths, at character {at}"
                ));
            }
            value |= i64::from(code & 31) << bits;
            bits += 5;
            at += 1;
            if code & 32 == 0 {
                if code & 16 != 0 {
                    value -= 1 << bits;
                }
                break;
            }
        }
        if counts.len() > 2 {
            value += i64::from(counts[counts.len() - 2]);
        }
        let number = counts.len();
        counts.push(
            value
                .try_into()
                .map_err(|_| format!("run {number} of its `counts` has {value} pixels"))?,
        );
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(size: [u32; 2], counts: &[u32]) -> Runs {
        Runs::new(size, Counts(counts.to_vec())).unwrap()
    }

    fn painted(runs: &Runs) -> Vec<String> {
        let (height, width) = runs.size();
        let centres = |count| (0..count).map(|i| i as f64 + 0.5).collect::<Vec<_>>();
        let mut grid = vec![false; height * width];
        runs.paint(&centres(height), &centres(width), &mut grid);
        let mark = |&is_inside: &bool| if is_inside { '#' } else { '.' };
        grid.chunks(width)
            .map(|row| row.iter().map(mark).collect())
            .collect()
    }

    #[test]
    fn runs_go_down_the_columns() {
        let mask = runs([3, 4], &[1, 3, 4, 1, 3]);
        assert_eq!(painted(&mask), [".#..", "#...", "#.#."]);
        assert_eq!(mask.bounds(), Some((0..3, 0..3)));
        assert_eq!(painted(&runs([2, 2], &[0, 4])), ["##", "##"]);
        assert_eq!(runs([2, 2], &[4]).bounds(), None);
        // Runs may have length 0.
        assert_eq!(painted(&runs([2, 2], &[1, 0, 1, 2, 0, 0])), [".#", ".#"]);
    }

    #[test]
    fn lengths_with_a_wrong_sum_are_errors() {
        let of = |size, counts: &[u32]| Runs::new(size, Counts(counts.to_vec())).unwrap_err();
        assert!(of([3, 4], &[1, 3]).contains("add up to 4, but 3×4 pixels are 12"));
        assert!(of([3, 4], &[u32::MAX; 9]).contains("add up to 38654705655"));
        assert!(of([0, 4], &[]).contains("0×4 pixels"));
        assert!(of([u32::MAX; 2], &[]).contains("1 to 268435456"));
    }

    #[test]
    fn texts_that_are_not_lengths_are_errors() {
        let why = |text: &str| unpacked(text.as_bytes()).unwrap_err();
        assert!(why("1P").contains("in the middle of a number"));
        assert!(why("1 2").contains("character 1"));
        assert!(why("oooooooooooo0").contains("character 7"));
        // −1 pixels.
        assert!(why("O").contains("run 0 of its `counts` has -1 pixels"));
    }
}

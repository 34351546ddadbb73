//! Outputs for a picture that is changed step by step; each step keeps the changes of those before.

use std::ops::Range;

use dvm_engine::incremental::{Change, Incremental, Rectangle};

use super::batches::LARGEST_BATCH;
use super::{Variants, rows_of};
use crate::subject::finite;
use crate::{Error, Score, Subject, Target};

/// A picture that is changed step by step; each step keeps the changes of those before.
pub trait Series: Sync {
    /// Number of steps.
    fn count(&self) -> usize;

    /// The part of the picture that a step changes.
    fn rectangle(&self, index: usize) -> Rectangle;

    /// Makes the change of a step to the picture after the step before, as stored (`H, W, C`,
    /// normalised). Changes nothing outside of the step's rectangle.
    fn change(&self, picture: &mut [f32], index: usize);
}

/// If steps of a series need more than this part of the multiplications of whole pictures, whole pictures are
/// computed instead: this needs no assembling of patches, and no values of the picture before.
const WORTH_IT: f64 = 0.8;

impl Subject<'_> {
    /// The scores after every step, `[steps, targets]`.
    ///
    /// # Errors
    /// As [`Subject::scores`].
    pub fn scores_along(
        &self,
        series: &dyn Series,
        targets: &[Target],
        score: Score,
    ) -> Result<Vec<f32>, Error> {
        let rectangles: Vec<Rectangle> = (0..series.count())
            .map(|index| series.rectangle(index))
            .collect();
        let changes = match rectangles.iter().all(|one| self.is_nearly_all(one)) {
            true => None,
            false => self.changes()?,
        };
        let Some(mut incremental) = changes else {
            return self.scores(&StepsAsVariants { series, first: 0 }, targets, score);
        };
        let stretches = self.worth_it(&incremental, &rectangles)?;
        let first = stretches.last().map_or(0, |stretch| stretch.end);
        let output = self.output();
        Target::check_all(targets, score.of(output, &self.numbers()?).len())?;
        self.allow_scores(series.count(), targets.len())?;
        let room = self.room()?;
        let mut picture = self.picture().data().to_vec();
        let mut scores = Vec::with_capacity(series.count() * targets.len());
        for stretch in stretches {
            let end = stretch.end;
            let changes: Vec<Change> = stretch
                .map(|index| {
                    series.change(&mut picture, index);
                    self.cut(&picture, rectangles[index].clone())
                })
                .collect();
            self.before_walk();
            let answers = incremental.logits_after_each(&changes, room)?;
            finite("a changed picture", answers.data())?;
            for numbers in answers.data().chunks(answers.len() / changes.len()) {
                let of_classes = score.of(output, numbers);
                for target in targets {
                    scores.push(target.of(&of_classes)?);
                }
            }
            self.progress(end, series.count());
        }
        drop(incremental);
        if first < series.count() {
            let tell = |done, _| self.progress(first + done, series.count());
            let rest = self.with_progress(&tell);
            scores.extend(rest.scores(&StepsAsVariants { series, first }, targets, score)?);
        }
        Ok(scores)
    }

    fn is_nearly_all(&self, rectangle: &Rectangle) -> bool {
        let (height, width) = self.size();
        let (rows, columns) = rectangle.size();
        (rows * columns) as f64 > WORTH_IT * (height * width) as f64
    }

    /// Steps that are computed together: as the engine groups them, but with no more values than a
    /// few whole pictures.
    fn stretches(&self, incremental: &Incremental, rectangles: &[Rectangle]) -> Vec<Range<usize>> {
        let (height, width) = self.size();
        let most = LARGEST_BATCH * height * width;
        let mut all = Vec::new();
        for stretch in incremental.stretches(rectangles) {
            let (mut start, mut pixels) = (stretch.start, 0);
            for index in stretch.clone() {
                let (rows, columns) = rectangles[index].size();
                if pixels + rows * columns > most && index > start {
                    all.push(start..index);
                    (start, pixels) = (index, 0);
                }
                pixels += rows * columns;
            }
            all.push(start..stretch.end);
        }
        all
    }

    /// The stretches, from the first step, that are worth computing incrementally: the number that saves most.
    fn worth_it(
        &self,
        incremental: &Incremental,
        rectangles: &[Rectangle],
    ) -> Result<Vec<Range<usize>>, Error> {
        let whole = self.network().fused().multiply_adds(&self.shape())? as f64;
        let mut stretches = self.stretches(incremental, rectangles);
        let (mut saved, mut most, mut best) = (0.0, 0.0, 0);
        for (index, stretch) in stretches.iter().enumerate() {
            let needed = incremental.multiply_adds(&rectangles[stretch.clone()]);
            saved += WORTH_IT * whole * stretch.len() as f64 - needed as f64;
            if saved > most {
                (most, best) = (saved, index + 1);
            }
        }
        stretches.truncate(best);
        Ok(stretches)
    }

    /// Values that steps may use at once, in addition to those of the picture before them and of
    /// the unchanged picture: at most those of a few whole pictures, since more is not faster.
    fn room(&self) -> Result<usize, Error> {
        let (graph, shape) = (self.network().fused(), self.shape());
        let base = Incremental::base_values(graph, &shape)?;
        let allowed = (self.memory() / size_of::<f32>()).saturating_sub(2 * base);
        Ok(allowed.min(LARGEST_BATCH * graph.peak_values(&shape)?))
    }

    /// The values of a picture in a rectangle.
    fn cut(&self, picture: &[f32], rectangle: Rectangle) -> Change {
        let [_, channels, _, width] = self.shape();
        let rows = rows_of(&rectangle, width, channels);
        let values = rows.flat_map(|row| &picture[row]).copied().collect();
        Change { rectangle, values }
    }
}

/// The whole picture after each step.
struct StepsAsVariants<'a> {
    series: &'a dyn Series,
    /// The first step to compute.
    first: usize,
}

impl Variants for StepsAsVariants<'_> {
    fn count(&self) -> usize {
        self.series.count() - self.first
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let mut picture = picture.to_vec();
        (0..=self.first + index).for_each(|step| self.series.change(&mut picture, step));
        Some(picture)
    }
}

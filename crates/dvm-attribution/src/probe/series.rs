//! What the network answers while a picture is changed step by step, each step on top of those before it.

use std::ops::Range;

use dvm_engine::incremental::{Change, Incremental, Rectangle};

use super::{LARGEST_BATCH, Variants};
use crate::subject::finite;
use crate::{Error, Score, Subject, Target};

/// A picture that is changed step by step, each step on top of those before it.
pub trait Series: Sync {
    /// How many steps there are.
    fn count(&self) -> usize;

    /// The part of the picture that a step changes.
    fn rectangle(&self, index: usize) -> Rectangle;

    /// Changes the picture that the steps before it left, as stored (`H, W, C`, normalised), and only
    /// within the step's rectangle.
    fn change(&self, picture: &mut [f32], index: usize);
}

/// Where the steps of a series need more than this part of the products of whole pictures, whole pictures
/// are asked about: they need nothing put together, and no values of the picture itself.
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
            return self.scores(&OneByOne(series), targets, score);
        };
        let stretches = self.stretches(&incremental, &rectangles);
        if !self.pays(&incremental, &rectangles, &stretches)? {
            return self.scores(&OneByOne(series), targets, score);
        }
        let output = self.output();
        let classes = score.of(output, &self.numbers()?).len();
        targets
            .iter()
            .try_for_each(|target| target.check(classes))?;
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
        Ok(scores)
    }

    fn is_nearly_all(&self, rectangle: &Rectangle) -> bool {
        let (height, width) = self.size();
        let (rows, columns) = rectangle.size();
        (rows * columns) as f64 > WORTH_IT * (height * width) as f64
    }

    /// Steps that are computed together: as the engine has them, but no more values than those of a few
    /// whole pictures.
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

    fn pays(
        &self,
        incremental: &Incremental,
        rectangles: &[Rectangle],
        stretches: &[Range<usize>],
    ) -> Result<bool, Error> {
        let whole = self.network().fused().multiply_adds(&self.shape())?;
        let stretches = stretches.iter().cloned();
        let needed: u64 = stretches
            .map(|stretch| incremental.multiply_adds(&rectangles[stretch]))
            .sum();
        Ok((needed as f64) < WORTH_IT * whole as f64 * rectangles.len() as f64)
    }

    /// Values that steps may have alive at once, beside those of the picture before them and of the picture
    /// itself: those of a few whole pictures at most, since more make nothing faster.
    fn room(&self) -> Result<usize, Error> {
        let (graph, shape) = (self.network().fused(), self.shape());
        let base = Incremental::base_values(graph, &shape)?;
        let allowed = (self.memory() / size_of::<f32>()).saturating_sub(2 * base);
        Ok(allowed.min(LARGEST_BATCH * graph.peak_values(&shape)?))
    }

    /// The values of a picture in a rectangle.
    fn cut(&self, picture: &[f32], rectangle: Rectangle) -> Change {
        let [_, channels, _, width] = self.shape();
        let columns = &rectangle.columns;
        let row = |y: usize| {
            &picture[(y * width + columns.start) * channels..(y * width + columns.end) * channels]
        };
        let values = rectangle.rows.clone().flat_map(row).copied().collect();
        Change { rectangle, values }
    }
}

/// The pictures after each step, as a whole.
struct OneByOne<'a>(&'a dyn Series);

impl Variants for OneByOne<'_> {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn rectangle(&self, _: usize) -> Option<Rectangle> {
        None
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let mut picture = picture.to_vec();
        (0..=index).for_each(|step| self.0.change(&mut picture, step));
        Some(picture)
    }
}

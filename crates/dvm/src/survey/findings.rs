//! Places where the maps of one class concentrate: possible shortcuts.

use dvm_image::short_percent as percent;
use dvm_train::metrics::{Bootstrap, Interval};
use serde::Serialize;

use super::confirm::PlaceEffect;
use super::mean_maps::mean_cells;
use super::places::Place;

/// The minimum number of pictures of a class, and of all others together, to judge its places.
pub const FEWEST: usize = 10;

/// A place is suspicious if the share of relevance there is this many times its share of the area, and this many
/// times the share in other classes.
pub const MANY_TIMES: f64 = 2.0;

/// The maximum number of tested places of a class.
const MOST_PLACES: usize = 2;

/// A square is preferred to a strip if its excess is at least this part of the strip's excess.
const OF_STRIP: f64 = 0.6;

/// The minimum change of probability for a warning, beyond the change by places elsewhere.
pub const LEAST_EFFECT: f64 = 0.05;

/// The bootstrap of a survey: intervals of 99 %, because the place is chosen from many.
pub(super) fn bootstrap(seed: u64) -> Bootstrap {
    Bootstrap {
        resamples: 2000,
        level: 0.99,
        seed,
    }
}

/// A place where the maps of a class concentrate, and the results of testing it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Index of the class.
    pub class: usize,
    /// Its name.
    pub class_name: String,
    /// The place, in cells of a grid of 16 × 16.
    pub place: Place,
    /// Its name, such as `top left corner`.
    pub place_name: &'static str,
    /// Its pixels in the crop: first row, row after the last, first column, column after the last.
    pub pixels: [usize; 4],
    /// Rows and columns of that crop.
    pub crop: (usize, usize),
    /// Share of the picture's area, 0 … 1.
    pub area: f64,
    /// Pictures of the class with a map.
    pub pictures: usize,
    /// Pictures of other classes with a map.
    pub other_pictures: usize,
    /// Mean share of the relevance in the place, in pictures of the class, 0 … 1.
    pub share: f64,
    /// Mean share of the relevance in the place, in pictures of other classes.
    pub other_share: f64,
    /// The 99 % interval of the difference of the two.
    pub difference: Interval,
    /// The network looks at the place if more than this share of the relevance is there: more than in 95 % of
    /// pictures of other classes, and more than twice the place's area.
    pub threshold: f64,
    /// Pictures of the class in which the network looks at the place.
    pub looking: usize,
    /// The effect of covering the place.
    pub covered: PlaceEffect,
    /// The effect of copying the place onto pictures of other classes; `None` if there are none.
    pub pasted: Option<PlaceEffect>,
    /// Whether covering or copying shows that the place changes the probability of the class: a warning.
    pub is_confirmed: bool,
    /// The finding in one sentence.
    pub sentence: String,
}

/// A place to test.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SuspiciousPlace {
    pub class: usize,
    pub place: Place,
    pub share: f64,
    pub other_share: f64,
    pub difference: Interval,
    pub threshold: f64,
    pub looking: usize,
}

/// The maps of all other classes.
pub(super) struct OtherMaps<'a> {
    /// Their number.
    pub count: usize,
    /// Their mean, `[16, 16]`.
    pub mean: &'a [f32],
    /// The share of a place in each of them.
    pub shares: &'a dyn Fn(&Place) -> Vec<f64>,
}

/// The places where the maps `own` of a class, `[16, 16]` each, concentrate much more than the maps of other
/// classes and than a uniform map.
pub(super) fn suspicions(
    class: usize,
    own: &[&[f32]],
    others: &OtherMaps,
    seed: u64,
) -> Vec<SuspiciousPlace> {
    if own.len() < FEWEST || others.count < FEWEST {
        return Vec::new();
    }
    let own_mean = mean_cells(own.iter().copied());
    let stands_out = |place: &Place| {
        let (own, others) = (place.of(&own_mean), place.of(others.mean));
        let excess = own - others.max(place.area());
        (own >= MANY_TIMES * place.area() && own >= MANY_TIMES * others).then_some(excess)
    };
    let best = |places: &[Place]| {
        let found = places
            .iter()
            .filter_map(|place| Some((*place, stands_out(place)?)));
        // Ties go to the first.
        found.fold(None, |best: Option<(Place, f64)>, found| match best {
            Some(best) if best.1 >= found.1 => Some(best),
            _ => Some(found),
        })
    };
    let (mut squares, mut strips) = Place::searched();
    let mut found: Vec<SuspiciousPlace> = Vec::new();
    while found.len() < MOST_PLACES {
        let place = match (best(&squares), best(&strips)) {
            (Some(square), Some(strip)) if square.1 >= OF_STRIP * strip.1 => square.0,
            (_, Some(strip)) => strip.0,
            (Some(square), None) => square.0,
            (None, None) => break,
        };
        // Prefers the corner itself, if it stands out as well.
        let corner = place.snapped();
        let place = if stands_out(&corner).is_some() {
            corner
        } else {
            place
        };
        squares.retain(|other| !other.overlaps(&place));
        strips.retain(|other| !other.overlaps(&place));
        let shares: Vec<f64> = own.iter().map(|map| place.of(map)).collect();
        let other_shares = (others.shares)(&place);
        let difference = bootstrap(seed).of_difference(&shares, &other_shares);
        if difference.low <= 0.0 {
            continue;
        }
        let threshold = threshold(&place, &other_shares);
        found.push(SuspiciousPlace {
            class,
            place,
            share: mean(&shares),
            other_share: mean(&other_shares),
            difference,
            threshold,
            looking: shares.iter().filter(|&&share| share > threshold).count(),
        });
    }
    found
}

/// The share from which the network looks at a place, given the shares in pictures of other classes.
fn threshold(place: &Place, others: &[f64]) -> f64 {
    let mut sorted = others.to_vec();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[(sorted.len() * 95 / 100).min(sorted.len() - 1)];
    usual.max(MANY_TIMES * place.area())
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

impl SuspiciousPlace {
    /// The finding, after covering and copying.
    pub fn tested(
        self,
        class_name: &str,
        crop: (usize, usize),
        counts: (usize, usize),
        (covered, pasted): (PlaceEffect, Option<PlaceEffect>),
    ) -> Finding {
        let shows = |tested: &PlaceEffect| tested.difference.low >= LEAST_EFFECT;
        let pastes = |is_so: &dyn Fn(&PlaceEffect) -> bool| pasted.as_ref().map(is_so);
        let is_shown = shows(&covered) || pastes(&shows) == Some(true);
        // A cause shows in both tests.
        let is_contradicted = covered.here > covered.elsewhere
            || pastes(&|pasted| pasted.here < pasted.elsewhere) == Some(true);
        let pixels = self.place.pixels(crop);
        let mut finding = Finding {
            class: self.class,
            class_name: class_name.to_owned(),
            place: self.place,
            place_name: self.place.name(),
            pixels: [
                pixels.rows.start,
                pixels.rows.end,
                pixels.columns.start,
                pixels.columns.end,
            ],
            crop,
            area: self.place.area(),
            pictures: counts.0,
            other_pictures: counts.1,
            share: self.share,
            other_share: self.other_share,
            difference: self.difference,
            threshold: self.threshold,
            looking: self.looking,
            is_confirmed: is_shown && !is_contradicted,
            covered,
            pasted,
            sentence: String::new(),
        };
        finding.sentence = finding.in_words();
        finding
    }
}

impl Finding {
    fn in_words(&self) -> String {
        let Self {
            class_name: class,
            covered,
            ..
        } = self;
        let mut words = format!(
            "for `{class}` the network looks at the {} (rows {} to {} and columns {} to {} of {} × {}) in {} of \
             {} pictures: {} of the relevance is there, {} in pictures of other classes, and its area is {} of the \
             picture (difference {})",
            self.place_name,
            self.pixels[0],
            self.pixels[1].saturating_sub(1),
            self.pixels[2],
            self.pixels[3].saturating_sub(1),
            self.crop.0,
            self.crop.1,
            self.looking,
            self.pictures,
            percent(self.share),
            percent(self.other_share),
            percent(self.area),
            interval(&self.difference),
        );
        words += &format!(
            "; covering it changes the probability of `{class}` from {} to {}, covering places of the same shape \
             elsewhere changes it to {} (difference {}, {} pictures)",
            percent(covered.before),
            percent(covered.here),
            percent(covered.elsewhere),
            interval(&covered.difference),
            covered.pictures,
        );
        if let Some(pasted) = &self.pasted {
            words += &format!(
                "; copying it onto pictures of other classes changes the probability of `{class}` from {} to {}, \
                 copying places of the same shape from elsewhere changes it to {} (difference {}, {} pictures)",
                percent(pasted.before),
                percent(pasted.here),
                percent(pasted.elsewhere),
                interval(&pasted.difference),
                pasted.pictures,
            );
        }
        words
    }
}

fn interval(interval: &Interval) -> String {
    let points = |share: f64| format!("{:.0}", 100.0 * share);
    format!(
        "{} to {} percentage points, 99 % interval",
        points(interval.low),
        points(interval.high)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::places::GRID;
    use dvm_attribution::random::Stream;

    /// Maps with this share of their relevance in a place, and noise everywhere.
    fn maps(place: &Place, share: f32, count: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut stream = Stream::new("maps of a test", seed);
        let one = |_| {
            let mut map = stream.uniform(GRID * GRID);
            let total: f32 = map.iter().sum();
            map.iter_mut().for_each(|v| *v *= (1.0 - share) / total);
            for row in place.row..place.row + place.rows {
                for column in place.column..place.column + place.columns {
                    map[row * GRID + column] += share / (place.rows * place.columns) as f32;
                }
            }
            map
        };
        (0..count).map(one).collect()
    }

    fn found(own: &[Vec<f32>], others: &[Vec<f32>]) -> Vec<SuspiciousPlace> {
        let own: Vec<&[f32]> = own.iter().map(|map| &map[..]).collect();
        let mean = mean_cells(others.iter().map(|map| &map[..]));
        let others = OtherMaps {
            count: others.len(),
            mean: &mean,
            shares: &|place| others.iter().map(|map| place.of(map)).collect(),
        };
        suspicions(3, &own, &others, 0)
    }

    /// Whether a finding with these test results is confirmed: probabilities of the class with the place and with
    /// others covered, and with the place and with others copied.
    fn is_confirmed(covered: [f64; 2], pasted: Option<[f64; 2]>) -> bool {
        let tested = |[here, elsewhere]: [f64; 2], effect: f64| PlaceEffect {
            pictures: 40,
            before: 0.5,
            here,
            elsewhere,
            difference: Interval {
                low: effect - 0.02,
                high: effect + 0.02,
            },
        };
        let suspicion = found(&maps(&TAG, 0.4, 30, 0), &maps(&TAG, 0.0, 60, 1)).remove(0);
        let covered = tested(covered, covered[1] - covered[0]);
        let pasted = pasted.map(|pasted| tested(pasted, pasted[0] - pasted[1]));
        let finding = suspicion.tested("a", (224, 224), (30, 60), (covered, pasted));
        assert!(finding.sentence.contains("bottom left corner"));
        finding.is_confirmed
    }

    #[test]
    fn a_place_is_confirmed_if_one_test_shows_an_effect_and_none_contradicts() {
        assert!(is_confirmed([0.3, 0.5], Some([0.1, 0.1])));
        assert!(is_confirmed([0.5, 0.5], Some([0.4, 0.1])));
        assert!(is_confirmed([0.3, 0.5], None));
        assert!(!is_confirmed([0.45, 0.5], Some([0.15, 0.1])));
        assert!(!is_confirmed([0.3, 0.5], Some([0.1, 0.2])));
        assert!(!is_confirmed([0.6, 0.5], Some([0.4, 0.1])));
    }

    const TAG: Place = Place {
        row: 13,
        column: 1,
        rows: 2,
        columns: 2,
    };

    #[test]
    fn relevance_in_one_corner_of_one_class_is_suspicious() {
        let found = found(&maps(&TAG, 0.4, 30, 0), &maps(&TAG, 0.0, 60, 1));
        assert_eq!(found.len(), 1);
        let SuspiciousPlace {
            place,
            share,
            looking,
            ..
        } = &found[0];
        assert_eq!(place.name(), "bottom left corner");
        assert!((share - 0.4 - 0.6 * 0.0625).abs() < 0.01, "{share}");
        assert_eq!(*looking, 30);
    }

    #[test]
    fn relevance_in_the_same_corner_of_all_classes_is_not_suspicious() {
        assert_eq!(found(&maps(&TAG, 0.4, 30, 0), &maps(&TAG, 0.4, 60, 1)), []);
        assert_eq!(found(&maps(&TAG, 0.0, 30, 0), &maps(&TAG, 0.0, 60, 1)), []);
    }

    #[test]
    fn relevance_in_the_middle_is_not_suspicious() {
        let middle = Place {
            row: 6,
            column: 6,
            rows: 4,
            columns: 4,
        };
        assert_eq!(
            found(&maps(&middle, 0.6, 30, 0), &maps(&TAG, 0.0, 60, 1)),
            []
        );
    }

    #[test]
    fn classes_with_few_pictures_are_not_judged() {
        assert_eq!(found(&maps(&TAG, 0.9, 9, 0), &maps(&TAG, 0.0, 60, 1)), []);
        assert_eq!(found(&maps(&TAG, 0.9, 30, 0), &maps(&TAG, 0.0, 9, 1)), []);
    }

    #[test]
    fn relevance_along_a_side_is_a_strip() {
        let line = Place {
            row: 15,
            column: 0,
            rows: 1,
            columns: 16,
        };
        let found = found(&maps(&line, 0.5, 30, 0), &maps(&line, 0.0, 60, 1));
        assert_eq!(found[0].place.name(), "strip along the bottom");
    }
}

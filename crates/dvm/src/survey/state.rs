//! Making a survey: choosing pictures, making their maps, and summarising each class.

use std::collections::{BTreeMap, BTreeSet};

use dvm_attribution::random::Stream;
use serde_json::json;

use super::clusters::{Clusters, MOST_CLUSTERS, MOST_IN_GRAPH};
use super::confirm::{TESTED, Tests};
use super::findings::{
    FEWEST, Finding, LEAST_EFFECT, MANY_TIMES, OtherMaps, SuspiciousPlace, suspicions,
};
use super::maps::cells;
use super::mean_maps::{CellSums, Sums, energies, mean_cells};
use super::picture_map::{is_of_picture, map_picture, tell_failed};
use super::{
    ClassSurvey, ClusterSurvey, GRID, OUTLIER, Place, Survey, SurveyEvent, SurveyOptions,
    SurveyPicture, SurveySettings, SurveyedClass, SurveyedPicture, outliers,
};
use crate::{Classifier, Error, Prediction, Source, with_causes};

pub(super) fn survey(
    classifier: &Classifier,
    given: &[SurveyPicture],
    options: &SurveyOptions,
    named: Option<usize>,
    tell: &mut dyn FnMut(SurveyEvent),
) -> Result<Survey, Error> {
    let labelled = given.iter().all(|picture| picture.label.is_some());
    if given.is_empty() {
        return Err(Error::Usage("there are no pictures to survey".into()));
    }
    if options.about == SurveyedClass::True && !labelled {
        return Err(Error::Usage(
            "the true class cannot be explained, because it is not known for every picture".into(),
        ));
    }
    let mut state = SurveyState {
        classifier,
        given,
        options,
        named,
        labelled,
        beyond_limit: 0,
        pictures: Vec::new(),
        sums: BTreeMap::new(),
        failed: Vec::new(),
        warnings: BTreeSet::new(),
    };
    state.make_maps(tell)?;
    state.pictures.sort_by_key(|picture| picture.position);
    let classes = state.classes();
    let findings = state.findings(tell)?;
    state.mark(&findings);
    Ok(state.survey(classes, findings))
}

/// The survey while it is made.
struct SurveyState<'a> {
    classifier: &'a Classifier,
    given: &'a [SurveyPicture],
    options: &'a SurveyOptions,
    named: Option<usize>,
    labelled: bool,
    beyond_limit: usize,
    pictures: Vec<SurveyedPicture>,
    sums: BTreeMap<usize, Sums>,
    failed: Vec<(std::path::PathBuf, String)>,
    warnings: BTreeSet<String>,
}

impl SurveyState<'_> {
    /// Positions of the pictures in the order of their maps. With labels, at most the limit of each class; without
    /// labels, all in random order, because the classes are not known before the prediction.
    fn order(&mut self) -> Vec<usize> {
        let all = self.given.len();
        let Some(limit) = self.options.limit else {
            return (0..all).collect();
        };
        if !self.labelled {
            let mut stream = Stream::new("survey: pictures", self.options.seed);
            return stream.permutation(all);
        }
        let mut of_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (position, picture) in self.given.iter().enumerate() {
            let label = picture.label.expect("all are labelled");
            of_class.entry(label).or_default().push(position);
        }
        let mut order = Vec::new();
        for (class, positions) in of_class {
            let name = &self.classifier.classes()[class];
            let name = format!("pictures of {name}");
            let drawn = drawn(&name, positions.len(), limit, self.options.seed);
            self.beyond_limit += positions.len() - drawn.len();
            order.extend(drawn.into_iter().map(|index| positions[index]));
        }
        order
    }

    fn make_maps(&mut self, tell: &mut dyn FnMut(SurveyEvent)) -> Result<(), Error> {
        let order = self.order();
        let (options, named, labelled) = (self.options, self.named, self.labelled);
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let mut first_error = None;
        let progress = |done| SurveyEvent::Progress {
            step: "maps",
            done,
            all: order.len(),
        };
        for (done, &position) in order.iter().enumerate() {
            tell(progress(done));
            let SurveyPicture { source, label } = &self.given[position];
            let mut choose = |prediction: &Prediction| {
                let predicted = prediction.top(1)[0].index;
                let count = counts.entry(predicted).or_default();
                if !labelled && options.limit.is_some_and(|limit| *count >= limit) {
                    return None;
                }
                *count += 1;
                Some(match (&options.about, named) {
                    (_, Some(named)) => named,
                    (SurveyedClass::True, _) => label.expect("all are labelled"),
                    _ => predicted,
                })
            };
            let observed = match map_picture(self.classifier, &options.explain, source, &mut choose)
            {
                Ok(Some(observed)) => observed,
                Ok(None) => {
                    self.beyond_limit += 1;
                    continue;
                }
                Err(error) if is_of_picture(&error) => {
                    tell_failed(tell, source, &error);
                    self.failed
                        .push((source.path().into(), with_causes(error.to_string(), &error)));
                    first_error.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let top = &observed.prediction.top(1)[0];
            let counts_for = match named {
                None => observed.explained,
                Some(_) => label.unwrap_or(top.index),
            };
            let size = (observed.crop.height(), observed.crop.width());
            let sums = self
                .sums
                .entry(counts_for)
                .or_insert_with(|| Sums::new(size));
            sums.add(&observed.relevance, &observed.crop);
            self.pictures.push(SurveyedPicture {
                position,
                path: source.path().into(),
                slice: source.slice(),
                label: *label,
                predicted: top.index,
                probability: top.probability,
                explained: observed.explained,
                counts_for,
                cells: cells(&observed.relevance, size),
                cluster: None,
                outlier: 0.0,
                is_outlier: false,
                at_finding: None,
                is_for_wrong_reason: false,
            });
            // Empty maps are counted, not reported one by one.
            let of_map = |warning: &String| warning.starts_with("the map is zero");
            let warnings = observed.warnings.into_iter();
            self.warnings
                .extend(warnings.filter(|warning| !of_map(warning)));
        }
        tell(progress(order.len()));
        match first_error {
            Some(error) if self.pictures.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Positions in `pictures` of the maps of a class with positive relevance.
    fn maps_of(&self, class: usize) -> Vec<usize> {
        let is_of =
            |picture: &SurveyedPicture| picture.counts_for == class && picture.cells.is_some();
        (0..self.pictures.len())
            .filter(|&index| is_of(&self.pictures[index]))
            .collect()
    }

    /// The maps of a class with positive relevance.
    fn cells_of(&self, class: usize) -> Vec<&[f32]> {
        let own = self.pictures.iter().filter(|p| p.counts_for == class);
        own.filter_map(|picture| picture.cells.as_deref()).collect()
    }

    /// The classes that have pictures.
    fn counted(&self) -> BTreeSet<usize> {
        self.pictures.iter().map(|p| p.counts_for).collect()
    }

    /// The sum of all maps.
    fn total(&self) -> CellSums {
        CellSums::of(self.pictures.iter().filter_map(|p| p.cells.as_deref()))
    }

    /// Finds clusters and outliers, and summarises each class.
    fn classes(&mut self) -> Vec<ClassSurvey> {
        let seed = self.options.seed;
        let total = self.total();
        let mut classes = Vec::new();
        for class in self.counted() {
            let own = self.maps_of(class);
            let maps = self.cells_of(class);
            let clusters = Clusters::of(&maps, seed);
            let far = outliers::scores(&maps, seed);
            let summed = (0..clusters.count()).map(|cluster| {
                let both = maps.iter().zip(&clusters.labels);
                let members = both
                    .filter(|(_, label)| **label == cluster)
                    .map(|(map, _)| *map);
                let cells = mean_cells(members.clone());
                ClusterSurvey {
                    pictures: members.count(),
                    energies: energies(&cells),
                    cells,
                }
            });
            let summed = summed.collect();
            let cells = mean_cells(maps.iter().copied());
            let (count, other_cells) = total.without(&maps);
            let other_energies = (count > 0).then(|| energies(&other_cells));
            let all = || self.pictures.iter().filter(|p| p.counts_for == class);
            let right = all().filter(|p| p.label == Some(p.predicted)).count();
            classes.push(ClassSurvey {
                class,
                name: self.classifier.classes()[class].clone(),
                pictures: all().count(),
                empty: all().count() - own.len(),
                right: self.labelled.then_some(right),
                other_maps: count,
                is_judged: own.len() >= FEWEST && count >= FEWEST,
                energies: energies(&cells),
                other_energies,
                cells,
                mean: self.sums.get(&class).and_then(Sums::mean),
                clusters: summed,
                in_graph: clusters.in_graph.len(),
                neighbours: clusters.neighbours,
                outliers: far.iter().filter(|&&score| score > OUTLIER).count(),
                eigenvalues: clusters.eigenvalues,
            });
            for ((index, cluster), score) in own.into_iter().zip(clusters.labels).zip(far) {
                let picture = &mut self.pictures[index];
                picture.cluster = Some(cluster);
                picture.outlier = score;
                picture.is_outlier = score > OUTLIER;
            }
        }
        classes
    }

    /// Finds suspicious places of each class and tests them.
    fn findings(&self, tell: &mut dyn FnMut(SurveyEvent)) -> Result<Vec<Finding>, Error> {
        let total = self.total();
        let mut found: Vec<(SuspiciousPlace, (usize, usize))> = Vec::new();
        for class in self.counted() {
            let own = self.cells_of(class);
            let (count, mean) = total.without(&own);
            let shares = |place: &Place| {
                let others = self.pictures.iter().filter(|p| p.counts_for != class);
                others
                    .filter_map(|p| Some(place.of(p.cells.as_deref()?)))
                    .collect()
            };
            let others = OtherMaps {
                count,
                mean: &mean,
                shares: &shares,
            };
            let suspicious = suspicions(class, &own, &others, self.options.seed);
            let counts = (own.len(), count);
            found.extend(suspicious.into_iter().map(|suspicion| (suspicion, counts)));
        }
        let mut done = 0;
        let all = found.len() * 2 * TESTED;
        let progress = |done| SurveyEvent::Progress {
            step: "tests",
            done,
            all,
        };
        let mut findings = Vec::new();
        for (suspicion, counts) in found {
            let mut step = || {
                done += 1;
                tell(progress(done));
            };
            let tested = self.tested(&suspicion, &mut step)?;
            let name = &self.classifier.classes()[suspicion.class];
            let crop = self.classifier.preprocess().crop;
            findings.push(suspicion.tested(name, crop, counts, tested));
        }
        if all > 0 {
            tell(progress(all));
        }
        Ok(findings)
    }

    fn tested(
        &self,
        suspicion: &SuspiciousPlace,
        step: &mut dyn FnMut(),
    ) -> Result<(super::PlaceEffect, Option<super::PlaceEffect>), Error> {
        let tests = Tests {
            classifier: self.classifier,
            explain: &self.options.explain,
            seed: self.options.seed,
        };
        let class = suspicion.class;
        // The class that the maps explain, whose probability is tested.
        let asked = self.named.unwrap_or(class);
        let some = |what: &str, indices: Vec<usize>| -> Vec<&Source> {
            let name = format!("{what} {}", self.classifier.classes()[class]);
            let drawn = drawn(&name, indices.len(), TESTED, self.options.seed).into_iter();
            drawn
                .map(|index| &self.given[self.pictures[indices[index]].position].source)
                .collect()
        };
        let own = some("tested of", self.maps_of(class));
        let is_other = |&index: &usize| {
            let picture = &self.pictures[index];
            picture.counts_for != class
                && picture.predicted != class
                && picture.label != Some(class)
        };
        let others = some(
            "tested against",
            (0..self.pictures.len()).filter(is_other).collect(),
        );
        let covered = tests.cover(asked, &suspicion.place, &own, step)?;
        let pasted = match others.is_empty() {
            true => None,
            false => Some(tests.paste(asked, &suspicion.place, (&own, &others), step)?),
        };
        Ok((covered, pasted))
    }

    /// Marks the pictures in which the network looks at the place of a confirmed finding.
    fn mark(&mut self, findings: &[Finding]) {
        for picture in &mut self.pictures {
            let Some(cells) = &picture.cells else {
                continue;
            };
            let about =
                |finding: &&Finding| finding.is_confirmed && finding.class == picture.counts_for;
            for finding in findings.iter().filter(about) {
                let share = finding.place.of(cells);
                if share > finding.threshold {
                    let known = picture.at_finding.unwrap_or(0.0);
                    picture.at_finding = Some(known.max(share));
                }
            }
            let is_right =
                picture.label == Some(picture.predicted) && picture.explained == picture.predicted;
            picture.is_for_wrong_reason = picture.at_finding.is_some() && is_right;
        }
    }

    fn survey(self, classes: Vec<ClassSurvey>, findings: Vec<Finding>) -> Survey {
        let Self {
            classifier,
            options,
            ..
        } = self;
        let (entry, method) = options.explain.first();
        let mut warnings: Vec<String> = classifier.warnings().collect();
        warnings.extend(self.warnings);
        if self.beyond_limit > 0 {
            warnings.push(format!(
                "{} pictures were chosen at random, at most {} of each class; {} were left out",
                self.pictures.len(),
                options.limit.unwrap_or_default(),
                self.beyond_limit
            ));
        }
        for class in classes
            .iter()
            .filter(|class| class.in_graph < class.pictures - class.empty)
        {
            warnings.push(format!(
                "clusters of `{}` were made from {} maps chosen at random; every other map joined the cluster of \
                 the nearest one",
                class.name, class.in_graph
            ));
        }
        let mut model = json!({
            "name": classifier.name(),
            "weights": classifier.weights_file(),
            "weights_sha256": classifier.weights_sha256(),
            "weights_part": classifier.weights_part(),
            "output": classifier.network().output().word(),
            "preprocess": classifier.preprocess(),
            "classes": classifier.classes().len(),
        });
        if let Some(device) = classifier.device() {
            model["device"] = device.into();
        }
        warnings.extend(classifier.left_to_cpu());
        Survey {
            model,
            method: entry.name,
            parameters: method.parameters(),
            settings: SurveySettings {
                about: match &options.about {
                    SurveyedClass::Predicted => "predicted".into(),
                    SurveyedClass::True => "true".into(),
                    SurveyedClass::Named(name) => name.clone(),
                },
                limit: options.limit,
                seed: options.seed,
                grid: GRID,
                normalisation: "positive relevance divided by its sum, so that every picture counts the same",
                outlier: OUTLIER,
                most_clusters: MOST_CLUSTERS,
                most_in_graph: MOST_IN_GRAPH,
                many_times: MANY_TIMES,
                tested: TESTED,
                least_effect: LEAST_EFFECT,
            },
            crop: classifier.preprocess().crop,
            labelled: self.labelled,
            beyond_limit: self.beyond_limit,
            classes,
            findings,
            pictures: self.pictures,
            failed: self.failed,
            warnings,
        }
    }
}

/// `most` of `count` positions, chosen at random by the seed, ascending; all if there are no more.
pub(super) fn drawn(name: &str, count: usize, most: usize, seed: u64) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let mut drawn = Stream::new(&format!("survey: {name}"), seed).permutation(count);
    drawn.truncate(most);
    drawn.sort_unstable();
    drawn
}

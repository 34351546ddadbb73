//! The session of the page: pictures, their activations, and explanations. Everything is in memory only, within
//! limits; the oldest items are dropped first.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dvm::{Explanation, Inspection, Picture, Source};
use lru::LruCache;

use crate::server::{Limits, Problem};

/// Limits of the kept picture files: their bytes and their number.
const PICTURE_BYTES: usize = 128 << 20;
const PICTURES: usize = 200;

/// The maximum number of pictures whose activations are kept; each takes tens of megabytes.
const INSPECTIONS: usize = 4;

/// Limits of the kept explanations (one for each class and method): their number and their bytes.
const EXPLANATIONS: usize = 400;
const EXPLANATION_BYTES: usize = 256 << 20;

/// The maximum number of answers with downloads.
const ANSWERS: usize = 200;

/// A picture of the session.
pub(super) struct SessionPicture {
    /// The name of its file.
    pub name: String,
    pub source: Source,
    bytes: usize,
}

/// The explanations of one answer, for downloads: the key of each method that succeeded, in order.
pub(super) type Answer = Arc<Mutex<Vec<ExplanationKey>>>;

/// The key of an explanation: picture, network, method with its settings, target.
pub(super) type ExplanationKey = (String, String, String, String);

/// The pictures and explanations of the page.
pub struct Session {
    memory: usize,
    pictures: Mutex<LruCache<String, Arc<SessionPicture>>>,
    inspections: Mutex<LruCache<(String, String), Arc<Inspection>>>,
    explanations: Mutex<LruCache<ExplanationKey, Arc<Explanation>>>,
    answers: Mutex<LruCache<String, Answer>>,
}

impl Session {
    /// An empty session.
    pub fn new(limits: &Limits) -> Self {
        Self {
            memory: limits.memory,
            pictures: bounded(PICTURES),
            inspections: bounded(INSPECTIONS),
            explanations: bounded(EXPLANATIONS),
            answers: bounded(ANSWERS),
        }
    }

    /// Adds a picture, drops the oldest ones beyond the limits, and returns its id.
    pub(super) fn put(
        &self,
        name: String,
        bytes: usize,
        source: Source,
    ) -> Result<String, Problem> {
        let id = random_id()?;
        let mut pictures = locked(&self.pictures);
        let given = SessionPicture {
            name,
            source,
            bytes,
        };
        pictures.push(id.clone(), Arc::new(given));
        let mut all: usize = pictures.iter().map(|(_, given)| given.bytes).sum();
        while all > PICTURE_BYTES && pictures.len() > 1 {
            let oldest = pictures.pop_lru();
            all -= oldest.map_or(0, |(_, given)| given.bytes);
        }
        Ok(id)
    }

    /// The picture of this id.
    pub(super) fn picture(&self, id: &str) -> Result<Arc<SessionPicture>, Problem> {
        let found = locked(&self.pictures).get(id).cloned();
        found.ok_or_else(|| {
            Problem::missing("the server no longer has this picture, because it keeps only the latest ones; add it again")
        })
    }

    /// The picture prepared for a network, with its activations; `read` reads it if it is not kept.
    pub(super) fn inspection(
        &self,
        (picture, model): (&str, &str),
        classifier: &Arc<dvm::Classifier>,
        read: impl FnOnce() -> Result<Picture, Problem>,
    ) -> Result<Arc<Inspection>, Problem> {
        let key = (picture.to_owned(), model.to_owned());
        if let Some(inspection) = locked(&self.inspections).get(&key) {
            return Ok(inspection.clone());
        }
        let inspection = Inspection::new(classifier.clone(), read()?, self.memory)?;
        let inspection = Arc::new(inspection);
        locked(&self.inspections).push(key, inspection.clone());
        Ok(inspection)
    }

    /// A kept explanation.
    pub(super) fn explanation(&self, asked: &ExplanationKey) -> Option<Arc<Explanation>> {
        locked(&self.explanations).get(asked).cloned()
    }

    /// Keeps an explanation and drops the oldest ones beyond the limits.
    pub(super) fn keep(&self, asked: ExplanationKey, explanation: Arc<Explanation>) {
        let mut explanations = locked(&self.explanations);
        explanations.push(asked, explanation);
        while explanations.len() > 1
            && bytes(explanations.iter().map(|(_, one)| &**one)) > EXPLANATION_BYTES
        {
            explanations.pop_lru();
        }
    }

    /// A new, empty answer with its id.
    pub(super) fn begin(&self) -> Result<(String, Answer), Problem> {
        let id = random_id()?;
        let answer = Answer::default();
        locked(&self.answers).push(id.clone(), answer.clone());
        Ok((id, answer))
    }

    /// The explanations of an answer as one, with all maps.
    pub(super) fn answer(&self, id: &str) -> Result<Explanation, Problem> {
        let found = locked(&self.answers).get(id).cloned();
        let missing =
            || Problem::missing("the server no longer has this explanation; make it again");
        let answer = found.ok_or_else(missing)?;
        let asked = locked(&answer).clone();
        let mut all: Option<Explanation> = None;
        for asked in &asked {
            let one = self.explanation(asked).ok_or_else(missing)?;
            let one = Explanation::clone(&one);
            all = Some(match all {
                None => one,
                Some(all) => all.with_maps_of(one),
            });
        }
        all.ok_or_else(missing)
    }
}

/// The memory of explanations. Shared pictures and arrays count once.
fn bytes<'a>(explanations: impl Iterator<Item = &'a Explanation>) -> usize {
    let mut shared = BTreeMap::new();
    let mut own = 0;
    for explanation in explanations {
        let original = explanation.original().rgb();
        shared.insert(original.as_ptr().addr(), original.len());
        for (_, map) in explanation.maps() {
            let smooth = map.smooth.as_ref().map_or(0, Vec::len);
            own += (map.map.len() + smooth) * size_of::<f32>();
            for array in &map.arrays {
                shared.insert(
                    array.values.as_ptr().addr(),
                    array.values.len() * size_of::<f32>(),
                );
            }
        }
    }
    own + shared.values().sum::<usize>()
}

fn bounded<K: std::hash::Hash + Eq, V>(most: usize) -> Mutex<LruCache<K, V>> {
    let most = NonZeroUsize::new(most).expect("limits are not 0");
    Mutex::new(LruCache::new(most))
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An id that cannot be guessed, because everyone who knows it can see the picture.
fn random_id() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(dvm::engine::weights::hexadecimal(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::Bytes {
            name: "a.png".into(),
            bytes: Vec::new().into(),
        }
    }

    #[test]
    fn the_oldest_pictures_are_dropped_beyond_the_limit_of_bytes() {
        let session = Session::new(&Limits::default());
        let ids: Vec<String> = (0..3)
            .map(|_| {
                session
                    .put("a.png".into(), PICTURE_BYTES / 2, source())
                    .unwrap()
            })
            .collect();
        let is_there: Vec<bool> = ids.iter().map(|id| session.picture(id).is_ok()).collect();
        assert_eq!(is_there, [false, true, true]);
    }

    #[test]
    fn shared_arrays_of_explanations_count_once() {
        let classifier = dvm::Classifier::open("squeezenet1_1", None).unwrap();
        let settings = dvm::Settings::new().with("window", 112).with("stride", 112);
        let mut options = dvm::Explain::with_settings("occlusion", &settings).unwrap();
        options.classes = [1, 2].map(dvm::ClassChoice::Index).into();
        let picture = Picture::filled(300, 300, [90, 20, 40]);
        let all = classifier.explain(picture, &options).unwrap();
        // The picture, the scores of 1,000 classes for 4 windows, and two maps for each class.
        let shared = 300 * 300 * 3 + 1000 * 4 * 4;
        let own = 2 * 224 * 224 * 4;
        assert_eq!(bytes(all[..1].iter()), shared + own);
        assert_eq!(bytes(all.iter()), shared + 2 * own);
    }

    #[test]
    fn ids_differ() {
        let session = Session::new(&Limits::default());
        let id = || session.put(String::new(), 0, source()).unwrap();
        assert_ne!(id(), id());
    }
}

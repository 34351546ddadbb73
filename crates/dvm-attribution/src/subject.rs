//! What methods work on: a network with a prepared picture, and what is known of both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dvm_engine::incremental::{Incremental, Rectangle};
use dvm_engine::{Activations, Graph, Keep, Mode, Network, Output, Segments, Tensor};
use dvm_image::{Input, Preprocess};

use crate::Error;

/// A network and a prepared picture. What is computed of the picture once is shared by every method:
/// its answer, and the walk forward that it came from.
pub struct Subject<'a> {
    known: Arc<Known<'a>>,
    progress: &'a Progress<'a>,
    seen: Option<&'a Seen<'a>>,
    walking: &'a Walking<'a>,
}

/// Called with the number of steps done and of all steps, from any thread.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Called before every walk over the network, from any thread: a caller who wants no more can end the work here, by a
/// panic of its own.
pub type Walking<'a> = dyn Fn() + Sync + 'a;

/// Called with a window and the numbers `[K]` that the network answered while it was covered, in any order and from
/// any thread.
pub type Seen<'a> = dyn Fn(&Rectangle, &[f32]) + Sync + 'a;

/// What was computed of a picture, to ask more of it later ([`Subject::kept`], [`Subject::with_kept`]).
#[derive(Clone, Default)]
pub struct Kept {
    numbers: Option<Arc<Vec<f32>>>,
    base: Option<Activations>,
}

impl Kept {
    /// All of this, and of what was kept `before` of the same picture what is missing.
    #[must_use]
    pub fn or(self, before: &Self) -> Self {
        Self {
            numbers: self.numbers.or_else(|| before.numbers.clone()),
            base: self.base.or_else(|| before.base.clone()),
        }
    }
}

/// What methods will ask of the picture itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walks {
    /// Gradients: a walk forward that keeps what the walk back needs.
    pub backward: bool,
    /// The scores of pictures that differ in a rectangle: a walk forward that keeps every value.
    pub changes: bool,
}

impl Walks {
    /// What either asks.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            backward: self.backward || other.backward,
            changes: self.changes || other.changes,
        }
    }
}

struct Known<'a> {
    network: &'a Network,
    input: &'a Input,
    preprocess: &'a Preprocess,
    memory: usize,
    incremental: bool,
    /// The picture itself, `[1, C, H, W]`.
    picture: Tensor,
    found: Mutex<Found>,
}

/// What was computed of the picture so far.
#[derive(Default)]
struct Found {
    expected: Walks,
    numbers: Option<Arc<Vec<f32>>>,
    forward: Option<Arc<Forward>>,
    base: Option<Activations>,
}

/// The walk forward over [`Network::folded`], to be walked back.
pub(crate) struct Forward {
    pub segments: Segments,
    pub activations: Activations,
}

/// Bytes that one picture may take whatever [`Subject::memory`] says: 1 GiB.
const ALWAYS_ALLOWED: usize = 1 << 30;

/// Bytes that a walk back may take whatever [`Subject::memory`] says: 64 MiB, less than the program
/// itself needs.
pub(crate) const ALWAYS_ALLOWED_BACK: usize = 64 << 20;

/// Memory that methods may use unless told otherwise: 1 GiB.
const USUAL_MEMORY: usize = 1 << 30;

impl<'a> Subject<'a> {
    /// A network, a picture prepared for it, and how it was prepared. Neither is ever changed.
    pub fn new(network: &'a Network, input: &'a Input, preprocess: &'a Preprocess) -> Self {
        let [c, h, w] = input.shape();
        Self {
            known: Arc::new(Known {
                network,
                input,
                preprocess,
                memory: USUAL_MEMORY,
                incremental: true,
                picture: Tensor::from_nchw(&[1, c, h, w], input.values()),
                found: Mutex::default(),
            }),
            progress: &|_, _| {},
            seen: None,
            walking: &|| {},
        }
    }

    /// The same with what was computed of the picture before, by the same network with the same memory.
    #[must_use]
    pub fn with_kept(self, kept: Kept) -> Self {
        let mut found = self.found();
        found.numbers = kept.numbers;
        found.base = kept.base;
        drop(found);
        self
    }

    /// What is computed of the picture itself and can be of use to later questions: the answer and, if
    /// [`Walks::changes`] are expected, the values that changes are computed from.
    pub fn kept(&self) -> Kept {
        let found = self.found();
        Kept {
            numbers: found.numbers.clone(),
            base: found.base.clone(),
        }
    }

    /// The same with so many bytes for activations, and for scores kept for every target, at once (1 GiB
    /// if not said). Gradients compute parts of the network again to stay within it, and are refused if
    /// that is not enough (64 MiB are always allowed). Changed pictures are worked on one by one at the
    /// least, however little this is; scores that need more are refused.
    #[must_use]
    pub fn with_memory(self, memory: usize) -> Self {
        self.remade(|known| known.memory = memory)
    }

    /// The same, saying whether only those values of the network are computed that a change of the
    /// picture can reach (as is usual). Otherwise every changed picture is computed as a whole, which
    /// takes longer and, but for rounding, gives the same.
    #[must_use]
    pub fn incremental(self, incremental: bool) -> Self {
        self.remade(|known| known.incremental = incremental)
    }

    fn remade(self, change: impl FnOnce(&mut Known<'a>)) -> Self {
        let Self {
            known,
            progress,
            seen,
            walking,
        } = self;
        let mut remade = Known {
            found: Mutex::default(),
            picture: known.picture.clone(),
            ..*known
        };
        change(&mut remade);
        Self {
            known: Arc::new(remade),
            progress,
            seen,
            walking,
        }
    }

    /// The same network asked about another picture that was prepared alike, such as one with noise
    /// ([`Preprocess::changed`]), with the same memory and the same way of computing changes. It reports no
    /// progress.
    ///
    /// Gradients, activations and covered versions are those of the other picture's values. What is made of
    /// the pixels of its crop, such as superpixels and the baselines `mean` and `blur`, follows its crop.
    #[must_use]
    pub fn about<'b>(&self, input: &'b Input) -> Subject<'b>
    where
        'a: 'b,
    {
        self.asked_of(self.known.network, input)
    }

    /// The same subject, telling this how far a method is. What is computed of the picture stays shared.
    #[must_use]
    pub fn reporting_to<'b>(&self, progress: &'b Progress<'b>) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject {
            known: self.known.clone(),
            progress,
            seen: self.seen,
            walking: self.walking,
        }
    }

    /// The same subject, telling this what the network answers while windows are covered. What is computed of the
    /// picture stays shared.
    #[must_use]
    pub fn showing<'b>(&self, seen: &'b Seen<'b>) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject {
            known: self.known.clone(),
            progress: self.progress,
            seen: Some(seen),
            walking: self.walking,
        }
    }

    /// The same subject, and all that are made of it ([`Subject::about`]), telling this before every walk. What is
    /// computed of the picture stays shared.
    #[must_use]
    pub fn telling_of_walks<'b>(&self, walking: &'b Walking<'b>) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject {
            known: self.known.clone(),
            progress: self.progress,
            seen: self.seen,
            walking,
        }
    }

    /// To be called before every walk.
    pub(crate) fn walking(&self) {
        (self.walking)();
    }

    /// Tells what the network answered while a window was covered, to those who want to know.
    pub(crate) fn show(&self, rectangle: Option<Rectangle>, numbers: &[f32]) {
        if let (Some(seen), Some(rectangle)) = (self.seen, rectangle) {
            seen(&rectangle, numbers);
        }
    }

    /// Another network with another picture of the same size, asked with as much memory and in the same
    /// way. Nothing that was computed is shared.
    pub(crate) fn asked_of<'b>(&self, network: &'b Network, input: &'b Input) -> Subject<'b>
    where
        'a: 'b,
    {
        let mut subject = Subject::new(network, input, self.preprocess())
            .with_memory(self.known.memory)
            .incremental(self.known.incremental);
        subject.walking = self.walking;
        subject
    }

    /// Says what is still to be asked, so that the picture is walked once for all of it; what is not is
    /// given back.
    pub fn expect(&self, walks: Walks) {
        let mut found = self.found();
        found.expected = walks;
        if walks.changes {
            // What the walk back does not need any more is given back, the rest is of use.
            self.share_base(&mut found);
        } else {
            found.base = None;
        }
        if !walks.backward {
            found.forward = None;
        }
    }

    /// The network.
    pub fn network(&self) -> &'a Network {
        self.known.network
    }

    /// What the network's numbers mean.
    pub fn output(&self) -> Output {
        self.known.network.output()
    }

    /// The prepared picture.
    pub fn input(&self) -> &'a Input {
        self.known.input
    }

    /// How the picture was prepared, to prepare changed versions of it alike.
    pub fn preprocess(&self) -> &'a Preprocess {
        self.known.preprocess
    }

    /// The normalised picture as a batch of one, `[1, C, H, W]`.
    pub fn picture(&self) -> &Tensor {
        &self.known.picture
    }

    /// `[1, C, H, W]` of the picture.
    pub fn shape(&self) -> [usize; 4] {
        let [c, h, w] = self.known.input.shape();
        [1, c, h, w]
    }

    /// Rows and columns of the picture, and so of every map.
    pub fn size(&self) -> (usize, usize) {
        let [_, _, h, w] = self.shape();
        (h, w)
    }

    /// Bytes that may be used at once.
    pub fn memory(&self) -> usize {
        self.known.memory
    }

    /// Tells how far the method is: steps done, all steps.
    pub fn progress(&self, done: usize, all: usize) {
        (self.progress)(done, all);
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        let found = self.known.found.lock();
        found.unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers `[K]` that the network answers for the picture; [`Subject::output`] tells what they
    /// mean. Computed once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if any of them is not a number; [`Error::Output`] if they cannot be what
    /// [`Subject::output`] says; [`Error::Network`].
    pub fn numbers(&self) -> Result<Arc<Vec<f32>>, Error> {
        let mut found = self.found();
        if let Some(numbers) = &found.numbers {
            return Ok(numbers.clone());
        }
        if found.expected.backward && self.segments(self.network().folded()).is_ok() {
            self.forward_once(&mut found)?;
        } else if found.expected.changes && self.keeps_base()? {
            self.base_once(&mut found)?;
        } else {
            let graph = self.network().fused();
            self.allow(graph.peak_values(&self.shape())?)?;
            self.walking();
            let outputs = graph.logits(self.picture())?;
            self.note(&mut found, outputs.data())?;
        }
        let numbers = found.numbers.clone();
        Ok(numbers.expect("every walk forward notes them"))
    }

    /// Refuses numbers of the picture itself that are none, or not what they are taken for; keeps them.
    fn note(&self, found: &mut Found, outputs: &[f32]) -> Result<(), Error> {
        finite("the picture itself", outputs)?;
        self.output().check(outputs).map_err(Error::Output)?;
        if found.numbers.is_none() {
            found.numbers = Some(Arc::new(outputs.to_vec()));
        }
        Ok(())
    }

    /// How a walk back over a graph stays within memory.
    pub(crate) fn segments(&self, graph: &Graph) -> Result<Segments, Error> {
        let allowed = self.memory() / size_of::<f32>();
        let segments = graph.segments(&self.shape(), allowed)?;
        self.allow_from(segments.values(), ALWAYS_ALLOWED_BACK)?;
        Ok(segments)
    }

    /// The walk forward over [`Network::folded`], made once and shared.
    pub(crate) fn forward(&self) -> Result<Arc<Forward>, Error> {
        self.forward_once(&mut self.found())
    }

    fn forward_once(&self, found: &mut Found) -> Result<Arc<Forward>, Error> {
        if let Some(forward) = &found.forward {
            return Ok(forward.clone());
        }
        let graph = self.network().folded();
        let segments = self.segments(graph)?;
        self.walking();
        let activations = graph.forward_in_segments(self.picture(), &segments)?;
        self.note(found, activations.output().data())?;
        let forward = Arc::new(Forward {
            segments,
            activations,
        });
        if found.expected.backward {
            found.forward = Some(forward.clone());
        }
        Ok(forward)
    }

    /// Whether memory holds every value of the picture, to compute changes from.
    fn keeps_base(&self) -> Result<bool, Error> {
        let base = Incremental::base_values(self.network().fused(), &self.shape())?;
        Ok(self.known.incremental && self.allow(base).is_ok())
    }

    /// Takes the values to compute changes from out of the walk for gradients, if there was one.
    fn share_base(&self, found: &mut Found) {
        if let (None, Some(forward)) = (&found.base, &found.forward)
            && self.keeps_base().unwrap_or(false)
        {
            let (fused, folded) = (self.network().fused(), self.network().folded());
            found.base = forward.activations.in_the_form_of(fused, folded);
        }
    }

    fn base_once(&self, found: &mut Found) -> Result<Activations, Error> {
        self.share_base(found);
        if let Some(base) = &found.base {
            return Ok(base.clone());
        }
        let graph = self.network().fused();
        self.walking();
        let base = graph.forward(self.picture(), Mode::Inference, Keep::All)?;
        self.note(found, base.output().data())?;
        if found.expected.changes {
            found.base = Some(base.clone());
        }
        Ok(base)
    }

    /// Every value of the picture, to compute changes from; `None` if that is not wanted or takes more
    /// memory than is allowed.
    pub(crate) fn changes(&self) -> Result<Option<Incremental<'a>>, Error> {
        if !self.keeps_base()? {
            return Ok(None);
        }
        let base = self.base_once(&mut self.found())?;
        let graph = self.network().fused();
        Ok(Some(Incremental::on(graph, base, &self.shape())?))
    }

    /// Refuses work on one picture that takes more memory than is allowed. What every machine has
    /// is always allowed: [`ALWAYS_ALLOWED`].
    pub(crate) fn allow(&self, values: usize) -> Result<(), Error> {
        self.allow_from(values, ALWAYS_ALLOWED)
    }

    /// The same for work that is always allowed so many bytes.
    pub(crate) fn allow_from(&self, values: usize, always: usize) -> Result<(), Error> {
        let needed = values.saturating_mul(size_of::<f32>());
        if needed <= self.memory().max(always) {
            return Ok(());
        }
        let (height, width) = self.size();
        let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        Err(Error::Unfit(format!(
            "on a crop of {height}×{width} pixels the network's activations take {:.1} MiB, and {:.1} \
             MiB are allowed; choose a smaller crop or allow more memory",
            mebibytes(needed),
            mebibytes(self.memory()),
        )))
    }
}

/// Refuses numbers that are none.
pub(crate) fn finite(what: &str, values: &[f32]) -> Result<(), Error> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite { what: what.into() })
}

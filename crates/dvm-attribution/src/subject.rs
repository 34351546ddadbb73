//! What methods work on: a network with a prepared picture, and a cache of what was computed for it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dvm_engine::device::Device;
use dvm_engine::incremental::{Incremental, Rectangle};
use dvm_engine::{
    Activations, GradientCheck, Graph, Keep, Mode, Network, Output, Segments, Tensor,
};
use dvm_image::{Input, Preprocess};

use crate::Error;

/// A network and a prepared picture. The output for the picture and its forward pass are computed
/// once and shared by all methods.
#[derive(Clone)]
pub struct Subject<'a> {
    data: Arc<SubjectData<'a>>,
    progress: &'a Progress<'a>,
    window_observer: Option<&'a WindowObserver<'a>>,
    before_walk: &'a BeforeWalk<'a>,
}

/// Called with the number of finished steps and of all steps, from any thread.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Called before every pass through the network, from any thread. The caller can panic here to stop the work.
pub type BeforeWalk<'a> = dyn Fn() + Sync + 'a;

/// Called with a window and the outputs `[K]` of the network while it was covered, in any order and from any thread.
pub type WindowObserver<'a> = dyn Fn(&Rectangle, &[f32]) + Sync + 'a;

/// What was computed for a picture, for later use ([`Subject::cache`], [`Subject::with_cache`]).
#[derive(Clone, Default)]
pub struct PictureCache {
    numbers: Option<Arc<Vec<f32>>>,
    base: Option<Activations>,
}

impl PictureCache {
    /// This, completed with what an earlier cache of the same picture has.
    #[must_use]
    pub fn or(self, before: &Self) -> Self {
        Self {
            numbers: self.numbers.or_else(|| before.numbers.clone()),
            base: self.base.or_else(|| before.base.clone()),
        }
    }
}

/// What methods need of the unchanged picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walks {
    /// Gradients: a forward pass that keeps what the backward pass needs.
    pub backward: bool,
    /// Scores of pictures that differ in a rectangle: a forward pass that keeps every value.
    pub changes: bool,
}

impl Walks {
    /// Gradients alone.
    pub const BACKWARD: Self = Self {
        backward: true,
        changes: false,
    };

    /// Scores of pictures that differ in a rectangle alone.
    pub const CHANGES: Self = Self {
        backward: false,
        changes: true,
    };

    /// What either needs.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            backward: self.backward || other.backward,
            changes: self.changes || other.changes,
        }
    }
}

struct SubjectData<'a> {
    network: &'a Network,
    input: &'a Input,
    preprocess: &'a Preprocess,
    memory: usize,
    incremental: bool,
    /// The unchanged picture, `[1, C, H, W]`.
    picture: Tensor,
    found: Mutex<Computed>,
    gradient_check: Arc<OnceLock<GradientCheck>>,
}

/// What was computed for the picture so far.
#[derive(Default)]
struct Computed {
    expected: Walks,
    numbers: Option<Arc<Vec<f32>>>,
    forward: Option<Arc<Forward>>,
    base: Option<Activations>,
}

/// The forward pass of [`Network::folded`], with what the backward pass needs.
pub(crate) struct Forward {
    pub segments: Segments,
    pub activations: Activations,
}

/// Bytes that are allowed for one picture even if [`Subject::memory`] is less: 1 GiB.
const ALWAYS_ALLOWED: usize = 1 << 30;

/// Bytes that are allowed for a backward pass even if [`Subject::memory`] is less: 64 MiB, less
/// than the program itself needs.
pub(crate) const ALWAYS_ALLOWED_BACK: usize = 64 << 20;

/// Default memory for methods: 1 GiB.
const DEFAULT_MEMORY: usize = 1 << 30;

impl<'a> Subject<'a> {
    /// A network, a picture prepared for it, and the preprocessing. None of them is ever changed.
    pub fn new(network: &'a Network, input: &'a Input, preprocess: &'a Preprocess) -> Self {
        let [c, h, w] = input.shape();
        Self {
            data: Arc::new(SubjectData {
                network,
                input,
                preprocess,
                memory: DEFAULT_MEMORY,
                incremental: true,
                picture: Tensor::from_nchw(&[1, c, h, w], input.values()),
                found: Mutex::default(),
                gradient_check: Arc::default(),
            }),
            progress: &|_, _| {},
            window_observer: None,
            before_walk: &|| {},
        }
    }

    /// Uses what was computed for the same picture, network and memory before.
    #[must_use]
    pub fn with_cache(self, cache: PictureCache) -> Self {
        let mut found = self.found();
        found.numbers = cache.numbers;
        found.base = cache.base;
        drop(found);
        self
    }

    /// What was computed for the unchanged picture and can be used later: the output and, with
    /// [`Walks::changes`], the values that changes are computed from.
    pub fn cache(&self) -> PictureCache {
        let found = self.found();
        PictureCache {
            numbers: found.numbers.clone(),
            base: found.base.clone(),
        }
    }

    /// Sets the memory in bytes for activations, and for the scores of all targets, at once
    /// (default: 1 GiB). Gradients recompute parts of the network to stay within it, and are
    /// refused if that is not enough (64 MiB are always allowed). Changed pictures are computed at
    /// least one at a time, even if the memory is less; scores that need more are refused. If a device computes
    /// the network, its own memory is the limit of activations.
    #[must_use]
    pub fn with_memory(self, memory: usize) -> Self {
        self.changed(|data| data.memory = memory)
    }

    /// Sets whether only those values of the network are computed that a change of the picture can
    /// reach (the default). Otherwise every changed picture is computed as a whole, which takes
    /// longer; the results are equal within rounding. On a device every picture is computed as a whole.
    #[must_use]
    pub fn incremental(self, incremental: bool) -> Self {
        self.changed(|data| data.incremental = incremental)
    }

    fn changed(self, change: impl FnOnce(&mut SubjectData<'a>)) -> Self {
        let mut data = SubjectData {
            found: Mutex::default(),
            picture: self.data.picture.clone(),
            gradient_check: Arc::default(),
            ..*self.data
        };
        change(&mut data);
        Self {
            data: Arc::new(data),
            ..self
        }
    }

    /// The same network with another picture of the same preprocessing, such as one with noise
    /// ([`Preprocess::changed`]), with the same memory and the same way of computing changes. It
    /// does not report progress.
    ///
    /// Gradients, activations and covered versions use the values of the other picture. Superpixels
    /// and the baselines `mean` and `blur` use the pixels of its crop.
    #[must_use]
    pub fn with_input<'b>(&self, input: &'b Input) -> Subject<'b>
    where
        'a: 'b,
    {
        self.with_network(self.data.network, input)
    }

    /// Sets the function that progress is reported to. The cache is shared.
    #[must_use]
    pub fn with_progress<'b>(&self, progress: &'b Progress<'b>) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject {
            progress,
            ..self.clone()
        }
    }

    /// Sets the function that gets the outputs while windows are covered. The cache is shared.
    #[must_use]
    pub fn with_window_observer<'b>(&self, window_observer: &'b WindowObserver<'b>) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject {
            window_observer: Some(window_observer),
            ..self.clone()
        }
    }

    /// Sets the function that is called before every pass, also for subjects made from this one
    /// ([`Subject::with_input`]). The cache is shared.
    #[must_use]
    pub fn before_each_walk<'b>(&self, before_walk: &'b BeforeWalk<'b>) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject {
            before_walk,
            ..self.clone()
        }
    }

    /// Must be called before every pass.
    pub(crate) fn before_walk(&self) {
        (self.before_walk)();
    }

    /// Reports the outputs while a window was covered.
    pub(crate) fn report_window(&self, rectangle: Option<Rectangle>, numbers: &[f32]) {
        if let (Some(window_observer), Some(rectangle)) = (self.window_observer, rectangle) {
            window_observer(&rectangle, numbers);
        }
    }

    /// Another network with another picture of the same size, with the same memory and way of
    /// computing changes. Nothing is shared.
    pub(crate) fn with_network<'b>(&self, network: &'b Network, input: &'b Input) -> Subject<'b>
    where
        'a: 'b,
    {
        let mut subject = Subject::new(network, input, self.preprocess())
            .with_memory(self.data.memory)
            .incremental(self.data.incremental);
        subject.before_walk = self.before_walk;
        subject
    }

    /// Sets what will be needed of the picture, so that one forward pass serves all; frees everything else.
    pub fn expect_walks(&self, walks: Walks) {
        let mut found = self.found();
        found.expected = walks;
        if walks.changes {
            // Frees what only the backward pass needs, and keeps the rest.
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
        self.data.network
    }

    /// What the network's outputs mean.
    pub fn output(&self) -> Output {
        self.data.network.output()
    }

    /// The prepared picture.
    pub fn input(&self) -> &'a Input {
        self.data.input
    }

    /// The preprocessing, for changed versions of the picture.
    pub fn preprocess(&self) -> &'a Preprocess {
        self.data.preprocess
    }

    /// The normalised picture as a batch of one, `[1, C, H, W]`.
    pub fn picture(&self) -> &Tensor {
        &self.data.picture
    }

    /// `[1, C, H, W]` of the picture.
    pub fn shape(&self) -> [usize; 4] {
        let [c, h, w] = self.data.input.shape();
        [1, c, h, w]
    }

    /// Rows and columns of the picture, and so of every map.
    pub fn size(&self) -> (usize, usize) {
        let [_, _, h, w] = self.shape();
        (h, w)
    }

    /// Bytes that may be used at once.
    pub fn memory(&self) -> usize {
        self.data.memory
    }

    /// The device that computes the network; `None` for the CPU.
    pub(crate) fn device(&self) -> Option<&'a dyn Device> {
        self.data.network.device()
    }

    /// Bytes that a pass through the network may use: [`Subject::memory`], or the memory of the device.
    pub(crate) fn walk_memory(&self) -> usize {
        self.device().map_or(self.memory(), Device::memory)
    }

    /// The gradient check ([`Subject::check_gradient`]) that methods relied on; empty until one needs the true
    /// gradient of this picture.
    pub fn gradient_checked(&self) -> &Arc<OnceLock<GradientCheck>> {
        &self.data.gradient_check
    }

    /// Reports progress: finished steps, all steps.
    pub fn progress(&self, done: usize, all: usize) {
        (self.progress)(done, all);
    }

    fn found(&self) -> MutexGuard<'_, Computed> {
        let found = self.data.found.lock();
        found.unwrap_or_else(PoisonError::into_inner)
    }

    /// The outputs `[K]` of the network for the picture; [`Subject::output`] says what they mean. Computed once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if any of them is not finite; [`Error::Output`] if they contradict
    /// [`Subject::output`]; [`Error::Network`].
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
            self.before_walk();
            let outputs = graph.logits(self.picture())?;
            self.note(&mut found, outputs.data())?;
        }
        let numbers = found.numbers.clone();
        Ok(numbers.expect("every forward pass stores them"))
    }

    /// Checks and stores the outputs for the unchanged picture.
    fn note(&self, found: &mut Computed, outputs: &[f32]) -> Result<(), Error> {
        finite("the picture itself", outputs)?;
        self.output().check(outputs).map_err(Error::Output)?;
        if found.numbers.is_none() {
            found.numbers = Some(Arc::new(outputs.to_vec()));
        }
        Ok(())
    }

    /// The segments with which a backward pass over a graph stays within memory.
    pub(crate) fn segments(&self, graph: &Graph) -> Result<Segments, Error> {
        let allowed = self.walk_memory() / size_of::<f32>();
        let segments = graph.segments(&self.shape(), allowed)?;
        self.allow_from(segments.values(), ALWAYS_ALLOWED_BACK)?;
        Ok(segments)
    }

    /// The forward pass of [`Network::folded`], made once and shared.
    pub(crate) fn forward(&self) -> Result<Arc<Forward>, Error> {
        self.forward_once(&mut self.found())
    }

    fn forward_once(&self, found: &mut Computed) -> Result<Arc<Forward>, Error> {
        if let Some(forward) = &found.forward {
            return Ok(forward.clone());
        }
        let graph = self.network().folded();
        let segments = self.segments(graph)?;
        self.before_walk();
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

    /// Whether every value of the picture fits in memory, to compute changes from. Devices compute whole pictures.
    fn keeps_base(&self) -> Result<bool, Error> {
        if !self.data.incremental || self.device().is_some() {
            return Ok(false);
        }
        let base = Incremental::base_values(self.network().fused(), &self.shape())?;
        Ok(self.allow(base).is_ok())
    }

    /// Takes the values to compute changes from out of the forward pass for gradients, if there was one.
    fn share_base(&self, found: &mut Computed) {
        if let (None, Some(forward)) = (&found.base, &found.forward)
            && self.keeps_base().unwrap_or(false)
        {
            let (fused, folded) = (self.network().fused(), self.network().folded());
            found.base = forward.activations.in_the_form_of(fused, folded);
        }
    }

    fn base_once(&self, found: &mut Computed) -> Result<Activations, Error> {
        self.share_base(found);
        if let Some(base) = &found.base {
            return Ok(base.clone());
        }
        let graph = self.network().fused();
        self.before_walk();
        let base = graph.forward(self.picture(), Mode::Inference, Keep::All)?;
        self.note(found, base.output().data())?;
        if found.expected.changes {
            found.base = Some(base.clone());
        }
        Ok(base)
    }

    /// Every value of the picture, to compute changes from; `None` if this is turned off or needs too much memory.
    pub(crate) fn changes(&self) -> Result<Option<Incremental<'a>>, Error> {
        if !self.keeps_base()? {
            return Ok(None);
        }
        let base = self.base_once(&mut self.found())?;
        let graph = self.network().fused();
        Ok(Some(Incremental::on(graph, base, &self.shape())?))
    }

    /// Refuses work on one picture that needs too much memory; [`ALWAYS_ALLOWED`] is always allowed.
    pub(crate) fn allow(&self, values: usize) -> Result<(), Error> {
        self.allow_from(values, ALWAYS_ALLOWED)
    }

    /// The same with another number of bytes that are always allowed.
    pub(crate) fn allow_from(&self, values: usize, always: usize) -> Result<(), Error> {
        let needed = values.saturating_mul(size_of::<f32>());
        if needed <= self.walk_memory().max(always) {
            return Ok(());
        }
        let (height, width) = self.size();
        let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        let remedy = match self.device() {
            None => "choose a smaller crop or a higher memory limit",
            Some(_) => "choose a smaller crop, or compute on the CPU",
        };
        Err(Error::Unfit(format!(
            "on a crop of {height}×{width} pixels the network's activations need {:.1} MiB; the \
             limit is {:.1} MiB: {remedy}",
            mebibytes(needed),
            mebibytes(self.walk_memory()),
        )))
    }

    /// Refuses work that needs more bytes than the memory, and more than [`ALWAYS_ALLOWED_BACK`]. The error says
    /// `what` needs them, and what to `choose`.
    pub(crate) fn allow_bytes(
        &self,
        needed: usize,
        what: impl FnOnce() -> String,
        choose: &str,
    ) -> Result<(), Error> {
        if needed <= self.memory().max(ALWAYS_ALLOWED_BACK) {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "{} {} MiB; the limit is {} MiB: choose {choose}",
            what(),
            needed.div_ceil(1 << 20),
            self.memory() >> 20
        )))
    }
}

/// Refuses NaN and infinity.
pub(crate) fn finite(what: &str, values: &[f32]) -> Result<(), Error> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite { what: what.into() })
}

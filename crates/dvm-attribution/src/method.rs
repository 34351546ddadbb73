//! What a method is given and what it returns.

use std::sync::Arc;

use dvm_engine::{Graph, Network, Tensor};
use dvm_image::{Input, Preprocess};
use serde_json::{Map, Value};

use crate::Error;

/// What a method works on.
pub struct Scene<'a> {
    /// The network; it is never changed.
    pub network: &'a Network,
    /// The prepared picture.
    pub input: &'a Input,
    /// How the picture was prepared, to prepare covered versions of it alike.
    pub preprocess: &'a Preprocess,
    /// Bytes that activations, and scores kept for every class, may take at once. Gradients compute
    /// parts of the network again to stay within it, and are refused if that is not enough (64 MiB
    /// are always allowed). Covered pictures are worked on one by one at the least, however little
    /// this is; scores that need more are refused.
    pub memory: usize,
    /// Whether only those values of the network are computed that a change of the picture can
    /// reach. Otherwise every changed picture is computed as a whole, which takes longer and, but
    /// for rounding, gives the same.
    pub incremental: bool,
    /// Told how far the method is.
    pub progress: &'a Progress<'a>,
}

/// Called with the number of steps done and of all steps, from any thread.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

impl Scene<'_> {
    /// The normalised picture as a batch of one, `[1, C, H, W]`.
    pub fn batch_of_one(&self) -> Tensor {
        Tensor::from_nchw(&self.shape_of_one(), self.input.values())
    }

    pub(crate) fn shape_of_one(&self) -> [usize; 4] {
        let [c, h, w] = self.input.shape();
        [1, c, h, w]
    }

    /// The numbers `[K]` that the network answers for the picture; [`Network::output`] tells what they
    /// mean.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if any of them is not a number; [`Error::Output`] if they cannot be what
    /// [`Network::output`] says; [`Error::Network`].
    pub fn outputs(&self) -> Result<Vec<f32>, Error> {
        let graph = self.network.fused();
        self.allow(graph.peak_values(&self.shape_of_one())?)?;
        let outputs = graph.logits(&self.batch_of_one())?;
        self.check(outputs.data())?;
        Ok(outputs.data().to_vec())
    }

    /// How many pictures may be worked on at once so that `graph`'s activations stay within
    /// [`Scene::memory`].
    ///
    /// # Errors
    /// [`Error::Network`] if the graph cannot take the picture.
    pub fn batch_size(&self, graph: &Graph) -> Result<usize, Error> {
        let values = graph.peak_values(&self.shape_of_one())?;
        Ok((self.memory / (values * size_of::<f32>())).clamp(1, LARGEST_BATCH))
    }
}

impl Scene<'_> {
    /// Refuses numbers of the picture itself that are none, or not what they are taken for.
    pub(crate) fn check(&self, outputs: &[f32]) -> Result<(), Error> {
        finite("the picture itself", outputs)?;
        self.network.output().check(outputs).map_err(Error::Output)
    }

    /// Refuses work on one picture that takes more memory than is allowed. What every machine has
    /// is always allowed: [`ALWAYS_ALLOWED`].
    pub(crate) fn allow(&self, values: usize) -> Result<(), Error> {
        self.allow_from(values, ALWAYS_ALLOWED)
    }

    /// The same for work that is always allowed so many bytes.
    pub(crate) fn allow_from(&self, values: usize, always: usize) -> Result<(), Error> {
        let needed = values.saturating_mul(size_of::<f32>());
        if needed <= self.memory.max(always) {
            return Ok(());
        }
        let (height, width) = self.preprocess.crop;
        let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        Err(Error::Unfit(format!(
            "on a crop of {height}×{width} pixels the network's activations take {:.1} MiB, and {:.1} \
             MiB are allowed; choose a smaller crop or more --memory",
            mebibytes(needed),
            mebibytes(self.memory),
        )))
    }
}

/// Bytes that one picture may take whatever [`Scene::memory`] says: 1 GiB.
const ALWAYS_ALLOWED: usize = 1 << 30;

/// Larger batches make nothing faster: the caches are full long before.
const LARGEST_BATCH: usize = 8;

/// Refuses numbers that are none.
pub(crate) fn finite(what: &str, values: &[f32]) -> Result<(), Error> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite { what: what.into() })
}

/// A way of finding out what in the picture moved the network.
pub trait Method: Send + Sync {
    /// Asks the network all that has to be asked once, whatever the class.
    ///
    /// # Errors
    /// [`Error`]: rather none than a wrong map.
    fn observe<'a>(&'a self, scene: &'a Scene<'a>) -> Result<Box<dyn Observation + 'a>, Error>;

    /// Every setting that shapes the map, with its value, for the record.
    fn parameters(&self) -> Map<String, Value>;

    /// One map for each class of `targets`, in their order.
    ///
    /// # Errors
    /// As [`Method::observe`] and [`Observation::attribution`].
    fn attribute(&self, scene: &Scene, targets: &[usize]) -> Result<Vec<Attribution>, Error> {
        let observation = self.observe(scene)?;
        targets
            .iter()
            .map(|&target| observation.attribution(target))
            .collect()
    }
}

/// What a method knows of one picture, from which the map of any class follows. Maps are made one
/// at a time, so that a thousand classes take no more memory than one.
pub trait Observation {
    /// The map of one class.
    ///
    /// # Errors
    /// [`Error`]: rather none than a wrong map.
    fn attribution(&self, target: usize) -> Result<Attribution, Error>;
}

/// What a map's numbers mean, and so how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// From 0, nothing, upwards.
    Magnitude,
    /// Above 0 for the class, below 0 against it.
    Signed,
    /// A score that is neither: low means that covering this place hurt the class.
    Level,
}

/// The map of one class.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// Index of the class.
    pub target: usize,
    /// The name above the map, with the settings that matter most: `occlusion 20/10`.
    pub title: String,
    /// What is measured, for the colour bar: `drop in probability`.
    pub quantity: String,
    /// Which score of the class the map is about: `probability`, `logit` or `log-probability`.
    pub score: &'static str,
    /// One value per pixel of the network's input, `[H, W]`, row-major, never rescaled.
    pub map: Vec<f32>,
    /// Rows and columns of `map`.
    pub size: (usize, usize),
    /// The same for the eye, where the map is coarse: smooth between the cells, `[H, W]`.
    pub smooth: Option<Vec<f32>>,
    /// What was computed before it was reduced to one map.
    pub raw: Raw,
    /// What the numbers mean.
    pub nature: Nature,
    /// What a reader of the map must know.
    pub warnings: Vec<String>,
}

/// An array as it was computed, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw {
    /// `[C, H, W]` for gradients, channels in the network's order (`Preprocess::channels`);
    /// `[classes, rows, columns]` for occlusion.
    pub shape: Vec<usize>,
    /// The values; maps of several classes share them.
    pub values: Arc<Vec<f32>>,
    /// Whether it holds what was computed for all classes, and so is the same for each.
    pub is_of_all_classes: bool,
}

impl Attribution {
    /// The same with a warning if the map says nothing.
    #[must_use]
    pub(crate) fn checked(mut self) -> Self {
        if self.nature != Nature::Level && self.map.iter().all(|&v| v == 0.0) {
            self.warnings.push(
                "the map is zero everywhere: by this method nothing in the picture moves this class"
                    .into(),
            );
        }
        self
    }
}

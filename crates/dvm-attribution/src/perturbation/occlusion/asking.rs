//! The two ways in which the network answers for a covered picture: from its values for the picture
//! itself, or anew.

use dvm_engine::incremental::{Change, Incremental, Rectangle};
use dvm_engine::{Graph, Tensor};

use super::windows::Windows;
use crate::{Error, Scene};

/// Groups of windows that are worked on side by side at most. Each has this part of the memory
/// whatever the number of threads, so that nothing computed depends on it.
const MOST_LANES: usize = 8;

/// A network that is asked about groups of covered pictures.
pub(super) struct Asking<'a> {
    way: Way<'a>,
    /// Groups that may be asked about side by side.
    pub lanes: usize,
}

enum Way<'a> {
    /// Only what a window can change is computed.
    Incremental {
        incremental: Incremental<'a>,
        /// Values that a group may have alive at once.
        values: usize,
    },
    /// Every covered picture is computed as a whole, in batches of this size.
    BruteForce { graph: &'a Graph, batch: usize },
}

impl<'a> Asking<'a> {
    /// Asks as the scene wants, within its memory.
    pub fn new(scene: &Scene<'a>, picture: &Tensor) -> Result<Self, Error> {
        let graph = scene.network.fused();
        let base = Incremental::base_values(graph, picture.shape())?;
        if !scene.incremental || scene.allow(base).is_err() {
            let batch = scene.batch_size(graph)?;
            return Ok(Self {
                way: Way::BruteForce { graph, batch },
                lanes: 1,
            });
        }
        let room = (scene.memory / size_of::<f32>()).saturating_sub(base);
        let side_by_side = room / graph.peak_values(picture.shape())?.max(1);
        let threads = rayon::current_num_threads();
        Ok(Self {
            way: Way::Incremental {
                incremental: Incremental::new(graph, picture)?,
                values: room / MOST_LANES,
            },
            lanes: side_by_side.clamp(1, threads.min(MOST_LANES)),
        })
    }

    /// Numbers of windows that are worked on together.
    pub fn groups(&self, scene: &Scene, windows: &Windows) -> Vec<Vec<usize>> {
        match &self.way {
            Way::Incremental { incremental, .. } => {
                let influences: Vec<Rectangle> = (0..windows.count())
                    .map(|window| windows.influence(scene, window))
                    .collect();
                incremental.groups(&influences)
            }
            Way::BruteForce { batch, .. } => {
                let all: Vec<usize> = (0..windows.count()).collect();
                all.chunks(*batch).map(<[usize]>::to_vec).collect()
            }
        }
    }

    /// What is to be known of a covered picture, stored `H, W, 3`, that differs from `picture`.
    pub fn change(&self, picture: &Tensor, covered: Vec<f32>) -> Option<Change> {
        let &[_, channels, height, width] = picture.shape() else {
            unreachable!("a picture is [1, C, H, W]");
        };
        match self.way {
            Way::Incremental { .. } => Change::between(picture.data(), &covered, width, channels),
            Way::BruteForce { .. } => Some(Change {
                rectangle: Rectangle::whole((height, width)),
                values: covered,
            }),
        }
    }

    /// The logits `[N, K]` of the picture with each of these changes.
    pub fn logits(&self, picture: &Tensor, changes: Vec<Change>) -> Result<Tensor, Error> {
        match &self.way {
            Way::Incremental {
                incremental,
                values,
            } => Ok(incremental.logits(&changes, *values)?),
            Way::BruteForce { graph, .. } => {
                let mut shape = picture.shape().to_vec();
                shape[0] = changes.len();
                let pictures: Vec<Vec<f32>> = changes.into_iter().map(|c| c.values).collect();
                Ok(graph.logits(&Tensor::from_stored(&shape, pictures.concat()))?)
            }
        }
    }
}

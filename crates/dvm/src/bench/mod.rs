//! Measures how long a network takes for each kind of work.

mod memory;
mod train;

use std::time::Instant;

use dvm_attribution::{Attribution, Target};
use dvm_engine::device::Device;
use dvm_engine::rules::guided_backprop;
use dvm_engine::{Keep, Lap, Mode, Request, Tensor, seeded};
use dvm_image::{Input, Limits, Picture, decode, encode_png};

pub(crate) use self::memory::of_machine as machine_memory;
use self::train::Training;
use crate::numbers::median;
use crate::{Classifier, DEFAULT_METHODS, Error, Explain, Settings};

/// The work that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A batch of pictures to its logits.
    Forward,
    /// Guided backprop of a batch: forward, keeping what backward needs, and back to the pictures.
    Backward,
    /// A step of training on a batch, from scratch, by Adam.
    Train,
    /// The occlusion map of one prepared picture, all classes at once.
    Occlusion,
    /// The map of one class of one prepared picture by one method ([`Bench::with_method`]); the default is
    /// occlusion.
    Map,
    /// From a picture file to a figure file, both in memory, with [`DEFAULT_METHODS`].
    Explain,
}

impl Work {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Forward,
        Self::Backward,
        Self::Train,
        Self::Occlusion,
        Self::Map,
        Self::Explain,
    ];

    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Train => "train",
            Self::Occlusion => "occlusion",
            Self::Map => "map",
            Self::Explain => "explain",
        }
    }

    /// A description in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Forward => "A batch of pictures to logits",
            Self::Backward => "Guided backprop of a batch: forward, and back to the pictures",
            Self::Train => "A step of training: forward, back to all parameters, and Adam",
            Self::Map => "The map of one class of one picture, by any method",
            Self::Occlusion => "The occlusion map of one picture, all classes at once",
            Self::Explain => "From a picture file to a figure file, with the default methods",
        }
    }

    /// The methods whose options the work takes, separated by commas.
    fn methods(self) -> Option<&'static str> {
        match self {
            Self::Forward | Self::Backward | Self::Train => None,
            Self::Occlusion | Self::Map => Some("occlusion"),
            Self::Explain => Some(DEFAULT_METHODS),
        }
    }
}

/// A kind of work with its settings.
pub struct Bench {
    work: Work,
    batch: usize,
    runs: usize,
    /// The methods of [`Work::Occlusion`], [`Work::Map`] and [`Work::Explain`], with their settings.
    pub explain: Explain,
}

impl Bench {
    /// This work on one picture, five runs, with the default settings of the methods.
    pub fn new(work: Work) -> Self {
        Self {
            work,
            batch: 1,
            runs: 5,
            explain: Explain::methods(work.methods().unwrap_or(DEFAULT_METHODS))
                .expect("these are registered"),
        }
    }

    /// Sets options of its methods.
    ///
    /// # Errors
    /// As [`Explain::with_settings`]; [`Error::Usage`] for any setting of work without methods.
    pub fn with_settings(mut self, settings: &Settings) -> Result<Self, Error> {
        match (self.work.methods(), settings.names().next()) {
            (_, None) => {}
            (Some(methods), _) => self.explain = Explain::with_settings(methods, settings)?,
            (None, Some(option)) => {
                return Err(Error::Usage(format!(
                    "`{option}` is an option of methods, and `{}` uses no method",
                    self.work.name()
                )));
            }
        }
        Ok(self)
    }

    /// Sets the method of [`Work::Map`] and its options.
    ///
    /// # Errors
    /// As [`Explain::with_settings`]; [`Error::Usage`] for other work.
    pub fn with_method(mut self, method: &str, settings: &Settings) -> Result<Self, Error> {
        if self.work != Work::Map {
            return Err(Error::Usage(format!(
                "only `map` takes a method; `{}` does not",
                self.work.name()
            )));
        }
        self.explain = Explain::with_settings(method, settings)?;
        Ok(self)
    }

    /// Sets the number of pictures in a batch.
    ///
    /// # Errors
    /// [`Error::Usage`] for 0, or for more than 1 where the work is on one picture.
    pub fn with_batch(mut self, batch: usize) -> Result<Self, Error> {
        if batch == 0 || batch > 1 && self.work.methods().is_some() {
            return Err(Error::Usage(format!(
                "`{}` cannot run on a batch of {batch}: only `forward`, `backward` and `train` take batches, of 1 or more",
                self.work.name()
            )));
        }
        self.batch = batch;
        Ok(self)
    }

    /// Sets the number of runs, at least 1.
    #[must_use]
    pub fn with_runs(mut self, runs: usize) -> Self {
        self.runs = runs.max(1);
        self
    }
}

/// The result of timing.
pub struct Measured {
    /// Seconds of each run, shortest first.
    pub seconds: Vec<f64>,
    /// Multiply-adds of convolutions and linear layers that one run would take if all were computed
    /// directly: of occlusion, one whole forward pass per window. `None` for [`Work::Map`] and
    /// [`Work::Explain`].
    pub multiply_adds: Option<u64>,
    /// Bytes of the weights, f32, once.
    pub weights_bytes: usize,
    /// The peak memory of the whole process during the work; `None` on systems other than Linux.
    pub peak_memory_bytes: Option<usize>,
    /// The time by kind of op, summed over all runs, if the network has a stopwatch.
    pub laps: Vec<Lap>,
}

impl Measured {
    /// The median of the runs' seconds.
    pub fn median(&self) -> f64 {
        median(self.seconds.clone())
    }

    /// 10⁹ floating-point operations per second, two for each of
    /// [`multiply_adds`](Self::multiply_adds), by the median.
    pub fn gflops(&self) -> Option<f64> {
        Some(2.0 * self.multiply_adds? as f64 / self.median() / 1e9)
    }
}

impl Classifier {
    /// Runs the work once untimed, so that the weights are packed for the kernels, and then
    /// [`with_runs`](Bench::with_runs) times. The pictures are the same noise each time.
    ///
    /// # Errors
    /// Those of the work itself: [`Error::Network`], [`Error::Method`], [`Error::NotFinite`].
    pub fn bench(&self, bench: &Bench) -> Result<Measured, Error> {
        memory::reset_peak();
        let mut step = self.step(bench)?;
        let multiply_adds = step()?;
        let stopwatch = self.network().stopwatch();
        if let Some(stopwatch) = stopwatch {
            stopwatch.reset();
        }
        let mut seconds = Vec::with_capacity(bench.runs);
        // A device computes in the background.
        let finish = || self.network().device().map_or(Ok(()), Device::finish);
        finish()?;
        for _ in 0..bench.runs {
            let start = Instant::now();
            step()?;
            finish()?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let weights = self.network().graph().values().iter();
        Ok(Measured {
            seconds,
            multiply_adds,
            weights_bytes: weights.map(|value| value.len() * size_of::<f32>()).sum(),
            peak_memory_bytes: memory::peak(),
            laps: stopwatch.map_or_else(Vec::new, |stopwatch| stopwatch.laps()),
        })
    }

    /// Prepares the work; each call of the result is one run and returns its multiply-adds.
    fn step<'a>(&'a self, bench: &'a Bench) -> Result<Box<Step<'a>>, Error> {
        let target = 3.min(self.classes().len() - 1);
        Ok(match bench.work {
            Work::Forward => {
                let pictures = self.pictures(bench.batch);
                let graph = self.network().fused();
                let products = graph.multiply_adds(pictures.shape())?;
                Box::new(move || {
                    graph.logits(&pictures)?;
                    Ok(Some(products))
                })
            }
            Work::Backward => {
                let pictures = self.pictures(bench.batch);
                let products = self.network().folded().multiply_adds(pictures.shape())?;
                Box::new(move || {
                    self.guided_backprop(&pictures, target)?;
                    // As many for the gradients of inputs; those of weights are not computed.
                    Ok(Some(2 * products))
                })
            }
            Work::Train => {
                let mut training = Training::new(self, self.pictures(bench.batch))?;
                Box::new(move || training.step().map(Some))
            }
            Work::Map => {
                let input = self.prepare(noise())?;
                Box::new(move || {
                    self.maps(&bench.explain, &input, target)?;
                    Ok(None)
                })
            }
            Work::Occlusion => {
                let input = self.prepare(noise())?;
                let [c, h, w] = input.shape();
                let products = self.network().fused().multiply_adds(&[1, c, h, w])?;
                Box::new(move || {
                    let maps = self.maps(&bench.explain, &input, target)?;
                    let windows: usize = maps[0].raw().shape[1..].iter().product();
                    Ok(Some((windows as u64 + 1) * products))
                })
            }
            Work::Explain => {
                let file = encode_png(&noise());
                Box::new(move || {
                    let picture = decode(&file, &Limits::default()).expect("it was just encoded");
                    for explanation in self.explain(picture, &bench.explain)? {
                        encode_png(&explanation.figure());
                    }
                    Ok(None)
                })
            }
        })
    }

    /// The map of a class by the first method.
    fn maps(
        &self,
        explain: &Explain,
        input: &Input,
        class: usize,
    ) -> Result<Vec<Attribution>, Error> {
        let (entry, method) = explain.first();
        let subject = self.subject(input, explain.memory, explain.incremental);
        subject.expect_walks(method.walks());
        let maps = method.attribute(&subject, &[Target::Class(class)]);
        maps.map_err(|source| Error::Method {
            method: entry.name,
            source,
        })
    }

    /// Forward, and backward to the pictures by the rules of guided backprop.
    fn guided_backprop(&self, pictures: &Tensor, target: usize) -> Result<(), Error> {
        let graph = self.network().folded();
        let activations = graph.forward(pictures, Mode::Inference, Keep::All)?;
        let logits = activations.output();
        let mut seed = Tensor::zeros(logits.shape());
        for row in seed.data_mut().chunks_exact_mut(logits.shape()[1]) {
            row[target] = 1.0;
        }
        let request = Request {
            nodes: &[graph.input()],
            parameters: &|_| false,
            rules: &guided_backprop(),
        };
        graph.backward(&activations, &[(graph.output(), seed)], &request)?;
        Ok(())
    }

    /// A batch of normalised noise.
    fn pictures(&self, batch: usize) -> Tensor {
        let (height, width) = self.preprocess().crop;
        let shape = [batch, self.preprocess().channels.count(), height, width];
        let values = seeded::uniform("pictures", shape.iter().product(), -2.0, 2.0);
        Tensor::from_nchw(&shape, &values)
    }
}

type Step<'a> = dyn FnMut() -> Result<Option<u64>, Error> + 'a;

/// A picture of noise, 256 pixels square.
fn noise() -> Picture {
    let colours = seeded::unit("picture", 3 * 256 * 256);
    let colours = colours.into_iter().map(|u| (u * 256.0) as u8).collect();
    Picture::new(256, 256, colours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_runs_is_the_mean_of_the_middle_two() {
        let measured = |seconds: &[f64]| Measured {
            seconds: seconds.to_vec(),
            multiply_adds: Some(3_000_000_000),
            weights_bytes: 0,
            peak_memory_bytes: None,
            laps: Vec::new(),
        };
        assert_eq!(measured(&[1.0, 2.0, 9.0]).median(), 2.0);
        assert_eq!(measured(&[1.0, 2.0, 4.0, 9.0]).median(), 3.0);
        assert_eq!(measured(&[1.0, 2.0, 4.0, 9.0]).gflops(), Some(2.0));
    }

    #[test]
    fn options_that_the_work_does_not_take_are_errors() {
        let window = Settings::new().with("window", 32);
        assert!(Bench::new(Work::Occlusion).with_settings(&window).is_ok());
        assert!(Bench::new(Work::Explain).with_settings(&window).is_ok());
        let refused = Bench::new(Work::Forward).with_settings(&window).err();
        let why = "`window` is an option of methods, and `forward` uses no method";
        assert_eq!(refused.unwrap().to_string(), why);
        assert!(Bench::new(Work::Backward).with_batch(2).is_ok());
        assert!(Bench::new(Work::Backward).with_batch(0).is_err());
        assert!(Bench::new(Work::Explain).with_batch(2).is_err());
    }
}

//! How long a network takes for each kind of work.

mod memory;
mod train;

use std::time::Instant;

use dvm_attribution::{Subject, Target, registry};
use dvm_engine::rules::guided_backprop;
use dvm_engine::{Keep, Lap, Mode, Request, Tensor, seeded};
use dvm_image::{Limits, Picture, decode, encode_png};

use self::train::Training;
use crate::{Classifier, DEFAULT_METHODS, Error, Explain, Settings};

/// What is timed.
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
    /// The map of one class of one prepared picture by one method ([`Bench::with_method`]), occlusion if not
    /// said.
    Map,
    /// The file of a picture to the file of a figure, both in memory, by [`DEFAULT_METHODS`].
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

    /// The word for it.
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

    /// What it is, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Forward => "A batch of pictures to its logits",
            Self::Backward => "Guided backprop of a batch: forward, and back to the pictures",
            Self::Train => "A step of training: forward, back to all parameters, and Adam",
            Self::Map => "The map of one class of one picture by any method",
            Self::Occlusion => "The occlusion map of one picture, all classes at once",
            Self::Explain => "The bytes of a picture to those of a figure, by the usual methods",
        }
    }

    /// The methods whose settings shape it, separated by commas.
    fn methods(self) -> Option<&'static str> {
        match self {
            Self::Forward | Self::Backward | Self::Train => None,
            Self::Occlusion | Self::Map => Some("occlusion"),
            Self::Explain => Some(DEFAULT_METHODS),
        }
    }
}

/// A kind of work with all that shapes it.
pub struct Bench {
    work: Work,
    batch: usize,
    runs: usize,
    /// How [`Work::Occlusion`], [`Work::Map`] and [`Work::Explain`] are done.
    pub explain: Explain,
}

impl Bench {
    /// This work on one picture, five times, by the methods' defaults.
    pub fn new(work: Work) -> Self {
        Self {
            work,
            batch: 1,
            runs: 5,
            explain: Explain::methods(work.methods().unwrap_or(DEFAULT_METHODS))
                .expect("these are registered"),
        }
    }

    /// The same with settings of its methods.
    ///
    /// # Errors
    /// As [`Explain::with_settings`]; [`Error::Usage`] for any setting of work without methods.
    pub fn with_settings(mut self, settings: &Settings) -> Result<Self, Error> {
        match (self.work.methods(), settings.names().next()) {
            (_, None) => {}
            (Some(methods), _) => self.explain = Explain::with_settings(methods, settings)?,
            (None, Some(option)) => {
                return Err(Error::Usage(format!(
                    "`{option}` is an option of methods, and {} has none",
                    self.work.name()
                )));
            }
        }
        Ok(self)
    }

    /// The same by this method with these settings, for [`Work::Map`].
    ///
    /// # Errors
    /// As [`Explain::with_settings`]; [`Error::Usage`] for other work.
    pub fn with_method(mut self, method: &str, settings: &Settings) -> Result<Self, Error> {
        if self.work != Work::Map {
            return Err(Error::Usage(format!(
                "a method is an option of map, not of {}",
                self.work.name()
            )));
        }
        self.explain = Explain::with_settings(method, settings)?;
        Ok(self)
    }

    /// The same on this many pictures at once.
    ///
    /// # Errors
    /// [`Error::Usage`] for none, or for more than one where the work is on one picture.
    pub fn with_batch(mut self, batch: usize) -> Result<Self, Error> {
        if batch == 0 || batch > 1 && self.work.methods().is_some() {
            return Err(Error::Usage(format!(
                "a batch of {batch} cannot be had of {}: batches are of forward, backward and train",
                self.work.name()
            )));
        }
        self.batch = batch;
        Ok(self)
    }

    /// The same so many times, at least once.
    #[must_use]
    pub fn with_runs(mut self, runs: usize) -> Self {
        self.runs = runs.max(1);
        self
    }
}

/// What timing found.
pub struct Measured {
    /// Seconds of each run, shortest first.
    pub seconds: Vec<f64>,
    /// Multiply-adds of convolutions and linear layers that one run would take if all were computed
    /// directly: of occlusion, one whole forward pass per window. `None` for [`Work::Map`] and
    /// [`Work::Explain`].
    pub multiply_adds: Option<u64>,
    /// Bytes of the weights, f32, once.
    pub weights_bytes: usize,
    /// The most memory that the process held while the work was done, weights, program and all;
    /// `None` where the system does not tell.
    pub peak_memory_bytes: Option<usize>,
    /// Where the time went, all runs together, if the network carries a stopwatch.
    pub laps: Vec<Lap>,
}

impl Measured {
    /// The median of the runs' seconds.
    pub fn median(&self) -> f64 {
        let (below, above) = ((self.seconds.len() - 1) / 2, self.seconds.len() / 2);
        f64::midpoint(self.seconds[below], self.seconds[above])
    }

    /// 10⁹ floating-point operations per second, two for each of
    /// [`multiply_adds`](Self::multiply_adds), by the median.
    pub fn gflops(&self) -> Option<f64> {
        Some(2.0 * self.multiply_adds? as f64 / self.median() / 1e9)
    }
}

impl Classifier {
    /// Does the work once without looking at the clock, so that weights are in the form in which
    /// kernels want them, and then as often as asked. The pictures are noise, always the same.
    ///
    /// # Errors
    /// Those of the work itself: [`Error::Network`], [`Error::Method`], [`Error::NotFinite`].
    pub fn bench(&self, bench: &Bench) -> Result<Measured, Error> {
        memory::forget_peak();
        let mut step = self.step(bench)?;
        let multiply_adds = step()?;
        let stopwatch = self.network().stopwatch();
        if let Some(stopwatch) = stopwatch {
            stopwatch.reset();
        }
        let mut seconds = Vec::with_capacity(bench.runs);
        for _ in 0..bench.runs {
            let start = Instant::now();
            step()?;
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

    /// One run of the work, which gives its multiply-adds.
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
                let (entry, method) = bench.explain.first();
                Box::new(move || {
                    let subject = Subject::new(self.network(), &input, self.preprocess())
                        .with_memory(bench.explain.memory)
                        .incremental(bench.explain.incremental);
                    subject.expect(method.walks());
                    let targets = [Target::Class(target)];
                    let maps = method.attribute(&subject, &targets);
                    maps.map_err(|source| {
                        let method = entry.name;
                        Error::Method { method, source }
                    })?;
                    Ok(None)
                })
            }
            Work::Occlusion => {
                let input = self.prepare(noise())?;
                let entry = registry::find("occlusion").expect("it is registered");
                let method = bench.explain.method(entry).expect("it was asked for");
                let [c, h, w] = input.shape();
                let products = self.network().fused().multiply_adds(&[1, c, h, w])?;
                Box::new(move || {
                    let subject = Subject::new(self.network(), &input, self.preprocess())
                        .with_memory(bench.explain.memory)
                        .incremental(bench.explain.incremental);
                    subject.expect(method.walks());
                    let targets = [Target::Class(target)];
                    let maps = method.attribute(&subject, &targets).map_err(|source| {
                        let method = entry.name;
                        Error::Method { method, source }
                    })?;
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

    /// Forward and back to the pictures by the rule of guided backprop, as the method of that name
    /// walks one picture.
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
    fn the_median_of_an_even_number_of_runs_lies_between_the_two_in_the_middle() {
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
    fn what_does_not_go_with_the_work_is_refused() {
        let window = Settings::new().with("window", 32);
        assert!(Bench::new(Work::Occlusion).with_settings(&window).is_ok());
        assert!(Bench::new(Work::Explain).with_settings(&window).is_ok());
        let refused = Bench::new(Work::Forward).with_settings(&window).err();
        let why = "`window` is an option of methods, and forward has none";
        assert_eq!(refused.unwrap().to_string(), why);
        assert!(Bench::new(Work::Backward).with_batch(2).is_ok());
        assert!(Bench::new(Work::Backward).with_batch(0).is_err());
        assert!(Bench::new(Work::Explain).with_batch(2).is_err());
    }
}

//! SmoothGrad, VarGrad and SmoothGrad²: another gradient method, averaged over noisy pictures.

use dvm_options::{Takes, words};
use serde_json::{Map, Value};

use super::attributor::{
    AttributionRequest, Attributor, InputAttribution, Inputs, OnAttribution, Prepared, method,
};
use super::{
    CHANNELS, Shared, blur, deconvnet, deeplift, expected, guided, guided_backprop,
    input_x_gradient, integrated, plain,
};
use crate::options::{SAMPLES, SCORE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::upsample::extent;
use crate::{Error, OptionReader, OptionSpec, SettingError, Settings, Subject};

const OF: OptionSpec = OptionSpec {
    name: "of",
    takes: Takes::Text("METHOD[:OPTION=VALUE]…"),
    default: "gradient",
    help: "the gradient method to average, with its options after colons, such as `integrated-gradients:steps=20`",
};

const STATISTIC: OptionSpec = OptionSpec {
    name: "statistic",
    takes: Takes::Text(Statistic::FORM),
    default: "mean",
    help: "what is computed of each value over all samples: mean (SmoothGrad), variance (VarGrad), \
           or square (the mean of its square, SmoothGrad squared)",
};

const NOISE: OptionSpec = OptionSpec {
    name: "noise",
    takes: Takes::Text("X"),
    default: "0.15",
    help: "standard deviation of the noise, as a share of the range of the picture's normalised values",
};

words! {
    /// What is computed of each value over all samples.
    enum Statistic {
        /// The mean.
        Mean = "mean",
        /// The mean squared distance from the mean.
        Variance = "variance",
        /// The mean of the square.
        Square = "square",
    }
}

/// The methods that can be averaged, by name.
const INNER: [(&str, Build); 9] = [
    ("gradient", |o| boxed(plain::new(o))),
    ("guided-backprop", |o| boxed(guided_backprop::new(o))),
    ("deconvnet", |o| boxed(deconvnet::new(o))),
    ("input-x-gradient", |o| boxed(input_x_gradient::new(o))),
    ("integrated-gradients", |o| {
        boxed(integrated::Integrated::new(o))
    }),
    ("expected-gradients", |o| boxed(expected::Expected::new(o))),
    ("blur-ig", |o| boxed(blur::Blurring::new(o))),
    ("guided-ig", |o| boxed(guided::Guided::new(o))),
    ("deeplift", |o| boxed(deeplift::DeepLift::new(o))),
];

/// The method that is averaged, and its settings.
type Inner = (Box<dyn Attributor>, Map<String, Value>);

type Build = fn(&mut OptionReader) -> Result<Box<dyn Attributor>, SettingError>;

fn boxed<A: Attributor + 'static>(
    built: Result<A, SettingError>,
) -> Result<Box<dyn Attributor>, SettingError> {
    Ok(Box::new(built?))
}

/// Another gradient method, averaged over noisy pictures.
pub const SMOOTHGRAD: MethodEntry = MethodEntry {
    name: "smoothgrad",
    title: "SmoothGrad",
    summary: "another gradient method (option `of`), averaged over noisy pictures, which removes \
              noise from its map",
    reference: Reference {
        authors: "Smilkov, Thorat, Kim, Viégas, Wattenberg",
        year: 2017,
        title: "SmoothGrad: removing noise by adding noise",
        published: Published::Arxiv("1706.03825"),
    },
    family: Family::Gradient,
    cost: "`samples` times the passes of the method `of`",
    networks: "all",
    options: &[CHANNELS, SCORE, OF, STATISTIC, SAMPLES, NOISE, SEED],
    presets: &[],
    build: |options| method(Smooth::new(options)?, options),
};

/// The method with its settings.
struct Smooth {
    /// The option `of`.
    of: String,
    inner: Box<dyn Attributor>,
    statistic: Statistic,
    samples: usize,
    noise: f64,
    seed: u64,
}

impl Smooth {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let of: String = options.written(&OF)?;
        let samples = options.count(&SAMPLES)?;
        let noise = options.positive(&NOISE)?;
        let (inner, record) = inner(&of)?;
        if !record.is_empty() {
            options.note("settings", record);
        }
        Ok(Self {
            of,
            inner,
            statistic: options.word(&STATISTIC)?,
            samples,
            noise,
            seed: options.plain(&SEED)?,
        })
    }
}

/// The method of the text `NAME:OPTION=VALUE:…`, and its settings without those that all gradient methods share.
fn inner(text: &str) -> Result<Inner, SettingError> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let found = INNER.iter().find(|(known, _)| *known == name);
    let entry = crate::registry::find(name);
    let ((_, build), entry) = found.zip(entry).ok_or_else(|| {
        let names = INNER.map(|(name, _)| name).join(", ");
        OF.refuse(text, format!("the method must be one of {names}"))
    })?;
    let mut settings = Settings::new();
    for part in parts {
        let (option, value) = part
            .split_once('=')
            .ok_or_else(|| OF.refuse(text, format!("`{part}` is not OPTION=VALUE")))?;
        if !entry.takes(option) {
            return Err(OF.refuse(text, format!("{name} has no option `{option}`")));
        }
        settings = settings.with(option, value);
    }
    let mut options = OptionReader::new(entry.options, &settings);
    let attributor = build(&mut options)?;
    Shared::new(&mut OptionReader::new(entry.options, &settings))?;
    Ok((attributor, options.into_record()))
}

impl Attributor for Smooth {
    fn title(&self) -> String {
        let kind = match self.statistic {
            Statistic::Mean => "SmoothGrad",
            Statistic::Variance => "VarGrad",
            Statistic::Square => "SmoothGrad²",
        };
        match &self.of[..] {
            "gradient" => kind.into(),
            _ => format!("{kind} of {}", self.inner.title()),
        }
    }

    fn quantity(&self) -> &'static str {
        match self.statistic {
            Statistic::Mean => self.inner.quantity(),
            Statistic::Variance => "variance",
            Statistic::Square => "mean square",
        }
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let Prepared {
            attribute,
            warnings,
        } = self.inner.begin(subject)?;
        Ok(Prepared {
            attribute: Box::new(move |request, each| {
                let inputs = request.inputs;
                inputs.one_by_one(subject, &mut |index, picture, _| {
                    each(
                        index,
                        self.smoothed(subject, picture, request, &*attribute)?,
                    )
                })
            }),
            warnings,
        })
    }
}

impl Smooth {
    fn smoothed(
        &self,
        subject: &Subject,
        picture: &[f32],
        request: &AttributionRequest,
        attribute: &dyn Fn(&AttributionRequest, &mut OnAttribution) -> Result<(), Error>,
    ) -> Result<InputAttribution, Error> {
        let (low, high) = extent(picture);
        let deviation = self.noise * (high - low);
        let noisy = |sample: usize| -> Vec<f32> {
            let noise = Stream::new(&format!("smoothgrad noise {sample}"), self.seed);
            let noise = { noise }.normal(picture.len());
            let values = picture.iter().zip(noise);
            values
                .map(|(&x, n)| (f64::from(x) + deviation * f64::from(n)) as f32)
                .collect()
        };
        let noisy = AttributionRequest {
            inputs: Inputs::Others {
                count: self.samples,
                make: &noisy,
            },
            ..*request
        };
        let mut statistics = vec![(0.0, 0.0); picture.len()];
        attribute(&noisy, &mut |sample, found| {
            for ((mean, second), &value) in statistics.iter_mut().zip(&found.values) {
                let value = f64::from(value);
                match self.statistic {
                    Statistic::Mean => *mean += value,
                    Statistic::Square => *second += value * value,
                    // Welford's algorithm, which does not subtract two large sums.
                    Statistic::Variance => {
                        let before = value - *mean;
                        *mean += before / (sample + 1) as f64;
                        *second += before * (value - *mean);
                    }
                }
            }
            subject.progress(sample + 1, self.samples);
            Ok(())
        })?;
        let count = self.samples as f64;
        let shown = |(mean, second): (f64, f64)| match self.statistic {
            Statistic::Mean => mean / count,
            Statistic::Square | Statistic::Variance => second / count,
        };
        let values = statistics.into_iter().map(shown);
        Ok(InputAttribution::new(values.map(|value| value as f32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        inner(text).err().expect("it is refused").to_string()
    }

    #[test]
    fn options_of_the_averaged_method_follow_colons() {
        let (_, parameters) = inner("integrated-gradients:steps=7:baseline=black,white").unwrap();
        assert_eq!(parameters["steps"], 7);
        assert_eq!(parameters["baseline"], "black,white");
    }

    #[test]
    fn methods_that_cannot_be_averaged_are_an_error() {
        assert!(refusal("occlusion").contains("the method must be one of gradient, "));
        assert!(refusal("smoothgrad").contains("the method must be one of gradient, "));
        let no_option = refusal("gradient:steps=7");
        assert!(
            no_option.ends_with("gradient has no option `steps`"),
            "{no_option}"
        );
        assert!(refusal("blur-ig:steps").ends_with("`steps` is not OPTION=VALUE"));
        assert!(refusal("blur-ig:steps=x").contains("invalid value `x` for the option `steps`"));
    }

    #[test]
    fn every_method_that_can_be_averaged_is_in_the_registry() {
        for (name, _) in INNER {
            assert!(crate::registry::find(name).is_some(), "{name}");
        }
    }
}

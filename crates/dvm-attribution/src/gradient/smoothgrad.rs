//! SmoothGrad, VarGrad and SmoothGrad²: another gradient method, averaged over noisy pictures.

use dvm_options::{Count, Positive, Takes, words};
use serde_json::{Map, Value};

use super::attributor::{
    AttributionRequest, Attributor, AttributorMethod, InputAttribution, Inputs, OnAttribution,
    Prepared,
};
use super::{
    CHANNELS, Shared, blur, deconvnet, deeplift, expected, guided, guided_backprop,
    input_x_gradient, integrated, plain,
};
use crate::options::{SAMPLES, SCORE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, OptionSpec, SettingError, Settings, Subject};

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
    ("gradient", |s| Ok(Box::new(plain::method(s)?))),
    ("guided-backprop", |s| {
        Ok(Box::new(guided_backprop::method(s)?))
    }),
    ("deconvnet", |s| Ok(Box::new(deconvnet::method(s)?))),
    ("input-x-gradient", |s| {
        Ok(Box::new(input_x_gradient::method(s)?))
    }),
    ("integrated-gradients", |s| {
        Ok(Box::new(integrated::Integrated::new(s)?))
    }),
    ("expected-gradients", |s| {
        Ok(Box::new(expected::Expected::new(s)?))
    }),
    ("blur-ig", |s| Ok(Box::new(blur::Blurring::new(s)?))),
    ("guided-ig", |s| Ok(Box::new(guided::Guided::new(s)?))),
    ("deeplift", |s| Ok(Box::new(deeplift::DeepLift::new(s)?))),
];

type Inner = Box<dyn Attributor>;
type Build = fn(&Settings) -> Result<Inner, SettingError>;

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
    build: |settings| {
        Ok(Box::new(AttributorMethod {
            attributor: Smooth::new(settings)?,
            shared: Shared::new(settings)?,
        }))
    },
};

/// The method with its settings.
struct Smooth {
    /// As given, for the record.
    of: String,
    inner: Inner,
    statistic: Statistic,
    samples: usize,
    noise: f64,
    seed: u64,
}

impl Smooth {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let of = OF.text(settings);
        let Count(samples) = SAMPLES.of(settings)?;
        let Positive(noise) = NOISE.of(settings)?;
        Ok(Self {
            of: of.into(),
            inner: inner(of)?,
            statistic: STATISTIC.of(settings)?,
            samples,
            noise,
            seed: SEED.of(settings)?,
        })
    }
}

/// The method of the text `NAME:OPTION=VALUE:…`.
fn inner(text: &str) -> Result<Inner, SettingError> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let found = INNER.iter().find(|(known, _)| *known == name);
    let (_, build) = found.ok_or_else(|| {
        let names = INNER.map(|(name, _)| name).join(", ");
        OF.refuse(text, format!("the method must be one of {names}"))
    })?;
    let entry = crate::registry::find(name);
    let mut settings = Settings::new();
    for part in parts {
        let (option, value) = part
            .split_once('=')
            .ok_or_else(|| OF.refuse(text, format!("`{part}` is not OPTION=VALUE")))?;
        if !entry.is_some_and(|entry| entry.takes(option)) {
            return Err(OF.refuse(text, format!("{name} has no option `{option}`")));
        }
        settings = settings.with(option, value);
    }
    build(&settings)
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

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("of".into(), self.of.clone().into());
        let inner = self.inner.parameters();
        if !inner.is_empty() {
            parameters.insert("settings".into(), inner.into());
        }
        parameters.insert("statistic".into(), self.statistic.word().into());
        parameters.insert("samples".into(), self.samples.into());
        parameters.insert("noise".into(), self.noise.into());
        parameters.insert("seed".into(), self.seed.into());
        parameters
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let Prepared {
            attribute,
            warnings,
        } = self.inner.begin(subject)?;
        Ok(Prepared {
            attribute: Box::new(move |request, each| {
                request
                    .inputs
                    .one_by_one(subject, &mut |index, picture, _| {
                        let found = self.smoothed(subject, picture, request, &*attribute)?;
                        each(index, found)
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
        let deviation = self.noise * range(picture);
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
        let values: Vec<f64> = statistics.into_iter().map(shown).collect();
        Ok(InputAttribution::new(&values))
    }
}

/// The largest value minus the smallest.
fn range(values: &[f32]) -> f64 {
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(largest) - f64::from(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        inner(text).err().expect("it is refused").to_string()
    }

    #[test]
    fn options_of_the_averaged_method_follow_colons() {
        let found = inner("integrated-gradients:steps=7:baseline=black,white").unwrap();
        let parameters = found.parameters();
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

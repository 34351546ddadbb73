//! Flags that help when training goes wrong.

use dvm::training::{Advice, Trouble};

use crate::failure::{Failure, in_words};

/// A warning about a training without progress.
pub fn warning(trouble: &Trouble) -> String {
    format!(
        "warning: after epoch {}, {}; train again with {}",
        trouble.epoch,
        trouble.sign,
        flags(&trouble.advice)
    )
}

/// The error of a training, with the flags that help.
pub fn failure(error: dvm::Error) -> Failure {
    use dvm::training::TrainingError as Error;
    match error {
        dvm::Error::Training(Error::NotFinite {
            what,
            value,
            epoch,
            step,
            learning_rate,
            advice,
        }) => Failure::Request(format!(
            "training diverged: {what} became {value} in epoch {epoch}, step {step}, at a learning \
             rate of {}; train again with {}; earlier checkpoints are kept",
            short(learning_rate),
            flags(&advice)
        )),
        dvm::Error::Training(Error::RunExists { .. }) => {
            Failure::Request(format!("{error} (--resume, --overwrite, --out)"))
        }
        dvm::Error::Training(Error::Broken { .. }) => {
            let words = error.to_string();
            let with_flags = words.replace("`on_broken = skip`", "--on-broken skip");
            Failure::Request(with_flags)
        }
        dvm::Error::Training(Error::DeviceMemory { .. }) => {
            let words = in_words(&error);
            Failure::Request(words.replace("(`accumulate`)", "(--batch, --accumulate)"))
        }
        other => other.into(),
    }
}

fn flags(advice: &Advice) -> String {
    let rate = format!("--learning-rate {}", short(advice.learning_rate));
    match advice.clip {
        Some(clip) => format!("{rate}, or with --clip {clip}"),
        None => rate,
    }
}

/// A learning rate with few digits.
fn short(rate: f64) -> String {
    if (1e-4..1e3).contains(&rate) {
        let text = format!("{rate:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{rate:.0e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_does_not_fit_on_the_device_names_the_flags() {
        let error = dvm::training::TrainingError::DeviceMemory {
            device: "GPU".into(),
            batch: 64,
            detail: String::new(),
        };
        let Failure::Request(words) = failure(error.into()) else {
            panic!("it is an error of the request");
        };
        let end = "use smaller batches, and accumulate several for each step (--batch, --accumulate), or compute on \
                   the CPU (--device cpu)";
        assert!(
            words.contains("batches of 64") && words.ends_with(end),
            "{words}"
        );
    }

    #[test]
    fn advice_names_flags() {
        let mut advice = Advice {
            learning_rate: 0.002,
            clip: Some(1.0),
        };
        assert_eq!(flags(&advice), "--learning-rate 0.002, or with --clip 1");
        advice.clip = None;
        assert_eq!(flags(&advice), "--learning-rate 0.002");
    }
}

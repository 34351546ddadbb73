//! How the program ends when not all went well.

use std::error::Error;
use std::io;
use std::path::Path;

use dvm::models::LoadError;

use crate::interruption;
use crate::report::{escaped_lines, say, say_lines};

/// What keeps a command from being carried out.
#[derive(Debug)]
pub enum Failure {
    /// The arguments are wrong, or ask for help or the version.
    Arguments(clap::Error),
    /// The request cannot be carried out for any picture: exit code 2.
    Request(String),
    /// Some pictures failed, and each was named when it did: exit code 1.
    SomePictures,
    /// What was asked for cannot be printed.
    Output(io::Error),
    /// Ctrl-C or SIGTERM stopped the work: the program ends as that signal ends programs.
    Interrupted {
        /// Number of the signal.
        signal: u8,
        /// What is printed.
        line: String,
    },
}

impl Failure {
    /// Says what must still be said and gives the exit status.
    pub fn end(self) -> u8 {
        match self {
            Self::Arguments(error) => end_as(&error),
            Self::Request(why) => {
                say(&format!("error: {why}"));
                2
            }
            Self::SomePictures => 1,
            // Whoever reads the output has read enough, as in `dvm methods list | head -1`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(error) => {
                say(&format!("error: cannot write to standard output: {error}"));
                1
            }
            Self::Interrupted { signal, line } => {
                interruption::say_line(&line);
                interruption::end(signal)
            }
        }
    }
}

impl From<dvm::Error> for Failure {
    fn from(error: dvm::Error) -> Self {
        Self::Request(match &error {
            dvm::Error::NoWeights {
                architecture,
                published,
                embedded,
            } => {
                let own = with_own_weights(crate::given(), architecture);
                format!(
                    "no weights of {architecture} are on this machine; two commands help: `dvm models \
                     fetch {architecture}` brings {published}, and `{own}` takes a file of yours \
                     (networks that come with the program: {embedded})"
                )
            }
            dvm::Error::Load(LoadError::Parts { .. } | LoadError::Part { .. }) => {
                format!(
                    "{} (--part NAME; to train with it, convert it first)",
                    in_words(&error)
                )
            }
            dvm::Error::Load(LoadError::LookAlike { .. } | LoadError::Ambiguous { .. }) => {
                format!("{} (--model NAME --weights FILE)", in_words(&error))
            }
            error => in_words(error),
        })
    }
}

/// Prints what clap has to say: help and the version are results, the rest are errors. A file's name
/// that is taken for an argument may hold anything.
fn end_as(error: &clap::Error) -> u8 {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let text = error.render().to_string();
    match error.use_stderr() {
        true if escaped_lines(&text) != text => say_lines(&text),
        _ => match error.print() {
            Err(failed) if !error.use_stderr() => return Failure::Output(failed).end(),
            _ => {}
        },
    }
    code
}

/// The command that was given, told to take a weight file.
fn with_own_weights(given: impl Iterator<Item = String>, architecture: &str) -> String {
    let mut commands = given.take_while(|argument| !argument.starts_with('-'));
    match commands.next().as_deref() {
        Some("models") => format!("dvm models convert FILE OUT --model {architecture}"),
        command => {
            let command = command.unwrap_or("explain");
            format!("dvm {command} … --model {architecture} --weights FILE")
        }
    }
}

impl From<dvm::data::Error> for Failure {
    fn from(error: dvm::data::Error) -> Self {
        Self::Request(in_words(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// An error with all its causes, each said once.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    if let Some(dvm::Error::Output { .. }) = error.downcast_ref() {
        words += "; --output says what it means";
    }
    // An option of a library is a flag here.
    let refused = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(dvm::Error::Setting(refused)), _) => Some(refused),
        (_, Some(dvm::data::Error::Setting(refused))) => Some(refused),
        _ => None,
    };
    if let Some(dvm::SettingError {
        option,
        value,
        expected,
    }) = refused
    {
        words = format!("--{option} does not take `{value}`: {expected}");
    }
    words = dvm::with_causes(words, error);
    if words.ends_with("allow more memory") {
        words += " (--memory)";
    }
    words
}

/// The same without the file's name at its beginning, for lines that begin with it anyway.
pub fn in_words_about(file: &Path, error: &(dyn Error + 'static)) -> String {
    let mut words = in_words(error);
    if words.contains("megapixels; ") {
        words += " (--max-pixels allows it)";
    }
    match words.strip_prefix(&file.display().to_string()) {
        Some(rest) => rest.trim_start_matches([':', ' ']).to_owned(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save_error() -> dvm::Error {
        dvm::Error::Save {
            path: "maps/input.png".into(),
            source: io::Error::other("disk full"),
        }
    }

    #[test]
    fn a_cause_that_the_message_has_is_not_repeated() {
        assert_eq!(
            in_words(&save_error()),
            "cannot write maps/input.png: disk full"
        );
    }

    #[test]
    fn the_file_is_named_once() {
        let file = Path::new("no such file.png");
        let error = dvm::read(file).unwrap_err();
        let words = in_words_about(file, &error);
        assert!(words.starts_with("cannot be read: "), "{words}");
    }

    #[test]
    fn the_command_that_helps_is_like_the_one_that_was_given() {
        let own = |given: &[&str]| {
            let given = given.iter().map(|&argument| argument.to_owned());
            with_own_weights(given, "vgg16")
        };
        assert_eq!(
            own(&["train", "flowers", "--model", "vgg16"]),
            "dvm train … --model vgg16 --weights FILE"
        );
        assert_eq!(
            own(&["models", "convert", "vgg16", "a.pth"]),
            "dvm models convert FILE OUT --model vgg16"
        );
    }

    #[test]
    fn a_message_about_another_file_is_kept() {
        let words = in_words_about(Path::new("coffee.png"), &save_error());
        assert_eq!(words, "cannot write maps/input.png: disk full");
    }
}

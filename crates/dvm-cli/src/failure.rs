//! Errors: their messages and exit status.

use std::error::Error;
use std::io;
use std::path::Path;

use dvm::models::LoadError;
use dvm::system_words;

use crate::interruption;
use crate::report::{escaped_lines, say, say_lines};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments are wrong, or ask for help or the version.
    Arguments(clap::Error),
    /// The command cannot be carried out: exit status 2.
    Request(String),
    /// Some pictures failed and were named: exit status 1.
    SomePictures,
    /// The result cannot be printed.
    Output(io::Error),
    /// Ctrl-C or SIGTERM stopped the work: the program ends by that signal.
    Interrupted {
        /// Number of the signal.
        signal: u8,
        /// The line to print.
        line: String,
    },
}

impl Failure {
    /// Prints the message and returns the exit status.
    pub fn end(self) -> u8 {
        match self {
            Self::Arguments(error) => end_as(&error),
            Self::Request(why) => {
                say(&format!("error: {why}"));
                2
            }
            Self::SomePictures => 1,
            // The reader has read enough, as in `dvm methods list | head -1`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(error) => {
                say(&format!(
                    "error: cannot write to standard output: {}",
                    system_words(&error)
                ));
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
                let own = with_own_weights(crate::arguments(), architecture);
                format!(
                    "no weights of {architecture} are on this machine; fetch {published} with `dvm models fetch \
                     {architecture}`, or use your own file: `{own}` (networks that come with dvm: {embedded})"
                )
            }
            dvm::Error::NotDownloaded { architecture, tag } => format!(
                "the weights {tag} of {architecture} are not on this machine; download them with `dvm models fetch \
                 {architecture} --weights {tag}`"
            ),
            dvm::Error::Load(LoadError::Parts { .. } | LoadError::Part { .. }) => {
                format!(
                    "{} (choose one with --part NAME; to train with it, convert it first)",
                    in_words(&error)
                )
            }
            dvm::Error::Load(LoadError::LookAlike { .. } | LoadError::Ambiguous { .. }) => {
                format!("{} (with --model NAME --weights FILE)", in_words(&error))
            }
            error => in_words(error),
        })
    }
}

/// Prints clap's text: help and the version are results, the rest are errors. Control characters in arguments are
/// escaped.
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

/// The command line with a weight file.
fn with_own_weights(arguments: impl Iterator<Item = String>, architecture: &str) -> String {
    let mut commands = arguments.take_while(|argument| !argument.starts_with('-'));
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
        let flags = match error {
            dvm::data::Error::Exists { .. } => " (with --replace)",
            dvm::data::Error::Full { .. } => " (with --link hard or --link manifest)",
            _ => "",
        };
        Self::Request(in_words(&error) + flags)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The result of a command that has printed everything: whether some pictures failed decides the exit status.
pub fn unless_failed(some_failed: bool) -> Result<(), Failure> {
    match some_failed {
        true => Err(Failure::SomePictures),
        false => Ok(()),
    }
}

/// An error with all its causes, each once.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    if let Some(dvm::Error::Output { .. }) = error.downcast_ref() {
        words += " (--output sets its meaning)";
    }
    // Names the flag instead of the option of the library.
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
        words = format!("invalid value `{value}` for --{option}: {expected}");
    }
    words = dvm::with_causes(words, error);
    if words.ends_with("see the list of class names") {
        words += " (`dvm models show --class-names`)";
    }
    if words.ends_with("higher memory limit") {
        words += " (--memory)";
    }
    if words.ends_with("compute on the CPU") || words.ends_with("the CPU can do the same work") {
        words += " (--device cpu)";
    }
    words
}

/// Like [`in_words`], without the file's name at the start, for lines that begin with it.
pub fn in_words_about(file: &Path, error: &(dyn Error + 'static)) -> String {
    let mut words = in_words(error);
    let limits = [
        " megapixels; the limit is ",
        " of memory to decode; the limit is ",
    ];
    if limits.iter().any(|limit| words.contains(limit)) {
        words += " (--max-pixels raises the limit)";
    }
    match words.strip_prefix(&file.display().to_string()) {
        Some(rest) => rest.trim_start_matches([':', ' ']).to_owned(),
        None => words,
    }
}

/// The failure of writing a file.
pub fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Request(format!(
        "cannot write {}: {}",
        path.display(),
        system_words(error)
    ))
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
    fn a_cause_in_the_message_is_not_repeated() {
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
    fn the_suggested_command_is_the_one_that_was_run() {
        let own = |arguments: &[&str]| {
            let arguments = arguments.iter().map(|&argument| argument.to_owned());
            with_own_weights(arguments, "vgg16")
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

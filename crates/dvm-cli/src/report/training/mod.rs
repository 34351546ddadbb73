//! Shows a running training: live curves on a terminal, lines elsewhere.

mod curve;
mod estimate;
mod history;
mod lines;
mod live;
mod view;

use std::io::{self, IsTerminal, Stderr};
use std::time::Instant;

use dvm::training::TrainingEvent;

use estimate::Left;
use history::History;
use lines::Lines;
use live::Live;

/// Shows a training on standard error.
pub struct Watch {
    begun: Instant,
    screen: Screen,
}

enum Screen {
    Live(Box<Live<Stderr>>),
    Lines(Box<Lines<Stderr>>),
}

impl Watch {
    /// Live curves if `live` is set and the terminal can show them, otherwise lines.
    pub fn new(live: bool) -> Self {
        // The position of the cursor is read through standard output.
        let terminal = io::stderr().is_terminal() && io::stdout().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let screen = (live && terminal && !dumb)
            .then(|| Live::begin(io::stderr()))
            .flatten();
        Self {
            begun: Instant::now(),
            screen: screen.map_or_else(
                || Screen::Lines(Box::new(Lines::new(io::stderr()))),
                |live| Screen::Live(Box::new(live)),
            ),
        }
    }

    /// Shows an event. Errors of printing are ignored.
    pub fn show(&mut self, event: &TrainingEvent) {
        let now = self.begun.elapsed();
        let _ = match &mut self.screen {
            Screen::Live(live) => live.show(event, now),
            Screen::Lines(lines) => lines.show(event, now),
        };
    }
}

/// A duration in one or two units.
fn duration_words(seconds: f64) -> String {
    let seconds = if seconds.is_finite() {
        seconds.clamp(0.0, 1e9).round() as u64
    } else {
        return "?".into();
    };
    match seconds {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        s => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// The time left in words.
fn left_words(left: Left) -> String {
    let time = duration_words(left.seconds);
    match left.at_least {
        true => format!("more than {time} left"),
        false => format!("{time} left"),
    }
}

/// A share in percent.
fn percent(share: f64) -> String {
    dvm::fixed_percent(share, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, words) in [
            (0.4, "0 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (3599.0, "59 min 59 s"),
            (7260.0, "2 h 01 min"),
            (f64::NAN, "?"),
            (f64::INFINITY, "?"),
        ] {
            assert_eq!(duration_words(seconds), words);
        }
    }
}

//! A progress bar on a terminal, for work that takes longer than a second.
//!
//! With several pictures it also shows the speed and the time left. If a picture takes less than a second, the bar
//! counts pictures; otherwise it shows the progress within each.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar of one picture.
const OF_ONE: &str = "{prefix}  {msg} {wide_bar} {percent}% {eta} left";

/// The bar of many pictures.
const OF_MANY: &str = "{msg} {wide_bar} {percent}%";

/// Time before the bar appears.
const DELAY: Duration = Duration::from_secs(1);

/// The progress of the program: picture, step, share.
pub struct Progress {
    bar: ProgressBar,
    pictures: usize,
    state: Mutex<State>,
}

struct State {
    /// Start of the first picture.
    began: Option<Instant>,
    /// Pictures started, without skipped ones.
    begun: usize,
    /// Whether the bar counts pictures.
    counts_pictures: bool,
    /// When the bar appears, if it does.
    appears: Option<Instant>,
    /// The current step.
    title: String,
}

impl Progress {
    /// For this number of pictures. Nothing is drawn without a terminal, or if `shown` is false.
    pub fn new(pictures: usize, shown: bool) -> Self {
        let style = ProgressStyle::with_template(OF_ONE).expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        bar.set_style(style);
        Self {
            bar,
            pictures,
            state: Mutex::new(State {
                began: None,
                begun: 0,
                counts_pictures: false,
                appears: shown.then(|| Instant::now() + DELAY),
                title: String::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.state.lock();
        state.expect("no thread panics while it reports")
    }

    /// Begins a picture; `position` counts from 0.
    pub fn picture(&self, position: usize, name: &str) {
        let name = super::escaped(name);
        if self.pictures <= 1 {
            self.bar.reset();
            self.bar.set_prefix(name.into_owned());
            return;
        }
        let mut state = self.state();
        let began = *state.began.get_or_insert_with(Instant::now);
        let (done, passed) = (state.begun, began.elapsed().as_secs_f64());
        state.begun += 1;
        let all = self.pictures;
        let left = all.saturating_sub(position);
        let rate = (done > 0 && passed > 0.0).then(|| done as f64 / passed);
        let speed = rate.map_or_else(String::new, |rate| speed(rate, left));
        let counts = rate.is_some_and(|rate| rate > 1.0);
        if counts != state.counts_pictures {
            state.counts_pictures = counts;
            let template = if counts { OF_MANY } else { OF_ONE };
            let style = ProgressStyle::with_template(template);
            self.bar
                .set_style(style.expect("the template is well formed"));
        }
        if counts {
            self.bar.set_length(all as u64);
            self.bar.set_position(position as u64);
            self.bar
                .set_message(format!("picture {} of {all}{speed}", position + 1));
            self.appear(&mut state);
        } else {
            self.bar.reset();
            let position = position + 1;
            self.bar
                .set_prefix(format!("{name} ({position} of {all}{speed})"));
        }
    }

    /// Shows that `done` of `all` units of the step `title` are done.
    pub fn update(&self, title: &str, done: usize, all: usize) {
        let mut state = self.state();
        if state.counts_pictures {
            return;
        }
        if state.title != title || done < self.bar.position() as usize {
            title.clone_into(&mut state.title);
            self.bar.set_message(title.to_owned());
            self.bar.reset();
        }
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.appear(&mut state);
    }

    fn appear(&self, state: &mut State) {
        if state.appears.is_some_and(|at| Instant::now() >= at) {
            state.appears = None;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Hides the bar while `print` prints.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

/// Speed and time left: `, 12.3 pictures/s, 4m left`.
fn speed(rate: f64, left: usize) -> String {
    let seconds = Duration::try_from_secs_f64(left as f64 / rate).unwrap_or(Duration::MAX);
    let left = HumanDuration(seconds);
    match rate >= 1.0 {
        true => format!(", {rate:.1} pictures/s, {left:#} left"),
        false => format!(", {:.1} s/picture, {left:#} left", 1.0 / rate),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_have_units() {
        assert_eq!(speed(12.34, 1234), ", 12.3 pictures/s, 2m left");
        assert_eq!(speed(0.25, 100), ", 4.0 s/picture, 7m left");
    }
}

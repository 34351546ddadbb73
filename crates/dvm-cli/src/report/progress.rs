//! A bar for what takes longer than a second, on a terminal only.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What ends sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the program is: which picture, which method, how much of it.
pub struct Progress {
    bar: ProgressBar,
    pictures: usize,
    state: Mutex<State>,
}

struct State {
    /// When the bar may appear; never if it must not.
    appears: Option<Instant>,
    /// What the bar is about.
    title: String,
}

impl Progress {
    /// Nothing done yet. Where `shown` is false or no terminal reads along, it stays silent.
    pub fn new(pictures: usize, shown: bool) -> Self {
        let style =
            ProgressStyle::with_template("{prefix}  {msg} {wide_bar} {percent}% {eta} left")
                .expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        bar.set_style(style);
        Self {
            bar,
            pictures,
            state: Mutex::new(State {
                appears: shown.then(|| Instant::now() + PATIENCE),
                title: String::new(),
            }),
        }
    }

    /// Begins with a picture, counted from 0.
    pub fn picture(&self, position: usize, name: &str) {
        self.bar.reset();
        let name = super::escaped(name);
        self.bar.set_prefix(if self.pictures > 1 {
            format!("{name} ({} of {})", position + 1, self.pictures)
        } else {
            name.into_owned()
        });
    }

    /// So much of what `title` names is done.
    pub fn update(&self, title: &str, done: usize, all: usize) {
        let mut state = self
            .state
            .lock()
            .expect("no thread panics while it reports");
        if state.title != title || done < self.bar.position() as usize {
            title.clone_into(&mut state.title);
            self.bar.set_message(title.to_owned());
            self.bar.reset();
        }
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        if state.appears.is_some_and(|at| Instant::now() >= at) {
            state.appears = None;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Does something that prints, with the bar out of the way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

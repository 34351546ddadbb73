//! Ctrl-C and SIGTERM, which mean the same in every command.
//!
//! Usually the program ends at once: what is half written has no final name yet. A command that can
//! stop by itself at a better moment holds the program ([`hold`]) and asks [`is_asked`] meanwhile.
//! A second signal always ends the program at once.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::failure::Failure;
use crate::report::say;

/// Number of the first signal that came; 0 if none has.
static SIGNAL: AtomicU8 = AtomicU8::new(0);

static STATE: Mutex<State> = Mutex::new(State {
    holds: 0,
    before_end: None,
});

struct State {
    /// How many [`Hold`]s there are.
    holds: usize,
    /// Tidies up, and gives the line that is printed.
    before_end: Option<Box<dyn FnOnce() -> String + Send>>,
}

/// Listens from now on; called once.
///
/// # Errors
/// [`Failure::Request`] if the system does not allow it.
pub fn listen() -> Result<(), Failure> {
    register().map_err(|error| Failure::Request(format!("cannot listen for Ctrl-C: {error}")))
}

/// SIGHUP keeps what the shell chose for it: `nohup` lets a program outlive its terminal.
#[cfg(unix)]
fn register() -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let wait = move || {
        for signal in signals.forever() {
            received(signal as u8);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(())
}

#[cfg(not(unix))]
fn register() -> io::Result<()> {
    const SIGINT: u8 = 2;
    ctrlc::set_handler(|| received(SIGINT)).map_err(io::Error::other)
}

fn received(signal: u8) {
    let first = SIGNAL.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    if first.is_err() {
        end(signal);
    }
    // In a thread of its own: a second signal must get through while this one waits for a disk.
    let finish = move || {
        let mut state = state();
        if state.holds == 0 {
            dvm::discard_unfinished();
            let before_end = state.before_end.take();
            say_line(&before_end.map_or_else(|| "interrupted".into(), |tidy| tidy()));
            end(signal);
        }
    };
    if thread::Builder::new().spawn(finish).is_err() {
        end(signal);
    }
}

/// Whether the program was asked to end.
pub fn is_asked() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// Fails with this line if the program was asked to end.
///
/// # Errors
/// [`Failure::Interrupted`].
pub fn check(line: impl FnOnce() -> String) -> Result<(), Failure> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => Ok(()),
        signal => Err(Failure::Interrupted {
            signal,
            line: line(),
        }),
    }
}

/// While this lives, the first signal only makes [`is_asked`] true. The command stops when it can
/// and then calls [`check`].
#[must_use]
pub struct Hold(());

/// Keeps the first signal from ending the program.
pub fn hold() -> Hold {
    state().holds += 1;
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        state().holds -= 1;
    }
}

/// What to do before a signal ends the program: it tidies up and returns the line that is printed.
/// It runs in a thread of its own.
pub fn before_end(tidy: impl FnOnce() -> String + Send + 'static) {
    state().before_end = Some(Box::new(tidy));
}

/// Prints the line, below a progress bar if there is one.
pub fn say_line(line: &str) {
    if io::stderr().is_terminal() {
        say("");
    }
    say(line);
}

/// Ends the program as the signal would have: a shell sees that its loop is to end, too.
pub fn end(signal: u8) -> ! {
    #[cfg(unix)]
    let _ = signal_hook::low_level::emulate_default_handler(signal.into());
    std::process::exit(128 + i32::from(signal))
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

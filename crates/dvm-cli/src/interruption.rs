//! Ctrl-C and SIGTERM, which mean the same in every command.
//!
//! The program ends at once; unfinished files have temporary names. A command that can stop by itself at a better
//! moment calls [`hold`] and checks [`is_requested`] while it works. A second signal always ends the program at once.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::failure::Failure;
use crate::report::say;

/// Number of the first signal received; 0 if none was.
static SIGNAL: AtomicU8 = AtomicU8::new(0);

static STATE: Mutex<State> = Mutex::new(State {
    holds: 0,
    before_end: None,
});

struct State {
    /// Number of [`Hold`]s alive.
    holds: usize,
    /// Cleans up, and returns the line to print.
    before_end: Option<Box<dyn FnOnce() -> String + Send>>,
}

/// Starts to listen for signals. Call it once.
///
/// # Errors
/// [`Failure::Request`] if the system does not allow it.
pub fn listen() -> Result<(), Failure> {
    register().map_err(|error| {
        Failure::Request(format!(
            "cannot listen for Ctrl-C: {}",
            dvm::system_words(&error)
        ))
    })
}

/// SIGHUP keeps the setting of the shell, so that `nohup` works.
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
    // In another thread: a second signal must be handled while this one waits for a disk.
    let finish = move || {
        let mut state = state();
        if state.holds == 0 {
            dvm::discard_unfinished();
            let before_end = state.before_end.take();
            say_line(&before_end.map_or_else(|| "interrupted".into(), |clean_up| clean_up()));
            end(signal);
        }
    };
    if thread::Builder::new().spawn(finish).is_err() {
        end(signal);
    }
}

/// Whether a signal asked the program to end.
pub fn is_requested() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// Fails with this line if a signal asked the program to end.
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

/// While this exists, the first signal only makes [`is_requested`] true. The command stops when it can
/// and then calls [`check`].
#[must_use]
pub struct Hold(());

/// Prevents the first signal from ending the program.
pub fn hold() -> Hold {
    state().holds += 1;
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        state().holds -= 1;
    }
}

/// Sets what to do before a signal ends the program: `clean_up` returns the line to print.
/// It runs in another thread.
pub fn before_end(clean_up: impl FnOnce() -> String + Send + 'static) {
    state().before_end = Some(Box::new(clean_up));
}

/// Prints the line; on a terminal, below a progress bar.
pub fn say_line(line: &str) {
    if io::stderr().is_terminal() {
        say("");
    }
    say(line);
}

/// Ends the program as the signal does by default, so that a shell ends its loop, too.
pub fn end(signal: u8) -> ! {
    #[cfg(unix)]
    let _ = signal_hook::low_level::emulate_default_handler(signal.into());
    std::process::exit(128 + i32::from(signal))
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Runs long work: releases the GIL, reports progress, and stops on Ctrl-C.

use std::panic::resume_unwind;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use dvm::Progress;
use pyo3::prelude::*;

use crate::failure;

/// How often Python handles signals and gets the progress.
const TICK: Duration = Duration::from_millis(50);

/// The panic that stops cancelled work. It prints no message.
struct Cancelled;

/// The process that the engine's threads belong to; 0 while there are none.
static STARTED_IN: AtomicU32 = AtomicU32::new(0);

/// Refuses to work in a fork of a process whose engine has threads: `fork` does not copy threads,
/// so the work would never end.
fn refuse_forked() -> PyResult<()> {
    let own = process::id();
    let first = STARTED_IN.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst);
    match first {
        Err(started) if started != own => Err(failure::state(
            "this process was forked from one in which dvm already runs threads, which are not copied; \
             start processes with multiprocessing.get_context(\"spawn\"), or use dvm only after the fork",
        )),
        _ => Ok(()),
    }
}

/// Sets the number of threads of the whole process, and returns the number in use. Must be called
/// before anything is computed.
#[pyfunction]
pub fn set_threads(threads: usize) -> PyResult<usize> {
    refuse_forked()?;
    if threads == 0 {
        return Err(failure::value("the number of threads must be at least 1"));
    }
    dvm::start_threads(threads).map_err(failure::state)
}

/// Runs the work on its own thread. `progress` is called with what is computed, the finished steps
/// and all steps; its exceptions, and Ctrl-C, stop the work at its next step.
pub fn run<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Progress) -> Result<T, dvm::Error> + Send,
) -> PyResult<T> {
    refuse_forked()?;
    let is_cancelled = AtomicBool::new(false);
    let worked = py.detach(|| {
        let (tell, heard) = mpsc::channel();
        thread::scope(|scope| {
            let is_cancelled = &is_cancelled;
            let worker = scope.spawn(move || {
                let progress = |what: &'static str, done: usize, all: usize| {
                    if is_cancelled.load(Ordering::Relaxed) {
                        resume_unwind(Box::new(Cancelled));
                    }
                    // The receiver exists until this thread ends.
                    let _ = tell.send((what, done, all));
                };
                work(&progress)
            });
            let mut trouble = None;
            let mut last = None;
            let mut asked = Instant::now();
            let mut is_over = false;
            while !is_over {
                match heard.recv_timeout(TICK.saturating_sub(asked.elapsed())) {
                    Ok(step) => last = Some(step),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The thread has ended.
                    Err(RecvTimeoutError::Disconnected) => is_over = true,
                }
                if !is_over && asked.elapsed() < TICK {
                    continue;
                }
                asked = Instant::now();
                if trouble.is_none()
                    && let Err(error) = attend(last.take(), progress, is_over)
                {
                    is_cancelled.store(true, Ordering::Relaxed);
                    trouble = Some(error);
                }
            }
            let worked = worker.join();
            trouble.map_or(Ok(worked), Err)
        })
    })?;
    match worked {
        Ok(result) => result.map_err(|error| failure::exception(py, &error)),
        Err(panic) => resume_unwind(panic),
    }
}

/// Lets Python handle signals, and reports progress. Finished work needs no call for signals alone.
fn attend(
    step: Option<(&'static str, usize, usize)>,
    progress: Option<&Py<PyAny>>,
    is_over: bool,
) -> PyResult<()> {
    if is_over && (step.is_none() || progress.is_none()) {
        return Ok(());
    }
    Python::attach(|py| {
        py.check_signals()?;
        if let (Some(step), Some(progress)) = (step, progress) {
            progress.call1(py, step)?;
        }
        Ok(())
    })
}

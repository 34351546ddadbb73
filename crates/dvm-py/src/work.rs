//! Long work: the interpreter is free meanwhile, hears how far it is, and Ctrl-C ends it.

use std::panic::resume_unwind;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use dvm::Progress;
use pyo3::prelude::*;

use crate::failure;

/// How often Python is asked whether Ctrl-C came, and is told how far the work is.
const TICK: Duration = Duration::from_millis(50);

/// The panic that ends work which is not wanted any more. No message is printed for it.
struct Cancelled;

/// The process that the engine's threads belong to; 0 while there are none.
static STARTED_IN: AtomicU32 = AtomicU32::new(0);

/// Refuses to work in a copy of the process in which the engine has threads: a copy that `fork` makes has none of
/// them, and would wait for them for ever.
fn refuse_forked() -> PyResult<()> {
    let own = process::id();
    let first = STARTED_IN.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst);
    match first {
        Err(started) if started != own => Err(failure::state(
            "this process is a copy (fork) of one in which dvm had begun to work, and the threads that compute are \
             not copied; start processes by multiprocessing.get_context(\"spawn\"), or use dvm first in the copies",
        )),
        _ => Ok(()),
    }
}

/// Sets how many threads compute, in the whole process, and gives how many do. To be called before anything is
/// computed.
#[pyfunction]
pub fn set_threads(threads: usize) -> PyResult<usize> {
    refuse_forked()?;
    if threads == 0 {
        return Err(failure::value("at least one thread computes"));
    }
    dvm::start_threads(threads).map_err(failure::state)
}

/// Does the work on a thread of its own. `progress` is called with what is being made, steps done and all steps;
/// what it raises, and Ctrl-C, end the work at its next step.
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
                    // The other end listens until this thread is done.
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
                    // The thread has ended, and its end of the channel with it.
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

/// Lets Python hear its signals and how far the work is. Work that is over is not worth a call on its own.
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

//! A bounded queue for the engine, which uses all cores for one request.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{timeout, timeout_at};

use super::limits::Limits;
use super::problem::Problem;

/// The kind of work, by how long it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Milliseconds: predictions, single windows.
    Short,
    /// Seconds: explanations.
    Long,
}

/// Two lanes of requests that wait for the engine. Each lane runs one request at a time, independently of the other.
pub struct Queue {
    short: Arc<Line>,
    long: Arc<Line>,
    seconds: Duration,
    wait: Duration,
}

struct Line {
    turns: Arc<Semaphore>,
    /// Requests that wait or run.
    places: AtomicUsize,
    /// The maximum number of requests.
    most: usize,
    /// Moving average of the seconds per request.
    recent: Mutex<f64>,
}

/// Weight of the latest request in the moving average.
const WEIGHT: f64 = 0.25;

/// The maximum of the `Retry-After` header, in seconds.
const LONGEST: f64 = 300.0;

impl Queue {
    /// An empty queue.
    pub fn new(limits: &Limits) -> Self {
        let line = |seconds: f64| {
            Arc::new(Line {
                turns: Arc::new(Semaphore::new(1)),
                places: AtomicUsize::new(0),
                most: limits.queue + 1,
                recent: Mutex::new(seconds),
            })
        };
        Self {
            short: line(0.05),
            long: line(1.0),
            seconds: limits.seconds,
            wait: limits.wait,
        }
    }

    fn line(&self, lane: Lane) -> &Arc<Line> {
        match lane {
            Lane::Short => &self.short,
            Lane::Long => &self.long,
        }
    }

    /// The number of requests of a lane that wait or run.
    pub fn length(&self, lane: Lane) -> usize {
        self.line(lane).places.load(Ordering::Relaxed)
    }

    /// A place in the queue.
    ///
    /// # Errors
    /// 429 if the queue is full, with an estimate of when to try again; 503 when the server is stopping.
    pub fn enter(&self, lane: Lane) -> Result<Place, Problem> {
        let line = self.line(lane);
        if line.turns.is_closed() {
            return Err(ending());
        }
        let entered = line
            .places
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |places| {
                (places < line.most).then_some(places + 1)
            });
        if entered.is_err() {
            let message = format!(
                "the server is busy: {} requests are waiting; try again later",
                line.most - 1
            );
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, message).after(line.estimate()));
        }
        Ok(Place {
            held: LaneSlot(line.clone()),
            seconds: self.seconds,
            wait: self.wait,
        })
    }

    /// Refuses all waiting and new requests. Running requests are finished.
    pub fn close(&self) {
        self.short.turns.close();
        self.long.turns.close();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.short.turns.is_closed()
    }
}

impl Line {
    /// The time until half of the queue is done, so that not all refused clients come back at the same moment.
    fn estimate(&self) -> Duration {
        let recent = *self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = recent * self.most as f64 / 2.0;
        Duration::from_secs_f64(seconds.clamp(1.0, LONGEST))
    }

    fn learn(&self, took: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        *recent += WEIGHT * (took.as_secs_f64() - *recent);
    }
}

/// One request's place in a lane; freed when it is dropped.
struct LaneSlot(Arc<Line>);

impl Drop for LaneSlot {
    fn drop(&mut self) {
        self.0.places.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place in the queue.
pub struct Place {
    held: LaneSlot,
    seconds: Duration,
    wait: Duration,
}

const WANTED: u8 = 0;
const LEFT: u8 = 1;
const LATE: u8 = 2;

/// Tells running work whether its result is still needed. Can be used from any thread.
#[derive(Clone)]
pub struct Ticket {
    state: Arc<AtomicU8>,
    deadline: Instant,
}

/// The panic that cancels work. No message is printed for it.
struct Ended;

impl Ticket {
    /// Cancels the work if its time limit is over or the client is gone. Call it often, such as from the
    /// `progress` of a method. The work ends with a panic that [`Place::run`] catches.
    pub fn check(&self) {
        if self.is_over() {
            resume_unwind(Box::new(Ended));
        }
    }

    /// [`Ticket::check`] for [`dvm::Explain::before_walk`]: many methods walk for a long time between two steps.
    pub fn checking(&self) -> Arc<dyn Fn() + Send + Sync> {
        let ticket = self.clone();
        Arc::new(move || ticket.check())
    }

    /// Whether the work is cancelled.
    pub fn is_over(&self) -> bool {
        if self.state.load(Ordering::Relaxed) != WANTED {
            return true;
        }
        let is_late = Instant::now() >= self.deadline;
        if is_late {
            self.end(LATE);
        }
        is_late
    }

    /// Cancels the work at its next [`Ticket::check`], because the client is gone.
    pub fn leave(&self) {
        self.end(LEFT);
    }

    fn end(&self, why: u8) {
        let _ = self
            .state
            .compare_exchange(WANTED, why, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Cancels the work when the future that waits for it is dropped.
struct Waiting(Ticket);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Place {
    /// Waits for its turn and runs the work on a separate thread. Dropping the future removes the request from the
    /// queue, or cancels the work at its next [`Ticket::check`]; then the next request runs.
    ///
    /// # Errors
    /// 503 if its turn does not come in time or the server is stopping, 504 if the work takes too long, 500 if it
    /// panics.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&Ticket) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Self {
            held,
            seconds,
            wait,
        } = self;
        let turn = held.0.turns.clone().acquire_owned();
        let turn = match timeout(wait, turn).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_closed)) => return Err(ending()),
            Err(_elapsed) => {
                let message = format!(
                    "the request waited {} seconds, which is the limit; try again later",
                    wait.as_secs()
                );
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, message);
                return Err(problem.after(held.0.estimate()));
            }
        };
        let deadline = Instant::now() + seconds;
        let ticket = Ticket {
            state: Arc::new(AtomicU8::new(WANTED)),
            deadline,
        };
        let waiting = Waiting(ticket.clone());
        let span = tracing::Span::current();
        let worked = spawn_blocking(move || {
            let _entered = span.enter();
            let worked = run_timed(&ticket, &held, work);
            // The next request runs only after the engine has stopped.
            let _: (OwnedSemaphorePermit, LaneSlot) = (turn, held);
            worked
        });
        let worked = timeout_at(deadline.into(), worked).await;
        let is_late = waiting.0.state.load(Ordering::Relaxed) == LATE;
        match worked {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(Ok(Err(panic))) if panic.is::<Ended>() && !is_late => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the request was cancelled",
            )),
            Ok(Ok(Err(panic))) if !panic.is::<Ended>() => {
                let what = message_of(&*panic);
                tracing::error!(panic = what, "the engine panicked");
                Err(Problem::internal(
                    "the engine failed because of a bug; the server's log has the details",
                ))
            }
            Ok(Err(error)) => Err(Problem::internal(error.to_string())),
            Ok(Ok(Err(_))) | Err(_) => {
                waiting.0.end(LATE);
                let message = format!(
                    "the request takes longer than the limit of {} seconds; choose a faster method or fewer samples, \
                     or raise the server's limit",
                    seconds.as_secs_f64()
                );
                Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, message))
            }
        }
    }
}

/// Runs the work and measures its time.
fn run_timed<T>(
    ticket: &Ticket,
    held: &LaneSlot,
    work: impl FnOnce(&Ticket) -> T,
) -> Result<T, Box<dyn Any + Send>> {
    let start = Instant::now();
    let worked = catch_unwind(AssertUnwindSafe(|| work(ticket)));
    held.0.learn(start.elapsed());
    worked
}

/// The message of a panic.
fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn ending() -> Problem {
    let message = "the server is stopping; try again later";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).after(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn queue(change: impl FnOnce(&mut Limits)) -> Queue {
        let mut limits = Limits::default();
        change(&mut limits);
        Queue::new(&limits)
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let result = runtime.block_on(future);
        runtime.shutdown_background();
        result
    }

    #[test]
    fn work_that_panics_gets_500_and_the_next_work_runs() {
        block(async {
            let queue = queue(|_| {});
            let place = queue.enter(Lane::Long).unwrap();
            let problem = place
                .run(|_| -> u8 { resume_unwind(Box::new("broken")) })
                .await;
            let problem = problem.unwrap_err();
            assert_eq!(problem.status, 500);
            assert!(!problem.message.contains("broken"));
            let place = queue.enter(Lane::Long).unwrap();
            assert_eq!(place.run(|_| 7).await, Ok(7));
            assert_eq!(queue.length(Lane::Long), 0);
        });
    }

    #[test]
    fn work_that_never_checks_its_ticket_gets_504_in_time() {
        block(async {
            let queue = queue(|limits| limits.seconds = Duration::from_millis(50));
            let (end, ended) = mpsc::channel::<()>();
            let place = queue.enter(Lane::Long).unwrap();
            let problem = place.run(move |_| ended.recv()).await.unwrap_err();
            assert_eq!(problem.status, 504);
            // The engine and the lane are still busy with it.
            assert_eq!(queue.length(Lane::Long), 1);
            end.send(()).unwrap();
            while queue.length(Lane::Long) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }

    #[test]
    fn a_check_on_any_thread_cancels_the_work() {
        block(async {
            let queue = queue(|limits| limits.seconds = Duration::from_millis(50));
            let place = queue.enter(Lane::Short).unwrap();
            let work = |ticket: &Ticket| {
                thread::scope(|scope| {
                    let ticket = ticket.clone();
                    let worker = scope.spawn(move || {
                        loop {
                            ticket.check();
                            thread::sleep(Duration::from_millis(1));
                        }
                    });
                    let Err(panic) = worker.join();
                    resume_unwind(panic);
                });
            };
            assert_eq!(place.run(work).await.unwrap_err().status, 504);
        });
    }

    #[test]
    fn the_time_to_retry_follows_from_the_time_of_recent_work() {
        let queue = queue(|limits| limits.queue = 9);
        let line = queue.line(Lane::Long);
        let before = line.estimate();
        for _ in 0..20 {
            line.learn(Duration::from_secs(8));
        }
        let after = line.estimate();
        assert!(
            before < after && (39.0..=40.0).contains(&after.as_secs_f64()),
            "{after:?}"
        );
        for _ in 0..99 {
            line.learn(Duration::from_secs(9999));
        }
        assert_eq!(line.estimate().as_secs_f64(), LONGEST);
    }

    #[test]
    fn a_closed_queue_refuses_requests() {
        let queue = queue(|_| {});
        queue.close();
        let problem = queue.enter(Lane::Short).err().unwrap();
        assert_eq!(problem.status, 503);
        assert!(problem.retry_after.is_some());
    }
}

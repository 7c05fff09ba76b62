//! Readers: a few threads with a read-only connection each, and a time limit on every read.
//!
//! A read that goes on for long keeps the write-ahead log from starting again, so it is broken off instead.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::fault::Fault;
use crate::StoreError;

/// Reads that may wait for a thread; more are told to come back.
const QUEUE_MAX: usize = 1_024;
/// How long a caller waits for a place in the queue.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock: about 0.1 ms.
const STEPS_PER_LOOK: i32 = 10_000;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The readers as their callers see them.
pub(super) struct Readers {
    queue: Mutex<Option<Sender<Job>>>,
    places: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts a thread for each connection.
    pub(super) fn start(connections: Vec<Connection>, time_max: Duration) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = connections
            .into_iter()
            .map(|conn| {
                let jobs = Arc::clone(&jobs);
                std::thread::Builder::new().name("store-reader".into()).spawn(move || serve(conn, &jobs, time_max))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { queue: Mutex::new(Some(queue)), places: Arc::new(Semaphore::new(QUEUE_MAX)), threads: Mutex::new(threads) })
    }

    /// Runs a read in a transaction of its own, so that all it sees belongs together.
    pub(super) async fn call<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let place = match tokio::time::timeout(QUEUE_WAIT_MAX, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(gone()),
            Err(_) => return Err(StoreError::Unavailable("too many reads are waiting; try again later".into())),
        };
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let done = catch_unwind(AssertUnwindSafe(|| read_as_one(conn, read))).unwrap_or_else(|_| {
                tracing::error!("a read panicked");
                Err(StoreError::Backend("a read panicked".into()))
            });
            drop(place);
            // The caller may have gone away.
            let _ = reply.send(done);
        });
        {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        }
        answer.await.map_err(|_| gone())?
    }

    /// Ends the threads. Blocks until they have.
    pub(super) fn close(&self) {
        self.places.close();
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reader had panicked");
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the store is shutting down".into())
}

fn read_as_one<T>(conn: &mut Connection, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
    let run = |conn: &mut Connection| -> Result<T, Fault> {
        let tx = conn.transaction()?;
        let answer = read(&tx)?;
        tx.commit()?;
        Ok(answer)
    };
    run(conn).map_err(StoreError::from)
}

fn serve(mut conn: Connection, jobs: &Mutex<Receiver<Job>>, time_max: Duration) {
    let deadline = Arc::new(Mutex::new(Instant::now() + time_max));
    let looked_at = Arc::clone(&deadline);
    let watched =
        conn.progress_handler(STEPS_PER_LOOK, Some(move || Instant::now() > *looked_at.lock().unwrap_or_else(PoisonError::into_inner)));
    if let Err(error) = watched {
        tracing::error!(%error, "reads cannot be limited in time");
    }
    loop {
        // The lock is held while waiting: the next thread waits for it instead, which is the same.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        *deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time_max;
        job(&mut conn);
    }
}

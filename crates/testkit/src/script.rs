//! The listener's memory: what came, what is to be answered, and the signals tests wait for.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    answer::Answer,
    received::{Counts, Log, Received},
};

/// Answers laid up at once; a test that needs more computes them.
const ANSWERS_MAX: usize = 10_000;

/// Computes an answer from a request.
type Answering = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

/// Shared by a listener and its connections.
pub(crate) struct Script {
    inner: Mutex<Inner>,
    counts: watch::Sender<Counts>,
    /// Counts the releases; whoever holds an answer waits for the next.
    releases: watch::Sender<u64>,
}

struct Inner {
    log: Log,
    next: VecDeque<Answer>,
    otherwise: Answering,
}

impl Script {
    /// Answers everything with 200.
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner { log: Log::default(), next: VecDeque::new(), otherwise: Arc::new(|_| Answer::ok()) }),
            counts: watch::Sender::default(),
            releases: watch::Sender::default(),
        }
    }

    /// Lays answers up.
    pub(crate) fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut inner = self.lock();
        inner.next.extend(answers);
        let laid_up = inner.next.len();
        drop(inner);
        assert!(laid_up <= ANSWERS_MAX, "{laid_up} answers are laid up; compute them with answer_with");
    }

    /// What to answer when nothing is laid up.
    pub(crate) fn answer_with(&self, answering: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        self.lock().otherwise = Arc::new(answering);
    }

    /// Records a request, with its number, and gives its answer. The n-th request gets the n-th laid-up answer.
    pub(crate) fn record(&self, mut received: Received) -> Answer {
        let mut inner = self.lock();
        let laid_up = inner.next.pop_front();
        let otherwise = Arc::clone(&inner.otherwise);
        // Only this function and clear() change the number, both under the lock.
        received.number = self.counts().requests + 1;
        let copy = received.clone();
        let forgotten = inner.log.push(received);
        // Counted after it is kept: whoever sees the count finds the request.
        self.counts.send_modify(|counts| {
            counts.requests += 1;
            counts.forgotten += forgotten;
        });
        drop(inner);
        laid_up.unwrap_or_else(|| otherwise(&copy))
    }

    /// The requests that are kept.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.lock().log.all()
    }

    /// Forgets requests and laid-up answers, and counts requests from 1 again.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.log.clear();
        inner.next.clear();
        self.counts.send_modify(|counts| {
            counts.requests = 0;
            counts.forgotten = 0;
        });
    }

    /// Changes the counts and wakes who waits for them.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    /// The counts now.
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until the counts are as wanted.
    pub(crate) async fn wait_until(&self, wanted: impl FnMut(&Counts) -> bool) {
        // The sender is in self, so the channel does not close while this waits.
        let _ = self.counts.subscribe().wait_for(wanted).await;
    }

    /// Lets every held answer go.
    pub(crate) fn release(&self) {
        self.releases.send_modify(|releases| *releases += 1);
    }

    /// Sees every release from now on.
    pub(crate) fn releases(&self) -> watch::Receiver<u64> {
        self.releases.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

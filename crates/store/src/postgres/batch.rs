//! Batches: what callers bring while a transaction is under way goes into the next one together.
//!
//! There is no timer. A few workers take turns at the queue: each takes all that is queued by then, up to the bounds of a batch,
//! and answers after the commit. A lone caller waits for its own commit and nothing else.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
};

use super::pool::gone;
use crate::{Refused, StoreError, store::Each};

/// Items in one transaction: enough to fill a commit under load, few enough that it stays within milliseconds.
const BATCH_ITEMS_MAX: usize = 1_024;
/// Bytes in one transaction, for the same reason.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// What may wait in the queue, in units of [`UNIT_BYTES`]: 64 MiB of payload, or 16,384 small calls.
const QUEUE_UNITS: u32 = 16_384;
/// The least a call takes of the queue.
const UNIT_BYTES: usize = 4 << 10;
/// How long a caller waits for a place in the queue before it is told to come back.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);

/// One kind of write.
pub(super) trait Kind: Send + Sync + 'static {
    /// What callers bring.
    type Item: Send + Sync + 'static;
    /// What each item is answered.
    type Answer: Send + 'static;

    /// Writes all of these in one transaction, each with its own answer. On an error nothing was written, or it is not known.
    fn write(&self, items: &[&Self::Item]) -> impl Future<Output = Result<Answers<Self::Answer>, StoreError>> + Send;
}

/// One answer for each item. An item may fail by itself where its neighbours do not.
pub(super) type Answers<A> = Vec<Result<Result<A, Refused>, StoreError>>;

struct Call<K: Kind> {
    items: Vec<K::Item>,
    bytes: usize,
    reply: oneshot::Sender<Result<Each<K::Answer>, StoreError>>,
    _place: OwnedSemaphorePermit,
}

/// The queue of one kind of write, and its workers.
pub(super) struct Batcher<K: Kind> {
    queue: std::sync::Mutex<Option<mpsc::UnboundedSender<Call<K>>>>,
    places: Arc<Semaphore>,
    workers: Mutex<JoinSet<()>>,
}

impl<K: Kind> Batcher<K> {
    /// Starts so many workers, each of which has one transaction under way at a time.
    pub(super) fn start(kind: Arc<K>, workers: usize) -> Self {
        // Unbounded, since places bound it by bytes.
        let (queue, calls) = mpsc::unbounded_channel();
        let calls = Arc::new(Mutex::new(calls));
        let mut set = JoinSet::new();
        for _ in 0..workers.max(1) {
            set.spawn(serve(Arc::clone(&kind), Arc::clone(&calls)));
        }
        let places = Arc::new(Semaphore::new(QUEUE_UNITS as usize));
        Self { queue: std::sync::Mutex::new(Some(queue)), places, workers: Mutex::new(set) }
    }

    /// Writes items of together about `bytes`; answers after the commit. The write goes on when the caller goes away.
    pub(super) async fn call(&self, items: Vec<K::Item>, bytes: usize) -> Result<Each<K::Answer>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let units = u32::try_from(bytes / UNIT_BYTES + 1).unwrap_or(QUEUE_UNITS).min(QUEUE_UNITS);
        let place = match tokio::time::timeout(QUEUE_WAIT_MAX, Arc::clone(&self.places).acquire_many_owned(units)).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(gone()),
            Err(_) => return Err(StoreError::Unavailable("too much is queued for the database; try again later".into())),
        };
        let (reply, answer) = oneshot::channel();
        let call = Call { items, bytes, reply, _place: place };
        let queued = match &*self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(queue) => queue.send(call).is_ok(),
            None => false,
        };
        if !queued {
            return Err(gone());
        }
        answer.await.map_err(|_| StoreError::Unknown("a write panicked".into()))?
    }

    /// Lets what is queued be written, then ends the workers.
    pub(super) async fn close(&self) {
        self.places.close();
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let mut workers = self.workers.lock().await;
        while let Some(ended) = workers.join_next().await {
            if ended.is_err() {
                tracing::error!("a writer had panicked");
            }
        }
    }
}

async fn serve<K: Kind>(kind: Arc<K>, calls: Arc<Mutex<mpsc::UnboundedReceiver<Call<K>>>>) {
    loop {
        let batch = gather(&mut *calls.lock().await).await;
        if batch.is_empty() {
            return;
        }
        let kind = Arc::clone(&kind);
        // A task of its own: a panic is a fault of ours, and must not take the worker with it.
        if tokio::spawn(async move { write(&*kind, batch).await }).await.is_err() {
            tracing::error!("a write panicked");
        }
    }
}

/// Waits for a call and takes what is queued by then, up to the bounds of a batch. Nothing means that the queue has ended.
async fn gather<K: Kind>(queue: &mut mpsc::UnboundedReceiver<Call<K>>) -> Vec<Call<K>> {
    let Some(first) = queue.recv().await else { return Vec::new() };
    let (mut items, mut bytes) = (first.items.len(), first.bytes);
    let mut calls = vec![first];
    while items < BATCH_ITEMS_MAX && bytes < BATCH_BYTES_MAX {
        let Ok(call) = queue.try_recv() else { break };
        items += call.items.len();
        bytes += call.bytes;
        calls.push(call);
    }
    calls
}

async fn write<K: Kind>(kind: &K, calls: Vec<Call<K>>) {
    let items: Vec<&K::Item> = calls.iter().flat_map(|call| call.items.iter()).collect();
    let mut answers = match kind.write(&items).await {
        Ok(answers) => answers.into_iter(),
        Err(error) => {
            for call in calls {
                // The caller may have gone away.
                drop(call.reply.send(Err(error.clone())));
            }
            return;
        }
    };
    for call in calls {
        let mine: Vec<_> = answers.by_ref().take(call.items.len()).collect();
        drop(call.reply.send(mine.into_iter().collect()));
    }
}

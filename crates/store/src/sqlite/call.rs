//! Calls: what one caller wants done inside the shared transaction, and how it is answered.

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, oneshot},
};

use super::{fault::Fault, transaction::Tx};
use crate::StoreError;

/// What a call brings, so that batches stay bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// Rows written, about.
    pub(super) rows: usize,
    /// Bytes written, about.
    pub(super) bytes: usize,
    /// Refused when the store is full; everything else goes on from the reserve.
    pub(super) intake: bool,
    /// Nobody waits for it: it shares the commit of the next call that somebody waits for, if one comes soon.
    pub(super) patient: bool,
}

impl Weight {
    /// A few rows of configuration or upkeep.
    pub(super) const SMALL: Self = Self { rows: 4, bytes: 1_024, intake: false, patient: false };

    /// So many rows, none of them large.
    pub(super) fn rows(rows: usize) -> Self {
        Self { rows, bytes: rows * 256, ..Self::SMALL }
    }
}

/// One caller's work inside the shared transaction. It may be run again after a rollback.
pub(super) trait Call: Send {
    /// What it brings.
    fn weight(&self) -> Weight;
    /// Does it; the answer waits for the commit.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Fault>;
    /// Keeps an error as this call's answer, its neighbours unharmed.
    fn refuse(&mut self, error: StoreError);
    /// Where the caller runs.
    fn runtime(&self) -> Option<&Handle>;
    /// Answers the caller: what was done, if it was committed.
    fn answer(&mut self, committed: Result<(), StoreError>);
}

/// See [`Call`].
struct Work<T, F> {
    work: F,
    weight: Weight,
    done: Option<Result<T, StoreError>>,
    reply: Option<oneshot::Sender<Result<T, StoreError>>>,
    runtime: Option<Handle>,
    _place: OwnedSemaphorePermit,
}

impl<T: Send, F: FnMut(&Tx<'_>) -> Result<T, Fault> + Send> Call for Work<T, F> {
    fn weight(&self) -> Weight {
        self.weight
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Fault> {
        self.done = Some(Ok((self.work)(tx)?));
        Ok(())
    }

    fn refuse(&mut self, error: StoreError) {
        self.done = Some(Err(error));
    }

    fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    fn answer(&mut self, committed: Result<(), StoreError>) {
        let done = self.done.take().unwrap_or_else(|| Err(StoreError::Backend("a call was not run".into())));
        if let Some(reply) = self.reply.take() {
            // The caller may have gone away; what was committed stays.
            let _ = reply.send(committed.and(done));
        }
    }
}

/// Calls on stable storage that wait for their answer. However it ends, each is answered.
pub(super) struct Committed(pub(super) Vec<Box<dyn Call>>);

/// So few are answered on the spot.
const ANSWERED_HERE: usize = 2;

impl Committed {
    /// Answers where the callers run: a thread of the runtime wakes its own tasks with a push to its queue, another thread with a call of
    /// the system for many of them; and the writer goes on.
    pub(super) fn answer(self) {
        if self.0.len() > ANSWERED_HERE
            && let Some(runtime) = self.0[0].runtime().cloned()
        {
            runtime.spawn(async move { drop(self) });
        }
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        // All are answered before any is dropped: freeing what they brought takes longer than waking who waits.
        for call in &mut self.0 {
            call.answer(Ok(()));
        }
    }
}

/// A call, and where its answer comes.
pub(super) fn call<T, F>(weight: Weight, work: F, place: OwnedSemaphorePermit) -> (Box<dyn Call>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnMut(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let runtime = Handle::try_current().ok();
    (Box::new(Work { work, weight, done: None, reply: Some(reply), runtime, _place: place }), answer)
}

/// What comes through the queue.
pub(super) enum Message {
    /// A caller's work.
    Call(Box<dyn Call>),
    /// Nothing comes after this.
    Close,
}

//! Which calls share a transaction, and for how long they wait for one another.

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use super::call::{Call, Message};

/// Rows in one transaction: enough to fill a commit under load, few enough that a commit stays within milliseconds.
const ROWS_MAX: usize = 2_048;
/// Bytes in one transaction, for the same reason.
const BYTES_MAX: usize = 4 << 20;

/// A batch of so many calls has been company for the next one.
const COMPANY_CALLS: usize = 6;
/// So many together are enough: what a commit costs is little beside what they cost.
const COMPANY_ENOUGH: usize = 64;
/// The longest wait for company.
const COMPANY_WAIT_MAX: Duration = Duration::from_millis(2);
/// How long calls that nobody waits for stay for one that somebody does. What a crash forgets of it is attempted once more.
const PATIENCE: Duration = Duration::from_millis(10);

/// Calls of one transaction, in the order in which they came.
pub(super) struct Batch {
    /// The calls.
    pub(super) calls: Vec<Box<dyn Call>>,
    /// Nothing comes after it.
    pub(super) closing: bool,
    rows: usize,
    bytes: usize,
    /// Nobody waits for any of it.
    patient: bool,
}

impl Batch {
    fn of(first: Box<dyn Call>) -> Self {
        let mut batch = Self { calls: Vec::new(), closing: false, rows: 0, bytes: 0, patient: true };
        batch.push(first);
        batch
    }

    fn push(&mut self, call: Box<dyn Call>) {
        let weight = call.weight();
        self.rows += weight.rows;
        self.bytes += weight.bytes;
        self.patient &= weight.patient;
        self.calls.push(call);
    }

    fn is_full(&self) -> bool {
        self.closing || self.rows >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Call(call) => self.push(call),
            Message::Close => self.closing = true,
        }
    }

    /// Takes what is queued by now, up to the bounds of a batch.
    fn fill(&mut self, queue: &Receiver<Message>) {
        while !self.is_full()
            && let Ok(message) = queue.try_recv()
        {
            self.take(message);
        }
    }

    /// While nobody waits for any of it, it waits for what somebody does.
    fn wait_for_others(&mut self, queue: &Receiver<Message>) {
        let until = Instant::now() + PATIENCE;
        while self.patient
            && !self.is_full()
            && let Ok(message) = queue.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.take(message);
        }
        self.fill(queue);
    }
}

/// How many came together lately. A commit costs the pages it touches, nearly the same for ten events as for forty: at the right edge of
/// each table and index the same page is written again. So where many come at once and the last of them are on their way back with what
/// follows, the writer waits for as long as the last commit took and commits them together. Whoever comes alone waits for nobody.
#[derive(Default)]
pub(super) struct Gathering {
    /// Calls in the batch before.
    before: usize,
    /// How long it took.
    took: Duration,
}

impl Gathering {
    /// The next batch, which begins with this call.
    pub(super) fn batch(&self, first: Box<dyn Call>, queue: &Receiver<Message>) -> Batch {
        let mut batch = Batch::of(first);
        batch.fill(queue);
        if batch.patient {
            batch.wait_for_others(queue);
        }
        let is_enough = batch.calls.len() >= COMPANY_ENOUGH.min(2 * self.before) || batch.is_full();
        if self.is_company() && !is_enough {
            std::thread::sleep(self.took.min(COMPANY_WAIT_MAX));
            batch.fill(queue);
        }
        batch
    }

    /// Whether calls come together: whether the last batch was company for the next one.
    pub(super) fn is_company(&self) -> bool {
        self.before >= COMPANY_CALLS
    }

    /// What the last batch was.
    pub(super) fn was(&mut self, calls: usize, took: Duration) {
        (self.before, self.took) = (calls, took);
    }
}

//! The store's writer: one commit at a time; what comes while one is under way goes into the next.

use std::time::Duration;

use countersign_core::Timestamp;

#[derive(Debug)]
pub(crate) struct Disk {
    commit: Duration,
    /// When the commit under way ends.
    busy_until: Timestamp,
    /// When the one after it ends, if anything waits for it.
    then_until: Option<Timestamp>,
}

impl Disk {
    /// `commit` is what one takes.
    pub(crate) fn new(commit: Duration) -> Self {
        Self { commit, busy_until: Timestamp::EPOCH, then_until: None }
    }

    /// When something brought `now` is on the disk. Never before what was brought earlier.
    pub(crate) fn written_at(&mut self, now: Timestamp) -> Timestamp {
        while now >= self.busy_until {
            match self.then_until.take() {
                Some(then_until) => self.busy_until = then_until,
                None => {
                    self.busy_until = now + self.commit;
                    return self.busy_until;
                }
            }
        }
        *self.then_until.get_or_insert(self.busy_until + self.commit)
    }

    /// The process died: nothing is under way.
    pub(crate) fn forget(&mut self) {
        self.busy_until = Timestamp::EPOCH;
        self.then_until = None;
    }
}

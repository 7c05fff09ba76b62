//! Jobs: work that outlives its request (replay, historical publish), done in steps by whichever node holds the lease.

use countersign_core::{
    Timestamp,
    id::{AccountId, Incarnation, JobId},
};

/// How far a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobState {
    /// Waits for a node, or is in the hands of one.
    Running,
    /// Done.
    Finished,
    /// Given up; the progress says why.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl JobState {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        [Self::Running, Self::Finished, Self::Failed, Self::Cancelled].into_iter().find(|state| state.as_str() == word)
    }
}

/// A job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose.
    pub account: AccountId,
    /// What kind of work, as a stable word.
    pub kind: String,
    /// How far it is.
    pub state: JobState,
    /// What is to be done (JSON).
    pub spec: String,
    /// How far it came (JSON): cursor and counts, written with each step.
    pub progress: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was last written.
    pub changed_at: Timestamp,
    /// Who works on it.
    pub leased_by: Option<Incarnation>,
}

//! What a check came to.

use serde_json::{Value, json};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Fine,
    /// Works, and somebody should look at it.
    Odd,
    /// Does not work.
    Failed,
    /// Not made, for want of something.
    Skipped,
}

impl State {
    /// As shown.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Odd => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A check and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was checked.
    pub(super) check: String,
    /// How it ended.
    pub(super) state: State,
    /// What was found, and what to do about it.
    pub(super) words: String,
}

impl Finding {
    fn new(check: impl Into<String>, state: State, words: impl Into<String>) -> Self {
        Self { check: check.into(), state, words: words.into() }
    }

    pub(super) fn fine(check: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(check, State::Fine, words)
    }

    pub(super) fn odd(check: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(check, State::Odd, words)
    }

    pub(super) fn failed(check: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(check, State::Failed, words)
    }

    pub(super) fn skipped(check: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, words)
    }

    pub(super) fn for_programs(&self) -> Value {
        json!({"check": self.check, "state": self.state.word(), "message": self.words})
    }
}

//! Purging: documents of a completed envelope wait two weeks in a queue and are then gone for good.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notification::DAY;
use crate::time::Timestamp;

/// How long documents wait in the purge queue (Connect: 14 days).
pub const PURGE_DELAY: Duration = Duration::from_secs(14 * DAY.as_secs());

/// How much is purged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurgeScope {
    /// The bytes of documents and attachments.
    Documents,
    /// Those and the data in the fields.
    DocumentsAndMetadata,
    /// Those and the names and addresses of the recipients.
    DocumentsAndMetadataAndRedact,
}

impl PurgeScope {
    /// The word, as stored and shown; Connect's states are built from it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::DocumentsAndMetadata => "documents_and_metadata",
            Self::DocumentsAndMetadataAndRedact => "documents_and_metadata_and_redact",
        }
    }
}

/// How far purging has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Purge {
    /// Nobody asked for it.
    #[default]
    Unpurged,
    /// In the queue.
    Queued {
        /// How much.
        scope: PurgeScope,
        /// Since when.
        requested_at: Timestamp,
    },
    /// Taken out of the queue again.
    Dequeued,
    /// Done.
    Purged {
        /// How much.
        scope: PurgeScope,
        /// When it was asked for.
        requested_at: Timestamp,
        /// When it was done.
        purged_at: Timestamp,
    },
}

impl Purge {
    /// When what is queued goes.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::Queued { requested_at, .. } => Some(*requested_at + PURGE_DELAY),
            Self::Unpurged | Self::Dequeued | Self::Purged { .. } => None,
        }
    }
}

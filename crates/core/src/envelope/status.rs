//! Where an envelope stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of an envelope (Connect: envelope status).
///
/// The transient `signed` between *delivered* and *completed* cannot be observed here, because a change is recorded
/// whole; it is read as a filter and never written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvelopeStatus {
    /// A draft.
    Created,
    /// An invitation went to at least one recipient.
    Sent,
    /// All recipients have opened it.
    Delivered,
    /// All recipients are done.
    Completed,
    /// A recipient declined.
    Declined,
    /// The sender withdrew it, or it expired.
    Voided,
    /// Moved to the bin.
    Deleted,
}

impl EnvelopeStatus {
    /// All of them, in the order in which they can be reached.
    pub const ALL: [Self; 7] = [Self::Created, Self::Sent, Self::Delivered, Self::Completed, Self::Declined, Self::Voided, Self::Deleted];

    /// The word, as stored, shown and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::Voided => "voided",
            Self::Deleted => "deleted",
        }
    }

    /// True while recipients may act: *sent* or *delivered*.
    #[must_use]
    pub const fn is_in_process(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered)
    }

    /// True when no recipient can ever act again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Declined | Self::Voided | Self::Deleted)
    }
}

impl fmt::Display for EnvelopeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! What was done to an envelope, by whom, from where.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::status::EnvelopeStatus;
use crate::{id::UserId, time::Timestamp};

/// The most entries kept; the oldest go first. They travel in every snapshot, so the list cannot grow without end.
pub const AUDIT_EVENTS_MAX: usize = 200;

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// What was done, in one or two words, such as `Sent Invitations`.
    pub action: String,
    /// What was done, as a sentence.
    pub message: String,
    /// Who did it.
    pub name: String,
    /// The user, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// `api`, `web`, `signing` or `system`.
    pub source: String,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// The envelope's status afterwards.
    pub status: EnvelopeStatus,
}

/// The newest entries, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditTrail(VecDeque<AuditEvent>);

impl AuditTrail {
    /// Adds an entry; the oldest goes when there are more than [`AUDIT_EVENTS_MAX`].
    pub fn push(&mut self, event: AuditEvent) {
        if self.0.len() >= AUDIT_EVENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// The entries, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &AuditEvent> {
        self.0.iter()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_trail_keeps_the_newest() {
        let mut trail = AuditTrail::default();
        for n in 0..AUDIT_EVENTS_MAX + 10 {
            trail.push(AuditEvent {
                at: Timestamp::from_secs(0),
                action: n.to_string(),
                message: String::new(),
                name: String::new(),
                user: None,
                source: "api".into(),
                ip_address: None,
                status: EnvelopeStatus::Created,
            });
        }
        assert_eq!(trail.iter().len(), AUDIT_EVENTS_MAX);
        assert_eq!(trail.iter().next().map(|e| e.action.as_str()), Some("10"));
    }
}

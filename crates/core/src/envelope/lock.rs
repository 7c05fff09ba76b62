//! The lock under which a sender corrects an envelope while recipients wait.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::recipient::Person;
use crate::{id::UserId, time::Timestamp};

/// The longest a lock can be asked for, in seconds: an hour. A forgotten lock stops all recipients.
pub const LOCK_SECONDS_MAX: u32 = 3_600;

/// A lock on an envelope. It ends when released or when its time is over, whichever comes first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lock {
    /// What its holder shows to use it. It gives nothing without an access token of the account.
    pub token: Uuid,
    /// Who holds it.
    pub owner: UserId,
    /// Name and address of that user.
    pub owner_person: Person,
    /// The application that took it.
    #[serde(default)]
    pub app: String,
    /// The time asked for, in seconds.
    pub duration_secs: u32,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Echoed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scratch_pad: bool,
    /// True once something was changed under it, which makes its release a correction.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub corrected: bool,
}

impl Lock {
    /// True while it holds.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

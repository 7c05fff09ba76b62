//! A delivery: one event for one subscription, and the states it goes through.
//!
//! ```text
//!            record                     settle: accepted
//!  (match) ─────────► Waiting ──claim──► Leased ─────────────► Delivered
//!                │      ▲  ▲               │ │
//!                └──────┼──┼── hand-over ──┘ ├── settle: retry ──► Waiting
//!        release, resume│  │                 ├── settle: give up ► Parked
//!                 (held)┘  └── replay, retry_queue (Parked)
//!  Waiting, Parked ── subscription deleted, failure deleted ──► Cancelled
//! ```
//!
//! The same words stand in code, column, API and page.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, DeliveryId, EnvelopeId, EventId, Incarnation, ListenerId, SubscriptionId},
    shape::MessageShape,
    time::Timestamp,
};

/// Why a waiting delivery is not attempted although it may be due. Time held does not count towards the horizon.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The subscription is paused.
    Paused,
    /// The subscription was disabled by the system.
    Disabled,
    /// The authorization server gives no token; nothing is ever sent without it.
    NoToken,
}

impl Hold {
    /// The word used in columns, filters and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::NoToken => "no_token",
        }
    }

    /// The number stored in a delivery's row, from 1; 0 stands for not held.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Paused => 1,
            Self::Disabled => 2,
            Self::NoToken => 3,
        }
    }

    /// The hold of a stored number; `None` for 0 and for numbers of newer versions.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Paused, Self::Disabled, Self::NoToken].into_iter().find(|hold| hold.code() == code)
    }
}

/// Why a delivery was given up. It is kept until a person acts or retention ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    /// The retry profile has no further attempt.
    Exhausted,
    /// The listener answered 410 Gone (RFC 9110 §15.5.11); the subscription is paused as well.
    Gone,
    /// One failure with "require acknowledgement" off, where the setting honours that.
    NotAcknowledged,
    /// The message cannot be made: too large, or its snapshot was purged.
    Unrenderable,
    /// It was in flight when processes died, time and again, and at last without another suspect of its lane (TM-32).
    Poison,
}

impl ParkReason {
    /// The word used in columns, filters and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Gone => "gone",
            Self::NotAcknowledged => "not_acknowledged",
            Self::Unrenderable => "unrenderable",
            Self::Poison => "poison",
        }
    }

    /// The number stored in a delivery's row.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Exhausted => 1,
            Self::Gone => 2,
            Self::NotAcknowledged => 3,
            Self::Unrenderable => 4,
            Self::Poison => 5,
        }
    }

    /// The reason of a stored number; `None` when a newer version wrote it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Exhausted, Self::Gone, Self::NotAcknowledged, Self::Unrenderable, Self::Poison].into_iter().find(|r| r.code() == code)
    }
}

/// The state of a delivery. Each state owns only what is true in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryState {
    /// Due at a time, unless held.
    Waiting {
        /// When it may be attempted.
        due_at: Timestamp,
        /// Why it is not attempted even then.
        held: Option<Hold>,
    },
    /// In the hands of one incarnation of a node.
    Leased {
        /// Whose.
        by: Incarnation,
    },
    /// A listener answered 2xx.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// Given up.
    Parked {
        /// Why.
        reason: ParkReason,
        /// When.
        at: Timestamp,
    },
    /// Nobody wants it any more: the subscription or the failure was deleted.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

impl DeliveryState {
    /// The word used in the API and on pages.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Leased { .. } => "leased",
            Self::Delivered { .. } => "delivered",
            Self::Parked { .. } => "parked",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// True when something may still be sent without a person acting.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Waiting { .. } | Self::Leased { .. })
    }
}

/// One event for one subscription. Its id is the same over all attempts; listeners de-duplicate on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Whose it is.
    pub account: AccountId,
    /// What happened.
    pub event: EventId,
    /// Who wants to hear of it.
    pub subscription: SubscriptionId,
    /// Where the subscription led when this was recorded; the lane it waits for.
    pub listener: ListenerId,
    /// The envelope concerned.
    pub envelope: Option<EnvelopeId>,
    /// The form of the body, frozen when recorded.
    pub shape: MessageShape,
    /// `generatedDateTime` of the message, frozen when recorded.
    pub generated_at: Timestamp,
    /// Deliveries with the same key go out one at a time; `None` when no order was asked for.
    pub order_key: Option<i64>,
    /// Its state.
    pub state: DeliveryState,
    /// Attempts made and counted so far.
    pub attempts_made: u32,
    /// `retryCount` of the next attempt's body: the number of attempts made and counted before it, whether the schedule asked for them
    /// or a person (`retry_queue`).
    pub retry_count: u32,
    /// Where the retry schedule started: when recorded, or when a person asked for it again.
    pub schedule_started_at: Timestamp,
    /// Attempts made before [`Delivery::schedule_started_at`]; they do not count against the schedule.
    pub attempts_before_schedule: u32,
    /// How long it was held in all since the schedule started; moves the horizon.
    pub held_total: Duration,
    /// The delivery it replays, for replay and historical publish.
    pub replay_of: Option<DeliveryId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_numbers_read_back() {
        for hold in [Hold::Paused, Hold::Disabled, Hold::NoToken] {
            assert_eq!(Hold::from_code(hold.code()), Some(hold));
        }
        assert_eq!(Hold::from_code(0), None);
        for code in 1..=5 {
            assert_eq!(ParkReason::from_code(code).map(ParkReason::code), Some(code));
        }
        assert_eq!(ParkReason::from_code(9), None);
    }
}

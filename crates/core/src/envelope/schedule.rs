//! What time alone will do to an envelope, and when.

use std::time::Duration;

use super::{action::Action, notification::DAY, recipient::RecipientStatus, state::Envelope, status::EnvelopeStatus};
use crate::time::Timestamp;

/// Something that time does to an envelope.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// Its time is over.
    Expire,
    /// Its time is nearly over.
    ExpireWarning,
    /// Recipients are to be reminded.
    Remind,
    /// Its documents have waited long enough in the purge queue.
    Purge,
    /// It has lain in the bin long enough.
    Remove,
    /// The time of its lock is over.
    LockEnd,
}

impl TimerKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Expire, Self::ExpireWarning, Self::Remind, Self::Purge, Self::Remove, Self::LockEnd];

    /// The kind of a stored word; `None` when a newer version wrote it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expire => "expire",
            Self::ExpireWarning => "expire_warning",
            Self::Remind => "remind",
            Self::Purge => "purge",
            Self::Remove => "remove",
            Self::LockEnd => "lock_end",
        }
    }

    /// What is done to the envelope when it goes off.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Expire => Action::Expire,
            Self::ExpireWarning => Action::WarnOfExpiry,
            Self::Remind => Action::Remind,
            Self::Purge => Action::Purge,
            Self::Remove => Action::Remove,
            Self::LockEnd => Action::EndLock,
        }
    }
}

impl Envelope {
    /// The timers that this envelope wants as it now stands, each kind at most once. They replace whatever it wanted
    /// before; one that goes off late or twice is refused by the state it finds ([`super::Refused::NotDue`]).
    ///
    /// `bin_life` is how long the operator keeps what is in the bin; `None` keeps it.
    #[must_use]
    pub fn timers(&self, bin_life: Option<Duration>) -> Vec<(TimerKind, Timestamp)> {
        let in_process = self.status.is_in_process();
        let wanted = [
            (TimerKind::Expire, self.expires_at().filter(|_| in_process)),
            (TimerKind::ExpireWarning, self.warns_at().filter(|_| in_process)),
            (TimerKind::Remind, self.reminds_at().filter(|_| in_process)),
            (TimerKind::Purge, self.purge.due_at()),
            (TimerKind::Remove, self.removes_at(bin_life)),
            (TimerKind::LockEnd, self.lock.as_ref().map(|lock| lock.until)),
        ];
        wanted.into_iter().filter_map(|(kind, at)| at.map(|at| (kind, at))).collect()
    }

    /// When it leaves the bin for good; `None` when it is not in there.
    fn removes_at(&self, bin_life: Option<Duration>) -> Option<Timestamp> {
        let in_bin = self.status == EnvelopeStatus::Deleted && self.dates.removed_at.is_none();
        self.dates.deleted_at.filter(|_| in_bin).zip(bin_life).map(|(deleted_at, life)| deleted_at + life)
    }

    /// When recipients are to be warned of expiry; `None` when they were, or are not to be.
    #[must_use]
    pub(super) fn warns_at(&self) -> Option<Timestamp> {
        let warn_days = self.notification.expirations.warn_days;
        let wanted = warn_days > 0 && self.dates.warned_at.is_none();
        self.expires_at().filter(|_| wanted).map(|at| at.minus(DAY * warn_days))
    }

    /// When those whose turn it is are to be reminded next. The count starts anew with each who is invited.
    #[must_use]
    pub(super) fn reminds_at(&self) -> Option<Timestamp> {
        let reminders = self.notification.reminders;
        let waits = |status| matches!(status, RecipientStatus::Sent | RecipientStatus::Delivered);
        let invited_at = self.recipients.iter().filter(|r| waits(r.status)).filter_map(|r| r.sent_at).max()?;
        let next = match self.dates.reminded_at {
            Some(reminded_at) if reminded_at >= invited_at => {
                (reminders.frequency_days > 0).then(|| reminded_at + DAY * reminders.frequency_days)
            }
            _ => (reminders.delay_days > 0).then(|| invited_at + DAY * reminders.delay_days),
        };
        next.filter(|_| reminders.enabled)
    }
}

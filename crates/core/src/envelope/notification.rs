//! Reminders and expiry: what the sender asked for, in days.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One day, the unit of all settings here.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The most days a setting can name; Connect's own accounts stop at 999.
pub const DAYS_MAX: u32 = 999;

/// When recipients are reminded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reminders {
    /// Whether at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// Days from a recipient's turn to the first one.
    #[serde(default)]
    pub delay_days: u32,
    /// Days between further ones; 0 for no further ones.
    #[serde(default)]
    pub frequency_days: u32,
}

/// When the envelope is voided by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expirations {
    /// Whether at all.
    pub enabled: bool,
    /// Days from the first sending.
    pub after_days: u32,
    /// Days before that at which recipients are warned; 0 for no warning.
    #[serde(default)]
    pub warn_days: u32,
}

impl Default for Expirations {
    /// 120 days and no warning, as Connect's messages show for an account that changed nothing.
    fn default() -> Self {
        Self { enabled: true, after_days: 120, warn_days: 0 }
    }
}

impl Expirations {
    /// When an envelope first sent then expires.
    #[must_use]
    pub fn expires_at(&self, first_sent_at: Timestamp) -> Option<Timestamp> {
        self.enabled.then(|| first_sent_at + DAY * self.after_days)
    }
}

/// Reminder and expiry settings of an envelope or a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Notification {
    /// Whether these are the account's own settings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_account_defaults: bool,
    /// Reminders.
    #[serde(default)]
    pub reminders: Reminders,
    /// Expiry.
    #[serde(default)]
    pub expirations: Expirations,
}

impl Notification {
    /// True when no number of days is beyond [`DAYS_MAX`] and an expiry is at least one day away.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let days = [self.reminders.delay_days, self.reminders.frequency_days, self.expirations.after_days, self.expirations.warn_days];
        days.iter().all(|&days| days <= DAYS_MAX) && (!self.expirations.enabled || self.expirations.after_days > 0)
    }
}

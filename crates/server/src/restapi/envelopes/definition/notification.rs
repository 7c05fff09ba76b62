//! Reminders and expiry as a caller gives them.

use countersign_core::envelope::Notification;

use crate::{failure::Failure, restapi::wire::Wire};

/// Reads a `notification` over what is there: what is not said stays.
///
/// # Errors
/// 400 for what is of the wrong type. Whether the numbers make sense is for the envelope to say.
pub(in crate::restapi) fn notification(wire: &Wire, before: Notification) -> Result<Notification, Failure> {
    let mut after = before;
    if let Some(default) = wire.flag("useAccountDefaults")? {
        after.use_account_defaults = default;
        if default {
            return Ok(Notification { use_account_defaults: true, ..Notification::default() });
        }
    }
    if let Some(reminders) = wire.object("reminders")? {
        after.reminders.enabled = reminders.flag("reminderEnabled")?.unwrap_or(after.reminders.enabled);
        after.reminders.delay_days = days(&reminders, "reminderDelay")?.unwrap_or(after.reminders.delay_days);
        after.reminders.frequency_days = days(&reminders, "reminderFrequency")?.unwrap_or(after.reminders.frequency_days);
    }
    if let Some(expirations) = wire.object("expirations")? {
        after.expirations.enabled = expirations.flag("expireEnabled")?.unwrap_or(after.expirations.enabled);
        after.expirations.after_days = days(&expirations, "expireAfter")?.unwrap_or(after.expirations.after_days);
        after.expirations.warn_days = days(&expirations, "expireWarn")?.unwrap_or(after.expirations.warn_days);
    }
    Ok(after)
}

fn days(wire: &Wire, name: &str) -> Result<Option<u32>, Failure> {
    let Some(number) = wire.number(name)? else { return Ok(None) };
    u32::try_from(number).map(Some).map_err(|_| Failure::invalid_parameter(format!("{name} is {number}; it is a number of days")))
}

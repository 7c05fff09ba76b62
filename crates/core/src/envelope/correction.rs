//! Correcting an envelope under lock, and sending its invitations again.
//!
//! While the lock holds, recipients cannot act and only its holder can change anything. Changes show in the envelope
//! at once, but whoever's turn they bring is invited when the lock is released, which tells `envelope-corrected` when
//! anything was changed under it (Connect: event triggers; a draft is not corrected, it is written). A lock whose time
//! is over is released by the next thing that happens to the envelope.

use std::time::Duration;

use uuid::Uuid;

use super::{
    action::{Action, LockRequest},
    change::Change,
    lock::{LOCK_SECONDS_MAX, Lock},
    recipient::{RecipientKind, RecipientStatus},
    refusal::{Refused, Verb},
    routing,
    status::EnvelopeStatus,
};
use crate::event::EventName;

/// Refuses what the lock stands in the way of. Timers are not held up by it.
pub(super) fn check_lock(change: &Change, action: &Action, token: Option<Uuid>) -> Result<(), Refused> {
    let Some(lock) = change.envelope.lock_at(change.now) else { return Ok(()) };
    let free = match action {
        Action::EndLock | Action::Purge | Action::Expire | Action::WarnOfExpiry | Action::Remind => true,
        Action::Recipient { .. } | Action::Lock(_) => false,
        Action::Send
        | Action::Edit(_)
        | Action::Void { .. }
        | Action::Resend { .. }
        | Action::ExtendLock(_)
        | Action::Unlock
        | Action::Delete
        | Action::Remove
        | Action::QueuePurge(_)
        | Action::DequeuePurge => token == Some(lock.token),
    };
    if free { Ok(()) } else { Err(Refused::Locked { until: lock.until }) }
}

/// Takes the lock.
pub(super) fn lock(change: &mut Change, request: LockRequest) -> Result<(), Refused> {
    let status = change.envelope.status;
    if status.is_final() {
        return Err(Refused::WrongStatus { verb: Verb::Lock, status });
    }
    let until = lock_end(change, request.duration_secs)?;
    let LockRequest { token, owner, owner_person, app, duration_secs, scratch_pad } = request;
    let name = owner_person.name.clone();
    change.envelope.lock = Some(Lock { token, owner, owner_person, app, duration_secs, until, scratch_pad, corrected: false });
    change.audit("Locked", format!("{name} locked the envelope for correction."));
    Ok(())
}

/// Lets it last longer, or shorter.
pub(super) fn extend(change: &mut Change, duration_secs: u32) -> Result<(), Refused> {
    let until = lock_end(change, duration_secs)?;
    let lock = change.envelope.lock.as_mut().ok_or(Refused::NotLocked)?;
    lock.duration_secs = duration_secs;
    lock.until = until;
    Ok(())
}

fn lock_end(change: &Change, duration_secs: u32) -> Result<crate::time::Timestamp, Refused> {
    if duration_secs == 0 || duration_secs > LOCK_SECONDS_MAX {
        return Err(Refused::LockDuration(duration_secs));
    }
    Ok(change.now + Duration::from_secs(u64::from(duration_secs)))
}

/// Gives the lock back at its holder's wish.
pub(super) fn unlock(change: &mut Change) -> Result<(), Refused> {
    if change.envelope.lock.is_none() {
        return Err(Refused::NotLocked);
    }
    release(change);
    Ok(())
}

/// Takes back a lock whose time is over; what that tells has been told by [`release_expired`] before.
pub(super) fn end_lock(change: &Change) -> Result<(), Refused> {
    if change.envelope.lock.is_some() { Err(Refused::NotDue { verb: Verb::Lock }) } else { Ok(()) }
}

/// Releases a lock whose time is over.
pub(super) fn release_expired(change: &mut Change) {
    if change.envelope.lock.as_ref().is_some_and(|lock| !lock.holds_at(change.now)) {
        release(change);
    }
}

fn release(change: &mut Change) {
    let Some(lock) = change.envelope.lock.take() else { return };
    if lock.corrected && change.envelope.status.is_in_process() {
        change.emit(EventName::ENVELOPE_CORRECTED);
        change.audit("Corrected", format!("{} corrected the envelope.", lock.owner_person.name));
    } else {
        change.audit("Unlocked", "The lock was released.".to_owned());
    }
    routing::advance(change);
}

/// Sends the invitations again: to these, or to all whose turn it is. Who had auto-responded is *sent* again.
pub(super) fn resend(change: &mut Change, to: &[String]) -> Result<(), Refused> {
    let status = change.envelope.status;
    if !status.is_in_process() {
        return Err(Refused::WrongStatus { verb: Verb::Resend, status });
    }
    for id in to {
        let recipient = change.envelope.recipient(id).ok_or_else(|| Refused::UnknownRecipient(id.clone()))?;
        match recipient.status {
            RecipientStatus::Created => return Err(Refused::NotInSequence(id.clone())),
            // A copy can be sent again as often as one likes; a signer who is done has nothing left to do.
            RecipientStatus::Completed if recipient.kind == RecipientKind::CarbonCopy => {}
            status if status.is_final() => {
                return Err(Refused::RecipientStatus { recipient: id.clone(), verb: Verb::Resend, status });
            }
            _ => {}
        }
    }
    change.emit(EventName::ENVELOPE_RESENT);
    let now = change.now;
    let mut told = Vec::new();
    for recipient in &mut change.envelope.recipients {
        let wanted = if to.is_empty() { recipient.status.is_current() } else { to.contains(&recipient.id) };
        if !wanted {
            continue;
        }
        recipient.authentication_failed_at = None;
        if recipient.status == RecipientStatus::AutoResponded {
            recipient.status = RecipientStatus::Sent;
            recipient.autoresponded_reason = None;
            recipient.sent_at = Some(now);
        }
        told.push(recipient.id.clone());
    }
    for id in &told {
        change.emit_for(EventName::RECIPIENT_RESENT, id);
    }
    change.audit("Resent", format!("The invitation was sent again to {} recipients.", told.len()));
    Ok(())
}

/// Notes that something was changed: under the lock it waits for the release, otherwise what follows follows now.
pub(super) fn settle_edit(change: &mut Change) {
    if change.envelope.status == EnvelopeStatus::Created {
        return;
    }
    let now = change.now;
    match change.envelope.lock.as_mut().filter(|lock| lock.holds_at(now)) {
        Some(lock) => lock.corrected = true,
        None => routing::advance(change),
    }
}

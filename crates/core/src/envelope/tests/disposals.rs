//! Timers, expiry, purge and the bin.

use std::time::Duration;

use super::{
    super::{
        Action, DAY, EXPIRED_REASON, Envelope, EnvelopeStatus, Expirations, Folder, Notification, PURGE_DELAY, Purge, PurgeScope, Refused,
        Reminders, TimerKind, Verb,
    },
    NOON, after, completes, copy, draft, edit, holding, lock_for, sent, signer, told,
};
use crate::time::Timestamp;

fn with_timers() -> Envelope {
    let notification = Notification {
        use_account_defaults: false,
        reminders: Reminders { enabled: true, delay_days: 2, frequency_days: 3 },
        expirations: Expirations { enabled: true, after_days: 10, warn_days: 1 },
    };
    after(draft(vec![signer("1", 1)]), [edit(super::Edit::Notification(notification)), Action::Send])
}

fn day(n: u32) -> Timestamp {
    NOON + DAY * n
}

#[test]
fn timers_follow_the_settings_and_what_has_happened() {
    let envelope = with_timers();
    let (expire, warn, remind) = (TimerKind::Expire, TimerKind::ExpireWarning, TimerKind::Remind);
    assert_eq!(envelope.timers(None), [(expire, day(10)), (warn, day(9)), (remind, day(2))]);
    let (envelope, events) = envelope.apply(remind.action(), day(2)).expect("due");
    assert_eq!(told(&events), ["envelope-reminder-sent"]);
    assert_eq!(envelope.timers(None), [(expire, day(10)), (warn, day(9)), (remind, day(5))]);
    let (envelope, events) = envelope.apply(warn.action(), day(9)).expect("due");
    assert_eq!(told(&events), Vec::<String>::new());
    assert_eq!(envelope.timers(None), [(expire, day(10)), (remind, day(5))]);
    let (envelope, events) = envelope.apply(expire.action(), day(10)).expect("due");
    assert_eq!(told(&events), ["envelope-voided"]);
    assert_eq!((envelope.status, envelope.void_reason.as_deref()), (EnvelopeStatus::Voided, Some(EXPIRED_REASON)));
    assert_eq!(envelope.timers(None), []);
}

#[test]
fn a_timer_that_goes_off_early_or_twice_is_refused() {
    let early = day(1);
    for (kind, verb) in [(TimerKind::Expire, Verb::Expire), (TimerKind::ExpireWarning, Verb::Expire), (TimerKind::Remind, Verb::Remind)] {
        let refused = with_timers().apply(kind.action(), early).err();
        assert_eq!(refused, Some(Refused::NotDue { verb }), "{kind:?}");
    }
    let (warned, _) = with_timers().apply(Action::WarnOfExpiry, day(9)).expect("due");
    assert_eq!(warned.apply(Action::WarnOfExpiry, day(9)).err(), Some(Refused::NotDue { verb: Verb::Expire }));
    let voided = after(with_timers(), [Action::Void { reason: "x".into() }]);
    let refused = voided.apply(Action::Expire, day(10)).err();
    assert_eq!(refused, Some(Refused::WrongStatus { verb: Verb::Expire, status: EnvelopeStatus::Voided }));
}

#[test]
fn drafts_want_no_timers_and_a_lock_wants_its_end() {
    assert_eq!(draft(vec![signer("1", 1)]).timers(None), []);
    let locked = after(draft(vec![signer("1", 1)]), [lock_for(60)]);
    assert_eq!(locked.timers(None), [(TimerKind::LockEnd, NOON + Duration::from_secs(60))]);
    let (released, _) = locked.apply(holding(Action::Unlock), NOON).expect("the holder may");
    assert_eq!(released.timers(None), []);
}

#[test]
fn words_of_timers_read_back() {
    for kind in TimerKind::ALL {
        assert_eq!(TimerKind::from_word(kind.as_str()), Some(kind));
    }
    assert_eq!(TimerKind::from_word("remember"), None);
}

#[test]
fn purging_waits_two_weeks_and_can_be_taken_back() {
    let completed = || after(sent(vec![signer("1", 1), copy("2", 2)]), [completes("1")]);
    let queue = |scope| Action::QueuePurge(scope);
    let (queued, events) = completed().apply(queue(PurgeScope::Documents), NOON).expect("completed");
    assert_eq!(told(&events), ["envelope-purge"]);
    assert_eq!(queued.timers(None), [(TimerKind::Purge, NOON + PURGE_DELAY)]);
    let state = queued.purge;
    assert_eq!(queued.clone().apply(queue(PurgeScope::Documents), NOON).err(), Some(Refused::PurgeState(state)), "asked twice");
    assert_eq!(queued.clone().apply(Action::Purge, day(13)).err(), Some(Refused::NotDue { verb: Verb::Purge }));
    let (dequeued, events) = queued.apply(Action::DequeuePurge, NOON).expect("queued");
    assert_eq!((told(&events), dequeued.purge), (vec!["envelope-purge".to_owned()], Purge::Dequeued));
    assert_eq!(dequeued.clone().apply(Action::DequeuePurge, NOON).err(), Some(Refused::PurgeState(Purge::Dequeued)));
    assert_eq!(dequeued.apply(Action::Purge, day(20)).err(), Some(Refused::PurgeState(Purge::Dequeued)));
    assert_eq!(completed().apply(Action::DequeuePurge, NOON).err(), Some(Refused::PurgeState(Purge::Unpurged)));
}

#[test]
fn each_scope_of_purging_takes_what_it_says() {
    use PurgeScope::{Documents, DocumentsAndMetadata, DocumentsAndMetadataAndRedact};
    for (scope, keeps_tabs, keeps_names) in
        [(Documents, true, true), (DocumentsAndMetadata, false, true), (DocumentsAndMetadataAndRedact, false, false)]
    {
        let mut person = signer("1", 1);
        person.tabs = vec![super::text_tab("city")];
        let completed = after(sent(vec![person]), [completes("1"), Action::QueuePurge(scope)]);
        assert_eq!(completed.contents().count(), 1, "{scope:?}");
        let (purged, events) = completed.apply(Action::Purge, day(14)).expect("due");
        assert_eq!(told(&events), Vec::<String>::new(), "{scope:?}");
        assert_eq!(purged.contents().count(), 0, "{scope:?}");
        assert_eq!(!purged.recipients[0].tabs.is_empty(), keeps_tabs, "{scope:?}");
        assert_eq!(purged.recipients[0].person.name == "Person 1", keeps_names, "{scope:?}");
        assert_eq!(serde_json::to_string(&purged).expect("serialisable").contains("Person 1"), keeps_names, "{scope:?}");
        assert_eq!(purged.status, EnvelopeStatus::Completed);
    }
}

#[test]
fn deleting_tells_what_it_does_to_whom() {
    let completed = after(sent(vec![signer("1", 1)]), [completes("1")]);
    for (envelope, expected) in [
        (draft(vec![]), vec!["envelope-discard"]),
        (sent(vec![signer("1", 1)]), vec!["envelope-voided", "envelope-deleted"]),
        (completed, vec!["envelope-deleted"]),
    ] {
        let (deleted, events) = envelope.apply(Action::Delete, NOON).expect("not deleted yet");
        assert_eq!(told(&events), expected);
        assert_eq!((deleted.status, deleted.folder()), (EnvelopeStatus::Deleted, Folder::Bin));
        assert_eq!(deleted.timers(None), [], "kept for as long as the operator likes");
        assert_eq!(deleted.timers(Some(DAY * 30)), [(TimerKind::Remove, day(30))]);
        let (removed, events) = deleted.apply(Action::Remove, day(30)).expect("in the bin");
        assert_eq!(told(&events), ["envelope-removed"]);
        assert_eq!(removed.timers(Some(DAY * 30)), []);
        let left = serde_json::to_string(&removed).expect("serialisable");
        assert!(!left.contains("Person 1") && !left.contains("person1"), "{left}");
        assert_eq!(removed.contents().count(), 0);
        assert!(removed.apply(Action::Remove, day(30)).is_err(), "it is gone once");
    }
}

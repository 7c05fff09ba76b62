//! Every transition that is refused, with the reason that names who is at fault.

use uuid::Uuid;

use super::{
    super::{
        Action, Actor, BadTabValue, Edit, Envelope, EnvelopeStatus, Missing, NewEnvelope, Person, PurgeScope, Recipient, RecipientAction,
        RecipientKind, RecipientStatus, Refused, Start, Successor, Tab, TabKind, TabValues, Verb,
    },
    NOON, after, completes, copy, does, draft, edit, holding, lock_for, new_envelope, recipient, refusal, sent, signer, text_tab,
};

fn in_status(status: EnvelopeStatus) -> Envelope {
    let one = || vec![signer("1", 1)];
    match status {
        EnvelopeStatus::Created => draft(one()),
        EnvelopeStatus::Sent => sent(one()),
        EnvelopeStatus::Delivered => after(sent(one()), [does("1", RecipientAction::View)]),
        EnvelopeStatus::Completed => after(sent(one()), [completes("1")]),
        EnvelopeStatus::Declined => after(sent(one()), [does("1", RecipientAction::Decline { reason: None })]),
        EnvelopeStatus::Voided => after(sent(one()), [Action::Void { reason: "changed my mind".into() }]),
        EnvelopeStatus::Deleted => after(draft(one()), [Action::Delete]),
    }
}

#[test]
fn what_a_status_allows_is_allowed_and_the_rest_is_refused() {
    use EnvelopeStatus::{Completed, Created, Declined, Deleted, Delivered, Sent, Voided};
    let successor =
        Successor { id: "9".into(), guid: Uuid::nil(), user: None, person: Person { name: "N".into(), email: "n@example.com".into() } };
    let cases: Vec<(Action, Verb, &[EnvelopeStatus])> = vec![
        (Action::Send, Verb::Send, &[Created]),
        (edit(Edit::Subject("Other".into())), Verb::Edit, &[Created, Sent, Delivered]),
        (Action::Void { reason: "no".into() }, Verb::Void, &[Sent, Delivered]),
        (Action::Resend { to: vec![] }, Verb::Resend, &[Sent, Delivered]),
        (lock_for(60), Verb::Lock, &[Created, Sent, Delivered]),
        (Action::Delete, Verb::Delete, &[Created, Sent, Delivered, Completed, Declined, Voided]),
        (Action::Remove, Verb::Remove, &[Deleted]),
        (Action::QueuePurge(PurgeScope::Documents), Verb::Purge, &[Completed]),
        (does("1", RecipientAction::View), Verb::View, &[Sent, Delivered]),
        (completes("1"), Verb::Complete, &[Sent, Delivered]),
        (does("1", RecipientAction::Decline { reason: None }), Verb::Decline, &[Sent, Delivered]),
        (does("1", RecipientAction::FinishLater(TabValues::new())), Verb::FinishLater, &[Sent, Delivered]),
        (does("1", RecipientAction::FailAuthentication), Verb::FailAuthentication, &[Sent, Delivered]),
        (does("1", RecipientAction::Reassign(successor.clone())), Verb::Reassign, &[Sent, Delivered]),
        (does("1", RecipientAction::Delegate(successor)), Verb::Delegate, &[Sent, Delivered]),
    ];
    for (action, verb, allowed) in cases {
        for status in EnvelopeStatus::ALL {
            let expected = (!allowed.contains(&status)).then_some(Refused::WrongStatus { verb, status });
            assert_eq!(refusal(in_status(status), action.clone()), expected, "{action:?} of {status}");
        }
    }
}

#[test]
fn a_recipient_acts_in_turn_and_within_their_kind() {
    let view = |id: &str| does(id, RecipientAction::View);
    let decline = |id: &str| does(id, RecipientAction::Decline { reason: None });
    let bounce = |id: &str| does(id, RecipientAction::AutoRespond { reason: None });
    let reassign = |id: &str, to: &str, email: &str| {
        let person = Person { name: "N".into(), email: email.into() };
        does(id, RecipientAction::Reassign(Successor { id: to.into(), guid: Uuid::nil(), user: None, person }))
    };
    let two = || sent(vec![signer("1", 1), signer("2", 2)]);
    let certified = || sent(vec![recipient("1", RecipientKind::CertifiedDelivery, 1), signer("2", 1)]);
    let done = |verb, status| Some(Refused::RecipientStatus { recipient: "1".into(), verb, status });
    let kind = RecipientKind::CertifiedDelivery;
    let cases = [
        ("nobody of that id", two(), view("7"), Some(Refused::UnknownRecipient("7".into()))),
        ("not their turn", two(), completes("2"), Some(Refused::NotInSequence("2".into()))),
        ("done already", after(two(), [completes("1")]), completes("1"), done(Verb::Complete, RecipientStatus::Completed)),
        ("done, declines", after(two(), [completes("1")]), decline("1"), done(Verb::Decline, RecipientStatus::Completed)),
        ("bounced after opening", after(two(), [view("1")]), bounce("1"), done(Verb::AutoRespond, RecipientStatus::Delivered)),
        ("a copy has nothing to do", sent(vec![copy("1", 1), signer("2", 1)]), view("1"), done(Verb::View, RecipientStatus::Completed)),
        (
            "a certified delivery cannot be declined",
            certified(),
            decline("1"),
            Some(Refused::WrongKind { recipient: "1".into(), verb: Verb::Decline, kind }),
        ),
        (
            "to an id that is taken",
            two(),
            reassign("1", "2", "n@example.com"),
            Some(Refused::Duplicate { what: "recipient", id: "2".into() }),
        ),
        ("to nobody", two(), reassign("1", "9", ""), Some(Refused::Incomplete(Missing::Email("9".into())))),
        (
            "to what is no address",
            two(),
            reassign("1", "9", "nobody"),
            Some(Refused::BadEmail { recipient: "9".into(), email: "nobody".into() }),
        ),
        (
            "a reason without end",
            two(),
            does("1", RecipientAction::Decline { reason: Some("x".repeat(1_001)) }),
            Some(Refused::TooLong { what: "the reason", max: 1_000 }),
        ),
        ("resend to a stranger", two(), Action::Resend { to: vec!["7".into()] }, Some(Refused::UnknownRecipient("7".into()))),
        ("resend too early", two(), Action::Resend { to: vec!["2".into()] }, Some(Refused::NotInSequence("2".into()))),
        (
            "resend to who is done",
            after(two(), [completes("1")]),
            Action::Resend { to: vec!["1".into()] },
            done(Verb::Resend, RecipientStatus::Completed),
        ),
        ("resend to a copy", sent(vec![copy("1", 1), signer("2", 1)]), Action::Resend { to: vec!["1".into()] }, None),
    ];
    for (case, envelope, action, expected) in cases {
        assert_eq!(refusal(envelope, action), expected, "{case}");
    }
}

#[test]
fn tabs_take_what_they_can_hold_and_required_ones_are_asked_for() {
    let with = |tab: Tab| {
        let mut person = signer("1", 1);
        person.tabs = vec![tab];
        sent(vec![person])
    };
    let writes = |label: &str, value: &str| TabValues::from([(label.to_owned(), value.to_owned())]);
    let finish = |values: TabValues| does("1", RecipientAction::Complete(values));
    let later = |values: TabValues| does("1", RecipientAction::FinishLater(values));
    let required = Tab { required: true, ..text_tab("city") };
    let checkbox = Tab { kind: TabKind::Checkbox, ..text_tab("city") };
    let bad = |reason| Some(Refused::TabValue { label: "city".into(), reason });
    let cases = [
        ("no such label", with(text_tab("city")), finish(writes("town", "x")), Some(Refused::Unknown { what: "tab", id: "town".into() })),
        ("required and empty", with(required.clone()), finish(TabValues::new()), Some(Refused::TabRequired("city".into()))),
        ("required and emptied", with(required.clone()), finish(writes("city", "")), Some(Refused::TabRequired("city".into()))),
        (
            "a value without end",
            with(text_tab("city")),
            later(writes("city", &"x".repeat(10_001))),
            Some(Refused::TooLong { what: "the value of a tab", max: 10_000 }),
        ),
        ("required, put off", with(required.clone()), later(TabValues::new()), None),
        ("required and given", with(required), finish(writes("city", "Riga")), None),
        ("locked", with(Tab { locked: true, ..text_tab("city") }), later(writes("city", "x")), bad(BadTabValue::Locked)),
        ("not a yes or no", with(checkbox), finish(writes("city", "maybe")), bad(BadTabValue::NotABoolean)),
    ];
    for (case, envelope, action, expected) in cases {
        assert_eq!(refusal(envelope, action), expected, "{case}");
    }
}

#[test]
fn an_incomplete_or_unsound_envelope_is_not_made() {
    let with = |change: &dyn Fn(&mut NewEnvelope)| {
        let mut new = new_envelope(vec![signer("1", 1), signer("2", 1)]);
        change(&mut new);
        new
    };
    let first = |change: &'static dyn Fn(&mut Recipient)| with(&move |new| change(&mut new.recipients[0]));
    let no_host = |new: &mut NewEnvelope| new.recipients[0].kind = RecipientKind::InPersonSigner;
    let lacks = |what| Refused::Incomplete(what);
    let cases: Vec<(&str, NewEnvelope, Start, Refused)> = vec![
        ("subject", with(&|new| new.subject = " ".into()), Start::Sent, lacks(Missing::Subject)),
        ("documents", with(&|new| new.documents.clear()), Start::Sent, lacks(Missing::Documents)),
        ("recipients", with(&|new| new.recipients.clear()), Start::Sent, lacks(Missing::Recipients)),
        ("name", first(&|r| r.person.name.clear()), Start::Sent, lacks(Missing::Name("1".into()))),
        ("address", first(&|r| r.person.email.clear()), Start::Sent, lacks(Missing::Email("1".into()))),
        ("host", with(&no_host), Start::Sent, lacks(Missing::Host("1".into()))),
        ("order 0", first(&|r| r.order = 0), Start::Draft, Refused::BadOrder("1".into())),
        (
            "no address",
            first(&|r| r.person.email = "nobody".into()),
            Start::Draft,
            Refused::BadEmail { recipient: "1".into(), email: "nobody".into() },
        ),
        (
            "a line break in an address",
            first(&|r| r.person.email = "a@b\r\nBcc: c@d".into()),
            Start::Draft,
            Refused::BadEmail { recipient: "1".into(), email: "a@b\r\nBcc: c@d".into() },
        ),
        ("one id twice", first(&|r| r.id = "2".into()), Start::Draft, Refused::Duplicate { what: "recipient", id: "2".into() }),
        ("no id", first(&|r| r.id.clear()), Start::Draft, Refused::BadId { what: "recipient" }),
        ("a long id", first(&|r| r.id = "x".repeat(101)), Start::Draft, Refused::BadId { what: "recipient" }),
        (
            "far too many tabs",
            first(&|r| r.tabs = vec![text_tab("x"); 10_001]),
            Start::Draft,
            Refused::TooMany { what: "tabs", max: 10_000 },
        ),
        (
            "one document twice",
            with(&|new| new.documents.push(new.documents[0].clone())),
            Start::Draft,
            Refused::Duplicate { what: "document", id: "1".into() },
        ),
        ("long subject", with(&|new| new.subject = "x".repeat(101)), Start::Draft, Refused::TooLong { what: "the subject", max: 100 }),
        ("expiry today", with(&|new| new.notification.expirations.after_days = 0), Start::Draft, Refused::BadNotification),
        (
            "far too many",
            with(&|new| new.recipients = (0..501).map(|n| signer(&n.to_string(), 1)).collect()),
            Start::Draft,
            Refused::TooMany { what: "recipients", max: 500 },
        ),
    ];
    for (case, new, start, expected) in cases {
        let refused = Envelope::create(new, start, Actor::default(), NOON).err();
        assert_eq!(refused, Some(expected), "{case}");
    }
}

#[test]
fn voiding_needs_a_reason_of_reasonable_length() {
    let envelope = || sent(vec![signer("1", 1)]);
    assert_eq!(refusal(envelope(), Action::Void { reason: " ".into() }), Some(Refused::VoidReasonMissing));
    let long = Action::Void { reason: "x".repeat(201) };
    assert_eq!(refusal(envelope(), long), Some(Refused::TooLong { what: "the void reason", max: 200 }));
}

#[test]
fn a_lock_keeps_everybody_else_out() {
    let locked = || after(sent(vec![signer("1", 1)]), [lock_for(60)]);
    let until = NOON + std::time::Duration::from_secs(60);
    let shut = Some(Refused::Locked { until });
    let kept_out = [
        edit(Edit::Subject("x".into())),
        Action::Void { reason: "x".into() },
        Action::Resend { to: vec![] },
        Action::Delete,
        Action::Unlock,
        Action::ExtendLock(10),
        completes("1"),
        lock_for(10),
    ];
    for action in kept_out {
        assert_eq!(refusal(locked(), action.clone()), shut, "{action:?}");
    }
    for action in [edit(Edit::Subject("x".into())), Action::Void { reason: "x".into() }, Action::Unlock, Action::ExtendLock(10)] {
        assert_eq!(refusal(locked(), holding(action.clone())), None, "{action:?} with the token");
    }
    assert_eq!(refusal(locked(), holding(completes("1"))), shut, "a recipient has no token to show");
    assert_eq!(refusal(sent(vec![signer("1", 1)]), Action::Unlock), Some(Refused::NotLocked));
    assert_eq!(refusal(sent(vec![signer("1", 1)]), Action::ExtendLock(5)), Some(Refused::NotLocked));
    for seconds in [0, 3_601] {
        assert_eq!(refusal(sent(vec![signer("1", 1)]), lock_for(seconds)), Some(Refused::LockDuration(seconds)));
    }
}

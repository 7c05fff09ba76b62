//! Edits of drafts and corrections of what is under way.

use std::time::Duration;

use uuid::Uuid;

use super::{
    super::{
        Action, Content, CustomField, Document, Edit, EnvelopeStatus, Missing, RecipientAction, RecipientChange, RecipientStatus, Refused,
        Verb,
    },
    NOON, after, completes, copy, does, draft, edit, holding, lock_for, refusal, sent, signer, status_of, text_tab, told,
};

fn changes(id: &str, change: RecipientChange) -> Edit {
    Edit::ChangeRecipient { id: id.into(), change: Box::new(change) }
}

fn document(id: &str) -> Edit {
    Edit::PutDocument(Box::new(Document::new(id, Uuid::from_u128(8), "More", 2, Content::of(b"more"), 1)))
}

#[test]
fn a_draft_takes_every_edit() {
    let edits = vec![
        Edit::Subject("Other".into()),
        Edit::Blurb("Please".into()),
        Edit::AddRecipient(Box::new(copy("2", 2))),
        changes("1", RecipientChange { name: Some("Ada".into()), order: Some(3), ..RecipientChange::default() }),
        Edit::PutTab { recipient: "1".into(), tab: Box::new(text_tab("city")) },
        document("2"),
        Edit::RemoveDocument("1".into()),
        Edit::PutCustomField(CustomField::text("1", "deal", "42")),
        Edit::Extra([("allowMarkup".to_owned(), "true".into()), ("gone".to_owned(), serde_json::Value::Null)].into_iter().collect()),
    ];
    let envelope = after(draft(vec![signer("1", 1)]), [Action::Edit(edits)]);
    assert_eq!((envelope.subject.as_str(), envelope.blurb.as_str()), ("Other", "Please"));
    assert_eq!(envelope.recipients.iter().map(|r| (r.person.name.as_str(), r.order)).collect::<Vec<_>>(), [("Ada", 3), ("Person 2", 2)]);
    assert_eq!(envelope.recipients[0].tabs.len(), 1);
    assert_eq!(envelope.documents.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["2"]);
    assert_eq!(envelope.extra.len(), 1);
    let envelope = after(
        envelope,
        [edit(Edit::RemoveTab { recipient: "1".into(), tab: text_tab("city").id }), edit(Edit::RemoveCustomField("1".into()))],
    );
    assert!(envelope.recipients[0].tabs.is_empty() && envelope.custom_fields.is_empty());
}

#[test]
fn edits_that_make_no_sense_change_nothing() {
    let under_way = || after(sent(vec![signer("1", 1), signer("2", 2)]), [completes("1")]);
    let unknown = |what, id: &str| Some(Refused::Unknown { what, id: id.into() });
    let tab = Uuid::from_u128(5);
    let cases = [
        ("no such recipient", draft(vec![]), Edit::RemoveRecipient("9".into()), Some(Refused::UnknownRecipient("9".into()))),
        ("no such document", draft(vec![]), Edit::RemoveDocument("9".into()), unknown("document", "9")),
        ("no such field", draft(vec![]), Edit::RemoveCustomField("9".into()), unknown("custom field", "9")),
        ("no such attachment", draft(vec![]), Edit::RemoveAttachment("9".into()), unknown("attachment", "9")),
        ("no such tab", draft(vec![signer("1", 1)]), Edit::RemoveTab { recipient: "1".into(), tab }, unknown("tab", &tab.to_string())),
        (
            "a taken id",
            draft(vec![signer("1", 1)]),
            Edit::AddRecipient(Box::new(signer("1", 1))),
            Some(Refused::Duplicate { what: "recipient", id: "1".into() }),
        ),
        (
            "who is done is fixed",
            under_way(),
            Edit::RemoveRecipient("1".into()),
            Some(Refused::RecipientStatus { recipient: "1".into(), verb: Verb::Edit, status: RecipientStatus::Completed }),
        ),
        ("signed documents are fixed", under_way(), document("2"), Some(Refused::AlreadySigned("1".into()))),
        (
            "the last one stays",
            sent(vec![signer("1", 1)]),
            Edit::RemoveRecipient("1".into()),
            Some(Refused::Incomplete(Missing::Recipients)),
        ),
        (
            "the last document stays",
            sent(vec![signer("1", 1)]),
            Edit::RemoveDocument("1".into()),
            Some(Refused::Incomplete(Missing::Documents)),
        ),
    ];
    for (case, envelope, change, expected) in cases {
        assert_eq!(refusal(envelope, edit(change)), expected, "{case}");
    }
}

#[test]
fn a_correction_is_told_when_the_lock_is_released_and_invites_afterwards() {
    let envelope = after(sent(vec![signer("1", 1)]), [lock_for(60)]);
    let add = edit(Edit::AddRecipient(Box::new(signer("2", 1))));
    let (envelope, events) = envelope.apply(holding(add), NOON).expect("the holder may");
    assert_eq!(told(&events), Vec::<String>::new());
    assert_eq!(status_of(&envelope, "2"), RecipientStatus::Created);
    let (envelope, events) = envelope.apply(holding(Action::Unlock), NOON).expect("the holder may");
    assert_eq!(told(&events), ["envelope-corrected", "recipient-sent 2"]);
    assert_eq!(envelope.lock, None);
}

#[test]
fn a_lock_under_which_nothing_changed_tells_nothing() {
    for envelope in [sent(vec![signer("1", 1)]), draft(vec![signer("1", 1)])] {
        let (_, events) = after(envelope, [lock_for(60)]).apply(holding(Action::Unlock), NOON).expect("the holder may");
        assert_eq!(told(&events), Vec::<String>::new());
    }
}

#[test]
fn a_lock_whose_time_is_over_is_released_by_what_comes_next() {
    let locked = after(sent(vec![signer("1", 1)]), [lock_for(60)]);
    let (locked, _) = locked.apply(holding(edit(Edit::Subject("Other".into()))), NOON).expect("the holder may");
    let later = NOON + Duration::from_secs(60);
    assert_eq!(locked.clone().apply(Action::EndLock, NOON).err(), Some(Refused::NotDue { verb: Verb::Lock }));
    let (_, events) = locked.clone().apply(Action::EndLock, later).expect("its time is over");
    assert_eq!(told(&events), ["envelope-corrected"]);
    let (envelope, events) = locked.apply(does("1", RecipientAction::View), later).expect("the lock no longer holds");
    assert_eq!(told(&events), ["envelope-corrected", "recipient-delivered 1", "envelope-delivered"]);
    assert_eq!(envelope.lock, None);
}

#[test]
fn another_address_is_invited_anew() {
    let bounced = after(sent(vec![signer("1", 1)]), [does("1", RecipientAction::AutoRespond { reason: None })]);
    let change = RecipientChange { email: Some("new@example.com".into()), ..RecipientChange::default() };
    let (envelope, events) = bounced.apply(edit(changes("1", change)), NOON).expect("a correction");
    assert_eq!(told(&events), ["recipient-sent 1"]);
    assert_eq!(status_of(&envelope, "1"), RecipientStatus::Sent);
}

#[test]
fn taking_away_the_one_who_was_waited_for_moves_the_queue_on() {
    let envelope = sent(vec![signer("1", 1), signer("2", 2)]);
    let (envelope, events) = envelope.apply(edit(Edit::RemoveRecipient("1".into())), NOON).expect("a correction");
    assert_eq!(told(&events), ["recipient-sent 2"]);
    assert_eq!(envelope.status, EnvelopeStatus::Sent);
}

//! What happens to envelopes, told by their events in order.

use super::{
    super::{
        Action, Actor, AppliedTemplate, Envelope, EnvelopeStatus, Person, RecipientAction, RecipientKind, RecipientStatus, Start,
        Successor, Tab, TabKind, TabValues,
    },
    NOON, completes, copy, does, draft, new_envelope, recipient, sent, signer, status_of, told,
};
use crate::id::TemplateId;
use uuid::Uuid;

/// Its name, its recipients, and what each action in turn tells.
type Story<'a> = (&'a str, Vec<super::Recipient>, Vec<(Action, &'a [&'a str])>);

fn events_of(envelope: Envelope, action: Action) -> (Envelope, Vec<String>) {
    let (envelope, events) = envelope.apply(action, NOON).expect("a legal action");
    (envelope, told(&events))
}

fn successor(id: &str) -> Successor {
    Successor {
        id: id.into(),
        guid: Uuid::from_u128(99),
        user: None,
        person: Person { name: "Stand-in".into(), email: "standin@example.com".into() },
    }
}

#[test]
fn each_action_tells_its_events_in_the_order_of_cause() {
    let two_orders = || vec![signer("1", 1), signer("2", 2)];
    let signer_then_copy = || vec![signer("1", 1), copy("2", 2)];
    let view = |id| does(id, RecipientAction::View);
    let decline = does("1", RecipientAction::Decline { reason: Some("no".into()) });
    let cases: Vec<Story<'_>> = vec![
        (
            "one signer",
            vec![signer("1", 1)],
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (view("1"), &["recipient-delivered 1", "envelope-delivered"]),
                (view("1"), &[]),
                (completes("1"), &["recipient-completed 1", "envelope-completed"]),
            ],
        ),
        (
            "who finishes without opening has opened it by that",
            vec![signer("1", 1)],
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (completes("1"), &["recipient-delivered 1", "recipient-completed 1", "envelope-delivered", "envelope-completed"]),
            ],
        ),
        (
            "two orders",
            two_orders(),
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (view("1"), &["recipient-delivered 1"]),
                (completes("1"), &["recipient-completed 1", "recipient-sent 2"]),
                (view("2"), &["recipient-delivered 2", "envelope-delivered"]),
                (completes("2"), &["recipient-completed 2", "envelope-completed"]),
            ],
        ),
        (
            "two at the same time",
            vec![signer("1", 1), signer("2", 1)],
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1", "recipient-sent 2"]),
                (completes("2"), &["recipient-delivered 2", "recipient-completed 2"]),
                (completes("1"), &["recipient-delivered 1", "recipient-completed 1", "envelope-delivered", "envelope-completed"]),
            ],
        ),
        (
            "a copy is done by being told",
            signer_then_copy(),
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (view("1"), &["recipient-delivered 1"]),
                (
                    completes("1"),
                    &["recipient-completed 1", "recipient-sent 2", "recipient-completed 2", "envelope-delivered", "envelope-completed"],
                ),
            ],
        ),
        (
            "copies alone",
            vec![copy("1", 1), copy("2", 5)],
            vec![(
                Action::Send,
                &[
                    "envelope-sent",
                    "recipient-sent 1",
                    "recipient-completed 1",
                    "recipient-sent 2",
                    "recipient-completed 2",
                    "envelope-delivered",
                    "envelope-completed",
                ],
            )],
        ),
        (
            "a certified delivery is done by being opened",
            vec![recipient("1", RecipientKind::CertifiedDelivery, 1), recipient("2", RecipientKind::InPersonSigner, 2)],
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (view("1"), &["recipient-delivered 1", "recipient-completed 1", "recipient-sent 2"]),
                (completes("2"), &["recipient-delivered 2", "recipient-completed 2", "envelope-delivered", "envelope-completed"]),
            ],
        ),
        (
            "a decline ends it for all",
            two_orders(),
            vec![(Action::Send, &["envelope-sent", "recipient-sent 1"]), (decline, &["recipient-declined 1", "envelope-declined"])],
        ),
        (
            "finishing later, failing the check, a bounced mail",
            vec![signer("1", 1)],
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (does("1", RecipientAction::AutoRespond { reason: None }), &["recipient-autoresponded 1"]),
                (Action::Resend { to: vec![] }, &["envelope-resent", "recipient-resent 1"]),
                (does("1", RecipientAction::FailAuthentication), &["recipient-authenticationfailed 1"]),
                (
                    does("1", RecipientAction::FinishLater(TabValues::new())),
                    &["recipient-delivered 1", "recipient-finish-later 1", "envelope-delivered"],
                ),
                (completes("1"), &["recipient-completed 1", "envelope-completed"]),
            ],
        ),
        (
            "a resend to one of two",
            vec![signer("1", 1), signer("2", 1)],
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1", "recipient-sent 2"]),
                (Action::Resend { to: vec!["2".into()] }, &["envelope-resent", "recipient-resent 2"]),
            ],
        ),
        (
            "a reassignment",
            two_orders(),
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (does("1", RecipientAction::Reassign(successor("9"))), &["recipient-reassign 1->9", "recipient-sent 9"]),
                (completes("9"), &["recipient-delivered 9", "recipient-completed 9", "recipient-sent 2"]),
            ],
        ),
        (
            "a delegation",
            vec![signer("1", 1)],
            vec![
                (Action::Send, &["envelope-sent", "recipient-sent 1"]),
                (does("1", RecipientAction::Delegate(successor("9"))), &["recipient-delegate 9", "recipient-sent 9"]),
                (completes("9"), &["recipient-delivered 9", "recipient-completed 9", "envelope-delivered", "envelope-completed"]),
            ],
        ),
    ];
    for (story, recipients, steps) in cases {
        let mut envelope = draft(recipients);
        for (action, expected) in steps {
            let step = format!("{story}: {action:?}");
            let (next, events) = events_of(envelope, action);
            assert_eq!(events, expected, "{step}");
            envelope = next;
        }
    }
}

#[test]
fn creation_is_told_of_drafts_and_of_what_comes_from_a_template() {
    let from_template = |mut new: super::NewEnvelope| {
        new.templates.push(AppliedTemplate { id: TemplateId(Uuid::nil()), name: "T".into(), document_id: None });
        new
    };
    let plain = || new_envelope(vec![signer("1", 1)]);
    for (new, start, expected) in [
        (plain(), Start::Draft, vec!["envelope-created"]),
        (plain(), Start::Sent, vec!["envelope-sent", "recipient-sent 1"]),
        (from_template(plain()), Start::Sent, vec!["envelope-created", "envelope-sent", "recipient-sent 1"]),
    ] {
        let (_, events) = Envelope::create(new, start, Actor::default(), NOON).expect("a sound envelope");
        assert_eq!(told(&events), expected);
    }
}

#[test]
fn finishing_keeps_what_was_written_and_fills_in_the_rest() {
    let tab = |kind: TabKind, label: &str| Tab::new(kind, Uuid::nil(), Some(label.into()));
    let mut person = signer("1", 1);
    person.tabs =
        vec![tab(TabKind::Text, "city"), tab(TabKind::Text, "city"), tab(TabKind::FullName, "name"), tab(TabKind::SignHere, "sig")];
    let values = TabValues::from([("city".to_owned(), "Riga".to_owned())]);
    let (envelope, _) = events_of(sent(vec![person]), does("1", RecipientAction::Complete(values)));
    let tabs = &envelope.recipients[0].tabs;
    assert_eq!(tabs.iter().map(Tab::data).collect::<Vec<_>>(), ["Riga", "Riga", "Person 1", ""]);
    assert!(tabs.iter().all(|tab| tab.signed));
    assert!(envelope.has_changed_data());
    let form = envelope.form_data();
    let items: Vec<_> = form.recipients[0].items.iter().map(|i| (i.name, i.value)).collect();
    assert_eq!(items, [("city", "Riga"), ("name", "Person 1")], "tabs of one label are told once, signatures not at all");
}

#[test]
fn who_gave_their_place_away_is_done_and_the_successor_has_the_tabs() {
    let mut person = signer("1", 1);
    person.tabs = vec![super::text_tab("city")];
    let (envelope, _) = events_of(sent(vec![person]), does("1", RecipientAction::Reassign(successor("9"))));
    assert_eq!(status_of(&envelope, "1"), RecipientStatus::Completed);
    assert_eq!(status_of(&envelope, "9"), RecipientStatus::Sent);
    assert_eq!(envelope.recipient("9").map(|r| r.tabs.len()), Some(1));
    assert_eq!(envelope.status, EnvelopeStatus::Sent);
}

#[test]
fn dates_do_not_go_back_when_the_clock_does() {
    let envelope = sent(vec![signer("1", 1)]);
    let earlier = NOON.minus(super::super::DAY);
    let (envelope, _) = envelope.apply(completes("1"), earlier).expect("a legal action");
    assert_eq!(envelope.dates.completed_at, Some(NOON));
}

#[test]
fn an_envelope_reads_back_from_what_is_stored_and_is_compact() {
    let envelope = super::after(sent(vec![signer("1", 1), copy("2", 2)]), [completes("1")]);
    let stored = serde_json::to_string(&envelope).expect("serialisable");
    assert_eq!(serde_json::from_str::<Envelope>(&stored).expect("what was written"), envelope);
    assert!(!stored.contains("null"), "{stored}");
}

//! The state machine as a whole: its stories, its refusals, its laws.

mod disposals;
mod editing;
mod laws;
mod refusals;
mod stories;

use uuid::Uuid;

use super::{
    Action, Actor, Command, Content, Document, Edit, Envelope, EnvelopeEvent, LockRequest, NewEnvelope, Person, Recipient, RecipientAction,
    RecipientKind, RecipientStatus, Refused, Sender, Start, Tab, TabKind, TabValues,
};
use crate::{
    id::{AccountGuid, EnvelopeId, UserId},
    time::Timestamp,
};

pub(super) const NOON: Timestamp = Timestamp::from_secs(1_763_812_800);
pub(super) const LOCK_TOKEN: Uuid = Uuid::from_u128(0x10c);

pub(super) fn recipient(id: &str, kind: RecipientKind, order: u32) -> Recipient {
    let person = Person { name: format!("Person {id}"), email: format!("p{id}@Example.com") };
    let mut recipient = Recipient::new(id, Uuid::from_u128(0x1000 + u128::from(order)), kind, person, order);
    if kind == RecipientKind::InPersonSigner {
        recipient.host = Some(Person { name: "Host".into(), email: "host@example.com".into() });
    }
    recipient
}

pub(super) fn signer(id: &str, order: u32) -> Recipient {
    recipient(id, RecipientKind::Signer, order)
}

pub(super) fn copy(id: &str, order: u32) -> Recipient {
    recipient(id, RecipientKind::CarbonCopy, order)
}

pub(super) fn new_envelope(recipients: Vec<Recipient>) -> NewEnvelope {
    let sender = Sender {
        user: UserId(Uuid::from_u128(3)),
        person: Person { name: "Sender".into(), email: "sender@example.com".into() },
        ip_address: None,
    };
    let mut new = NewEnvelope::empty(EnvelopeId(Uuid::from_u128(1)), AccountGuid(Uuid::from_u128(2)), sender);
    new.subject = "Please sign".into();
    new.documents.push(Document::new("1", Uuid::from_u128(4), "Lease", 1, Content::of(b"%PDF-1.7"), 1));
    new.recipients = recipients;
    new
}

pub(super) fn draft(recipients: Vec<Recipient>) -> Envelope {
    Envelope::create(new_envelope(recipients), Start::Draft, Actor::default(), NOON).expect("a sound draft").0
}

pub(super) fn sent(recipients: Vec<Recipient>) -> Envelope {
    Envelope::create(new_envelope(recipients), Start::Sent, Actor::default(), NOON).expect("a sound envelope").0
}

pub(super) fn does(id: &str, does: RecipientAction) -> Action {
    Action::Recipient { id: id.into(), does }
}

pub(super) fn completes(id: &str) -> Action {
    does(id, RecipientAction::Complete(TabValues::new()))
}

pub(super) fn lock_for(duration_secs: u32) -> Action {
    Action::Lock(LockRequest {
        token: LOCK_TOKEN,
        owner: UserId(Uuid::from_u128(3)),
        owner_person: Person { name: "Sender".into(), email: "sender@example.com".into() },
        app: "test".into(),
        duration_secs,
        scratch_pad: false,
    })
}

pub(super) fn holding(action: Action) -> Command {
    Command::from(action).holding(Some(LOCK_TOKEN))
}

/// The envelope after these actions, all at noon.
pub(super) fn after(envelope: Envelope, actions: impl IntoIterator<Item = Action>) -> Envelope {
    actions.into_iter().fold(envelope, |envelope, action| {
        let what = format!("{action:?}");
        envelope.apply(action, NOON).unwrap_or_else(|refused| panic!("{what}: {refused}")).0
    })
}

/// `envelope-sent`, `recipient-sent 1`, ...
pub(super) fn told(events: &[EnvelopeEvent]) -> Vec<String> {
    let tell = |e: &EnvelopeEvent| match (&e.detail.recipient_id, &e.detail.reassigned_recipient_id) {
        (Some(id), Some(to)) => format!("{} {id}->{to}", e.name),
        (Some(id), None) => format!("{} {id}", e.name),
        _ => e.name.to_string(),
    };
    events.iter().map(tell).collect()
}

pub(super) fn status_of(envelope: &Envelope, id: &str) -> RecipientStatus {
    envelope.recipient(id).expect("a recipient of the test").status
}

pub(super) fn text_tab(label: &str) -> Tab {
    Tab::new(TabKind::Text, Uuid::from_u128(0x7ab), Some(label.into()))
}

pub(super) fn refusal(envelope: Envelope, command: impl Into<Command>) -> Option<Refused> {
    envelope.apply(command, NOON).err()
}

pub(super) fn edit(edit: Edit) -> Action {
    Action::Edit(vec![edit])
}

//! Bodies as a whole: what the wire shows, byte by byte where real messages are known.

mod golden;
mod includes;
mod laws;
mod legacy;
mod received;

use std::collections::BTreeSet;

use bytes::Bytes;
use uuid::Uuid;

use super::{Contents, Message, PreparedBody, Unrenderable};
use crate::{
    account::Account,
    envelope::{
        Action, Actor, Command, Content, Document, Envelope, NewEnvelope, Person, Recipient, RecipientAction, RecipientKind, Sender, Start,
        Tab, TabKind, TabValues,
    },
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, EnvelopeId, EventId, SubscriptionId, UserId},
    subscription::{Include, MessageShape},
    time::Timestamp,
};

/// 2022-12-09T18:29:29.736Z
pub(super) const AT: Timestamp = Timestamp::from_millis(1_670_610_569_736);

pub(super) const PDF: &[u8] = b"%PDF-1.7 of a lease";

pub(super) fn guid(n: u128) -> Uuid {
    Uuid::from_u128(0x1111_1111_2222_4333_8444_0000_0000_0000 + n)
}

pub(super) fn account() -> Account {
    Account {
        id: AccountId(4_197_000),
        guid: AccountGuid(guid(1)),
        name: "World & Co".into(),
        created_at: AT,
        recipient_domains: BTreeSet::new(),
        time_zone: "Pacific Standard Time".into(),
        time_zone_offset_hours: -8,
    }
}

pub(super) fn person(name: &str) -> Person {
    Person { name: name.into(), email: format!("{}@example.com", name.to_lowercase()) }
}

/// An embedded signer with two tabs, then a carbon copy; one document.
pub(super) fn draft() -> NewEnvelope {
    let sender = Sender { user: UserId(guid(2)), person: person("Sender"), ip_address: Some("192.0.2.7".into()) };
    let mut new = NewEnvelope::empty(EnvelopeId(guid(3)), AccountGuid(guid(1)), sender);
    new.subject = "Please sign".into();
    new.documents = vec![Document::new("3", guid(4), "Lease", 1, Content::of(PDF), 1)];
    let mut signer = Recipient::new("1", guid(5), RecipientKind::Signer, person("Ada"), 1);
    signer.client_user_id = Some("1000".into());
    let position = [("xPosition", "427"), ("yPosition", "321"), ("pageNumber", "1")];
    let place = |kind, n, label: &str| {
        let mut tab = Tab::new(kind, guid(n), Some(label.into()));
        tab.document_id = Some("3".into());
        tab.extra = position.iter().map(|&(key, value)| (key.to_owned(), value.into())).collect();
        tab
    };
    signer.tabs = vec![place(TabKind::SignHere, 6, "Sign Here"), place(TabKind::Text, 7, "city")];
    new.recipients = vec![signer, Recipient::new("2", guid(8), RecipientKind::CarbonCopy, person("Bob"), 2)];
    new
}

pub(super) fn sent() -> Envelope {
    Envelope::create(draft(), Start::Sent, Actor::default(), AT).expect("a sound envelope").0
}

pub(super) fn completed() -> Envelope {
    let values = TabValues::from([("city".to_owned(), "Riga".to_owned())]);
    let complete = Action::Recipient { id: "1".into(), does: RecipientAction::Complete(values) };
    let by = Actor { ip_address: Some("198.51.100.9".into()), ..Actor::default() };
    sent().apply(Command::from(complete).by(by), AT).expect("their turn").0
}

pub(super) fn snapshot(envelope: &Envelope) -> Snapshot {
    Snapshot::Envelope(Bytes::from(serde_json::to_vec(envelope).expect("serialisable")))
}

pub(super) fn event(name: EventName, recipient: Option<&str>, snapshot: Snapshot) -> Event {
    Event {
        id: EventId::from_raw(77),
        account: AccountId(4_197_000),
        name,
        at: AT,
        user: Some(UserId(guid(2))),
        envelope: Some(EnvelopeId(guid(3))),
        detail: EventDetail { recipient_id: recipient.map(str::to_owned), ..EventDetail::default() },
        snapshot,
    }
}

pub(super) fn posted(data: &'static str) -> Event {
    let name = EventName::try_new("invoice.paid").expect("a name");
    Event { user: None, envelope: None, ..event(name, None, Snapshot::Posted(Bytes::from_static(data.as_bytes()))) }
}

pub(super) fn prepare(event: &Event, shape: MessageShape, include: &[Include]) -> Result<PreparedBody, Unrenderable> {
    let contents: Contents = [PDF, CERTIFICATE].into_iter().map(|b| (Content::of(b).hash, Bytes::from_static(b))).collect();
    prepare_with(event, shape, include, &contents)
}

pub(super) const CERTIFICATE: &[u8] = b"%PDF-1.7 of a certificate";

pub(super) fn prepare_with(
    event: &Event,
    shape: MessageShape,
    include: &[Include],
    contents: &Contents,
) -> Result<PreparedBody, Unrenderable> {
    let (account, include) = (account(), include.iter().copied().collect());
    let message =
        Message { account: &account, configuration: SubscriptionId(10_000_001), shape, include: &include, generated_at: AT, event };
    message.prepare(contents)
}

pub(super) fn text(body: &PreparedBody, retry_count: u32) -> String {
    String::from_utf8(body.render(retry_count).to_vec()).expect("UTF-8")
}

pub(super) fn sim_json(envelope: &Envelope, include: &[Include]) -> serde_json::Value {
    let body = prepare(&event(EventName::ENVELOPE_SENT, None, snapshot(envelope)), MessageShape::JsonSim, include).expect("renderable");
    serde_json::from_str(&text(&body, 0)).expect("JSON")
}

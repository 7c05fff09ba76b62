//! `signature::explain` knows the order of members in everything that the sender writes: a list there and the code here agree.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use countersign_core::{
    account::Account,
    envelope::{
        Actor, Content, CustomField, Document, DocumentField, Envelope, NewEnvelope, Person, Recipient, RecipientKind, Sender, Start, Tab,
        TabKind,
    },
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, EnvelopeId, EventId, SubscriptionId, UserId},
    message::{Contents, Message},
    subscription::{Include, MessageShape},
    time::Timestamp,
};
use countersign_signature::{
    HmacKey,
    explain::{Candidate, Cause, Certainty, explain},
    sign,
};
use countersign_testkit::broken::KEY;
use serde_json::Value;
use uuid::Uuid;

/// Whatever can be included.
const INCLUDE: [Include; 9] = [
    Include::CustomFields,
    Include::Documents,
    Include::Attachments,
    Include::Extensions,
    Include::Folders,
    Include::Recipients,
    Include::Tabs,
    Include::DocumentFields,
    Include::SenderAccountAsCustomField,
];

#[test]
fn whatever_the_sender_writes_can_be_put_back_into_its_order() {
    for shape in [MessageShape::JsonSim, MessageShape::JsonAggregate] {
        let body = rich_message(shape);
        assert!(body.len() > 4_000, "everything is in it");
        let signature = sign(&[HmacKey::try_new(KEY).unwrap()], &body).signatures()[0].to_string();
        for (name, rewrite) in [("by name", sorted_by_name as fn(&[u8]) -> Vec<u8>), ("by the length of their names", sorted_by_length)] {
            let findings = explain(&Candidate::new(&rewrite(&body)).key(KEY.as_bytes()).signature(signature.as_bytes()));
            assert_eq!(findings[0].causes, [Cause::BodyReserialised], "{shape:?} {name}: {}", findings[0].evidence);
            assert_eq!(findings[0].certainty, Certainty::Proved, "{shape:?} {name}: {}", findings[0].evidence);
        }
    }
}

/// The message of an envelope with something of everything, as the sender renders it.
fn rich_message(shape: MessageShape) -> Vec<u8> {
    let at = Timestamp::from_millis(1_670_610_569_736);
    let guid = |n: u128| Uuid::from_u128(0x1111_1111_2222_4333_8444_0000_0000_0000 + n);
    let person = |name: &str| Person { name: name.into(), email: "zoe+x@example.com".into() };
    let account = Account {
        id: AccountId(4_197_000),
        guid: AccountGuid(guid(1)),
        name: "World & Co".into(),
        created_at: at,
        recipient_domains: BTreeSet::new(),
        time_zone: "Pacific Standard Time".into(),
        time_zone_offset_hours: -8,
    };
    let pdf = b"%PDF-1.7 of a lease";
    let sender = Sender { user: UserId(guid(2)), person: person("Sender"), ip_address: None };
    let mut new = NewEnvelope::empty(EnvelopeId(guid(3)), account.guid, sender);
    new.subject = "Please sign: Zoë".into();
    new.blurb = "<b>Hello</b>".into();
    new.documents = vec![Document::new("3", guid(4), "Lease", 1, Content::of(pdf), 2)];
    new.documents[0].fields = vec![DocumentField { name: "ref".into(), value: "7".into() }];
    new.custom_fields = vec![CustomField::text("1", "deal", "42")];
    let mut signer = Recipient::new("1", guid(5), RecipientKind::Signer, person("Zoë"), 1);
    signer.client_user_id = Some("1000".into());
    let mut tab = Tab::new(TabKind::Text, guid(6), Some("city".into()));
    tab.document_id = Some("3".into());
    tab.value = Some("Riga".into());
    tab.extra = [("xPosition", "427"), ("yPosition", "321"), ("pageNumber", "1")]
        .map(|(key, value)| (key.to_owned(), value.into()))
        .into_iter()
        .collect();
    signer.tabs = vec![tab];
    new.recipients = vec![signer, Recipient::new("2", guid(8), RecipientKind::CarbonCopy, person("Bob"), 2)];
    let (envelope, _) = Envelope::create(new, Start::Sent, Actor::default(), at).unwrap();
    let event = Event {
        id: EventId::from_raw(77),
        account: account.id,
        name: EventName::ENVELOPE_SENT,
        at,
        user: Some(UserId(guid(2))),
        envelope: Some(envelope.id),
        detail: EventDetail::default(),
        snapshot: Snapshot::Envelope(serde_json::to_vec(&envelope).unwrap().into()),
    };
    let include = INCLUDE.into_iter().collect();
    let contents: Contents = [(Content::of(pdf).hash, bytes::Bytes::from_static(pdf))].into_iter().collect();
    let message =
        Message { account: &account, configuration: SubscriptionId(10_000_001), shape, include: &include, generated_at: at, event: &event };
    message.prepare(&contents).unwrap().segments(0).concat()
}

fn sorted_by_name(body: &[u8]) -> Vec<u8> {
    sorted(body, |key| (0, key.to_owned()))
}

/// As a column of type `jsonb` keeps them.
fn sorted_by_length(body: &[u8]) -> Vec<u8> {
    sorted(body, |key| (key.len(), key.to_owned()))
}

fn sorted(body: &[u8], by: fn(&str) -> (usize, String)) -> Vec<u8> {
    fn sort(value: Value, by: fn(&str) -> (usize, String)) -> Value {
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.into_iter().map(|(key, value)| (key, sort(value, by))).collect();
                members.sort_by_key(|(key, _)| by(key));
                Value::Object(members.into_iter().collect())
            }
            Value::Array(items) => Value::Array(items.into_iter().map(|item| sort(item, by)).collect()),
            scalar => scalar,
        }
    }
    serde_json::to_vec(&sort(serde_json::from_slice(body).unwrap(), by)).unwrap()
}

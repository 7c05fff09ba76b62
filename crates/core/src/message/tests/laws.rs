//! What holds for every message.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::{Event, EventName, Include, MessageShape, Snapshot, completed, event, posted, prepare, snapshot, text};

const INCLUDES: [Include; 15] = [
    Include::CustomFields,
    Include::Documents,
    Include::Attachments,
    Include::Extensions,
    Include::Folders,
    Include::Recipients,
    Include::Tabs,
    Include::PaymentTabs,
    Include::PowerForm,
    Include::PrefillTabs,
    Include::CertificateOfCompletion,
    Include::DocumentFields,
    Include::VoidReason,
    Include::TimeZone,
    Include::SenderAccountAsCustomField,
];

fn includes() -> impl Strategy<Value = Vec<Include>> {
    vec(proptest::sample::select(&INCLUDES[..]), 0..6)
}

/// Any JSON, three levels deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The message with its count of retries set to the same.
fn without_count(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).expect("JSON");
    body["retryCount"] = 0.into();
    body
}

fn named(name: EventName, recipient: Option<String>, snapshot: Snapshot) -> Event {
    event(name, recipient.as_deref(), snapshot)
}

proptest! {
    #[test]
    fn every_json_body_parses_and_attempts_differ_in_their_count_alone(
        texts in vec(any::<String>(), 4),
        recipient in proptest::option::of(any::<String>()),
        include in includes(),
        counts in (any::<u32>(), any::<u32>()),
    ) {
        let mut envelope = completed();
        envelope.subject.clone_from(&texts[0]);
        envelope.recipients[0].person.name.clone_from(&texts[1]);
        envelope.documents[0].name.clone_from(&texts[2]);
        envelope.extra.insert(texts[3].clone(), texts[0].clone().into());
        let event = named(EventName::RECIPIENT_COMPLETED, recipient.clone(), snapshot(&envelope));

        let body = prepare(&event, MessageShape::JsonSim, &include).expect("renderable");
        let (one, other) = (text(&body, counts.0), text(&body, counts.1));
        prop_assert_eq!(without_count(&one), without_count(&other));
        let parsed: Value = serde_json::from_str(&one).expect("JSON");
        prop_assert_eq!(parsed["retryCount"].as_u64(), Some(u64::from(counts.0)));
        prop_assert_eq!(parsed["data"]["recipientId"].as_str(), recipient.as_deref());
        prop_assert_eq!(one.len(), body.len(counts.0));
        prop_assert_eq!(body.segments(counts.0).concat(), one.as_bytes());
        // Beyond the count not even a byte differs.
        let cut = |text: &str, count: u32| text.replacen(&format!(r#""retryCount":{count},"#), "", 1);
        prop_assert_eq!(cut(&one, counts.0), cut(&other, counts.1));

        let aggregate = prepare(&event, MessageShape::JsonAggregate, &include).expect("renderable");
        let aggregate: Value = serde_json::from_str(&text(&aggregate, 0)).expect("JSON");
        prop_assert_eq!(aggregate["emailSubject"].as_str(), Some(texts[0].as_str()));
    }

    #[test]
    fn every_xml_body_is_well_formed(texts in vec(any::<String>(), 3), include in includes()) {
        let mut envelope = completed();
        envelope.subject.clone_from(&texts[0]);
        envelope.recipients[0].person.name.clone_from(&texts[1]);
        envelope.recipients[0].declined_reason = Some(texts[2].clone());
        let event = named(EventName::ENVELOPE_COMPLETED, None, snapshot(&envelope));
        let body = text(&prepare(&event, MessageShape::XmlAggregate, &include).expect("renderable"), 0);
        let mut reader = quick_xml::Reader::from_str(&body);
        let mut depth = 0_i32;
        loop {
            match reader.read_event().expect("well-formed XML") {
                quick_xml::events::Event::Start(_) => depth += 1,
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        prop_assert_eq!(depth, 0);
    }

    #[test]
    fn posted_data_is_inside_as_it_came(data in json(), pretty in any::<bool>(), count in any::<u32>()) {
        let data = if pretty { serde_json::to_string_pretty(&data) } else { serde_json::to_string(&data) }.expect("JSON");
        let event = Event { snapshot: Snapshot::Posted(Bytes::from(data.clone())), ..posted("") };
        let body = text(&prepare(&event, MessageShape::JsonSim, &[]).expect("renderable"), count);
        let (_, tail) = body.split_once(r#","data":"#).expect("data");
        prop_assert_eq!(tail, format!("{data}}}"));
        serde_json::from_str::<Value>(&body).expect("JSON");
    }
}

//! `eventNotification`: a subscription of one envelope, made with it. Its properties are those of a configuration under
//! other names (reference: 8.2); they are renamed here and read there.

use countersign_core::{
    Timestamp,
    address::TargetPolicy,
    config::AccountConfig,
    id::{EnvelopeId, SubscriptionId},
    subscription::{Scope, Subscription},
};
use serde_json::{Map, Value};

use super::{
    configuration::Reading,
    property::{self, Kind},
    vocabulary::OlderList,
};
use crate::{
    failure::Failure,
    restapi::wire::{Wire, flag_text},
    subscription::Terms,
};

/// Every property: its name, how it is written, and its name in a configuration.
const PROPERTIES: [(&str, Kind, &str); 22] = {
    use Kind::{Codes, Data, Flag, Text, Texts};
    [
        ("deliveryMode", Text, "deliveryMode"),
        ("envelopeEvents", Codes(OlderList::Envelope), "envelopeEvents"),
        ("eventData", Data, "eventData"),
        ("events", Texts, "events"),
        ("includeCertificateOfCompletion", Flag, "includeCertificateOfCompletion"),
        ("includeCertificateWithSoap", Flag, "includeCertSoapHeader"),
        ("includeDocumentFields", Flag, "includeDocumentFields"),
        ("includeDocuments", Flag, "includeDocuments"),
        ("includeEnvelopeVoidReason", Flag, "includeEnvelopeVoidReason"),
        ("includeHMAC", Flag, "includeHMAC"),
        ("includeOAuth", Flag, "includeOAuth"),
        ("includeSenderAccountAsCustomField", Flag, "includeSenderAccountasCustomField"),
        ("includeTimeZone", Flag, "includeTimeZoneInformation"),
        ("integratorManaged", Flag, "integratorManaged"),
        ("loggingEnabled", Flag, "enableLog"),
        ("recipientEvents", Codes(OlderList::Recipient), "recipientEvents"),
        ("requireAcknowledgment", Flag, "requiresAcknowledgement"),
        ("requireMutualTls", Flag, "requireMutualTls"),
        ("signMessageWithX509Cert", Flag, "signMessageWithX509Certificate"),
        ("soapNameSpace", Text, "soapNamespace"),
        ("url", Text, "urlToPublishTo"),
        ("useSoapInterface", Flag, "useSoapInterface"),
    ]
};

/// Reads one `eventNotification` (or one of `eventNotifications`) of an envelope that is being made. It listens at once, to
/// all users; user name and password can only stand in its URL (reference: 6).
///
/// # Errors
/// 400 naming the property and what it can be; 501 for what is not part of the service.
pub fn read(
    wire: &Wire,
    account: &AccountConfig,
    envelope: EnvelopeId,
    id: SubscriptionId,
    now: Timestamp,
    policy: &TargetPolicy,
) -> Result<Subscription, Failure> {
    let mut form = Map::from_iter([
        ("allowEnvelopePublish".to_owned(), Value::from(flag_text(true))),
        ("allUsers".to_owned(), Value::from(flag_text(true))),
        ("name".to_owned(), Value::from(format!("Envelope {envelope}"))),
    ]);
    for (name, kind, in_configuration) in PROPERTIES {
        if let Some(value) = property::read(wire, name, kind, None)? {
            form.insert(in_configuration.to_owned(), value);
        }
    }
    if documents_with_an_event(wire)? {
        form.insert("includeDocuments".to_owned(), flag_text(true).into());
    }
    let terms = Terms { account, policy };
    Reading { form, scope: Scope::Envelope(envelope), id, before: None, terms: &terms, now, url_property: "url" }.subscription(None, None)
}

/// `includeDocuments` beside one event's code. What is included is a matter of the whole subscription here, so that one switch counts
/// for all of its events.
fn documents_with_an_event(wire: &Wire) -> Result<bool, Failure> {
    for list in [OlderList::Envelope, OlderList::Recipient] {
        let Some(Value::Array(items)) = wire.get(list.property()) else { continue };
        for item in items.iter().filter(|item| item.is_object()) {
            if Wire::of(item.clone())?.flag("includeDocuments")? == Some(true) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use countersign_core::subscription::{Activity, Include, MessageShape, OAuthUse, Users};
    use serde_json::json;

    use super::*;
    use crate::restapi::connect::samples::equipped;

    const NOW: Timestamp = Timestamp::EPOCH;

    #[test]
    fn a_notification_is_read_under_its_own_names() {
        let account = equipped();
        let policy = TargetPolicy::default();
        let envelope = EnvelopeId(uuid::Uuid::from_u128(9));
        let read = |value: Value| read(&Wire::of(value).unwrap(), &account, envelope, SubscriptionId(3), NOW, &policy);
        let subscription = read(json!({
            "url": "https://anna:secret@listener.example/",
            "loggingEnabled": true,
            "requireAcknowledgment": "true",
            "signMessageWithX509Cert": "true",
            "includeCertificateWithSoap": "true",
            "includeTimeZone": "true",
            "includeSenderAccountAsCustomField": "true",
            "soapNameSpace": "urn:x",
            "includeHMAC": "true",
            "includeOAuth": "true",
            "envelopeEvents": [{"envelopeEventStatusCode": "completed"}, {"envelopeEventStatusCode": "voided", "includeDocuments": "true"}],
            "recipientEvents": [{"recipientEventStatusCode": "Declined"}],
            "urlToPublishTo": "https://elsewhere.example/",
            "pausePublish": "true",
            "userName": "nobody",
        }))
        .unwrap();
        assert_eq!((subscription.scope, &subscription.activity), (Scope::Envelope(envelope), &Activity::Active));
        assert_eq!((subscription.id, subscription.users.clone()), (SubscriptionId(3), Users::All));
        assert_eq!(subscription.url.as_str(), "https://listener.example/");
        assert_eq!(subscription.shape, MessageShape::XmlAggregate, "no version");
        assert!(subscription.log && subscription.require_acknowledgement && !subscription.paused);
        assert!(subscription.proofs.hmac && subscription.proofs.mutual_tls && matches!(subscription.proofs.oauth, OAuthUse::Account));
        assert_eq!(subscription.proofs.basic.as_ref().unwrap().user, "anna");
        assert_eq!(
            subscription.include,
            BTreeSet::from([Include::Documents, Include::TimeZone, Include::SenderAccountAsCustomField]),
            "one event's switch counts for the whole"
        );
        assert_eq!(subscription.extra["soapNamespace"], "urn:x");

        let sim = read(json!({"url": "https://listener.example/", "events": ["envelope-completed"], "eventData": {"version": "restv2.1"}}));
        assert_eq!(sim.unwrap().shape, MessageShape::JsonSim);
        for (value, said) in [
            (json!({"events": ["envelope-sent"]}), "url is needed"),
            (json!({"url": "https://10.0.0.1/"}), "url cannot be used"),
            (json!({"url": "https://listener.example/", "envelopeEvents": [{"envelopeEventStatusCode": "Opened"}]}), "'Opened'"),
            (json!({"url": "https://listener.example/", "useSoapInterface": "true"}), "SOAP"),
        ] {
            let refused = read(value.clone()).expect_err(&value.to_string());
            assert!(refused.message.contains(said), "{value}: {refused}");
        }
    }
}

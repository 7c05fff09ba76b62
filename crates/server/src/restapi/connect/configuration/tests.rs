#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_core::{address::TargetPolicy, config::AccountConfig, subscription::MessageShape};
use proptest::prelude::*;

use super::*;
use crate::restapi::connect::samples::{bare, equipped};

const NOW: Timestamp = Timestamp::EPOCH;

fn read_with(account: &AccountConfig, before: Option<&Subscription>, value: Value) -> Result<Read, Failure> {
    let policy = TargetPolicy::default();
    let terms = Terms { account, policy: &policy };
    read(&Wire::of(value).unwrap(), SubscriptionId(10_000_001), before, &terms, NOW)
}

fn made(value: Value) -> Subscription {
    read_with(&equipped(), None, value).unwrap().subscription
}

fn updated(before: &Subscription, value: Value) -> Subscription {
    read_with(&equipped(), Some(before), value).unwrap().subscription
}

/// Stored and read back, as between two requests.
fn stored(subscription: &Subscription) -> Subscription {
    use countersign_core::config::Configured;
    let mut back: Subscription = serde_json::from_str(&serde_json::to_string(subscription).unwrap()).unwrap();
    back.restore(subscription.secrets());
    back
}

fn minimal() -> Value {
    json!({"name": "Hooks", "urlToPublishTo": "https://listener.example/connect", "configurationType": "custom"})
}

fn with(mut value: Value, more: &Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// Every property of 8.2 with a value that is not its default.
fn everything() -> Value {
    // As text: the macro of serde_json does not go so deep.
    let text = r#"{
        "allowEnvelopePublish": "true",
        "allowSalesforcePublish": "false",
        "allUsers": "false",
        "allUsersExcept": "false",
        "configurationType": "custom",
        "deliveryMode": "Aggregate",
        "enableLog": "true",
        "enableOAuthPerConfiguration": "true",
        "envelopeEvents": ["Sent", "Completed"],
        "eventData": {"version": "restv2.1", "format": "json", "includeData": ["recipients", "status"]},
        "events": ["envelope-completed", "envelope-resent"],
        "externalFolderId": "f1",
        "externalFolderLabel": "Folder",
        "groupIds": [],
        "includeCertificateOfCompletion": "true",
        "includeCertSoapHeader": "true",
        "includeDocumentFields": "true",
        "includeDocuments": "true",
        "includeEnvelopeVoidReason": "true",
        "includeHMAC": "true",
        "includeOAuth": "true",
        "includeSenderAccountasCustomField": "true",
        "includeTimeZoneInformation": "true",
        "integratorManaged": "true",
        "name": "Everything",
        "pausePublish": "true",
        "recipientEvents": ["AutoResponded", "AuthenticationFailed"],
        "requireMutualTls": "true",
        "requiresAcknowledgement": "true",
        "salesforceApiVersion": "51",
        "salesforceAuthcode": "code",
        "salesforceCallBackUrl": "https://salesforce.example/",
        "salesforceDocumentsAsContentFiles": "true",
        "senderOverride": "true",
        "senderSelectableItems": ["one"],
        "sfObjects": [{"active": "true", "sfObject": "Lead"}],
        "signMessageWithX509Certificate": "true",
        "soapNamespace": "urn:x",
        "urlToPublishTo": "https://listener.example/connect?x=1",
        "userIds": ["6f1e1a5a-5f0e-4b5e-9a55-0a1b2c3d4e5f"],
        "userName": "anna",
        "useSoapInterface": "false",
        "oAuthConfiguration": {
            "authorizationServerUrl": "https://id.example/token",
            "clientId": "client",
            "customParameters": {"audience": "https://api.example/"},
            "scope": "hooks"
        }
    }"#;
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_property_is_stored_and_echoed() {
    let mut sent = with(everything(), &json!({"password": "pass:word"}));
    sent["oAuthConfiguration"]["clientSecret"] = "0123456789abcdef".into();
    let subscription = stored(&made(sent));
    let mut expected = with(everything(), &json!({"connectId": "10000001"}));
    expected["oAuthConfiguration"]["clientSecret"] = "********cdef".into();
    let shown = shown(&subscription, &[]);
    let (mut left, mut right) = (shown.as_object().unwrap().clone(), expected.as_object().unwrap().clone());
    left.sort_keys();
    right.sort_keys();
    assert_eq!(Value::Object(left), Value::Object(right), "the password alone is missing");
    let basic = subscription.proofs.basic.unwrap();
    assert_eq!((basic.user.as_str(), basic.password.expose_secret()), ("anna", "pass:word"));
}

#[test]
fn a_configuration_is_off_and_for_nobody_unless_it_says_otherwise() {
    let subscription = made(minimal());
    assert_eq!(subscription.activity, Activity::Inactive);
    assert_eq!(subscription.users, Users::Only(BTreeSet::new()));
    assert_eq!(subscription.shape, MessageShape::JsonSim);
    let shown = shown(&subscription, &[]);
    for (name, value) in [
        ("allowEnvelopePublish", json!("false")),
        ("allUsers", json!("false")),
        ("allowSalesforcePublish", json!("true")),
        ("deliveryMode", json!("SIM")),
        ("eventData", json!({"version": "restv2.1", "format": "json", "includeData": []})),
        ("userIds", json!([])),
        ("includeHMAC", json!("false")),
        ("connectId", json!("10000001")),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    for absent in ["password", "userName", "oAuthConfiguration", "disabledBy", "warnings"] {
        assert_eq!(shown.get(absent), None, "{absent}");
    }
}

#[test]
fn names_are_read_without_case_and_switches_in_every_form() {
    let subscription = made(json!({
        "NAME": "Hooks",
        "URLTOPUBLISHTO": "https://listener.example/connect",
        "allowenvelopepublish": true,
        "AllUsers": "TRUE",
        "IncludeHMAC": true,
        "includedata": ["ignored: it belongs into eventData"],
        "EventData": {"Version": "RESTV2.1", "includedata": ["Documents", "recipients"]},
        "Events": "envelope-sent, Envelope-Completed",
        "SignMessageWithX509Cert": "the name of another schema",
        "enableLog": "",
        "somethingNew": {"a": 1},
    }));
    assert_eq!((subscription.activity, subscription.users), (Activity::Active, Users::All));
    assert!(subscription.proofs.hmac && !subscription.proofs.mutual_tls && !subscription.log);
    assert_eq!(subscription.include, BTreeSet::from([Include::Documents, Include::Recipients]));
    assert_eq!(subscription.events.names.len(), 2);
    assert!(!subscription.extra.contains_key("somethingNew"), "strangers are not kept");
}

#[test]
fn absent_properties_stay_as_they_are() {
    let mut sent = with(everything(), &json!({"password": "pass:word"}));
    sent["oAuthConfiguration"]["clientSecret"] = "0123456789abcdef".into();
    let before = stored(&made(sent));
    let same = stored(&updated(&before, json!({"connectId": "10000001"})));
    assert_eq!(shown(&same, &[]), shown(&before, &[]));
    assert_eq!(same.proofs.basic.as_ref().unwrap().password.expose_secret(), "pass:word");

    let own = updated(&before, json!({"oAuthConfiguration": {"scope": "other"}}));
    let OAuthUse::Own(connection) = &own.proofs.oauth else { panic!("its own connection") };
    assert_eq!((connection.client_secret.expose_secret(), connection.scope.as_deref()), ("0123456789abcdef", Some("other")));

    let xml = updated(&before, json!({"eventData": {"version": ""}}));
    assert_eq!(xml.shape, MessageShape::XmlAggregate);
    assert_eq!(updated(&before, json!({"deliveryMode": "SIM"})).shape, MessageShape::JsonSim);
    assert_eq!(updated(&before, json!({"eventData": {"includeData": []}})).shape, MessageShape::JsonAggregate, "the version stays");
}

#[test]
fn what_was_read_can_be_sent_back_whole() {
    let mut sent = with(everything(), &json!({"password": "pass:word"}));
    sent["oAuthConfiguration"]["clientSecret"] = "0123456789abcdef".into();
    let before = stored(&made(sent));
    let back = updated(&before, shown(&before, &["a warning".to_owned()]));
    assert_eq!(shown(&back, &[]), shown(&before, &[]));
    assert_eq!(back.proofs.basic.unwrap().password.expose_secret(), "pass:word");
    let OAuthUse::Own(connection) = back.proofs.oauth else { panic!("its own connection") };
    assert_eq!(connection.client_secret.expose_secret(), "0123456789abcdef");
}

#[test]
fn documents_are_left_out_when_every_switch_for_them_is_off() {
    let by_word = made(with(minimal(), &json!({"eventData": {"version": "restv2.1", "includeData": ["documents"]}})));
    assert!(by_word.include.contains(&Include::Documents));
    assert_eq!(shown(&by_word, &[])["includeDocuments"], "false", "the switch was not set");
    assert!(!updated(&by_word, json!({"eventData": {"includeData": []}})).include.contains(&Include::Documents));
    let by_switch = made(with(minimal(), &json!({"includeDocuments": "true", "deliveryMode": "aggregate", "envelopeEvents": ["Sent"]})));
    assert_eq!(shown(&by_switch, &[])["eventData"], json!({"includeData": []}));
    assert!(!updated(&by_switch, json!({"includeDocuments": "false"})).include.contains(&Include::Documents));
}

#[test]
fn user_lists_survive_the_switch_that_makes_them_idle() {
    let user = "6f1e1a5a-5f0e-4b5e-9a55-0a1b2c3d4e5f";
    let before = stored(&made(with(minimal(), &json!({"userIds": [user]}))));
    let all = stored(&updated(&before, json!({"allUsers": "true"})));
    assert_eq!((&all.users, &shown(&all, &[])["userIds"]), (&Users::All, &json!([user])));
    assert_eq!(updated(&all, json!({"allUsers": "false"})).users, before.users);
    let except = updated(&all, json!({"allUsersExcept": true}));
    assert_eq!(except.users, Users::AllExcept([user.parse().unwrap()].into()));
}

#[test]
fn what_the_system_disabled_stays_so_until_it_is_switched_on() {
    let mut before = made(with(minimal(), &json!({"allowEnvelopePublish": "true"})));
    before.activity = Activity::Disabled { reason: "it has only failed for 14 days".to_owned(), at: NOW };
    let shown = shown(&before, &[]);
    assert_eq!((&shown["allowEnvelopePublish"], &shown["disabledBy"]), (&json!("false"), &json!("it has only failed for 14 days")));
    assert_eq!(updated(&before, shown).activity, before.activity, "saved as it was shown");
    assert_eq!(updated(&before, json!({"allowEnvelopePublish": "true"})).activity, Activity::Active);
}

#[test]
fn basic_credentials_come_from_their_properties_or_from_the_url() {
    let basic = |subscription: &Subscription| {
        subscription.proofs.basic.as_ref().map(|basic| (basic.user.clone(), basic.password.expose_secret().to_owned()))
    };
    let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    let in_url = made(with(minimal(), &json!({"urlToPublishTo": "https://anna:p%40ss@listener.example/x"})));
    assert_eq!(basic(&in_url), pair("anna", "p@ss"));
    assert_eq!(in_url.url.as_str(), "https://listener.example/x");
    assert_eq!(basic(&updated(&in_url, json!({"password": "new"}))), pair("anna", "new"));
    assert_eq!(basic(&updated(&in_url, json!({"userName": "anna"}))), pair("anna", "p@ss"), "as it was shown");
    assert_eq!(basic(&updated(&in_url, json!({"userName": ""}))), None);
    assert_eq!(
        basic(&updated(&in_url, json!({"userName": "anna", "urlToPublishTo": "https://ben:b@listener.example/"}))),
        pair("ben", "b"),
        "the user name came back as it was shown"
    );
}

#[test]
fn a_save_that_only_pauses_is_not_stopped_by_what_is_gone() {
    let before = stored(&made(with(minimal(), &json!({"includeHMAC": "true", "includeOAuth": "true", "requireMutualTls": "true"}))));
    let strict = TargetPolicy { allow_ports: Vec::new(), ..TargetPolicy::default() };
    let account = bare(&[]);
    let terms = Terms { account: &account, policy: &strict };
    let paused = read(&Wire::of(json!({"pausePublish": "true"})).unwrap(), before.id, Some(&before), &terms, NOW).unwrap();
    assert!(paused.subscription.paused && paused.subscription.proofs.hmac);
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let bare = bare(&[]);
    for (more, status, said) in [
        (json!({"name": " "}), 400, "a name is needed"),
        (json!({"name": "x".repeat(256)}), 400, "255 characters"),
        (json!({"name": {}}), 400, "name must be text"),
        (json!({"urlToPublishTo": ""}), 400, "urlToPublishTo is needed"),
        (json!({"urlToPublishTo": "http://listener.example/"}), 400, "use https"),
        (json!({"urlToPublishTo": "https://127.0.0.1/"}), 400, "urlToPublishTo cannot be used"),
        (json!({"urlToPublishTo": "https://listener.example/#f"}), 400, "fragment"),
        (json!({"urlToPublishTo": "listener.example"}), 400, "absolute URL"),
        (json!({"urlToPublishTo": "https://a%3Ab:c@listener.example/"}), 400, "colon"),
        (json!({"urlToPublishTo": "https://anna:a@listener.example/", "userName": "ben", "password": "b"}), 400, "not in both"),
        (json!({"userName": "anna"}), 400, "userName needs a password"),
        (json!({"password": "secret"}), 400, "password needs a userName"),
        (json!({"userName": "a:b", "password": "c"}), 400, "colon"),
        (json!({"allUsers": "yes"}), 400, "allUsers is 'yes'"),
        (json!({"userIds": ["me"]}), 400, "'me', which is not a GUID"),
        (json!({"userIds": {}}), 400, "userIds must be a list"),
        (json!({"events": ["envelope-signed"]}), 400, "'envelope-signed', which is no such event"),
        (json!({"events": [["envelope-sent"]]}), 400, "events must be text"),
        (json!({"envelopeEvents": ["Signed"]}), 400, "envelopeEvents names 'Signed'"),
        (json!({"recipientEvents": [{"status": "Sent"}]}), 400, "recipientEventStatusCode"),
        (json!({"eventData": "restv2.1"}), 400, "eventData must be an object"),
        (json!({"eventData": {"version": "v3"}}), 400, "eventData.version is 'v3'"),
        (json!({"eventData": {"version": "restv2.1", "format": "xml"}}), 501, "XML in the restv2.1 form"),
        (json!({"deliveryMode": "batch"}), 400, "deliveryMode is 'batch'"),
        (json!({"configurationType": "webhook"}), 400, "configurationType is 'webhook'"),
        (json!({"configurationType": "salesforce"}), 501, "Salesforce"),
        (json!({"configurationType": "eOriginal"}), 501, "eOriginal"),
        (json!({"configurationType": "customrecipient"}), 400, "needs a domain"),
        (json!({"groupIds": ["1"]}), 501, "groupIds"),
        (json!({"useSoapInterface": "true"}), 501, "SOAP"),
        (json!({"includeHMAC": "true"}), 400, "POST connect/secret"),
        (json!({"includeOAuth": "true"}), 400, "POST connect/oauth"),
        (json!({"requireMutualTls": "true"}), 400, "client certificate"),
        (json!({"signMessageWithX509Certificate": "true"}), 400, "client certificate"),
        (json!({"includeOAuth": "true", "enableOAuthPerConfiguration": "true"}), 400, "needs an oAuthConfiguration"),
        (json!({"oAuthConfiguration": {"clientId": "c"}}), 400, "authorizationServerUrl is needed"),
        (json!({"senderOverride": "x".repeat(70_000)}), 400, "only stored"),
    ] {
        let refused = read_with(&bare, None, with(minimal(), &more)).expect_err(&more.to_string());
        assert_eq!(refused.status.as_u16(), status, "{more}: {refused}");
        assert!(refused.message.contains(said), "{more}: {refused}");
    }
    let own = json!({"authorizationServerUrl": "http://id.example/t", "clientId": "c", "clientSecret": "s"});
    for (part, value, said) in [
        ("authorizationServerUrl", json!("http://id.example/t"), "token URL cannot be used"),
        ("clientSecret", json!(""), "client secret is empty"),
        ("customParameters", json!({"grant_type": "password"}), "grant_type"),
        ("customParameters", json!({"client_id": "x"}), "client_id"),
    ] {
        let mut connection = with(own.clone(), &json!({"authorizationServerUrl": "https://id.example/t"}));
        connection[part] = value;
        let sent = json!({"includeOAuth": "true", "enableOAuthPerConfiguration": "true", "oAuthConfiguration": connection});
        let refused = read_with(&bare, None, with(minimal(), &sent)).expect_err(part);
        assert!(refused.message.contains(said), "{part}: {refused}");
    }
}

proptest! {
    /// Whatever a client may send for the properties that interact: what is shown is what a second look shows, and saving it
    /// as shown changes nothing.
    #[test]
    fn saving_what_is_shown_changes_nothing(
        mode in prop::option::of(prop::sample::select(vec!["SIM", "sim", "Aggregate", "aggregate", ""])),
        version in prop::option::of(prop::sample::select(vec!["restv2.1", "legacy", ""])),
        data in prop::collection::vec(prop::sample::select(vec!["documents", "Tabs", "status"]), 0..3),
        events in prop::bool::ANY, older in prop::bool::ANY,
        switches in prop::collection::vec(prop::option::of(prop::bool::ANY), 6),
    ) {
        let mut sent = minimal();
        if let Some(mode) = mode { sent["deliveryMode"] = mode.into(); }
        if let Some(version) = version { sent["eventData"] = json!({"version": version, "includeData": data}); }
        if events { sent["events"] = json!(["envelope-sent"]); }
        if older { sent["envelopeEvents"] = json!(["Sent"]); }
        let names = ["includeDocuments", "requireMutualTls", "signMessageWithX509Certificate", "allUsers", "allUsersExcept", "allowEnvelopePublish"];
        for (name, switch) in names.into_iter().zip(switches) {
            if let Some(switch) = switch { sent[name] = switch.into(); }
        }
        let first = stored(&made(sent));
        let second = stored(&updated(&first, shown(&first, &[])));
        prop_assert_eq!(shown(&second, &[]), shown(&first, &[]));
        prop_assert_eq!(&second.include, &first.include);
        prop_assert_eq!(second.shape, first.shape);
        prop_assert_eq!(&second.users, &first.users);
        prop_assert_eq!(second.proofs.mutual_tls, first.proofs.mutual_tls);
        let bare = updated(&first, json!({}));
        prop_assert_eq!(shown(&bare, &[]), shown(&first, &[]));
    }
}

//! Every event that Connect documents (reference: 2.1): the action that causes it, or why none does.

use std::collections::{BTreeSet, HashSet};

use countersign_core::{event::EventName, id::EventId};
use serde_json::{Value, json};

use crate::house::{House, definition, document, signer, with};

/// Nothing here causes these.
const NEVER: [(EventName, &str); 2] = [
    (EventName::CLICK_AGREED, "there are no clickwraps; whoever has them posts the event"),
    (EventName::CLICK_DECLINED, "there are no clickwraps; whoever has them posts the event"),
];

/// What was told of the account, story by story.
struct Heard<'h> {
    house: &'h House,
    known: HashSet<EventId>,
    names: BTreeSet<String>,
}

impl Heard<'_> {
    /// What the last story told, oldest first.
    async fn told(&mut self, story: &str, expected: &[&str]) {
        let mut events = self.house.app.store.events(self.house.home.account.id, None, None, 1_000).await.unwrap();
        events.retain(|event| self.known.insert(event.id));
        let names: Vec<String> = events.iter().rev().map(|event| event.name.to_string()).collect();
        assert_eq!(names, expected, "{story}");
        self.names.extend(names);
    }

    async fn play(&mut self, id: &str, recipient: &str, action: Value, expected: &[&str]) {
        self.house.play(id, recipient, action.clone()).await.expect(200);
        self.told(&action.to_string(), expected).await;
    }
}

#[tokio::test]
async fn every_documented_event_is_caused_by_an_action_or_by_none_for_a_reason() {
    let house = House::new().await;
    let mut heard = Heard { house: &house, known: HashSet::new(), names: BTreeSet::new() };
    let sent = ["envelope-sent", "recipient-sent"];

    let id = house.envelope(definition("created", 1)).await;
    heard.told("a draft is made", &["envelope-created"]).await;
    house.put(&format!("/envelopes/{id}"), json!({"status": "sent"})).await.expect(200);
    heard.told("it is sent", &sent).await;
    house.put(&format!("/envelopes/{id}?resend_envelope=true"), json!({})).await.expect(200);
    heard.told("it is sent again", &["envelope-resent", "recipient-resent"]).await;
    heard.play(&id, "1", json!({"action": "auto-respond"}), &["recipient-autoresponded"]).await;
    heard.play(&id, "1", json!({"action": "authentication-failed"}), &["recipient-authenticationfailed"]).await;
    heard.play(&id, "1", json!({"action": "deliver"}), &["recipient-delivered", "envelope-delivered"]).await;
    heard.play(&id, "1", json!({"action": "finish-later"}), &["recipient-finish-later"]).await;
    let lock = house.post(&format!("/envelopes/{id}/lock"), json!({})).await.expect(201);
    let token = json!({"LockToken": lock["lockToken"]}).to_string();
    let held = [("X-DocuSign-Edit", token.as_str())];
    house.call(&house.home, "PUT", &format!("/envelopes/{id}"), Some(json!({"emailSubject": "Corrected"})), &held).await.expect(200);
    house.call(&house.home, "DELETE", &format!("/envelopes/{id}/lock"), Some(json!({})), &held).await.expect(200);
    heard.told("it is corrected under a lock", &["envelope-corrected"]).await;
    heard.play(&id, "1", json!({"action": "complete"}), &["recipient-completed", "envelope-completed"]).await;
    house.put(&format!("/envelopes/{id}"), json!({"purgeState": "documents_queued"})).await.expect(200);
    heard.told("its documents are to be purged", &["envelope-purge"]).await;
    house.put(&format!("/envelopes/{id}"), json!({"purgeState": "documents_dequeued"})).await.expect(200);
    heard.told("or not", &["envelope-purge"]).await;

    let id = house.envelope(definition("sent", 1)).await;
    heard.told("another is sent", &sent).await;
    heard.play(&id, "1", json!({"action": "decline", "reason": "no"}), &["recipient-declined", "envelope-declined"]).await;

    let id = house.envelope(definition("sent", 1)).await;
    heard.told("another is sent", &sent).await;
    let other = json!({"action": "reassign", "name": "Bo", "email": "bo@example.com", "recipientId": "2"});
    heard.play(&id, "1", other, &["recipient-reassign", "recipient-sent"]).await;
    let other = json!({"action": "delegate", "name": "Cy", "email": "cy@example.com"});
    heard.play(&id, "2", other, &["recipient-delegate", "recipient-sent"]).await;
    house.put(&format!("/envelopes/{id}"), json!({"status": "voided", "voidedReason": "a mistake"})).await.expect(200);
    heard.told("it is voided", &["envelope-voided"]).await;
    house.put("/folders/recyclebin", json!({"envelopeIds": [id]})).await.expect(200);
    heard.told("it is deleted", &["envelope-deleted"]).await;
    let draft = house.envelope(definition("created", 1)).await;
    heard.told("a draft is made", &["envelope-created"]).await;
    house.put("/folders/recyclebin", json!({"envelopeIds": [draft]})).await.expect(200);
    heard.told("it is discarded", &["envelope-discard"]).await;
    house.after_days(30).await;
    heard.told("both have lain in the bin long enough", &["envelope-removed", "envelope-removed"]).await;

    let reminders = json!({"notification": {"reminders": {"reminderEnabled": "true", "reminderDelay": "1"}}});
    house.envelope(with(definition("sent", 1), reminders)).await;
    heard.told("another is sent", &sent).await;
    house.after_days(1).await;
    heard.told("its signer is slow", &["envelope-reminder-sent"]).await;

    let template = json!({"name": "Lease", "documents": [document("1")], "recipients": {"signers": [with(signer("1", "1"), json!({"roleName": "Tenant"}))]}});
    let template = house.post("/templates", template).await.expect(201)["templateId"].as_str().unwrap().to_owned();
    heard.told("a template is made", &["template-created"]).await;
    house.put(&format!("/templates/{template}"), json!({"name": "Lease 2"})).await.expect(200);
    heard.told("and changed", &["template-modified"]).await;
    house.delete(&format!("/templates/{template}"), json!({})).await.expect(200);
    heard.told("and deleted", &["template-deleted"]).await;

    let never: BTreeSet<String> = NEVER.iter().map(|(name, _)| name.to_string()).collect();
    for name in EventName::CONNECT {
        let name = name.to_string();
        assert_ne!(heard.names.contains(&name), never.contains(&name), "{name} has a story, or a reason why it has none");
    }
}

#[tokio::test]
async fn what_was_removed_from_the_bin_is_nowhere_any_more() {
    let house = House::new().await;
    let id = house.envelope(with(definition("sent", 1), json!({"transactionId": "t1"}))).await;
    let path = format!("/envelopes/{id}");
    house.put("/folders/recyclebin", json!({"envelopeIds": [id]})).await.expect(200);
    assert_eq!(house.after_days(29).await, 0);
    house.get(&path).await.expect(200);
    assert_eq!(house.after_days(1).await, 1);
    house.get(&path).await.refused(404, "ENVELOPE_DOES_NOT_EXIST");
    house.get(&format!("{path}/documents/1")).await.refused(404, "ENVELOPE_DOES_NOT_EXIST");
    house.put(&path, json!({"status": "sent"})).await.refused(404, "ENVELOPE_DOES_NOT_EXIST");
    for query in [format!("envelope_ids={id}"), "transaction_ids=t1".into(), "from_date=2025-01-01&status=deleted".into()] {
        assert_eq!(house.get(&format!("/envelopes?{query}")).await.expect(200)["totalSetSize"], "0", "{query}");
    }
    assert_eq!(house.get("/envelopes?from_date=2025-01-01&folder_ids=recyclebin").await.expect(200)["totalSetSize"], "0");
    assert_eq!(house.get("/envelopes?from_date=2025-01-01").await.expect(200)["totalSetSize"], "0");
    let events = house.app.store.events(house.home.account.id, Some(id.parse().unwrap()), None, 10).await.unwrap();
    for event in &events {
        let event = house.app.store.event(house.home.account.id, event.id).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(event.snapshot.bytes()).into_owned();
        assert!(!text.contains("Signer 1") && !text.contains("Please sign"), "{}: {text}", event.name);
    }
    assert_eq!(house.after_days(400).await, 0);
}

#[tokio::test]
async fn an_operator_may_keep_what_is_in_the_bin() {
    let house = House::with(countersign_server::Settings { bin_life: None, ..Default::default() }).await;
    let id = house.envelope(definition("created", 1)).await;
    house.put("/folders/recyclebin", json!({"envelopeIds": [id]})).await.expect(200);
    assert_eq!(house.after_days(400).await, 0);
    house.get(&format!("/envelopes/{id}")).await.expect(200);
}

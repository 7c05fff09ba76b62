//! Void, delete, purge states.

use serde_json::json;

use crate::house::{House, definition};

#[tokio::test]
async fn an_envelope_in_process_is_voided_with_a_reason() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let path = format!("/envelopes/{id}");
    let message = house.put(&path, json!({"status": "voided"})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    assert!(message.ends_with("Value for 'voidedReason' must be specified when voiding an envelope."), "{message}");
    house.put(&path, json!({"status": "voided", "voidedReason": "x".repeat(201)})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    let answer = house.put(&path, json!({"status": "voided", "voidedReason": "a mistake"})).await.expect(200);
    assert_eq!(answer, json!({"envelopeId": id}));
    let shown = house.shown(&id).await;
    assert_eq!((&shown["status"], &shown["voidedReason"]), (&json!("voided"), &json!("a mistake")));
    assert_eq!(house.events(&id).await.last().unwrap(), "envelope-voided");
    let message =
        house.put(&path, json!({"status": "voided", "voidedReason": "again"})).await.refused(400, "ENVELOPE_CANNOT_VOID_INVALID_STATE");
    assert!(message.starts_with("Only envelopes in the 'Sent' or 'Delivered' states may be voided"), "{message}");
}

#[tokio::test]
async fn a_status_that_cannot_be_set_is_refused() {
    let house = House::new().await;
    let draft = house.envelope(definition("created", 1)).await;
    let sent = house.envelope(definition("sent", 1)).await;
    for (id, body, code) in [
        (&draft, json!({"status": "voided", "voidedReason": "x"}), "ENVELOPE_CANNOT_VOID_INVALID_STATE"),
        (&draft, json!({"status": "completed"}), "ENVELOPE_INVALID_STATUS"),
        (&draft, json!({"status": "nonsense"}), "ENVELOPE_INVALID_STATUS"),
        (&sent, json!({"status": "sent"}), "ENVELOPE_INVALID_STATUS"),
        (&sent, json!({"status": "created"}), "ENVELOPE_INVALID_STATUS"),
        (&sent, json!({"status": "deleted"}), "ENVELOPE_INVALID_STATUS"),
        (&sent, json!({"workflow": {"workflowStatus": "in_progress"}}), "NOT_IMPLEMENTED"),
    ] {
        let answer = house.put(&format!("/envelopes/{id}"), body.clone()).await;
        let status = if code == "NOT_IMPLEMENTED" { 501 } else { 400 };
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text());
        answer.refused(status, code);
    }
    house.put(&format!("/envelopes/{draft}"), json!({"status": "created", "emailSubject": "Another"})).await.expect(200);
    assert_eq!(house.shown(&draft).await["emailSubject"], "Another");
}

#[tokio::test]
async fn an_envelope_read_whole_and_sent_back_is_refused_for_its_purge_state() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let path = format!("/envelopes/{id}");
    let whole = house.get(&path).await.expect(200);
    let message = house.put(&path, whole).await.refused(400, "INVALID_REQUEST_PARAMETER");
    assert_eq!(
        message,
        "The request contained at least one invalid parameter. Value for 'purgeState' must be 'documents_queued', \
         'documents_and_metadata_queued', 'documents_and_metadata_and_redact_queued' or 'documents_dequeued'."
    );
}

#[tokio::test]
async fn documents_of_a_completed_envelope_are_queued_and_purged_after_two_weeks() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let path = format!("/envelopes/{id}");
    house.put(&path, json!({"purgeState": "documents_queued"})).await.refused(400, "ENVELOPE_INVALID_STATUS");
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    let answer = house.put(&path, json!({"purgeState": "documents_queued"})).await.expect(200);
    assert_eq!(answer["purgeState"], "documents_queued");
    house.put(&path, json!({"purgeState": "documents_queued"})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.put(&path, json!({"purgeState": "documents_dequeued"})).await.expect(200);
    house.put(&path, json!({"purgeState": "documents_and_metadata_queued"})).await.expect(200);
    assert_eq!(house.events(&id).await.iter().filter(|event| *event == "envelope-purge").count(), 3);
    assert_eq!(house.after_days(13).await, 0);
    assert_eq!(house.after_days(1).await, 1);
    let shown = house.shown(&id).await;
    assert_eq!(shown["purgeState"], "documents_and_metadata_purged");
    for document in ["1", "combined", "archive"] {
        house.get(&format!("{path}/documents/{document}")).await.refused(404, "DOCUMENT_DOES_NOT_EXIST");
    }
    let events = house.app.store.events(house.home.account.id, Some(id.parse().unwrap()), None, 10).await.unwrap();
    let event = house.app.store.event(house.home.account.id, events[0].id).await.unwrap().unwrap();
    assert!(event.snapshot.bytes().is_empty(), "the snapshots are gone as well");
}

#[tokio::test]
async fn the_bin_takes_drafts_sent_envelopes_and_nothing_unknown() {
    let house = House::new().await;
    let draft = house.envelope(definition("created", 1)).await;
    let sent = house.envelope(definition("sent", 1)).await;
    let stranger = uuid::Uuid::new_v4().to_string();
    house.put("/folders/recyclebin", json!({"envelopeIds": [draft, stranger]})).await.refused(404, "ENVELOPE_DOES_NOT_EXIST");
    assert_eq!(house.shown(&draft).await["status"], "created", "nothing was half-applied");
    let answer = house.put("/folders/recyclebin", json!({"envelopeIds": [draft, sent]})).await.expect(200);
    assert_eq!(answer["envelopes"][1]["status"], "deleted");
    assert_eq!(house.events(&draft).await.last().unwrap(), "envelope-discard");
    let events = house.events(&sent).await;
    assert_eq!(events[events.len() - 2..], ["envelope-voided", "envelope-deleted"]);
    house.put("/folders/recyclebin", json!({"envelopeIds": [draft]})).await.expect(200);
    assert_eq!(house.events(&draft).await.len(), 2, "what is in the bin stays there");
    house.put("/folders/sentitems", json!({"envelopeIds": [draft]})).await.refused(501, "NOT_IMPLEMENTED");
    house.put("/folders/recyclebin", json!({"envelopeIds": []})).await.refused(400, "INVALID_REQUEST_PARAMETER");
}

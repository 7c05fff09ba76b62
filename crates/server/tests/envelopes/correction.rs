//! Locks, corrections, resending.

use serde_json::json;

use crate::house::{House, definition};

#[tokio::test]
async fn a_correction_is_told_when_the_lock_is_released() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 2)).await;
    let path = format!("/envelopes/{id}");
    let lock_path = format!("{path}/lock");
    house.get(&lock_path).await.refused(404, "EDIT_LOCK_NOT_LOCKED");
    house.delete(&lock_path, json!({})).await.refused(404, "EDIT_LOCK_NOT_LOCKED");
    let lock = house.post(&lock_path, json!({"lockDurationInSeconds": "600", "lockedByApp": "test", "lockType": "edit"})).await.expect(201);
    assert_eq!(lock["lockDurationInSeconds"], "600");
    assert_eq!(lock["lockedUntilDateTime"], "2025-11-01T10:10:00.0000000Z");
    let token = lock["lockToken"].as_str().unwrap();
    let header = json!({"LockToken": token, "LockDurationInSeconds": "600"}).to_string();
    let held = [("X-DocuSign-Edit", header.as_str())];

    house.put(&path, json!({"emailSubject": "Corrected"})).await.refused(409, "EDIT_LOCK_NOT_LOCK_OWNER");
    house.post(&lock_path, json!({})).await.refused(409, "EDIT_LOCK_NOT_LOCK_OWNER");
    let played = house.play(&id, "1", json!({"action": "complete"})).await;
    assert_eq!(played.status, 409, "recipients wait: {}", played.text());
    let changed = json!({"signers": [{"recipientId": "2", "email": "new@example.com", "name": "New"}]});
    house.call(&house.home, "PUT", &format!("{path}/recipients"), Some(changed), &held).await.expect(200);
    house.call(&house.home, "PUT", &lock_path, Some(json!({"lockDurationInSeconds": "900"})), &held).await.expect(200);
    assert_eq!(house.get(&lock_path).await.expect(200)["lockDurationInSeconds"], "900");
    assert_eq!(house.get(&path).await.expect(200)["lockInformation"]["lockedByApp"], "test");
    house.delete(&lock_path, json!({})).await.refused(409, "EDIT_LOCK_NOT_LOCK_OWNER");
    house.call(&house.home, "DELETE", &lock_path, Some(json!({})), &held).await.expect(200);
    assert_eq!(house.events(&id).await.last().unwrap(), "envelope-corrected");
    assert_eq!(house.shown(&id).await["recipients"]["signers"][1]["email"], "new@example.com");
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
}

#[tokio::test]
async fn a_lock_that_runs_out_gives_the_envelope_back() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    house.post(&format!("/envelopes/{id}/lock"), json!({})).await.expect(201);
    house.clock.advance(std::time::Duration::from_secs(301));
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    let other = house.envelope(definition("sent", 1)).await;
    house.post(&format!("/envelopes/{other}/lock"), json!({})).await.expect(201);
    assert_eq!(house.after_days(1).await, 1, "a timer takes it back");
    house.get(&format!("/envelopes/{other}/lock")).await.refused(404, "EDIT_LOCK_NOT_LOCKED");
}

#[tokio::test]
async fn what_a_lock_cannot_be_is_refused() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let path = format!("/envelopes/{id}/lock");
    for body in [
        json!({"lockDurationInSeconds": "0"}),
        json!({"lockDurationInSeconds": "3601"}),
        json!({"lockDurationInSeconds": "-5"}),
        json!({"lockDurationInSeconds": "soon"}),
        json!({"lockType": "read"}),
    ] {
        house.post(&path, body).await.refused(400, "INVALID_REQUEST_PARAMETER");
    }
    let bad = [("X-DocuSign-Edit", "token")];
    house.call(&house.home, "PUT", &path, Some(json!({})), &bad).await.refused(400, "INVALID_REQUEST_PARAMETER");
    let done = house.envelope(definition("sent", 1)).await;
    house.play(&done, "1", json!({"action": "complete"})).await.expect(200);
    house.post(&format!("/envelopes/{done}/lock"), json!({})).await.refused(400, "EDIT_LOCK_INVALID_STATE_FOR_LOCK");
}

#[tokio::test]
async fn invitations_are_sent_again_to_all_or_to_those_named() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 2)).await;
    let path = format!("/envelopes/{id}");
    house.put(&format!("{path}?resend_envelope=true"), json!({})).await.expect(200);
    assert_eq!(house.events(&id).await[2..], ["envelope-resent", "recipient-resent 1"]);
    let named = json!({"signers": [{"recipientId": "1"}, {"recipientId": "2"}]});
    house.put(&format!("{path}/recipients?resend_envelope=true"), named).await.expect(200);
    assert_eq!(house.events(&id).await[4..], ["envelope-resent", "recipient-resent 1"], "it is not the second's turn");
    let early = json!({"signers": [{"recipientId": "2"}]});
    house.put(&format!("{path}/recipients?resend_envelope=true"), early).await.refused(400, "RECIPIENT_NOT_IN_SEQUENCE");
    let draft = house.envelope(definition("created", 1)).await;
    let answer = house.put(&format!("/envelopes/{draft}?resend_envelope=true"), json!({})).await;
    answer.refused(400, "EDIT_LOCK_INVALID_STATE_FOR_LOCK");
}

//! Accounts never see each other's envelopes by any id, and a token does no more than its right.

use countersign_core::account::Right;
use serde_json::json;

use crate::house::{House, Tenant, definition};

#[tokio::test]
async fn another_accounts_envelope_does_not_exist() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let template = house.post("/templates", json!({"name": "T", "emailSubject": "S"})).await.expect(201);
    let template = template["templateId"].as_str().unwrap().to_owned();
    let other = house.tenant().await;
    let paths = [
        ("GET", format!("/envelopes/{id}")),
        ("PUT", format!("/envelopes/{id}")),
        ("GET", format!("/envelopes/{id}/recipients")),
        ("PUT", format!("/envelopes/{id}/recipients?resend_envelope=true")),
        ("GET", format!("/envelopes/{id}/recipients/1/tabs")),
        ("GET", format!("/envelopes/{id}/documents")),
        ("GET", format!("/envelopes/{id}/documents/1")),
        ("GET", format!("/envelopes/{id}/documents/combined")),
        ("GET", format!("/envelopes/{id}/form_data")),
        ("GET", format!("/envelopes/{id}/audit_events")),
        ("GET", format!("/envelopes/{id}/custom_fields")),
        ("GET", format!("/envelopes/{id}/notification")),
        ("GET", format!("/envelopes/{id}/attachments")),
        ("GET", format!("/envelopes/{id}/lock")),
        ("POST", format!("/envelopes/{id}/lock")),
    ];
    for (method, path) in paths {
        let body = (method != "GET").then(|| json!({"emailSubject": "mine now"}));
        house.call(&other, method, &path, body, &[]).await.refused(404, "ENVELOPE_DOES_NOT_EXIST");
    }
    let view = json!({"returnUrl": "https://example.com", "authenticationMethod": "none", "recipientId": "1"});
    house.call(&other, "POST", &format!("/envelopes/{id}/views/recipient"), Some(view), &[]).await.refused(404, "ENVELOPE_DOES_NOT_EXIST");
    let bin = json!({"envelopeIds": [id]});
    house.call(&other, "PUT", "/folders/recyclebin", Some(bin), &[]).await.refused(404, "ENVELOPE_DOES_NOT_EXIST");
    house.call(&other, "GET", &format!("/templates/{template}"), None, &[]).await.refused(404, "TEMPLATE_ID_INVALID");
    house.call(&other, "DELETE", &format!("/templates/{template}"), Some(json!({})), &[]).await.refused(404, "TEMPLATE_ID_INVALID");
    let use_it = json!({"templateId": template, "templateRoles": []});
    house.call(&other, "POST", "/envelopes", Some(use_it), &[]).await.refused(404, "TEMPLATE_ID_INVALID");
    let list = house.call(&other, "GET", &format!("/envelopes?envelope_ids={id}"), None, &[]).await.expect(200);
    assert_eq!(list["totalSetSize"], "0");
    // In the other's account with one's own token, or in one's own with the other's.
    let mixed = Tenant { account: house.home.account.clone(), ..other };
    house.call(&mixed, "GET", &format!("/envelopes/{id}"), None, &[]).await.refused(404, "USER_DOES_NOT_BELONG_TO_SPECIFIED_ACCOUNT");
}

#[tokio::test]
async fn a_token_that_reads_changes_nothing() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let token = house.token(&house.home.account, house.home.user, Right::Read).await;
    let reader = Tenant { token, ..house.home.clone() };
    house.call(&reader, "GET", &format!("/envelopes/{id}"), None, &[]).await.expect(200);
    house.call(&reader, "POST", "/envelopes", Some(definition("sent", 1)), &[]).await.refused(403, "USER_LACKS_PERMISSIONS");
    let void = json!({"status": "voided", "voidedReason": "x"});
    house.call(&reader, "PUT", &format!("/envelopes/{id}"), Some(void), &[]).await.refused(403, "USER_LACKS_PERMISSIONS");
    let nobody = Tenant { token: "nonsense".into(), ..house.home.clone() };
    house.call(&nobody, "GET", &format!("/envelopes/{id}"), None, &[]).await.refused(401, "AUTHORIZATION_INVALID_TOKEN");
}

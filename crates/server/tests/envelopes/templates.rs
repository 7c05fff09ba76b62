//! Templates and what is made from them.

use serde_json::json;

use crate::house::{House, document, with};

fn template() -> serde_json::Value {
    json!({
        "name": "Lease",
        "description": "A lease",
        "shared": "true",
        "emailSubject": "Your lease",
        "documents": [document("1")],
        "recipients": {"signers": [
            {"recipientId": "1", "roleName": "Tenant", "routingOrder": "1", "tabs": {"textTabs": [{"tabLabel": "city"}]}},
            {"recipientId": "2", "roleName": "Witness", "routingOrder": "2"},
        ]},
    })
}

async fn made(house: &House) -> String {
    house.post("/templates", template()).await.expect(201)["templateId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_template_is_made_read_changed_listed_and_deleted() {
    let house = House::new().await;
    let id = made(&house).await;
    let path = format!("/templates/{id}");
    let shown = house.get(&path).await.expect(200);
    assert_eq!((&shown["name"], &shown["shared"], &shown["emailSubject"]), (&json!("Lease"), &json!("true"), &json!("Your lease")));
    assert_eq!(shown["recipients"]["signers"][0]["tabs"]["textTabs"][0]["tabLabel"], "city");
    assert_eq!(shown["documents"][0]["documentId"], "1");
    assert_eq!(shown["owner"]["userId"], house.home.user.to_string());
    assert!(shown.get("status").is_none() && shown.get("envelopeId").is_none());
    house.put(&path, json!({"name": "Lease 2", "emailBlurb": "Hi"})).await.expect(200);
    house.put(&path, json!({"name": " "})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    let list = house.get("/templates?search_text=lease").await.expect(200);
    assert_eq!((&list["totalSetSize"], &list["envelopeTemplates"][0]["name"]), (&json!("1"), &json!("Lease 2")));
    assert_eq!(house.get("/templates?search_text=nothing").await.expect(200)["resultSetSize"], "0");
    assert_eq!(house.get(&format!("{path}/documents")).await.expect(200)["templateDocuments"][0]["documentId"], "1");
    assert_eq!(house.get(&format!("{path}/documents/1")).await.header("content-type"), "application/pdf");
    assert_eq!(house.get(&format!("{path}/recipients")).await.expect(200)["recipientCount"], "2");
    house.delete(&path, json!({})).await.expect(200);
    house.get(&path).await.refused(404, "TEMPLATE_ID_INVALID");
    let events = house.app.store.events(house.home.account.id, None, None, 10).await.unwrap();
    let told: Vec<_> = events.iter().rev().map(|event| (event.name.to_string(), event.detail.template.clone().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("template-created".to_owned(), (id.clone(), "Lease".to_owned())),
            ("template-modified".to_owned(), (id.clone(), "Lease 2".to_owned())),
            ("template-deleted".to_owned(), (id.clone(), "Lease 2".to_owned())),
        ]
    );
}

#[tokio::test]
async fn an_envelope_is_sent_from_a_template() {
    let house = House::new().await;
    let template = made(&house).await;
    let body = json!({
        "status": "sent",
        "templateId": template,
        "emailSubject": "Yours",
        "templateRoles": [{
            "roleName": "tenant", "name": "Ada", "email": "ada@example.com", "clientUserId": "1000",
            "tabs": {"textTabs": [{"tabLabel": "city", "value": "Riga"}]},
        }],
    });
    let id = house.envelope(body).await;
    assert_eq!(house.events(&id).await, ["envelope-created", "envelope-sent", "recipient-sent 1"]);
    let shown = house.shown(&id).await;
    assert_eq!((&shown["emailSubject"], &shown["recipients"]["recipientCount"]), (&json!("Yours"), &json!("1")));
    let signer = &shown["recipients"]["signers"][0];
    assert_eq!((&signer["name"], &signer["tabs"]["textTabs"][0]["value"]), (&json!("Ada"), &json!("Riga")));
    assert_eq!(house.get(&format!("/envelopes/{id}/documents/1")).await.header("content-type"), "application/pdf");
    let applied = house.get(&format!("/envelopes/{id}/templates")).await.expect(200);
    assert_eq!((&applied["templates"][0]["templateId"], &applied["templates"][0]["name"]), (&json!(template), &json!("Lease")));
    house.post(&format!("/envelopes/{id}/templates"), json!({})).await.refused(501, "NOT_IMPLEMENTED");
    let unknown = json!({"status": "sent", "templateId": template, "templateRoles": [{"roleName": "Landlord"}]});
    house.post("/envelopes", unknown).await.refused(400, "INVALID_REQUEST_PARAMETER");
    let empty = json!({"status": "sent", "templateId": template});
    house.post("/envelopes", empty).await.refused(400, "ENVELOPE_IS_INCOMPLETE");
}

#[tokio::test]
async fn an_envelope_is_composed_of_templates() {
    let house = House::new().await;
    let template = made(&house).await;
    let inline = |sequence: &str, role: &str, name: &str| {
        json!({"sequence": sequence, "recipients": {"signers": [
            {"recipientId": "1", "roleName": role, "name": name, "email": format!("{}@example.com", name.to_lowercase())},
        ]}})
    };
    let body = json!({
        "status": "sent",
        "emailSubject": "Both",
        "compositeTemplates": [
            {"serverTemplates": [{"sequence": "1", "templateId": template}], "inlineTemplates": [inline("2", "Tenant", "Ada")]},
            {"inlineTemplates": [with(inline("1", "Other", "Bo"), json!({"documents": [document("1")]}))]},
        ],
    });
    let id = house.envelope(body).await;
    let shown = house.shown(&id).await;
    assert_eq!(shown["recipients"]["recipientCount"], "2");
    let documents: Vec<_> = shown["envelopeDocuments"].as_array().unwrap().iter().map(|d| d["documentId"].as_str().unwrap()).collect();
    assert_eq!(documents, ["1", "2"]);
    let both = json!({"templateId": template, "compositeTemplates": [{}]});
    house.post("/envelopes", both).await.refused(400, "INVALID_REQUEST_PARAMETER");
}

#[tokio::test]
async fn a_template_is_deleted_through_the_bin_as_well() {
    let house = House::new().await;
    let id = made(&house).await;
    house.put("/folders/recyclebin", json!({"envelopeIds": [id]})).await.expect(200);
    house.get(&format!("/templates/{id}")).await.refused(404, "TEMPLATE_ID_INVALID");
}

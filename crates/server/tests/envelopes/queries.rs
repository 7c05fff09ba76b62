//! Query parameters: what changes an answer is understood or refused by its name; what cannot change one is taken.

use serde_json::json;

use crate::house::{House, definition};

#[tokio::test]
async fn a_parameter_that_would_change_the_answer_is_refused_by_its_name() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let template = uuid::Uuid::new_v4();
    for (method, path, name) in [
        ("GET", "/envelopes?from_date=2025-01-01&intersecting_folder_ids=1".to_owned(), "intersecting_folder_ids"),
        ("GET", "/envelopes?from_date=2025-01-01&last_queried_date=2025-01-01".to_owned(), "last_queried_date"),
        ("GET", "/envelopes?from_date=2025-01-01&requester_date_format=x".to_owned(), "requester_date_format"),
        ("PUT", "/envelopes/status?ac_status=Original".to_owned(), "ac_status"),
        ("POST", "/envelopes?merge_roles_on_draft=true".to_owned(), "merge_roles_on_draft"),
        ("GET", format!("/envelopes/{id}?includes=tabs"), "includes"),
        ("PUT", format!("/envelopes/{id}?resend=true"), "resend"),
        ("GET", format!("/envelopes/{id}/recipients?include_tab=true"), "include_tab"),
        ("PUT", format!("/envelopes/{id}/recipients?combine_same_order_recipients=true"), "combine_same_order_recipients"),
        ("GET", format!("/envelopes/{id}/documents?recipient_id=1"), "recipient_id"),
        ("GET", format!("/envelopes/{id}/documents?shared_user_id=1"), "shared_user_id"),
        ("GET", format!("/envelopes/{id}/documents?include_tabs=true"), "include_tabs"),
        ("GET", format!("/envelopes/{id}/documents/1?encrypt=true"), "encrypt"),
        ("GET", format!("/envelopes/{id}/documents/combined?show_changes=true"), "show_changes"),
        ("GET", format!("/envelopes/{id}/documents/certificate?language=de"), "language"),
        ("GET", format!("/envelopes/{id}/documents/1/tabs?page_numbers=one"), "page_numbers"),
        ("GET", format!("/envelopes/{id}/audit_events?locale=fr"), "locale"),
        ("GET", format!("/envelopes/{id}/custom_fields?x=1"), "'x'"),
        ("GET", "/templates?used_from_date=2025-01-01".to_owned(), "used_from_date"),
        ("GET", "/templates?user_filter=owned_by_me".to_owned(), "user_filter"),
        ("GET", format!("/templates/{template}/documents?include_tabs=true"), "include_tabs"),
    ] {
        let body = (method != "GET").then(|| json!({}));
        let message = house.call(&house.home, method, &path, body, &[]).await.refused(400, "INVALID_REQUEST_PARAMETER");
        assert!(message.contains(name), "{method} {path}: {message}");
    }
    assert_eq!(house.events(&id).await.len(), 2, "nothing was done");
}

#[tokio::test]
async fn a_parameter_that_changes_nothing_is_taken_in_any_case() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    for path in [
        "/envelopes?from_date=2025-01-01&cdse_mode=x&block=true&query_budget=5&include_purge_information=true".to_owned(),
        "/envelopes?From_Date=2025-01-01&COUNT=5&powerformids=".to_owned(),
        format!("/envelopes/{id}?advanced_update=true&user_id=x&include=recipients"),
        format!("/envelopes/{id}/recipients?include_extended=true&include_metadata=true&Include_Tabs=TRUE"),
        format!("/envelopes/{id}/recipients/1/tabs?include_metadata=true"),
        format!("/envelopes/{id}/documents?include_metadata=true&include_tabs=false"),
        format!("/envelopes/{id}/documents/1?watermark=true&language=en&encrypt=false&show_changes=False"),
        format!("/envelopes/{id}/documents/1/tabs?page_numbers=1,2"),
        format!("/envelopes/{id}/audit_events?locale=en_US"),
        format!("/envelopes/{id}/templates?include=matched"),
    ] {
        house.get(&path).await.expect(200);
    }
    let path = "/envelopes?cdse_mode=&change_routing_order=true&completed_documents_only=false&tab_label_exact_matches=true&merge_roles_on_draft=false";
    house.post(path, definition("created", 1)).await.expect(201);
}

#[tokio::test]
async fn prefilled_tabs_are_told_by_page() {
    let house = House::new().await;
    let at =
        |page: &str, label: &str| json!({"tabLabel": label, "pageNumber": page, "xPosition": "1", "yPosition": "1", "documentId": "1"});
    let document = json!({
        "documentId": "1", "name": "Lease", "documentBase64": crate::house::base64(crate::house::pdf(2)),
        "tabs": {"prefillTabs": {"textTabs": [at("1", "first"), at("2", "second")]}},
    });
    let id = house.envelope(json!({"emailSubject": "x", "documents": [document]})).await;
    for (query, expected) in
        [("", vec!["first", "second"]), ("?page_numbers=2", vec!["second"]), ("?page_numbers=1,2", vec!["first", "second"])]
    {
        let shown = house.get(&format!("/envelopes/{id}/documents/1/tabs{query}")).await.expect(200);
        let labels: Vec<_> = shown["prefillTabs"]["textTabs"].as_array().unwrap().iter().map(|tab| tab["tabLabel"].clone()).collect();
        assert_eq!(labels, expected, "{query}");
    }
}

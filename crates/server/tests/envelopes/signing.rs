//! The signing page, by a browser that knows nothing of us.

use serde_json::{Value, json};

use crate::house::{House, definition, signer, with};

fn view() -> Value {
    json!({
        "returnUrl": "https://app.example/done?order=7", "authenticationMethod": "none",
        "userName": "Signer 1", "email": "SIGNER1@example.com", "clientUserId": "1000",
    })
}

async fn embedded(house: &House) -> String {
    let tabs = json!({
        "signHereTabs": [{"documentId": "1"}],
        "textTabs": [{"tabLabel": "city", "required": "true"}],
        "checkboxTabs": [{"tabLabel": "agree"}],
        "listTabs": [{"tabLabel": "size", "listItems": [{"text": "Large", "value": "L"}]}],
    });
    let signers = json!({"signers": [with(signer("1", "1"), json!({"clientUserId": "1000", "tabs": tabs})), signer("2", "2")]});
    house.envelope(with(definition("sent", 1), json!({"emailSubject": "Sign <this>", "recipients": signers}))).await
}

async fn url(house: &House, id: &str) -> String {
    let made = house.post(&format!("/envelopes/{id}/views/recipient"), view()).await.expect(201);
    made["url"].as_str().unwrap().to_owned()
}

fn form_of(page: &str) -> String {
    let (_, rest) = page.split_once("<form method=\"post\" action=\"").unwrap_or_else(|| panic!("no form in {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_person_opens_fills_in_and_finishes() {
    let house = House::new().await;
    let id = embedded(&house).await;
    let url = url(&house, &id).await;
    assert!(url.starts_with("http://127.0.0.1:8400/signing/"), "{url}");
    let page = house.open(&url).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("https://app.example") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    let html = page.text();
    assert!(html.contains("Sign &#60;this&#62;") || html.contains("Sign &lt;this&gt;"), "{html}");
    assert!(html.contains("Document 1") && html.contains("name=\"tab.city\"") && !html.contains("<script"), "{html}");
    assert_eq!(house.events(&id).await.last().unwrap(), "recipient-delivered 1");

    let form = form_of(&html);
    let wrong = house.submit(&form, &[("tab.city", ""), ("tab.agree", "false"), ("tab.size", ""), ("do", "finish")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("city"), "{}", wrong.text());
    let form = form_of(&wrong.text());
    let values = [("tab.city", "Riga"), ("tab.agree", "false"), ("tab.agree", "true"), ("tab.size", "L"), ("do", "finish")];
    let done = house.submit(&form, &values).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "https://app.example/done?order=7&event=signing_complete"));
    let signer = house.shown(&id).await["recipients"]["signers"][0].clone();
    assert_eq!(signer["status"], "completed");
    assert_eq!(signer["tabs"]["textTabs"][0]["value"], "Riga");
    assert_eq!(signer["tabs"]["checkboxTabs"][0]["selected"], "true");
    let again = house.submit(&form, &values).await;
    assert_eq!(again.header("location"), "https://app.example/done?order=7&event=signing_complete", "a second click leads the same way");
    assert_eq!(house.events(&id).await.iter().filter(|event| *event == "recipient-completed 1").count(), 1);
}

#[tokio::test]
async fn what_is_asked_for_is_named_for_people_and_no_slip_of_a_key_signs() {
    let house = House::new().await;
    let id = embedded(&house).await;
    let page = house.open(&url(&house, &id).await).await.text();
    assert!(page.contains("Signature") && !page.contains("signHere"), "{page}");
    assert!(page.contains("name=\"tab.city\" value=\"\" maxlength=\"4000\" required"), "{page}");
    let first_button = page.split("<button ").nth(1).unwrap();
    assert!(first_button.starts_with("type=\"submit\" disabled hidden"), "Enter in a field presses the first button: {first_button}");
    let (signing, declining) = page.rsplit_once("<form ").unwrap();
    assert!(signing.contains("value=\"finish\"") && !signing.contains("name=\"reason\""), "{signing}");
    assert!(declining.contains("name=\"reason\"") && !declining.contains("value=\"finish\""), "a reason is sent by no button but Decline");
}

#[tokio::test]
async fn finish_later_decline_and_close_lead_back() {
    let house = House::new().await;
    let id = embedded(&house).await;
    let page = house.open(&url(&house, &id).await).await.text();
    let later = house.submit(&form_of(&page), &[("tab.city", "Oslo"), ("do", "later")]).await;
    assert_eq!(later.header("location"), "https://app.example/done?order=7&event=cancel");
    assert_eq!(house.events(&id).await.last().unwrap(), "recipient-finish-later 1");
    let page = house.open(&url(&house, &id).await).await.text();
    assert!(page.contains("value=\"Oslo\""), "what was filled in is kept: {page}");
    let declined = house.submit(&form_of(&page), &[("do", "decline"), ("reason", "too dear")]).await;
    assert_eq!(declined.header("location"), "https://app.example/done?order=7&event=decline");
    let shown = house.shown(&id).await;
    assert_eq!((&shown["status"], &shown["recipients"]["signers"][0]["declinedReason"]), (&json!("declined"), &json!("too dear")));

    let id = embedded(&house).await;
    house.play(&id, "1", json!({"action": "complete", "tabs": {"city": "Riga"}})).await.expect(200);
    let page = house.open(&url(&house, &id).await).await.text();
    assert!(page.contains("nothing left for you to do"), "{page}");
    let closed = house.submit(&form_of(&page), &[("do", "close")]).await;
    assert_eq!(closed.header("location"), "https://app.example/done?order=7&event=viewing_complete");
}

#[tokio::test]
async fn an_address_works_once_and_for_five_minutes() {
    let house = House::new().await;
    let id = embedded(&house).await;
    let used = url(&house, &id).await;
    house.open(&used).await;
    for _ in 0..2 {
        let again = house.open(&used).await;
        assert_eq!((again.status.as_u16(), again.header("location")), (303, "https://app.example/done?order=7&event=ttl_expired"));
    }
    let late = url(&house, &id).await;
    house.clock.advance(std::time::Duration::from_secs(5 * 60));
    assert_eq!(house.open(&late).await.header("location"), "https://app.example/done?order=7&event=ttl_expired");
    let page = house.open(&url(&house, &id).await).await.text();
    house.clock.advance(std::time::Duration::from_secs(20 * 60));
    let form = form_of(&page);
    let timed_out = house.submit(&form, &[("tab.city", "Riga"), ("do", "finish")]).await;
    assert_eq!(timed_out.header("location"), "https://app.example/done?order=7&event=session_timeout");
    let unknown = house.open("/signing/nobody-knows-this").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("no longer works"), "{}", unknown.text());
    assert_eq!(house.open("/signing/sitting/x").await.status, 405);
    assert_eq!(house.open("/signing/style.css").await.header("content-type"), "text/css; charset=utf-8");
}

#[tokio::test]
async fn an_envelope_that_has_moved_on_leads_back_with_exception() {
    let house = House::new().await;
    let id = embedded(&house).await;
    let before = url(&house, &id).await;
    let page = house.open(&url(&house, &id).await).await.text();
    house.put(&format!("/envelopes/{id}"), json!({"status": "voided", "voidedReason": "x"})).await.expect(200);
    assert_eq!(house.open(&before).await.header("location"), "https://app.example/done?order=7&event=exception");
    let sent = house.submit(&form_of(&page), &[("tab.city", "Riga"), ("do", "finish")]).await;
    assert_eq!(sent.header("location"), "https://app.example/done?order=7&event=exception");
}

#[tokio::test]
async fn an_address_survives_a_correction() {
    let house = House::new().await;
    let id = embedded(&house).await;
    let url = url(&house, &id).await;
    house.post(&format!("/envelopes/{id}/lock"), json!({"lockDurationInSeconds": "60"})).await.expect(201);
    let locked = house.open(&url).await;
    assert_eq!(locked.status, 409);
    assert!(locked.text().contains("The sender is changing these documents"), "{}", locked.text());
    house.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(house.open(&url).await.status, 200);
}

#[tokio::test]
async fn a_view_is_for_a_recipient_of_the_envelope_whose_turn_it_is() {
    let house = House::new().await;
    let id = embedded(&house).await;
    let path = format!("/envelopes/{id}/views/recipient");
    for (more, code) in [
        (json!({"email": "other@example.com"}), "UNKNOWN_ENVELOPE_RECIPIENT"),
        (json!({"clientUserId": "7"}), "UNKNOWN_ENVELOPE_RECIPIENT"),
        (json!({"recipientId": "9"}), "UNKNOWN_ENVELOPE_RECIPIENT"),
        (json!({"userName": "Signer 2", "email": "signer2@example.com", "clientUserId": null}), "RECIPIENT_NOT_IN_SEQUENCE"),
        (json!({"returnUrl": null}), "INVALID_REQUEST_PARAMETER"),
        (json!({"returnUrl": "/relative"}), "INVALID_REQUEST_PARAMETER"),
        (json!({"returnUrl": "javascript:alert(1)"}), "INVALID_REQUEST_PARAMETER"),
        (json!({"returnUrl": "data:text/html,x"}), "INVALID_REQUEST_PARAMETER"),
        (json!({"returnUrl": "file:///etc/passwd"}), "INVALID_REQUEST_PARAMETER"),
        (json!({"authenticationMethod": null}), "INVALID_REQUEST_PARAMETER"),
        (json!({"frameAncestors": ["'self'; script-src *"]}), "INVALID_REQUEST_PARAMETER"),
    ] {
        let answer = house.post(&path, with(view(), more.clone())).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text());
        answer.refused(400, code);
    }
    let framed = house.post(&path, with(view(), json!({"frameAncestors": ["https://app.example/x"]}))).await.expect(201);
    let page = house.open(framed["url"].as_str().unwrap()).await;
    assert!(page.header("content-security-policy").contains("frame-ancestors https://app.example;"));
    let draft = house.envelope(definition("created", 1)).await;
    let body = json!({"returnUrl": "https://app.example", "authenticationMethod": "none", "recipientId": "1"});
    house.post(&format!("/envelopes/{draft}/views/recipient"), body).await.refused(400, "ENVELOPE_INVALID_STATUS");
}

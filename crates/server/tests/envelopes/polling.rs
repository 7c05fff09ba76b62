//! Polling: `GET /envelopes` and `PUT /envelopes/status`.

use serde_json::{Value, json};

use crate::house::{House, definition, with};

fn ids(list: &Value) -> Vec<&str> {
    list["envelopes"].as_array().unwrap().iter().map(|envelope| envelope["envelopeId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn polling_says_what_it_needs() {
    let house = House::new().await;
    let message = house.get("/envelopes").await.refused(400, "INVALID_REQUEST_PARAMETER");
    assert_eq!(
        message,
        "Query parameter 'from_date' must be set to a valid DateTime, or 'envelope_ids' or 'transaction_ids' must be specified."
    );
    for (query, named) in [
        ("from_date=yesterday", "from_date"),
        ("from_date=2025-01-01&to_date=x", "to_date"),
        ("from_date=2025-01-01&status=gone", "gone"),
        ("from_date=2025-01-01&count=0", "count"),
        ("from_date=2025-01-01&count=many", "count"),
        ("from_date=2025-01-01&start_position=999999999", "start_position"),
        ("from_date=2025-01-01&order=up", "order"),
        ("from_date=2025-01-01&order_by=signer_list", "signer_list"),
        ("from_date=2025-01-01&from_to_status=delivered", "delivered"),
        ("from_date=2025-01-01&folder_ids=inbox", "inbox"),
        ("from_date=2025-01-01&ac_status=Original", "ac_status"),
        ("from_date=2025-01-01&powerformids=1", "powerformids"),
        ("from_date=2025-01-01&search_mode=prefix", "search_mode"),
        ("from_date=2025-01-01&continuation_token=1", "continuation_token"),
        ("from_date=2025-01-01&stattus=sent", "stattus"),
        ("from_date=2025-01-01&user_name=Ada", "email"),
        ("from_date=2025-01-01&user_name=Ada&email=ada@example.com", "Ada"),
        ("from_date=2025-01-01&custom_field=Region", "custom_field"),
        ("envelope_ids=7", "envelope_ids"),
    ] {
        let message = house.get(&format!("/envelopes?{query}")).await.refused(400, "INVALID_REQUEST_PARAMETER");
        assert!(message.contains(named), "{query}: {message}");
    }
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let house = House::new().await;
    let draft = house.envelope(with(definition("created", 1), json!({"emailSubject": "Draft", "transactionId": "tx-9"}))).await;
    house.clock.advance(std::time::Duration::from_secs(3_600));
    let fields = json!({"customFields": {"textCustomFields": [{"name": "Region", "value": "West"}]}});
    let sent = house.envelope(with(definition("sent", 1), fields)).await;
    house.clock.advance(std::time::Duration::from_secs(3_600));
    let done = house.envelope(with(definition("sent", 1), json!({"emailSubject": "Aardvark"}))).await;
    house.play(&done, "1", json!({"action": "complete"})).await.expect(200);
    let binned = house.envelope(definition("created", 1)).await;
    house.put("/folders/recyclebin", json!({"envelopeIds": [binned]})).await.expect(200);
    let user = house.home.user;

    for (query, expected) in [
        ("from_date=2025-01-01".to_owned(), vec![&draft, &sent, &done]),
        ("from_date=2025-01-01&order=desc".to_owned(), vec![&done, &sent, &draft]),
        ("from_date=2025-01-01&order_by=subject".to_owned(), vec![&done, &draft, &sent]),
        ("from_date=2025-11-01T10:30:00Z".to_owned(), vec![&sent, &done]),
        ("from_date=2025-11-01T11:30:00%2B01:00".to_owned(), vec![&sent, &done]),
        ("from_date=2025-01-01&to_date=2025-11-01T10:30:00Z".to_owned(), vec![&draft]),
        ("from_date=2025-01-01&status=sent".to_owned(), vec![&sent]),
        ("from_date=2025-01-01&status=Sent,completed".to_owned(), vec![&sent, &done]),
        ("from_date=2025-01-01&status=sent&status=created".to_owned(), vec![&draft, &sent]),
        ("from_date=2025-01-01&status=any".to_owned(), vec![&draft, &sent, &done]),
        ("from_date=2025-01-01&status=timedout".to_owned(), vec![]),
        ("from_date=2025-01-01&status=deleted".to_owned(), vec![&binned]),
        ("from_date=2025-01-01&folder_ids=recyclebin".to_owned(), vec![&binned]),
        ("from_date=2025-01-01&folder_ids=drafts".to_owned(), vec![&draft]),
        ("from_date=2025-01-01&folder_ids=completed".to_owned(), vec![&done]),
        ("from_date=2025-01-01&from_to_status=completed".to_owned(), vec![&done]),
        ("from_date=2025-01-01&from_to_status=sent".to_owned(), vec![&sent, &done]),
        ("from_date=2025-01-01&from_to_status=voided".to_owned(), vec![]),
        ("from_date=2025-01-01&search_text=AARD".to_owned(), vec![&done]),
        ("from_date=2025-01-01&custom_field=region=west".to_owned(), vec![&sent]),
        (format!("from_date=2025-01-01&user_id={user}&count=1"), vec![&draft]),
        ("from_date=2025-01-01&user_filter=sender&start_position=2".to_owned(), vec![&done]),
        ("from_date=2025-01-01&user_name=account%20administrator&email=admin@countersign.localhost&status=sent".to_owned(), vec![&sent]),
        ("transaction_ids=tx-9".to_owned(), vec![&draft]),
        (format!("envelope_ids={draft},{done}"), vec![&draft, &done]),
    ] {
        let list = house.get(&format!("/envelopes?{query}")).await.expect(200);
        assert_eq!(ids(&list), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_lead_to_each_other() {
    let house = House::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(house.envelope(definition("created", 1)).await);
        house.clock.advance(std::time::Duration::from_secs(1));
    }
    let mut path = "/envelopes?from_date=2025-01-01&count=2&include=recipients".to_owned();
    let mut seen = Vec::new();
    let mut pages = Vec::new();
    while !path.is_empty() {
        let list = house.get(&path).await.expect(200);
        seen.extend(ids(&list).into_iter().map(str::to_owned));
        assert_eq!(list["totalSetSize"], "5");
        pages.push((list["startPosition"].clone(), list["endPosition"].clone(), list["resultSetSize"].clone()));
        assert_eq!(list["previousUri"] == "", pages.len() == 1);
        assert!(list["envelopes"][0]["recipients"].is_object(), "the parameters stay");
        path = list["nextUri"].as_str().unwrap().to_owned();
    }
    assert_eq!(seen, made);
    assert_eq!(pages, [(json!("0"), json!("1"), json!("2")), (json!("2"), json!("3"), json!("2")), (json!("4"), json!("4"), json!("1"))]);
}

#[tokio::test]
async fn statuses_are_asked_for_by_ids_in_the_body() {
    let house = House::new().await;
    let one = house.envelope(with(definition("sent", 1), json!({"transactionId": "t1"}))).await;
    house.envelope(definition("sent", 1)).await;
    let list = house.put("/envelopes/status?envelope_ids=request_body", json!({"envelopeIds": [one]})).await.expect(200);
    assert_eq!(ids(&list), [&one]);
    let list = house.put("/envelopes/status?transaction_ids=request_body", json!({"transactionIds": ["t1"]})).await.expect(200);
    assert_eq!(list["envelopeTransactionStatuses"][0]["envelopeId"], one);
    house.put("/envelopes/status", json!({})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.put("/envelopes/status", json!({"envelopeIds": vec![one; 1_001]})).await.refused(400, "INVALID_REQUEST_PARAMETER");
}

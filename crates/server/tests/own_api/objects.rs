//! Arrays where objects belong: an array has no names, and a server that read it by position would do what nobody asked for.

use countersign_server::openapi::{Answer as Shape, OPERATIONS};
use serde_json::{Value, json};

use crate::{
    house::{Answer, House, api_path},
    rights::nowhere,
};

/// What would give away how the server is written.
const WORDS_OF_SOURCES: [&str; 9] = ["struct", "enum", "tuple", "elements", "Form", "New", "Played", "Posted", "Scalar"];

/// Everything that the account's lists show.
async fn made(house: &House) -> Vec<Value> {
    let mut lists = Vec::new();
    for operation in OPERATIONS {
        let path = operation.path.replace("{account_id}", &house.home.account.guid.to_string());
        if operation.method == "GET" && !path.contains('{') && matches!(operation.answer, Shape::Json(_)) {
            let answer = house.call(&house.home.token, "GET", &format!("/api/v1{path}"), None).await;
            lists.push(json!([path, answer.status.as_u16(), answer.json()]));
        }
    }
    assert!(lists.len() > 10, "{lists:?}");
    lists
}

#[track_caller]
fn check_refused(answer: &Answer, asked: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status.as_u16(), 400, "{asked}: {text}");
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{asked}");
    assert!(!answer.json()["detail"].as_str().unwrap().is_empty(), "{asked}: {text}");
    for word in WORDS_OF_SOURCES {
        assert!(!text.contains(word), "{asked}: '{word}' in {text}");
    }
}

#[tokio::test]
async fn no_operation_takes_an_array_as_its_body_by_position() {
    let house = House::new().await;
    let before = made(&house).await;
    let mut asked = 0;
    for operation in OPERATIONS.iter().filter(|operation| operation.request.is_some()) {
        let path = nowhere(operation.path, &house.home);
        for body in [
            json!([]),
            json!([null]),
            json!([[]]),
            json!(["bypos", "read", null, null]),
            json!(["N", "n@example.com", true]),
            json!([["envelope-completed", {"a": 1}, null, null, null]]),
            json!([{}, true]),
            json!(["everything", "https://hooks.example/", null, true]),
            json!(["decline", "why"]),
            json!(["reassign", "N", "n@example.com"]),
        ] {
            let answer = house.call(&house.home.token, operation.method, &path, Some(body.clone())).await;
            check_refused(&answer, &format!("{} {path} {body}", operation.method));
            asked += 1;
        }
        // Not an array, and not an object either.
        for body in [json!(1), json!("text"), json!(true), json!(null)] {
            let answer = house.call(&house.home.token, operation.method, &path, Some(body.clone())).await;
            check_refused(&answer, &format!("{} {path} {body}", operation.method));
            assert!(answer.json()["detail"].as_str().unwrap().contains("expected an object"), "{path} {body}: {:?}", answer.json());
        }
    }
    assert!(asked > 150, "{asked}");
    assert_eq!(made(&house).await, before, "nothing was made or changed");
}

#[tokio::test]
async fn no_part_of_a_body_that_should_be_an_object_is_taken_as_an_array() {
    let house = House::new().await;
    let before = made(&house).await;
    let subscription = |part: Value| {
        let mut form = json!({"name": "n", "url": "https://hooks.example/", "events": ["*"]});
        form.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        form
    };
    let own = |part: Value| {
        let mut form = json!({"tokenUrl": "https://id.example/token", "clientId": "id", "clientSecret": "secret"});
        form.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        form
    };
    let connections = [own(json!({"clientAuthentication": ["private_key_jwt"]})), own(json!({"customParameters": ["audience"]}))];
    let mut subscriptions = vec![
        subscription(json!({"basic": ["u", "p"]})),
        subscription(json!({"users": ["all"]})),
        subscription(json!({"oauth": ["account"]})),
        subscription(json!({"oauth": {"own": ["https://id.example/token", "id", "secret"]}})),
        subscription(json!({"headers": ["x-a", "b"]})),
    ];
    subscriptions.extend(connections.iter().map(|own| subscription(json!({"oauth": {"own": own}}))));
    let bins = [
        json!({"name": "n", "checks": [true]}),
        json!({"name": "n", "checks": {"basic": ["u", "p"]}}),
        json!({"name": "n", "checks": {"token": ["https://id.example", "a", [], null, false, "https://id.example/keys"]}}),
        json!({"name": "n", "answer": [200]}),
        json!({"name": "n", "answer": {"headers": ["x-a", "b"]}}),
    ];
    let events =
        [json!([["envelope-completed", {"a": 1}, null, null, null]]), json!([{"event": "a.b", "data": 1}, ["a.b", 1, null, null, null]])];
    let actions = [
        json!({"action": ["decline"]}),
        json!({"action": "complete", "tabs": ["a"]}),
        json!({"action": "complete", "tabs": {"a": ["x"]}}),
        json!({"action": "reassign", "name": ["N"], "email": "n@example.com"}),
    ];
    let replays = [json!({"filter": []}), json!({"filter": [["state", "parked"]], "dryRun": true})];
    let table: [(&str, &str, &[Value]); 10] = [
        ("POST", "/subscriptions", &subscriptions),
        ("PUT", "/subscriptions/{subscription_id}", &subscriptions),
        ("PATCH", "/subscriptions/{subscription_id}", &subscriptions),
        ("PUT", "/oauth", &connections),
        ("PATCH", "/oauth", &connections),
        ("POST", "/bins", &bins),
        ("PATCH", "/bins/{bin_id}", &bins),
        ("POST", "/events", &events),
        ("POST", "/envelopes/{envelope_id}/recipients/{recipient_id}/actions", &actions),
        ("POST", "/deliveries/replay", &replays),
    ];
    for (method, path, bodies) in table {
        let path = format!("/accounts/{{account_id}}{path}");
        assert!(OPERATIONS.iter().any(|operation| (operation.method, operation.path) == (method, &*path)), "no {method} {path}");
        for body in bodies {
            let answer = house.call(&house.home.token, method, &nowhere(&path, &house.home), Some(body.clone())).await;
            check_refused(&answer, &format!("{method} {path} {body}"));
        }
    }
    assert_eq!(made(&house).await, before, "nothing was made or changed");
}

#[tokio::test]
async fn the_bodies_that_were_meant_are_taken() {
    let house = House::new().await;
    house.api("POST", "/tokens", Some(json!({"name": "by name", "right": "read"}))).await.expect(201);
    house.api("POST", "/users", Some(json!({"name": "N", "email": "n@example.com"}))).await.expect(201);
    let basic = json!({"name": "n", "url": "https://hooks.example/", "events": ["*"], "basic": {"user": "u", "password": "p"}});
    let made = house.api("POST", "/subscriptions", Some(basic)).await.expect(201);
    assert_eq!(made["basic"], json!({"user": "u"}));
    house.api("POST", "/events", Some(json!([{"event": "a.b", "data": ["kept", ["as"], {"it": "is"}]}]))).await.expect(202);
    let event = &house.api("GET", "/events", None).await.expect(200)["events"][0];
    let shown = house.api("GET", &format!("/events/{}", event["id"].as_str().unwrap()), None).await.expect(200);
    assert_eq!(shown["data"], json!(["kept", ["as"], {"it": "is"}]));
    let path = api_path(&house.home, "/deliveries/replay");
    house.call(&house.home.token, "POST", &path, Some(json!({"filter": {}, "dryRun": true}))).await.expect(200);
}

#[tokio::test]
async fn connects_own_api_refuses_arrays_in_its_own_form() {
    let house = House::new().await;
    let connect = |part: Value| {
        let mut form = json!({"configurationType": "custom", "name": "n", "urlToPublishTo": "https://hooks.example/", "allUsers": "true",
            "events": ["envelope-completed"], "deliveryMode": "SIM"});
        form.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        form
    };
    let table = [
        ("POST", "/connect", json!([])),
        ("POST", "/connect", json!(["custom", "https://hooks.example/"])),
        ("POST", "/connect", connect(json!({"eventData": ["restv2.1", []]}))),
        ("PUT", "/connect", json!([connect(json!({}))])),
        ("POST", "/connect/oauth", json!(["id", "secret", "https://id.example/token"])),
        ("PUT", "/connect/oauth", json!(["id", "secret", "https://id.example/token"])),
        ("PUT", "/connect/envelopes/retry_queue", json!(["00000000-0000-4000-8000-000000000000"])),
        ("POST", "/connect/envelopes/publish/historical", json!([])),
        ("POST", "/envelopes", json!([])),
        ("POST", "/envelopes", json!({"documents": [["a.pdf", "1"]]})),
        ("POST", "/envelopes", json!({"recipients": [["a@example.com", "A"]]})),
        ("POST", "/envelopes", json!({"recipients": {"signers": [["a@example.com", "A", "1"]]}})),
        ("POST", "/envelopes", json!({"eventNotification": ["https://hooks.example/"]})),
        ("POST", "/envelopes", json!({"eventNotifications": [["https://hooks.example/"]]})),
        ("POST", "/templates", json!([])),
    ];
    for (method, path, body) in table {
        let full = format!("/restapi/v2.1/accounts/{}{path}", house.home.account.guid);
        let answer = house.call(&house.home.token, method, &full, Some(body.clone())).await;
        let read = answer.json();
        assert_eq!(answer.status.as_u16(), 400, "{method} {path} {body}: {read}");
        assert!(read["errorCode"].is_string() && read["message"].is_string(), "{method} {path} {body}: {read}");
    }
    assert_eq!(house.api("GET", "/subscriptions", None).await.expect(200)["subscriptions"], json!([]));
}

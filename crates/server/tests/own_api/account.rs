//! The account, its users, tokens and integration keys.

use std::time::Duration;

use countersign_core::account::Right;
use serde_json::{Value, json};

use crate::house::{House, api_path};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[tokio::test]
async fn a_token_is_shown_once_and_works_until_it_is_revoked_or_over() {
    let house = House::new().await;
    let made =
        house.api("POST", "/tokens", Some(json!({"name": "ci", "right": "read", "expiresAt": "2025-11-02T10:00:00Z"}))).await.expect(201);
    let token = text(&made, "token").to_owned();
    assert!(token.starts_with("cst_"));
    let listed = house.api("GET", "/tokens", None).await.expect(200);
    let listed = listed["tokens"].as_array().unwrap().iter().find(|listed| listed["id"] == made["id"]).unwrap();
    assert!(listed.get("token").is_none(), "shown once");
    assert_eq!(listed["hint"], token[token.len() - 4..]);
    assert!(!listed.to_string().contains(&token));

    let path = api_path(&house.home, "/deliveries");
    house.call(&token, "GET", &path, None).await.expect(200);
    house.clock.advance(Duration::from_secs(24 * 3600));
    house.call(&token, "GET", &path, None).await.expect(401);

    let other = house.api("POST", "/tokens", Some(json!({"name": "second", "right": "write"}))).await.expect(201);
    house.call(text(&other, "token"), "GET", &path, None).await.expect(200);
    house.api("DELETE", &format!("/tokens/{}", text(&other, "id")), None).await.expect(204);
    house.call(text(&other, "token"), "GET", &path, None).await.expect(401);
    house.api("DELETE", &format!("/tokens/{}", text(&other, "id")), None).await.expect(404);
}

#[tokio::test]
async fn what_cannot_be_a_token_a_user_or_an_integration_key_is_refused() {
    let house = House::new().await;
    let clerk = house.api("POST", "/users", Some(json!({"name": "Clerk", "email": "clerk@example.com"}))).await.expect(201);
    let long = "x".repeat(300);
    for (row, path, body) in [
        ("no name", "/tokens", json!({"right": "read"})),
        ("empty name", "/tokens", json!({"name": " ", "right": "read"})),
        ("unknown right", "/tokens", json!({"name": "a", "right": "root"})),
        ("over already", "/tokens", json!({"name": "a", "right": "read", "expiresAt": "2020-01-01"})),
        ("no date", "/tokens", json!({"name": "a", "right": "read", "expiresAt": "soon"})),
        ("unknown user", "/tokens", json!({"name": "a", "right": "read", "userId": uuid::Uuid::new_v4()})),
        ("more than the user may", "/tokens", json!({"name": "a", "right": "admin", "userId": clerk["id"]})),
        ("unknown property", "/tokens", json!({"name": "a", "right": "read", "colour": "red"})),
        ("not an object", "/tokens", json!([])),
        ("no e-mail", "/users", json!({"name": "a"})),
        ("bad e-mail", "/users", json!({"name": "a", "email": "nobody"})),
        ("long name", "/users", json!({"name": long, "email": "a@example.com"})),
        ("admin as text", "/users", json!({"name": "a", "email": "a@example.com", "admin": "true"})),
        ("relative redirect", "/integration-keys", json!({"name": "a", "redirectUris": ["/back"]})),
        ("fragment in redirect", "/integration-keys", json!({"name": "a", "redirectUris": ["https://a.example/#x"]})),
        ("script as redirect", "/integration-keys", json!({"name": "a", "redirectUris": ["javascript:alert(1)"]})),
        ("no public key", "/integration-keys", json!({"name": "a", "publicKeysPem": ["hello"]})),
    ] {
        let answer = house.api("POST", path, Some(body)).await;
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{row}");
        let problem = answer.expect(400);
        assert!(problem["detail"].is_string() && problem["code"].is_string(), "{row}: {problem}");
    }
}

#[tokio::test]
async fn users_come_and_go_but_the_last_administrator_stays() {
    let house = House::new().await;
    let first = house.home.user.to_string();
    let boss = house.api("POST", "/users", Some(json!({"name": "Boss", "email": "boss@example.com", "admin": true}))).await.expect(201);
    let id = text(&boss, "id").to_owned();
    let made = house.api("POST", "/tokens", Some(json!({"name": "b", "right": "admin", "userId": id}))).await.expect(201);
    let token = text(&made, "token").to_owned();
    let tokens = api_path(&house.home, "/tokens");
    house.call(&token, "GET", &tokens, None).await.expect(200);

    // Who may no longer administer holds no token that does.
    house.api("PUT", &format!("/users/{id}"), Some(json!({"admin": false, "name": "Clerk"}))).await.expect(200);
    house.call(&token, "GET", &tokens, None).await.expect(403);
    house.call(&token, "GET", &api_path(&house.home, "/deliveries"), None).await.expect(200);
    assert_eq!(house.api("GET", &format!("/users/{id}"), None).await.expect(200)["name"], "Clerk");

    for (method, body) in [("DELETE", None), ("PUT", Some(json!({"admin": false})))] {
        let refused = house.api(method, &format!("/users/{first}"), body).await.expect(409);
        assert_eq!(refused["code"], "last-administrator", "{method}");
    }
    house.api("DELETE", &format!("/users/{id}"), None).await.expect(204);
    house.call(&token, "GET", &api_path(&house.home, "/deliveries"), None).await.expect(401);
    house.api("GET", &format!("/users/{id}"), None).await.expect(404);
}

#[tokio::test]
async fn users_are_listed_page_by_page() {
    let house = House::new().await;
    for n in 0..5 {
        house.api("POST", "/users", Some(json!({"name": format!("User {n}"), "email": "u@example.com"}))).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut path = "/users?limit=2".to_owned();
    loop {
        let page = house.api("GET", &path, None).await.expect(200);
        seen.extend(page["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/users?limit=2&after={next}"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6, "five and the first administrator, each once");
    house.api("GET", "/users?colour=red", None).await.expect(400);
}

#[tokio::test]
async fn secrets_of_an_integration_key_are_in_no_other_answer() {
    let house = House::new().await;
    let new = json!({"name": "app", "redirectUris": ["https://a.example/", "com.example.app:/back"], "generateKeyPair": true});
    let made = house.api("POST", "/integration-keys", Some(new)).await.expect(201);
    let path = format!("/integration-keys/{}", text(&made, "clientId"));
    let secrets = [text(&made, "clientSecret").to_owned(), text(&made, "privateKeyPem").to_owned()];
    for answer in [house.api("GET", &path, None).await.expect(200), house.api("GET", "/integration-keys", None).await.expect(200)] {
        let text = answer.to_string();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        assert!(!text.contains("PRIVATE"), "{text}");
    }
    let renewed = house.api("POST", &format!("{path}/secret"), None).await.expect(201);
    assert_ne!(renewed["clientSecret"], made["clientSecret"]);
    let more = house.api("POST", &format!("{path}/key-pairs"), None).await.expect(201);
    assert_eq!(more["publicKeysPem"].as_array().unwrap().len(), 2);
    let one = json!([more["publicKeysPem"][1]]);
    let kept = house.api("PUT", &path, Some(json!({"publicKeysPem": one, "name": "renamed"}))).await.expect(200);
    assert_eq!((&kept["publicKeysPem"], &kept["name"]), (&one, &json!("renamed")));
    house.api("DELETE", &format!("{path}/secret"), None).await.expect(204);
    assert_eq!(house.api("GET", &path, None).await.expect(200)["hasSecret"], false);
}

#[tokio::test]
async fn the_account_changes_its_name_and_time_zone_but_not_its_domains() {
    let house = House::new().await;
    let zone = json!({"name": "Acme", "timeZone": "Pacific Standard Time", "timeZoneOffsetHours": -8});
    let changed = house.api("PUT", "", Some(zone)).await.expect(200);
    assert_eq!((&changed["name"], &changed["timeZoneOffsetHours"]), (&json!("Acme"), &json!(-8)));
    let own = house.call(&house.home.token, "GET", "/api/v1/accounts", None).await.expect(200);
    assert_eq!(own["accounts"], json!([changed]));
    // Both forms of an account's id lead to it.
    let number = format!("/api/v1/accounts/{}", house.home.account.id);
    assert_eq!(house.call(&house.home.token, "GET", &number, None).await.expect(200), changed);
    let refused = house.api("PUT", "", Some(json!({"recipientDomains": ["example.com"]}))).await.expect(403);
    assert!(text(&refused, "detail").contains("operator"));
    house.api("PUT", "", Some(json!({"timeZoneOffsetHours": 15}))).await.expect(400);
    house.api("PUT", "", Some(json!({"name": ""}))).await.expect(400);
}

#[tokio::test]
async fn a_bare_token_is_let_pass_as_the_python_sdk_sends_it() {
    let house = House::new().await;
    let token = house.token(&house.home.account, house.home.user, Right::Read).await;
    let request = http::Request::get("/oauth/userinfo").header("authorization", token).body(axum::body::Body::empty()).unwrap();
    house.send(request).await.expect(200);
}

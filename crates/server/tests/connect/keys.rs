//! `/connect/secret`, and `keys` under `/api/v1`.

use serde_json::{Value, json};

use crate::house::{House, text};

#[tokio::test]
async fn a_key_is_shown_once_listed_truncated_and_deleted() {
    let house = House::new().await;
    assert_eq!(house.rest("GET", "/connect/secret", None).await.expect(200), json!([]));
    let first = house.rest("POST", "/connect/secret", Some(json!({}))).await.expect(201);
    let second = house.rest("POST", "/connect/secret", None).await.expect(201);
    let secret = text(&first, "secret");
    assert_eq!((secret.len(), secret.ends_with('=')), (44, true), "as Docusign shows its keys");
    assert_ne!(first["secret"], second["secret"]);
    assert_eq!(first.as_object().unwrap().len(), 3, "{first}");
    assert!(text(&first, "createdDateTime").ends_with('Z'));

    let listed = house.rest("GET", "/connect/secret", None).await.expect(200);
    assert_eq!(listed[0]["keyId"], first["keyId"], "in the order of creation");
    assert_eq!(listed[0]["secret"], format!("{}********", &secret[..4]));
    assert!(!listed.to_string().contains(&secret[4..]));
    let config = house.app.configs.account(house.home.account.id).await.unwrap().unwrap();
    assert_eq!(config.hmac_keys[0].expose_text(), secret, "signs with the text as it was shown");

    let path = format!("/connect/secret/{}", text(&first, "keyId"));
    house.rest("DELETE", &path, Some(json!({}))).await.expect(200);
    house.rest("DELETE", &path, Some(json!({}))).await.expect(404);
    house.rest("DELETE", "/connect/secret/no-such-key", None).await.expect(404);
    let left = house.rest("GET", "/connect/secret", None).await.expect(200);
    assert_eq!(left.as_array().unwrap().len(), 1);
    house.configuration(&json!({"includeHMAC": "true"})).await;
}

#[tokio::test]
async fn an_account_has_at_most_a_hundred_keys() {
    let house = House::new().await;
    for _ in 0..100 {
        house.rest("POST", "/connect/secret", None).await.expect(201);
    }
    let refused = house.rest("POST", "/connect/secret", None).await.expect(400);
    assert!(text(&refused, "message").contains("at most 100 keys"), "{refused}");
}

#[tokio::test]
async fn a_key_that_listeners_know_already_can_be_taken_over() {
    let house = House::new().await;
    let known = "QxKX8bOHPdcpKnRoEEkYUOFKpVZvLPHjq4NwYXKVbcE=";
    let made = house.api("POST", "/keys", Some(json!({"secret": known}))).await.expect(201);
    assert_eq!(made["secret"], known);
    let listed = house.api("GET", "/keys", None).await.expect(200);
    assert_eq!(listed["keys"][0]["id"], made["id"]);
    assert!(!listed.to_string().contains(&known[4..]));
    let connect: Value = house.rest("GET", "/connect/secret", None).await.expect(200);
    assert_eq!(connect[0]["keyId"], made["id"], "the same keys");
    for (row, body) in [
        ("too short", json!({"secret": "short"})),
        ("empty", json!({"secret": ""})),
        ("with a line end", json!({"secret": format!("{known}\n")})),
        ("a file", json!({"secret": "x".repeat(10_000)})),
        ("unknown property", json!({"key": known})),
        ("a number", json!({"secret": 1})),
    ] {
        let answer = house.api("POST", "/keys", Some(body)).await;
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{row}");
        answer.expect(400);
    }
    house.api("DELETE", &format!("/keys/{}", text(&made, "id")), None).await.expect(204);
    house.api("DELETE", &format!("/keys/{}", text(&made, "id")), None).await.expect(404);
}

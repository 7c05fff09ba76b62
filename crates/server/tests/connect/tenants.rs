//! No id of another account leads anywhere, and nobody gets further than their right.

use countersign_core::account::Right;
use countersign_testkit::TestCa;
use serde_json::{Value, json};

use crate::house::{House, api_path, listening, rest_path, text, with};

#[tokio::test]
async fn ids_of_another_account_do_not_exist() {
    let house = House::new().await;
    let ca = TestCa::new();
    let stranger = house.tenant().await;
    let connect = house.configuration(&json!({})).await;
    let key = house.rest("POST", "/connect/secret", None).await.expect(201);
    let certificate = house.api("POST", "/certificates", Some(json!({"name": "x", "ca": ca.certificate_pem()}))).await.expect(201);
    let envelope = house.envelope("A").await;
    house.post("envelope-sent", Some(envelope)).await;
    let delivery = house.fail_all().await[0].id;

    for (method, path, body) in [
        ("GET", format!("/connect/{connect}"), None),
        ("DELETE", format!("/connect/{connect}"), Some(json!({}))),
        ("PUT", "/connect".to_owned(), Some(json!({"connectId": connect, "name": "Mine"}))),
        ("GET", format!("/connect/{connect}/users"), None),
        ("GET", format!("/connect/{connect}/all/users"), None),
        ("DELETE", format!("/connect/secret/{}", text(&key, "keyId")), None),
        ("GET", format!("/connect/logs/{delivery}"), None),
        ("DELETE", format!("/connect/logs/{delivery}"), None),
        ("DELETE", format!("/connect/failures/{delivery}"), None),
        ("PUT", format!("/connect/envelopes/{envelope}/retry_queue"), None),
    ] {
        let answer = house.call(&stranger.token, method, &rest_path(&stranger, &path), body.clone()).await;
        assert_eq!(answer.status, 404, "{method} {path} in their own account");
        let answer = house.call(&stranger.token, method, &rest_path(&house.home, &path), body).await;
        assert_eq!(answer.status, 404, "{method} {path} in ours");
    }
    for (method, path, body) in [
        ("GET", format!("/subscriptions/{connect}"), None),
        ("PATCH", format!("/subscriptions/{connect}"), Some(json!({"name": "Mine"}))),
        ("DELETE", format!("/subscriptions/{connect}"), None),
        ("POST", format!("/subscriptions/{connect}/test"), None),
        ("DELETE", format!("/keys/{}", text(&key, "keyId")), None),
        ("DELETE", format!("/certificates/{}", text(&certificate, "id")), None),
    ] {
        let answer = house.call(&stranger.token, method, &api_path(&stranger, &path), body).await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    for (path, empty) in [
        ("/connect", json!({"totalRecords": "0", "configurations": []})),
        ("/connect/secret", json!([])),
        ("/connect/logs", json!({"logs": [], "failures": [], "totalRecords": "0", "type": "logs", "nextUri": ""})),
    ] {
        let seen: Value = house.call(&stranger.token, "GET", &rest_path(&stranger, path), None).await.expect(200);
        assert_eq!(seen, empty, "{path}");
    }
    house.call(&stranger.token, "DELETE", &rest_path(&stranger, "/connect/failures/all"), None).await.expect(200);
    house.call(&stranger.token, "DELETE", &rest_path(&stranger, "/connect/logs"), None).await.expect(200);
    assert_eq!(house.rest("GET", "/connect/failures", None).await.expect(200)["totalRecords"], "1");
    assert_eq!(house.rest("GET", "/connect/logs", None).await.expect(200)["totalRecords"], "1");
    assert_eq!(house.stored(&connect).await.name, "Hooks");
}

#[tokio::test]
async fn connect_needs_an_account_administrator() {
    let house = House::new().await;
    let id = house.configuration(&json!({})).await;
    for right in [Right::Read, Right::Write] {
        let token = house.token(&house.home.account, house.home.user, right).await;
        for (method, path, body) in [
            ("GET", "/connect".to_owned(), None),
            ("POST", "/connect".to_owned(), Some(listening())),
            ("PUT", "/connect".to_owned(), Some(with(listening(), &json!({"connectId": id})))),
            ("DELETE", format!("/connect/{id}"), None),
            ("GET", "/connect/secret".to_owned(), None),
            ("POST", "/connect/secret".to_owned(), None),
            ("GET", "/connect/oauth".to_owned(), None),
            ("GET", "/connect/logs".to_owned(), None),
            ("GET", "/connect/failures".to_owned(), None),
            ("PUT", "/connect/envelopes/retry_queue".to_owned(), None),
            ("POST", "/connect/envelopes/publish/historical".to_owned(), None),
        ] {
            let refused = house.call(&token, method, &rest_path(&house.home, &path), body).await.expect(403);
            assert_eq!(refused["errorCode"], "USER_LACKS_PERMISSIONS", "{right:?} {method} {path}");
        }
        for path in ["/keys", "/oauth", "/certificates"] {
            house.call(&token, "GET", &api_path(&house.home, path), None).await.expect(403);
        }
        house.call(&token, "GET", &api_path(&house.home, "/subscriptions"), None).await.expect(200);
        let made = house.call(&token, "POST", &api_path(&house.home, "/subscriptions"), Some(json!({}))).await;
        assert_eq!(made.status, 403, "{right:?}");
    }
    house.call("", "GET", &rest_path(&house.home, "/connect"), None).await.expect(401);
    house.call("wrong", "GET", &rest_path(&house.home, "/connect"), None).await.expect(401);
}

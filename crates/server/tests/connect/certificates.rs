//! `certificates` under `/api/v1`: client certificates and further CAs.

use countersign_testkit::TestCa;
use serde_json::{Value, json};

use crate::house::{House, text};

fn client(ca: &TestCa, name: &str) -> Value {
    let identity = ca.client(name);
    json!({"name": name, "certificate": identity.certificate_pem(), "privateKey": identity.key_pem()})
}

#[tokio::test]
async fn a_client_certificate_is_checked_kept_and_shown_without_its_key() {
    let house = House::new().await;
    let ca = TestCa::new();
    let made = house.api("POST", "/certificates", Some(client(&ca, "sender"))).await.expect(201);
    assert_eq!((&made["kind"], &made["name"]), (&json!("client"), &json!("sender")));
    assert_eq!(text(&made, "fingerprint").len(), 64);
    assert!(text(&made, "notAfter") > text(&made, "createdAt"), "{made}");
    assert!(!made.to_string().contains("PRIVATE KEY"));
    let listed = house.api("GET", "/certificates", None).await.expect(200);
    assert_eq!(listed, json!({"certificates": [made]}));
    let config = house.app.configs.account(house.home.account.id).await.unwrap().unwrap();
    assert!(config.certificates[0].key_pem.expose_secret().contains("PRIVATE KEY"), "kept, sealed");

    let id = house.configuration(&json!({"requireMutualTls": "true"})).await;
    let path = format!("/certificates/{}", text(&made, "id"));
    let refused = house.api("DELETE", &path, None).await.expect(409);
    assert!(text(&refused, "detail").contains(&id), "{refused}");
    house.rest("PUT", "/connect", Some(json!({"connectId": id, "requireMutualTls": "false"}))).await.expect(200);
    house.api("DELETE", &path, None).await.expect(204);
    house.api("DELETE", &path, None).await.expect(404);
}

#[tokio::test]
async fn a_subscription_can_name_its_certificate() {
    let house = House::new().await;
    let ca = TestCa::new();
    let first = house.api("POST", "/certificates", Some(client(&ca, "first"))).await.expect(201);
    let second = house.api("POST", "/certificates", Some(client(&ca, "second"))).await.expect(201);
    let form = json!({"name": "Hooks", "url": "https://listener.example/", "mutualTls": true, "certificate": first["id"]});
    house.api("POST", "/subscriptions", Some(form)).await.expect(201);
    house.api("DELETE", &format!("/certificates/{}", text(&first, "id")), None).await.expect(409);
    house.api("DELETE", &format!("/certificates/{}", text(&second, "id")), None).await.expect(204);
}

#[tokio::test]
async fn a_ca_of_the_accounts_own_is_kept() {
    let house = House::new().await;
    let ca = TestCa::new();
    let made = house.api("POST", "/certificates", Some(json!({"name": "inner", "ca": ca.certificate_pem()}))).await.expect(201);
    assert_eq!((&made["kind"], text(&made, "ca")), (&json!("ca"), &*ca.certificate_pem()));
    let config = house.app.configs.account(house.home.account.id).await.unwrap().unwrap();
    assert_eq!(config.trust_anchors.len(), 1);
    house.api("DELETE", &format!("/certificates/{}", text(&made, "id")), None).await.expect(204);
}

#[tokio::test]
async fn what_is_no_certificate_is_refused() {
    let house = House::new().await;
    let ca = TestCa::new();
    let (one, other) = (ca.client("one"), ca.client("other"));
    let expired = ca.expired_server(&["a.example"]);
    for (row, body) in [
        ("nothing", json!({"name": "x"})),
        ("both", json!({"name": "x", "certificate": one.certificate_pem(), "privateKey": one.key_pem(), "ca": ca.certificate_pem()})),
        ("no key", json!({"name": "x", "certificate": one.certificate_pem()})),
        ("no certificate", json!({"name": "x", "privateKey": one.key_pem()})),
        ("another's key", json!({"name": "x", "certificate": one.certificate_pem(), "privateKey": other.key_pem()})),
        ("no PEM", json!({"name": "x", "certificate": "hello", "privateKey": one.key_pem()})),
        ("no key PEM", json!({"name": "x", "certificate": one.certificate_pem(), "privateKey": "hello"})),
        ("expired", json!({"name": "x", "certificate": expired.certificate_pem(), "privateKey": expired.key_pem()})),
        ("no CA", json!({"name": "x", "ca": "hello"})),
        ("a key as CA", json!({"name": "x", "ca": one.key_pem()})),
        ("no name", json!({"name": "", "ca": ca.certificate_pem()})),
        ("unknown property", json!({"name": "x", "ca": ca.certificate_pem(), "trusted": true})),
    ] {
        let answer = house.api("POST", "/certificates", Some(body)).await;
        assert_eq!(answer.status, 400, "{row}: {}", String::from_utf8_lossy(&answer.body));
        assert!(!String::from_utf8_lossy(&answer.body).contains("PRIVATE KEY"), "{row}");
    }
    assert_eq!(house.api("GET", "/certificates", None).await.expect(200), json!({"certificates": []}));
}

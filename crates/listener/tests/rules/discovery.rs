//! L-8414: keys found by the issuer alone.

use countersign_listener::{Jwks, JwtVerifier, MetadataLocation, TokenRefused, VerifyToken as _};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{FakeServer, ISSUER, NOW, ServerKey, expectations, good_claims, key_set, verify, with};

const METADATA: &str = "https://id.example/.well-known/oauth-authorization-server";
const KEYS: &str = "https://keys.id.example/jwks";

fn metadata() -> Value {
    json!({"issuer": ISSUER, "jwks_uri": KEYS, "token_endpoint": "https://id.example/token"})
}

fn verifier(server: &FakeServer, location: MetadataLocation) -> JwtVerifier {
    JwtVerifier::new(Jwks::discover(ISSUER, location, server.clone()).expect("an issuer"), expectations())
}

fn asked(server: &FakeServer) -> Vec<String> {
    server.requests.lock().expect("no panic").iter().map(|request| request.uri().to_string()).collect()
}

#[tokio::test]
async fn l_8414_1_the_keys_are_found_where_the_metadata_say_and_at_the_configured_location_alone() {
    let key = ServerKey::es256("k1");
    for (location, at) in
        [(MetadataLocation::OAuth, METADATA), (MetadataLocation::OpenId, "https://id.example/.well-known/openid-configuration")]
    {
        let server = FakeServer::with_json(&json!({}));
        server.set_json_at(at, &metadata());
        server.set_json_at(KEYS, &key_set(&[&key]));
        assert!(verify(&verifier(&server, location), &key.token(&good_claims())).await.is_ok());
        assert_eq!(asked(&server), [at, KEYS]);
    }
    let server = FakeServer::with_json(&json!({}));
    server.set_json_at("https://id.example/.well-known/openid-configuration", &metadata());
    server.set_json_at(KEYS, &key_set(&[&key]));
    let refused = verify(&verifier(&server, MetadataLocation::OAuth), &key.token(&good_claims())).await;
    assert!(matches!(refused, Err(TokenRefused::Unavailable(_))), "{refused:?}");
    assert_eq!(asked(&server), [METADATA], "no other location is tried unasked");
}

#[tokio::test]
async fn l_8414_2_metadata_of_another_issuer_are_discarded() {
    let key = ServerKey::es256("k1");
    for issuer in [json!("https://evil.example"), json!(format!("{ISSUER}/")), json!(ISSUER.to_uppercase()), json!([ISSUER]), Value::Null] {
        let server = FakeServer::with_json(&json!({}));
        server.set_json_at(METADATA, &with(metadata(), "issuer", issuer.clone()));
        server.set_json_at(KEYS, &key_set(&[&key]));
        let refused = verify(&verifier(&server, MetadataLocation::OAuth), &key.token(&good_claims())).await;
        assert!(matches!(refused, Err(TokenRefused::Unavailable(_))), "{issuer}: {refused:?}");
        assert_eq!(asked(&server), [METADATA], "{issuer}");
    }
}

#[tokio::test]
async fn l_8414_3_only_a_bounded_json_object_with_status_200_is_taken() {
    let good = metadata().to_string();
    let long = with(metadata(), "x", "x".repeat(64 * 1024).into()).to_string();
    let twice = good.replacen('{', &format!("{{\"issuer\":\"{ISSUER}\","), 1);
    let rows: [(&str, StatusCode, &str, &str); 7] = [
        ("redirect", StatusCode::FOUND, "application/json", &good),
        ("not found", StatusCode::NOT_FOUND, "application/json", &good),
        ("html", StatusCode::OK, "text/html", &good),
        ("not json", StatusCode::OK, "application/json", "<html>"),
        ("array", StatusCode::OK, "application/json", "[]"),
        ("issuer twice", StatusCode::OK, "application/json", &twice),
        ("over 64 KiB", StatusCode::OK, "application/json", &long),
    ];
    let key = ServerKey::es256("k1");
    for (row, status, kind, body) in rows {
        let server = FakeServer::with_json(&json!({}));
        server.set(status, kind, body);
        server.set_json_at(KEYS, &key_set(&[&key]));
        let refused = verify(&verifier(&server, MetadataLocation::OAuth), &key.token(&good_claims())).await;
        assert!(matches!(refused, Err(TokenRefused::Unavailable(_))), "{row}: {refused:?}");
        assert_eq!(asked(&server), [METADATA], "{row}");
    }
}

#[tokio::test]
async fn l_8414_4_the_address_of_the_keys_is_held_to_the_same_rules() {
    let key = ServerKey::es256("k1");
    for uri in [
        json!("http://id.example/jwks"),
        json!("http://127.0.0.1/jwks"),
        json!("file:///etc/keys"),
        json!("/jwks"),
        json!("not a uri"),
        json!(["https://id.example/jwks"]),
        Value::Null,
    ] {
        // Everything would be answered with good keys.
        let server = FakeServer::with_keys(&[&key]);
        server.set_json_at(METADATA, &with(metadata(), "jwks_uri", uri.clone()));
        let refused = verify(&verifier(&server, MetadataLocation::OAuth), &key.token(&good_claims())).await;
        assert!(matches!(refused, Err(TokenRefused::Unavailable(_))), "{uri}: {refused:?}");
        assert_eq!(asked(&server), [METADATA], "{uri}");
    }
    // A server for development on loopback may name a loopback address, and nothing else in the clear.
    let (local, metadata_at) = ("http://127.0.0.1:8400", "http://127.0.0.1:8400/.well-known/oauth-authorization-server");
    for (uri, accepted) in [("http://127.0.0.1:8400/jwks", true), ("http://id.example/jwks", false)] {
        let server = FakeServer::with_keys(&[&key]);
        server.set_json_at(metadata_at, &json!({"issuer": local, "jwks_uri": uri}));
        let jwks = Jwks::discover(local, MetadataLocation::OAuth, server.clone()).expect("an issuer on loopback");
        let expected = countersign_listener::TokenExpectations::dangerous_any_client(local, crate::support::AUDIENCE);
        let token = key.token(&with(good_claims(), "iss", local.into()));
        assert_eq!(verify(&JwtVerifier::new(jwks, expected), &token).await.is_ok(), accepted, "{uri}");
    }
}

#[tokio::test]
async fn l_8414_1_metadata_are_kept_for_a_day_and_looked_up_anew_when_the_keys_cannot_be_had() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_json(&json!({}));
    server.set_json_at(METADATA, &metadata());
    server.set_json_at(KEYS, &key_set(&[&key]));
    let verifier = verifier(&server, MetadataLocation::OAuth);
    let token = |now: u64| key.token(&with(with(good_claims(), "iat", now.into()), "exp", (now + 600).into()));
    for now in [NOW, NOW + 3_600, NOW + 7_200] {
        assert!(verifier.verify(&token(now), None, now).await.is_ok());
    }
    assert_eq!(asked(&server), [METADATA, KEYS, KEYS, KEYS]);
    // The keys move, and their old address answers no more.
    let moved = "https://new.id.example/jwks";
    server.set_json_at(METADATA, &with(metadata(), "jwks_uri", moved.into()));
    server.set_json_at(moved, &key_set(&[&key]));
    server.set_json_at(KEYS, &json!({"error": "gone"}));
    let later = NOW + 10_800;
    assert!(verifier.verify(&token(later), None, later).await.is_ok(), "the last good set serves");
    assert!(verifier.verify(&token(later + 30), None, later + 30).await.is_ok());
    assert_eq!(asked(&server)[4..], [KEYS, METADATA, moved]);
}

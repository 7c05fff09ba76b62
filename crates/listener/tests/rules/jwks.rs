//! L-JWKS-1: fetching keys often enough and never too often.

use std::sync::Arc;

use countersign_listener::{TokenRefused, VerifyToken as _};
use http::StatusCode;
use serde_json::json;

use crate::support::{FakeServer, NOW, ServerKey, good_claims, key_set, verify, with};

fn fresh_claims(now: u64) -> serde_json::Value {
    with(with(good_claims(), "iat", now.into()), "exp", (now + 600).into())
}

#[tokio::test]
async fn l_jwks_1_keys_are_fetched_once_and_kept() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let verifier = server.jwt_verifier();
    for _ in 0..50 {
        assert!(verify(&verifier, &key.token(&good_claims())).await.is_ok());
    }
    assert_eq!(server.count(), 1);
    let later = NOW + 3_600;
    assert!(verifier.verify(&key.token(&fresh_claims(later)), None, later).await.is_ok());
    assert_eq!(server.count(), 2, "an hour later they are fetched anew");
}

#[tokio::test]
async fn l_jwks_1_many_at_once_make_one_fetch() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let verifier = Arc::new(server.jwt_verifier());
    let token = key.token(&good_claims());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (Arc::clone(&verifier), token.clone());
            tokio::spawn(async move { verify(verifier.as_ref(), &token).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.expect("no panic"));
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn l_jwks_1_a_rotated_key_is_found_and_unknown_ones_cost_one_fetch_in_30_seconds() {
    let (old, new) = (ServerKey::es256("k1"), ServerKey::es256("k2"));
    let server = FakeServer::with_keys(&[&old]);
    let verifier = server.jwt_verifier();
    assert!(verify(&verifier, &old.token(&good_claims())).await.is_ok());
    server.set_json(&key_set(&[&old, &new]));
    // Within 30 seconds of the last fetch there is no other.
    assert_eq!(verify(&verifier, &new.token(&good_claims())).await, Err(TokenRefused::UnknownKey));
    assert!(verifier.verify(&new.token(&good_claims()), None, NOW + 30).await.is_ok());
    assert_eq!(server.count(), 2);
    let mut stranger = ServerKey::ed25519("x");
    for n in 0..1_000_u64 {
        stranger.id = format!("x{n}");
        assert!(verifier.verify(&stranger.token(&good_claims()), None, NOW + 31 + n * 60 / 1_000).await.is_err());
    }
    assert!(server.count() <= 4, "{} fetches in a minute", server.count());
}

#[tokio::test]
async fn l_jwks_1_the_last_good_set_serves_for_a_day_and_then_fails_closed() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let verifier = server.jwt_verifier();
    assert!(verify(&verifier, &key.token(&good_claims())).await.is_ok());
    server.set_down();
    for (after, accepted) in [(3_600, true), (3_601, true), (86_399, true), (86_400, false), (100_000, false)] {
        let now = NOW + after;
        let result = verifier.verify(&key.token(&fresh_claims(now)), None, now).await;
        assert_eq!(result.is_ok(), accepted, "after {after} s: {result:?}");
        if !accepted {
            assert!(matches!(result, Err(TokenRefused::Unavailable(_))));
        }
    }
    server.set_json(&key_set(&[&key]));
    let now = NOW + 100_030;
    assert!(verifier.verify(&key.token(&fresh_claims(now)), None, now).await.is_ok(), "it recovers");
}

#[tokio::test]
async fn l_jwks_1_a_server_that_never_answered_is_asked_every_30_seconds_only() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    server.set_down();
    let verifier = server.jwt_verifier();
    for _ in 0..20 {
        assert!(matches!(verify(&verifier, &key.token(&good_claims())).await, Err(TokenRefused::Unavailable(_))));
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn l_jwks_1_only_a_bounded_json_set_with_status_200_is_taken() {
    let key = ServerKey::es256("k1");
    let set = key_set(&[&key]).to_string();
    let many = json!({"keys": vec![key.public(); 65]}).to_string();
    let long = format!("{}{set}", " ".repeat(256 * 1024));
    let rows: [(&str, StatusCode, &str); 8] = [
        ("redirect", StatusCode::FOUND, &set),
        ("no content", StatusCode::NO_CONTENT, &set),
        ("server error", StatusCode::INTERNAL_SERVER_ERROR, &set),
        ("html", StatusCode::OK, "<html>"),
        ("no keys", StatusCode::OK, "{}"),
        ("keys not a list", StatusCode::OK, "{\"keys\":{}}"),
        ("65 keys", StatusCode::OK, &many),
        ("over 256 KiB", StatusCode::OK, &long),
    ];
    for (row, status, body) in rows {
        let server = FakeServer::with_keys(&[]);
        server.set(status, "application/json", body);
        let result = verify(&server.jwt_verifier(), &key.token(&good_claims())).await;
        assert!(matches!(result, Err(TokenRefused::Unavailable(_))), "{row}: {result:?}");
    }
    // Keys of unknown kinds stand beside ours.
    let mixed = json!({"keys": [{"kty": "AKP", "kid": "pq"}, 7, key.public()]});
    assert!(verify(&FakeServer::with_json(&mixed).jwt_verifier(), &key.token(&good_claims())).await.is_ok());
}

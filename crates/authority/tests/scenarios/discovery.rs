//! Metadata, keys and their rotation.

use countersign_authority::{Client, Settings};
use serde_json::Value;

use crate::caller::{ISSUER, Subject, basic, verified};

fn settings(issuer: &str) -> Settings {
    Settings::new(issuer).client(Client::with_secret_basic("sender", "s").scopes(["notify"]))
}

async fn published(subject: &Subject) -> Vec<String> {
    let keys = subject.get("/jwks").await.json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn as_8414_1_metadata_is_at_both_places_and_names_what_works() {
    let subject = Subject::with(settings(ISSUER));
    let metadata = subject.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.header("content-type"), "application/json");
    let metadata = metadata.json();
    assert_eq!(metadata, subject.get("/.well-known/openid-configuration").await.json());
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], subject.authority.token_endpoint());
    assert_eq!(metadata["jwks_uri"], subject.authority.jwks_uri());
    assert_eq!(metadata["introspection_endpoint"], subject.authority.introspection_endpoint());
    assert_eq!(metadata["revocation_endpoint"], subject.authority.revocation_endpoint());
    assert_eq!(metadata["scopes_supported"], serde_json::json!(["notify"]));
    for (name, methods) in [("token_endpoint_auth_methods_supported", 6), ("introspection_endpoint_auth_methods_supported", 6)] {
        assert_eq!(metadata[name].as_array().map(Vec::len), Some(methods), "{name}");
    }
}

#[tokio::test]
async fn as_8414_1_an_issuer_with_a_path_has_its_metadata_where_both_standards_look() {
    let subject = Subject::with(settings("http://as.test/dev/authority"));
    for path in [
        "/.well-known/oauth-authorization-server/dev/authority",
        "/.well-known/openid-configuration/dev/authority",
        "/dev/authority/.well-known/openid-configuration",
        "/dev/authority/.well-known/oauth-authorization-server",
    ] {
        let metadata: Value = subject.get(path).await.json();
        assert_eq!(metadata["issuer"], "http://as.test/dev/authority", "{path}");
        assert_eq!(metadata["token_endpoint"], "http://as.test/dev/authority/token", "{path}");
    }
    assert_eq!(subject.get("/dev/authority/jwks").await.status, 200);
    let answer = subject.post("/dev/authority/token", &basic("sender", "s"), "grant_type=client_credentials").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn as_8414_1_an_issuer_is_repeated_byte_for_byte() {
    for issuer in ["http://as.test/", "http://AS.test:80", "http://as.test/dev/"] {
        let subject = Subject::with(settings(issuer));
        let base = if issuer.ends_with("/dev/") { "/dev" } else { "" };
        assert_eq!(subject.get(&format!("{base}/.well-known/openid-configuration")).await.json()["issuer"], issuer);
    }
}

#[tokio::test]
async fn as_jwks_1_a_rotation_overlaps_so_that_every_token_stays_verifiable() {
    let subject = Subject::with(settings(ISSUER));
    let first_token = subject.token(&basic("sender", "s")).await;
    let first = published(&subject).await;
    assert_eq!(first.len(), 1);

    let second = subject.authority.rotate_keys().unwrap();
    assert_eq!(published(&subject).await, [second.clone(), first[0].clone()]);
    let second_token = subject.token(&basic("sender", "s")).await;
    assert_eq!(verified(&subject, &second_token).await.0.kid, Some(second.clone()));
    assert_eq!(verified(&subject, &first_token).await.0.kid.as_ref(), Some(&first[0]));

    subject.authority.retire_older_keys();
    assert_eq!(published(&subject).await, [second]);
    verified(&subject, &second_token).await;
}

#[tokio::test]
async fn keys_are_published_without_their_private_half() {
    let subject = Subject::with(settings(ISSUER));
    let keys = subject.get("/jwks").await.json();
    let key = keys["keys"][0].as_object().unwrap();
    assert_eq!((key["use"].as_str(), key["alg"].as_str(), key["kty"].as_str()), (Some("sig"), Some("ES256"), Some("EC")));
    for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        assert!(!key.contains_key(private), "{private}");
    }
}

//! `private_key_jwt` and `client_secret_jwt` (RFC 7523).

use countersign_authority::{AssertionAudience, Client, Settings};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

use crate::caller::{Answer, ISSUER, START_S, Subject, form};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's key pair.
struct Keys {
    private: EncodingKey,
    algorithm: Algorithm,
    public: Jwk,
    public_pem: String,
}

fn keys(algorithm: Algorithm) -> Keys {
    let pair = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256),
        Algorithm::EdDSA => rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519),
        _ => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
    }
    .unwrap();
    let pem = pair.serialize_pem();
    let private = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_der(&pair.serialize_der()),
        _ => EncodingKey::from_ec_der(&pair.serialize_der()),
    };
    // The JWK of an Ed25519 key is not needed: that client is registered by its PEM.
    let described = if algorithm == Algorithm::EdDSA { &keys(Algorithm::ES256).private } else { &private };
    let public = Jwk::from_encoding_key(described, if algorithm == Algorithm::EdDSA { Algorithm::ES256 } else { algorithm }).unwrap();
    Keys { private, algorithm, public, public_pem: pair.public_key_pem() }
}

fn subject_with(keys: &Keys, audience: AssertionAudience) -> Subject {
    let jwks = json!({ "keys": [keys.public] }).to_string();
    let settings = Settings { assertion_audience: audience, ..Settings::new(ISSUER) }
        .client(Client::try_with_jwks("signer", &jwks).unwrap())
        .client(Client::with_secret_basic("other", "s"));
    Subject::with(settings)
}

/// The claims of a good assertion, then changed; `null` takes a member away.
fn claims(change: &Value) -> Value {
    let mut claims = json!({ "iss": "signer", "sub": "signer", "aud": ISSUER, "exp": START_S + 60, "iat": START_S, "jti": "once" });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn assertion(keys: &Keys, change: &Value) -> String {
    let header = Header { typ: Some("client-authentication+jwt".into()), ..Header::new(keys.algorithm) };
    jsonwebtoken::encode(&header, &claims(change), &keys.private).unwrap()
}

async fn ask(subject: &Subject, assertion: &str) -> Answer {
    let body = form(&[("grant_type", "client_credentials"), ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)]);
    subject.post("/token", "", &body).await
}

#[tokio::test]
async fn an_assertion_of_each_kind_of_key_is_accepted() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA] {
        let keys = keys(algorithm);
        let by_pem = Subject::with(Settings::new(ISSUER).client(Client::try_with_public_key_pem("signer", &keys.public_pem).unwrap()));
        let answer = ask(&by_pem, &assertion(&keys, &json!({}))).await;
        assert_eq!(answer.status, 200, "{algorithm:?} by PEM: {answer:?}");
        if algorithm != Algorithm::EdDSA {
            let by_jwks = subject_with(&keys, AssertionAudience::Issuer);
            let answer = ask(&by_jwks, &assertion(&keys, &json!({}))).await;
            assert_eq!(answer.status, 200, "{algorithm:?} by JWKS: {answer:?}");
        }
    }
}

#[tokio::test]
async fn as_7523_1_a_replayed_assertion_is_refused() {
    let keys = keys(Algorithm::ES256);
    let subject = subject_with(&keys, AssertionAudience::Issuer);
    let once = assertion(&keys, &json!({}));
    assert_eq!(ask(&subject, &once).await.status, 200);
    assert_eq!(ask(&subject, &once).await.error(), (401, "invalid_client".into()));
    let twice = assertion(&keys, &json!({ "exp": START_S + 50 }));
    assert_eq!(ask(&subject, &twice).await.error(), (401, "invalid_client".into()), "the same jti in another assertion");
    assert_eq!(ask(&subject, &assertion(&keys, &json!({ "jti": "another" }))).await.status, 200);
}

#[tokio::test]
async fn as_7523_1_a_claim_that_breaks_a_rule_is_refused() {
    let keys = keys(Algorithm::ES256);
    let subject = subject_with(&keys, AssertionAudience::Issuer);
    for (row, change) in [
        ("a foreign audience", json!({ "aud": "https://other.test" })),
        ("the token endpoint as audience", json!({ "aud": format!("{ISSUER}/token") })),
        ("a plural audience", json!({ "aud": [ISSUER] })),
        ("two audiences", json!({ "aud": [ISSUER, "https://other.test"] })),
        ("no audience", json!({ "aud": null })),
        ("expired", json!({ "exp": START_S })),
        ("exp far ahead", json!({ "exp": START_S + 301 })),
        ("exp without bounds", json!({ "exp": 1e300 })),
        ("exp as text", json!({ "exp": (START_S + 60).to_string() })),
        ("no exp", json!({ "exp": null })),
        ("iat ahead", json!({ "iat": START_S + 31 })),
        ("nbf ahead", json!({ "nbf": START_S + 31 })),
        ("no jti", json!({ "jti": null })),
        ("an empty jti", json!({ "jti": "" })),
        ("a long jti", json!({ "jti": "x".repeat(257) })),
        ("another iss", json!({ "iss": "other" })),
        ("another sub", json!({ "sub": "other", "iss": "other" })),
        ("an unknown client", json!({ "sub": "nobody", "iss": "nobody" })),
        ("too long", json!({ "padding": "x".repeat(8 * 1024) })),
    ] {
        assert_eq!(ask(&subject, &assertion(&keys, &change)).await.error(), (401, "invalid_client".into()), "{row}");
    }
    assert_eq!(ask(&subject, &assertion(&keys, &json!({ "exp": START_S as f64 + 59.5 }))).await.status, 200, "after all that, a good one");
}

#[tokio::test]
async fn an_assertion_that_another_key_signed_or_nobody_is_refused() {
    let registered = keys(Algorithm::ES256);
    let subject = subject_with(&registered, AssertionAudience::Issuer);
    assert_eq!(ask(&subject, &assertion(&keys(Algorithm::ES256), &json!({}))).await.status, 401, "another key");
    assert_eq!(ask(&subject, &assertion(&keys(Algorithm::RS256), &json!({}))).await.status, 401, "another kind of key");

    // The public key as an HMAC secret, the classic confusion of algorithms (RFC 8725 §2.1).
    let confused = EncodingKey::from_secret(registered.public_pem.as_bytes());
    let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(&json!({})), &confused).unwrap();
    assert_eq!(ask(&subject, &confused).await.status, 401, "HS256 with the public key");

    let good = assertion(&registered, &json!({}));
    let (message, _) = good.rsplit_once('.').unwrap();
    for (row, forged) in [
        ("no signature", format!("{message}.")),
        ("a signature of nothing", format!("{message}.AAAA")),
        ("two segments", message.to_owned()),
        ("no JWT", "hello".to_owned()),
        ("alg none", format!("eyJhbGciOiJub25lIn0.{}.", message.split_once('.').unwrap().1)),
    ] {
        assert_eq!(ask(&subject, &forged).await.error(), (401, "invalid_client".into()), "{row}");
    }
    assert_eq!(ask(&subject, &good).await.status, 200, "no forgery used up the jti");
}

#[tokio::test]
async fn an_access_token_is_no_assertion_and_an_unknown_extension_refuses() {
    let keys = keys(Algorithm::ES256);
    let subject = subject_with(&keys, AssertionAudience::Issuer);
    let signed = |header: Header| jsonwebtoken::encode(&header, &claims(&json!({})), &keys.private).unwrap();
    let base = || Header::new(Algorithm::ES256);
    for (row, header, expected) in [
        ("an access token", Header { typ: Some("at+jwt".into()), ..base() }, 401),
        ("a critical extension", Header { crit: Some(vec!["b64".into()]), ..base() }, 401),
        ("no typ", Header { typ: None, ..base() }, 200),
    ] {
        assert_eq!(ask(&subject, &signed(header)).await.status, expected, "{row}");
    }
}

#[tokio::test]
async fn the_token_endpoint_is_an_audience_when_the_settings_say_so() {
    let keys = keys(Algorithm::ES256);
    let endpoint = format!("{ISSUER}/token");
    for (setting, issuer_status, endpoint_status) in
        [(AssertionAudience::Issuer, 200, 401), (AssertionAudience::TokenEndpoint, 401, 200), (AssertionAudience::Either, 200, 200)]
    {
        let subject = subject_with(&keys, setting);
        let by_issuer = ask(&subject, &assertion(&keys, &json!({ "jti": "1" }))).await;
        let by_endpoint = ask(&subject, &assertion(&keys, &json!({ "jti": "2", "aud": endpoint }))).await;
        assert_eq!((by_issuer.status.as_u16(), by_endpoint.status.as_u16()), (issuer_status, endpoint_status), "{setting:?}");
    }
}

#[tokio::test]
async fn the_client_id_must_agree_with_the_assertion() {
    let keys = keys(Algorithm::ES256);
    let subject = subject_with(&keys, AssertionAudience::Issuer);
    for (client_id, jti, expected) in [("signer", "1", 200), ("other", "2", 401)] {
        let assertion = assertion(&keys, &json!({ "jti": jti }));
        let body = form(&[
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
        ]);
        assert_eq!(subject.post("/token", "", &body).await.status, expected, "{client_id}");
    }
}

#[tokio::test]
async fn a_client_with_a_secret_cannot_use_an_assertion_nor_the_other_way_round() {
    let keys = keys(Algorithm::ES256);
    let subject = subject_with(&keys, AssertionAudience::Issuer);
    let as_other = assertion(&keys, &json!({ "sub": "other", "iss": "other" }));
    assert_eq!(ask(&subject, &as_other).await.error(), (401, "invalid_client".into()));
    let by_secret = subject.post("/token", "", "grant_type=client_credentials&client_id=signer&client_secret=x").await;
    assert_eq!(by_secret.error(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn as_6749_6_an_assertion_signed_with_the_secret_is_accepted_from_who_is_registered_for_it() {
    let secret = "a secret of more than thirty-two bytes";
    let settings =
        Settings::new(ISSUER).client(Client::with_secret_jwt("signer", secret)).client(Client::with_secret_basic("other", secret));
    let subject = Subject::with(settings);
    let signed = |algorithm, secret: &str, change: &Value| {
        jsonwebtoken::encode(&Header::new(algorithm), &claims(change), &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    for (row, algorithm) in [("1", Algorithm::HS256), ("2", Algorithm::HS384), ("3", Algorithm::HS512)] {
        assert_eq!(ask(&subject, &signed(algorithm, secret, &json!({ "jti": row }))).await.status, 200, "{algorithm:?}");
    }
    for (row, assertion) in [
        ("replayed", signed(Algorithm::HS256, secret, &json!({ "jti": "1" }))),
        ("another secret", signed(Algorithm::HS256, "another secret of more than thirty-two bytes", &json!({ "jti": "4" }))),
        ("a client for Basic", signed(Algorithm::HS256, secret, &json!({ "jti": "5", "iss": "other", "sub": "other" }))),
        ("a public key", assertion(&keys(Algorithm::ES256), &json!({ "jti": "6" }))),
    ] {
        assert_eq!(ask(&subject, &assertion).await.error(), (401, "invalid_client".into()), "{row}");
    }
    let in_the_body = form(&[("grant_type", "client_credentials"), ("client_id", "signer"), ("client_secret", secret)]);
    assert_eq!(subject.post("/token", "", &in_the_body).await.error(), (401, "invalid_client".into()), "the secret itself is not sent");
}

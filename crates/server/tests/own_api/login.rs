//! `/oauth/token`, `/oauth/auth`, `/oauth/userinfo` and the directory under `/restapi`.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_server::Settings;
use http::{Request, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::house::{House, seconds};

const JWT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const BACK: &str = "https://app.example/back?x=1";

fn development() -> Settings {
    Settings { dev: true, ..Settings::default() }
}

/// An integration key with a secret and a key pair.
async fn application(house: &House) -> Value {
    let new = json!({"name": "app", "redirectUris": [BACK], "generateKeyPair": true});
    house.api("POST", "/integration-keys", Some(new)).await.expect(201)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn claims(house: &House, key: &Value) -> Value {
    let now = seconds(house.clock.now());
    json!({
        "iss": key["clientId"], "sub": house.home.user, "aud": "127.0.0.1:8443", "iat": now, "exp": now + 3600, "scope": "signature impersonation",
    })
}

fn signed(key: &Value, header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_rsa_pem(text(key, "privateKeyPem").as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn the_jwt_grant_gives_a_token_that_works_until_it_ends() {
    let house = House::with(development()).await;
    let key = application(&house).await;
    let assertion = signed(&key, &Header::new(Algorithm::RS256), &claims(&house, &key));
    let answer = house.grant(&[("grant_type", JWT), ("assertion", &assertion)], None).await;
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let token = answer.expect(200);
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 28_800, "a number, not a text");
    assert_eq!(token["scope"], "signature impersonation");
    assert!(token.get("refresh_token").is_none());

    let access = text(&token, "access_token");
    let info = house.call(access, "GET", "/restapi/v2.1/login_information", None).await.expect(200);
    assert_eq!(info["loginAccounts"][0]["userId"], json!(house.home.user));
    house.call(access, "GET", &crate::house::api_path(&house.home, "/tokens"), None).await.expect(200);
    house.clock.advance(Duration::from_secs(28_800));
    house.call(access, "GET", "/restapi/v2.1/login_information", None).await.expect(401);
}

#[tokio::test]
async fn an_assertion_that_does_not_count_is_refused_for_its_own_reason() {
    let house = House::with(development()).await;
    let key = application(&house).await;
    let other_key = application(&house).await;
    let stranger = house.tenant().await;
    let now = seconds(house.clock.now());
    let rs256 = Header::new(Algorithm::RS256);
    let with = |name: &str, value: Value| {
        let mut claims = claims(&house, &key);
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims(&house, &key);
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let rs256_signed = |claims: &Value| signed(&key, &rs256, claims);
    let good = rs256_signed(&claims(&house, &key));
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let headed = |header: &Value| format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let public_pem = key["publicKeysPem"][0].as_str().unwrap();
    let hs256 = encode(&Header::new(Algorithm::HS256), &claims(&house, &key), &EncodingKey::from_secret(public_pem.as_bytes())).unwrap();
    let mut crit = Header::new(Algorithm::RS256);
    crit.crit = Some(vec!["b64".into()]);
    for (row, assertion, error, description) in [
        ("not a token", "hello".to_owned(), "invalid_grant", "malformed_assertion"),
        ("two parts", format!("{head}.{payload}"), "invalid_grant", "malformed_assertion"),
        ("five parts", format!("{good}.a.b"), "invalid_grant", "malformed_assertion"),
        ("too long", rs256_signed(&with("pad", "x".repeat(9_000).into())), "invalid_grant", "malformed_assertion"),
        ("alg none", headed(&json!({"alg": "none"})), "invalid_grant", "unsupported_algorithm"),
        ("alg nOnE", headed(&json!({"alg": "nOnE"})), "invalid_grant", "unsupported_algorithm"),
        ("HS256 with the public key", hs256, "invalid_grant", "unsupported_algorithm"),
        (
            "another RSA algorithm",
            signed(&key, &Header::new(Algorithm::PS256), &claims(&house, &key)),
            "invalid_grant",
            "unsupported_algorithm",
        ),
        ("crit", signed(&key, &crit, &claims(&house, &key)), "invalid_grant", "unsupported_algorithm"),
        ("b64 false", headed(&json!({"alg": "RS256", "b64": false})), "invalid_grant", "unsupported_algorithm"),
        ("unknown issuer", rs256_signed(&with("iss", json!(uuid::Uuid::new_v4()))), "invalid_grant", "issuer_not_found"),
        ("issuer no GUID", rs256_signed(&with("iss", "x".into())), "invalid_grant", "issuer_not_found"),
        ("another application's key", signed(&other_key, &rs256, &claims(&house, &key)), "invalid_grant", "no_valid_keys_or_signatures"),
        ("cut signature", good[..good.len() - 4].to_owned(), "invalid_grant", "no_valid_keys_or_signatures"),
        ("empty signature", format!("{head}.{payload}."), "invalid_grant", "no_valid_keys_or_signatures"),
        ("another server", rs256_signed(&with("aud", "account-d.docusign.com".into())), "invalid_grant", "invalid_audience"),
        ("two audiences", rs256_signed(&with("aud", json!(["127.0.0.1", "evil.example"]))), "invalid_grant", "invalid_audience"),
        ("audience of the wrong type", rs256_signed(&with("aud", json!({}))), "invalid_grant", "invalid_audience"),
        ("no audience", rs256_signed(&without("aud")), "invalid_grant", "malformed_assertion"),
        ("expired", rs256_signed(&with("exp", json!(now - 61))), "invalid_grant", "assertion_expired"),
        ("exp as text", rs256_signed(&with("exp", "never".into())), "invalid_grant", "malformed_assertion"),
        ("exp as digits in text", rs256_signed(&with("exp", json!((now + 60).to_string()))), "invalid_grant", "malformed_assertion"),
        ("no exp", rs256_signed(&without("exp")), "invalid_grant", "malformed_assertion"),
        ("no iat", rs256_signed(&without("iat")), "invalid_grant", "malformed_assertion"),
        ("iat ahead", rs256_signed(&with("iat", json!(now + 61))), "invalid_grant", "assertion_not_yet_valid"),
        ("nbf ahead", rs256_signed(&with("nbf", json!(now + 61))), "invalid_grant", "assertion_not_yet_valid"),
        ("nbf as text", rs256_signed(&with("nbf", "9".into())), "invalid_grant", "malformed_assertion"),
        ("lives two days", rs256_signed(&with("exp", json!(now + 172_800))), "invalid_grant", "assertion_lives_too_long"),
        ("unknown user", rs256_signed(&with("sub", json!(uuid::Uuid::new_v4()))), "invalid_grant", "user_not_found"),
        ("a user of another account", rs256_signed(&with("sub", json!(stranger.user))), "invalid_grant", "user_not_found"),
        ("no user", rs256_signed(&without("sub")), "invalid_grant", "user_not_found"),
        (
            "a scope beyond consent",
            rs256_signed(&with("scope", "signature organization_read".into())),
            "consent_required",
            "organization_read",
        ),
        ("no signature scope", rs256_signed(&with("scope", "impersonation".into())), "invalid_scope", "signature"),
    ] {
        let answer = house.grant(&[("grant_type", JWT), ("assertion", &assertion)], None).await;
        let status = answer.status;
        let refusal = answer.json();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{row}: {refusal}");
        assert_eq!(refusal["error"], error, "{row}: {refusal}");
        assert!(text(&refusal, "error_description").contains(description), "{row}: {refusal}");
    }
    house.grant(&[("grant_type", JWT), ("assertion", &good)], None).await.expect(200);
}

#[tokio::test]
async fn small_clock_differences_and_audience_spellings_are_let_pass() {
    let house = House::with(development()).await;
    let key = application(&house).await;
    let now = seconds(house.clock.now());
    for (name, value) in [
        ("exp", json!(now - 50)),
        ("iat", json!(now + 50)),
        ("aud", json!("https://127.0.0.1:8443")),
        ("aud", json!(["localhost"])),
        ("exp", json!(f64::from(i32::try_from(now).unwrap()) + 60.5)),
        ("scope", Value::Null),
    ] {
        let mut claims = claims(&house, &key);
        if name == "exp" {
            claims["iat"] = json!(now - 100);
        }
        claims[name] = value.clone();
        let assertion = signed(&key, &Header::new(Algorithm::RS256), &claims);
        house.grant(&[("grant_type", JWT), ("assertion", &assertion)], None).await.expect(200);
    }
}

/// The code that consent gives, from the redirect.
async fn consent(house: &House, key: &Value, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([("response_type", "code"), ("scope", "signature"), ("client_id", text(key, "clientId")), ("redirect_uri", BACK)]);
    query.extend_pairs(more);
    let answer = house.send(Request::get(format!("/oauth/auth?{}", query.finish())).body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.json());
    let location: url::Url = answer.headers[header::LOCATION].to_str().unwrap().parse().unwrap();
    assert!(location.as_str().starts_with("https://app.example/back?x=1&"), "{location}");
    location.query_pairs().into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

#[tokio::test]
async fn a_code_is_taken_once_and_a_refresh_token_too() {
    let house = House::with(development()).await;
    let key = application(&house).await;
    let (id, secret) = (text(&key, "clientId"), text(&key, "clientSecret"));
    let back = consent(&house, &key, &[("state", "a b&c")]).await;
    assert_eq!(value(&back, "state"), Some("a b&c"));
    let code = value(&back, "code").unwrap();
    let form = [("grant_type", "authorization_code"), ("code", code)];
    for (row, wrong) in [("no client", None), ("wrong secret", Some((id, "css_wrong"))), ("unknown client", Some(("x", secret)))] {
        let answer = house.grant(&form, wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{row}");
        assert_eq!(answer.json()["error"], "invalid_client", "{row}");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Basic realm=\"countersign\"", "{row}");
    }
    let first = house.grant(&form, Some((id, secret))).await.expect(200);
    assert_eq!(house.grant(&form, Some((id, secret))).await.expect(400)["error"], "invalid_grant", "a code is taken once");

    let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&first, "refresh_token"))];
    let second = house.grant(&refresh, Some((id, secret))).await.expect(200);
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!(second["scope"], "signature");
    assert_eq!(house.grant(&refresh, Some((id, secret))).await.expect(400)["error"], "invalid_grant", "a refresh token is taken once");
    let info = house.call(text(&second, "access_token"), "GET", "/oauth/userinfo", None).await.expect(200);
    assert_eq!(info["sub"], json!(house.home.user));
}

#[tokio::test]
async fn a_code_belongs_to_one_application_one_address_and_two_minutes() {
    let house = House::with(development()).await;
    let (key, other) = (application(&house).await, application(&house).await);
    let (id, secret) = (text(&key, "clientId"), text(&key, "clientSecret"));
    for (row, more, client, later) in [
        ("another application", vec![], (text(&other, "clientId"), text(&other, "clientSecret")), 0),
        ("another address", vec![("redirect_uri", "https://evil.example/")], (id, secret), 0),
        ("too late", vec![], (id, secret), 121),
    ] {
        let back = consent(&house, &key, &[]).await;
        house.clock.advance(Duration::from_secs(later));
        let mut form = vec![("grant_type", "authorization_code"), ("code", value(&back, "code").unwrap())];
        form.extend(more);
        assert_eq!(house.grant(&form, Some(client)).await.expect(400)["error"], "invalid_grant", "{row}");
    }
    let back = consent(&house, &key, &[]).await;
    let form = [("grant_type", "authorization_code"), ("code", value(&back, "code").unwrap()), ("redirect_uri", BACK)];
    house.grant(&form, Some((id, secret))).await.expect(200);
}

#[tokio::test]
async fn a_public_client_proves_itself_by_its_verifier() {
    let house = House::with(development()).await;
    let new = json!({"name": "public", "redirectUris": [BACK], "generateSecret": false});
    let key = house.api("POST", "/integration-keys", Some(new)).await.expect(201);
    assert!(key.get("clientSecret").is_none());
    let id = text(&key, "clientId");
    let verifier = "a-verifier-that-is-long-enough-to-be-one-0123456789";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let s256 = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    for (row, asked, brought, status) in [
        ("right", &s256[..], Some(verifier), 200),
        ("wrong verifier", &s256[..], Some("another"), 400),
        ("no verifier", &s256[..], None, 400),
        ("no challenge", &[], None, 401),
    ] {
        let back = consent(&house, &key, asked).await;
        let mut form = vec![("grant_type", "authorization_code"), ("client_id", id), ("code", value(&back, "code").unwrap())];
        form.extend(brought.map(|verifier| ("code_verifier", verifier)));
        let answer = house.grant(&form, None).await;
        assert_eq!(answer.status.as_u16(), status, "{row}: {}", answer.json());
    }
    let back = consent(&house, &key, &[("code_challenge", "x"), ("code_challenge_method", "plain")]).await;
    assert_eq!(value(&back, "error"), Some("invalid_request"), "a plain challenge protects nothing");
}

#[tokio::test]
async fn consent_sends_nobody_to_an_address_that_is_not_registered() {
    let house = House::with(development()).await;
    let key = application(&house).await;
    let id = text(&key, "clientId");
    let unknown = uuid::Uuid::new_v4().to_string();
    for (row, client, address) in [
        ("unknown application", unknown.as_str(), BACK),
        ("unregistered", id, "https://evil.example/back"),
        ("a prefix of it", id, "https://app.example/back"),
        ("more than it", id, "https://app.example/back?x=1&y=2"),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("response_type", "code"), ("client_id", client), ("redirect_uri", address)])
            .finish();
        let answer = house.call("", "GET", &format!("/oauth/auth?{query}"), None).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{row}");
        assert!(!answer.headers.contains_key(header::LOCATION), "{row}");
    }
    for (row, more, error) in [
        ("implicit grant", ("response_type_", "token"), None),
        ("a user that is not there", ("login_hint", "nobody@example.com"), Some("access_denied")),
    ] {
        let back = consent(&house, &key, &[more]).await;
        assert_eq!(value(&back, "error"), error, "{row}");
    }
    let production = House::new().await;
    let key = application(&production).await;
    let path = format!("/oauth/auth?response_type=code&client_id={}", text(&key, "clientId"));
    production.call("", "GET", &path, None).await.expect(501);
}

#[tokio::test]
async fn a_token_request_is_a_form_with_each_parameter_once() {
    let house = House::new().await;
    for (row, content_type, body, error) in [
        ("JSON", "application/json", r#"{"grant_type":"refresh_token"}"#, "invalid_request"),
        ("no grant", "application/x-www-form-urlencoded", "a=b", "invalid_request"),
        ("an empty grant", "application/x-www-form-urlencoded", "grant_type=", "invalid_request"),
        ("a parameter twice", "application/x-www-form-urlencoded", "grant_type=x&grant_type=x", "invalid_request"),
        ("another grant", "application/x-www-form-urlencoded", "grant_type=password", "unsupported_grant_type"),
        ("client credentials", "application/x-www-form-urlencoded", "grant_type=client_credentials", "unsupported_grant_type"),
        ("no assertion", "application/x-www-form-urlencoded", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", "invalid_request"),
    ] {
        let request = Request::post("/oauth/token").header(header::CONTENT_TYPE, content_type).body(body.into()).unwrap();
        assert_eq!(house.send(request).await.expect(400)["error"], error, "{row}");
    }
    let large = Request::post("/oauth/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("assertion={}", "x".repeat(20 << 10)).into())
        .unwrap();
    assert_eq!(house.send(large).await.expect(413)["error"], "invalid_request");
    assert_eq!(house.call("", "GET", "/oauth/token", None).await.expect(405)["error"], "invalid_request");
}

#[tokio::test]
async fn userinfo_and_the_directory_have_the_shapes_that_sdks_read() {
    let house = House::with(Settings { public_url: "https://sign.example".into(), ..Settings::default() }).await;
    let account = &house.home.account;
    let info = house.call(&house.home.token, "GET", "/oauth/userinfo", None).await.expect(200);
    assert_eq!(
        info,
        json!({
            "sub": house.home.user, "name": "Account Administrator", "given_name": "Account", "family_name": "Administrator",
            "created": "2025-11-01T10:00:00.0000000Z", "email": "admin@countersign.localhost",
            "accounts": [{"account_id": account.guid, "is_default": true, "account_name": "Countersign", "base_uri": "https://sign.example"}],
        })
    );
    let refused = house.call("nonsense", "GET", "/oauth/userinfo", None).await;
    assert!(refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer "));
    assert_eq!(refused.expect(401)["error"], "invalid_token");

    let login = house.call(&house.home.token, "GET", "/restapi/v2.1/login_information", None).await.expect(200);
    let entry = &login["loginAccounts"][0];
    assert_eq!(entry["accountId"], account.id.to_string());
    assert_eq!(entry["accountIdGuid"], json!(account.guid));
    assert_eq!(entry["isDefault"], "true", "a text (reference: 9, quirk 1)");
    assert_eq!(entry["baseUrl"], format!("https://sign.example/restapi/v2.1/accounts/{}", account.id));

    let service = house.call("", "GET", "/restapi/service_information", None).await.expect(200);
    assert_eq!(service["serviceVersions"][0]["version"], "v2.1");
    let resources = house.call("", "GET", "/restapi/v2.1", None).await.expect(200);
    assert!(resources["resources"].as_array().unwrap().iter().any(|resource| resource["name"] == "login_information"));
    assert_eq!(
        house.call("", "GET", "/restapi/v2.1/login_information", None).await.expect(401)["errorCode"],
        "AUTHORIZATION_INVALID_TOKEN"
    );
}

#[tokio::test]
async fn with_an_integration_key_all_that_it_was_given_ends() {
    let house = House::with(development()).await;
    let key = application(&house).await;
    let (id, secret) = (text(&key, "clientId"), text(&key, "clientSecret"));
    let back = consent(&house, &key, &[]).await;
    let form = [("grant_type", "authorization_code"), ("code", value(&back, "code").unwrap())];
    let token = house.grant(&form, Some((id, secret))).await.expect(200);
    house.api("DELETE", &format!("/integration-keys/{id}"), None).await.expect(204);
    house.call(text(&token, "access_token"), "GET", "/oauth/userinfo", None).await.expect(401);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&token, "refresh_token"))];
    house.grant(&refresh, Some((id, secret))).await.expect(401);
}

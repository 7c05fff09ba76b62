//! Tokens of `oidc-provider` (certified, Node) and of Authlib (Python), as JWTs and to be asked about, before a layer with real fetches.

use axum::{Router, body::Body, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_listener::{
    Authorized, BearerCheck, Fetch, FetchFailed, Introspector, Jwks, JwtVerifier, Listener, MetadataLocation, TokenClaims,
    TokenExpectations, VerifiedMessage,
};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::program::Served;

const SENDER: (&str, &str) = ("sender", "s3cret");
const STRANGER: (&str, &str) = ("stranger", "s3cret too");
const LISTENER: (&str, &str) = ("listener", "p%ss:word+");
const AUDIENCE: &str = "urn:countersign:listener";
const OPAQUE_AUDIENCE: &str = "urn:countersign:opaque";

fn clients() -> Value {
    json!([SENDER, STRANGER, LISTENER].map(|(id, secret)| json!({"client_id": id, "client_secret": secret})))
}

fn oidc_provider() -> Option<Served> {
    Served::node("oidc_provider.mjs", &json!({"clients": clients(), "ttl": 600, "opaqueResources": [OPAQUE_AUDIENCE]}))
}

fn authlib(format: &str, algorithm: &str) -> Option<Served> {
    let audience = if format == "jwt" { AUDIENCE } else { OPAQUE_AUDIENCE };
    Served::python("authlib_server.py", &json!({"clients": clients(), "format": format, "algorithm": algorithm, "audience": audience}))
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn fetch() -> impl Fetch {
    let client = client();
    move |request: Request<Bytes>, answer_bytes_max: usize| {
        let client = client.clone();
        async move {
            let failed = |error: &dyn std::fmt::Display| FetchFailed(error.to_string());
            let answer = client.request(request.map(Full::new)).await.map_err(|error| failed(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, answer_bytes_max).collect().await.map_err(|error| failed(&error))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        }
    }
}

/// A token by client credentials.
async fn token(server: &Served, (id, secret): (&str, &str), parameters: &str) -> String {
    let request = Request::post(server.text("tokenUrl"))
        .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)))))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(format!("grant_type=client_credentials&{parameters}")))
        .expect("a request");
    let answer = client().request(request).await.expect("the server answers");
    let body = answer.into_body().collect().await.expect("it answers whole").to_bytes();
    let answer: Value = serde_json::from_slice(&body).expect("it answers with JSON");
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What a layer with this check says to a message with this token: the claims, or the status of its answer.
async fn judged(check: impl Into<BearerCheck>, token: &str) -> Result<TokenClaims, StatusCode> {
    let listener = Listener::builder().bearer(check).build().expect("something is checked");
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = seen.clone();
    let application = async move |verified: VerifiedMessage| {
        if let Some(Authorized::Bearer(claims)) = verified.verdict().authorization.passed() {
            *noted.lock().expect("no panic") = Some(claims.as_ref().clone());
        }
    };
    let app = Router::new().route("/", post(application)).layer(listener.layer());
    let request = Request::post("/").header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::from("{}")).expect("a request");
    let status = app.oneshot(request).await.expect("axum does not fail").status();
    let claims = seen.lock().expect("no panic").take();
    claims.ok_or(status)
}

/// What a listener expects that takes messages of the sender alone.
fn expected(server: &Served, audience: &str) -> TokenExpectations {
    TokenExpectations::new(server.text("issuer"), audience, [SENDER.0]).scope("notify")
}

fn by_keys(server: &Served, audience: &str) -> JwtVerifier {
    let jwks = Jwks::new(server.text("jwksUrl").parse().expect("a URI"), fetch());
    JwtVerifier::new(jwks, expected(server, audience))
}

fn by_asking(server: &Served, audience: &str, (id, secret): (&str, &str)) -> Introspector {
    let endpoint = server.text("introspectionUrl").parse().expect("a URI");
    Introspector::try_new(endpoint, id, secret, fetch(), expected(server, audience)).expect("good credentials")
}

/// Claims that every good token of the sender has.
fn assert_of_sender(claims: &TokenClaims, server: &Served, audience: &str) {
    assert_eq!(claims.issuer.as_deref(), Some(server.text("issuer")));
    assert_eq!((claims.client_id.as_deref(), &claims.audience), (Some(SENDER.0), &vec![audience.to_owned()]));
    assert!(claims.scope.iter().any(|scope| scope == "notify") && claims.expires_at.is_some());
}

#[tokio::test]
async fn a_jwt_of_oidc_provider_is_verified_with_its_published_keys() {
    let Some(server) = oidc_provider() else { return };
    let good = token(&server, SENDER, "scope=notify").await;
    let claims = judged(by_keys(&server, AUDIENCE), &good).await.expect("it is good");
    assert_of_sender(&claims, &server, AUDIENCE);
    // TM-17: tokens of the same server for another listener, of another client, without the scope.
    let unauthorized = Err(StatusCode::UNAUTHORIZED);
    let for_another = token(&server, SENDER, "scope=notify&resource=https%3A%2F%2Fother.example").await;
    assert_eq!(judged(by_keys(&server, AUDIENCE), &for_another).await, unauthorized);
    assert!(judged(by_keys(&server, "https://other.example"), &for_another).await.is_ok());
    let of_stranger = token(&server, STRANGER, "scope=notify").await;
    assert_eq!(judged(by_keys(&server, AUDIENCE), &of_stranger).await, unauthorized);
    let without_scope = token(&server, SENDER, "").await;
    assert_eq!(judged(by_keys(&server, AUDIENCE), &without_scope).await, Err(StatusCode::FORBIDDEN));
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    assert_eq!(judged(by_keys(&server, AUDIENCE), &forged).await, unauthorized);
}

#[tokio::test]
async fn the_keys_of_oidc_provider_are_found_by_its_issuer() {
    let Some(server) = oidc_provider() else { return };
    let good = token(&server, SENDER, "scope=notify").await;
    for location in [MetadataLocation::OAuth, MetadataLocation::OpenId] {
        let jwks = Jwks::discover(server.text("issuer"), location, fetch()).expect("an issuer on loopback");
        let claims = judged(JwtVerifier::new(jwks, expected(&server, AUDIENCE)), &good).await.expect("it is good");
        assert_of_sender(&claims, &server, AUDIENCE);
    }
    // Another spelling of the same server is another issuer.
    let other = server.text("issuer").replace("127.0.0.1", "localhost");
    let jwks = Jwks::discover(&other, MetadataLocation::OAuth, fetch()).expect("an issuer on loopback");
    assert_eq!(judged(JwtVerifier::new(jwks, expected(&server, AUDIENCE)), &good).await, Err(StatusCode::SERVICE_UNAVAILABLE));
}

#[tokio::test]
async fn an_opaque_token_of_oidc_provider_is_asked_about() {
    let Some(server) = oidc_provider() else { return };
    let resource = format!("scope=notify&resource={}", encoded(OPAQUE_AUDIENCE));
    let good = token(&server, SENDER, &resource).await;
    assert!(!good.contains('.'), "it is opaque: {good}");
    let claims = judged(by_asking(&server, OPAQUE_AUDIENCE, LISTENER), &good).await.expect("it is good");
    assert_of_sender(&claims, &server, OPAQUE_AUDIENCE);
    let unauthorized = Err(StatusCode::UNAUTHORIZED);
    assert_eq!(judged(by_asking(&server, AUDIENCE, LISTENER), &good).await, unauthorized, "for another listener");
    assert_eq!(judged(by_asking(&server, OPAQUE_AUDIENCE, LISTENER), "unknown-to-the-server").await, unauthorized);
    let of_stranger = token(&server, STRANGER, &resource).await;
    assert_eq!(judged(by_asking(&server, OPAQUE_AUDIENCE, LISTENER), &of_stranger).await, unauthorized);
    // Our own credentials are wrong: nobody gets in, and the sender tries again.
    let wrong = by_asking(&server, OPAQUE_AUDIENCE, (LISTENER.0, "wrong"));
    assert_eq!(judged(wrong, &good).await, Err(StatusCode::SERVICE_UNAVAILABLE));
}

#[tokio::test]
async fn jwts_of_authlib_are_verified_with_rsa_and_with_elliptic_curves() {
    for algorithm in ["RS256", "ES256"] {
        let Some(server) = authlib("jwt", algorithm) else { return };
        let good = token(&server, SENDER, "scope=notify").await;
        let claims = judged(by_keys(&server, AUDIENCE), &good).await.expect("it is good");
        assert_of_sender(&claims, &server, AUDIENCE);
        let jwks = Jwks::discover(server.text("issuer"), MetadataLocation::OAuth, fetch()).expect("an issuer on loopback");
        assert!(judged(JwtVerifier::new(jwks, expected(&server, AUDIENCE)), &good).await.is_ok(), "{algorithm} by discovery");
        assert_eq!(judged(by_keys(&server, "urn:other"), &good).await, Err(StatusCode::UNAUTHORIZED), "{algorithm}");
        let of_stranger = token(&server, STRANGER, "scope=notify").await;
        assert_eq!(judged(by_keys(&server, AUDIENCE), &of_stranger).await, Err(StatusCode::UNAUTHORIZED), "{algorithm}");
    }
}

#[tokio::test]
async fn an_opaque_token_of_authlib_is_asked_about() {
    let Some(server) = authlib("opaque", "RS256") else { return };
    let good = token(&server, SENDER, "scope=notify").await;
    let claims = judged(by_asking(&server, OPAQUE_AUDIENCE, LISTENER), &good).await.expect("it is good");
    assert_of_sender(&claims, &server, OPAQUE_AUDIENCE);
    assert_eq!(judged(by_asking(&server, OPAQUE_AUDIENCE, LISTENER), "unknown").await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(judged(by_asking(&server, AUDIENCE, LISTENER), &good).await, Err(StatusCode::UNAUTHORIZED));
    let wrong = by_asking(&server, OPAQUE_AUDIENCE, (LISTENER.0, "wrong"));
    assert_eq!(judged(wrong, &good).await, Err(StatusCode::SERVICE_UNAVAILABLE));
}

#[tokio::test]
async fn a_server_that_has_gone_is_answered_with_503() {
    let Some(server) = oidc_provider() else { return };
    let good = token(&server, SENDER, "scope=notify").await;
    let (keys, asking) = (by_keys(&server, AUDIENCE), by_asking(&server, AUDIENCE, LISTENER));
    drop(server);
    assert_eq!(judged(keys, &good).await, Err(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(judged(asking, &good).await, Err(StatusCode::SERVICE_UNAVAILABLE));
}

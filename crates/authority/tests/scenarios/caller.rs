//! Calls an authority without a network, on a clock that is moved by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use countersign_authority::{Authority, Clock, Settings};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// 2025-11-01T10:00:00Z: where the clock of these tests begins.
pub(crate) const START_S: u64 = 1_761_991_200;

pub(crate) const ISSUER: &str = "http://as.test";

/// An authority and its clock.
pub(crate) struct Subject {
    pub(crate) authority: Authority,
    now_s: Arc<AtomicU64>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON, not {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.text("error"))
    }
}

impl Subject {
    pub(crate) fn with(settings: Settings) -> Self {
        let now_s = Arc::new(AtomicU64::new(START_S));
        let clock = Arc::clone(&now_s);
        let clock = Clock::from_fn(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)));
        Self { authority: Authority::try_new(settings.clock(clock)).unwrap(), now_s }
    }

    pub(crate) fn let_pass(&self, seconds: u64) {
        self.now_s.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.authority.standalone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A form request, with an `Authorization` header when it is not empty.
    pub(crate) async fn post(&self, path: &str, authorization: &str, form: &str) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// A token for a client that uses Basic.
    pub(crate) async fn token(&self, authorization: &str) -> String {
        let answer = self.post("/token", authorization, "grant_type=client_credentials").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token")
    }

    pub(crate) async fn introspect(&self, authorization: &str, token: &str) -> Value {
        let answer = self.post("/introspect", authorization, &form(&[("token", token)])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

/// `Authorization: Basic`, as RFC 6749 §2.3.1 wants it.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The header and the claims of a JWT, once the published keys verify it.
pub(crate) async fn verified(subject: &Subject, token: &str) -> (jsonwebtoken::Header, Value) {
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(subject.get("/jwks").await.json()).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).expect("the key that signed is published");
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    // The clock of these tests is not the machine's.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).expect("a good signature").claims;
    (header, claims)
}

//! An authorization server of a few lines: keys that sign anything, and answers that a test sets.

use std::collections::HashMap;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};
use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign_listener::{
    BoxFuture, Clock, Fetch, FetchFailed, Jwks, JwtVerifier, TokenClaims, TokenExpectations, TokenRefused, VerifyToken,
};
use http::{Request, Response, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://listener.example/webhook";
pub(crate) const CLIENT: &str = "connect";
pub(crate) const NOW: u64 = 1_800_000_000;

/// A key pair of the server.
pub(crate) struct ServerKey {
    pub(crate) id: String,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
    /// The public half as `SubjectPublicKeyInfo`.
    pub(crate) public_der: Vec<u8>,
    pub(crate) public_pem: String,
}

impl ServerKey {
    fn new(id: &str, algorithm: Algorithm, private: EncodingKey, pair: &rcgen::KeyPair) -> Self {
        let public = Jwk::from_encoding_key(&private, algorithm).expect("it has a public half");
        Self::with_public(id, algorithm, private, serde_json::to_value(public).expect("it is JSON"), pair)
    }

    fn with_public(id: &str, algorithm: Algorithm, private: EncodingKey, public: Value, pair: &rcgen::KeyPair) -> Self {
        use rcgen::PublicKeyData as _;
        let (public_der, public_pem) = (pair.subject_public_key_info(), pair.public_key_pem());
        Self { id: id.into(), algorithm, private, public, public_der, public_pem }
    }

    pub(crate) fn es256(id: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key can be made");
        Self::new(id, Algorithm::ES256, EncodingKey::from_ec_der(pair.serialized_der()), &pair)
    }

    pub(crate) fn ed25519(id: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key can be made");
        // The library does not read the public half out of this form of private key.
        let public = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key_raw())});
        Self::with_public(id, Algorithm::EdDSA, EncodingKey::from_ed_der(pair.serialized_der()), public, &pair)
    }

    pub(crate) fn rsa(id: &str, algorithm: Algorithm) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key can be made");
        // By way of PEM: the DER constructor wants PKCS #1.
        let private = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).expect("it is an RSA key");
        Self::new(id, algorithm, private, &pair)
    }

    /// The public half as published.
    pub(crate) fn public(&self) -> Value {
        with(self.public.clone(), "kid", self.id.clone().into())
    }

    pub(crate) fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": format!("{:?}", self.algorithm), "kid": self.id})
    }

    /// A token of these texts, signed whatever they say.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.private, self.algorithm).expect("the key signs");
        format!("{signed}.{signature}")
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }
}

/// The claims of a token that is good in every way.
pub(crate) fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": CLIENT, "client_id": CLIENT, "scope": "notify other",
        "iat": NOW - 10, "exp": NOW + 600, "jti": "t1",
    })
}

/// `value` with one member changed; `null` takes it out.
pub(crate) fn with(mut value: Value, name: &str, member: Value) -> Value {
    let members = value.as_object_mut().expect("an object");
    match member {
        Value::Null => members.remove(name),
        member => members.insert(name.into(), member),
    };
    value
}

pub(crate) fn expectations() -> TokenExpectations {
    TokenExpectations::new(ISSUER, AUDIENCE, [CLIENT]).scope("notify")
}

/// Answers every request with what was set last, and counts them.
#[derive(Clone)]
pub(crate) struct FakeServer {
    answer: Arc<Mutex<Result<Response<Bytes>, FetchFailed>>>,
    pub(crate) requests: Arc<Mutex<Vec<Request<Bytes>>>>,
    count: Arc<AtomicUsize>,
    at: Arc<Mutex<HashMap<String, Response<Bytes>>>>,
}

impl FakeServer {
    pub(crate) fn with_json(body: &Value) -> Self {
        let answer = Arc::new(Mutex::new(Err(FetchFailed("not set".into()))));
        let server = Self { answer, requests: Arc::default(), count: Arc::default(), at: Arc::default() };
        server.set_json(body);
        server
    }

    pub(crate) fn with_keys(keys: &[&ServerKey]) -> Self {
        Self::with_json(&key_set(keys))
    }

    pub(crate) fn set_json(&self, body: &Value) {
        self.set(StatusCode::OK, "application/json", &body.to_string());
    }

    pub(crate) fn set(&self, status: StatusCode, kind: &str, body: &str) {
        let answer = Response::builder().status(status).header("content-type", kind).body(Bytes::from(body.to_owned()));
        *self.answer.lock().expect("no test panics with it") = Ok(answer.expect("a good answer"));
    }

    /// Answers at one address alone as set here, and elsewhere with what was set for all.
    pub(crate) fn set_json_at(&self, uri: &str, body: &Value) {
        let answer = Response::builder().header("content-type", "application/json").body(Bytes::from(body.to_string()));
        self.at.lock().expect("no test panics with it").insert(uri.into(), answer.expect("a good answer"));
    }

    pub(crate) fn set_down(&self) {
        *self.answer.lock().expect("no test panics with it") = Err(FetchFailed("connection refused".into()));
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn jwks(&self) -> Jwks {
        Jwks::new("https://id.example/jwks".parse().expect("a URI"), self.clone())
    }

    pub(crate) fn jwt_verifier(&self) -> JwtVerifier {
        JwtVerifier::new(self.jwks(), expectations())
    }
}

impl Fetch for FakeServer {
    fn fetch(&self, request: Request<Bytes>, _answer_bytes_max: usize) -> BoxFuture<'static, Result<Response<Bytes>, FetchFailed>> {
        self.count.fetch_add(1, Ordering::SeqCst);
        let at = self.at.lock().expect("no test panics with it").get(&request.uri().to_string()).cloned();
        self.requests.lock().expect("no test panics with it").push(request);
        let answer = at.map_or_else(|| self.answer.lock().expect("no test panics with it").clone(), Ok);
        Box::pin(async move {
            // Lets those who came at the same time wait.
            tokio::task::yield_now().await;
            answer
        })
    }
}

pub(crate) fn key_set(keys: &[&ServerKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()})
}

/// What a verifier says to a token now, over a connection without a certificate.
pub(crate) async fn verify(verifier: &impl VerifyToken, token: &str) -> Result<TokenClaims, TokenRefused> {
    verifier.verify(token, None, NOW).await
}

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = Arc::clone(&self.0);
        Clock::from_fn(move || UNIX_EPOCH + Duration::from_secs(time.load(Ordering::SeqCst)))
    }
}

//! The layer answers whatever request it is given, and lets through what a second look confirms.
//!
//! An input reads as: the target of the request, the address it comes from, headers as lines, an empty line, the body.

#![no_main]

mod message;

use std::net::IpAddr;

use bytes::Bytes;
use countersign_listener::{
    BasicCheck, ClientCertificateCheck, Clock, FetchFailed, IpNet, Jwks, JwtVerifier, Listener, MemoryReplayGuard, PeerAddress, ReplayKey,
    TokenExpectations, TrustedProxy, VerifiedMessage,
};
use countersign_signature::{HmacKey, standard_webhooks::StandardKey, verify};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use message::Message;
use tower::{Layer as _, ServiceExt as _, service_fn};

const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";
const NOW: u64 = 1_800_000_000;

fn key() -> HmacKey {
    HmacKey::try_new(KEY).expect("a good key")
}

/// Listeners that between them have every check, behind one of which each input goes.
fn listeners() -> [Listener; 3] {
    let clock = || Clock::from_fn(|| std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW));
    let network = || ["10.0.0.0/8".parse::<IpNet>().expect("a network")];
    let keys = Jwks::new("https://id.example/jwks".parse().expect("a URI"), |_: Request<Bytes>, _: usize| async {
        Err::<Response<Bytes>, _>(FetchFailed("there is no network in here".into()))
    });
    let expectations = TokenExpectations::new("https://id.example", "listener", ["sender"]);
    let standard = StandardKey::try_new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let builders = [
        Listener::builder().hmac([key()]).replay_guard(MemoryReplayGuard::default()),
        Listener::builder()
            .hmac([key()])
            .basic(BasicCheck::try_new("docu", "s3cret").expect("a good pair"))
            .bearer(JwtVerifier::new(keys, expectations))
            .account_ids(["a"])
            .trusted_proxy(TrustedProxy::envoy(network()))
            .body_bytes_max(1_000),
        Listener::builder()
            .standard_webhooks([standard])
            .client_certificate(ClientCertificateCheck::verified())
            .trusted_proxy(TrustedProxy::nginx(network())),
    ];
    builders.map(|builder| builder.clock(clock()).build().expect("something is checked"))
}

fuzz_target!(|input: &[u8]| {
    thread_local! {
        static LISTENERS: [Listener; 3] = listeners();
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    let message = Message::read(input);
    let target = std::str::from_utf8(message.key).ok().and_then(|target| target.parse::<http::Uri>().ok()).unwrap_or_default();
    let peer = std::str::from_utf8(message.other_key).ok().and_then(|peer| peer.parse::<IpAddr>().ok());
    for number in 0..3 {
        let mut request = Request::post(target.clone()).body(Full::new(Bytes::copy_from_slice(message.body))).expect("a request");
        peer.map(|peer| request.extensions_mut().insert(PeerAddress(peer)));
        for (name, value) in &message.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
                request.headers_mut().append(name, value);
            }
        }
        let headers = request.headers().clone();
        let body = message.body.to_vec();
        let application = service_fn(move |request: Request<Full<Bytes>>| {
            let verified = VerifiedMessage::from_extensions(request.extensions()).expect("the layer was passed");
            assert!(verified.verdict().is_accepted() && verified.body() == body.as_slice());
            let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            assert!(number == 2 || verify(&[key()], pairs, &body).is_ok(), "only signed messages are let through");
            let _ = (verified.message(), ReplayKey::of_body(verified.body()));
            async { Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default())) }
        });
        let service = LISTENERS.with(|listeners| listeners[number].layer()).layer(application);
        let answer = RUNTIME.with(|runtime| runtime.block_on(service.oneshot(request))).unwrap_or_else(|never| match never {});
        let status = answer.status();
        let challenged = answer.headers().contains_key("www-authenticate");
        assert!(status != StatusCode::UNAUTHORIZED || challenged, "a 401 has a challenge");
        assert!(status != StatusCode::SERVICE_UNAVAILABLE || answer.headers().contains_key("retry-after"));
    }
});

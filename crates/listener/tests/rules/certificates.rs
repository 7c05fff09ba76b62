//! L-8705, L-9700-8: client certificates, shown on the connection or named by a proxy.

use std::net::IpAddr;

use axum::{Extension, Router, body::Body, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_listener::{
    BasicCheck, CertificateRefused, CertificateSource, Checked, ClientCertificateCheck, IpNet, Listener, ListenerBuilder, PeerAddress,
    PeerCertificate, Refusal, TrustedProxy, Verdict,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use crate::support::{FakeServer, ServerKey, TestClock, good_claims, with};

/// Headers by name.
type Headers = Vec<(&'static str, String)>;

const PROXY: &str = "10.1.2.3";

/// A certificate of this DNS name.
fn certificate(name: &str) -> Bytes {
    let key = rcgen::KeyPair::generate().expect("a key can be made");
    let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a DNS name");
    Bytes::from(parameters.self_signed(&key).expect("a certificate can be made").der().to_vec())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// As nginx writes it: the PEM form, everything percent-encoded that is not unreserved.
fn escaped(der: &[u8]) -> String {
    let lines: Vec<String> = STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    pem.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn local(proxy: impl Fn([IpNet; 1]) -> TrustedProxy) -> TrustedProxy {
    proxy(["10.1.0.0/16".parse().expect("a network")])
}

/// What became of a request, and what the application saw of it.
struct Seen {
    status: StatusCode,
    verdict: Option<Verdict>,
    certificate: Option<Bytes>,
    headers: HeaderMap,
}

/// Sends a request from `peer`, over a connection with `own` as certificate.
async fn send(builder: ListenerBuilder, peer: Option<&str>, own: Option<&Bytes>, headers: &[(&str, String)]) -> Seen {
    let observed = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (inner, outer) = (observed.clone(), observed.clone());
    let application = async move |certificate: Option<Extension<PeerCertificate>>, headers: HeaderMap| {
        *inner.lock().expect("no panic") = Some((certificate.map(|certificate| certificate.0.0), headers));
    };
    let verdicts = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = verdicts.clone();
    let listener = builder
        .clock(TestClock::new().clock())
        .observer(move |_, verdict| *noted.lock().expect("no panic") = Some(verdict.clone()))
        .build()
        .expect("something is checked");
    let app = Router::new().route("/", post(application)).layer(listener.layer());
    let mut request = Request::post("/").body(Body::from("{}")).expect("a request");
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header name");
        request.headers_mut().append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    let peer = peer.map(|peer| peer.parse::<IpAddr>().expect("an address"));
    peer.map(|peer| request.extensions_mut().insert(PeerAddress(peer)));
    own.map(|own| request.extensions_mut().insert(PeerCertificate(own.clone())));
    let status = app.oneshot(request).await.expect("axum does not fail").status();
    let (certificate, headers) = outer.lock().expect("no panic").take().unwrap_or_default();
    let verdict = verdicts.lock().expect("no panic").take();
    Seen { status, verdict, certificate, headers }
}

fn refusal(seen: &Seen) -> Option<&Refusal> {
    seen.verdict.as_ref().and_then(Verdict::refusal)
}

#[tokio::test]
async fn a_certificate_is_demanded_and_must_be_one_of_those_expected() {
    let (own, other) = (certificate("connect.example.com"), certificate("other.example.com"));
    let junk = Bytes::from_static(b"junk");
    let any = ClientCertificateCheck::verified;
    let named = |name: &str| any().dns_name(name).expect("a DNS name");
    let rows: Vec<(&str, ClientCertificateCheck, Option<&Bytes>, Option<CertificateRefused>)> = vec![
        ("any", any(), Some(&own), None),
        ("none shown", any(), None, Some(CertificateRefused::Missing)),
        ("its thumbprint", any().thumbprint(sha256(&own)), Some(&own), None),
        ("another thumbprint", any().thumbprint(sha256(&other)), Some(&own), Some(CertificateRefused::Unexpected)),
        ("one of two thumbprints", any().thumbprint(sha256(&other)).thumbprint(sha256(&own)), Some(&own), None),
        ("its name", named("connect.example.com"), Some(&own), None),
        ("its name in capitals", named("CONNECT.example.com"), Some(&own), None),
        ("another name", named("connect.example.org"), Some(&own), Some(CertificateRefused::Unexpected)),
        ("a part of its name", named("example.com"), Some(&own), Some(CertificateRefused::Unexpected)),
        ("name or thumbprint", named("connect.example.org").thumbprint(sha256(&own)), Some(&own), None),
        ("no certificate at all", named("connect.example.com"), Some(&junk), Some(CertificateRefused::Unexpected)),
    ];
    for (row, check, shown, expected) in rows {
        let seen = send(Listener::builder().client_certificate(check), None, shown, &[]).await;
        assert_eq!(refusal(&seen), expected.map(Refusal::Certificate).as_ref(), "{row}");
        assert_eq!(seen.status, if expected.is_none() { StatusCode::OK } else { StatusCode::FORBIDDEN }, "{row}");
    }
    for name in ["", "a b", "127.0.0.1x/", "*"] {
        assert!(any().dns_name(name).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_certificate_goes_with_the_other_checks_and_replaces_none() {
    let own = certificate("connect.example.com");
    let basic = || BasicCheck::try_new("docu", "s3cret").expect("a good pair");
    let builder = || Listener::builder().basic(basic()).client_certificate(ClientCertificateCheck::verified());
    let good = [("authorization", format!("Basic {}", STANDARD.encode("docu:s3cret")))];
    assert_eq!(send(builder(), None, Some(&own), &good).await.status, StatusCode::OK);
    assert_eq!(send(builder(), None, Some(&own), &[]).await.status, StatusCode::UNAUTHORIZED);
    let without = send(builder(), None, None, &good).await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    let verdict = without.verdict.expect("it was judged");
    assert_eq!((verdict.authorization, verdict.body), (Checked::NotReached, Checked::NotReached));
}

#[tokio::test]
async fn l_8705_2_a_certificate_header_counts_only_from_a_configured_proxy() {
    let (own, of_proxy) = (certificate("connect.example.com"), certificate("proxy.internal"));
    let check = || ClientCertificateCheck::verified().thumbprint(sha256(&own));
    let builder = || Listener::builder().client_certificate(check()).trusted_proxy(local(TrustedProxy::nginx));
    let header = [("ssl-client-escaped-cert", escaped(&own))];
    let good = send(builder(), Some(PROXY), Some(&of_proxy), &header).await;
    assert_eq!(good.status, StatusCode::OK);
    assert_eq!(good.certificate.as_ref(), Some(&own), "the application sees the sender's certificate, not the proxy's");
    let source = good.verdict.expect("it was judged").certificate.passed().map(|accepted| accepted.source);
    assert_eq!(source, Some(CertificateSource::Proxy(PROXY.parse().expect("an address"))));
    assert_eq!(send(builder(), Some("::ffff:10.1.2.3"), None, &header).await.status, StatusCode::OK, "an address of a dual-stack socket");
    let missing = CertificateRefused::Missing;
    let stranger = CertificateRefused::UntrustedProxy("10.2.0.1".parse().expect("an address"));
    for (row, peer, headers, expected) in [
        ("a stranger's header", Some("10.2.0.1"), &header[..], stranger),
        ("a stranger without one", Some("10.2.0.1"), &[][..], missing),
        ("nobody knows from where", None, &header[..], missing),
        ("the proxy says nothing", Some(PROXY), &[][..], missing),
        ("the proxy says that there is none", Some(PROXY), &[("ssl-client-escaped-cert", String::new())][..], missing),
        ("another proxy's header", Some(PROXY), &[("client-cert", format!(":{}:", STANDARD.encode(&own)))][..], missing),
    ] {
        let seen = send(builder(), peer, None, headers).await;
        assert_eq!((refusal(&seen), seen.status), (Some(&Refusal::Certificate(expected)), StatusCode::FORBIDDEN), "{row}");
    }
    // The proxy's own certificate is not the sender's.
    let as_proxy = Listener::builder().client_certificate(ClientCertificateCheck::verified()).trusted_proxy(local(TrustedProxy::nginx));
    assert_eq!(send(as_proxy, Some(PROXY), Some(&of_proxy), &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn l_9700_8_what_a_stranger_says_of_its_certificate_does_not_reach_the_application() {
    let own = certificate("connect.example.com");
    let names = ["ssl-client-escaped-cert", "x-forwarded-client-cert", "client-cert", "x-own", "ssl-client-verify"];
    let headers: Vec<(&str, String)> = names.iter().map(|name| (*name, escaped(&own))).chain([("x-other", "kept".into())]).collect();
    let basic = || BasicCheck::try_new("docu", "s3cret").expect("a good pair");
    let authorization = ("authorization", format!("Basic {}", STANDARD.encode("docu:s3cret")));
    let headers: Vec<_> = headers.into_iter().chain([authorization]).collect();
    let kept = |seen: &Seen| names.iter().copied().filter(|name| seen.headers.contains_key(*name)).collect::<Vec<_>>();

    let without = send(Listener::builder().basic(basic()), Some(PROXY), None, &headers).await;
    assert_eq!((kept(&without), without.certificate.is_none()), (vec!["x-own", "ssl-client-verify"], true));
    assert!(without.headers.contains_key("x-other"));
    let proxy = || {
        local(TrustedProxy::nginx).header(HeaderName::from_static("x-own")).demand_verified(HeaderName::from_static("ssl-client-verify"))
    };
    let stranger = send(Listener::builder().basic(basic()).trusted_proxy(proxy()), Some("10.2.0.1"), None, &headers).await;
    assert_eq!((kept(&stranger), stranger.status), (Vec::<&str>::new(), StatusCode::OK));
    let good: Vec<_> =
        headers.into_iter().map(|(name, value)| (name, if name == "ssl-client-verify" { "SUCCESS".into() } else { value })).collect();
    let trusted = send(Listener::builder().basic(basic()).trusted_proxy(proxy()), Some(PROXY), None, &good).await;
    assert_eq!((kept(&trusted), trusted.certificate.as_ref()), (vec!["x-own", "ssl-client-verify"], Some(&own)));
}

#[tokio::test]
async fn l_8705_2_only_one_readable_and_verified_certificate_is_taken_from_a_proxy() {
    let own = certificate("connect.example.com");
    let (nginx, envoy, standard) = ("ssl-client-escaped-cert", "x-forwarded-client-cert", "client-cert");
    let pem = escaped(&own);
    let element = format!("By=spiffe://proxy;Hash=00;Cert=\"{pem}\";Subject=\"CN=a, O=\\\"b\\\"\";URI=");
    let bytes = STANDARD.encode(&own);
    let unreadable = Some(CertificateRefused::Unreadable);
    let missing = Some(CertificateRefused::Missing);
    let rows: Vec<(&str, TrustedProxy, Headers, Option<CertificateRefused>)> = vec![
        ("nginx", local(TrustedProxy::nginx), vec![(nginx, pem.clone())], None),
        ("twice", local(TrustedProxy::nginx), vec![(nginx, pem.clone()), (nginx, pem.clone())], unreadable),
        ("not PEM", local(TrustedProxy::nginx), vec![(nginx, bytes.clone())], unreadable),
        ("cut", local(TrustedProxy::nginx), vec![(nginx, pem[..pem.len() - 20].to_owned())], unreadable),
        ("a chain", local(TrustedProxy::nginx), vec![(nginx, format!("{pem}{pem}"))], unreadable),
        ("over 32 KiB", local(TrustedProxy::nginx), vec![(nginx, "%41".repeat(11_000))], unreadable),
        ("envoy", local(TrustedProxy::envoy), vec![(envoy, element.clone())], None),
        ("envoy, two elements", local(TrustedProxy::envoy), vec![(envoy, format!("{element},{element}"))], unreadable),
        ("envoy, two certificates", local(TrustedProxy::envoy), vec![(envoy, format!("{element};Cert=\"{pem}\""))], unreadable),
        ("envoy, no certificate", local(TrustedProxy::envoy), vec![(envoy, "Hash=00".into())], missing),
        ("envoy, open quotes", local(TrustedProxy::envoy), vec![(envoy, format!("Cert=\"{pem}"))], unreadable),
        ("rfc 9440", local(TrustedProxy::rfc9440), vec![(standard, format!(":{bytes}:"))], None),
        ("rfc 9440 without colons", local(TrustedProxy::rfc9440), vec![(standard, bytes.clone())], unreadable),
        ("rfc 9440 empty", local(TrustedProxy::rfc9440), vec![(standard, "::".into())], unreadable),
        ("rfc 9440 one colon", local(TrustedProxy::rfc9440), vec![(standard, ":".into())], unreadable),
    ];
    for (row, proxy, headers, expected) in rows {
        let check = ClientCertificateCheck::verified().thumbprint(sha256(&own));
        let seen = send(Listener::builder().client_certificate(check).trusted_proxy(proxy), Some(PROXY), None, &headers).await;
        assert_eq!(refusal(&seen), expected.map(Refusal::Certificate).as_ref(), "{row}");
        let status = match expected {
            None => StatusCode::OK,
            Some(CertificateRefused::Unreadable) => StatusCode::BAD_REQUEST,
            Some(_) => StatusCode::FORBIDDEN,
        };
        assert_eq!(seen.status, status, "{row}");
    }
    // A header that cannot be read refuses even when no certificate is asked for: the proxy is not what it was taken for.
    let basic = BasicCheck::try_new("docu", "s3cret").expect("a good pair");
    let seen = send(Listener::builder().basic(basic).trusted_proxy(local(TrustedProxy::nginx)), Some(PROXY), None, &[(nginx, bytes)]).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    // nginx with `optional_no_ca` hands on what it has not verified.
    let verify = "ssl-client-verify";
    for (verdict, expected) in [
        (Some("SUCCESS"), None),
        (Some("FAILED:self-signed certificate"), Some(CertificateRefused::NotVerified)),
        (Some("NONE"), Some(CertificateRefused::NotVerified)),
        (None, Some(CertificateRefused::NotVerified)),
    ] {
        let proxy = local(TrustedProxy::nginx).demand_verified(HeaderName::from_static(verify));
        let headers: Vec<_> = [(nginx, pem.clone())].into_iter().chain(verdict.map(|verdict| (verify, verdict.to_owned()))).collect();
        let builder = Listener::builder().client_certificate(ClientCertificateCheck::verified()).trusted_proxy(proxy);
        let seen = send(builder, Some(PROXY), None, &headers).await;
        assert_eq!(refusal(&seen), expected.map(Refusal::Certificate).as_ref(), "{verdict:?}");
    }
}

#[tokio::test]
async fn l_8705_1_a_bound_token_passes_with_the_certificate_that_a_trusted_proxy_names() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (own, other) = (certificate("connect.example.com"), certificate("other.example.com"));
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let confirmation = serde_json::json!({"x5t#S256": URL_SAFE_NO_PAD.encode(sha256(&own))});
    let token = format!("Bearer {}", key.token(&with(good_claims(), "cnf", confirmation)));
    let builder = || Listener::builder().bearer(server.jwt_verifier()).trusted_proxy(local(TrustedProxy::nginx));
    let headers = |named: &Bytes| [("authorization", token.clone()), ("ssl-client-escaped-cert", escaped(named))];
    assert_eq!(send(builder(), Some(PROXY), None, &headers(&own)).await.status, StatusCode::OK);
    assert_eq!(send(builder(), Some(PROXY), None, &headers(&other)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(send(builder(), Some("10.2.0.1"), None, &headers(&own)).await.status, StatusCode::UNAUTHORIZED, "from a stranger");
    assert_eq!(send(builder(), Some("10.2.0.1"), Some(&own), &headers(&other)).await.status, StatusCode::OK, "its own connection");
    assert_eq!(send(builder(), Some(PROXY), Some(&own), &headers(&other)).await.status, StatusCode::UNAUTHORIZED, "not the proxy's own");
    assert_eq!(send(builder(), None, None, &[("authorization", token.clone())]).await.status, StatusCode::UNAUTHORIZED);
}

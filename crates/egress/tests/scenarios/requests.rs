//! What goes over the wire.

use bytes::Bytes;
use countersign_egress::{FailureCause, Payload, Request, RequestFault, TlsProfile};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::server::{Server, egress, ok};

#[tokio::test]
async fn a_message_is_framed_once_and_spelled_as_listeners_expect() {
    let server = Server::always(ok("")).await;
    let mut headers = HeaderMap::new();
    headers.insert("x-docusign-signature-1", HeaderValue::from_static("abc="));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(http::header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let body = r#"{"event":"envelope-sent"}"#;
    egress().send(Request { headers, ..Request::post(server.target("/hook?a=b"), body) }).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.head.lines().next(), Some("POST /hook?a=b HTTP/1.1"));
    assert_eq!(seen.header("Host"), [server.address.to_string()]);
    assert_eq!(seen.header("Content-Length"), [body.len().to_string()]);
    assert_eq!(seen.header("X-Docusign-Signature-1"), ["abc="]);
    assert_eq!(seen.header("Accept-Encoding"), ["identity"], "we never inflate");
    assert_eq!(seen.header("Transfer-Encoding"), Vec::<&str>::new());
    assert_eq!(seen.header("User-Agent"), Vec::<&str>::new(), "nothing is added that was not asked for");
    assert_eq!(seen.body, body.as_bytes());
}

#[tokio::test]
async fn segments_arrive_as_one_body_of_known_length() {
    let server = Server::always(ok("")).await;
    let large = Bytes::from(vec![b'y'; 3 << 20]);
    let segments = vec![Bytes::from_static(b"{\"data\":\""), large.clone(), Bytes::new(), Bytes::from_static(b"\"}")];
    let whole: Vec<u8> = segments.concat();
    for payload in [Payload::from(segments), Payload::from(Bytes::from(whole.clone())), Payload::from("")] {
        let length = payload.len().to_string();
        egress().send(Request::post(server.target("/"), payload)).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.header("Content-Length"), [length.as_str()]);
        assert!(seen.body == whole || seen.body.is_empty());
    }
}

#[tokio::test]
async fn headers_that_frame_a_message_are_refused() {
    let server = Server::always(ok("")).await;
    for name in ["host", "content-length", "transfer-encoding", "connection"] {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))]);
        let failure = egress().send(Request { headers, ..Request::post(server.target("/"), "{}") }).await.expect_err(name);
        assert_eq!(failure.cause, FailureCause::Request(RequestFault::FramingHeader), "{name}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn nothing_printed_shows_a_credential() {
    let mut value = HeaderValue::from_static("Bearer abc.def.ghi");
    value.set_sensitive(true);
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    let target = crate::server::target("https://listener.example/hook/s3cret");
    let request = Request { headers, profile: TlsProfile::plain(), ..Request::post(target, "client_secret=hunter2") };
    let printed = format!("{request:?}");
    assert!(!printed.contains("abc.def") && !printed.contains("s3cret") && !printed.contains("hunter2"), "{printed}");
}

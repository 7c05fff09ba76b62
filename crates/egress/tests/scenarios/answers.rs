//! Whatever comes back, it is over in time and takes little memory, and nothing is sent twice.

use std::time::{Duration, Instant};

use countersign_egress::{Answer, BodyEnd, FailureCause, Limits, Request, SendFailure, Settings, TimeoutKind};

use crate::server::{Reply, Server, answer, egress, egress_with, ok, patient, quick};

async fn exchange(reply: Reply, settings: Settings) -> (Server, Result<Answer, SendFailure>) {
    let server = Server::always(reply).await;
    let result = egress_with(settings).send(Request::post(server.target("/hook"), "{}")).await;
    (server, result)
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[tokio::test]
async fn faults_of_a_listener_are_told_apart_and_cost_one_request() {
    let head = "HTTP/1.1 200 OK\r\n";
    let many_headers: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (name, reply, cause) in [
        ("close before an answer", Reply::WriteAndClose(Vec::new()), FailureCause::Closed),
        ("close in the status line", Reply::WriteAndClose(bytes("HTTP/1.1 20")), FailureCause::Closed),
        ("close in the headers", Reply::WriteAndClose(bytes("HTTP/1.1 200 OK\r\nX: ")), FailureCause::Closed),
        ("reset", Reply::Reset, FailureCause::Closed),
        ("garbage", Reply::WriteAndClose(bytes("\x16\x03\x01 what is this\r\n\r\n")), FailureCause::BadAnswer),
        ("another protocol", Reply::WriteAndClose(bytes("SSH-2.0-OpenSSH_9.9\r\n")), FailureCause::BadAnswer),
        ("a status out of range", Reply::WriteAndClose(bytes("HTTP/1.1 20 OK\r\n\r\n")), FailureCause::BadAnswer),
        ("HTTP/2 preface", Reply::WriteAndClose(bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), FailureCause::BadAnswer),
        ("a bad length", Reply::WriteAndClose(bytes(&format!("{head}Content-Length: x\r\n\r\n"))), FailureCause::BadAnswer),
        (
            "two lengths",
            Reply::WriteAndClose(bytes(&format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\na"))),
            FailureCause::BadAnswer,
        ),
        (
            "both kinds of framing",
            Reply::WriteAndClose(bytes(&format!("{head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"))),
            FailureCause::BadAnswer,
        ),
        ("NUL in a header", Reply::WriteAndClose(bytes(&format!("{head}X: a\0b\r\n\r\n"))), FailureCause::BadAnswer),
        ("a folded header", Reply::WriteAndClose(bytes(&format!("{head}X: a\r\n b\r\n\r\n"))), FailureCause::BadAnswer),
        (
            "endless headers",
            Reply::Endless(bytes(head), bytes("X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")),
            FailureCause::HeadTooLong,
        ),
        ("one endless header", Reply::Endless(bytes("HTTP/1.1 200 OK\r\nX: "), vec![b'a'; 1_024]), FailureCause::HeadTooLong),
        ("many headers", Reply::Write(bytes(&format!("{head}{many_headers}\r\n"))), FailureCause::HeadTooLong),
        ("interim answers without end", Reply::Endless(Vec::new(), bytes("HTTP/1.1 102 Processing\r\n\r\n")), FailureCause::HeadTooLong),
        ("no answer", Reply::WriteAndHang(Vec::new()), FailureCause::Timeout(TimeoutKind::Total)),
        ("half a status line", Reply::WriteAndHang(bytes("HTTP/1.1 2")), FailureCause::Timeout(TimeoutKind::Total)),
        ("half the headers", Reply::WriteAndHang(bytes("HTTP/1.1 200 OK\r\nX: 1\r\n")), FailureCause::Timeout(TimeoutKind::Total)),
        ("only an interim answer", Reply::WriteAndHang(bytes("HTTP/1.1 100 Continue\r\n\r\n")), FailureCause::Timeout(TimeoutKind::Total)),
    ] {
        let started = Instant::now();
        // Only those that wait for the deadline get a short one: a busy machine must not turn the others into them.
        let settings = if matches!(cause, FailureCause::Timeout(_)) { quick() } else { patient() };
        let (server, result) = exchange(reply, settings).await;
        assert_eq!(result.expect_err(name).cause, cause, "{name}");
        assert_eq!(server.seen().len(), 1, "{name} was sent more than once");
        assert!(started.elapsed() < Duration::from_secs(30), "{name} took {:?}", started.elapsed());
        assert!(server.next_end().await.bytes_written < 64 << 20, "{name} was read on and on");
    }
}

#[tokio::test]
async fn the_status_counts_however_the_body_ends() {
    for (name, reply, status, end) in [
        ("empty", answer("204 No Content", &[], ""), 204, BodyEnd::Complete),
        ("whole", ok("fine"), 200, BodyEnd::Complete),
        (
            "chunked",
            Reply::Write(bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n")),
            200,
            BodyEnd::Complete,
        ),
        ("until close", Reply::WriteAndClose(bytes("HTTP/1.0 200 OK\r\n\r\nfine")), 200, BodyEnd::Complete),
        ("broken", Reply::WriteAndClose(bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine")), 200, BodyEnd::Broken),
        (
            "bad chunk",
            Reply::WriteAndClose(bytes("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\nz\r\n")),
            500,
            BodyEnd::Broken,
        ),
        ("dripping", Reply::WriteAndHang(bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine")), 200, BodyEnd::TimedOut),
        (
            "huge",
            Reply::Endless(bytes("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nfine"), vec![b'x'; 4_096]),
            200,
            BodyEnd::TooLong,
        ),
        (
            "endless chunks",
            Reply::Endless(
                bytes("HTTP/1.1 429 Slow\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n"),
                bytes(&"10\r\nxxxxxxxxxxxxxxxx\r\n".repeat(64)),
            ),
            429,
            BodyEnd::TooLong,
        ),
    ] {
        let settings = match end {
            BodyEnd::TimedOut => Settings { body_timeout: Duration::from_millis(200), ..patient() },
            _ => Settings { body_timeout: Duration::from_secs(60), ..patient() },
        };
        let (server, result) = exchange(reply, settings).await;
        let answer = result.expect(name);
        assert_eq!((answer.status, answer.body_end), (status, end), "{name}");
        assert_eq!(answer.truncated, end != BodyEnd::Complete, "{name}");
        assert_eq!(&answer.body_head[..answer.body_head.len().min(4)], if status == 204 { &b""[..] } else { b"fine" }, "{name}");
        assert!(answer.body_head.len() <= 4 * 1_024, "{name} kept {}", answer.body_head.len());
        assert_eq!(server.seen().len(), 1, "{name}");
        if end != BodyEnd::Complete {
            // The socket's buffers swallow some of it; what counts is that the client hung up.
            assert!(server.next_end().await.bytes_written < 64 << 20, "{name}");
        }
    }
}

#[tokio::test]
async fn only_the_beginning_of_a_body_is_kept_and_never_inflated() {
    let gzip = "\u{1f}\u{8b}".repeat(3_000);
    let server = Server::always(answer("200 OK", &["Content-Encoding: gzip"], &gzip)).await;
    for kept in [0, 1, 100, 4_096, 1 << 20] {
        let limits = Limits { answer_kept_bytes: kept, ..Limits::of(&patient()) };
        let answer = egress().send(Request { limits: Some(limits), ..Request::post(server.target("/"), "{}") }).await.unwrap();
        let expected = &gzip.as_bytes()[..kept.min(gzip.len())];
        assert_eq!(answer.body_head, expected, "{kept}");
        assert_eq!((answer.body_end, answer.truncated), (BodyEnd::Complete, expected.len() < gzip.len()), "{kept}");
    }
    assert_eq!(server.connections(), 5, "each exchange had an egress of its own");
}

#[tokio::test]
async fn the_first_byte_can_have_a_deadline_of_its_own() {
    let settings = Settings { first_byte_timeout: Some(Duration::from_millis(100)), ..patient() };
    let hanging = Server::always(Reply::WriteAndHang(Vec::new())).await;
    let failure = egress_with(settings).send(Request::post(hanging.target("/"), "{}")).await.expect_err("it hangs");
    assert_eq!(failure.cause, FailureCause::Timeout(TimeoutKind::FirstByte));
    // Once the head is there, this deadline is over.
    let dripping = Server::always(Reply::WriteAndHang(bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1"))).await;
    let first_byte = Duration::from_secs(2);
    let settings = Settings { first_byte_timeout: Some(first_byte), body_timeout: Duration::from_millis(2_200), ..patient() };
    let started = Instant::now();
    let answer = egress_with(settings).send(Request::post(dripping.target("/"), "{}")).await.expect("the head came");
    assert_eq!(answer.body_end, BodyEnd::TimedOut);
    assert!(started.elapsed() > first_byte);
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_total_deadline_at_the_latest() {
    let dripping = Server::always(Reply::WriteAndHang(bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1"))).await;
    let settings = Settings { body_timeout: Duration::from_secs(60), total_timeout: Duration::from_secs(2), ..patient() };
    let started = Instant::now();
    let answer = egress_with(settings).send(Request::post(dripping.target("/"), "{}")).await.expect("the head came");
    assert_eq!(answer.body_end, BodyEnd::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_counts() {
    // The server answers as soon as it has the head, and closes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 1_024];
        assert!(stream.read(&mut some).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
        // Reads on, so that the answer is not lost in a reset.
        let mut rest = vec![0; 1 << 20];
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    });
    let body = bytes::Bytes::from(vec![b'x'; 8 << 20]);
    let answer = egress_with(patient()).send(Request::post(crate::server::target(&format!("http://{address}/")), body)).await;
    assert_eq!(answer.expect("it answered").status, 413);
    serving.await.unwrap();
}

#[tokio::test]
async fn what_the_answer_says_is_handed_on() {
    let server = Server::always(answer("503 Busy", &["Retry-After: 120", "X-Trace: abc", "Content-Type: text/plain"], "later")).await;
    let answer = egress().send(Request::post(server.target("/"), "{}")).await.unwrap();
    assert_eq!((answer.status, answer.retry_after(), answer.content_type()), (503, Some("120"), Some("text/plain")));
    assert_eq!(answer.headers["x-trace"], "abc");
    assert_eq!(answer.remote, server.address);
    assert_eq!(answer.version, http::Version::HTTP_11);
    assert!(answer.timings.connect.is_some() && answer.timings.tls.is_none());
    assert!(answer.timings.first_byte <= answer.timings.total);
}

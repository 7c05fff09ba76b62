//! The recording listener.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use countersign_testkit::{Answer, Listener, unused_address};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::wire::{body, post, send, status};

#[tokio::test]
async fn a_request_is_recorded_as_it_came() {
    let before = Instant::now();
    let listener = Listener::start().await;
    send(listener.address(), "/hook?a=b%20c", "{\"n\":1}").await.unwrap();
    let received = listener.wait_for(1).await.remove(0);
    assert_eq!((received.number, received.connection, received.complete), (1, 1, true));
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/hook?a=b%20c"));
    assert_eq!(&received.body[..], b"{\"n\":1}");
    assert_eq!(received.json(), json!({ "n": 1 }));
    assert_eq!(received.header_names(), ["host", "x-b", "x-a", "connection", "content-length"]);
    assert_eq!((received.header("X-A"), received.header_all("x-b"), received.header("x-c")), (Some("2"), vec!["1", "3"], None));
    assert!(received.arrived_at >= before && received.arrived_at <= Instant::now());
    assert_eq!(received.client_certificate, None);
}

#[tokio::test]
async fn laid_up_answers_come_in_order_and_then_the_usual_one() {
    let listener = Listener::start().await;
    listener.answer(Answer::status(404));
    listener.status_next([500, 429]);
    listener.answer_next([Answer::redirect(307, "http://127.0.0.1:1/").retry_after("120"), Answer::json(&json!({ "ok": true }))]);
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(send(listener.address(), "/", "x").await.unwrap());
    }
    assert_eq!(seen.iter().map(|answer| status(answer)).collect::<Vec<_>>(), ["500", "429", "307", "200", "404"]);
    assert!(seen[2].contains("location: http://127.0.0.1:1/\r\n") && seen[2].contains("retry-after: 120\r\n"), "{}", seen[2]);
    assert_eq!(body(&seen[3]), r#"{"ok":true}"#);
    assert_eq!(listener.counts().requests, 5);
}

#[tokio::test]
async fn an_answer_can_be_computed_from_the_request() {
    let listener = Listener::start().await;
    listener.answer_with(|request| if request.path == "/gone" { Answer::status(410) } else { Answer::ok().body(request.body.clone()) });
    assert_eq!(status(&send(listener.address(), "/gone", "").await.unwrap()), "410");
    assert_eq!(body(&send(listener.address(), "/echo", "hello").await.unwrap()), "hello");
}

#[tokio::test]
async fn a_held_request_is_answered_when_it_is_released() {
    let listener = Listener::start().await;
    listener.answer_next([Answer::hang(), Answer::status(503).held()]);
    let address = listener.address();
    let first = tokio::spawn(async move { send(address, "/1", "").await });
    listener.wait_for(1).await;
    let second = tokio::spawn(async move { send(address, "/2", "").await });
    listener.wait_for(2).await;
    assert_eq!((listener.counts().in_flight, listener.counts().in_flight_max), (2, 2));
    assert!(!first.is_finished() && !second.is_finished());
    listener.release();
    assert_eq!(status(&first.await.unwrap().unwrap()), "200");
    assert_eq!(status(&second.await.unwrap().unwrap()), "503");
    let counts = listener.wait_until(|counts| counts.in_flight == 0).await;
    assert_eq!((counts.abandoned, counts.in_flight_max), (0, 2));
}

#[tokio::test]
async fn a_client_that_leaves_is_counted() {
    let listener = Listener::start().await;
    listener.answer(Answer::hang());
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(post("/", "x").as_bytes()).await.unwrap();
    listener.wait_for(1).await;
    drop(stream);
    let counts = listener.wait_until(|counts| counts.abandoned == 1 && counts.open_connections == 0).await;
    assert_eq!(counts.in_flight, 0);
}

#[tokio::test]
async fn a_request_can_go_unanswered_by_closing_or_by_reset() {
    let listener = Listener::start().await;
    listener.answer_next([Answer::close(), Answer::reset()]);
    assert_eq!(send(listener.address(), "/", "x").await.unwrap(), "");
    assert_eq!(send(listener.address(), "/", "x").await.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(status(&send(listener.address(), "/", "x").await.unwrap()), "200");
    assert_eq!(listener.counts().requests, 3);
}

#[tokio::test]
async fn a_delayed_answer_comes_no_sooner() {
    let listener = Listener::start().await;
    listener.answer(Answer::ok().delay(Duration::from_millis(40)));
    let began = Instant::now();
    assert_eq!(status(&send(listener.address(), "/", "x").await.unwrap()), "200");
    assert!(began.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn a_dripping_answer_arrives_whole_and_in_pieces() {
    let listener = Listener::start().await;
    listener.answer_next([Answer::ok().body("0123456789").drip(8, Duration::from_millis(1))]);
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(post("/", "").as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut whole = String::new();
    stream.read_to_string(&mut whole).await.unwrap();
    assert_eq!((status(&whole), body(&whole)), ("200", "0123456789"));
    let pauses = u32::try_from(whole.len() / 8).unwrap() - 1;
    assert!(began.elapsed() >= Duration::from_millis(1) * pauses, "{pauses} pauses took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_huge_answer_is_made_while_it_is_read() {
    let listener = Listener::start().await;
    listener.answer(Answer::ok().huge(1 << 40));
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(post("/", "").as_bytes()).await.unwrap();
    let mut piece = vec![0; 1 << 20];
    let mut read = 0;
    while read < 16 << 20 {
        read += stream.read(&mut piece).await.unwrap();
    }
    drop(stream);
    listener.wait_until(|counts| counts.open_connections == 0).await;
    listener.answer(Answer::ok().huge(100_000));
    assert!(send(listener.address(), "/", "").await.unwrap().len() > 100_000);
}

#[tokio::test]
async fn a_cut_answer_promises_more_than_it_brings() {
    let listener = Listener::start().await;
    listener.answer(Answer::ok().body("0123456789").cut_after(4));
    let answer = send(listener.address(), "/", "x").await.unwrap();
    assert!(answer.contains("content-length: 10\r\n"), "{answer}");
    assert_eq!(body(&answer), "0123");
}

#[tokio::test]
async fn requests_on_one_connection_share_its_number() {
    let listener = Listener::start().await;
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let kept = post("/1", "a").replace("Connection: close\r\n", "");
    stream.write_all(kept.as_bytes()).await.unwrap();
    listener.wait_for(1).await;
    stream.write_all(post("/2", "b").as_bytes()).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    send(listener.address(), "/3", "c").await.unwrap();
    let seen: Vec<(u64, u64)> = listener.wait_for(3).await.iter().map(|request| (request.number, request.connection)).collect();
    assert_eq!(seen, [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(listener.counts().connections, 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_recorded_as_incomplete() {
    let listener = Listener::start().await;
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    listener.wait_until(|counts| counts.in_flight == 1).await;
    drop(stream);
    let received = listener.wait_for(1).await.remove(0);
    assert_eq!((received.complete, &received.body[..]), (false, &b"half"[..]));
}

#[tokio::test]
async fn a_body_can_be_left_unread() {
    let listener = Listener::builder().leave_bodies_unread().start().await;
    listener.answer(Answer::hang());
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
    let received = listener.wait_for(1).await.remove(0);
    assert_eq!((received.complete, received.body.len()), (false, 0));
    let piece = vec![0; 1 << 20];
    let stalled = tokio::time::timeout(Duration::from_millis(200), async {
        // Far more than any buffer of the system takes.
        for _ in 0..900 {
            stream.write_all(&piece).await.unwrap();
        }
    });
    assert!(stalled.await.is_err(), "nobody reads the body, so that it cannot be written");
}

#[tokio::test]
async fn more_headers_than_usual_are_taken() {
    let listener = Listener::start().await;
    let many: String = (0..300).map(|n| format!("X-Signature-{n}: {n}\r\n")).collect();
    let request = post("/", "").replace("X-A: 2\r\n", &many);
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let answer = crate::wire::exchange(&mut stream, &request).await.unwrap();
    assert_eq!(status(&answer), "200");
    assert_eq!(listener.wait_for(1).await[0].header("x-signature-299"), Some("299"));
}

#[tokio::test]
async fn a_cleared_listener_counts_from_one_again() {
    let listener = Listener::start().await;
    listener.status_next([500, 501]);
    send(listener.address(), "/1", "").await.unwrap();
    listener.clear();
    assert_eq!((listener.requests().len(), listener.counts().requests), (0, 0));
    assert_eq!(status(&send(listener.address(), "/2", "").await.unwrap()), "200", "laid-up answers are gone too");
    let received = listener.wait_for(1).await;
    assert_eq!((received[0].number, received[0].path.as_str()), (1, "/2"));
}

#[tokio::test]
async fn a_stopped_listener_refuses_and_another_takes_its_place() {
    let listener = Listener::start().await;
    let mut idle = TcpStream::connect(listener.address()).await.unwrap();
    listener.wait_until(|counts| counts.open_connections == 1).await;
    let address = listener.stop().await;
    assert_eq!(send(address, "/", "").await.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "its connections have ended");
    let successor = Listener::builder().at(address).start().await;
    assert_eq!(status(&send(address, "/", "").await.unwrap()), "200");
    assert_eq!(successor.counts().requests, 1);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the listener waited 30s in vain")]
async fn waiting_in_vain_fails_and_says_what_was_seen() {
    Listener::start().await.wait_for(1).await;
}

#[tokio::test]
async fn nothing_listens_at_an_unused_address() {
    assert_eq!(TcpStream::connect(unused_address()).await.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
}

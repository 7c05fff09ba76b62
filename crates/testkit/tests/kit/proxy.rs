//! The proxy that makes the network bad.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use countersign_testkit::{Answer, FaultProxy, Listener, ProxyMode, unused_address};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::wire::{body, post, send, status};

#[tokio::test]
async fn bytes_pass_until_told_otherwise() {
    let listener = Listener::start().await;
    let proxy = FaultProxy::start(listener.address()).await;
    listener.answer(Answer::ok().body("x".repeat(100_000)));
    let answer = send(proxy.address(), "/", &"y".repeat(100_000)).await.unwrap();
    assert_eq!((status(&answer), body(&answer).len()), ("200", 100_000));
    assert_eq!(listener.wait_for(1).await[0].body.len(), 100_000);
    let counts = proxy.wait_until(|counts| counts.open_connections == 0).await;
    assert_eq!(counts.connections, 1);
    assert!(counts.bytes_up > 100_000 && counts.bytes_down > 100_000, "{counts:?}");
}

#[tokio::test]
async fn every_piece_can_be_delayed() {
    let listener = Listener::start().await;
    let proxy = FaultProxy::start(listener.address()).await;
    proxy.set(ProxyMode::Delay(Duration::from_millis(30)));
    let began = Instant::now();
    assert_eq!(status(&send(proxy.address(), "/", "x").await.unwrap()), "200");
    assert!(began.elapsed() >= Duration::from_millis(60), "one piece up and one down");
}

#[tokio::test]
async fn a_new_connection_can_be_dropped_or_reset() {
    let listener = Listener::start().await;
    let proxy = FaultProxy::start(listener.address()).await;

    proxy.set(ProxyMode::Drop);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);

    proxy.set(ProxyMode::Reset);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.expect_err("a reset").kind(), ErrorKind::ConnectionReset);

    proxy.set(ProxyMode::Pass);
    assert_eq!(status(&send(proxy.address(), "/", "x").await.unwrap()), "200");
    assert_eq!(listener.counts().connections, 1, "the others never came through");
}

#[tokio::test]
async fn an_open_connection_can_be_dropped_or_reset() {
    for (mode, expected) in [(ProxyMode::Drop, None), (ProxyMode::Reset, Some(ErrorKind::ConnectionReset))] {
        let listener = Listener::start().await;
        listener.answer(Answer::hang());
        let proxy = FaultProxy::start(listener.address()).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(post("/", "x").as_bytes()).await.unwrap();
        listener.wait_for(1).await;
        proxy.set(mode);
        let end = stream.read(&mut [0; 1]).await;
        assert_eq!(end.as_ref().err().map(std::io::Error::kind), expected, "{mode:?}: {end:?}");
        assert!(end.is_err() || end.is_ok_and(|read| read == 0), "{mode:?}");
        listener.wait_until(|counts| counts.abandoned == 1).await;
    }
}

#[tokio::test]
async fn a_half_closed_connection_still_carries_the_request() {
    let listener = Listener::start().await;
    let proxy = FaultProxy::start(listener.address()).await;
    proxy.set(ProxyMode::HalfClose);
    let answer = send(proxy.address(), "/", "still here").await.unwrap();
    assert_eq!(answer, "", "the answering half has ended");
    assert_eq!(&listener.wait_for(1).await[0].body[..], b"still here");
}

#[tokio::test]
async fn a_black_hole_swallows_everything_and_never_ends() {
    let listener = Listener::start().await;
    let proxy = FaultProxy::start(listener.address()).await;
    proxy.set(ProxyMode::BlackHole);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(post("/", &"x".repeat(4_000_000)).as_bytes()).await.unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0; 1])).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!((listener.counts().connections, proxy.counts().open_connections), (0, 1));
    proxy.set(ProxyMode::Pass);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "what was swallowed is lost, and so is the connection");
}

#[tokio::test]
async fn an_open_connection_can_fall_into_a_black_hole() {
    let listener = Listener::start().await;
    listener.answer(Answer::hang());
    let proxy = FaultProxy::start(listener.address()).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(post("/", "x").as_bytes()).await.unwrap();
    listener.wait_for(1).await;
    proxy.set(ProxyMode::BlackHole);
    listener.release();
    listener.wait_until(|counts| counts.in_flight == 0).await;
    // The listener closes after its answer; of both, only the end comes through.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    assert_eq!(proxy.counts().bytes_down, 0);
}

#[tokio::test]
async fn an_answer_can_be_cut_or_reset_in_the_middle() {
    let listener = Listener::start().await;
    let proxy = FaultProxy::start(listener.address()).await;
    proxy.set(ProxyMode::CutAnswerAfter(12));
    assert_eq!(send(proxy.address(), "/", "x").await.unwrap(), "HTTP/1.1 200");
    proxy.set(ProxyMode::ResetAnswerAfter(12));
    assert_eq!(send(proxy.address(), "/", "x").await.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.counts().bytes_down, 24);
}

#[tokio::test]
async fn without_an_upstream_connections_are_reset() {
    let proxy = FaultProxy::start(unused_address()).await;
    assert_eq!(send(proxy.address(), "/", "x").await.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

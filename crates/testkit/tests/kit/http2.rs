//! Listeners with HTTP/2.

use bytes::Bytes;
use countersign_testkit::{Answer, Listener};
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

#[tokio::test]
async fn requests_share_one_connection_at_the_same_time() {
    let listener = Listener::start().await;
    listener.answer_next([Answer::hang().body("one"), Answer::status(503).held(), Answer::close()]);
    let stream = TcpStream::connect(listener.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str| Request::post(listener.url(path)).body(Full::new(Bytes::from_static(b"hello"))).unwrap();

    let first = tokio::spawn(sender.send_request(request("/1?a=b")));
    listener.wait_for(1).await;
    let second = tokio::spawn(sender.send_request(request("/2")));
    listener.wait_for(2).await;
    assert!(sender.send_request(request("/3")).await.is_err(), "closed without an answer");
    listener.release();
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "one");
    assert_eq!(second.await.unwrap().unwrap().status(), 503);

    let seen = listener.requests();
    assert_eq!(seen.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(), ["/1?a=b", "/2", "/3"]);
    assert!(seen.iter().all(|request| request.version == Version::HTTP_2 && request.connection == 1 && request.body == "hello"));
    assert_eq!(listener.counts().in_flight_max, 3);
    connection.abort();
}

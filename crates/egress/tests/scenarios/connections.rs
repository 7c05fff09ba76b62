//! Connections are kept, shared and given up.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use countersign_core::address::TargetPolicy;
use countersign_egress::{ConnectFailure, DnsFailure, Egress, FailureCause, Request, Resolve, Resolved, Roots, Settings};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, sync::Barrier};
use tokio_rustls::TlsAcceptor;

use crate::server::{Authority, FixedResolver, Reply, Server, egress, egress_with, no_roots, ok, patient, server_config, target};

#[tokio::test]
async fn a_kept_connection_is_used_again_and_says_so() {
    let server = Server::always(ok("fine")).await;
    let egress = egress();
    for turn in 0..20 {
        let answer = egress.send(Request::post(server.target("/"), "{}")).await.unwrap();
        assert_eq!(answer.reused, turn > 0);
        assert_eq!(answer.timings.connect.is_some(), turn == 0, "times of a dial belong to the exchange that made it");
    }
    assert_eq!((server.connections(), server.seen().len()), (1, 20));
}

#[tokio::test]
async fn a_connection_closed_while_unused_costs_nothing() {
    let server = Server::always(Reply::WriteAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())).await;
    let egress = egress();
    for turn in 1..=5 {
        let answer = egress.send(Request::post(server.target("/"), "{}")).await.expect("the dead connection is not used");
        assert_eq!((answer.status, answer.reused), (200, false));
        // The end has been sent; it is there before anything that is sent later.
        server.next_end().await;
        wait_until_noticed().await;
        assert_eq!(server.connections(), turn);
    }
}

/// Lets the connection's own task see that the other side has closed.
async fn wait_until_noticed() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn exchanges_at_the_same_time_have_connections_of_their_own() {
    let barrier = Arc::new(Barrier::new(8));
    let server = Server::start(move |_| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            ok("")
        }
    })
    .await;
    let egress = egress_with(patient());
    let all = (0..8).map(|_| {
        let (egress, target) = (egress.clone(), server.target("/"));
        tokio::spawn(async move { egress.send(Request::post(target, "{}")).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(server.connections(), 8);
}

#[tokio::test]
async fn an_exchange_that_is_dropped_hangs_up() {
    let server = Server::always(Reply::WriteAndHang(Vec::new())).await;
    let egress = egress_with(patient());
    let exchange = tokio::spawn({
        let (egress, target) = (egress.clone(), server.target("/"));
        async move { egress.send(Request::post(target, "{}")).await }
    });
    while server.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    exchange.abort();
    server.next_end().await;
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let server = Server::always(ok("")).await;
    // Nothing listens at the first; the server is at the second.
    let resolver = Arc::new(FixedResolver(vec![IpAddr::from([127, 0, 0, 77]), IpAddr::V4(Ipv4Addr::LOCALHOST)]));
    let egress = Egress::with_resolver(patient(), TargetPolicy::dev(), &no_roots(), resolver).unwrap();
    let answer = egress.send(Request::post(target(&format!("http://two.example:{}/", server.address.port())), "{}")).await.unwrap();
    assert_eq!(answer.remote, server.address);
    assert_eq!(server.seen()[0].header("Host"), [format!("two.example:{}", server.address.port())], "the name stays");
}

#[tokio::test]
async fn names_are_looked_up_as_the_system_does() {
    // `localhost` has an address of either family on most machines; the server has one of them.
    let server = Server::always(ok("")).await;
    let answer = egress().send(Request::post(target(&format!("http://localhost:{}/", server.address.port())), "{}")).await.unwrap();
    assert_eq!((answer.status, answer.remote), (200, server.address));
}

#[tokio::test]
async fn failures_before_a_connection_are_told_apart() {
    struct Failing(bool);
    impl Resolve for Failing {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolved<'a> {
            if self.0 { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(Err(std::io::Error::other("no such name")))) }
        }
    }
    let settings = Settings { dns_timeout: Duration::from_millis(50), ..patient() };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let with = |resolver: Arc<dyn Resolve>| Egress::with_resolver(settings.clone(), TargetPolicy::dev(), &no_roots(), resolver).unwrap();
    for (name, egress, url, cause) in [
        ("unknown", with(Arc::new(Failing(false))), "http://nowhere.example/".to_owned(), FailureCause::Dns(DnsFailure::NotFound)),
        (
            "no address",
            with(Arc::new(FixedResolver(Vec::new()))),
            "http://nowhere.example/".to_owned(),
            FailureCause::Dns(DnsFailure::NotFound),
        ),
        ("no name server", with(Arc::new(Failing(true))), "http://nowhere.example/".to_owned(), FailureCause::Dns(DnsFailure::TimedOut)),
        ("refused", egress_with(settings.clone()), format!("http://{closed}/"), FailureCause::Connect(ConnectFailure::Refused)),
    ] {
        let failure = egress.send(Request::post(target(&url), "{}")).await.expect_err(name);
        assert_eq!((failure.cause, failure.remote, failure.reused), (cause, None, false), "{name}");
    }
}

#[tokio::test]
async fn no_more_connections_are_open_than_permitted() {
    let hanging = Server::always(Reply::WriteAndHang(Vec::new())).await;
    let settings = Settings { connections_max: 2, connect_timeout: Duration::from_millis(100), ..patient() };
    let egress = egress_with(settings);
    let held: Vec<_> = (0..2)
        .map(|_| {
            let (egress, target) = (egress.clone(), hanging.target("/"));
            tokio::spawn(async move { egress.send(Request::post(target, "{}")).await })
        })
        .collect();
    while hanging.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    let other = Server::always(ok("")).await;
    let failure = egress.send(Request::post(other.target("/"), "{}")).await.expect_err("both are taken");
    assert_eq!(failure.cause, FailureCause::Connect(ConnectFailure::TooMany));
    for exchange in held {
        exchange.abort();
    }
    hanging.next_end().await;
    hanging.next_end().await;
    assert_eq!(egress.send(Request::post(other.target("/"), "{}")).await.expect("there is room again").status, 200);
}

#[tokio::test]
async fn http_2_is_spoken_when_both_want_it() {
    let authority = Authority::new("root");
    let (certificate, key) = authority.issue("localhost", |_| {});
    let mut config = server_config(&certificate, &key);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                let echo = service_fn(|request: http::Request<Incoming>| async move {
                    assert_eq!(request.headers().get_all("host").iter().count(), usize::from(request.version() < http::Version::HTTP_2));
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::new(body)))
                });
                let serving = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                drop(serving.serve_connection(TokioIo::new(stream), echo).await);
            });
        }
    });
    let resolver = Arc::new(FixedResolver(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
    for (http2, version) in [(true, http::Version::HTTP_2), (false, http::Version::HTTP_11)] {
        let settings = Settings { http2, ..patient() };
        let egress = Egress::with_resolver(
            settings,
            TargetPolicy::dev(),
            &Roots::Only(authority.pem.clone()),
            Arc::clone(&resolver) as Arc<dyn Resolve>,
        )
        .unwrap();
        let before = connections.load(Ordering::SeqCst);
        for turn in 0..3 {
            let body = Bytes::from(format!("message {turn}"));
            let answer = egress.send(Request::post(target(&format!("https://localhost:{port}/")), body.clone())).await.unwrap();
            assert_eq!((answer.version, answer.body_head), (version, body));
        }
        assert_eq!(connections.load(Ordering::SeqCst) - before, 1);
    }
}

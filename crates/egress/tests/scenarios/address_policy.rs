//! What was vetted is what is dialled.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_core::{
    address::{AddressClass, Forbidden, PlainHttp, PortRange, TargetPolicy},
    auth::OAuthConnection,
};
use countersign_egress::{
    BoundConnection, Egress, FailureCause, Purpose, Request, Resolve, Resolved, SystemClock, Target, TlsProfile, TokenFailureCause,
    TokenSource,
};
use url::Url;

use crate::server::{FixedResolver, Reply, Server, answer, no_roots, ok, patient, target};

/// Answers in turn.
struct FlippingResolver {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Resolve for FlippingResolver {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolved<'a> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let addresses = self.answers[turn % self.answers.len()].iter().map(|address| SocketAddr::new(*address, port)).collect();
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Opens 127.0.0.1 and nothing else: 127.0.0.2 stands for the operator's network.
fn only_the_first_loopback_address() -> TargetPolicy {
    TargetPolicy {
        allow_networks: vec!["127.0.0.1/32".parse().unwrap()],
        allow_ports: vec![PortRange::UNPRIVILEGED],
        plain_http: PlainHttp::Anywhere,
    }
}

/// A server at 127.0.0.1 and a canary at 127.0.0.2, on the same port.
async fn server_and_canary(reply: Reply) -> (Server, Server) {
    loop {
        let reply = reply.clone();
        let server = Server::start(move |_| std::future::ready(reply.clone())).await;
        let beside = SocketAddr::from(([127, 0, 0, 2], server.address.port()));
        // The port may be taken there; then another pair is tried.
        if let Ok(free) = std::net::TcpListener::bind(beside) {
            drop(free);
            let canary = Server::listen(beside, None, |_| std::future::ready(ok("you should not be here"))).await;
            return (server, canary);
        }
    }
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_name_that_changes_its_address_never_leads_inside() {
    // Every answer closes the connection, so that every request is dialled anew.
    let (server, canary) =
        server_and_canary(Reply::WriteAndClose(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec())).await;
    let resolver = FlippingResolver {
        answers: [
            &["127.0.0.1"][..],
            &["127.0.0.2"],
            &["127.0.0.1", "127.0.0.2"],
            &["127.0.0.2", "127.0.0.1"],
            &["::ffff:127.0.0.2"],
            &["127.0.0.1", "::ffff:127.0.0.2"],
            &["169.254.169.254"],
            &["0.0.0.0"],
        ]
        .map(addresses)
        .to_vec(),
        asked: AtomicUsize::new(0),
    };
    let egress = Egress::with_resolver(patient(), only_the_first_loopback_address(), &no_roots(), Arc::new(resolver)).unwrap();
    let target = target(&format!("http://rebinding.example:{}/", server.address.port()));
    let mut delivered = 0;
    for turn in 0..400 {
        match egress.send(Request::post(target.clone(), "{}")).await {
            Ok(answer) => {
                assert_eq!((turn % 8, answer.remote), (0, server.address), "only the first answer may be dialled");
                delivered += 1;
            }
            Err(failure) => assert!(matches!(failure.cause, FailureCause::Forbidden(_)), "turn {turn}: {failure:?}"),
        }
    }
    assert_eq!((delivered, server.connections(), canary.connections()), (50, 50, 0));
}

#[tokio::test]
async fn a_mixed_answer_is_refused_whole() {
    let (server, canary) = server_and_canary(ok("")).await;
    for list in [&["127.0.0.1", "127.0.0.2"][..], &["127.0.0.2", "127.0.0.1"], &["127.0.0.1", "127.0.0.1", "10.0.0.1"]] {
        let resolver = Arc::new(FixedResolver(addresses(list)));
        let egress = Egress::with_resolver(patient(), only_the_first_loopback_address(), &no_roots(), resolver).unwrap();
        let target = target(&format!("http://mixed.example:{}/", server.address.port()));
        let failure = egress.send(Request::post(target, "{}")).await.expect_err("one of them is forbidden");
        assert!(matches!(failure.cause, FailureCause::Forbidden(Forbidden::Address { .. })), "{list:?}: {failure:?}");
    }
    assert_eq!((server.connections(), canary.connections()), (0, 0));
}

#[tokio::test]
async fn no_spelling_of_a_forbidden_target_is_dialled_for_a_message_or_for_a_token() {
    let table = include_str!("../../../core/tests/data/forbidden-targets.txt");
    let mut dialled = 0;
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (text, answer) = line.split_once(' ').unwrap_or((line, "127.0.0.1"));
        let resolver = Arc::new(FixedResolver(answer.split(',').map(|text| text.parse().unwrap()).collect()));
        let egress = Egress::with_resolver(patient(), TargetPolicy::default(), &no_roots(), resolver).unwrap();

        // As if the check at saving had not been there.
        if let Ok(target) = Url::parse(text).map_err(drop).and_then(|url| Target::try_new(&url).map_err(drop)) {
            dialled += 1;
            for purpose in [Purpose::Message, Purpose::Token] {
                let request = Request { purpose, ..Request::post(target.clone(), "{}") };
                let failure = egress.send(request).await.expect_err(text);
                assert!(matches!(failure.cause, FailureCause::Forbidden(_)), "{text}: {failure:?}");
                assert_eq!(failure.remote, None, "{text}");
            }
        }

        let tokens = TokenSource::new(egress, Arc::new(SystemClock));
        let connection = BoundConnection::new(Arc::new(OAuthConnection::new(text, "client", "secret")), TlsProfile::plain());
        let failure = tokens.token(&connection).await.expect_err(text);
        assert!(failure.cause.is_configuration_fault(), "{text}: {failure}");
        let refused = match &failure.cause {
            TokenFailureCause::Url(_) => true,
            TokenFailureCause::Unreachable(failure) => matches!(failure.cause, FailureCause::Forbidden(_)),
            _ => false,
        };
        assert!(refused, "{text}: {failure:?}");
    }
    assert!(dialled > 120, "only {dialled} rows got as far as the dialer");
}

#[tokio::test]
async fn a_barred_target_looks_the_same_whatever_is_there() {
    let open = Server::always(ok("")).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let policy = TargetPolicy { plain_http: PlainHttp::Anywhere, ..TargetPolicy::default() };
    let egress = Egress::new(patient(), policy, &no_roots()).unwrap();
    let mut messages = Vec::new();
    for address in [open.address, closed] {
        let failure = egress.send(Request::post(target(&format!("http://{address}/")), "{}")).await.expect_err("barred");
        assert!(matches!(failure.cause, FailureCause::Forbidden(Forbidden::Address { class: AddressClass::Loopback, .. })));
        messages.push(failure.to_string());
    }
    assert_eq!(messages[0], messages[1]);
    assert_eq!(open.connections(), 0);
}

#[tokio::test]
async fn redirects_are_answers_and_nothing_more() {
    let inner = Server::always(ok("secret")).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect", "300 Choose"] {
        let location = format!("Location: {}", inner.url("/latest/meta-data/"));
        let page = r#"<meta http-equiv="refresh" content="0;url=http://169.254.169.254/">"#;
        let server = Server::always(answer(status, &[&location, "Refresh: 0;url=http://169.254.169.254/"], page)).await;
        let answer = crate::server::egress().send(Request::post(server.target("/"), "{}")).await.expect(status);
        assert_eq!(answer.status.to_string(), status[..3]);
        assert_eq!(server.seen().len(), 1, "{status}");
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn unencrypted_token_requests_stay_on_the_machine_even_in_development() {
    let server = Server::always(ok("")).await;
    let resolver = Arc::new(FixedResolver(vec!["8.8.8.8".parse().unwrap()]));
    let egress = Egress::with_resolver(patient(), TargetPolicy::dev(), &no_roots(), resolver).unwrap();
    let outside = Request { purpose: Purpose::Token, ..Request::post(target("http://id.example/token"), "") };
    assert_eq!(egress.send(outside).await.expect_err("outside").cause, FailureCause::Forbidden(Forbidden::PlainHttp));
    let inside = Request { purpose: Purpose::Token, ..Request::post(server.target("/token"), "") };
    assert_eq!(egress.send(inside).await.expect("inside").status, 200);
}

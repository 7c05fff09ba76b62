//! Listeners with TLS.

use std::{io, sync::Arc};

use countersign_testkit::{Answer, ClientCertificates, Identity, Listener, TestCa};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::wire::{exchange, post, status};

fn client(roots: RootCertStore, identity: Option<&Identity>) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(vec![identity.certificate_der()], identity.key_der()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn connect(listener: &Listener, connector: TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    connector.connect(name, TcpStream::connect(listener.address()).await?).await
}

async fn listener(identity: &Identity, clients: ClientCertificates<'_>) -> Listener {
    Listener::builder().tls(identity, clients).start().await
}

#[tokio::test]
async fn a_listener_speaks_tls_with_a_certificate_made_for_it() {
    let ca = TestCa::new();
    let listener = listener(&ca.server(&["127.0.0.1", "localhost"]), ClientCertificates::NotAsked).await;
    assert!(listener.url("/hook").starts_with("https://127.0.0.1:"), "{}", listener.url("/hook"));
    let mut stream = connect(&listener, client(ca.roots(), None)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let answer = exchange(&mut stream, &post("/", "x")).await;
    assert_eq!(status(&answer.unwrap()), "200");
    assert_eq!(listener.wait_for(1).await[0].client_certificate, None);
}

#[tokio::test]
async fn certificates_that_should_not_be_trusted_are_not() {
    let ca = TestCa::new();
    for (row, identity) in [
        ("another authority", TestCa::new().server(&["127.0.0.1"])),
        ("another name", ca.server(&["127.0.0.2", "localhost"])),
        ("expired", ca.expired_server(&["127.0.0.1"])),
        ("a client's certificate", ca.client("127.0.0.1")),
    ] {
        let listener = listener(&identity, ClientCertificates::NotAsked).await;
        assert!(connect(&listener, client(ca.roots(), None)).await.is_err(), "{row}");
        let counts = listener.wait_until(|counts| counts.tls_failures == 1).await;
        assert_eq!(counts.requests, 0, "{row}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_recorded() {
    let ca = TestCa::new();
    let identity = ca.server(&["127.0.0.1"]);
    let sender = ca.client("sender");
    for clients in [ClientCertificates::Asked(&ca), ClientCertificates::Required(&ca)] {
        let listener = listener(&identity, clients).await;
        let mut stream = connect(&listener, client(ca.roots(), Some(&sender))).await.unwrap();
        assert_eq!(status(&exchange(&mut stream, &post("/", "x")).await.unwrap()), "200");
        assert_eq!(listener.wait_for(1).await[0].client_certificate.as_deref(), Some(&sender.certificate_der()[..]));
    }
}

#[tokio::test]
async fn a_required_certificate_must_be_there_and_of_the_right_authority() {
    let ca = TestCa::new();
    let identity = ca.server(&["127.0.0.1"]);
    let stranger = TestCa::new().client("sender");
    for (row, shown) in [("none", None), ("of another authority", Some(&stranger))] {
        let listener = listener(&identity, ClientCertificates::Required(&ca)).await;
        // In TLS 1.3 the client learns of the refusal only when it reads.
        let outcome = match connect(&listener, client(ca.roots(), shown)).await {
            Ok(mut stream) => exchange(&mut stream, &post("/", "x")).await,
            Err(error) => Err(error),
        };
        assert!(outcome.is_err(), "{row}: {outcome:?}");
        listener.wait_until(|counts| counts.tls_failures == 1).await;
    }
    let asked = listener(&identity, ClientCertificates::Asked(&ca)).await;
    let mut stream = connect(&asked, client(ca.roots(), None)).await.unwrap();
    assert_eq!(status(&exchange(&mut stream, &post("/", "x")).await.unwrap()), "200", "asked is not required");
}

#[tokio::test]
async fn a_reset_and_a_close_reach_through_tls() {
    let ca = TestCa::new();
    let listener = listener(&ca.server(&["127.0.0.1"]), ClientCertificates::NotAsked).await;
    listener.answer_next([Answer::reset(), Answer::close()]);
    for expected in [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof] {
        let mut stream = connect(&listener, client(ca.roots(), None)).await.unwrap();
        assert_eq!(exchange(&mut stream, &post("/", "x")).await.expect_err("no answer").kind(), expected);
    }
}

#[test]
fn keys_and_certificates_are_given_as_pem_and_der() {
    let ca = TestCa::new();
    let identity = ca.client("sender");
    assert!(ca.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(identity.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(identity.key_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_ne!(ca.certificate_der(), identity.certificate_der());
    assert_eq!(format!("{identity:?}"), "Identity(..)");
}

//! TLS to PostgreSQL: certificates are verified with the name of the host, whatever else the URL says.

use countersign_core::Secret;
use countersign_store::{
    Store,
    postgres::{KeySource, OpenError, PostgresStore, Settings},
    vault::{KEY_BYTES, VaultKey},
};
use countersign_testkit::{PostgresServer, TestCa};

async fn open(url: String, ca: Option<&TestCa>) -> Result<PostgresStore, OpenError> {
    let keys = KeySource::Given(vec![VaultKey::new([7; KEY_BYTES])]);
    let ca = ca.map(|ca| ca.certificate_pem().into_bytes());
    PostgresStore::open(Settings { connections: 4, ca, ..Settings::new(Secret::new(url), keys) }).await
}

async fn is_encrypted(server: &PostgresServer, opened: PostgresStore) -> bool {
    let encrypted = server.ask("tls", "SELECT bool_and(ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.datname = 'tls' AND a.application_name = 'countersign'");
    opened.close().await;
    encrypted == ["t"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_verified_with_its_authority_and_its_name() {
    let Some(mut server) = PostgresServer::start() else { return };
    server.create_database("tls", "template1");
    let (ours, other) = (TestCa::new(), TestCa::new());
    server.turn_tls_on(&ours.server(&["127.0.0.1"]), false);
    let url = |host: &str, mode: &str| format!("{}{mode}", server.url("tls").replace("127.0.0.1", host));

    for mode in ["?sslmode=require", "?sslmode=verify-ca", "?sslmode=verify-full", "?sslmode=prefer"] {
        let opened = open(url("127.0.0.1", mode), Some(&ours)).await.unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert!(is_encrypted(&server, opened).await, "{mode}");
    }
    for (row, host, mode, ca) in [
        ("another authority", "127.0.0.1", "?sslmode=require", Some(&other)),
        ("the authorities of the system", "127.0.0.1", "?sslmode=verify-full", None),
        ("another name", "localhost", "?sslmode=verify-full", Some(&ours)),
        ("another name, whatever the mode promises", "localhost", "?sslmode=require", Some(&ours)),
    ] {
        let refused = open(url(host, mode), ca).await.err();
        assert!(matches!(&refused, Some(OpenError::Unreachable { reason, .. }) if reason.contains("certificate")), "{row}: {refused:?}");
    }
    let refused = open(url("127.0.0.1", "?sslmode=disable"), Some(&ours)).await.err();
    assert!(matches!(refused, Some(OpenError::Denied { .. })), "who asks for no TLS is refused by such a server: {refused:?}");
}

/// Debian's server comes with TLS on and a certificate that nobody has signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_this_machine_is_reached_without_tls_unless_it_is_asked_for() {
    let Some(mut server) = PostgresServer::start() else { return };
    server.create_database("tls", "template1");
    server.turn_tls_on(&TestCa::new().server(&["db.example"]), true);
    let opened = open(server.url("tls"), None).await.expect("opens");
    assert!(!is_encrypted(&server, opened).await);
    let refused = open(format!("{}?sslmode=require", server.url("tls")), None).await.err();
    assert!(matches!(refused, Some(OpenError::Unreachable { .. })), "{refused:?}");
}

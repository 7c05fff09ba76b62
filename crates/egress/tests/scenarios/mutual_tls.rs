//! A client certificate belongs to a profile, and so do its connections.

use std::{net::IpAddr, sync::Arc};

use countersign_core::{Secret, address::TargetPolicy};
use countersign_egress::{ClientIdentity, Egress, FailureCause, ProfileFault, Request, Roots, TlsFailure, TlsProfile};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;

use crate::server::{Authority, FixedResolver, Server, der, ok, patient, server_config, target};

const NAME: &str = "listener.example";

/// A server that talks only to clients with a certificate of this authority.
pub(crate) fn demanding(certificate: &str, key: &str, clients: &Authority) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(der(&clients.pem))).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let template = server_config(certificate, key);
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(&template.cert_resolver));
    config.alpn_protocols = template.alpn_protocols;
    config
}

fn profile(certificate: &str, key: &str) -> Arc<TlsProfile> {
    let key_pem = Secret::new(key);
    TlsProfile::try_new(Some(ClientIdentity { chain_pem: certificate, key_pem: &key_pem }), &[]).unwrap()
}

#[tokio::test]
async fn each_identity_shows_its_own_certificate_on_its_own_connection() {
    let authority = Authority::new("servers");
    let clients = Authority::new("clients");
    let (certificate, key) = authority.issue(NAME, |_| {});
    let server = Server::start_tls(demanding(&certificate, &key, &clients), |_| std::future::ready(ok(""))).await;
    let resolver = Arc::new(FixedResolver(vec![IpAddr::from([127, 0, 0, 1])]));
    let egress = Egress::with_resolver(patient(), TargetPolicy::dev(), &Roots::Only(authority.pem.clone()), resolver).unwrap();
    let target = target(&format!("https://{NAME}:{}/", server.address.port()));

    let (first_pem, first_key) = clients.issue("first", |_| {});
    let (second_pem, second_key) = clients.issue("second", |_| {});
    let (first, second) = (profile(&first_pem, &first_key), profile(&second_pem, &second_key));
    assert!(first.has_client_certificate());
    for _ in 0..5 {
        for (profile, pem) in [(&first, &first_pem), (&second, &second_pem)] {
            let request = Request { profile: Arc::clone(profile), ..Request::post(target.clone(), "{}") };
            assert_eq!(egress.send(request).await.expect("a known client").status, 200);
            assert_eq!(server.seen().pop().unwrap().client_certificate, Some(der(pem)));
        }
    }
    assert_eq!(server.connections(), 2, "one for each identity");
    for seen in server.seen() {
        let of_first = seen.client_certificate == Some(der(&first_pem));
        assert_eq!(of_first, seen.connection == 1, "a connection was shared");
    }

    let strangers = Authority::new("strangers");
    let (stranger_pem, stranger_key) = strangers.issue("first", |_| {});
    for profile in [TlsProfile::plain(), profile(&stranger_pem, &stranger_key)] {
        let failure = egress.send(Request { profile, ..Request::post(target.clone(), "{}") }).await.expect_err("unknown client");
        assert_eq!(failure.cause, FailureCause::Tls(TlsFailure::ClientCertificate));
    }
    assert_eq!(server.seen().len(), 10);
}

#[test]
fn a_profile_is_known_by_all_that_is_in_it() {
    let clients = Authority::new("clients");
    let (pem, key) = clients.issue("client", |_| {});
    let key = Secret::new(key);
    let client = Some(ClientIdentity { chain_pem: &pem, key_pem: &key });
    let identity = |client, roots: &[&str]| TlsProfile::try_new(client, roots).unwrap().identity();
    assert_eq!(identity(None, &[]), None);
    assert_eq!(identity(client, &[]), identity(client, &[]), "the same things make the same identity");
    let (other, chain) = (Authority::new("other"), format!("{pem}{}", clients.pem));
    let longer = Some(ClientIdentity { chain_pem: &chain, key_pem: &key });
    let all = [
        identity(client, &[]),
        identity(longer, &[]),
        identity(None, &[&clients.pem]),
        identity(client, &[&clients.pem]),
        identity(None, &[&other.pem]),
        identity(None, &[&clients.pem, &other.pem]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(one.is_some() && !all[..at].contains(one), "{at}");
    }
    let together = format!("{}{}", clients.pem, other.pem);
    assert_eq!(identity(None, &[&together]), all[5], "how the CAs are cut into texts does not matter");
}

#[test]
fn what_does_not_fit_together_is_refused_when_it_is_saved() {
    let clients = Authority::new("clients");
    let (pem, key) = clients.issue("client", |_| {});
    let (_, other_key) = clients.issue("client", |_| {});
    let client =
        |chain_pem, key_pem: &str| TlsProfile::try_new(Some(ClientIdentity { chain_pem, key_pem: &Secret::new(key_pem) }), &[]).err();
    assert_eq!(client(&pem, &key), None);
    assert_eq!(client("", &key), Some(ProfileFault::Certificates { part: "client certificate" }));
    assert_eq!(client("nonsense", &key), Some(ProfileFault::Certificates { part: "client certificate" }));
    let endless = pem.repeat(65);
    assert_eq!(client(&endless, &key), Some(ProfileFault::Certificates { part: "client certificate" }));
    assert_eq!(client(&pem, ""), Some(ProfileFault::Key));
    assert_eq!(client(&pem, &pem), Some(ProfileFault::Key));
    assert_eq!(client(&pem, &other_key), Some(ProfileFault::KeyMismatch));
    assert_eq!(TlsProfile::try_new(None, &["nonsense"]).err(), Some(ProfileFault::Certificates { part: "extra CA" }));
    let printed = format!("{:?}", profile(&pem, &key));
    assert!(!printed.contains("PRIVATE"), "{printed}");
}

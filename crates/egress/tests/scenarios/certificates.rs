//! Nobody is talked to who cannot prove to be the one.

use std::{net::IpAddr, sync::Arc, time::Duration};

use countersign_core::address::TargetPolicy;
use countersign_egress::{Egress, FailureCause, Request, Resolve, Roots, RootsFault, Settings, Target, TlsFailure, TlsProfile};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use crate::server::{Authority, FixedResolver, Reply, Server, ok, patient, server_config, target};

const NAME: &str = "hooks.listener.example";

fn egress(roots: &Authority) -> Egress {
    let resolver = Arc::new(FixedResolver(vec![IpAddr::from([127, 0, 0, 1])]));
    Egress::with_resolver(patient(), TargetPolicy::dev(), &Roots::Only(roots.pem.clone()), resolver).unwrap()
}

fn at(server: &Server) -> Target {
    target(&format!("https://{NAME}:{}/", server.address.port()))
}

async fn serving(certificate: &str, key: &str) -> Server {
    Server::start_tls(server_config(certificate, key), |_| std::future::ready(ok("hello"))).await
}

#[tokio::test]
async fn a_certificate_has_to_be_for_the_name_in_time_and_from_someone_trusted() {
    type Change = fn(&mut CertificateParams);
    let authority = Authority::new("trusted");
    let stranger = Authority::new("stranger");
    let namesake = Authority::new("trusted");
    let rows: [(&str, &Authority, &str, Change, Option<TlsFailure>); 10] = [
        ("good", &authority, NAME, |_| {}, None),
        ("wildcard", &authority, "*.listener.example", |_| {}, None),
        ("expired", &authority, NAME, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1), Some(TlsFailure::Expired)),
        ("not yet valid", &authority, NAME, |params| params.not_before = rcgen::date_time_ymd(2200, 1, 1), Some(TlsFailure::NotYetValid)),
        ("wrong name", &authority, "other.example", |_| {}, Some(TlsFailure::WrongName)),
        ("wildcard for two labels", &authority, "*.example", |_| {}, Some(TlsFailure::WrongName)),
        ("wildcard below the name", &authority, "*.hooks.listener.example", |_| {}, Some(TlsFailure::WrongName)),
        ("unknown root", &stranger, NAME, |_| {}, Some(TlsFailure::UnknownIssuer)),
        ("a root of the same name", &namesake, NAME, |_| {}, Some(TlsFailure::BadCertificate)),
        (
            "for clients only",
            &authority,
            NAME,
            |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            Some(TlsFailure::BadCertificate),
        ),
    ];
    for (name, issuer, subject, change, failure) in rows {
        let (certificate, key) = issuer.issue(subject, change);
        let server = serving(&certificate, &key).await;
        let result = egress(&authority).send(Request::post(at(&server), "{}")).await;
        match failure {
            None => {
                let answer = result.expect(name);
                assert_eq!(answer.status, 200, "{name}");
                assert!(answer.timings.tls.is_some(), "{name}");
            }
            Some(failure) => {
                assert_eq!(result.expect_err(name).cause, FailureCause::Tls(failure), "{name}");
                assert!(server.seen().is_empty(), "{name} got the message");
            }
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_not_its_own_proof() {
    let authority = Authority::new("trusted");
    for ca in [false, true] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = params.self_signed(&key).unwrap().pem();
        let server = serving(&certificate, &key.serialize_pem()).await;
        let failure = egress(&authority).send(Request::post(at(&server), "{}")).await.expect_err("self-signed");
        assert!(matches!(failure.cause, FailureCause::Tls(TlsFailure::UnknownIssuer | TlsFailure::BadCertificate)), "{failure:?}");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn the_chain_has_to_be_complete() {
    let root = Authority::new("trusted");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let middle = root.intermediate(params);
    let (leaf, key) = middle.issue(NAME, |_| {});
    for (chain, complete) in [(leaf.clone(), false), (format!("{leaf}{}", middle.pem), true)] {
        let server = serving(&chain, &key).await;
        let result = egress(&root).send(Request::post(at(&server), "{}")).await;
        match complete {
            true => assert_eq!(result.expect("complete").status, 200),
            false => assert_eq!(result.expect_err("incomplete").cause, FailureCause::Tls(TlsFailure::UnknownIssuer)),
        }
    }
}

#[tokio::test]
async fn an_accounts_own_ca_counts_for_that_account_alone() {
    let system = Authority::new("system");
    let own = Authority::new("own");
    let (certificate, key) = own.issue(NAME, |_| {});
    let server = serving(&certificate, &key).await;
    let egress = egress(&system);
    let with = |profile| Request { profile, ..Request::post(at(&server), "{}") };

    let own_profile = TlsProfile::try_new(None, &[&own.pem]).unwrap();
    assert_eq!(egress.send(with(Arc::clone(&own_profile))).await.expect("its CA is trusted").status, 200);
    // The connection stays open in the pool of that profile; the others must not get at it.
    let other_profile = TlsProfile::try_new(None, &[&Authority::new("another").pem]).unwrap();
    for profile in [TlsProfile::plain(), other_profile] {
        let failure = egress.send(with(profile)).await.expect_err("not their CA");
        assert_eq!(failure.cause, FailureCause::Tls(TlsFailure::UnknownIssuer));
    }
    // The system's roots go on counting beside it, and names and times are checked as ever.
    let (certificate, key) = system.issue(NAME, |_| {});
    let common = serving(&certificate, &key).await;
    let request = Request { profile: Arc::clone(&own_profile), ..Request::post(at(&common), "{}") };
    assert_eq!(egress.send(request).await.expect("a common root").status, 200);
    let (certificate, key) = own.issue("other.example", |_| {});
    let wrong = serving(&certificate, &key).await;
    let failure = egress.send(Request { profile: own_profile, ..Request::post(at(&wrong), "{}") }).await.expect_err("wrong name");
    assert_eq!(failure.cause, FailureCause::Tls(TlsFailure::WrongName));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_is_no_tls_is_told_apart() {
    let authority = Authority::new("trusted");
    let resolver = Arc::new(FixedResolver(vec![IpAddr::from([127, 0, 0, 1])]));
    let egress = |tls_timeout| {
        let resolver = Arc::clone(&resolver) as Arc<dyn Resolve>;
        Egress::with_resolver(Settings { tls_timeout, ..patient() }, TargetPolicy::dev(), &Roots::Only(authority.pem.clone()), resolver)
            .unwrap()
    };
    for (name, bytes, close, failure) in [
        ("plain HTTP", &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], true, TlsFailure::NotTls),
        ("closed", b"", true, TlsFailure::Closed),
        ("silent", b"", false, TlsFailure::TimedOut),
        ("an alert for the version", &[0x15, 3, 3, 0, 2, 2, 70], true, TlsFailure::Incompatible),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 4_096];
            assert!(stream.read(&mut hello).await.unwrap() > 0);
            stream.write_all(bytes).await.unwrap();
            if !close {
                while matches!(stream.read(&mut hello).await, Ok(1..)) {}
            }
        });
        let wait = if failure == TlsFailure::TimedOut { Duration::from_millis(150) } else { Duration::from_secs(60) };
        let result = egress(wait).send(Request::post(target(&format!("https://{NAME}:{port}/")), "{}")).await;
        assert_eq!(result.expect_err(name).cause, FailureCause::Tls(failure), "{name}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_name_is_indicated_and_an_address_is_checked_as_one() {
    let authority = Authority::new("trusted");
    let (certificate, key) = authority.issue("127.0.0.1", |_| {});
    let server = serving(&certificate, &key).await;
    let egress = egress(&authority);
    let by_address = target(&format!("https://{}/", server.address));
    assert_eq!(egress.send(Request::post(by_address, "{}")).await.expect("it is for this address").status, 200);
    let failure = egress.send(Request::post(at(&server), "{}")).await.expect_err("it is for no name");
    assert_eq!(failure.cause, FailureCause::Tls(TlsFailure::WrongName));
}

#[test]
fn without_anyone_to_trust_there_is_no_way_out() {
    for (pem, fault) in [("", RootsFault::Unreadable), ("nonsense", RootsFault::Unreadable)] {
        let made = Egress::new(patient(), TargetPolicy::default(), &Roots::Only(pem.to_owned()));
        assert_eq!(made.err(), Some(fault));
    }
    assert!(Egress::new(patient(), TargetPolicy::default(), &Roots::System).is_ok(), "there are always Mozilla's");
}

#[tokio::test]
async fn an_alert_after_the_handshake_is_not_taken_for_a_closed_connection() {
    // A listener that demands a certificate says so in TLS 1.3 only once the handshake is over for us.
    let authority = Authority::new("trusted");
    let (certificate, key) = authority.issue(NAME, |_| {});
    let server =
        Server::start_tls(crate::mutual_tls::demanding(&certificate, &key, &authority), |_| std::future::ready(Reply::Reset)).await;
    let failure = egress(&authority).send(Request::post(at(&server), "{}")).await.expect_err("it has no certificate to show");
    assert_eq!(failure.cause, FailureCause::Tls(TlsFailure::ClientCertificate));
}

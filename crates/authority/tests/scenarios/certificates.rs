//! Mutual TLS (RFC 8705): clients that authenticate by certificate, and tokens bound to one.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use countersign_authority::{Client, PeerCertificates, Settings};
use rcgen::{BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::caller::{Answer, ISSUER, Subject, basic, verified};

struct Ca {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn ca() -> Ca {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    Ca { certificate, issuer: Issuer::new(params, key) }
}

impl Ca {
    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Certificate {
        self.issue_until(name, usage, 2100)
    }

    fn issue_until(&self, name: &str, usage: ExtendedKeyUsagePurpose, year: i32) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap()
    }
}

fn self_signed() -> Certificate {
    CertificateParams::new(["sender.test".to_owned()]).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap()
}

/// Asks over a connection on which `certificate` was shown.
async fn ask(subject: &Subject, certificate: Option<&Certificate>, authorization: &str, form: &str) -> Answer {
    let mut request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    if let Some(certificate) = certificate {
        let shown: Arc<[CertificateDer<'static>]> = Arc::new([certificate.der().clone()]);
        request = request.extension(PeerCertificates(shown));
    }
    subject.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

const BY_CERTIFICATE: &str = "grant_type=client_credentials&client_id=sender";

#[tokio::test]
async fn as_6749_6_a_certificate_of_the_registered_ca_and_name_authenticates() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let (ours, foreign) = (ca(), ca());
    for (name, other) in [("sender.test", "other.test"), ("192.0.2.7", "192.0.2.8")] {
        let client = Client::try_with_certificate_of("sender", &ours.certificate.pem(), name).unwrap();
        let subject = Subject::with(Settings::new(ISSUER).client(client).client(Client::with_secret_basic("plain", "s3cret")));
        for (row, certificate, expected) in [
            ("the client's", Some(ours.issue(name, ClientAuth)), 200),
            ("of another name", Some(ours.issue(other, ClientAuth)), 401),
            ("of another CA", Some(foreign.issue(name, ClientAuth)), 401),
            ("for servers", Some(ours.issue(name, ServerAuth)), 401),
            ("expired", Some(ours.issue_until(name, ClientAuth, 2021)), 401),
            ("self-signed", Some(self_signed()), 401),
            ("none", None, 401),
        ] {
            assert_eq!(ask(&subject, certificate.as_ref(), "", BY_CERTIFICATE).await.status, expected, "{name}: {row}");
        }
        let certificate = ours.issue(name, ClientAuth);
        let as_plain = ask(&subject, Some(&certificate), "", "grant_type=client_credentials&client_id=plain").await;
        assert_eq!(as_plain.error(), (401, "invalid_client".into()), "a client is registered for one method");
        let nameless = ask(&subject, Some(&certificate), "", "grant_type=client_credentials").await;
        assert_eq!(nameless.error(), (401, "invalid_client".into()), "RFC 8705 §2: client_id must be sent");
    }
}

#[tokio::test]
async fn as_6749_6_a_registered_self_signed_certificate_authenticates_and_no_other() {
    let (first, second, stranger) = (self_signed(), self_signed(), self_signed());
    let both = format!("{}{}", first.pem(), second.pem());
    let jwks = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "x5c": [BASE64_STANDARD.encode(first.der())],
    }] });
    let registration = json!({ "client_id": "sender", "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks });
    let by_jwks: Client = serde_json::from_value(registration).unwrap();
    for (row, client, second_status) in [("PEM", Client::try_with_self_signed("sender", &both).unwrap(), 200), ("x5c", by_jwks, 401)] {
        let subject = Subject::with(Settings::new(ISSUER).client(client));
        assert_eq!(ask(&subject, Some(&first), "", BY_CERTIFICATE).await.status, 200, "{row}");
        assert_eq!(ask(&subject, Some(&second), "", BY_CERTIFICATE).await.status, second_status, "{row}: a rotation");
        assert_eq!(ask(&subject, Some(&stranger), "", BY_CERTIFICATE).await.status, 401, "{row}");
        assert_eq!(ask(&subject, None, "", BY_CERTIFICATE).await.status, 401, "{row}");
        let with_secret = ask(&subject, Some(&first), "", &format!("{BY_CERTIFICATE}&client_secret=x")).await;
        assert_eq!(with_secret.status, 401, "{row}: a secret is another method");
    }
}

#[tokio::test]
async fn as_8705_1_a_bound_token_names_the_certificate_of_the_connection() {
    let certificate = self_signed();
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(certificate.der()));
    let clients = [
        Client::try_with_self_signed("sender", &certificate.pem()).unwrap().certificate_bound_tokens(),
        Client::with_secret_basic("plain", "s3cret").certificate_bound_tokens(),
        Client::with_secret_basic("opaque", "s3cret").certificate_bound_tokens().opaque_tokens(),
        Client::with_secret_basic("unbound", "s3cret"),
    ];
    let subject = Subject::with(clients.into_iter().fold(Settings::new(ISSUER), Settings::client));
    let grant = "grant_type=client_credentials";

    for (row, authorization, form) in [("by certificate", String::new(), BY_CERTIFICATE), ("by secret", basic("plain", "s3cret"), grant)] {
        let answer = ask(&subject, Some(&certificate), &authorization, form).await;
        assert_eq!(verified(&subject, &answer.text("access_token")).await.1["cnf"], json!({ "x5t#S256": thumbprint }), "{row}");
    }
    let opaque = ask(&subject, Some(&certificate), &basic("opaque", "s3cret"), grant).await.text("access_token");
    assert_eq!(subject.introspect(&basic("opaque", "s3cret"), &opaque).await["cnf"], json!({ "x5t#S256": thumbprint }), "RFC 8705 §3.2");
    let without = ask(&subject, None, &basic("plain", "s3cret"), grant).await;
    assert_eq!(without.error(), (400, "invalid_request".into()), "there is nothing to bind it to");
    let unbound = ask(&subject, Some(&certificate), &basic("unbound", "s3cret"), grant).await.text("access_token");
    assert!(verified(&subject, &unbound).await.1.get("cnf").is_none(), "nobody asked for it");
}

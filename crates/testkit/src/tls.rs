//! Certificates made at run time, so that none in the repository can expire.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// A certificate authority of one test.
#[derive(Debug)]
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its private key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

/// What a TLS listener asks of its clients.
#[derive(Clone, Copy, Debug)]
pub enum ClientCertificates<'a> {
    /// Nothing.
    NotAsked,
    /// A certificate of this authority, if the client has one.
    Asked(&'a TestCa),
    /// A certificate of this authority, or the handshake fails.
    Required(&'a TestCa),
}

impl TestCa {
    /// A new authority with its own key.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Countersign test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("a certificate with fixed parameters can be made");
        Self { issuer }
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's own certificate in DER.
    #[must_use]
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A root store with this authority alone, for a client or a server of a test.
    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate_der()).expect("our own certificate can be parsed");
        roots
    }

    /// A server's certificate for these names and addresses.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(server_params(names))
    }

    /// A server's certificate for these names and addresses that expired in 2001.
    #[must_use]
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        let mut params = server_params(names);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// A client's certificate with this common name.
    #[must_use]
    pub fn client(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate with checked names can be signed");
        Identity { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// The certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate in DER.
    #[must_use]
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The private key in PEM (PKCS #8).
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The private key in DER (PKCS #8).
    #[must_use]
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }

    /// The TLS side of a server with this identity.
    #[must_use]
    pub fn server_config(&self, clients: ClientCertificates<'_>, protocols: &[&[u8]]) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions");
        let builder = match clients {
            ClientCertificates::NotAsked => builder.with_no_client_auth(),
            ClientCertificates::Asked(ca) => builder.with_client_cert_verifier(verifier(ca, Asking::Optional)),
            ClientCertificates::Required(ca) => builder.with_client_cert_verifier(verifier(ca, Asking::Required)),
        };
        let mut config =
            builder.with_single_cert(vec![self.certificate_der()], self.key_der()).expect("our own key fits our own certificate");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

#[derive(Clone, Copy)]
enum Asking {
    Optional,
    Required,
}

fn verifier(ca: &TestCa, asking: Asking) -> Arc<dyn ClientCertVerifier> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()), provider());
    let builder = match asking {
        Asking::Optional => builder.allow_unauthenticated(),
        Asking::Required => builder,
    };
    builder.build().expect("there is one root")
}

fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of a test are ASCII");
    params.distinguished_name.push(DnType::CommonName, "Countersign test listener");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("the system has random bytes")
}

/// Named, so that no test depends on a provider that another one installed for the process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

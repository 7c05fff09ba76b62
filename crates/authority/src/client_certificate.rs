//! Clients that authenticate by the certificate of their TLS connection (RFC 8705), and tokens bound to it.
//!
//! The TLS server verifies that the peer holds the key of the certificate it shows, and nothing more: whose certificate it is
//! and who vouches for it is decided here, client by client.

use std::{fmt, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use rustls::{
    RootCertStore,
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::{ParsedCertificate, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Certificates of one registration: two of a rotation, and room for a mistake.
const CERTIFICATES_MAX: usize = 16;

/// The certificates that the client showed on this connection, in DER, its own first. The TLS server puts them into the
/// extensions of the request, after it has verified that the peer holds the key (RFC 8446 §4.4.3); it need not check who vouches for them.
#[derive(Clone, Debug)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

impl PeerCertificates {
    fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.0.first()
    }

    /// `x5t#S256` of RFC 8705 §3.1: the SHA-256 of the client's own certificate, in unpadded base64url.
    pub(crate) fn thumbprint(&self) -> Option<String> {
        self.leaf().map(|leaf| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(leaf)))
    }
}

/// `tls_client_auth` (RFC 8705 §2.1): a certificate of these CAs, for this name.
#[derive(Clone)]
pub(crate) struct PkiClient {
    verifier: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

impl PkiClient {
    /// CAs in PEM, and the DNS name or IP address that the certificate must have among its subject alternative names.
    pub(crate) fn try_new(ca_pem: &str, name: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates_of_pem(ca_pem)? {
            roots.add(certificate).map_err(|error| format!("a CA cannot be used: {error}"))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| error.to_string())?;
        let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("'{name}' is not a DNS name or an IP address"))?;
        Ok(Self { verifier, name })
    }

    /// Whether these certificates are the client's, at this second.
    pub(crate) fn accepts(&self, shown: &PeerCertificates, now_s: u64) -> bool {
        let Some((leaf, intermediates)) = shown.0.split_first() else { return false };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now_s));
        self.verifier.verify_client_cert(leaf, intermediates, now).is_ok()
            && ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &self.name).is_ok())
    }
}

impl fmt::Debug for PkiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PkiClient").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `self_signed_tls_client_auth` (RFC 8705 §2.2): one of these very certificates, whoever signed them and however old they are.
#[derive(Clone, Debug)]
pub(crate) struct SelfSignedClient(Vec<[u8; 32]>);

impl SelfSignedClient {
    /// From the `x5c` members of a JWK set, each with the certificate itself first (RFC 7517 §4.7).
    pub(crate) fn try_from_jwks(set: &JwkSet) -> Result<Self, String> {
        let firsts = set.keys.iter().filter_map(|key| key.common.x509_chain.as_ref()?.first());
        let digests = firsts
            .map(|text| BASE64_STANDARD.decode(text).map(|der| digest(&der)).map_err(|_| "an x5c is not Base64".to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        Self::of(digests, "there is no x5c in jwks")
    }

    /// From certificates in PEM.
    pub(crate) fn try_from_pem(pem: &str) -> Result<Self, String> {
        Self::of(certificates_of_pem(pem)?.iter().map(|certificate| digest(certificate)).collect(), "there is none")
    }

    /// Whether the certificate shown is one of them.
    pub(crate) fn accepts(&self, shown: &PeerCertificates) -> bool {
        shown.leaf().is_some_and(|leaf| {
            let shown = digest(leaf);
            self.0.iter().fold(subtle::Choice::from(0), |found, known| found | known.ct_eq(&shown)).into()
        })
    }

    fn of(digests: Vec<[u8; 32]>, none: &str) -> Result<Self, String> {
        match digests.len() {
            0 => Err(none.to_owned()),
            1..=CERTIFICATES_MAX => Ok(Self(digests)),
            _ => Err(format!("more than {CERTIFICATES_MAX}")),
        }
    }
}

fn certificates_of_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("there is no certificate in PEM".to_owned()) } else { Ok(certificates) }
}

fn digest(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

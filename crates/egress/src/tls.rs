//! Whom we trust, and who we are.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use countersign_core::Secret;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use sha2::{Digest, Sha256};

/// Certificates of one chain or of one list of CAs; more is a mistake.
const CERTIFICATES_MAX: usize = 64;

/// Longest PEM, in bytes.
const PEM_BYTES_MAX: usize = 256 * 1_024;

/// CAs that an operator may name instead of the system's, which has about 150.
const ROOTS_MAX: usize = 2_000;

/// Longest PEM of them, in bytes.
const ROOTS_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// Which CAs are trusted for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Those of the operating system; Mozilla's where it has none.
    System,
    /// These alone (PEM).
    Only(String),
}

/// The CAs for everybody cannot be used. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootsFault {
    /// Not PEM, or not certificates.
    #[error("the trusted CAs cannot be read as PEM certificates")]
    Unreadable,
    /// None at all.
    #[error("there is no trusted CA")]
    None,
    /// The cryptography does not start.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// A client certificate and its key.
#[derive(Debug, Clone, Copy)]
pub struct ClientIdentity<'a> {
    /// The certificate and its intermediates, leaf first (PEM).
    pub chain_pem: &'a str,
    /// PKCS#8, PKCS#1 or SEC1 (PEM), not encrypted.
    pub key_pem: &'a Secret,
}

/// Who we are to a listener, and whom we trust besides the roots. Made once for an account's configuration and shared;
/// connections of different profiles are never shared.
pub struct TlsProfile {
    identity: Option<TlsIdentity>,
    client: Option<Arc<CertifiedKey>>,
    extra_roots: Vec<CertificateDer<'static>>,
}

/// Fingerprint of a profile: SHA-256 over certificates, key and CAs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlsIdentity([u8; 32]);

/// A profile cannot be used. The account administrator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    /// Not PEM, no certificate, or too many.
    #[error("the {part} cannot be read as 1 to {CERTIFICATES_MAX} PEM certificates")]
    Certificates {
        /// `client certificate` or `extra CA`.
        part: &'static str,
    },
    /// Not PEM, encrypted, or of an unknown kind.
    #[error("the private key cannot be read; give an unencrypted PKCS#8, PKCS#1 or SEC1 key as PEM")]
    Key,
    /// They do not belong together.
    #[error("the private key does not belong to the client certificate")]
    KeyMismatch,
    /// An extra CA is not usable as one.
    #[error("an extra CA is not acceptable as a trust anchor")]
    Anchor,
}

impl TlsProfile {
    /// No client certificate and no extra CA.
    #[must_use]
    pub fn plain() -> Arc<Self> {
        static PLAIN: OnceLock<Arc<TlsProfile>> = OnceLock::new();
        Arc::clone(PLAIN.get_or_init(|| Arc::new(Self { identity: None, client: None, extra_roots: Vec::new() })))
    }

    /// With a client certificate, extra CAs (each text may hold several), or both.
    ///
    /// # Errors
    /// [`ProfileFault`] when something cannot be read or does not fit together.
    pub fn try_new(client: Option<ClientIdentity<'_>>, extra_roots_pem: &[&str]) -> Result<Arc<Self>, ProfileFault> {
        let mut digest = Sha256::new();
        let mut feed = |kind: u8, der: &[u8]| {
            digest.update([kind]);
            digest.update((der.len() as u64).to_be_bytes());
            digest.update(der);
        };
        let client = match client {
            None => None,
            Some(ClientIdentity { chain_pem, key_pem }) => {
                let chain = certificates(chain_pem, PEM_BYTES_MAX, CERTIFICATES_MAX)
                    .ok_or(ProfileFault::Certificates { part: "client certificate" })?;
                let key = private_key(key_pem)?;
                chain.iter().for_each(|certificate| feed(1, certificate));
                feed(2, key.secret_der());
                Some(Arc::new(certified(chain, key)?))
            }
        };
        let mut extra_roots = Vec::new();
        for pem in extra_roots_pem {
            extra_roots.extend(certificates(pem, PEM_BYTES_MAX, CERTIFICATES_MAX).ok_or(ProfileFault::Certificates { part: "extra CA" })?);
        }
        if extra_roots.len() > CERTIFICATES_MAX {
            return Err(ProfileFault::Certificates { part: "extra CA" });
        }
        if client.is_none() && extra_roots.is_empty() {
            return Ok(Self::plain());
        }
        let mut anchors = RootCertStore::empty();
        for root in &extra_roots {
            feed(3, root);
            anchors.add(root.clone()).map_err(|_| ProfileFault::Anchor)?;
        }
        Ok(Arc::new(Self { identity: Some(TlsIdentity(digest.finalize().into())), client, extra_roots }))
    }

    /// `None` for [`plain`](Self::plain).
    #[must_use]
    pub fn identity(&self) -> Option<TlsIdentity> {
        self.identity
    }

    /// True when there is a client certificate to show.
    #[must_use]
    pub fn has_client_certificate(&self) -> bool {
        self.client.is_some()
    }
}

impl TlsIdentity {
    /// The digest, for [`content_key`](countersign_core::auth::OAuthConnection::content_key).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TlsIdentity {
    /// Enough to tell two apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsIdentity({:02x}{:02x}{:02x}{:02x}..)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl fmt::Debug for TlsProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsProfile")
            .field("identity", &self.identity)
            .field("client_certificate", &self.client.is_some())
            .field("extra_roots", &self.extra_roots.len())
            .finish()
    }
}

/// Makes the configurations of all profiles from the roots that they share.
pub(crate) struct TlsConfigs {
    provider: Arc<CryptoProvider>,
    roots: Arc<WebPkiServerVerifier>,
    http2: bool,
}

impl TlsConfigs {
    pub(crate) fn try_new(roots: &Roots, http2: bool) -> Result<Self, RootsFault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut store = RootCertStore::empty();
        match roots {
            Roots::System => {
                // A broken file among the system's is the system's affair; what can be read is taken.
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if store.is_empty() {
                    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                }
            }
            Roots::Only(pem) => {
                for certificate in certificates(pem, ROOTS_BYTES_MAX, ROOTS_MAX).ok_or(RootsFault::Unreadable)? {
                    store.add(certificate).map_err(|_| RootsFault::Unreadable)?;
                }
            }
        }
        if store.is_empty() {
            return Err(RootsFault::None);
        }
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(|error| RootsFault::Setup(error.to_string()))?;
        Ok(Self { provider, roots, http2 })
    }

    /// The configuration of a profile. The system's roots are shared by all of them.
    pub(crate) fn of(&self, profile: &TlsProfile) -> Result<Arc<ClientConfig>, RootsFault> {
        let setup = |error: &dyn fmt::Display| RootsFault::Setup(error.to_string());
        let verifier: Arc<dyn ServerCertVerifier> = if profile.extra_roots.is_empty() {
            Arc::clone(&self.roots) as Arc<dyn ServerCertVerifier>
        } else {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(profile.extra_roots.iter().cloned());
            let extra = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&self.provider))
                .build()
                .map_err(|error| setup(&error))?;
            Arc::new(WithExtraRoots { roots: Arc::clone(&self.roots), extra })
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| setup(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &profile.client {
            Some(client) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(client)))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = if self.http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        Ok(Arc::new(config))
    }
}

/// Verifies with the common roots first and then with the account's own; both do the whole of it: chain, name and time.
#[derive(Debug)]
struct WithExtraRoots {
    roots: Arc<WebPkiServerVerifier>,
    extra: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for WithExtraRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.roots
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|_| self.extra.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.roots.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.roots.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.supported_verify_schemes()
    }
}

/// One to `max` certificates of a text of at most `bytes_max` bytes.
fn certificates(pem: &str, bytes_max: usize, max: usize) -> Option<Vec<CertificateDer<'static>>> {
    if pem.len() > bytes_max {
        return None;
    }
    let list: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).take(max + 1).collect::<Result<_, _>>().ok()?;
    (1..=max).contains(&list.len()).then_some(list)
}

fn private_key(pem: &Secret) -> Result<PrivateKeyDer<'static>, ProfileFault> {
    let text = pem.expose_secret();
    if text.len() > PEM_BYTES_MAX {
        return Err(ProfileFault::Key);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| ProfileFault::Key)
}

fn certified(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, ProfileFault> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).map_err(|_| ProfileFault::Key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InvalidCertificate(_)) => Err(ProfileFault::Certificates { part: "client certificate" }),
        Err(_) => Err(ProfileFault::KeyMismatch),
    }
}

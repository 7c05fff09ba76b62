//! The certificate of the sender: which ones are accepted (Connect: mutual TLS, RFC 8705 §2).
//!
//! The handshake is the business of the TLS server. It proves that the sender holds the key of the certificate, and checks the chain
//! against the authorities it trusts; a certificate that it hands on without having done so must not reach this crate. What is left to
//! check here is *whose* certificate it is: public authorities certify everyone, so that "some valid certificate" says nothing about the
//! sender.

use std::{fmt, net::IpAddr};

use bytes::Bytes;
use rustls_pki_types::{CertificateDer, DnsName, ServerName};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The certificate that the sender showed on this connection, in DER. The TLS server puts it into the extensions of the request, once the
/// handshake has verified it; without it, a certificate check and tokens bound to a certificate refuse (RFC 8705 §3). Behind a
/// [`TrustedProxy`](crate::TrustedProxy) the layer puts there the one that the proxy names.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Bytes);

impl PeerCertificate {
    /// SHA-256 of the certificate: what `x5t#S256` is made of (RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerCertificate({} bytes)", self.0.len())
    }
}

/// Who said which certificate the sender has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateSource {
    /// The TLS server of this process.
    Connection,
    /// The trusted proxy at this address.
    Proxy(IpAddr),
}

/// A certificate that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptedCertificate {
    /// SHA-256 over its DER form.
    pub thumbprint: [u8; 32],
    /// Who said that it is the sender's.
    pub source: CertificateSource,
}

/// Why a client certificate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateRefused {
    /// The sender showed none.
    #[error("the sender has shown no client certificate")]
    Missing,
    /// A header names one, and who sent it is no trusted proxy: it was not read.
    #[error("the header with the client certificate was ignored, since {0} is no trusted proxy")]
    UntrustedProxy(IpAddr),
    /// A trusted proxy sent a header that does not hold exactly one certificate.
    #[error("the proxy's header does not hold exactly one certificate; check what the proxy sets")]
    Unreadable,
    /// A trusted proxy says that it has not verified the certificate.
    #[error("the proxy has not verified the client certificate")]
    NotVerified,
    /// It is a certificate, but not one of the expected.
    #[error("the client certificate is not one of those expected")]
    Unexpected,
}

/// The name is no DNS name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no DNS name; give a name such as connect.example.com")]
pub struct NotADnsName(pub String);

/// Which client certificates are accepted, of those that the TLS server has verified.
///
/// ```
/// use countersign_listener::ClientCertificateCheck;
///
/// let check = ClientCertificateCheck::verified().dns_name("connect.example.com")?;
/// # Ok::<(), countersign_listener::NotADnsName>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClientCertificateCheck {
    expected: Vec<Expected>,
}

#[derive(Debug, Clone)]
enum Expected {
    Thumbprint([u8; 32]),
    DnsName(DnsName<'static>),
}

impl ClientCertificateCheck {
    /// Every certificate that the TLS server has verified. Enough when that server trusts a private authority, which certifies nobody but
    /// the sender; otherwise add [`thumbprint`](Self::thumbprint) or [`dns_name`](Self::dns_name).
    #[must_use]
    pub fn verified() -> Self {
        Self { expected: Vec::new() }
    }

    /// Only this certificate (SHA-256 over its DER form), or another one added. It goes out of use when the sender renews it.
    #[must_use]
    pub fn thumbprint(mut self, sha256: [u8; 32]) -> Self {
        self.expected.push(Expected::Thumbprint(sha256));
        self
    }

    /// Only certificates of this DNS name (subject alternative name, RFC 6125 §6.4), or another one added.
    ///
    /// # Errors
    /// [`NotADnsName`] when the text is no DNS name.
    pub fn dns_name(mut self, name: &str) -> Result<Self, NotADnsName> {
        let name = DnsName::try_from(name.to_owned()).map_err(|_| NotADnsName(name.to_owned()))?;
        self.expected.push(Expected::DnsName(name));
        Ok(self)
    }

    /// Whether the certificate is one of those expected.
    pub(crate) fn check(&self, shown: Option<&(PeerCertificate, CertificateSource)>) -> Result<AcceptedCertificate, CertificateRefused> {
        let (certificate, source) = shown.ok_or(CertificateRefused::Missing)?;
        let thumbprint = certificate.thumbprint();
        let fits = self.expected.iter().map(|expected| expected.fits(certificate, &thumbprint)).fold(Choice::from(0), |a, b| a | b);
        if self.expected.is_empty() || fits.into() {
            Ok(AcceptedCertificate { thumbprint, source: *source })
        } else {
            Err(CertificateRefused::Unexpected)
        }
    }
}

impl Expected {
    fn fits(&self, certificate: &PeerCertificate, thumbprint: &[u8; 32]) -> Choice {
        match self {
            Self::Thumbprint(expected) => expected.ct_eq(thumbprint),
            Self::DnsName(name) => {
                let der = CertificateDer::from(certificate.0.as_ref());
                let named = webpki::EndEntityCert::try_from(&der)
                    .is_ok_and(|read| read.verify_is_valid_for_subject_name(&ServerName::DnsName(name.borrow())).is_ok());
                Choice::from(u8::from(named))
            }
        }
    }
}

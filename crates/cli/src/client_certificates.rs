//! Client certificates as development takes them: asked for, never demanded, and whoever signed them.

use std::sync::Arc;

use axum::{Router, extract::Request, middleware};
use countersign_authority::PeerCertificates;
use countersign_server::peer::TlsFacts;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Takes any certificate whose key the client holds. Whom it belongs to is decided further in: by the authorization server client by
/// client (RFC 8705 §2), by the inspector not at all.
#[derive(Debug)]
pub(crate) struct AnyClientCertificate(Arc<CryptoProvider>);

impl AnyClientCertificate {
    /// With the provider of everything else.
    pub(crate) fn verifier() -> Arc<dyn ClientCertVerifier> {
        Arc::new(Self(Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
    }
}

impl ClientCertVerifier for AnyClientCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(&self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: UnixTime) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Tells the authorization server behind `router` what the connection knows about the client.
pub(crate) fn told(router: Router) -> Router {
    router.layer(middleware::from_fn(|mut request: Request, next: middleware::Next| async move {
        let certificates = request.extensions().get::<TlsFacts>().map(|tls| Arc::clone(&tls.certificates));
        if let Some(certificates) = certificates.filter(|certificates| !certificates.is_empty()) {
            request.extensions_mut().insert(PeerCertificates(certificates));
        }
        next.run(request).await
    }))
}

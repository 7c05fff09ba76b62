//! The development CA: made once in the data directory, signs the certificate of the https port that `--dev` serves beside http,
//! since the SDKs' login helpers insist on https.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::client_certificates::AnyClientCertificate;

/// The names of the machine itself, which is all that development serves.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Which certificates of clients a server asks for.
#[derive(Clone, Debug)]
pub(crate) enum ClientCertificates {
    /// None.
    NotAsked,
    /// Any whose key the client holds, without demanding one. Browsers that have one ask their owner back, so that only development does.
    Asked,
    /// One of these CAs; nobody gets past the handshake without.
    Required(PathBuf),
}

/// A server configuration with a fresh certificate, and where the CA's certificate lies.
///
/// # Errors
/// When the CA cannot be read, made or written.
pub(crate) fn server_config(data_dir: &Path) -> anyhow::Result<(Arc<rustls::ServerConfig>, PathBuf)> {
    let (chain, key, certificate_path) = fresh_certificate(data_dir)?;
    Ok((Arc::new(config(chain, key, &ClientCertificates::Asked)?), certificate_path))
}

/// The same for a listener that may ask for certificates.
///
/// # Errors
/// As there, and when the CAs of clients cannot be read.
pub(crate) fn listener_config(data_dir: &Path, clients: &ClientCertificates) -> anyhow::Result<(Arc<rustls::ServerConfig>, PathBuf)> {
    let (chain, key, certificate_path) = fresh_certificate(data_dir)?;
    Ok((Arc::new(config(chain, key, clients)?), certificate_path))
}

/// A chain, its key, and where the certificate of the CA lies.
type Fresh = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, PathBuf);

fn fresh_certificate(data_dir: &Path) -> anyhow::Result<Fresh> {
    let certificate_path = data_dir.join("dev-ca.pem");
    let key_path = data_dir.join("dev-ca.key");
    if !key_path.exists() {
        make_ca(&certificate_path, &key_path)?;
    }
    let certificate = fs::read_to_string(&certificate_path).with_context(|| format!("reading {}", certificate_path.display()))?;
    let key = fs::read_to_string(&key_path).with_context(|| format!("reading {}", key_path.display()))?;
    let key = KeyPair::from_pem(&key).with_context(|| {
        format!("{} is not a private key; delete it and {} to make a new CA", key_path.display(), certificate_path.display())
    })?;
    let issuer = Issuer::new(ca_params()?, key);
    let leaf_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let leaf = params.signed_by(&leaf_key, &issuer)?;
    let chain =
        vec![leaf.der().clone(), CertificateDer::from_pem_slice(certificate.as_bytes()).context("the development CA cannot be read")?];
    let key = PrivateKeyDer::try_from(leaf_key.serialize_der()).map_err(|e| anyhow::anyhow!("the development key cannot be used: {e}"))?;
    Ok((chain, key, certificate_path))
}

/// A server configuration from files.
///
/// # Errors
/// When a file cannot be read, or they do not fit together.
pub(crate) fn from_files(certificate: &Path, key: &Path) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    listener_from_files(certificate, key, &ClientCertificates::NotAsked)
}

/// The same for a listener that may ask for certificates.
///
/// # Errors
/// As there, and when the CAs of clients cannot be read.
pub(crate) fn listener_from_files(
    certificate: &Path,
    key: &Path,
    clients: &ClientCertificates,
) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| anyhow::anyhow!("TLS certificate {} cannot be read: {error}", certificate.display()))?;
    let key_der =
        PrivateKeyDer::from_pem_file(key).map_err(|error| anyhow::anyhow!("TLS key {} cannot be read: {error}", key.display()))?;
    let config =
        config(chain, key_der, clients).with_context(|| format!("TLS certificate {} and key {}", certificate.display(), key.display()))?;
    Ok(Arc::new(config))
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: &ClientCertificates,
) -> anyhow::Result<rustls::ServerConfig> {
    let builder = rustls::ServerConfig::builder();
    let builder = match clients {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        ClientCertificates::Asked => builder.with_client_cert_verifier(AnyClientCertificate::verifier()),
        ClientCertificates::Required(ca) => {
            let unreadable = || format!("{} holds no CA certificates (PEM) that clients could be checked with", ca.display());
            let mut roots = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(ca).with_context(unreadable)? {
                roots.add(certificate.with_context(unreadable)?).with_context(unreadable)?;
            }
            let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().with_context(unreadable)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn ca_params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, "Countersign development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn make_ca(certificate_path: &Path, key_path: &Path) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let certificate = ca_params()?.self_signed(&key)?;
    fs::write(certificate_path, certificate.pem()).with_context(|| format!("writing {}", certificate_path.display()))?;
    write_private(key_path, key.serialize_pem().as_bytes())
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// The file's, with its path.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("writing {}", path.display()))
}

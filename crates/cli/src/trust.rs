//! Whom the verbs trust that talk to a server over https: the system's CAs, and those of a file.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::{
    input::{FileOrStdin, Inputs},
    misuse::Misuse,
    outbound::PEM_BYTES_MAX,
};

/// The TLS settings of a client.
pub(crate) fn client_config(ca: Option<&Path>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    // Single certificates of a system's store that cannot be read have never stopped anybody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let unreadable = || Misuse::error(format!("--ca: {} holds no PEM certificate", path.display()));
        let bytes = Inputs::default().file(&FileOrStdin::File(path.to_owned()), "--ca", PEM_BYTES_MAX)?;
        let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().map_err(|_| unreadable())?;
        if certificates.is_empty() {
            return Err(unreadable());
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|_| unreadable())?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().context("setting up TLS")?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

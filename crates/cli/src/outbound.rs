//! Requests that a command makes itself, as a server would make them: the same way out, with the caller's own policy.
//!
//! Whoever types a URL into a terminal may reach whatever the machine may reach, so loopback and `http` are permitted; the
//! policy of a server is stricter, and [`Outbound::server_refusal`] says so where it matters. `--strict` asks for that policy.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use countersign_core::{
    Secret,
    address::{ForbiddenUrl, TargetPolicy, check_target_url},
};
use countersign_egress::{ClientIdentity, Egress, Roots, Settings, TlsProfile};

use crate::{
    input::{FileOrStdin, Inputs, duration},
    misuse::Misuse,
};

/// Longest PEM file, in bytes: a bundle of all public CAs has about 250 KiB.
pub(crate) const PEM_BYTES_MAX: usize = 1 << 20;

/// What private networks mean here: RFC 1918, the shared space of RFC 6598 and RFC 4193.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// How requests go out.
#[derive(Debug, Args)]
pub(crate) struct Outbound {
    /// Trust the CAs of this PEM file besides the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Present this client certificate (PEM chain)
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
    /// Permit private networks too, not only loopback and the internet
    #[arg(long)]
    allow_private: bool,
    /// Permit only what a server without --dev permits: https to public addresses
    #[arg(long, conflicts_with = "allow_private")]
    strict: bool,
    /// Give up after this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// What a listener's own operator may have messages forwarded to: every address that can be one application's, on every port, also
/// unencrypted. Metadata services stay shut, for no application is there.
pub(crate) fn operator_policy() -> TargetPolicy {
    let mut policy = TargetPolicy::dev();
    policy.allow_ports.push("1-65535".parse().expect("the constant is a range"));
    for network in PRIVATE {
        policy.allow_networks.push(network.parse().expect("the constants are networks"));
    }
    policy
}

impl Outbound {
    /// The way out.
    pub(crate) fn egress(&self) -> anyhow::Result<Egress> {
        let settings = Settings { total_timeout: self.timeout, token_timeout: self.timeout, ..Settings::default() };
        Ok(Egress::new(settings, self.policy(), &Roots::System)?)
    }

    /// Who we are, and whom we trust besides the system's CAs.
    pub(crate) fn profile(&self) -> anyhow::Result<Arc<TlsProfile>> {
        let ca = self.ca.as_ref().map(|path| pem(path, "--ca")).transpose()?;
        let extra: Vec<&str> = ca.as_deref().into_iter().collect();
        let identity = match (&self.cert, &self.cert_key) {
            (Some(cert), Some(key)) => Some((pem(cert, "--cert")?, Secret::new(pem(key, "--cert-key")?))),
            _ => None,
        };
        let client = identity.as_ref().map(|(chain_pem, key_pem)| ClientIdentity { chain_pem, key_pem });
        TlsProfile::try_new(client, &extra).map_err(|fault| Misuse::error(fault.to_string()))
    }

    /// The file of further CAs.
    pub(crate) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// How long to wait.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Why a server without `--dev` would refuse this URL, if it would.
    pub(crate) fn server_refusal(url: &str) -> Option<ForbiddenUrl> {
        check_target_url(url, &TargetPolicy::default()).err()
    }

    fn policy(&self) -> TargetPolicy {
        if self.strict {
            return TargetPolicy::default();
        }
        let mut policy = TargetPolicy::dev();
        if self.allow_private {
            for network in PRIVATE {
                policy.allow_networks.push(network.parse().expect("the constants are networks"));
            }
        }
        policy
    }
}

fn pem(path: &Path, what: &str) -> anyhow::Result<String> {
    Inputs::default().text(&FileOrStdin::File(path.to_owned()), what, PEM_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_all_read() {
        let outbound =
            Outbound { ca: None, cert: None, cert_key: None, allow_private: true, strict: false, timeout: Duration::from_secs(1) };
        let dev = TargetPolicy::dev().allow_networks.len();
        assert_eq!(outbound.policy().allow_networks.len(), dev + PRIVATE.len());
    }

    #[test]
    fn what_a_server_refuses_is_told() {
        assert!(Outbound::server_refusal("http://127.0.0.1/").is_some());
        assert!(Outbound::server_refusal("https://listener.example/connect").is_none());
    }
}

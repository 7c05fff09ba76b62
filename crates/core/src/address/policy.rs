//! The policy of one installation.

use ipnet::IpNet;

use super::port::PortRange;

/// Who may be dialled. One per installation, never per account: an account cannot open the operator's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPolicy {
    /// Networks opened besides the globally routable ones (setting `allow_private_targets`). Loopback and link-local
    /// networks must be listed from within, metadata services one by one.
    pub allow_networks: Vec<IpNet>,
    /// Ports that may be dialled.
    pub allow_ports: Vec<PortRange>,
    /// Whether `http://` is permitted.
    pub plain_http: PlainHttp,
}

/// Whether a request may go unencrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// No.
    Never,
    /// To the machine itself.
    Loopback,
    /// To every permitted address.
    Anywhere,
}

impl Default for TargetPolicy {
    /// `https` to globally routable addresses, port 443 and every port from 1024 on.
    ///
    /// Unprivileged ports are open from the start, since listeners stand on 8443 and the like, TLS is demanded on all
    /// of them, and the address is public in any case; those on which other protocols listen stay shut. Setting
    /// `allow_ports` to `443` alone is the strictest form.
    fn default() -> Self {
        Self { allow_networks: Vec::new(), allow_ports: vec![PortRange::HTTPS, PortRange::UNPRIVILEGED], plain_http: PlainHttp::Never }
    }
}

impl TargetPolicy {
    /// For development: also `http`, port 80 and loopback.
    #[must_use]
    pub fn dev() -> Self {
        Self::default().opened_for_development()
    }

    /// This policy, and also `http`, port 80 and loopback.
    #[must_use]
    pub fn opened_for_development(mut self) -> Self {
        self.allow_ports.push(PortRange::HTTP);
        self.plain_http = PlainHttp::Anywhere;
        self.allow_networks.extend(LOOPBACK.iter().map(|network| network.parse::<IpNet>().expect("the constants are networks")));
        self
    }

    /// The same for token requests, whose secret goes unencrypted to loopback at most (RFC 6749 §3.2).
    #[must_use]
    pub fn for_tokens(&self) -> Self {
        let plain_http = match self.plain_http {
            PlainHttp::Never => PlainHttp::Never,
            PlainHttp::Loopback | PlainHttp::Anywhere => PlainHttp::Loopback,
        };
        Self { plain_http, ..self.clone() }
    }

    /// True when some range opens the port.
    #[must_use]
    pub fn opens_port(&self, port: u16) -> bool {
        self.allow_ports.iter().any(|range| range.opens(port))
    }
}

/// Loopback networks of both families.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

//! A proxy that ends TLS in front of `listen` and names the sender's certificate in a header.
//!
//! The header counts from the proxy's addresses alone and is taken out of every other request (rules of [`TrustedProxy`]); so the two
//! flags go together.

use std::{net::IpAddr, str::FromStr};

use clap::Args;
use countersign_listener::{IpNet, TrustedProxy};
use http::HeaderName;

use crate::misuse::Misuse;

/// How the proxy is known, and where it writes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
pub(crate) struct ProxyArgs {
    /// Demand a client certificate that a proxy in front has verified and names in this header: ssl-client-escaped-cert (nginx),
    /// x-forwarded-client-cert (Envoy) or client-cert (RFC 9440); another name as nginx=NAME, envoy=NAME or rfc9440=NAME
    #[arg(long, value_name = "[FORM=]NAME", requires = "trusted_proxy", conflicts_with_all = ["require_client_cert", "no_verify"])]
    client_cert_header: Option<CertificateHeader>,
    /// With --client-cert-header: the address or network that the proxy connects from; may be repeated
    #[arg(long, value_name = "CIDR", requires = "client_cert_header", value_parser = network)]
    trusted_proxy: Vec<IpNet>,
    /// With --client-cert-header: demand that the proxy says SUCCESS in this header (nginx: $ssl_client_verify)
    #[arg(long, value_name = "NAME", requires = "client_cert_header")]
    client_cert_verify_header: Option<HeaderName>,
}

impl ProxyArgs {
    /// Which header names the certificate, and from whom it is believed, for the line that says what is checked.
    pub(crate) fn words(&self) -> Option<String> {
        let CertificateHeader { name, .. } = self.client_cert_header.as_ref()?;
        let peers: Vec<String> = self.trusted_proxy.iter().map(ToString::to_string).collect();
        Some(format!(" as the proxy at {} names it in {name}", peers.join(" or ")))
    }

    /// The proxy, if one is trusted.
    ///
    /// # Errors
    /// Misuse: one header for the certificate and for the verdict about it.
    pub(crate) fn proxy(&self) -> anyhow::Result<Option<TrustedProxy>> {
        let Some(CertificateHeader { form, name }) = self.client_cert_header.clone() else { return Ok(None) };
        if self.client_cert_verify_header.as_ref() == Some(&name) {
            return Err(Misuse::error(format!(
                "--client-cert-verify-header and --client-cert-header are both {name}; one holds the proxy's verdict, the other the certificate"
            )));
        }
        let peers = self.trusted_proxy.iter().copied();
        let proxy = match form {
            Form::Nginx => TrustedProxy::nginx(peers),
            Form::Envoy => TrustedProxy::envoy(peers),
            Form::Rfc9440 => TrustedProxy::rfc9440(peers),
        };
        let proxy = proxy.header(name);
        Ok(Some(match &self.client_cert_verify_header {
            Some(verdict) => proxy.demand_verified(verdict.clone()),
            None => proxy,
        }))
    }
}

/// A header that names a certificate, and in which form.
#[derive(Clone, PartialEq, Eq, Debug)]
struct CertificateHeader {
    form: Form,
    name: HeaderName,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Nginx,
    Envoy,
    Rfc9440,
}

/// The forms by the word before `=`, with the header that each has by itself.
const FORMS: [(&str, &str, Form); 3] = [
    ("nginx", "ssl-client-escaped-cert", Form::Nginx),
    ("envoy", "x-forwarded-client-cert", Form::Envoy),
    ("rfc9440", "client-cert", Form::Rfc9440),
];

impl FromStr for CertificateHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (form, name) = match text.split_once('=') {
            Some((word, name)) => (FORMS.iter().find(|(known, ..)| *known == word), name),
            None => (FORMS.iter().find(|(_, usual, _)| text.eq_ignore_ascii_case(usual)), text),
        };
        let Some((.., form)) = form else {
            return Err("say in which form the proxy writes it: nginx=NAME, envoy=NAME or rfc9440=NAME".to_owned());
        };
        let name = name.parse().map_err(|_| format!("'{name}' cannot be the name of a header"))?;
        Ok(Self { form: *form, name })
    }
}

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| "write it like 127.0.0.1 or 10.0.0.0/8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_by_its_name_or_by_the_form_before_it() {
        let read = |text: &str| text.parse::<CertificateHeader>().map(|header| (header.form, header.name.to_string()));
        for (text, form, name) in [
            ("ssl-client-escaped-cert", Form::Nginx, "ssl-client-escaped-cert"),
            ("X-Forwarded-Client-Cert", Form::Envoy, "x-forwarded-client-cert"),
            ("Client-Cert", Form::Rfc9440, "client-cert"),
            ("nginx=X-Client-Cert", Form::Nginx, "x-client-cert"),
            ("rfc9440=ssl-client-escaped-cert", Form::Rfc9440, "ssl-client-escaped-cert"),
        ] {
            assert_eq!(read(text), Ok((form, name.to_owned())), "{text}");
        }
        for text in ["x-client-cert", "apache=X-Cert", "nginx=", "nginx=a b", ""] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_proxy_is_at_an_address_or_in_a_network() {
        for (text, network_of) in [("127.0.0.1", "127.0.0.1/32"), ("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128")] {
            assert_eq!(network(text).map(|net| net.to_string()), Ok(network_of.to_owned()));
        }
        for text in ["localhost", "10.0.0.0/33", "", "10.0.0"] {
            assert!(network(text).is_err(), "{text:?}");
        }
    }
}

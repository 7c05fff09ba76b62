//! The issuer identifier and the addresses made from it.

use url::Url;

/// Where the endpoints lie, relative to the issuer.
pub(crate) const TOKEN: &str = "/token";
/// RFC 7517 §5.
pub(crate) const JWKS: &str = "/jwks";
/// RFC 7662.
pub(crate) const INTROSPECTION: &str = "/introspect";
/// RFC 7009.
pub(crate) const REVOCATION: &str = "/revoke";
/// RFC 8414 §3.
pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery 1.0 §4, which RFC 8414 §5 allows beside its own.
pub(crate) const OPENID_METADATA: &str = "/.well-known/openid-configuration";

/// The issuer identifier (RFC 8414 §2): an absolute http or https address without query and fragment. It is used byte for
/// byte as given, since others compare it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    text: String,
    /// The path without its last slash: empty at the root of a host.
    path: String,
    /// The address without its path.
    origin: String,
}

/// The issuer is not an address that can be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("issuer '{issuer}' {reason}; write it like http://127.0.0.1:8401 or https://id.example/dev/authority")]
pub struct IssuerError {
    /// The issuer as given.
    pub issuer: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Issuer {
    /// Reads an issuer.
    pub(crate) fn parse(text: &str) -> Result<Self, IssuerError> {
        let refused = |reason| IssuerError { issuer: text.to_owned(), reason };
        let url = Url::parse(text).map_err(|_| refused("is not an absolute address"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("is not an http or https address"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("has a query or a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("has a user in it"));
        }
        let path = url.path().trim_end_matches('/');
        // Such segments, and braces, have a meaning in a route.
        if path.split('/').any(|segment| segment.starts_with([':', '*'])) || path.contains(['{', '}']) {
            return Err(refused("has a path segment that cannot be served"));
        }
        Ok(Self { text: text.to_owned(), path: path.to_owned(), origin: url.origin().ascii_serialization() })
    }

    /// The same issuer at another origin, for a server that learns its port only when it listens.
    pub(crate) fn at_origin(&self, origin: &str) -> Result<Self, IssuerError> {
        Self::parse(&format!("{origin}{}", self.path))
    }

    /// Byte for byte as given.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, empty at the root of a host.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The address of an endpoint.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_lie_below_the_issuer() {
        for (issuer, token) in [
            ("http://127.0.0.1:8401", "http://127.0.0.1:8401/token"),
            ("http://127.0.0.1:8401/", "http://127.0.0.1:8401/token"),
            ("https://id.example/dev/authority", "https://id.example/dev/authority/token"),
            ("https://id.example/dev/authority/", "https://id.example/dev/authority/token"),
        ] {
            let parsed = Issuer::parse(issuer).expect("an issuer");
            assert_eq!((parsed.as_str(), parsed.endpoint(TOKEN).as_str()), (issuer, token));
        }
    }

    #[test]
    fn what_cannot_be_an_issuer_is_refused() {
        for text in [
            "",
            "id.example",
            "/dev",
            "ftp://id.example",
            "https://id.example/?a=b",
            "https://id.example/#f",
            "https://u:p@id.example/",
            "https://id.example/:a",
            "https://id.example/*a",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
    }
}

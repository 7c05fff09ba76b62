//! Where the keys of an authorization server are, found by its issuer identifier (RFC 8414; OpenID Connect Discovery 1.0 §4).
//!
//! The document must name the very issuer that it was asked for, byte for byte: else one server could pass its keys off as another's
//! (RFC 8414 §3.3, §6.2). It is read with the same fetch as the keys, over https, and so is the address of the keys that it names.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use serde_json::Value;

use crate::{
    clock::UnixSeconds,
    fetch::{Fetch, fetch_bounded, is_json},
    strict_json::read_object,
    token::TokenRefused,
};

/// The longest metadata document read, in bytes; real ones have two to six thousand.
pub const METADATA_BYTES_MAX: usize = 64 * 1024;
/// The address of the keys is looked up again after this long, in seconds.
const FOUND_SECONDS: u64 = 24 * 3_600;

/// Where an authorization server publishes its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataLocation {
    /// `/.well-known/oauth-authorization-server` between host and path (RFC 8414 §3.1).
    OAuth,
    /// `/.well-known/openid-configuration` behind the path (OpenID Connect Discovery 1.0 §4.1): what servers made for logins have.
    OpenId,
}

/// The text is not the issuer identifier of a server that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerRefused {
    /// RFC 8414 §2.
    #[error("an issuer is an https URL with a host and without user, query and fragment")]
    NotAnIssuer,
    /// Keys fetched in the clear are anyone's keys.
    #[error("the issuer is not an https URL; http is for loopback addresses alone")]
    Plaintext,
}

/// Finds the address of the keys and keeps it for a day.
pub(crate) struct Discovery {
    issuer: String,
    metadata: Uri,
    found: Mutex<Option<(Uri, UnixSeconds)>>,
}

impl Discovery {
    pub(crate) fn try_new(issuer: &str, location: MetadataLocation) -> Result<Self, IssuerRefused> {
        if issuer.contains(['?', '#']) {
            return Err(IssuerRefused::NotAnIssuer);
        }
        let uri: Uri = issuer.parse().map_err(|_| IssuerRefused::NotAnIssuer)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(IssuerRefused::NotAnIssuer) };
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(IssuerRefused::NotAnIssuer);
        }
        if !may_be_asked(&uri) {
            return Err(IssuerRefused::Plaintext);
        }
        let path = uri.path().trim_end_matches('/');
        let path = match location {
            MetadataLocation::OAuth => format!("/.well-known/oauth-authorization-server{path}"),
            MetadataLocation::OpenId => format!("{path}/.well-known/openid-configuration"),
        };
        let metadata = format!("{scheme}://{authority}{path}").parse().map_err(|_| IssuerRefused::NotAnIssuer)?;
        Ok(Self { issuer: issuer.to_owned(), metadata, found: Mutex::new(None) })
    }

    /// Where the metadata is.
    pub(crate) fn metadata(&self) -> &Uri {
        &self.metadata
    }

    /// Where the keys are.
    pub(crate) async fn jwks_uri(&self, fetch: &Arc<dyn Fetch>, now: UnixSeconds) -> Result<Uri, TokenRefused> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((uri, at)) = known
            && now.checked_sub(at).is_some_and(|age| age < FOUND_SECONDS)
        {
            return Ok(uri);
        }
        let uri = self.look_up(fetch).await?;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((uri.clone(), now));
        Ok(uri)
    }

    /// Looks the address up anew next time: keys could not be had from it.
    pub(crate) fn forget(&self) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn look_up(&self, fetch: &Arc<dyn Fetch>) -> Result<Uri, TokenRefused> {
        let unavailable = |words: &str| TokenRefused::Unavailable(words.into());
        let request = Request::builder().method(Method::GET).uri(&self.metadata).header(header::ACCEPT, "application/json");
        let request = request.body(Bytes::new()).map_err(|error| TokenRefused::Unavailable(error.to_string()))?;
        let answer = fetch_bounded(fetch, request, METADATA_BYTES_MAX).await?;
        if answer.status() != StatusCode::OK {
            return Err(TokenRefused::Unavailable(format!("its metadata were answered with {}", answer.status().as_u16())));
        }
        if !is_json(&answer) {
            return Err(unavailable("its metadata are not JSON"));
        }
        let members = read_object(answer.body()).ok_or_else(|| unavailable("its metadata are not a plain JSON object"))?;
        if members.get("issuer").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(unavailable("its metadata name another issuer; compare the two byte for byte"));
        }
        let uri: Option<Uri> = members.get("jwks_uri").and_then(Value::as_str).and_then(|uri| uri.parse().ok());
        // A server reached over https never sends us to an address in the clear.
        let plain_is_fine = self.metadata.scheme_str() == Some("http");
        let fits = |uri: &Uri| may_be_asked(uri) && (plain_is_fine || uri.scheme_str() == Some("https"));
        uri.filter(fits).ok_or_else(|| unavailable("its metadata have no https jwks_uri"))
    }
}

/// Whether the address is one of https, or of http at a loopback address (a server for development).
fn may_be_asked(uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let is_loopback = address.map_or_else(|| host.eq_ignore_ascii_case("localhost"), |address| address.to_canonical().is_loopback());
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l_8414_1_the_well_known_part_goes_between_host_and_path() {
        let rows = [
            ("https://id.example", MetadataLocation::OAuth, "https://id.example/.well-known/oauth-authorization-server"),
            ("https://id.example/", MetadataLocation::OAuth, "https://id.example/.well-known/oauth-authorization-server"),
            ("https://id.example/a/b", MetadataLocation::OAuth, "https://id.example/.well-known/oauth-authorization-server/a/b"),
            ("https://id.example:8443/a/", MetadataLocation::OAuth, "https://id.example:8443/.well-known/oauth-authorization-server/a"),
            ("https://id.example", MetadataLocation::OpenId, "https://id.example/.well-known/openid-configuration"),
            ("https://id.example/a/b/", MetadataLocation::OpenId, "https://id.example/a/b/.well-known/openid-configuration"),
            ("http://127.0.0.1:1/x", MetadataLocation::OpenId, "http://127.0.0.1:1/x/.well-known/openid-configuration"),
            ("http://[::1]:1", MetadataLocation::OAuth, "http://[::1]:1/.well-known/oauth-authorization-server"),
        ];
        for (issuer, location, expected) in rows {
            assert_eq!(Discovery::try_new(issuer, location).map(|found| found.metadata().to_string()), Ok(expected.to_owned()), "{issuer}");
        }
    }

    #[test]
    fn l_8414_3_an_issuer_is_an_https_url() {
        for (issuer, refused) in [
            ("http://id.example", IssuerRefused::Plaintext),
            ("http://10.0.0.1", IssuerRefused::Plaintext),
            ("ftp://id.example", IssuerRefused::Plaintext),
            ("id.example", IssuerRefused::NotAnIssuer),
            ("/path", IssuerRefused::NotAnIssuer),
            ("", IssuerRefused::NotAnIssuer),
            ("https://user@id.example", IssuerRefused::NotAnIssuer),
            ("https://id.example?a=b", IssuerRefused::NotAnIssuer),
            ("https://id.example#a", IssuerRefused::NotAnIssuer),
            ("https://id example", IssuerRefused::NotAnIssuer),
        ] {
            assert_eq!(Discovery::try_new(issuer, MetadataLocation::OAuth).err(), Some(refused), "{issuer}");
        }
    }
}

//! What is sent, where to, and how long it may take.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Uri};
use url::Url;

use crate::{payload::Payload, settings::Settings, tls::TlsProfile};

/// A URL ready to be sent to. Made once for a subscription and cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target(Uri);

/// Not an `http` or `https` URL with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https URL with a host and without user name and password")]
pub struct NotATarget;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Purpose {
    /// A message to a listener.
    #[default]
    Message,
    /// Credentials to an authorization server: unencrypted to loopback at most, even in development.
    Token,
}

/// How long an exchange may take and how much of the answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// See [`Settings::total_timeout`].
    pub total_timeout: Duration,
    /// See [`Settings::first_byte_timeout`].
    pub first_byte_timeout: Option<Duration>,
    /// See [`Settings::body_timeout`].
    pub body_timeout: Duration,
    /// See [`Settings::answer_kept_bytes`].
    pub answer_kept_bytes: usize,
}

/// One request, a POST as a rule.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`, or `GET` for what an authorization server publishes.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// Everything but what frames the message: `Host`, `Content-Length`, `Transfer-Encoding` and `Connection` are set here
    /// and nowhere else, and a request that brings them is refused.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
    /// With which certificate and which further CAs.
    pub profile: Arc<TlsProfile>,
    /// `None`: as the settings say.
    pub limits: Option<Limits>,
    /// What it is for.
    pub purpose: Purpose,
}

impl Target {
    /// Whether it may be sent to is decided at dial; a URL is checked when it is saved by
    /// [`check_target_url`](countersign_core::address::check_target_url).
    ///
    /// # Errors
    /// [`NotATarget`].
    pub fn try_new(url: &Url) -> Result<Self, NotATarget> {
        let usable = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        if !usable {
            return Err(NotATarget);
        }
        let text = url.as_str().split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|_| NotATarget)?;
        if uri.host().is_none_or(str::is_empty) { Err(NotATarget) } else { Ok(Self(uri)) }
    }

    /// For the HTTP client.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Scheme, host and port, which is what authorization servers are told apart by.
    #[must_use]
    pub fn origin(&self) -> String {
        let (scheme, authority) = (self.0.scheme_str().unwrap_or_default(), self.0.authority());
        format!("{scheme}://{}", authority.map_or("", |authority| authority.as_str()))
    }
}

impl fmt::Debug for Target {
    /// Without path and query, in which people put keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.origin())
    }
}

impl Request {
    /// A message without headers, with the default profile and limits.
    pub fn post(target: Target, payload: impl Into<Payload>) -> Self {
        Self {
            method: Method::POST,
            target,
            headers: HeaderMap::new(),
            payload: payload.into(),
            profile: TlsProfile::plain(),
            limits: None,
            purpose: Purpose::Message,
        }
    }

    /// A question without a body, for what an authorization server publishes.
    #[must_use]
    pub fn get(target: Target) -> Self {
        Self { method: Method::GET, purpose: Purpose::Token, ..Self::post(target, bytes::Bytes::new()) }
    }
}

impl Limits {
    /// Those of the settings for messages.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            total_timeout: settings.total_timeout,
            first_byte_timeout: settings.first_byte_timeout,
            body_timeout: settings.body_timeout,
            answer_kept_bytes: settings.answer_kept_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_with_a_host_and_without_credentials_are_targets() {
        for (text, uri) in [
            ("https://listener.example", Some("https://listener.example/")),
            ("http://listener.example:8080/a?b=c#d", Some("http://listener.example:8080/a?b=c")),
            ("https://[::1]:8443/", Some("https://[::1]:8443/")),
            ("https://u:p@listener.example/", None),
            ("file:///etc/passwd", None),
            ("data:,x", None),
        ] {
            let target = Target::try_new(&text.parse().expect("a URL"));
            assert_eq!(target.ok().map(|target| target.uri().to_string()).as_deref(), uri, "{text}");
        }
    }

    #[test]
    fn a_printed_target_shows_no_query() {
        let target = Target::try_new(&"https://listener.example/hook/s3cret?key=s3cret".parse().expect("a URL")).expect("a target");
        assert_eq!(format!("{target:?}"), "Target(https://listener.example)");
    }
}

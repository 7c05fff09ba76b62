//! Passing messages on to the application: what `--forward` says, and the attempt that is made at once where there is no store.

use std::{str::FromStr, time::Duration};

use bytes::Bytes;
use countersign_core::{event::EventName, id::DeliveryId, subscription::EventPattern};
use countersign_egress::{Egress, Request, Roots, Settings, Target};
use countersign_listener::ReplayKey;
use futures_util::future::join_all;
use http::{HeaderName, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use url::Url;

use super::{arrival::Forwarded, carried};
use crate::outbound::operator_policy;

/// As Countersign names itself.
const USER_AGENT: &str = concat!("Countersign/", env!("CARGO_PKG_VERSION"));
/// The header with the delivery id, the same over all attempts for one message and URL.
const DELIVERY_HEADER: HeaderName = HeaderName::from_static("x-countersign-delivery");
/// Patterns of one URL, at most.
const PATTERNS_MAX: usize = 100;
/// How much of an application's answer is read for showing: nothing of it is shown, and the status is what counts.
const ANSWER_BYTES_KEPT: usize = 1_024;

/// Where messages go, and which: `URL`, or `PATTERN,PATTERN=URL`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Forward {
    /// The application's URL.
    pub(crate) url: Url,
    /// The events it gets.
    pub(crate) patterns: Vec<EventPattern>,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A URL may hold '=', a pattern cannot.
        let begins_with_scheme = |text: &str| ["http://", "https://"].iter().any(|scheme| text.to_ascii_lowercase().starts_with(scheme));
        let (patterns, url) = if begins_with_scheme(text) { ("*", text) } else { text.split_once('=').ok_or_else(misread)? };
        let patterns: Vec<EventPattern> = patterns
            .split(',')
            .map(|pattern| EventPattern::try_new(pattern.trim()).map_err(|refused| refused.to_string()))
            .collect::<Result<_, _>>()?;
        if patterns.len() > PATTERNS_MAX {
            return Err(format!("more than {PATTERNS_MAX} patterns for one URL"));
        }
        let url = Url::parse(url).map_err(|_| misread())?;
        Target::try_new(&url).map_err(|refused| refused.to_string())?;
        Ok(Self { url, patterns })
    }
}

fn misread() -> String {
    "write it like http://127.0.0.1:8080/connect, or 'envelope-*,recipient-completed=http://127.0.0.1:8080/connect'".to_owned()
}

impl Forward {
    /// Whether it gets events of that name.
    pub(crate) fn wants(&self, event: &EventName) -> bool {
        self.patterns.iter().any(|pattern| pattern.fits(event))
    }
}

/// Forwards at once, each message once.
pub(crate) struct Forwarder {
    egress: Egress,
    to: Vec<(Forward, Target)>,
}

impl Forwarder {
    /// To these, each within `timeout`.
    ///
    /// # Errors
    /// When the machine trusts no CA at all.
    pub(crate) fn try_new(to: &[Forward], timeout: Duration) -> anyhow::Result<Self> {
        let settings =
            Settings { total_timeout: timeout, body_timeout: timeout, answer_kept_bytes: ANSWER_BYTES_KEPT, ..Settings::default() };
        let egress = Egress::new(settings, operator_policy(), &Roots::System)?;
        let to = to.iter().map(|forward| Ok((forward.clone(), Target::try_new(&forward.url)?))).collect::<anyhow::Result<_>>()?;
        Ok(Self { egress, to })
    }

    /// To all that want the event, at the same time.
    pub(crate) async fn forward(&self, event: &EventName, key: ReplayKey, carried: &[(String, String)], body: &Bytes) -> Vec<Forwarded> {
        let wanted = self.to.iter().filter(|(forward, _)| forward.wants(event));
        join_all(wanted.map(|(forward, target)| self.attempt(forward, target, key, carried, body))).await
    }

    async fn attempt(&self, forward: &Forward, target: &Target, key: ReplayKey, carried: &[(String, String)], body: &Bytes) -> Forwarded {
        let delivery = delivery_id(key, &forward.url).to_string();
        let mut headers = carried::as_map(carried);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(DELIVERY_HEADER, HeaderValue::from_str(&delivery).expect("an id is letters and digits"));
        let mut request = Request::post(target.clone(), body.clone());
        request.headers = headers;
        let began = Instant::now();
        let sent = self.egress.send(request).await;
        let result = sent.map(|answer| answer.status).map_err(|failure| failure.to_string());
        Forwarded { to: forward.url.to_string(), result, took: began.elapsed(), delivery }
    }
}

/// The same for the same message and URL, whenever it comes.
fn delivery_id(key: ReplayKey, url: &Url) -> DeliveryId {
    let digest = Sha256::new().chain_update(key.as_bytes()).chain_update(url.as_str()).finalize();
    let mut head = [0_u8; 8];
    head.copy_from_slice(&digest[..8]);
    // Ids are kept in 63 bits.
    DeliveryId::from_raw(u64::from_be_bytes(head) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_is_a_url_with_patterns_before_it() {
        for (text, url, wanted, unwanted) in [
            ("http://127.0.0.1:1/a?b=c", "http://127.0.0.1:1/a?b=c", "anything", ""),
            ("envelope-*=http://127.0.0.1:1/a?b=c", "http://127.0.0.1:1/a?b=c", "envelope-sent", "recipient-sent"),
            ("a, b=HTTPS://app.example/", "https://app.example/", "b", "c"),
        ] {
            let forward: Forward = text.parse().expect("a forward");
            let fits = |name: &str| EventName::try_new(name).is_ok_and(|name| forward.wants(&name));
            assert_eq!((forward.url.as_str(), fits(wanted), fits(unwanted)), (url, true, false), "{text}");
        }
        for text in ["", "app", "ftp://a/", "a*b=http://a/", "=http://a/", "http://u:p@a/", "envelope-*="] {
            assert!(text.parse::<Forward>().is_err(), "{text}");
        }
    }

    #[test]
    fn one_message_to_one_url_has_one_delivery_id() {
        let (a, b) = (ReplayKey::of_body(b"a"), ReplayKey::of_body(b"b"));
        let (one, other): (Url, Url) = ("http://a/1".parse().expect("a URL"), "http://a/2".parse().expect("a URL"));
        assert_eq!(delivery_id(a, &one), delivery_id(a, &one));
        assert_ne!(delivery_id(a, &one), delivery_id(b, &one));
        assert_ne!(delivery_id(a, &one), delivery_id(a, &other));
        assert_eq!(delivery_id(a, &one).to_string().parse(), Ok(delivery_id(a, &one)));
    }
}

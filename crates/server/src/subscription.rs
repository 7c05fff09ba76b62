//! Subscriptions being saved: what both surfaces check, and what follows from a save.
//!
//! `/restapi` and `/api` differ in how a subscription is written; what may be saved is decided here, once. A check that
//! looks at the rest of the account (keys, certificates, the OAuth connection) is made when the subscription begins to need
//! the thing, not on every save: who pauses a subscription must not be stopped by a key that is gone.

use countersign_core::{
    address::{ForbiddenUrl, TargetPolicy, check_target_url, split_userinfo},
    auth::{BasicCredentials, OAuthConnection},
    config::AccountConfig,
    subscription::{Activity, OAuthUse, Proofs, Scope, Subscription, Users, WantedEvents},
};
use http::{HeaderName, HeaderValue};
use url::Url;

use crate::{connection, failure::Failure};

pub mod resume;
pub mod saved;

/// The longest name, in characters; it stands in lists and logs.
const NAME_CHARS_MAX: usize = 255;
/// Users named by one subscription; whoever needs more means all users but some.
const USERS_MAX: usize = 10_000;
/// Own headers of one subscription; with their values they stay far below what servers accept (32 KiB).
const HEADERS_MAX: usize = 32;
/// The longest value of an own header, in bytes.
const HEADER_VALUE_BYTES_MAX: usize = 1_024;
/// Patterns of event names in one subscription; each is compared with every event.
const PATTERNS_MAX: usize = 100;
/// What is stored for the echo alone, in bytes.
const EXTRA_BYTES_MAX: usize = 64 << 10;
/// Attempts at once that a subscription may ask for; a lane never has more.
const CONCURRENCY_MAX: u16 = 1_000;
/// Attempts a second that a subscription may ask for; more is no limit.
const RATE_MAX: u32 = 100_000;
/// The longest time an attempt may be given, in seconds.
const TIMEOUT_SECONDS_MAX: u64 = 600;

/// Headers that a subscription cannot set, since the request or our own proofs set them (TM-21). A trailing `*` stands for anything.
const BARRED_HEADERS: [&str; 23] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-*",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-*",
    "x-authorization-digest",
    "x-countersign-*",
    "x-docusign-*",
];

/// Marks, among what a subscription stores for others, one that was made for a single job and stands in no list: the job's id.
pub const AD_HOC: &str = "countersign.job";

/// True for a subscription that stands in lists and can be changed; false for one made for a single job.
#[must_use]
pub fn is_listed(subscription: &Subscription) -> bool {
    !subscription.extra.contains_key(AD_HOC)
}

/// What a save is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The account.
    pub account: &'a AccountConfig,
    /// Where the installation lets messages go.
    pub policy: &'a TargetPolicy,
}

/// A target as written: its URL, and the Basic credentials that stood in it.
///
/// An unchanged URL is not checked again: who pauses a subscription must not be stopped by a policy that has become stricter.
///
/// # Errors
/// 400 that names the property and says what the address policy has against it.
pub fn target(property: &str, text: &str, before: Option<&Url>, policy: &TargetPolicy) -> Result<(Url, Option<BasicCredentials>), Failure> {
    if let Some(before) = before
        && before.as_str() == text
    {
        return Ok((before.clone(), None));
    }
    let refused = |fault: ForbiddenUrl| Failure::invalid_parameter(format!("{property} cannot be used: {fault}"));
    let (bare, userinfo) = split_userinfo(text).map_err(refused)?;
    let url = check_target_url(&bare, policy).map_err(refused)?;
    let userinfo = userinfo.filter(|(user, password)| !user.is_empty() || !password.is_empty());
    let credentials = userinfo
        .map(|(user, password)| BasicCredentials::try_new(user, password.expose_secret()))
        .transpose()
        .map_err(|fault| Failure::invalid_parameter(format!("{property}: {fault}")))?;
    Ok((url, credentials))
}

/// Everything that a subscription must be before it is saved, its URL apart ([`target`]). `before` is what it was.
///
/// # Errors
/// 400 that names what cannot be and says what to do.
pub fn check(next: &Subscription, before: Option<&Subscription>, terms: &Terms<'_>) -> Result<(), Failure> {
    if next.name.trim().is_empty() {
        return Err(Failure::invalid_parameter("a name is needed"));
    }
    if next.name.chars().count() > NAME_CHARS_MAX || next.name.chars().any(char::is_control) {
        return Err(Failure::invalid_parameter(format!("a name has at most {NAME_CHARS_MAX} characters and no control characters")));
    }
    if next.scope == Scope::Recipients && terms.account.account.recipient_domains.is_empty() {
        return Err(Failure::invalid_parameter("Recipient Connect needs a domain; the operator has assigned none to this account"));
    }
    if let Users::Only(users) | Users::AllExcept(users) = &next.users
        && users.len() > USERS_MAX
    {
        return Err(Failure::invalid_parameter(format!("at most {USERS_MAX} users can be named; include all users but some instead")));
    }
    if next.events.patterns.len() > PATTERNS_MAX {
        return Err(Failure::invalid_parameter(format!("at most {PATTERNS_MAX} event patterns are taken")));
    }
    let extra_bytes = serde_json::to_string(&next.extra).map_or(usize::MAX, |text| text.len());
    if extra_bytes > EXTRA_BYTES_MAX {
        return Err(Failure::invalid_parameter(format!(
            "properties that are only stored take {extra_bytes} bytes, at most {EXTRA_BYTES_MAX}"
        )));
    }
    check_headers(&next.headers)?;
    check_pace(next)?;
    check_proofs(next, before, terms)
}

fn check_proofs(next: &Subscription, before: Option<&Subscription>, terms: &Terms<'_>) -> Result<(), Failure> {
    let before = before.map(|before| &before.proofs);
    let proofs = &next.proofs;
    if (proofs.hmac || proofs.standard_webhooks)
        && !before.is_some_and(|before| before.hmac || before.standard_webhooks)
        && terms.account.hmac_keys.is_empty()
    {
        return Err(Failure::invalid_parameter("HMAC signatures need a key and the account has none; make one with POST connect/secret"));
    }
    match &proofs.oauth {
        OAuthUse::Off => {}
        OAuthUse::Account => {
            let as_before = before.is_some_and(|before| matches!(before.oauth, OAuthUse::Account));
            if !as_before && terms.account.oauth.is_none() {
                return Err(Failure::invalid_parameter(
                    "OAuth needs a connection to an authorization server and the account has none; make one with POST connect/oauth",
                ));
            }
        }
        OAuthUse::Own(connection) => {
            if connection_changed(before, connection) {
                connection::check(connection, terms.policy)?;
            }
        }
    }
    let certificates = &terms.account.certificates;
    if proofs.mutual_tls && !before.is_some_and(|before| before.mutual_tls) && certificates.is_empty() {
        return Err(Failure::invalid_parameter(
            "mutual TLS needs a client certificate and the account has none; add one with POST certificates under /api/v1",
        ));
    }
    if let Some(named) = proofs.certificate
        && before.and_then(|before| before.certificate) != Some(named)
        && !certificates.iter().any(|certificate| certificate.id == named)
    {
        return Err(Failure::invalid_parameter(format!("there is no client certificate {named}")));
    }
    Ok(())
}

/// True when a subscription's own connection is another one than before, so that a token must be fetched with it.
#[must_use]
pub fn connection_changed(before: Option<&Proofs>, connection: &OAuthConnection) -> bool {
    match before.map(|before| &before.oauth) {
        Some(OAuthUse::Own(earlier)) => earlier.content_key(None) != connection.content_key(None),
        _ => true,
    }
}

fn check_headers(headers: &[(String, String)]) -> Result<(), Failure> {
    if headers.len() > HEADERS_MAX {
        return Err(Failure::invalid_parameter(format!("at most {HEADERS_MAX} headers can be added")));
    }
    for (at, (name, value)) in headers.iter().enumerate() {
        let shown = || name.chars().take(64).flat_map(char::escape_debug).collect::<String>();
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(Failure::invalid_parameter(format!("'{}' cannot name a header", shown())));
        };
        if is_barred(parsed.as_str()) {
            return Err(Failure::invalid_parameter(format!("the header '{}' is set by the request itself", shown())));
        }
        if value.len() > HEADER_VALUE_BYTES_MAX || HeaderValue::from_str(value).is_err() || !value.is_ascii() {
            return Err(Failure::invalid_parameter(format!(
                "the value of the header '{}' has at most {HEADER_VALUE_BYTES_MAX} bytes of visible ASCII",
                shown()
            )));
        }
        if headers[..at].iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
            return Err(Failure::invalid_parameter(format!("the header '{}' is given twice", shown())));
        }
    }
    Ok(())
}

fn is_barred(name: &str) -> bool {
    BARRED_HEADERS.iter().any(|barred| match barred.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == *barred,
    })
}

fn check_pace(next: &Subscription) -> Result<(), Failure> {
    if next.pace.concurrency_max.is_some_and(|count| count == 0 || count > CONCURRENCY_MAX) {
        return Err(Failure::invalid_parameter(format!("the concurrency is 1 to {CONCURRENCY_MAX}")));
    }
    if next.pace.rate_per_second_max.is_some_and(|rate| rate == 0 || rate > RATE_MAX) {
        return Err(Failure::invalid_parameter(format!("the rate is 1 to {RATE_MAX} a second")));
    }
    if next.pace.timeout.is_some_and(|timeout| timeout.as_secs() == 0 || timeout.as_secs() > TIMEOUT_SECONDS_MAX) {
        return Err(Failure::invalid_parameter(format!("the time-out is 1 s to {TIMEOUT_SECONDS_MAX} s")));
    }
    Ok(())
}

/// What a person who saved this should know although it was saved.
#[must_use]
pub fn warnings(subscription: &Subscription) -> Vec<String> {
    let mut warnings = Vec::new();
    let Subscription { events: WantedEvents { names, envelope, recipient, patterns }, proofs, .. } = subscription;
    if proofs.basic.is_some() && !matches!(proofs.oauth, OAuthUse::Off) {
        warnings.push("OAuth and Basic are both set up: the OAuth token is sent, since a request has one Authorization header".to_owned());
    }
    if subscription.scope == Scope::Account && matches!(&subscription.users, Users::Only(users) if users.is_empty()) {
        warnings.push("nothing fires: no user is selected".to_owned());
    }
    let older = !envelope.is_empty() || !recipient.is_empty() || !patterns.is_empty();
    if names.is_empty() && !older {
        warnings.push("nothing fires: no event is selected".to_owned());
    } else if !older && subscription.shape != countersign_core::subscription::MessageShape::JsonSim {
        warnings.push("nothing fires: this form of message uses envelopeEvents and recipientEvents, and only events is set".to_owned());
    }
    if let Activity::Disabled { reason, .. } = &subscription.activity {
        warnings.push(format!("it was disabled by the system and its deliveries are held: {reason}"));
    }
    warnings
}

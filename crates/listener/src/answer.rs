//! What the sender is told: a status and a challenge, and never the reason.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{certificate::CertificateRefused, refusal::Refusal, token::TokenRefused};

/// Seconds after which a sender may try again when a server behind us is down or we have too much at hand.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");
/// Marks the 200 for a message that was handled before.
pub const DUPLICATE_HEADER: HeaderName = HeaderName::from_static("x-countersign-duplicate");

/// The challenges of a listener, made once.
#[derive(Debug, Clone)]
pub(crate) struct Challenges {
    /// RFC 7617 §2, §2.1.
    pub(crate) basic: Option<HeaderValue>,
    /// RFC 6750 §3.
    pub(crate) bearer: Option<HeaderValue>,
    bearer_invalid_token: HeaderValue,
    bearer_invalid_request: HeaderValue,
    bearer_insufficient_scope: HeaderValue,
    /// Not a registered scheme; RFC 9110 §15.5.2 wants a challenge with every 401, and this one says what is missing.
    hmac: HeaderValue,
}

impl Challenges {
    /// For a realm of visible ASCII without quotes and backslashes.
    pub(crate) fn new(realm: &str, with_basic: bool, with_bearer: bool) -> Option<Self> {
        let plain = realm.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
        let value = |text: String| HeaderValue::from_str(&text).ok().filter(|_| plain);
        let bearer = |error: &str| value(format!("Bearer realm=\"{realm}\"{error}"));
        let basic = value(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))?;
        Some(Self {
            basic: with_basic.then_some(basic),
            bearer: if with_bearer { Some(bearer("")?) } else { None },
            bearer_invalid_token: bearer(", error=\"invalid_token\"")?,
            bearer_invalid_request: bearer(", error=\"invalid_request\"")?,
            bearer_insufficient_scope: bearer(", error=\"insufficient_scope\"")?,
            hmac: value(format!("HMAC-SHA256 realm=\"{realm}\""))?,
        })
    }
}

/// The status of the answer to a refused message.
pub(crate) const fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::NoCredentials | Refusal::Basic | Refusal::Hmac(_) | Refusal::StandardWebhooks(_) => StatusCode::UNAUTHORIZED,
        Refusal::Token(TokenRefused::Unavailable(_)) | Refusal::Busy | Refusal::ReplayInProgress | Refusal::ReplayGuard(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Certificate(CertificateRefused::Unreadable) => StatusCode::BAD_REQUEST,
        // There is no challenge for a certificate: what is missing was to be shown in the handshake.
        Refusal::Certificate(_) | Refusal::Token(TokenRefused::Scope { .. }) | Refusal::Account => StatusCode::FORBIDDEN,
        Refusal::Token(_) => StatusCode::UNAUTHORIZED,
        Refusal::SeveralCredentials | Refusal::BodyUnreadable => StatusCode::BAD_REQUEST,
        Refusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::BodyTooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
    }
}

/// The answer to a refused message; its body is left to the caller.
pub(crate) fn answer<B>(refusal: &Refusal, challenges: &Challenges, body: B) -> Response<B> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status_of(refusal);
    let headers = answer.headers_mut();
    let mut challenge = |value: Option<&HeaderValue>| headers.extend(value.map(|value| (header::WWW_AUTHENTICATE, value.clone())));
    match refusal {
        Refusal::NoCredentials => {
            challenge(challenges.bearer.as_ref());
            challenge(challenges.basic.as_ref());
        }
        Refusal::Basic => challenge(challenges.basic.as_ref()),
        Refusal::SeveralCredentials => challenge(Some(&challenges.bearer_invalid_request)),
        Refusal::Token(TokenRefused::Scope { .. }) => challenge(Some(&challenges.bearer_insufficient_scope)),
        Refusal::Token(TokenRefused::Unavailable(_)) | Refusal::Busy | Refusal::ReplayInProgress | Refusal::ReplayGuard(_) => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        Refusal::Token(_) => challenge(Some(&challenges.bearer_invalid_token)),
        Refusal::Hmac(_) | Refusal::StandardWebhooks(_) => challenge(Some(&challenges.hmac)),
        _ => {}
    }
    answer
}

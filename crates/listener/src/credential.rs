//! The credentials of a request, read without believing them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Uri, header};
use zeroize::Zeroizing;

use crate::token::is_token;

/// Longer user names and passwords are not decoded, in bytes of Base64.
const BASIC_BYTES_MAX: usize = 4 * 1024;

/// What a request brings to show who sent it.
pub(crate) enum Credential {
    /// Nothing that this crate understands.
    None,
    /// HTTP Basic (RFC 7617), decoded; `None` when it cannot be.
    Basic(Option<BasicPair>),
    /// A bearer token (RFC 6750 §2.1); `None` when it has characters no token has.
    Bearer(Option<Zeroizing<String>>),
    /// More than one, or a token in a second place (RFC 6750 §2: a client uses one method per request).
    Several,
}

/// A user name and a password, as bytes: RFC 7617 §2 leaves their encoding open.
pub(crate) struct BasicPair {
    pub(crate) user: Zeroizing<Vec<u8>>,
    pub(crate) password: Zeroizing<Vec<u8>>,
}

impl Credential {
    /// Reads the `Authorization` header, and looks whether a token stands in the query as well.
    pub(crate) fn read(headers: &HeaderMap, uri: &Uri) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Self::None };
        if values.next().is_some() || uri.query().is_some_and(|query| names_a_token(query.as_bytes())) {
            return Self::Several;
        }
        let Ok(value) = value.to_str() else { return Self::None };
        // Scheme names are compared without case (RFC 9110 §11.1).
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("basic") {
            Self::Basic(read_basic(rest))
        } else if scheme.eq_ignore_ascii_case("bearer") {
            Self::Bearer(is_token(rest).then(|| Zeroizing::new(rest.to_owned())))
        } else {
            Self::None
        }
    }
}

/// Whether a form body holds a token beside the one in the header.
pub(crate) fn has_token_in_form(headers: &HeaderMap, body: &[u8]) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    is_form && names_a_token(body)
}

/// Whether a query or form has the parameter `access_token` (RFC 6750 §2.2, §2.3), percent-encoded or not.
fn names_a_token(form: &[u8]) -> bool {
    form.split(|byte| *byte == b'&').any(|field| decodes_to(field.split(|byte| *byte == b'=').next().unwrap_or_default(), b"access_token"))
}

/// Whether percent-encoding undone gives `expected`.
fn decodes_to(text: &[u8], expected: &[u8]) -> bool {
    let mut rest = text;
    for byte in expected {
        let (found, behind) = match rest {
            [b'%', high, low, behind @ ..] => (hex_digit(*high).zip(hex_digit(*low)).map(|(high, low)| high << 4 | low), behind),
            [first, behind @ ..] => (Some(*first), behind),
            [] => return false,
        };
        if found != Some(*byte) {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn read_basic(text: &str) -> Option<BasicPair> {
    if text.len() > BASIC_BYTES_MAX {
        return None;
    }
    let pair = Zeroizing::new(STANDARD.decode(text).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(BasicPair { user: Zeroizing::new(pair[..colon].to_vec()), password: Zeroizing::new(pair[colon + 1..].to_vec()) })
}

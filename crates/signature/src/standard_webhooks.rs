//! Standard Webhooks 1.0 signatures: an optional second scheme that also covers an id and a timestamp.
//!
//! Connect's own HMAC covers the body alone, so that an old message with its old signature verifies for ever. This scheme signs
//! `id.timestamp.body` and lets the receiver refuse what is older than a few minutes and what it has seen before. Three headers carry it:
//! `webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature`, a list of `v1,` + Base64 separated by spaces.
//! Secrets are written `whsec_` + Base64 of 24 to 64 bytes, and unlike Connect's they *are* decoded.
//! Source: the Standard Webhooks specification, "Signature scheme".

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::Mac as _;
use subtle::Choice;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    header::{HeaderFault, MAC_BYTES, Signature, macs_match, read_mac},
    key::{HmacSha256, state_of},
    signer::finish_mac,
};

/// The header with the id of the message.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the attempt, in whole seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the list of signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far `webhook-timestamp` may lie from the receiver's clock, either way, in seconds (the value the specification's libraries use).
pub const TOLERANCE_SECONDS: u64 = 300;
/// The longest id taken, in bytes; ids are short tokens, and a stranger shall not choose how much we keep to tell replays.
pub const ID_BYTES_MAX: usize = 256;
/// The most entries read from one `webhook-signature`, so that a long list costs a bounded time.
const SIGNATURES_READ_MAX: usize = 100;
const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;
const VERSION: &str = "v1";

/// The text is not a Standard Webhooks secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretRefused {
    /// What follows the optional `whsec_` is not padded standard Base64.
    #[error("the webhook secret is not whsec_ followed by standard base64")]
    NotBase64,
    /// Fewer than 24 or more than 64 bytes.
    #[error("the webhook secret holds {bytes} bytes, {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} are needed")]
    Length {
        /// Decoded length.
        bytes: usize,
    },
}

/// A Standard Webhooks secret, ready to sign; wiped when it goes and never shown by `Debug`.
#[derive(Clone)]
pub struct StandardKey(HmacSha256);

impl StandardKey {
    /// Reads `whsec_` + Base64; the prefix may be missing, so that the text of a Connect key serves as well.
    ///
    /// # Errors
    /// [`SecretRefused`] when it is not Base64 or not of 24 to 64 bytes.
    pub fn try_new(secret: &str) -> Result<Self, SecretRefused> {
        let text = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
        // The longest secret has 88 characters; decoding more would only make a copy to throw away.
        let mut bytes = Zeroizing::new([0_u8; 2 * SECRET_BYTES_MAX]);
        if text.len() > bytes.len() {
            return Err(SecretRefused::Length { bytes: text.len() / 4 * 3 });
        }
        let length = STANDARD.decode_slice(text, bytes.as_mut_slice()).map_err(|_| SecretRefused::NotBase64)?;
        match &bytes[..length] {
            key if (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&length) => Ok(Self(state_of(key))),
            _ => Err(SecretRefused::Length { bytes: length }),
        }
    }

    /// The secret text for 32 random bytes of the caller, to be shown once and given to [`StandardKey::try_new`].
    #[must_use]
    pub fn text_from_random(mut random: [u8; 32]) -> Zeroizing<String> {
        let text = Zeroizing::new(format!("{SECRET_PREFIX}{}", STANDARD.encode(random)));
        random.zeroize();
        text
    }

    fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> [u8; MAC_BYTES] {
        let head = format!("{id}.{timestamp}.");
        finish_mac(self.0.clone().chain_update(head).chain_update(body))
    }
}

impl fmt::Debug for StandardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandardKey(..)")
    }
}

/// The id cannot be signed unambiguously or does not fit a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook id has 1 to {ID_BYTES_MAX} printable ASCII characters without space and full stop")]
pub struct IdRefused;

/// The three headers of a signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardHeaders {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`: one `v1,` entry per key.
    pub signature: String,
}

impl StandardHeaders {
    /// Names and values as they go onto the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [(ID_HEADER, &self.id), (TIMESTAMP_HEADER, &self.timestamp), (SIGNATURE_HEADER, &self.signature)]
            .into_iter()
            .map(|(name, value)| (name, value.as_str()))
    }
}

/// Signs `body` under `id` (the same over all attempts of a delivery) at `timestamp` (seconds since 1970, of this attempt).
///
/// # Errors
/// [`IdRefused`] when the id is empty, too long, or holds a full stop (which separates the signed parts), a space or a control character.
pub fn sign(keys: &[StandardKey], id: &str, timestamp: i64, body: &[u8]) -> Result<StandardHeaders, IdRefused> {
    check_id(id)?;
    let entries: Vec<String> = keys.iter().map(|key| format!("{VERSION},{}", Signature::from_mac(&key.mac(id, timestamp, body)))).collect();
    Ok(StandardHeaders { id: id.into(), timestamp: timestamp.to_string(), signature: entries.join(" ") })
}

/// A verified message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardMatch {
    /// Place of the key among those given, counted from 0.
    pub key: usize,
    /// The id, now known to be the sender's: what replays are told by.
    pub id: String,
    /// When the sender signed, in seconds since 1970.
    pub timestamp: i64,
}

/// Why a message is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StandardMismatch {
    /// The receiver has no key.
    #[error("no webhook secret is configured")]
    NoKey,
    /// A header is missing, sent twice or not text.
    #[error("the header {header} is missing, sent twice or not text")]
    Header {
        /// Its name.
        header: &'static str,
    },
    /// The id is not one that can be signed.
    #[error(transparent)]
    Id(#[from] IdRefused),
    /// `webhook-timestamp` is not a plain number of seconds.
    #[error("webhook-timestamp is not a whole number of seconds since 1970")]
    Timestamp,
    /// No entry has the form `v1,` + Base64 of 32 bytes.
    #[error("webhook-signature has no well-formed v1 entry: the first {0}")]
    Malformed(HeaderFault),
    /// The message was signed too long ago, or the clocks differ.
    #[error("the message was signed {seconds} s from now, more than the {TOLERANCE_SECONDS} s allowed")]
    Stale {
        /// Distance from the receiver's clock; negative when the message is older.
        seconds: i64,
    },
    /// No signature fits.
    #[error("no v1 signature fits any of {keys} webhook secrets")]
    NoMatch {
        /// How many keys were tried.
        keys: usize,
    },
}

/// Checks the three headers among `headers` over `body`, at `now` (seconds since 1970), with a tolerance of [`TOLERANCE_SECONDS`].
///
/// The age is judged after the signature, so that [`StandardMismatch::Stale`] is said of authentic messages only.
///
/// # Errors
/// [`StandardMismatch`] says why the message is refused.
pub fn verify<'h>(
    keys: &[StandardKey],
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
    now: i64,
) -> Result<StandardMatch, StandardMismatch> {
    let [id, timestamp, signature] = the_three(headers)?;
    if keys.is_empty() {
        return Err(StandardMismatch::NoKey);
    }
    check_id(id)?;
    let timestamp = read_timestamp(timestamp)?;
    let received = read_entries(signature)?;
    let mut found = None;
    for (place, key) in keys.iter().enumerate() {
        let own = key.mac(id, timestamp, body);
        let fits = received.iter().fold(Choice::from(0), |fits, mac| fits | macs_match(&own, mac));
        if bool::from(fits) && found.is_none() {
            found = Some(place);
        }
    }
    let key = found.ok_or(StandardMismatch::NoMatch { keys: keys.len() })?;
    let seconds = timestamp.saturating_sub(now);
    if seconds.unsigned_abs() > TOLERANCE_SECONDS {
        return Err(StandardMismatch::Stale { seconds });
    }
    Ok(StandardMatch { key, id: id.into(), timestamp })
}

/// The values of the three headers, in the order id, timestamp, signature; each must be there once.
fn the_three<'h>(headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Result<[&'h str; 3], StandardMismatch> {
    const NAMES: [&str; 3] = [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER];
    let mut values: [Vec<&[u8]>; 3] = Default::default();
    for (name, value) in headers {
        if let Some(place) = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known)) {
            values[place].push(value);
        }
    }
    let mut texts = [""; 3];
    for ((text, values), header) in texts.iter_mut().zip(&values).zip(NAMES) {
        *text = match values[..] {
            [value] => std::str::from_utf8(value).map_err(|_| StandardMismatch::Header { header })?,
            _ => return Err(StandardMismatch::Header { header }),
        };
    }
    Ok(texts)
}

fn check_id(id: &str) -> Result<(), IdRefused> {
    let plain = (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
    if plain { Ok(()) } else { Err(IdRefused) }
}

fn read_timestamp(text: &str) -> Result<i64, StandardMismatch> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(StandardMismatch::Timestamp)
}

/// The HMACs of all well-formed `v1` entries. Entries of other versions (`v1a` is an asymmetric signature) are passed over.
fn read_entries(list: &str) -> Result<Vec<[u8; MAC_BYTES]>, StandardMismatch> {
    let entries =
        list.split(' ').take(SIGNATURES_READ_MAX).filter_map(|entry| entry.split_once(',')).filter(|(version, _)| *version == VERSION);
    let (good, faults): (Vec<_>, Vec<_>) = entries.map(|(_, value)| read_mac(value.as_bytes())).partition(Result::is_ok);
    if good.is_empty() {
        let first = faults.into_iter().find_map(Result::err);
        return Err(StandardMismatch::Malformed(first.unwrap_or(HeaderFault::NotBase64)));
    }
    Ok(good.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;

    fn key() -> StandardKey {
        StandardKey::try_new(SECRET).expect("a good secret")
    }

    fn check(headers: &[(&str, &str)], body: &[u8], now: i64) -> Result<StandardMatch, StandardMismatch> {
        verify(&[key()], headers.iter().map(|(name, value)| (*name, value.as_bytes())), body, now)
    }

    #[test]
    fn the_known_example_signs_to_its_known_value() {
        let headers = sign(&[key()], ID, AT, br#"{"test": 2432232314}"#).expect("a good id");
        assert_eq!(headers.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let pairs: Vec<_> = headers.iter().collect();
        assert_eq!(check(&pairs, br#"{"test": 2432232314}"#, AT), Ok(StandardMatch { key: 0, id: ID.into(), timestamp: AT }));
    }

    #[test]
    fn secrets_are_base64_of_24_to_64_bytes_with_or_without_the_prefix() {
        assert!(StandardKey::try_new(SECRET).is_ok());
        assert!(StandardKey::try_new(&SECRET[6..]).is_ok());
        assert!(StandardKey::try_new(&STANDARD.encode([7; 64])).is_ok());
        assert!(StandardKey::try_new(&StandardKey::text_from_random([7; 32])).is_ok());
        assert_eq!(StandardKey::try_new("").err(), Some(SecretRefused::Length { bytes: 0 }));
        assert_eq!(StandardKey::try_new("whsec_%").err(), Some(SecretRefused::NotBase64));
        assert_eq!(StandardKey::try_new(&STANDARD.encode([7; 23])).err(), Some(SecretRefused::Length { bytes: 23 }));
        assert_eq!(StandardKey::try_new(&STANDARD.encode([7; 65])).err(), Some(SecretRefused::Length { bytes: 65 }));
        assert_eq!(StandardKey::try_new(&"A".repeat(4000)).err(), Some(SecretRefused::Length { bytes: 3000 }));
        assert_eq!(format!("{:?}", key()), "StandardKey(..)");
    }

    #[test]
    fn a_message_is_good_for_five_minutes_either_way() {
        let headers = sign(&[key()], ID, AT, b"body").expect("a good id");
        let pairs: Vec<_> = headers.iter().collect();
        for (now, fresh) in
            [(AT - 301, false), (AT - 300, true), (AT, true), (AT + 300, true), (AT + 301, false), (AT + 15 * 86_400, false)]
        {
            assert_eq!(check(&pairs, b"body", now).is_ok(), fresh, "{}", now - AT);
        }
        assert_eq!(check(&pairs, b"body", AT + 301), Err(StandardMismatch::Stale { seconds: -301 }));
        assert!(check(&pairs, b"body", i64::MIN).is_err());
    }

    #[test]
    fn each_refusal_has_its_own_reason() {
        let headers = sign(&[key()], ID, AT, b"body").expect("a good id");
        let with = |name: &'static str, value: &'static str| {
            let pairs: Vec<_> = headers.iter().map(|(own, old)| (own, if own == name { value } else { old })).collect();
            check(&pairs, b"body", AT)
        };
        assert_eq!(check(&[], b"body", AT), Err(StandardMismatch::Header { header: ID_HEADER }));
        let twice: Vec<_> = headers.iter().chain(headers.iter().skip(2)).collect();
        assert_eq!(check(&twice, b"body", AT), Err(StandardMismatch::Header { header: SIGNATURE_HEADER }));
        assert_eq!(with(ID_HEADER, "a.b"), Err(StandardMismatch::Id(IdRefused)));
        assert_eq!(with(ID_HEADER, ""), Err(StandardMismatch::Id(IdRefused)));
        assert_eq!(with(ID_HEADER, "msg_other"), Err(StandardMismatch::NoMatch { keys: 1 }));
        for bad in ["", "-1", "+1", "1.5", "01", "99999999999999999999", "now"] {
            assert_eq!(with(TIMESTAMP_HEADER, bad), Err(StandardMismatch::Timestamp), "{bad}");
        }
        assert_eq!(with(TIMESTAMP_HEADER, "1614265331"), Err(StandardMismatch::NoMatch { keys: 1 }));
        assert_eq!(with(SIGNATURE_HEADER, "v1,"), Err(StandardMismatch::Malformed(HeaderFault::WrongLength { bytes: 0 })));
        assert_eq!(with(SIGNATURE_HEADER, "v1a,AAAA"), Err(StandardMismatch::Malformed(HeaderFault::NotBase64)));
        assert_eq!(check(&headers.iter().collect::<Vec<_>>(), b"other", AT), Err(StandardMismatch::NoMatch { keys: 1 }));
        let none = verify(&[], headers.iter().map(|(name, value)| (name, value.as_bytes())), b"body", AT);
        assert_eq!(none, Err(StandardMismatch::NoKey));
    }

    #[test]
    fn during_rotation_either_key_verifies() {
        let other = StandardKey::try_new(&STANDARD.encode([9; 32])).expect("a good secret");
        let headers = sign(&[other.clone(), key()], ID, AT, b"body").expect("a good id");
        let pairs: Vec<_> = headers.iter().collect();
        assert!(check(&pairs, b"body", AT).is_ok());
        let listed = pairs.iter().map(|(name, value)| (*name, value.as_bytes()));
        assert!(verify(&[other], listed, b"body", AT).is_ok());
    }

    proptest! {
        #[test]
        fn what_sign_made_verify_accepts(secret in prop::collection::vec(any::<u8>(), 24..65), id in "[!-\\-/-~]{1,256}", at in 0..i64::MAX, body: Vec<u8>) {
            let key = StandardKey::try_new(&STANDARD.encode(secret)).expect("a good secret");
            let headers = sign(std::slice::from_ref(&key), &id, at, &body).expect("a good id");
            let found = verify(&[key], headers.iter().map(|(name, value)| (name, value.as_bytes())), &body, at);
            prop_assert_eq!(found, Ok(StandardMatch { key: 0, id, timestamp: at }));
        }
    }
}

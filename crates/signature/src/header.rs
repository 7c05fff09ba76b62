//! Names and values of the Connect signature headers, the same for sender and receiver.

use std::{fmt, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use subtle::{Choice, ConstantTimeEq as _};

/// The most signature headers on one message, and so the most keys that sign (Connect: up to 100 keys).
pub const SIGNATURES_MAX: usize = 100;
/// What stands before the number in the name of a signature header.
pub const SIGNATURE_HEADER_PREFIX: &str = "X-DocuSign-Signature-";
/// The header that names the algorithm.
pub const DIGEST_HEADER: &str = "X-Authorization-Digest";
/// The one value of [`DIGEST_HEADER`].
pub const DIGEST_HEADER_VALUE: &str = "HMACSHA256";
/// Length of an HMAC-SHA256, in bytes.
pub(crate) const MAC_BYTES: usize = 32;
/// Length of its Base64 text with padding, in characters.
pub(crate) const MAC_CHARS: usize = 44;

/// The name of signature header `number`, 1 to [`SIGNATURES_MAX`]; `None` outside that range.
#[must_use]
pub fn signature_header_name(number: usize) -> Option<&'static str> {
    static NAMES: LazyLock<Vec<String>> =
        LazyLock::new(|| (1..=SIGNATURES_MAX).map(|number| format!("{SIGNATURE_HEADER_PREFIX}{number}")).collect());
    NAMES.get(number.checked_sub(1)?).map(String::as_str)
}

/// The number in the name of a signature header, compared without case; `None` when it is another header.
///
/// A number outside 1 to [`SIGNATURES_MAX`], a sign or a leading zero makes it another header: Connect never sends those.
#[must_use]
pub fn signature_header_number(name: &str) -> Option<usize> {
    let (prefix, digits) = name.split_at_checked(SIGNATURE_HEADER_PREFIX.len())?;
    let plain = prefix.eq_ignore_ascii_case(SIGNATURE_HEADER_PREFIX)
        && matches!(digits.len(), 1..=3)
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0');
    digits.parse().ok().filter(|number| plain && *number <= SIGNATURES_MAX)
}

/// One HMAC as it stands in a header: 44 characters of padded standard Base64.
///
/// It has no `==` on purpose: whoever compares signatures calls [`verify`](crate::verify()), which takes the same time for all.
#[derive(Clone, Copy)]
pub struct Signature([u8; MAC_CHARS]);

impl Signature {
    pub(crate) fn from_mac(mac: &[u8; MAC_BYTES]) -> Self {
        let mut text = [0; MAC_CHARS];
        STANDARD.encode_slice(mac, &mut text).expect("32 bytes make 44 characters");
        Self(text)
    }

    /// The header value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("Base64 is ASCII")
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

/// The headers that prove one body: a signature for each key, in the order of the keys, and the name of the algorithm.
#[derive(Debug, Clone, Default)]
pub struct SignatureHeaders {
    signatures: Vec<Signature>,
}

impl SignatureHeaders {
    pub(crate) fn new(signatures: Vec<Signature>) -> Self {
        Self { signatures }
    }

    /// The signatures in order; the first one belongs into `X-DocuSign-Signature-1`.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Names and values as they go onto the wire: consecutive signature headers, then the digest header. Empty when no key signed.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let numbered =
            self.signatures.iter().zip(1..).filter_map(|(signature, number)| Some((signature_header_name(number)?, signature.as_str())));
        let digest = (!self.signatures.is_empty()).then_some((DIGEST_HEADER, DIGEST_HEADER_VALUE));
        numbered.chain(digest)
    }
}

/// What is wrong with the value of a signature header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// Not canonical standard Base64 with padding (RFC 4648 §4).
    #[error("is not standard base64 with padding")]
    NotBase64,
    /// Base64, but not of 32 bytes: a truncated HMAC is no HMAC (RFC 2104 §5).
    #[error("holds {bytes} bytes where an HMAC-SHA256 has 32")]
    WrongLength {
        /// Decoded length.
        bytes: usize,
    },
    /// The same number came twice; neither value counts.
    #[error("was sent more than once")]
    Repeated,
}

/// The 32 bytes in a header value: strict Base64, nothing trimmed.
pub(crate) fn read_mac(value: &[u8]) -> Result<[u8; MAC_BYTES], HeaderFault> {
    // A longer value is refused by length alone, so that no stranger chooses how much we decode.
    if value.len() > 4 * MAC_CHARS {
        return Err(HeaderFault::NotBase64);
    }
    let bytes = STANDARD.decode(value).map_err(|_| HeaderFault::NotBase64)?;
    bytes.try_into().map_err(|bytes: Vec<u8>| HeaderFault::WrongLength { bytes: bytes.len() })
}

/// Whether two HMACs are equal, in a time that does not tell where they differ.
pub(crate) fn macs_match(left: &[u8; MAC_BYTES], right: &[u8; MAC_BYTES]) -> Choice {
    left.ct_eq(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_numbered_from_1_to_100() {
        assert_eq!(signature_header_name(0), None);
        assert_eq!(signature_header_name(1), Some("X-DocuSign-Signature-1"));
        assert_eq!(signature_header_name(100), Some("X-DocuSign-Signature-100"));
        assert_eq!(signature_header_name(101), None);
        for number in 1..=SIGNATURES_MAX {
            let name = signature_header_name(number).expect("in range");
            assert_eq!(signature_header_number(name), Some(number));
            assert_eq!(signature_header_number(&name.to_ascii_lowercase()), Some(number));
        }
    }

    #[test]
    fn other_names_are_not_signature_headers() {
        for name in [
            "",
            "X-DocuSign-Signature",
            "X-DocuSign-Signature-",
            "X-DocuSign-Signature-0",
            "X-DocuSign-Signature-01",
            "X-DocuSign-Signature-+1",
            "X-DocuSign-Signature-101",
            "X-DocuSign-Signature-1 ",
            "X-DocuSign-Signature-1a",
            "X-DocuSign-Signature-99999999999999999999",
            "X-DocuSign-Signaturé-1",
            "X-Authorization-Digest",
        ] {
            assert_eq!(signature_header_number(name), None, "{name}");
        }
    }

    #[test]
    fn a_header_value_is_strict_base64_of_32_bytes() {
        let good = STANDARD.encode([0xfb; 32]);
        assert!(read_mac(good.as_bytes()).is_ok());
        let cases: [(&str, String, HeaderFault); 9] = [
            ("empty", String::new(), HeaderFault::WrongLength { bytes: 0 }),
            ("no padding", good.trim_end_matches('=').into(), HeaderFault::NotBase64),
            ("url alphabet", good.replace('+', "-").replace('/', "_"), HeaderFault::NotBase64),
            ("leading space", format!(" {good}"), HeaderFault::NotBase64),
            ("trailing newline", format!("{good}\n"), HeaderFault::NotBase64),
            ("trailing bits", format!("{}t=", &good[..42]), HeaderFault::NotBase64),
            ("31 bytes", STANDARD.encode([0xfb; 31]), HeaderFault::WrongLength { bytes: 31 }),
            ("33 bytes", STANDARD.encode([0xfb; 33]), HeaderFault::WrongLength { bytes: 33 }),
            ("a mebibyte", "A".repeat(1 << 20), HeaderFault::NotBase64),
        ];
        for (case, value, fault) in cases {
            assert_eq!(read_mac(value.as_bytes()), Err(fault), "{case}");
        }
    }
}

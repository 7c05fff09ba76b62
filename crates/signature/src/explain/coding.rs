//! Codings that bytes at hand may be wrapped in: hexadecimal, both alphabets of Base64, percent-encoding.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
/// Standard Base64, with or without padding.
pub(super) const STANDARD_LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
/// Base64 with `-` and `_`, with or without padding.
pub(super) const URL_LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Hexadecimal of either case, an even number of digits; `None` otherwise.
pub(super) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, odd) = text.as_chunks::<2>();
    if !odd.is_empty() || text.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Lower-case hexadecimal.
pub(super) fn to_hex(bytes: &[u8]) -> Vec<u8> {
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half & 15)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Base64 of either alphabet, padded or not; `None` when it is not, or is empty.
pub(super) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let decoded = STANDARD_LENIENT.decode(text).or_else(|_| URL_LENIENT.decode(text)).ok()?;
    (!decoded.is_empty()).then_some(decoded)
}

/// What a `+` stands for in percent-encoded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// Itself, as in a URL path.
    Itself,
    /// A space, as in a form.
    Space,
}

/// Undoes percent-encoding; stray `%` stay as they are.
pub(super) fn percent_decoded(text: &[u8], plus: Plus) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(from_hex);
        rest = match hex {
            Some(byte) => {
                decoded.extend(byte);
                &tail[2..]
            }
            None => {
                decoded.push(if *first == b'+' && plus == Plus::Space { b' ' } else { *first });
                tail
            }
        };
    }
    decoded
}

/// Percent-encodes all but letters, digits and `-._~` (RFC 3986 §2.3).
pub(super) fn percent_encoded(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(*byte);
        } else {
            encoded.push(b'%');
            encoded.extend(to_hex(&[*byte]).to_ascii_uppercase());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_codings_are_none_or_stay_as_they_are() {
        assert_eq!(from_hex(b"abc"), None);
        assert_eq!(from_hex(b"xy"), None);
        assert_eq!(from_hex("é".as_bytes()), None);
        assert_eq!(from_base64(b"%"), None);
        assert_eq!(from_base64(b""), None);
        assert_eq!(percent_decoded(b"a%2", Plus::Itself), b"a%2");
        assert_eq!(percent_decoded(b"%zz+%2B", Plus::Space), b"%zz +");
    }

    proptest! {
        #[test]
        fn every_coding_can_be_undone(bytes in prop::collection::vec(any::<u8>(), 1..100)) {
            prop_assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(from_hex(&to_hex(&bytes).to_ascii_uppercase()), Some(bytes.clone()));
            prop_assert_eq!(percent_decoded(&percent_encoded(&bytes), Plus::Itself), bytes.clone());
            prop_assert_eq!(from_base64(STANDARD_LENIENT.encode(&bytes).as_bytes()), Some(bytes.clone()));
            prop_assert_eq!(from_base64(URL_LENIENT.encode(&bytes).trim_end_matches('=').as_bytes()), Some(bytes));
        }
    }
}

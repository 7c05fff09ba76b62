//! How a signature value can be read: as it should be, or through one or two mistakes.
//!
//! Readings cost no digest, so all of them are made first; every digest is then compared with every reading.

use subtle::{Choice, ConstantTimeEq as _};

use super::{
    candidate::GivenSignature,
    coding::{Plus, STANDARD_LENIENT, URL_LENIENT, from_base64, from_hex, percent_decoded},
    finding::Cause,
};
use crate::header::{DIGEST_HEADER_VALUE, read_mac};
use base64::Engine as _;

/// Values longer than this are read up to here: 100 signatures folded into one, with their names.
const VALUE_BYTES_MAX: usize = 8 * 1024;
/// The most readings kept, so that a hostile value costs a bounded time.
const READINGS_MAX: usize = 1_000;
/// The shortest text of a digest, SHA-1 in Base64 without padding; the names of signature headers are shorter.
const DIGEST_CHARS_MIN: usize = 27;
/// Lengths of SHA-1, SHA-256 and SHA-512: what a signature can be.
const DIGEST_LENGTHS: [usize; 3] = [20, 32, 64];

/// One way to understand a signature value.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Number of the header it came in.
    pub(super) number: usize,
    /// The bytes it says.
    pub(super) mac: Vec<u8>,
    /// What is wrong with the value under this reading; nothing when it is well formed.
    pub(super) causes: Vec<Cause>,
}

/// All readings of all signatures, those with the fewest causes first.
pub(super) fn readings(signatures: &[GivenSignature<'_>]) -> Vec<Reading> {
    let mut all: Vec<Reading> = Vec::new();
    for given in signatures {
        let value = &given.value[..given.value.len().min(VALUE_BYTES_MAX)];
        // A number that came twice does not count, as if both had been folded into one.
        let is_repeated = signatures.iter().filter(|other| other.number == given.number).count() > 1;
        let start = if is_repeated { vec![Cause::HeaderFolded] } else { Vec::new() };
        for (wrapping, text) in unwrapped(start, value) {
            for (coding, mac) in decoded(&text) {
                if all.len() < READINGS_MAX && !all.iter().any(|known| known.number == given.number && known.mac == mac) {
                    all.push(Reading { number: given.number, mac, causes: [wrapping.as_slice(), &coding].concat() });
                }
            }
        }
    }
    all.sort_by_key(|reading| reading.causes.len());
    all
}

/// The first reading that says `digest`, found in a time that does not tell how much of it is right.
pub(super) fn reading_of<'r>(readings: &'r [Reading], digest: &[u8]) -> Option<&'r Reading> {
    let hits: Vec<Choice> = readings.iter().map(|reading| reading.mac.as_slice().ct_eq(digest)).collect();
    readings.iter().zip(hits).find(|(_, hit)| bool::from(*hit)).map(|(reading, _)| reading)
}

/// Whether the value is that of `X-Authorization-Digest`.
pub(super) fn is_digest_value(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(DIGEST_HEADER_VALUE.as_bytes())
}

/// How the value has to be read under a cause of this kind, as a phrase behind "read".
pub(super) const fn phrase(cause: Cause) -> &'static str {
    match cause {
        Cause::HeaderHex => "as hexadecimal",
        Cause::HeaderBase64Url => "in the URL alphabet of Base64",
        Cause::HeaderNoPadding => "without its = at the end",
        Cause::HeaderPrefix => "without what stands before or around it",
        Cause::HeaderUrlEncoded => "after percent-decoding",
        _ => "as one of several values",
    }
}

/// What to do about a cause of this kind.
pub(super) const fn fix(cause: Cause) -> &'static str {
    match cause {
        Cause::HeaderHex => "encode the 32 bytes of the HMAC in Base64, not in hexadecimal: ask the library for the raw digest",
        Cause::HeaderBase64Url => "use the standard alphabet of Base64 with + and /, not the one for URLs",
        Cause::HeaderNoPadding => "keep the = at the end of the signature; it is part of the value",
        Cause::HeaderPrefix => "compare the signature alone; nothing stands before or around it in X-DocuSign-Signature-n",
        Cause::HeaderUrlEncoded => "take the header value as it is; do not pass it through URL decoding or encoding",
        Cause::HeaderFolded => "read each X-DocuSign-Signature-n header by itself; a proxy or framework joined or repeated them",
        _ => "compare the value of X-DocuSign-Signature-n; X-Authorization-Digest only names the algorithm",
    }
}

type Form = (Vec<Cause>, Vec<u8>);

/// The value itself, and what is inside it when a wrapping is taken off, up to one of each kind.
fn unwrapped(causes: Vec<Cause>, value: &[u8]) -> Vec<Form> {
    let mut forms: Vec<Form> = vec![(causes, value.to_vec())];
    for unwrap in [url_decoded, unfolded, unprefixed] {
        let more: Vec<Form> = forms.iter().take(READINGS_MAX).flat_map(unwrap).collect();
        forms.extend(more);
    }
    forms
}

fn with(form: &Form, cause: Cause, text: impl Into<Vec<u8>>) -> Form {
    let mut causes = form.0.clone();
    if !causes.contains(&cause) {
        causes.push(cause);
    }
    (causes, text.into())
}

fn url_decoded(form: &Form) -> Vec<Form> {
    let mut forms = Vec::new();
    if form.1.contains(&b'%') {
        forms.push(with(form, Cause::HeaderUrlEncoded, percent_decoded(&form.1, Plus::Itself)));
    }
    // A space at the beginning may be a lost + as well.
    for spaced in [form.1.trim_ascii(), &form.1].into_iter().filter(|text| text.contains(&b' ')) {
        let plus: Vec<u8> = spaced.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect();
        forms.push(with(form, Cause::HeaderUrlEncoded, plus));
    }
    forms
}

fn unfolded(form: &Form) -> Vec<Form> {
    let pieces: Vec<&[u8]> = form
        .1
        .split(|byte| matches!(byte, b',' | b';' | b' ' | b'\t' | b'\r' | b'\n' | b'[' | b']' | b'"'))
        .filter(|piece| piece.len() >= DIGEST_CHARS_MIN)
        .collect();
    if pieces.len() < 2 {
        return Vec::new();
    }
    pieces.into_iter().map(|piece| with(form, Cause::HeaderFolded, piece)).collect()
}

/// Takes off white space and quotes, or a short name with `=`, `:` or `,` behind it.
fn unprefixed(form: &Form) -> Vec<Form> {
    let bare = form.1.trim_ascii();
    let unquoted = bare.iter().skip_while(|byte| is_quote(**byte)).copied().collect::<Vec<u8>>();
    let quotes = unquoted.iter().rev().take_while(|byte| is_quote(**byte)).count();
    let bare = &unquoted[..unquoted.len() - quotes];
    let mut forms = Vec::new();
    if bare.len() != form.1.len() {
        forms.push(with(form, Cause::HeaderPrefix, bare));
    }
    // Python's way to write bytes, and the name of the algorithm with a blank behind it.
    if let Some(inside) = bare.strip_prefix(b"b'") {
        forms.push(with(form, Cause::HeaderPrefix, inside));
    }
    let name = bare.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-' || **byte == b'_').count();
    if name <= 32 && bare.get(name).is_some_and(|byte| matches!(byte, b'=' | b':' | b',' | b' ')) {
        forms.push(with(form, Cause::HeaderPrefix, bare[name + 1..].trim_ascii()));
    }
    forms
}

const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// What the text says in each coding that yields the length of a digest, with what is wrong about that coding.
fn decoded(text: &[u8]) -> Vec<(Vec<Cause>, Vec<u8>)> {
    if let Ok(mac) = read_mac(text) {
        return vec![(Vec::new(), mac.to_vec())];
    }
    let mut found = Vec::new();
    let padded = text.ends_with(b"=");
    let mut add = |mut causes: Vec<Cause>, bytes: Option<Vec<u8>>, may_lack_padding: bool| {
        let Some(bytes) = bytes.filter(|bytes| DIGEST_LENGTHS.contains(&bytes.len())) else { return };
        // 20, 32 and 64 bytes are no multiples of three: their Base64 always ends in padding.
        if may_lack_padding && !padded {
            causes.push(Cause::HeaderNoPadding);
        }
        found.push((causes, bytes));
    };
    add(vec![Cause::HeaderHex], from_hex(text), false);
    add(Vec::new(), STANDARD_LENIENT.decode(text).ok(), true);
    add(vec![Cause::HeaderBase64Url], URL_LENIENT.decode(text).ok(), true);
    add(vec![Cause::HeaderHex], from_base64(text).and_then(|inner| from_hex(&inner)), false);
    found
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::{super::coding::to_hex, *};

    #[test]
    fn every_mistaken_form_of_a_signature_reads_as_its_bytes() {
        let mac = [[0xfb, 0xff], [0x3e, 0xfc]].concat().repeat(8);
        let good = STANDARD.encode(&mac);
        let hex = String::from_utf8(to_hex(&mac)).expect("ASCII");
        let rows: Vec<(String, Vec<Cause>)> = vec![
            (good.clone(), vec![]),
            (hex.clone(), vec![Cause::HeaderHex]),
            (hex.to_uppercase(), vec![Cause::HeaderHex]),
            (STANDARD.encode(&hex), vec![Cause::HeaderHex]),
            (URL_SAFE.encode(&mac), vec![Cause::HeaderBase64Url]),
            (good.trim_end_matches('=').into(), vec![Cause::HeaderNoPadding]),
            (URL_SAFE.encode(&mac).trim_end_matches('=').into(), vec![Cause::HeaderBase64Url, Cause::HeaderNoPadding]),
            (format!("sha256={hex}"), vec![Cause::HeaderPrefix, Cause::HeaderHex]),
            (format!("v1={good}"), vec![Cause::HeaderPrefix]),
            (format!("X-DocuSign-Signature-1: {good}"), vec![Cause::HeaderPrefix]),
            (format!("\"{good}\""), vec![Cause::HeaderPrefix]),
            (format!(" {good}\n"), vec![Cause::HeaderPrefix]),
            (good.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"), vec![Cause::HeaderUrlEncoded]),
            (good.replace('+', " "), vec![Cause::HeaderUrlEncoded]),
            (format!("{}, {good}", STANDARD.encode([1; 32])), vec![Cause::HeaderFolded]),
            (format!("{}; sha256={good}", STANDARD.encode([1; 32])), vec![Cause::HeaderFolded, Cause::HeaderPrefix]),
        ];
        for (value, causes) in rows {
            let readings = readings(&[GivenSignature { number: 7, value: value.as_bytes() }]);
            let found = reading_of(&readings, &mac).unwrap_or_else(|| panic!("{value} is read"));
            assert_eq!((found.causes.as_slice(), found.number), (causes.as_slice(), 7), "{value}");
        }
    }

    #[test]
    fn a_value_without_a_digest_in_it_has_no_reading() {
        for value in ["", "HMACSHA256", "abc", "====", "%%%", ",,,,", "\u{feff}"] {
            assert!(readings(&[GivenSignature { number: 1, value: value.as_bytes() }]).is_empty(), "{value}");
        }
    }
}

//! Forms a key may have been brought into, on our side or on the signer's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    candidate::Candidate,
    coding::{Plus, from_base64, from_hex, percent_decoded, percent_encoded, to_hex},
    finding::Cause,
};

/// A key longer than this is a file pasted by mistake; mistakes are looked for in its beginning.
const KEY_BYTES_READ: usize = 4 * 1024;
const BOM: &[u8] = "\u{feff}".as_bytes();

/// A key under one assumption about what happened to it.
pub(super) struct KeyForm {
    /// Place among the given keys; other keys are counted on behind them.
    pub(super) place: usize,
    /// The bytes to sign with.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// What is wrong with the key under this assumption; nothing for the key as given.
    pub(super) causes: Vec<Cause>,
    /// The assumption as a phrase, such as `key 1 without white space around it`; never with a part of the key.
    pub(super) what: String,
    /// What to do about it; empty for the key as given.
    pub(super) fix: String,
    /// How many mistakes are assumed, 0 to 2.
    pub(super) mistakes: usize,
    /// Lower is likelier.
    pub(super) cost: u16,
}

impl KeyForm {
    /// The key at this place, nothing assumed.
    pub(super) fn given(place: usize, key: &[u8]) -> Self {
        Self {
            place,
            bytes: Zeroizing::new(key.to_vec()),
            causes: Vec::new(),
            what: format!("key {}", place + 1),
            fix: String::new(),
            mistakes: 0,
            cost: 0,
        }
    }

    /// A key that is not expected to have signed.
    fn other(place: usize, key: &[u8]) -> Self {
        Self {
            causes: vec![Cause::KeyOther],
            fix: format!("configure key {} for this listener, or make the sender use the expected one", place + 1),
            cost: OTHER_KEY_COST,
            ..Self::given(place, key)
        }
    }
}

struct KeyStep {
    cause: Cause,
    what: &'static str,
    fix: &'static str,
    cost: u16,
    apply: fn(&[u8]) -> Option<Vec<u8>>,
}

/// The known mistakes. The first group was made with the key at hand; the second by the signer.
const STEPS: &[KeyStep] = &[
    step(
        Cause::KeyWhitespace,
        1,
        "without white space around and inside it",
        "remove spaces and line ends from the configured key, or trim what is read from a file or the environment",
        without_whitespace,
    ),
    step(
        Cause::KeyMissingPadding,
        1,
        "with the = at its end",
        "copy the whole key: it has 44 characters and ends with =, which a double click or the copy menu leaves out",
        padded,
    ),
    step(
        Cause::KeyBase64Decoded,
        2,
        "decoded from Base64",
        "use the text of the key as it is shown, as bytes; do not decode it",
        from_base64,
    ),
    step(
        Cause::KeyWhitespace,
        3,
        "without the \\n written at its end",
        "remove the backslash and the n from the key; the environment file does not read them as a line feed",
        without_written_newline,
    ),
    step(Cause::KeyQuotes, 2, "without its quotes", "remove the quotes around the key; the environment file or shell kept them", unquoted),
    step(Cause::KeyBom, 3, "without its byte order mark", "save the key file as UTF-8 without byte order mark", without_bom),
    step(
        Cause::KeyUrlEncoded,
        4,
        "after percent-decoding",
        "configure the key as it is shown, with + / and = in it, not percent-encoded",
        url_decoded,
    ),
    step(
        Cause::KeyUrlEncoded,
        5,
        "with + where it has a space",
        "the key went through form decoding, which turns + into a space; pass it in another way or encode it first",
        plus_restored,
    ),
    step(
        Cause::KeyHexDecoded,
        6,
        "decoded from hexadecimal",
        "configure the key as text exactly as it is shown, not in hexadecimal",
        from_hex,
    ),
    step(
        Cause::KeyHexDecoded,
        7,
        "decoded from hexadecimal and written in Base64",
        "configure the key as text exactly as it is shown, not its bytes in hexadecimal",
        hex_to_base64,
    ),
    step(
        Cause::KeyBase64Decoded,
        8,
        "encoded in Base64",
        "configure the Base64 text of the key, as it is shown, and not the bytes it decodes to",
        to_base64,
    ),
    step(
        Cause::KeyWhitespace,
        9,
        "followed by a line feed",
        "the signer's key ends with a line feed; write it without one (printf, not echo)",
        followed_by_lf,
    ),
    step(
        Cause::KeyWhitespace,
        16,
        "followed by a carriage return and a line feed",
        "the signer's key ends with a line end; store it without one",
        followed_by_crlf,
    ),
    step(Cause::KeyWhitespace, 17, "followed by a space", "the signer's key ends with a space; store it without one", followed_by_space),
    step(
        Cause::KeyMissingPadding,
        11,
        "without the = at its end",
        "the signer's key lacks the = at its end; copy the whole key there",
        unpadded,
    ),
    step(
        Cause::KeyQuotes,
        12,
        "inside double quotes",
        "the signer's key is stored with quotes around it; remove them there",
        double_quoted,
    ),
    step(
        Cause::KeyQuotes,
        18,
        "inside single quotes",
        "the signer's key is stored with quotes around it; remove them there",
        single_quoted,
    ),
    step(
        Cause::KeyBom,
        19,
        "behind a byte order mark",
        "the signer's key file begins with a byte order mark; save it without one",
        behind_bom,
    ),
    step(Cause::KeyUrlEncoded, 13, "percent-encoded", "the signer percent-encodes the key; give it the key as it is shown", url_encoded),
    step(
        Cause::KeyUrlEncoded,
        20,
        "with spaces where it has +",
        "the signer form-decodes the key; give it the key as it is shown",
        plus_lost,
    ),
    step(
        Cause::KeyHexDecoded,
        14,
        "written in hexadecimal",
        "the signer uses the key in hexadecimal; give it the text as it is shown",
        hex_encoded,
    ),
    step(
        Cause::KeyHexDecoded,
        21,
        "decoded from Base64 and written in hexadecimal",
        "the signer uses the key's bytes in hexadecimal; give it the text as it is shown",
        base64_to_hex,
    ),
];

/// Keys that are tried together with a second mistake; with more keys at hand the pairs would crowd out the singles.
pub(super) const PAIRED_KEYS: usize = 4;
/// Added to the cost of the second of two mistakes.
pub(super) const PAIR_COST: u16 = 30;
/// Added to the cost of a key that is not expected to have signed.
const OTHER_KEY_COST: u16 = 1;

const fn step(cause: Cause, cost: u16, what: &'static str, fix: &'static str, apply: fn(&[u8]) -> Option<Vec<u8>>) -> KeyStep {
    KeyStep { cause, what, fix, cost, apply }
}

/// All forms of all keys, likeliest first: as given, with one mistake undone, with two.
pub(super) fn key_forms(candidate: &Candidate<'_>) -> Vec<KeyForm> {
    let mut forms = Vec::new();
    let own = candidate.keys.iter().map(|key| (*key, false));
    let other = candidate.other_keys.iter().map(|key| (*key, true));
    for (place, (key, is_other)) in own.chain(other).enumerate() {
        let given = if is_other { KeyForm::other(place, key) } else { KeyForm::given(place, key) };
        let single: Vec<KeyForm> = changed(&given).collect();
        // With many keys at hand, the search tries no two mistakes with one of the later ones.
        let double: Vec<KeyForm> = if place < PAIRED_KEYS { single.iter().flat_map(changed).collect() } else { Vec::new() };
        for form in std::iter::once(given).chain(single).chain(double) {
            if !forms.iter().any(|known: &KeyForm| known.place == place && known.bytes == form.bytes) {
                forms.push(form);
            }
        }
    }
    forms.sort_by_key(|form| form.cost);
    forms
}

fn changed(form: &KeyForm) -> impl Iterator<Item = KeyForm> {
    STEPS.iter().filter(|step| !form.causes.contains(&step.cause)).filter_map(|step| {
        let bytes = Zeroizing::new((step.apply)(&form.bytes[..form.bytes.len().min(KEY_BYTES_READ)])?);
        if bytes.is_empty() || bytes == form.bytes {
            return None;
        }
        let join =
            |first: &str, with: &str, second: &str| if first.is_empty() { second.to_owned() } else { format!("{first}{with}{second}") };
        Some(KeyForm {
            place: form.place,
            bytes,
            causes: [form.causes.as_slice(), &[step.cause]].concat(),
            what: join(&form.what, if form.fix.is_empty() { " " } else { ", then " }, step.what),
            fix: join(&form.fix, "; ", step.fix),
            mistakes: form.mistakes + 1,
            cost: form.cost + step.cost + if form.mistakes == 0 { 0 } else { PAIR_COST },
        })
    })
}

fn without_whitespace(key: &[u8]) -> Option<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(key) else {
        // Decoded bytes hold any value; only the line end of their file is foreign to them.
        let key = key.strip_suffix(b"\n")?;
        return Some(key.strip_suffix(b"\r").unwrap_or(key).to_vec());
    };
    Some(text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\u{200b}' | '\0')).collect::<String>().into_bytes())
}

fn without_written_newline(key: &[u8]) -> Option<Vec<u8>> {
    let key = key.strip_suffix(b"\\n")?;
    Some(key.strip_suffix(b"\\r").unwrap_or(key).to_vec())
}

fn padded(key: &[u8]) -> Option<Vec<u8>> {
    let missing = match key.len() % 4 {
        3 => 1,
        2 => 2,
        _ => return None,
    };
    Some([key, &b"=="[..missing]].concat())
}

fn unpadded(key: &[u8]) -> Option<Vec<u8>> {
    let padding = key.iter().rev().take_while(|byte| **byte == b'=').count();
    Some(key[..key.len() - padding].to_vec())
}

fn unquoted(key: &[u8]) -> Option<Vec<u8>> {
    const QUOTES: &[char] = &['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}'];
    let text = std::str::from_utf8(key).ok()?;
    Some(text.trim_matches(QUOTES).as_bytes().to_vec())
}

fn without_bom(key: &[u8]) -> Option<Vec<u8>> {
    // UTF-16 with its mark: what an editor that says "Unicode" saves.
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).ok().map(String::into_bytes)
    };
    match key {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => key.strip_prefix(BOM).map(<[u8]>::to_vec),
    }
}

fn url_decoded(key: &[u8]) -> Option<Vec<u8>> {
    Some(percent_decoded(key, Plus::Itself))
}

fn plus_restored(key: &[u8]) -> Option<Vec<u8>> {
    let key = key.trim_ascii();
    key.contains(&b' ').then(|| replaced(key, b' ', b'+'))
}

fn plus_lost(key: &[u8]) -> Option<Vec<u8>> {
    Some(replaced(key, b'+', b' '))
}

fn replaced(key: &[u8], old: u8, new: u8) -> Vec<u8> {
    key.iter().map(|byte| if *byte == old { new } else { *byte }).collect()
}

fn hex_to_base64(key: &[u8]) -> Option<Vec<u8>> {
    from_hex(key).map(|bytes| STANDARD.encode(bytes).into_bytes())
}

fn base64_to_hex(key: &[u8]) -> Option<Vec<u8>> {
    from_base64(key).map(|bytes| to_hex(&bytes))
}

fn to_base64(key: &[u8]) -> Option<Vec<u8>> {
    Some(STANDARD.encode(key).into_bytes())
}

fn hex_encoded(key: &[u8]) -> Option<Vec<u8>> {
    Some(to_hex(key))
}

fn url_encoded(key: &[u8]) -> Option<Vec<u8>> {
    Some(percent_encoded(key))
}

fn followed_by_lf(key: &[u8]) -> Option<Vec<u8>> {
    Some([key, b"\n"].concat())
}

fn followed_by_crlf(key: &[u8]) -> Option<Vec<u8>> {
    Some([key, b"\r\n"].concat())
}

fn followed_by_space(key: &[u8]) -> Option<Vec<u8>> {
    Some([key, b" "].concat())
}

fn double_quoted(key: &[u8]) -> Option<Vec<u8>> {
    Some([b"\"", key, b"\""].concat())
}

fn single_quoted(key: &[u8]) -> Option<Vec<u8>> {
    Some([b"'", key, b"'"].concat())
}

fn behind_bom(key: &[u8]) -> Option<Vec<u8>> {
    Some([BOM, key].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhh+VnHbkvQvKzUvKM=";

    fn causes_that_lead_from(given: &[u8], to: &[u8]) -> Option<Vec<Cause>> {
        key_forms(&Candidate::new(b"").key(given)).into_iter().find(|form| form.bytes.as_slice() == to).map(|form| form.causes)
    }

    #[test]
    fn each_mistake_with_a_key_is_undone() {
        let raw = STANDARD.decode(KEY).expect("Base64");
        let hex = String::from_utf8(to_hex(KEY.as_bytes())).expect("ASCII");
        let utf16: Vec<u8> = [0xfeff].into_iter().chain(KEY.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let rows: Vec<(Vec<u8>, Cause)> = vec![
            (format!(" {KEY}\n").into(), Cause::KeyWhitespace),
            (format!("{}\n{}", &KEY[..20], &KEY[20..]).into(), Cause::KeyWhitespace),
            (format!("{KEY}\u{a0}").into(), Cause::KeyWhitespace),
            (format!("\"{KEY}\"").into(), Cause::KeyQuotes),
            (format!("\u{201c}{KEY}\u{201d}").into(), Cause::KeyQuotes),
            (format!("\u{feff}{KEY}").into(), Cause::KeyBom),
            (utf16, Cause::KeyBom),
            (KEY.trim_end_matches('=').into(), Cause::KeyMissingPadding),
            (raw, Cause::KeyBase64Decoded),
            (hex.into(), Cause::KeyHexDecoded),
            (to_hex(&STANDARD.decode(KEY).expect("Base64")), Cause::KeyHexDecoded),
            (KEY.replace('=', "%3D").replace('+', "%2B").into(), Cause::KeyUrlEncoded),
            (KEY.replace('+', " ").into(), Cause::KeyUrlEncoded),
        ];
        for (given, cause) in rows {
            let given_text = String::from_utf8_lossy(&given).into_owned();
            assert_eq!(causes_that_lead_from(&given, KEY.as_bytes()), Some(vec![cause]), "{given_text:?}");
            // And the same mistake made by the signer, as far as it leaves a trace that can be guessed.
            let back = causes_that_lead_from(KEY.as_bytes(), &given);
            if ![" ", "\u{201c}", "\u{a0}"].iter().any(|rare| given_text.contains(rare)) && !given_text.contains('\n') && given[0] != 0xff {
                assert!(back.is_some(), "{given_text:?}");
            }
        }
        assert_eq!(causes_that_lead_from(KEY.as_bytes(), KEY.as_bytes()), Some(vec![]));
    }

    #[test]
    fn two_mistakes_with_a_key_are_undone() {
        let given = format!("\"{}\"\n", KEY.trim_end_matches('='));
        assert_eq!(
            causes_that_lead_from(format!("\"{KEY}\"\n").as_bytes(), KEY.as_bytes()),
            Some(vec![Cause::KeyWhitespace, Cause::KeyQuotes])
        );
        assert_eq!(causes_that_lead_from(given.as_bytes(), KEY.as_bytes()), None, "three are not");
    }

    #[test]
    fn a_phrase_about_a_key_contains_nothing_of_it() {
        for form in key_forms(&Candidate::new(b"").key(KEY.as_bytes()).other_key(b"another key of the account")) {
            for secret in [KEY, "another key", "bDjU", "UvKM"] {
                assert!(!form.what.contains(secret) && !form.fix.contains(secret), "{}", form.what);
            }
        }
    }

    #[test]
    fn a_key_of_any_bytes_is_taken_up_to_a_bound() {
        for key in [&b""[..], b"\xff\xfe\x00", b"%", b"=", &[b'a'; 1 << 20]] {
            let forms = key_forms(&Candidate::new(b"").key(key));
            assert!(forms.iter().all(|form| form.mistakes == 0 || form.bytes.len() <= 4 * KEY_BYTES_READ * 3));
        }
    }
}

//! Digests and codings, by libraries or written here; nothing of the `signature` crate.

use std::io::Write as _;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

pub(super) fn hmac_sha256(key: &[u8], body: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).expect("any length").chain_update(body).finalize().into_bytes().to_vec()
}

pub(super) fn hmac_sha512(key: &[u8], body: &[u8]) -> Vec<u8> {
    Hmac::<Sha512>::new_from_slice(key).expect("any length").chain_update(body).finalize().into_bytes().to_vec()
}

pub(super) fn hmac_sha1(key: &[u8], body: &[u8]) -> Vec<u8> {
    Hmac::<Sha1>::new_from_slice(key).expect("any length").chain_update(body).finalize().into_bytes().to_vec()
}

pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

pub(super) fn standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn url_safe(bytes: &[u8]) -> String {
    URL_SAFE.encode(bytes)
}

pub(super) fn from_standard(text: &str) -> Vec<u8> {
    STANDARD.decode(text).expect("Base64")
}

pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As `encodeURIComponent`, `quote_plus` and HTML forms do; `space` is what a space becomes.
pub(super) fn percent(bytes: &[u8], space: &str) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b' ' => space.to_owned(),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Each line of 76 characters, as MIME has it.
pub(super) fn in_mime_lines(text: &str) -> String {
    text.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect()
}

/// Windows-1252, of the few characters outside Latin-1 that the bodies have.
pub(super) fn windows_1252(text: &str) -> Vec<u8> {
    text.chars().map(|c| if c == '€' { 0x80 } else { u8::try_from(u32::from(c)).expect("Latin-1") }).collect()
}

/// UTF-8 read as Windows-1252 and written as UTF-8.
pub(super) fn mojibake(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            0x82 => '\u{201a}',
            0x80 => '€',
            byte => char::from(byte),
        })
        .collect()
}

pub(super) fn utf16_le_with_mark(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

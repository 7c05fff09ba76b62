//! The form of a JWT, checked before anything is believed and before a library sees it (RFC 7515, RFC 8725 §3).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{
    strict_json::read_object,
    token::{TOKEN_BYTES_MAX, TokenRefused},
};

/// A key id longer than this is an attack on whatever looks it up.
const KEY_ID_BYTES_MAX: usize = 256;

/// The parts of a JWT of good form. Nothing in it is verified yet.
pub(crate) struct JwtForm<'t> {
    pub(crate) algorithm: String,
    pub(crate) kind: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) claims: Map<String, Value>,
    /// What is signed: the first two segments with the full stop between.
    pub(crate) signed: &'t str,
    /// The signature as it stands in the token.
    pub(crate) signature: &'t str,
}

impl<'t> JwtForm<'t> {
    /// Takes a token apart.
    pub(crate) fn read(token: &'t str) -> Result<Self, TokenRefused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Malformed("longer than 8 KiB"));
        }
        let segments: Vec<&str> = token.split('.').take(6).collect();
        let (header, claims, signature) = match segments[..] {
            [header, claims, signature] => (header, claims, signature),
            [_, _, _, _, _] => return Err(TokenRefused::Encrypted),
            _ => return Err(TokenRefused::Malformed("not three segments")),
        };
        if signature.is_empty() {
            return Err(TokenRefused::Malformed("not signed"));
        }
        decode(signature)?;
        let header = read_object(&decode(header)?).ok_or(TokenRefused::Malformed("the header is not a plain JSON object"))?;
        let claims = read_object(&decode(claims)?).ok_or(TokenRefused::Malformed("the claims are not a plain JSON object"))?;
        let signed = &token[..token.len() - signature.len() - 1];
        let text = |name: &'static str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenRefused::Claim(name)),
        };
        // Extensions are understood or the token is refused (RFC 7515 §4.1.11); we understand none.
        let extension = ["crit", "b64", "zip"].into_iter().find(|name| header.contains_key(*name));
        if let Some(extension) = extension {
            return Err(TokenRefused::Extension(extension));
        }
        let key_id = text("kid")?;
        if key_id.as_ref().is_some_and(|id| id.len() > KEY_ID_BYTES_MAX) {
            return Err(TokenRefused::Malformed("kid is longer than 256 bytes"));
        }
        let algorithm = text("alg")?.ok_or(TokenRefused::Claim("alg"))?;
        // jwk, jku, x5c, x5u and x5t are never looked at: a token does not choose the key it is verified with (RFC 8725 §3.10).
        Ok(Self { algorithm, kind: text("typ")?, key_id, claims, signed, signature })
    }
}

/// Unpadded base64url with canonical trailing bits (RFC 7515 §2); never empty.
fn decode(segment: &str) -> Result<Vec<u8>, TokenRefused> {
    match URL_SAFE_NO_PAD.decode(segment) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(TokenRefused::Malformed("a segment is empty or not unpadded base64url")),
    }
}

//! The key by which a client says that a request is the one it sent before.

use http::HeaderMap;

use crate::failure::Failure;

/// The longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The idempotency key of a request, by any of the header names that clients send (design: Storage and scale).
///
/// # Errors
/// 400 when it is empty, too long or not visible ASCII.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get("idempotency-key").or_else(|| headers.get("x-docusign-idempotency-key")) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_BYTES_MAX => Ok(Some(key.to_owned())),
        _ => Err(Failure::invalid_parameter(format!("an idempotency key is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"))),
    }
}

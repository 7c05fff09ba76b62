//! The texts of bearer tokens, client secrets and codes: made of 32 random bytes, kept as SHA-256 alone.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::secret::Secret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The system has no random bytes to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct NoRandomness(String);

/// `cst_` for API tokens; further prefixes for what else is handed out, so that a leaked text tells what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// An API token made by a person.
    Api,
    /// An access token from `/oauth/token`.
    Access,
    /// A refresh token.
    Refresh,
    /// An authorization code.
    Code,
    /// The client secret of an integration key.
    ClientSecret,
}

impl TokenKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Api => "cst_",
            Self::Access => "csa_",
            Self::Refresh => "csr_",
            Self::Code => "csc_",
            Self::ClientSecret => "css_",
        }
    }
}

/// A fresh text: the prefix and 43 characters of base64url, 256 random bits (RFC 6749 §10.10 asks for 128).
///
/// # Errors
/// [`NoRandomness`] when the operating system refuses.
pub fn fresh(kind: TokenKind) -> Result<Secret, NoRandomness> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| NoRandomness(e.to_string()))?;
    Ok(Secret::new(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
}

/// What is kept of it.
#[must_use]
pub fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The last four characters, so that a person can tell tokens apart; nothing of a text so short that four would matter.
#[must_use]
pub fn hint(text: &str) -> String {
    let count = text.chars().count();
    if count < 16 { String::new() } else { text.chars().skip(count - 4).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_texts_differ_and_are_bearer_tokens() {
        let first = fresh(TokenKind::Api).expect("random bytes");
        let second = fresh(TokenKind::Api).expect("random bytes");
        assert_ne!(first.expose_secret(), second.expose_secret());
        let text = first.expose_secret();
        assert_eq!(text.len(), 4 + 43);
        assert!(text.starts_with("cst_"));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "RFC 6750 §2.1: {text}");
        assert!(text.ends_with(&hint(text)));
        assert_eq!(hint("short"), "");
    }
}

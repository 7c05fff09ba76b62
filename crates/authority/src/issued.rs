//! The memory of issued tokens, from which introspection and revocation answer.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use sha2::{Digest as _, Sha256};

/// Tokens remembered, the least recently used forgotten first: a few MB. A forgotten token introspects as inactive; a JWT
/// that a listener verifies by its signature is not affected.
const ISSUED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("ten thousand is not zero");

/// What is known about an issued token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IssuedToken {
    /// Whom it was issued to.
    pub(crate) client_id: String,
    /// The granted scopes, separated by spaces.
    pub(crate) scope: Option<String>,
    /// Whom it is for.
    pub(crate) audience: Vec<String>,
    /// RFC 7519 §4.1.7.
    pub(crate) jti: String,
    /// Seconds since the epoch.
    pub(crate) issued_at_s: u64,
    /// Seconds since the epoch; at this second it is no longer valid.
    pub(crate) expires_at_s: u64,
    /// `cnf.x5t#S256` of a token bound to a certificate (RFC 8705 §3.1).
    pub(crate) certificate: Option<String>,
    /// Revoked by its client, or on arrival by a fault.
    pub(crate) revoked: bool,
}

impl IssuedToken {
    /// Whether a listener may accept it now.
    pub(crate) fn is_active(&self, now_s: u64) -> bool {
        !self.revoked && self.expires_at_s > now_s
    }
}

/// Issued tokens by the SHA-256 of their text, so that a dump of the memory gives no token away.
#[derive(Debug)]
pub(crate) struct IssuedTokens(Mutex<LruCache<[u8; 32], IssuedToken>>);

impl IssuedTokens {
    /// An empty memory.
    pub(crate) fn new() -> Self {
        Self::with_room_for(ISSUED_MAX)
    }

    /// Remembers a token.
    pub(crate) fn insert(&self, token: &str, issued: IssuedToken) {
        self.lock().put(digest(token), issued);
    }

    /// What is known about a token.
    pub(crate) fn find(&self, token: &str) -> Option<IssuedToken> {
        self.lock().get(&digest(token)).cloned()
    }

    /// Revokes a token; nothing happens when it is unknown.
    pub(crate) fn revoke(&self, token: &str) {
        if let Some(issued) = self.lock().get_mut(&digest(token)) {
            issued.revoked = true;
        }
    }

    fn with_room_for(max: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::sparse(max)))
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<[u8; 32], IssuedToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(jti: &str) -> IssuedToken {
        IssuedToken {
            client_id: "a".into(),
            scope: None,
            audience: vec!["l".into()],
            jti: jti.into(),
            issued_at_s: 0,
            expires_at_s: 100,
            certificate: None,
            revoked: false,
        }
    }

    #[test]
    fn the_memory_forgets_the_least_recently_used_token() {
        let tokens = IssuedTokens::with_room_for(NonZeroUsize::new(2).expect("two"));
        tokens.insert("one", issued("1"));
        tokens.insert("two", issued("2"));
        assert!(tokens.find("one").is_some());
        tokens.insert("three", issued("3"));
        assert_eq!(tokens.find("two"), None);
        assert_eq!(tokens.find("one").map(|token| token.jti), Some("1".to_owned()));
    }

    #[test]
    fn a_token_is_active_until_it_expires_or_is_revoked() {
        let tokens = IssuedTokens::new();
        tokens.insert("one", issued("1"));
        let active = |now_s| tokens.find("one").is_some_and(|token| token.is_active(now_s));
        assert!(active(99));
        assert!(!active(100));
        tokens.revoke("one");
        assert!(!active(50));
        tokens.revoke("unknown");
    }
}

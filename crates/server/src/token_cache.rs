//! API tokens seen lately, so that the hot path need not ask the store for each request.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::{
    Timestamp,
    account::{ApiToken, Right, User},
    config::ConfigKind,
};
use countersign_store::{
    Store, StoreError,
    objects::{ObjectKey, StoredToken},
};
use lru::LruCache;

/// How long a token is trusted without asking the store again; a token revoked on another node works so long at most.
const TOKEN_TRUST: Duration = Duration::from_secs(2);
/// Tokens remembered; the least recently used goes first.
const TOKENS_MAX: usize = 10_000;

/// Requests that ask for tokens at the same time, at most; those that ask for the same one wait for the first. Under load all requests find
/// that a token is to be asked for again at once.
const ASKING: usize = 64;

/// Tokens seen lately.
#[derive(Debug)]
pub struct TokenCache {
    seen: Mutex<Seen>,
    /// By the first byte of the hash.
    asking: [tokio::sync::Mutex<()>; ASKING],
}

/// By hash: when the store was asked, and what it said.
type Seen = LruCache<[u8; 32], (Timestamp, Option<ApiToken>)>;

/// The store has to be asked.
struct Unknown;

impl Default for TokenCache {
    fn default() -> Self {
        let seen = Mutex::new(LruCache::new(NonZeroUsize::new(TOKENS_MAX).expect("not zero")));
        Self { seen, asking: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }
}

impl TokenCache {
    /// The token of a hash, from here or from the store.
    ///
    /// # Errors
    /// The store's, when it had to be asked.
    pub(crate) async fn find(&self, store: &dyn Store, sha256: [u8; 32], now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
        if let Ok(known) = self.known(&sha256, now) {
            return Ok(known);
        }
        let _one_at_a_time = self.asking[usize::from(sha256[0]) % ASKING].lock().await;
        if let Ok(known) = self.known(&sha256, now) {
            return Ok(known);
        }
        let found = match store.token(sha256).await? {
            Some(StoredToken { token, .. }) => within_user(store, token).await?,
            None => None,
        };
        self.lock().put(sha256, (now, found.clone()));
        Ok(found)
    }

    /// What is known of a hash, as long as it is trusted.
    fn known(&self, sha256: &[u8; 32], now: Timestamp) -> Result<Option<ApiToken>, Unknown> {
        match self.lock().get(sha256) {
            // A caller that waited for another one to ask may have begun before it.
            Some((at, token)) if now.since(*at) < TOKEN_TRUST && at.since(now) < TOKEN_TRUST => Ok(token.clone()),
            _ => Err(Unknown),
        }
    }

    /// Forgets everything, after a token or a user was changed through this process.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token as far as its user goes: nothing when the user is gone, and nobody administers through a user who may not.
async fn within_user(store: &dyn Store, token: ApiToken) -> Result<Option<ApiToken>, StoreError> {
    let key = ObjectKey { account: token.account, kind: ConfigKind::User, id: token.user.to_string() };
    let Some(stored) = store.object(key).await? else { return Ok(None) };
    let user: User = stored.object.read()?;
    let right = if user.admin { token.right } else { token.right.min(Right::Write) };
    Ok(Some(ApiToken { right, ..token }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_store::sqlite::{Settings, SqliteStore};
    use countersign_testkit::FaultyStore;

    use super::*;

    #[tokio::test]
    async fn requests_that_come_together_ask_for_a_token_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let real = SqliteStore::open(Settings { reserve_bytes: 0, ..Settings::new(dir.path()) }).expect("opens");
        let store = FaultyStore::before(Arc::new(real));
        let (cache, now) = (TokenCache::default(), Timestamp::from_secs(1_800_000_000));
        let asked = futures_util::future::join_all((0..64).map(|_| cache.find(&*store, [7; 32], now))).await;
        assert!(asked.into_iter().all(|found| found == Ok(None)));
        assert_eq!(store.calls_of("token"), 1);
        cache.find(&*store, [7; 32], now + TOKEN_TRUST).await.expect("asked again");
        assert_eq!(store.calls_of("token"), 2);
    }
}

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

/// Tokens seen lately.
#[derive(Debug)]
pub struct TokenCache(Mutex<Seen>);

/// By hash: when the store was asked, and what it said.
type Seen = LruCache<[u8; 32], (Timestamp, Option<ApiToken>)>;

impl Default for TokenCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(TOKENS_MAX).expect("not zero"))))
    }
}

impl TokenCache {
    /// The token of a hash, from here or from the store.
    ///
    /// # Errors
    /// The store's, when it had to be asked.
    pub(crate) async fn find(&self, store: &dyn Store, sha256: [u8; 32], now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
        if let Some((at, token)) = self.lock().get(&sha256)
            && now.since(*at) < TOKEN_TRUST
            && now >= *at
        {
            return Ok(token.clone());
        }
        let found = match store.token(sha256).await? {
            Some(StoredToken { token, .. }) => within_user(store, token).await?,
            None => None,
        };
        self.lock().put(sha256, (now, found.clone()));
        Ok(found)
    }

    /// Forgets everything, after a token or a user was changed through this process.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

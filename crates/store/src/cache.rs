//! Configuration as the hot path reads it: one immutable [`AccountConfig`] per account, loaded once and shared.
//!
//! A write through this process invalidates at once. Writes of other processes are seen by [`ConfigCache::poll`], which
//! compares versions; until then the store's version check refuses what was matched with an older configuration, so that
//! staleness costs a second try and never a wrong match.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use countersign_core::{
    config::{AccountConfig, AccountOAuth, ClientCertificate, ConfigKind, ConfigVersion, Configured, SigningKey, TrustAnchor},
    id::{AccountId, SubscriptionId},
    subscription::Subscription,
};
use countersign_signature::HmacKey;
use lru::LruCache;
use tokio::sync::Mutex as AsyncMutex;

use crate::{Store, StoreError, objects::StoredObject};

/// Accounts remembered: far more than are busy at once, and some hundred MiB at the very most. Beyond it any one makes room.
const ACCOUNTS_MAX: usize = 10_000;
/// Envelope-level subscriptions remembered; each belongs to one envelope, so old ones are seldom asked for again.
const ENVELOPE_SUBSCRIPTIONS_MAX: usize = 10_000;
/// How often a load begins again because the configuration changed under it.
const LOADS_MAX: usize = 32;
/// Objects of one kind that take part in sending; an account has at most 100 keys (Connect) and a handful of certificates.
const HOT_OBJECTS_MAX: u32 = 1_000;

/// The cache. Cheap to read: a read lock and a reference count.
pub struct ConfigCache {
    store: Arc<dyn Store>,
    accounts: RwLock<HashMap<AccountId, Arc<AccountConfig>>>,
    /// Raised by every invalidation, so that a load that began before it is not kept.
    epoch: std::sync::atomic::AtomicU64,
    /// One load at a time: a herd after an invalidation costs one read of the store.
    loading: AsyncMutex<()>,
    envelope_subscriptions: Mutex<LruCache<SubscriptionId, (ConfigVersion, Arc<Subscription>)>>,
}

impl std::fmt::Debug for ConfigCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigCache").finish_non_exhaustive()
    }
}

impl ConfigCache {
    /// An empty cache over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let capacity = NonZeroUsize::new(ENVELOPE_SUBSCRIPTIONS_MAX).expect("not zero");
        Self {
            store,
            accounts: RwLock::default(),
            epoch: std::sync::atomic::AtomicU64::new(0),
            loading: AsyncMutex::new(()),
            envelope_subscriptions: Mutex::new(LruCache::new(capacity)),
        }
    }

    /// The account's configuration; `None` when there is no such account.
    ///
    /// # Errors
    /// The store's, when it had to be read.
    pub async fn account(&self, id: AccountId) -> Result<Option<Arc<AccountConfig>>, StoreError> {
        if let Some(config) = self.cached(id) {
            return Ok(Some(config));
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(config) = self.cached(id) {
            return Ok(Some(config));
        }
        let epoch = self.epoch();
        let Some(config) = load(&*self.store, id).await? else { return Ok(None) };
        let config = Arc::new(config);
        if epoch == self.epoch() {
            let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
            if accounts.len() >= ACCOUNTS_MAX
                && let Some(any) = accounts.keys().next().copied()
            {
                accounts.remove(&any);
            }
            accounts.insert(id, Arc::clone(&config));
        }
        Ok(Some(config))
    }

    /// A subscription of either level with its account's configuration; `None` when it was deleted.
    ///
    /// # Errors
    /// The store's, when it had to be read.
    pub async fn subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
    ) -> Result<Option<(Arc<AccountConfig>, Arc<Subscription>)>, StoreError> {
        let Some(config) = self.account(account).await? else { return Ok(None) };
        if let Some(found) = config.subscriptions.get(&id) {
            let found = Arc::clone(found);
            return Ok(Some((config, found)));
        }
        if let Some((version, found)) = self.lock_subscriptions().get(&id)
            && *version == config.version
        {
            let found = Arc::clone(found);
            return Ok(Some((config, found)));
        }
        match self.store.subscription(id).await? {
            Some((owner, object)) if owner == account => {
                let found: Arc<Subscription> = Arc::new(object.read()?);
                self.lock_subscriptions().put(id, (config.version, Arc::clone(&found)));
                Ok(Some((config, found)))
            }
            _ => Ok(None),
        }
    }

    /// Forgets an account's configuration. Every write of configuration through this process calls it after its answer.
    pub fn invalidate(&self, id: AccountId) {
        self.epoch.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        self.accounts.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Compares versions with the store's and forgets what other processes changed.
    ///
    /// # Errors
    /// The store's; nothing is forgotten then.
    pub async fn poll(&self) -> Result<(), StoreError> {
        let held: Vec<(AccountId, ConfigVersion)> =
            self.accounts.read().unwrap_or_else(PoisonError::into_inner).iter().map(|(id, config)| (*id, config.version)).collect();
        if held.is_empty() {
            return Ok(());
        }
        let stored: HashMap<AccountId, ConfigVersion> =
            self.store.config_versions(held.iter().map(|(id, _)| *id).collect()).await?.into_iter().collect();
        for (id, version) in held {
            if stored.get(&id) != Some(&version) {
                self.invalidate(id);
            }
        }
        Ok(())
    }

    fn cached(&self, id: AccountId) -> Option<Arc<AccountConfig>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(std::sync::atomic::Ordering::Acquire)
    }

    fn lock_subscriptions(&self) -> MutexGuard<'_, LruCache<SubscriptionId, (ConfigVersion, Arc<Subscription>)>> {
        self.envelope_subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads until nothing changed in between: the subscriptions and the account name the same version before and after.
async fn load(store: &dyn Store, id: AccountId) -> Result<Option<AccountConfig>, StoreError> {
    for _ in 0..LOADS_MAX {
        let Some((account, before)) = store.account(id).await? else { return Ok(None) };
        let (version, subscriptions) = store.subscriptions(id).await?;
        let mut keys = all::<SigningKey>(store, id, ConfigKind::SigningKey).await?;
        let oauth = all::<AccountOAuth>(store, id, ConfigKind::OAuth).await?.pop();
        let mut certificates = all::<ClientCertificate>(store, id, ConfigKind::ClientCertificate).await?;
        let trust_anchors = all::<TrustAnchor>(store, id, ConfigKind::TrustAnchor).await?;
        let Some((_, after)) = store.account(id).await? else { return Ok(None) };
        if before != version || version != after {
            continue;
        }
        keys.sort_by_key(|key| (key.created_at, key.id));
        certificates.sort_by_key(|certificate| (certificate.created_at, certificate.id));
        let hmac_keys = keys
            .iter()
            .map(|key| {
                HmacKey::try_new(key.secret.expose_secret()).map_err(|e| StoreError::Damaged(format!("signing key {}: {e}", key.id)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let subscriptions = subscriptions
            .into_iter()
            .map(|(id, object)| Ok((id, Arc::new(object.read::<Subscription>()?))))
            .collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        return Ok(Some(AccountConfig {
            account,
            version,
            subscriptions,
            hmac_keys: hmac_keys.into(),
            oauth: oauth.map(Arc::new),
            certificates: certificates.into_iter().map(Arc::new).collect(),
            trust_anchors: trust_anchors.into_iter().map(Arc::new).collect(),
        }));
    }
    Err(StoreError::Unavailable(format!("the configuration of account {id} changes faster than it can be read")))
}

async fn all<T: Configured>(store: &dyn Store, account: AccountId, kind: ConfigKind) -> Result<Vec<T>, StoreError> {
    let stored = store.objects(account, kind, None, HOT_OBJECTS_MAX).await?;
    stored.into_iter().map(|StoredObject { object, .. }| object.read()).collect()
}

//! Bins in the store, and the few that were used lately in memory, so that an arrival costs the store nothing.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_core::{Timestamp, config::ConfigKind, id::AccountId};
use countersign_store::objects::{Object, ObjectKey, StoredObject};
use lru::LruCache;

use super::{
    bin::{Bin, BinId},
    pace::Pace,
};
use crate::{failure::Failure, inspector::Inspector};

/// Bins of one account.
pub const BINS_PER_ACCOUNT_MAX: usize = 50;
/// Bins in memory.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(1_000).expect("a thousand is not zero");
/// For how long a bin is used as it was read, in milliseconds: other nodes may change it.
const FRESH_MS: i64 = 5_000;
/// Addresses that are looked up in the store a second, and how many at once. Bins that are known need no lookup.
const LOOKUPS_PER_SECOND: u32 = 50;
/// See [`LOOKUPS_PER_SECOND`].
const LOOKUPS_BURST: u32 = 100;

/// A bin, whose it is, and which state of it.
#[derive(Debug)]
pub struct Known {
    /// The bin.
    pub bin: Bin,
    /// Whose.
    pub account: AccountId,
    /// Rises with every change.
    pub revision: i64,
}

/// Bins that were used lately.
#[derive(Debug)]
pub struct KnownBins(Mutex<Lookups>);

#[derive(Debug)]
struct Lookups {
    known: LruCache<BinId, (Arc<Known>, Timestamp)>,
    pace: Option<Pace>,
}

impl Default for KnownBins {
    fn default() -> Self {
        Self(Mutex::new(Lookups { known: LruCache::new(KNOWN_MAX), pace: None }))
    }
}

impl KnownBins {
    fn fresh(&self, id: &BinId, now: Timestamp) -> Option<Arc<Known>> {
        let mut lookups = self.lock();
        let (known, read_at) = lookups.known.get(id)?;
        ((0..FRESH_MS).contains(&(now.as_millis() - read_at.as_millis()))).then(|| Arc::clone(known))
    }

    /// Whether one more address may be looked up now.
    fn may_look_up(&self, now: Timestamp) -> bool {
        self.lock().pace.get_or_insert_with(|| Pace::new(LOOKUPS_PER_SECOND, LOOKUPS_BURST, now)).take(now)
    }

    fn remember(&self, known: &Arc<Known>, now: Timestamp) {
        self.lock().known.put(known.bin.id.clone(), (Arc::clone(known), now));
    }

    fn forget(&self, id: &BinId) {
        self.lock().known.pop(id);
    }

    fn lock(&self) -> MutexGuard<'_, Lookups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an address leads to no bin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoBin {
    /// There is none.
    Absent,
    /// More addresses are asked for than the store shall be bothered with.
    TooManyLookups,
    /// The store failed; the log says how.
    Store,
}

/// The bin of an address, whoever asks.
///
/// # Errors
/// [`NoBin`].
pub async fn by_address(inspector: &Inspector, id: &BinId) -> Result<Arc<Known>, NoBin> {
    let now = (inspector.clock)();
    if let Some(known) = inspector.bins.fresh(id, now) {
        return Ok(known);
    }
    if !inspector.bins.may_look_up(now) {
        return Err(NoBin::TooManyLookups);
    }
    let failed = |failure: &dyn std::fmt::Display| {
        tracing::warn!(error = %failure, "a bin cannot be read");
        NoBin::Store
    };
    match inspector.store.find_object(ConfigKind::Bin, id.as_str()).await.map_err(|error| failed(&error))? {
        Some(stored) => {
            let known = Arc::new(read(stored).map_err(|failure| failed(&failure))?);
            inspector.bins.remember(&known, now);
            Ok(known)
        }
        None => {
            gone(inspector, id);
            Err(NoBin::Absent)
        }
    }
}

/// A bin of the account.
///
/// # Errors
/// 404 when the account has none of that id; the store's own failures.
pub async fn of_account(inspector: &Inspector, account: AccountId, id: &str) -> Result<Arc<Known>, Failure> {
    let id: BinId = id.parse().map_err(|_| missing())?;
    let stored = inspector.store.object(place(account, &id)).await?.ok_or_else(missing)?;
    let known = Arc::new(read(stored)?);
    inspector.bins.remember(&known, (inspector.clock)());
    Ok(known)
}

/// All bins of the account, the oldest first.
///
/// # Errors
/// The store's own failures.
pub async fn list(inspector: &Inspector, account: AccountId) -> Result<Vec<Known>, Failure> {
    let limit = u32::try_from(BINS_PER_ACCOUNT_MAX).unwrap_or(u32::MAX);
    let stored = inspector.store.objects(account, ConfigKind::Bin, None, limit).await?;
    let mut bins = stored.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    bins.sort_by_key(|known| known.bin.created_at);
    Ok(bins)
}

/// Saves a new bin (`revision` 0) or a changed one (the revision that was read).
///
/// # Errors
/// 400 when the account has too many, 409 when it was changed in the meantime; the store's own failures.
pub async fn save(inspector: &Inspector, account: AccountId, bin: &Bin, revision: i64) -> Result<(), Failure> {
    if revision == 0 && list(inspector, account).await?.len() >= BINS_PER_ACCOUNT_MAX {
        return Err(Failure::invalid_parameter(format!("an account has at most {BINS_PER_ACCOUNT_MAX} bins; delete one first")));
    }
    inspector.store.put_object(place(account, &bin.id), Object::of(bin)?, Some(revision)).await??;
    inspector.bins.forget(&bin.id);
    Ok(())
}

/// Deletes a bin and what arrived at it.
///
/// # Errors
/// 404 when the account has none of that id; the store's own failures.
pub async fn delete(inspector: &Inspector, account: AccountId, id: &str) -> Result<(), Failure> {
    let id: BinId = id.parse().map_err(|_| missing())?;
    inspector.store.delete_object(place(account, &id)).await?.map_err(|_| missing())?;
    gone(inspector, &id);
    Ok(())
}

fn gone(inspector: &Inspector, id: &BinId) {
    inspector.bins.forget(id);
    inspector.listeners.forget(id);
    inspector.memory.forget_bin(id);
}

fn read(stored: StoredObject) -> Result<Known, Failure> {
    let StoredObject { key, revision, object } = stored;
    Ok(Known { bin: object.read()?, account: key.account, revision })
}

fn place(account: AccountId, id: &BinId) -> ObjectKey {
    ObjectKey { account, kind: ConfigKind::Bin, id: id.to_string() }
}

fn missing() -> Failure {
    Failure::not_found("BIN_NOT_FOUND", "there is no such bin")
}

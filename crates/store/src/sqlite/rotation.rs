//! Replacing the vault's key: everything is sealed again under a new one, while the store is in use.
//!
//! The key file holds both keys until the last value is sealed with the new one, so that a crash in between loses nothing
//! and the command can be given again.

use countersign_core::id::AccountId;
use rusqlite::params;

use super::{
    call::Weight,
    fault::Fault,
    key_file,
    store::{KeySource, SqliteStore},
    subscription,
    transaction::Tx,
};
use crate::{
    StoreError,
    vault::{Place, Vault, VaultKey},
};

/// Values sealed again in one transaction.
const STEP_ROWS: u32 = 200;

/// What a rotation did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotated {
    /// Values sealed again.
    pub resealed: u64,
    /// The id of the key that seals now; see [`VaultKey::id`].
    pub key_id: String,
}

impl SqliteStore {
    /// Seals every secret again. With a key file, a new key is made and replaces the old one. With keys given from outside, the first of
    /// them is the new one; the others may be left out from the next start on.
    ///
    /// # Errors
    /// The store's; the old key stays in use beside the new one then.
    pub async fn rotate_key(&self) -> Result<Rotated, StoreError> {
        let inner = &self.inner;
        let _one_at_a_time = inner.rotating.lock().await;
        let file = inner.dir.key();
        let keys = match &inner.settings.keys {
            KeySource::Given(keys) => keys.clone(),
            KeySource::File => {
                let old = key_file::read(&file).map_err(|e| unreadable(&e))?.ok_or_else(|| unreadable("it is missing"))?;
                let mut keys = vec![VaultKey::random()?];
                keys.extend(VaultKey::list_from_text(&old)?);
                // A rotation that was broken off left two keys; more than this many would be refused at the next start.
                keys.truncate(crate::vault::KEYS_MAX);
                key_file::write(&file, &keys).map_err(|e| unreadable(&e))?;
                keys
            }
        };
        inner.vault.replace(Vault::new(&keys)?);
        let resealed = self.reseal_subscriptions().await? + self.reseal_objects().await?;
        inner.writer.call(Weight::SMALL, |tx| Ok(key_file::put_check(tx.conn, &tx.vault.sealed_check()?)?)).await?;
        if matches!(inner.settings.keys, KeySource::File) {
            key_file::write(&file, &keys[..1]).map_err(|e| unreadable(&e))?;
            inner.vault.replace(Vault::new(&keys[..1])?);
        }
        Ok(Rotated { resealed, key_id: keys[0].id() })
    }

    async fn reseal_subscriptions(&self) -> Result<u64, StoreError> {
        let mut resealed = 0;
        let mut after = i64::MIN;
        loop {
            let (last, count) = self.inner.writer.call(Weight::rows(200), move |tx| reseal_subscriptions(tx, after)).await?;
            resealed += count;
            let Some(last) = last else { return Ok(resealed) };
            after = last;
        }
    }

    async fn reseal_objects(&self) -> Result<u64, StoreError> {
        let mut resealed = 0;
        let mut after = (i64::MIN, String::new(), String::new());
        loop {
            let from = after.clone();
            let (last, count) = self.inner.writer.call(Weight::rows(200), move |tx| reseal_objects(tx, &from)).await?;
            resealed += count;
            let Some(last) = last else { return Ok(resealed) };
            after = last;
        }
    }
}

fn unreadable(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Sealed(format!("the key file: {reason}"))
}

fn reseal_subscriptions(tx: &Tx<'_>, after: i64) -> Result<(Option<i64>, u64), Fault> {
    let rows: Vec<(i64, i64, Vec<u8>)> = tx
        .conn
        .prepare_cached("SELECT id, account, sealed FROM subscription WHERE id > ?1 AND sealed IS NOT NULL ORDER BY id LIMIT ?2")?
        .query_map(params![after, STEP_ROWS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut resealed = 0;
    for (id, account, sealed) in &rows {
        let name = id.to_string();
        let place = Place { account: AccountId(*account), kind: subscription::KIND, id: &name };
        if let Some(sealed) = reseal(tx.vault, place, sealed)? {
            tx.conn.prepare_cached("UPDATE subscription SET sealed = ?2 WHERE id = ?1")?.execute(params![id, sealed])?;
            resealed += 1;
        }
    }
    Ok((rows.last().map(|(id, _, _)| *id), resealed))
}

type ObjectPlace = (i64, String, String);

fn reseal_objects(tx: &Tx<'_>, after: &ObjectPlace) -> Result<(Option<ObjectPlace>, u64), Fault> {
    let rows: Vec<(ObjectPlace, Vec<u8>)> = tx
        .conn
        .prepare_cached(
            "SELECT account, kind, id, sealed FROM object WHERE (account, kind, id) > (?1, ?2, ?3) AND sealed IS NOT NULL
             ORDER BY account, kind, id LIMIT ?4",
        )?
        .query_map(params![after.0, after.1, after.2, STEP_ROWS], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    let mut resealed = 0;
    for ((account, kind, id), sealed) in &rows {
        let place = Place { account: AccountId(*account), kind, id };
        if let Some(sealed) = reseal(tx.vault, place, sealed)? {
            tx.conn
                .prepare_cached("UPDATE object SET sealed = ?4 WHERE account = ?1 AND kind = ?2 AND id = ?3")?
                .execute(params![account, kind, id, sealed])?;
            resealed += 1;
        }
    }
    Ok((rows.last().map(|(place, _)| place.clone()), resealed))
}

/// The value under the key that seals now; `None` when it is already.
fn reseal(vault: &Vault, place: Place<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    if vault.is_current(sealed) {
        return Ok(None);
    }
    let plain = vault.open(place, sealed)?;
    Ok(Some(vault.seal(place, &plain)?))
}

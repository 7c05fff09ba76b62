//! Sealed values: whether the keys at hand open all of them, found out before anything is written.

use std::path::Path;

use countersign_core::id::AccountId;

use super::{
    fault::TransferError,
    row::{Row, Value},
    table::Table,
};
use crate::{
    key_file,
    vault::{CHECK, Place, SUBSCRIPTION, Vault, VaultError, VaultKey},
};

/// The keys in the key file of a data directory. None is made: a fresh one would open nothing.
///
/// # Errors
/// [`TransferError::NoKey`] or [`TransferError::BadKeyFile`].
pub fn keys_in(file: &Path) -> Result<Vec<VaultKey>, TransferError> {
    let bad = |reason: String| TransferError::BadKeyFile { file: file.to_owned(), reason };
    let text = key_file::read(file).map_err(|e| bad(e.to_string()))?.ok_or_else(|| TransferError::NoKey(file.to_owned()))?;
    VaultKey::list_from_text(&text).map_err(|e| bad(e.to_string()))
}

/// Opens what a row has sealed; otherwise tells what does not open, and why.
pub(super) fn open(vault: &Vault, table: &Table, row: &Row) -> Result<(), (String, VaultError)> {
    match (table.name, &row[..]) {
        ("fact", [Value::Text(name), Value::Bytes(value)]) if name == CHECK => {
            vault.passes_check(value).map_err(|error| ("the value that tells a right key from a wrong one".to_owned(), error))
        }
        ("subscription", [Value::Number(id), Value::Number(account), .., Value::Bytes(sealed)]) => {
            let name = id.to_string();
            let place = Place { account: AccountId(*account), kind: SUBSCRIPTION, id: &name };
            vault.open(place, sealed).map(drop).map_err(|error| (format!("a secret of subscription {id}"), error))
        }
        ("object", [Value::Number(account), Value::Text(kind), Value::Text(id), .., Value::Bytes(sealed)]) => {
            let place = Place { account: AccountId(*account), kind, id };
            vault.open(place, sealed).map(drop).map_err(|error| (format!("a secret of {kind} {id}"), error))
        }
        _ => Ok(()),
    }
}

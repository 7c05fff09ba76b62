//! Where the vault's keys come from, and whether they fit the database.

use std::{fs, io::ErrorKind, path::Path};

use countersign_core::{Secret, id::AccountId};
use rusqlite::{Connection, OptionalExtension as _};

use super::{
    connection::opening,
    fault::OpenError,
    files::{DataDir, replace_file},
};
use crate::vault::{Place, Vault, VaultError, VaultKey};

/// The name of the fact whose sealed value tells a right key from a wrong one.
const CHECK: &str = "vault_check";
const CHECK_PLACE: Place<'_> = Place { account: AccountId(0), kind: "fact", id: CHECK };
const CHECK_TEXT: &[u8] = b"countersign";

/// Reads the keys of a data directory, making a first one when neither key nor database was there before.
pub(super) fn keys_of(dir: &DataDir, conn: &Connection) -> Result<Vec<VaultKey>, OpenError> {
    let file = dir.key();
    match read(&file) {
        Ok(Some(text)) => VaultKey::list_from_text(&text).map_err(OpenError::BadKey),
        Ok(None) if check_of(conn).map_err(|e| opening(dir, &e))?.is_some() => Err(OpenError::NoKey { file }),
        Ok(None) => {
            let key = VaultKey::random().map_err(OpenError::BadKey)?;
            write(&file, std::slice::from_ref(&key)).map_err(|e| failed(dir, &e))?;
            Ok(vec![key])
        }
        Err(error) => Err(failed(dir, &error)),
    }
}

/// Seals the check value when there is none, opens it when there is.
pub(super) fn check(conn: &Connection, dir: &DataDir, vault: &Vault) -> Result<(), OpenError> {
    match check_of(conn).map_err(|e| opening(dir, &e))? {
        Some(sealed) => match vault.open(CHECK_PLACE, &sealed) {
            Ok(text) if text.as_slice() == CHECK_TEXT => Ok(()),
            Ok(_) => Err(OpenError::WrongKey(VaultError::Damaged)),
            Err(error) => Err(OpenError::WrongKey(error)),
        },
        None => {
            let sealed = sealed_check(vault).map_err(OpenError::BadKey)?;
            put_check(conn, &sealed).map_err(|e| opening(dir, &e))
        }
    }
}

/// The check value under the key that seals now.
pub(super) fn sealed_check(vault: &Vault) -> Result<Vec<u8>, VaultError> {
    vault.seal(CHECK_PLACE, CHECK_TEXT)
}

/// Replaces the check value.
pub(super) fn put_check(conn: &Connection, sealed: &[u8]) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (CHECK, sealed),
    )?;
    Ok(())
}

fn check_of(conn: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.query_row("SELECT value FROM fact WHERE name = ?1", [CHECK], |row| row.get(0)).optional()
}

/// The text of a key file; `None` when there is no file.
pub(super) fn read(file: &Path) -> std::io::Result<Option<Secret>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a key file: one key a line, the one that seals first.
pub(super) fn write(file: &Path, keys: &[VaultKey]) -> std::io::Result<()> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for key in keys {
        text.push_str(key.to_text().expose_secret());
        text.push('\n');
    }
    replace_file(file, text.as_bytes())
}

fn failed(dir: &DataDir, error: &std::io::Error) -> OpenError {
    OpenError::Failed { dir: dir.path().to_owned(), reason: format!("the key file: {error}") }
}

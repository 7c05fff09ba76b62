//! Where the vault's keys come from, and whether they fit the database.

use rusqlite::{Connection, OptionalExtension as _};

use super::{connection::opening, fault::OpenError, files::DataDir};
pub(super) use crate::key_file::{read, write};
use crate::vault::{CHECK, Vault, VaultKey};

/// Reads the keys of a data directory, making a first one when neither key nor database was there before.
pub(super) fn keys_of(dir: &DataDir, conn: &Connection) -> Result<Vec<VaultKey>, OpenError> {
    let file = dir.key();
    match read(&file) {
        Ok(Some(text)) => VaultKey::list_from_text(&text).map_err(|reason| OpenError::BadKeyFile { file, reason }),
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
        Some(sealed) => vault.passes_check(&sealed).map_err(OpenError::WrongKey),
        None => {
            let sealed = vault.sealed_check().map_err(OpenError::BadKey)?;
            put_check(conn, &sealed).map_err(|e| opening(dir, &e))
        }
    }
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

fn failed(dir: &DataDir, error: &std::io::Error) -> OpenError {
    OpenError::Failed { dir: dir.path().to_owned(), reason: format!("the key file: {error}") }
}

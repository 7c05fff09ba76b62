//! The file with the vault's keys.

use std::{fs, io::ErrorKind, path::Path};

use countersign_core::Secret;

use crate::{private_file::replace_file, vault::VaultKey};

/// The text of a key file; `None` when there is no file.
pub(crate) fn read(file: &Path) -> std::io::Result<Option<Secret>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a key file: one key a line, the one that seals first.
pub(crate) fn write(file: &Path, keys: &[VaultKey]) -> std::io::Result<()> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for key in keys {
        text.push_str(key.to_text().expose_secret());
        text.push('\n');
    }
    replace_file(file, text.as_bytes())
}

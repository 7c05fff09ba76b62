//! The store that the settings name: embedded in the data directory, or on PostgreSQL.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use countersign_core::Secret;
use countersign_server::clock::{self, Clock};
use countersign_store::{
    Compression, Store,
    postgres::{self, PostgresStore},
    sqlite::{self, SqliteStore},
    transfer,
    vault::VaultKey,
};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::settings::ServeSettings;

/// The data directory when none is given.
const DATA_DIR_DEFAULT: &str = "countersign-data";
/// The password of the database, where it stands in no file.
const PASSWORD: &str = "COUNTERSIGN_DATABASE_PASSWORD";

/// Opens the store that the settings name, and gives the clock that a process on it goes by: the database's, where several nodes
/// must agree.
///
/// # Errors
/// One clause that names what does not work and what to do.
pub(crate) async fn open_store(settings: &ServeSettings) -> anyhow::Result<(Arc<dyn Store>, Clock)> {
    match postgres_settings(settings)? {
        None => Ok((Arc::new(open_embedded_with(data_dir(settings), compression(settings)).await?), clock::system())),
        Some(asked) => {
            if matches!(asked.keys, postgres::KeySource::File(_)) {
                // The first node makes its key there.
                let dir = data_dir(settings);
                make_private(dir).with_context(|| format!("data directory {}", dir.display()))?;
            }
            let store = PostgresStore::open(asked).await?;
            let clock = store.clock();
            Ok((Arc::new(store), Arc::new(clock)))
        }
    }
}

/// The data directory. A node on PostgreSQL keeps its key there, and the CA of `--dev`.
pub(crate) fn data_dir(settings: &ServeSettings) -> &Path {
    settings.data_dir.as_deref().unwrap_or(Path::new(DATA_DIR_DEFAULT))
}

/// How to reach PostgreSQL; `None` when the store is the embedded one.
///
/// # Errors
/// One clause that names the setting.
pub(crate) fn postgres_settings(settings: &ServeSettings) -> anyhow::Result<Option<postgres::Settings>> {
    let Some(url) = &settings.database_url else {
        let further = [
            settings.database_password_file.is_some(),
            settings.database_ca.is_some(),
            settings.database_connections.is_some(),
            settings.database_hint.is_some(),
        ];
        if further.contains(&true) {
            bail!("database-password-file, database-ca, database-connections and database-hint go with database-url, which is not set");
        }
        return Ok(None);
    };
    if url.trim().is_empty() {
        bail!(
            "database-url is empty (COUNTERSIGN_DATABASE_URL, or the settings file); give it a URL, or take it out for the embedded store"
        );
    }
    if settings.disk_budget_mib.is_some() {
        bail!("disk-budget-mib is for the embedded store; with database-url watch the disk of the database, and take it out");
    }
    let keys = match given_keys()? {
        Some(keys) => postgres::KeySource::Given(keys),
        None => postgres::KeySource::File(data_dir(settings).join(sqlite::KEY_FILE)),
    };
    let password = match &settings.database_password_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("database-password-file {}", file.display()))?;
            Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
        }
        None => std::env::var(PASSWORD).ok().filter(|text| !text.is_empty()).map(Secret::new),
    };
    let ca = settings.database_ca.as_deref().map(authorities);
    let default = postgres::Settings::new(Secret::new(url.as_str()), keys);
    let connections = settings.database_connections.unwrap_or(default.connections);
    let hints = settings.database_hint.unwrap_or(default.hints);
    let compression = compression(settings);
    Ok(Some(postgres::Settings { password, ca: ca.transpose()?, connections, hints, compression, ..default }))
}

/// The PEM file with the database's authorities, which is named where it holds none.
fn authorities(file: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = std::fs::read(file).with_context(|| format!("database-ca {}", file.display()))?;
    if CertificateDer::pem_slice_iter(&pem).next().is_none_or(|first| first.is_err()) {
        bail!("database-ca {} holds no certificate; give it in PEM", file.display());
    }
    Ok(pem)
}

/// Opens the embedded store; reading back a large write-ahead log may take a while, so it is done off the runtime.
pub(crate) async fn open_embedded(data_dir: &Path) -> anyhow::Result<SqliteStore> {
    open_embedded_with(data_dir, Compression::Off).await
}

async fn open_embedded_with(data_dir: &Path, compression: Compression) -> anyhow::Result<SqliteStore> {
    let mut store = sqlite::Settings { compression, ..sqlite::Settings::new(data_dir) };
    if let Some(keys) = given_keys()? {
        store.keys = sqlite::KeySource::Given(keys);
    }
    Ok(tokio::task::spawn_blocking(move || SqliteStore::open(store)).await??)
}

/// The keys of the vault as they are: those of the environment, or those of the key file. None is made.
///
/// # Errors
/// One clause that names the variable or the file.
pub(crate) fn keys_at_hand(settings: &ServeSettings) -> anyhow::Result<Vec<VaultKey>> {
    match given_keys()? {
        Some(keys) => Ok(keys),
        None => Ok(transfer::keys_in(&data_dir(settings).join(sqlite::KEY_FILE))?),
    }
}

fn compression(settings: &ServeSettings) -> Compression {
    if settings.compression == Some(true) { Compression::On } else { Compression::Off }
}

/// True when the keys of the vault are given in the environment.
pub(crate) fn from_environment() -> bool {
    std::env::var_os("COUNTERSIGN_SECRET_KEY").is_some_and(|text| !text.is_empty())
}

fn given_keys() -> anyhow::Result<Option<Vec<VaultKey>>> {
    match std::env::var("COUNTERSIGN_SECRET_KEY") {
        Ok(text) if !text.is_empty() => Ok(Some(VaultKey::list_from_text(&Secret::new(text)).context("COUNTERSIGN_SECRET_KEY")?)),
        _ => Ok(None),
    }
}

/// Makes a folder that is its owner's alone, with those above it; one that is there stays as it is.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

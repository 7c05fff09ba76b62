//! The data directory of a server on this machine, for verbs that operate on it directly.

use std::path::PathBuf;

use clap::Args;

use crate::settings::{self, ServeSettings};

/// The data directory when none is given.
const DEFAULT: &str = "countersign-data";

/// Where the data is, as `serve` finds it.
#[derive(Debug, Args)]
pub(crate) struct DataDirectory {
    /// Data directory of the server [default: that of its settings, or ./countersign-data]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Settings file of the server [default: countersign.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl DataDirectory {
    /// Its path.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        let given = ServeSettings { data_dir: self.data_dir.clone(), ..ServeSettings::default() };
        let merged = settings::merge(self.config.as_deref(), given)?;
        Ok(merged.data_dir.unwrap_or_else(|| DEFAULT.into()))
    }
}

/// The installation, as `serve` finds it: its data directory, or its database.
#[derive(Debug, Args)]
pub(crate) struct Installation {
    #[command(flatten)]
    directory: DataDirectory,
    /// Database of the installation, instead of a data directory [default: that of its settings]
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// File with the password of the database (or COUNTERSIGN_DATABASE_PASSWORD)
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_DATABASE_PASSWORD_FILE", hide_env_values = true)]
    database_password_file: Option<PathBuf>,
    /// Authorities (PEM) of the database's certificate [default: those of the system]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_DATABASE_CA", hide_env_values = true)]
    database_ca: Option<PathBuf>,
}

impl Installation {
    /// Its settings.
    pub(crate) fn settings(&self) -> anyhow::Result<ServeSettings> {
        let given = ServeSettings {
            data_dir: self.directory.data_dir.clone(),
            database_url: self.database_url.clone(),
            database_password_file: self.database_password_file.clone(),
            database_ca: self.database_ca.clone(),
            ..ServeSettings::default()
        };
        settings::merge(self.directory.config.as_deref(), given)
    }
}

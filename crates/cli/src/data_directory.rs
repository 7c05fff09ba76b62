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

//! Settings of `serve`: `countersign.toml`, then `COUNTERSIGN_*`, then flags; the later wins. Unknown keys are refused.

pub(crate) mod ranges;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;

use crate::{logging::LogFormat, span::Span};

/// The file read when none is named, if it is there.
const DEFAULT_FILE: &str = "countersign.toml";
/// Environment variables that are not flags of `serve`.
const OTHER_VARIABLES: &[&str] = &[
    "COUNTERSIGN_ACCOUNT_ID",
    "COUNTERSIGN_API_TOKEN",
    "COUNTERSIGN_SECRET_KEY",
    "COUNTERSIGN_DATABASE_PASSWORD",
    "COUNTERSIGN_CONFIG",
    "COUNTERSIGN_URL",
    "COUNTERSIGN_CA",
];

macro_rules! settings {
    ($(#[$struct_doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $ty:ty = $env:literal,)+ }) => {
        $(#[$struct_doc])*
        #[derive(Clone, Debug, Default, Args, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub(crate) struct $name {
            $($(#[$attr])* #[arg(long, env = $env)] pub $field: Option<$ty>,)+
        }

        impl $name {
            /// The variables these settings are read from.
            const VARIABLES: &'static [&'static str] = &[$($env),+];

            /// These settings where they are set, `under` elsewhere.
            fn over(self, under: Self) -> Self {
                Self { $($field: self.$field.or(under.$field),)+ }
            }
        }
    };
}

settings! {
    /// Settings of `serve`. Every one may stand in the file under the name of its flag.
    ServeSettings {
        /// Where to listen (default 127.0.0.1:8400)
        #[arg(value_parser = address)]
        listen: SocketAddr = "COUNTERSIGN_LISTEN",
        /// Where the embedded store and the secret key live (default ./countersign-data)
        data_dir: PathBuf = "COUNTERSIGN_DATA_DIR",
        /// Keep everything in PostgreSQL instead, such as postgresql://user@host:5432/database; then any number of nodes may run
        #[arg(hide_env_values = true)]
        database_url: String = "COUNTERSIGN_DATABASE_URL",
        /// File with the password of the database (or COUNTERSIGN_DATABASE_PASSWORD)
        database_password_file: PathBuf = "COUNTERSIGN_DATABASE_PASSWORD_FILE",
        /// Authorities (PEM) of the database's certificate (default: those of the system)
        database_ca: PathBuf = "COUNTERSIGN_DATABASE_CA",
        /// Connections of this node to the database (default 10)
        database_connections: usize = "COUNTERSIGN_DATABASE_CONNECTIONS",
        /// Tell other nodes at once of what is due (LISTEN/NOTIFY), on one connection more; not through a transaction pooler (default true)
        database_hint: bool = "COUNTERSIGN_DATABASE_HINT",
        /// How the service is reached from outside (default http://LISTEN)
        public_url: String = "COUNTERSIGN_PUBLIC_URL",
        /// Certificate chain (PEM) to serve https
        tls_cert: PathBuf = "COUNTERSIGN_TLS_CERT",
        /// Its private key (PEM)
        tls_key: PathBuf = "COUNTERSIGN_TLS_KEY",
        /// Serve health and metrics here instead of on the main address
        #[arg(value_parser = address)]
        admin_listen: SocketAddr = "COUNTERSIGN_ADMIN_LISTEN",
        /// The whole time of one attempt, 1s to 600s (default 100s)
        delivery_timeout: Span = "COUNTERSIGN_DELIVERY_TIMEOUT",
        /// When failed attempts are repeated: docusign (default), daily, or gaps such as "1s,2s,4s"
        retry_schedule: String = "COUNTERSIGN_RETRY_SCHEDULE",
        /// Park after one failure where "require acknowledgement" is off (default false)
        honour_acknowledgement_off: bool = "COUNTERSIGN_HONOUR_ACKNOWLEDGEMENT_OFF",
        /// Address ranges that may be sent to although they are not public, such as 10.0.0.0/8,192.168.7.4/32
        allow_private_targets: String = "COUNTERSIGN_ALLOW_PRIVATE_TARGETS",
        /// Send to http:// targets as well; messages and tokens then travel in clear (default false)
        allow_plain_http: bool = "COUNTERSIGN_ALLOW_PLAIN_HTTP",
        /// Attempts at once to one listener from all nodes together, at most, 1 to 1024 (default 64)
        lane_concurrency: u32 = "COUNTERSIGN_LANE_CONCURRENCY",
        /// Snapshots of undelivered events kept in memory, in MiB, 1 or more (default 64)
        memory_mib: usize = "COUNTERSIGN_MEMORY_MIB",
        /// The largest posted event, in bytes, up to 48 MiB (default 1 MiB)
        event_bytes_max: usize = "COUNTERSIGN_EVENT_BYTES_MAX",
        /// The largest request with documents, in bytes, up to 512 MiB (default 50 MiB)
        envelope_bytes_max: usize = "COUNTERSIGN_ENVELOPE_BYTES_MAX",
        /// How long finished deliveries, their events and attempts are kept, 1m to 3660d (default 30d)
        retention: Span = "COUNTERSIGN_RETENTION",
        /// How long a deleted envelope stays in the bin before it is removed for good; 0 keeps it (default 30d)
        bin_retention: Span = "COUNTERSIGN_BIN_RETENTION",
        /// Compress what is stored: a third of the space for an eighth more processor time (default false)
        compression: bool = "COUNTERSIGN_COMPRESSION",
        /// Disk space the store may take, in MiB, 128 or more; then intake answers 507 (default: no budget)
        disk_budget_mib: u64 = "COUNTERSIGN_DISK_BUDGET_MIB",
        /// How long attempts in flight may go on at shutdown (default 30s)
        grace: Span = "COUNTERSIGN_GRACE",
        /// A level, or a list such as info,countersign_deliver=debug
        log: String = "COUNTERSIGN_LOG",
        /// text or json (default: text in a terminal)
        log_format: LogFormat = "COUNTERSIGN_LOG_FORMAT",
    }
}

/// An address to listen on. A name is refused: it may stand for several addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, like 127.0.0.1:8400".to_owned())
}

/// Reads the file and merges flags and environment over it.
///
/// # Errors
/// One clause that names the file, the key or the variable, and what to do.
pub(crate) fn merge(file: Option<&Path>, given: ServeSettings) -> anyhow::Result<ServeSettings> {
    let unknown = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).find(|name| {
        name.starts_with("COUNTERSIGN_") && !ServeSettings::VARIABLES.contains(&name.as_str()) && !OTHER_VARIABLES.contains(&name.as_str())
    });
    if let Some(name) = unknown {
        bail!("environment variable {name} is not a setting; `countersign serve --help` lists them");
    }
    let (path, asked_for) = match file {
        Some(path) => (path, true),
        None => (Path::new(DEFAULT_FILE), false),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !asked_for => {
            ranges::check(&given)?;
            return Ok(given);
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    // The reader's own message spans several lines; its first says what and where.
    let from_file: ServeSettings = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        anyhow::anyhow!("{} line {line}: {}", path.display(), error.message().replace('\n', " "))
    })?;
    let merged = given.over(from_file);
    ranges::check(&merged)?;
    Ok(merged)
}

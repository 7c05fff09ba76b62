//! What goes wrong below the trait, and what it means above it.

use std::{error::Error as _, path::PathBuf};

use tokio_postgres::error::SqlState;

use crate::{StoreError, vault::VaultError};

/// The database cannot be opened. One clear line each, with what to do; never a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read.
    #[error("database-url cannot be read: {0}; write it like postgresql://user@host:5432/database")]
    Address(String),
    /// The certificate authorities for TLS cannot be used.
    #[error("TLS to the database: {0}")]
    Tls(String),
    /// Nobody answers, or the server is not ready.
    #[error("the database at {at} cannot be reached: {reason}; {}", way_to_reach(reason))]
    Unreachable {
        /// Host and port.
        at: String,
        /// The operating system's or the server's words.
        reason: String,
    },
    /// It answers and does not let us in.
    #[error("the database at {at} refuses: {reason}; check user, password and database name")]
    Denied {
        /// Host and port.
        at: String,
        /// The server's words.
        reason: String,
    },
    /// A standby, or a server set to read only.
    #[error(
        "the database at {at} takes no writes (a standby, or read-only); name the primary, or all servers with target_session_attrs=read-write"
    )]
    ReadOnly {
        /// Host and port.
        at: String,
    },
    /// Too old.
    #[error("the server is PostgreSQL {found}; version {OLDEST_VERSION} or later is needed")]
    TooOld {
        /// Its version, as it says it.
        found: String,
    },
    /// The server does not do what durability needs.
    #[error("the server runs with {setting} = {value}, which does not keep what was acknowledged; set it to on")]
    Unsafe {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: String,
    },
    /// Migrated by a newer program, in a way that this one cannot work with.
    #[error("the database has schema {found} and needs a program that knows {needed}; this one knows {known}: use the newer program")]
    NewerSchema {
        /// Its schema version.
        found: u32,
        /// The oldest that may still work on it.
        needed: u32,
        /// Ours.
        known: u32,
    },
    /// A migration that was applied is not the one this program has.
    #[error("the database was made by another build: migration {version} differs")]
    OtherMigration {
        /// Which.
        version: u32,
    },
    /// The database has sealed secrets and there is no key.
    #[error("key file {} is missing; copy it from a node that works, or set COUNTERSIGN_SECRET_KEY to the same key on all", file.display())]
    NoKey {
        /// Where it should be.
        file: PathBuf,
    },
    /// It was being filled from an export.
    #[error(
        "the database holds an import that is not complete; give the same countersign import again and it goes on, or make a new database to begin anew"
    )]
    Importing,
    /// The key at hand is not the one that sealed the database's secrets.
    #[error("the secret key does not fit the database: {0}; all nodes need the key that sealed it")]
    WrongKey(VaultError),
    /// The key that would seal was replaced by another one.
    #[error("the secret key {0} was replaced; give the key that replaced it first, and leave this one out")]
    RetiredKey(String),
    /// The key file holds no key.
    #[error("key file {} is damaged: {reason}; put back the file that belongs to this database, or set COUNTERSIGN_SECRET_KEY", file.display())]
    BadKeyFile {
        /// Which.
        file: PathBuf,
        /// What is wrong with its text.
        reason: VaultError,
    },
    /// The key given cannot be used as a key.
    #[error("secret key: {0}")]
    BadKey(VaultError),
    /// The key file cannot be read or written.
    #[error("key file {}: {reason}", file.display())]
    KeyFile {
        /// Which.
        file: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// Anything else.
    #[error("the database: {0}")]
    Failed(String),
}

/// What to do about a server that was not reached: the driver says only what it did not find.
fn way_to_reach(reason: &str) -> &'static str {
    for (words, way) in [
        ("password missing", "give its password with --database-password-file or in COUNTERSIGN_DATABASE_PASSWORD"),
        (
            "does not support TLS",
            "set up TLS on the server, or say sslmode=disable in the URL where nobody else can listen to the connection",
        ),
        ("does not allow writes", "name the primary as well: none of these servers takes writes (target_session_attrs)"),
        ("allows writes", "name a standby as well, or leave target_session_attrs out: a node needs a server that takes writes"),
        ("certificate", "name the authority of its certificate with --database-ca, and the host that the certificate names in the URL"),
    ] {
        if reason.contains(words) {
            return way;
        }
    }
    "check its address, and that it runs"
}

/// The oldest server that is supported.
pub(super) const OLDEST_VERSION: u32 = 15;

/// An operation failed inside a transaction or a read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The driver's or the server's words.
    Sql(tokio_postgres::Error),
    /// A statement did not end in time; its connection was given up.
    Late,
    /// The connection broke while the commit was under way: whether it took place is not known.
    Unknown(String),
    /// Our own verdict.
    Store(StoreError),
}

/// What a failure means for what was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Severity {
    /// This item broke a constraint or holds what no column takes: others can go on.
    Item,
    /// Others were in the way (a deadlock): nothing was done, the same again will do.
    Again,
    /// The connection is gone or of no use any more; nothing was done.
    Lost,
    /// No space.
    Full,
    /// Anything else.
    Other,
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        Self::Store(StoreError::Sealed(error.to_string()))
    }
}

impl Fault {
    /// What is damaged, named.
    pub(super) fn damaged(record: impl Into<String>) -> Self {
        Self::Store(StoreError::Damaged(record.into()))
    }

    /// How bad it is.
    pub(super) fn severity(&self) -> Severity {
        match self {
            Self::Store(_) | Self::Late | Self::Unknown(_) => Severity::Other,
            Self::Sql(error) => match error.code() {
                Some(code) => severity_of(code),
                // Without a code of the server it is the connection, or a column that is not what it should be.
                None if error.is_closed() || error.source().is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>) => {
                    Severity::Lost
                }
                None => Severity::Other,
            },
        }
    }

    /// True when a uniqueness constraint was broken.
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sql(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }
}

/// Codes by their class (the first two characters), as the server's manual lists them in its appendix on error codes.
fn severity_of(code: &SqlState) -> Severity {
    if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE {
        return Severity::Again;
    }
    if *code == SqlState::DISK_FULL {
        return Severity::Full;
    }
    match code.code() {
        // Shut down, crashed, starting up, the database dropped, idle for too long; a primary that became a standby under us.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25006" => Severity::Lost,
        other => match other.get(..2) {
            Some("08") => Severity::Lost,
            Some("22" | "23") => Severity::Item,
            _ => Severity::Other,
        },
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let severity = fault.severity();
        match fault {
            Fault::Store(error) => error,
            Fault::Late => Self::Unavailable("the database did not answer in time; narrow the query, or try again later".into()),
            Fault::Unknown(reason) => Self::Unknown(reason),
            Fault::Sql(error) => meaning_of(severity, error.code(), words(&error)),
        }
    }
}

/// What an error of the server means to callers. Trouble that people mend while we run (a password, a privilege to connect, a disk) is no
/// fault of the request that met it: whoever asks again later is served.
fn meaning_of(severity: Severity, code: Option<&SqlState>, words: String) -> StoreError {
    let code = code.map(SqlState::code).unwrap_or_default();
    match severity {
        Severity::Full => StoreError::Full("no space left on the disk of the database".into()),
        Severity::Again => StoreError::Unavailable("too many write the same rows; try again".into()),
        Severity::Lost => StoreError::Unavailable(format!("the database is away: {words}")),
        Severity::Item | Severity::Other => match (code, code.get(..2).unwrap_or_default()) {
            ("57014", _) => StoreError::Unavailable("the query took too long; narrow it".into()),
            ("XX001" | "XX002", _) => StoreError::Damaged(format!("the database: {words}")),
            // No resources; a lock not had; not let in; no such database; the server's system fails it.
            ("55P03" | "3D000", _) | (_, "28" | "53" | "57" | "58") => StoreError::Unavailable(format!("the database: {words}")),
            _ => StoreError::Backend(words),
        },
    }
}

/// The server's own message, or the cause below the driver's. Details are left out: they may quote values.
pub(super) fn words(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_reached_is_told_with_what_to_do() {
        for (reason, way) in [
            ("invalid configuration: password missing", "COUNTERSIGN_DATABASE_PASSWORD"),
            ("server does not support TLS", "sslmode=disable"),
            ("database does not allow writes", "name the primary as well"),
            ("invalid peer certificate: UnknownIssuer", "--database-ca"),
            ("Connection refused (os error 111)", "check its address, and that it runs"),
        ] {
            let told = OpenError::Unreachable { at: "db:5432".into(), reason: reason.into() }.to_string();
            assert!(told.starts_with(&format!("the database at db:5432 cannot be reached: {reason}; ")) && told.contains(way), "{told}");
        }
    }

    #[test]
    fn codes_of_the_server_say_how_bad_it_is() {
        for (row, code, severity) in [
            ("a duplicate", SqlState::UNIQUE_VIOLATION, Severity::Item),
            ("a text it cannot hold", SqlState::CHARACTER_NOT_IN_REPERTOIRE, Severity::Item),
            ("a deadlock", SqlState::T_R_DEADLOCK_DETECTED, Severity::Again),
            ("a shut-down", SqlState::ADMIN_SHUTDOWN, Severity::Lost),
            ("a crash", SqlState::CRASH_SHUTDOWN, Severity::Lost),
            ("a start", SqlState::CANNOT_CONNECT_NOW, Severity::Lost),
            ("a connection that broke", SqlState::CONNECTION_FAILURE, Severity::Lost),
            ("a standby", SqlState::READ_ONLY_SQL_TRANSACTION, Severity::Lost),
            ("a full disk", SqlState::DISK_FULL, Severity::Full),
            ("a missing table", SqlState::UNDEFINED_TABLE, Severity::Other),
        ] {
            assert_eq!(severity_of(&code), severity, "{row}");
        }
    }

    #[test]
    fn trouble_of_the_server_that_passes_is_no_fault_of_the_request() {
        type Means = fn(&StoreError) -> bool;
        let unavailable: Means = |error| matches!(error, StoreError::Unavailable(_));
        let backend: Means = |error| matches!(error, StoreError::Backend(_));
        let full: Means = |error| matches!(error, StoreError::Full(_));
        let damaged: Means = |error| matches!(error, StoreError::Damaged(_));
        let rows: [(&str, &str, Means); 18] = [
            ("a password that was changed", "28P01", unavailable),
            ("a user who may not log in", "28000", unavailable),
            ("a database that is not there", "3D000", unavailable),
            ("a database that was dropped", "57P04", unavailable),
            ("idle for too long", "57P05", unavailable),
            ("idle in a transaction for too long", "25P03", unavailable),
            ("an error of its disk", "58030", unavailable),
            ("a file it does not find", "58P01", unavailable),
            ("too many connections", "53300", unavailable),
            ("out of memory", "53200", unavailable),
            ("a lock not had in time", "55P03", unavailable),
            ("cancelled", "57014", unavailable),
            ("a deadlock", "40P01", unavailable),
            ("a full disk", "53100", full),
            ("a damaged page", "XX001", damaged),
            ("a missing table", "42P01", backend),
            ("a missing privilege", "42501", backend),
            ("a fault within", "XX000", backend),
        ];
        for (row, code, is_meant) in rows {
            let code = SqlState::from_code(code);
            let error = meaning_of(severity_of(&code), Some(&code), "words".into());
            assert!(is_meant(&error), "{row}: {error:?}");
        }
    }
}

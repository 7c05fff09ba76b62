//! What goes wrong below the trait, and what it means above it.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::{StoreError, vault::VaultError};

/// The data directory cannot be opened. One clear line each, with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A second process.
    #[error("data directory {} is in use by another countersign process; stop that one, or use another data directory", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// No permission, a read-only file system, or a file where the folder should be.
    #[error("data directory {} cannot be used: {reason}; check its path, owner and permissions", dir.display())]
    Unusable {
        /// The folder.
        dir: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// No space to begin with.
    #[error("data directory {} has no space left; free some or use another disk", dir.display())]
    NoSpace {
        /// The folder.
        dir: PathBuf,
    },
    /// The file is not ours.
    #[error("{} is not a countersign database; restore a backup, or move it away to start anew", file.display())]
    NotADatabase {
        /// The file.
        file: PathBuf,
    },
    /// The file is ours and damaged.
    #[error("{} is damaged ({reason}); restore a backup", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Written by a newer program.
    #[error("{} has schema {found}, this program knows {known}; use the newer program that wrote it, or restore a backup", file.display())]
    NewerSchema {
        /// The file.
        file: PathBuf,
        /// Its schema version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A migration that was applied is not the one this program has.
    #[error("{} was made by another build: migration {version} differs", file.display())]
    OtherMigration {
        /// The file.
        file: PathBuf,
        /// Which.
        version: u32,
    },
    /// SQLite does not do what durability needs.
    #[error("sqlite runs with {setting} = {value}, which does not keep what was acknowledged")]
    Unsafe {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: String,
    },
    /// The database has sealed secrets and there is no key file.
    #[error("key file {} is missing; put back the file that belongs to this database, or set COUNTERSIGN_SECRET_KEY", file.display())]
    NoKey {
        /// Where it should be.
        file: PathBuf,
    },
    /// It was being filled from an export.
    #[error(
        "data directory {} holds an import that is not complete; give the same countersign import again and it goes on, or remove countersign.db \
         there to begin anew (and keep secret.key)",
        dir.display()
    )]
    Importing {
        /// The folder.
        dir: PathBuf,
    },
    /// The key given is not the one that sealed the database's secrets.
    #[error("the secret key does not fit the database: {0}; use the key that sealed it")]
    WrongKey(VaultError),
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
    /// Anything else.
    #[error("data directory {}: {reason}", dir.display())]
    Failed {
        /// The folder.
        dir: PathBuf,
        /// What SQLite or the operating system said.
        reason: String,
    },
}

/// An operation failed inside a transaction or a read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite's words.
    #[error("{0}")]
    Sql(rusqlite::Error),
    /// Our own verdict.
    #[error("{0}")]
    Store(StoreError),
}

/// What a failure means for the writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Severity {
    /// This item broke a constraint: the others can go on.
    Item,
    /// No space.
    Full,
    /// Another process holds the write lock for long.
    Busy,
    /// A query ran beyond its time.
    TooSlow,
    /// The disk or the file is not to be trusted any more.
    Suspect,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
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
            Self::Store(_) => Severity::Item,
            Self::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Severity::Full,
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Severity::Busy,
                Some(ErrorCode::OperationInterrupted) => Severity::TooSlow,
                Some(
                    ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::PermissionDenied
                    | ErrorCode::OutOfMemory,
                ) => Severity::Suspect,
                _ => Severity::Item,
            },
        }
    }

    /// True when a uniqueness or other constraint was broken.
    pub(super) fn is_constraint(&self) -> bool {
        matches!(self, Self::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let severity = fault.severity();
        match fault {
            Fault::Store(error) => error,
            Fault::Sql(error) => match severity {
                Severity::Full => Self::Full("no space left on the disk".into()),
                Severity::Busy => Self::Unavailable("the database is locked by another program".into()),
                Severity::TooSlow => Self::Unavailable("the query took too long; narrow it".into()),
                Severity::Suspect => match error.sqlite_error_code() {
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(format!("the database: {error}")),
                    _ => Self::Suspect(error.to_string()),
                },
                Severity::Item => Self::Backend(error.to_string()),
            },
        }
    }
}

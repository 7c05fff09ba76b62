//! Why a store was not moved.

use std::path::{Path, PathBuf};

use crate::vault::VaultError;

/// Why an export was not made, or an import not done. One clear line each, with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// Nothing is overwritten.
    #[error("{} exists; name a file that does not", .0.display())]
    Exists(PathBuf),
    /// The file asked for is in a folder that is not there.
    #[error("{} cannot be written: its folder does not exist; make the folder, or name a file elsewhere", .0.display())]
    NoFolder(PathBuf),
    /// The file is not an export of ours.
    #[error("{} is not a countersign export", .0.display())]
    NotAnExport(PathBuf),
    /// It is in a form that came after this program.
    #[error("{} is an export of form {found}, this program knows {known}; use the newer program that made it", file.display())]
    NewerForm {
        /// The file.
        file: PathBuf,
        /// Its form.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Its tables are not those of this program.
    #[error(
        "{} was made by countersign {program}, whose tables differ ({what}); export and import with one version, and upgrade before or after",
        file.display()
    )]
    OtherTables {
        /// The file.
        file: PathBuf,
        /// The version that made it.
        program: String,
        /// The first difference.
        what: String,
    },
    /// It ends before its end.
    #[error("{} is not whole: it ends at byte {at}; take a complete copy, or export again", file.display())]
    Truncated {
        /// The file.
        file: PathBuf,
        /// Its length.
        at: u64,
    },
    /// Something in it was altered.
    #[error("{} is damaged between bytes {from} and {to} ({what}); take another copy, or export again", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where the damaged block begins.
        from: u64,
        /// Where it ends.
        to: u64,
        /// What is there.
        what: String,
    },
    /// There is no key to open the secrets with.
    #[error(
        "key file {} is missing; put the one there that belongs to the exported store, or set COUNTERSIGN_SECRET_KEY to its key", .0.display()
    )]
    NoKey(PathBuf),
    /// The key file cannot be read.
    #[error("key file {}: {reason}", file.display())]
    BadKeyFile {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key at hand does not open what the file holds.
    #[error("the secret key does not fit {} ({what}: {reason}); use the key of the store it was exported from", file.display())]
    WrongKey {
        /// The file.
        file: PathBuf,
        /// The sealed value that was tried.
        what: String,
        /// What the vault says.
        reason: VaultError,
    },
    /// The store to import into holds something.
    #[error("{target} is not empty: table {table} has rows; import into an empty one")]
    NotEmpty {
        /// The data directory or database.
        target: String,
        /// The first table with a row.
        table: &'static str,
    },
    /// A node uses the store to import into.
    #[error("{target} is in use by node '{node}'; stop it first")]
    InUse {
        /// The data directory or database.
        target: String,
        /// The node's name.
        node: String,
    },
    /// The import of another file was begun there.
    #[error("{target} holds an import of another file that is not complete; go on with that file, or empty it first")]
    OtherImport {
        /// The data directory or database.
        target: String,
    },
    /// Two imports at once.
    #[error("another import into {target} is under way; wait for it")]
    Overtaken {
        /// The data directory or database.
        target: String,
    },
    /// The store to export holds a part of an import.
    #[error("{origin} holds an import that is not complete; complete it before you export")]
    Incomplete {
        /// The data directory or database.
        origin: String,
    },
    /// The store to export was made by a newer program.
    #[error("{origin} has schema {found}, this program knows {known}; use the newer program that wrote it")]
    NewerSchema {
        /// The data directory or database.
        origin: String,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The store to export is older than this program.
    #[error(
        "{origin} has schema {found}, this program has {known}; bring it up with countersign migrate, or use the program that wrote it"
    )]
    OtherSchema {
        /// The data directory or database.
        origin: String,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// What was imported is not what the file holds.
    #[error("after the import table {table} has {found} rows, the file {expected}, or they differ; empty the target and import again")]
    Differs {
        /// The first table that differs.
        table: &'static str,
        /// Its rows.
        found: u64,
        /// The rows in the file.
        expected: u64,
    },
    /// A stored row is not as it should be.
    #[error("a row of table {table} is damaged (column {column}); restore a backup")]
    DamagedRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
    },
    /// A row that no block takes.
    #[error("a row of table {table} takes {bytes} bytes, more than an export can hold")]
    TooLarge {
        /// The table.
        table: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// The store cannot be opened, or failed; the backend's words.
    #[error("{0}")]
    Store(String),
    /// Reading or writing the file failed.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// The operating system's words.
        reason: String,
    },
}

impl TransferError {
    /// What the operating system said about a file.
    pub(super) fn file(file: &Path, error: &std::io::Error) -> Self {
        Self::File { file: file.to_owned(), reason: error.to_string() }
    }
}

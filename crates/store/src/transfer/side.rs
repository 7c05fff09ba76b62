//! What a backend does for a move: read rows in the order of their keys, and take them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    fault::TransferError,
    row::{Row, Value},
    table::Table,
};

/// Rows read at once, at most.
pub(crate) const BATCH_ROWS_MAX: usize = 1_000;
/// Bytes read at once, about: reading ends with the row that reaches it.
pub(crate) const BATCH_BYTES_MAX: usize = 4 << 20;

/// The name of the fact that holds the [`Mark`] of an import that is not complete.
pub(crate) const MARK: &str = "import";

/// How far an import is, kept in the store it goes to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// The last chain of the file, in hex, which names it.
    pub file: String,
    /// Where the next block begins, in bytes.
    pub next: u64,
    /// The chain before it, in hex.
    pub chain: String,
}

impl Mark {
    /// As it is stored.
    pub(crate) fn stored(&self) -> Vec<u8> {
        serde_json::json!({"file": self.file, "next": self.next, "chain": self.chain}).to_string().into_bytes()
    }

    /// Read back. One that cannot be read is the mark of another program's file.
    pub(crate) fn from_stored(stored: &[u8]) -> Option<Self> {
        serde_json::from_slice(stored).ok()
    }
}

/// A store to read, all of it as of one moment.
#[async_trait]
pub trait Source: Send {
    /// How many rows of a table are carried.
    ///
    /// # Errors
    /// The backend's.
    async fn count(&mut self, table: &'static Table) -> Result<u64, TransferError>;

    /// The rows behind this key, in the order of the key, as many as memory has room for; none at the end of the table.
    ///
    /// # Errors
    /// The backend's, and [`TransferError::DamagedRow`].
    async fn rows(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, TransferError>;
}

/// A store to fill.
#[async_trait]
pub trait Target: Source {
    /// Marks the store as one that is being filled; answers where to begin: at `first`, or where an interrupted import of the same file
    /// stood.
    ///
    /// # Errors
    /// [`TransferError::NotEmpty`], [`TransferError::InUse`] or [`TransferError::OtherImport`], and the backend's.
    async fn begin(&mut self, first: &Mark) -> Result<Mark, TransferError>;

    /// Writes rows and moves the mark from `from` to `to`, in one transaction.
    ///
    /// # Errors
    /// [`TransferError::Overtaken`] when the mark was not at `from`, and the backend's.
    async fn load(&mut self, table: &'static Table, rows: Vec<Row>, from: &Mark, to: &Mark) -> Result<(), TransferError>;

    /// Takes the mark away: the store may be opened.
    ///
    /// # Errors
    /// The backend's.
    async fn finish(&mut self) -> Result<(), TransferError>;
}

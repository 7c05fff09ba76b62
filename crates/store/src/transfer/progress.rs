//! How far it is.

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Rows are written to the file. Counted in rows.
    Exporting,
    /// The file is read and held against its hashes. Counted in bytes.
    Checking,
    /// Rows are written to the store. Counted in bytes of the file.
    Importing,
    /// What was written is read back and held against the file. Counted in rows.
    Comparing,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Rows or bytes done.
    pub done: u64,
    /// Rows or bytes in all.
    pub total: u64,
}

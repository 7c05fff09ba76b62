//! What can go wrong, by who is at fault.

use countersign_core::config::ConfigVersion;

use crate::vault::VaultError;

/// The store itself did not do it, or does not know ([`StoreError::Unknown`]). The caller answers 503, or 507 for [`StoreError::Full`]; nothing
/// was half-applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Out of reach, shutting down, or too much is queued: nothing was done; try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The answer to a write was lost: whether it was done is not known, and it may show only later. The caller answers 503 as well; whoever
    /// leased something by it cannot go on as the same incarnation, since nobody will know of it.
    #[error("the answer of the store was lost ({0}), and whether it was stored is not known; try again later")]
    Unknown(String),
    /// No space left, on the disk or in the disk budget, and nothing may be deleted.
    #[error("the store is full: {0}")]
    Full(String),
    /// What was read back is damaged; the record is named.
    #[error("damaged record: {0}")]
    Damaged(String),
    /// A sealed secret does not open with the key at hand.
    #[error("sealed secret: {0}")]
    Sealed(String),
    /// A failed fsync or the like: no further write is taken until a restart.
    #[error("the store is suspect and takes no more writes until a restart: {0}")]
    Suspect(String),
    /// Anything the backend says that should not happen.
    #[error("store: {0}")]
    Backend(String),
}

impl From<VaultError> for StoreError {
    fn from(error: VaultError) -> Self {
        Self::Sealed(error.to_string())
    }
}

/// One item of a batch was refused; its neighbours were not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The account's configuration changed since it was read: match again.
    #[error("the configuration has changed; its version is now {0:?}")]
    StaleConfig(ConfigVersion),
    /// The envelope changed since it was read: read and apply again.
    #[error("the envelope has changed")]
    StaleEnvelope,
    /// There is no such object in the account.
    #[error("not found")]
    NotFound,
    /// An object with this key exists already.
    #[error("it exists already")]
    Exists,
    /// The lease has passed to another incarnation; what was settled there stands.
    #[error("the lease has passed to another node")]
    LeaseLost,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used with another request")]
    IdempotencyConflict,
    /// The state does not allow it; the text names the state.
    #[error("not in this state: {0}")]
    WrongState(String),
    /// The item is larger than the store takes.
    #[error("too large: {0} bytes")]
    TooLarge(usize),
}

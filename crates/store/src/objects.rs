//! Configured objects and credentials as the store keeps them: JSON, with secrets apart.

use countersign_core::{
    Timestamp,
    account::ApiToken,
    config::{ConfigKind, Configured, Secrets},
    id::AccountId,
};

use crate::StoreError;

/// A configured object on its way in or out. The backend seals the secrets with its vault; they are never written in clear.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its JSON, without secrets.
    pub body: String,
    /// Its secrets.
    pub secrets: Secrets,
    /// SHA-256 of every content it refers to (templates).
    pub contents: Vec<[u8; 32]>,
}

impl Object {
    /// Of a configured value.
    ///
    /// # Errors
    /// [`StoreError::Backend`] when the value does not serialise, which is a fault of ours.
    pub fn of<T: Configured>(value: &T) -> Result<Self, StoreError> {
        let body = serde_json::to_string(value).map_err(|e| StoreError::Backend(format!("serialising an object: {e}")))?;
        Ok(Self { body, secrets: value.secrets(), contents: Vec::new() })
    }

    /// Back into a value.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the JSON is not such a value.
    pub fn read<T: Configured>(self) -> Result<T, StoreError> {
        let mut value: T = serde_json::from_str(&self.body).map_err(|e| StoreError::Damaged(format!("an object: {e}")))?;
        value.restore(self.secrets);
        Ok(value)
    }
}

/// An object's place.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ObjectKey {
    /// Whose.
    pub account: AccountId,
    /// What.
    pub kind: ConfigKind,
    /// Its id as text, unique within account and kind; lists are sorted by it.
    pub id: String,
}

/// A stored object.
#[derive(Clone, Debug)]
pub struct StoredObject {
    /// Its place.
    pub key: ObjectKey,
    /// Rises with every change of this object; a change may name the one it read.
    pub revision: i64,
    /// What it is.
    pub object: Object,
}

/// A stored API token, found by its hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredToken {
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// What it allows.
    pub token: ApiToken,
}

/// Something that may be taken once: the address of a signing page, an authorization code, a `jti` seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// SHA-256 of the secret part.
    pub sha256: [u8; 32],
    /// What it is for, as a stable word.
    pub kind: String,
    /// What it stands for (JSON).
    pub body: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

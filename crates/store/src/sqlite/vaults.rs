//! The vault in use, which a rotation replaces.

use std::sync::{Arc, PoisonError, RwLock};

use crate::vault::Vault;

/// The vault in use.
#[derive(Debug)]
pub(super) struct CurrentVault(RwLock<Arc<Vault>>);

impl CurrentVault {
    pub(super) fn new(vault: Vault) -> Self {
        Self(RwLock::new(Arc::new(vault)))
    }

    /// As of now.
    pub(super) fn now(&self) -> Arc<Vault> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Used by every transaction and read that begins from now on.
    pub(super) fn replace(&self, vault: Vault) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(vault);
    }
}

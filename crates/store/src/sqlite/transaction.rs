//! The transaction that callers share, and how an item fails alone inside it.

use std::{cell::RefCell, collections::HashMap};

use countersign_core::{config::ConfigVersion, id::AccountId};
use rusqlite::{Connection, OptionalExtension as _};

use super::fault::Fault;
use crate::{Refused, vault::Vault};

/// How carefully a shared transaction is run.
///
/// A savepoint makes SQLite copy every page that is touched again after it, which for rows at the right edge is most of
/// them. So a transaction is first run without any; when an item breaks a constraint, all of it is rolled back and run
/// again, each item in a savepoint of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Care {
    /// No savepoints: any failure spoils the whole run.
    Swift,
    /// A savepoint for each item.
    Guarded,
}

/// The open transaction.
pub(super) struct Tx<'c> {
    /// Where it runs.
    pub(super) conn: &'c Connection,
    /// Seals and opens secrets, with the keys as they are now: a call that waited in the queue must not seal with a key that was
    /// replaced meanwhile.
    pub(super) vault: &'c Vault,
    care: Care,
    versions: &'c Versions,
}

/// Accounts whose version is remembered.
const VERSIONS_MAX: usize = 10_000;

/// Configuration versions as this one writer knows them, so that a record need not look its account up. Nobody else writes to
/// the database; whatever raises a version forgets it here, and a rollback forgets all.
#[derive(Debug, Default)]
pub(super) struct Versions(RefCell<HashMap<AccountId, ConfigVersion>>);

impl Versions {
    /// Forgets all.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(conn: &'c Connection, vault: &'c Vault, versions: &'c Versions, care: Care) -> Self {
        Self { conn, vault, care, versions }
    }

    /// The version of an account's configuration; `None` when there is no such account.
    pub(super) fn version(&self, account: AccountId) -> Result<Option<ConfigVersion>, Fault> {
        if let Some(known) = self.versions.0.borrow().get(&account) {
            return Ok(Some(*known));
        }
        let mut select = self.conn.prepare_cached("SELECT config_version FROM account WHERE id = ?1")?;
        let found = select.query_row([account.0], |row| row.get(0).map(ConfigVersion)).optional()?;
        // A savepoint may still take back what was read.
        if let Some(version) = found
            && self.care == Care::Swift
        {
            let mut versions = self.versions.0.borrow_mut();
            if versions.len() >= VERSIONS_MAX {
                versions.clear();
            }
            versions.insert(account, version);
        }
        Ok(found)
    }

    /// The version of an account's configuration is raised.
    pub(super) fn forget_version(&self, account: AccountId) {
        self.versions.0.borrow_mut().remove(&account);
    }

    /// Runs one item of a call. It must refuse before it writes anything, since a swift run takes nothing back. A broken
    /// constraint means that one of its ids is in use.
    pub(super) fn item<T>(&self, work: impl FnOnce() -> Result<Result<T, Refused>, Fault>) -> Result<Result<T, Refused>, Fault> {
        match self.care {
            Care::Swift => work(),
            Care::Guarded => match self.guarded(work)? {
                Err(fault) if fault.is_constraint() => Ok(Err(Refused::Exists)),
                other => other,
            },
        }
    }

    /// Runs work in a savepoint, which is rolled back when it fails. The outer error means that the savepoint itself failed.
    pub(super) fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<Result<T, Fault>, Fault> {
        self.run("SAVEPOINT item")?;
        let done = work();
        // A serious failure may have ended the whole transaction, savepoints included.
        if done.is_err() && !self.conn.is_autocommit() {
            self.run("ROLLBACK TO item")?;
        }
        if !self.conn.is_autocommit() {
            self.run("RELEASE item")?;
        }
        Ok(done)
    }

    fn run(&self, sql: &str) -> Result<(), Fault> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

//! Backup while the store is in use, and restore.
//!
//! A backup is one file: the database as of one moment. The secrets in it are sealed; the key is not part of it and must be
//! kept elsewhere, since whoever has both has the secrets.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::PoisonError,
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::{
    connection::{BUSY_WAIT, is_ours, open_file, open_reader},
    fault::OpenError,
    files::{DataDir, look_for, private_file, sync_folder},
    migration,
    store::SqliteStore,
    transfer::mark_of,
};
use crate::{StoreError, part};

/// Pages copied between two reports: 4 MiB.
const STEP_PAGES: i32 = 256;

/// How far a backup is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackupProgress {
    /// Bytes copied.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Why a backup was not made or not restored. One clear line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Nothing is overwritten.
    #[error("{} exists; name a file that does not", .0.display())]
    Exists(PathBuf),
    /// The file asked for is in a folder that is not there.
    #[error("{} cannot be written: its folder does not exist; make the folder, or name a file elsewhere", .0.display())]
    NoFolder(PathBuf),
    /// The data directory has a database already.
    #[error("data directory {} has a database; restore into an empty one, or move that database away", .0.display())]
    NotEmpty(PathBuf),
    /// The file is not a backup of ours.
    #[error("{} is not a countersign backup", .0.display())]
    NotABackup(PathBuf),
    /// The file is damaged.
    #[error("{} is damaged: {reason}", file.display())]
    Damaged {
        /// The backup.
        file: PathBuf,
        /// What the check found first.
        reason: String,
    },
    /// It was made by a newer program.
    #[error("{} has schema {found}, this program knows {known}; use the newer program that made it", file.display())]
    NewerSchema {
        /// The backup.
        file: PathBuf,
        /// Its schema version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] OpenError),
    /// Reading or writing failed.
    #[error("{}: {reason}", file.display())]
    Failed {
        /// Which file.
        file: PathBuf,
        /// What SQLite or the operating system said.
        reason: String,
    },
}

impl SqliteStore {
    /// Writes a backup to a new file while the store is in use: all of it as of the moment it began. `progress` is called about every
    /// 4 MiB. The file appears under its name when it is complete and on stable storage.
    ///
    /// # Errors
    /// [`BackupError`]; no file is left then.
    pub async fn backup_to(
        &self,
        file: impl Into<PathBuf>,
        progress: impl FnMut(BackupProgress) + Send + 'static,
    ) -> Result<(), BackupError> {
        let file = file.into();
        let inner = std::sync::Arc::clone(&self.inner);
        let target = file.clone();
        let backup = move || {
            let _visit = inner.visitors.read().unwrap_or_else(PoisonError::into_inner);
            backup_in_use(&inner.dir, &target, progress)
        };
        tokio::task::spawn_blocking(backup).await.unwrap_or_else(|panic| Err(BackupError::Failed { file, reason: panic.to_string() }))
    }

    /// Checks the whole database page by page, which takes as long as reading it; answers what is wrong, nothing when all is well.
    ///
    /// # Errors
    /// The store's.
    pub async fn verify(&self) -> Result<Vec<String>, StoreError> {
        let inner = std::sync::Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            let _visit = inner.visitors.read().unwrap_or_else(PoisonError::into_inner);
            let conn = open_reader(&inner.dir, 8 << 20).map_err(|e| StoreError::Unavailable(e.to_string()))?;
            quick_check(&conn).map_err(|e| StoreError::Backend(e.to_string()))
        })
        .await
        .unwrap_or_else(|panic| Err(StoreError::Backend(panic.to_string())))
    }
}

/// Writes a backup of a data directory to a new file, whether another process uses the directory or none does: it is only read.
/// Otherwise as [`SqliteStore::backup_to`]; blocks until it is done.
///
/// # Errors
/// [`BackupError`]; no file is left then.
pub fn backup(data_dir: &Path, file: &Path, progress: impl FnMut(BackupProgress)) -> Result<(), BackupError> {
    let database = data_dir.join(super::files::DATABASE_FILE);
    look_for(&database).map_err(|reason| BackupError::Failed { file: database.clone(), reason })?;
    let unusable = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotADatabase { file: database.clone() }.into(),
        _ => failed(&database, e),
    };
    let source = open_file(&database).map_err(unusable)?;
    source.busy_timeout(BUSY_WAIT).map_err(unusable)?;
    if !is_ours(&source).map_err(unusable)? {
        return Err(OpenError::NotADatabase { file: database }.into());
    }
    if migration::schema_of(&source).map_err(unusable)? > 0 && mark_of(&source).map_err(unusable)?.is_some() {
        return Err(OpenError::Importing { dir: data_dir.to_owned() }.into());
    }
    write(&source, file, progress)
}

fn backup_in_use(dir: &DataDir, file: &Path, progress: impl FnMut(BackupProgress)) -> Result<(), BackupError> {
    write(&open_reader(dir, 1 << 20)?, file, progress)
}

fn write(source: &Connection, file: &Path, progress: impl FnMut(BackupProgress)) -> Result<(), BackupError> {
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    // Otherwise the error would name the part, of which nobody asked.
    if file.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(BackupError::NoFolder(file.to_owned()));
    }
    let part = part::of(file);
    // A part that an earlier, broken-off backup left is begun anew.
    let copied = begin_part(&part).map_err(|e| failed(&part, e)).and_then(|()| copy(source, &part, progress));
    finish(copied, &part, file)
}

fn finish(copied: Result<(), BackupError>, part: &Path, file: &Path) -> Result<(), BackupError> {
    let done = copied.and_then(|()| {
        private_file(part).and_then(|written| written.sync_all()).map_err(|e| failed(part, e))?;
        fs::rename(part, file).map_err(|e| failed(file, e))?;
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), sync_folder).map_err(|e| failed(file, e))
    });
    if done.is_err() {
        part::remove(file);
    }
    done
}

fn begin_part(part: &Path) -> io::Result<()> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private_file(part).map(drop)
}

fn copy(source: &Connection, part: &Path, mut progress: impl FnMut(BackupProgress)) -> Result<(), BackupError> {
    let failed = |e: rusqlite::Error| failed(part, e);
    let page_bytes: u64 = source.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0)).map_err(failed)?.into();
    let mut target = Connection::open(part).map_err(failed)?;
    // The open read transaction pins one state of the database; without it every commit would start the copy over.
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    {
        let backup = Backup::new(source, &mut target).map_err(failed)?;
        loop {
            let step = backup.step(STEP_PAGES).map_err(failed)?;
            let at = backup.progress();
            let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * page_bytes;
            progress(BackupProgress { done_bytes: bytes(at.pagecount - at.remaining), total_bytes: bytes(at.pagecount) });
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // Nobody else has the target, and readers of the source are not locked out.
                _ => std::thread::yield_now(),
            }
        }
    }
    source.execute_batch("COMMIT").map_err(failed)?;
    // One file without a log beside it.
    target.execute_batch("PRAGMA journal_mode = DELETE").map_err(failed)?;
    target.close().map_err(|(_, e)| failed(e))
}

/// Puts a backup into a data directory that has no database yet. The backup is checked first; `progress` tells how much of it was
/// copied. The key of the vault is not part of a backup: put its file there before the next start.
///
/// # Errors
/// [`BackupError`]; the data directory is as before then.
pub fn restore(backup: &Path, data_dir: &Path, progress: impl FnMut(BackupProgress)) -> Result<(), BackupError> {
    let conn = open_backup(backup)?;
    let database = data_dir.join(super::files::DATABASE_FILE);
    if fs::metadata(&database).is_ok_and(|found| found.len() > 0) {
        return Err(BackupError::NotEmpty(data_dir.to_owned()));
    }
    let dir = DataDir::open(data_dir)?;
    // A log that a removed database left behind would be played into the new one.
    for beside in ["-wal", "-shm"] {
        let mut name = dir.database().into_os_string();
        name.push(beside);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(Path::new(&name), error)),
            _ => {}
        }
    }
    let part = part::of(&dir.database());
    let copied = begin_part(&part).map_err(|e| failed(&part, e)).and_then(|()| copy(&conn, &part, progress));
    finish(copied, &part, &dir.database())
}

fn open_backup(file: &Path) -> Result<Connection, BackupError> {
    if !file.is_file() {
        return Err(BackupError::Failed { file: file.to_owned(), reason: "there is no such file".into() });
    }
    let conn = open_file(file).map_err(|e| failed(file, e))?;
    match is_ours(&conn) {
        Ok(true) => {}
        Ok(false) => return Err(BackupError::NotABackup(file.to_owned())),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Err(BackupError::NotABackup(file.to_owned()));
        }
        Err(error) => return Err(BackupError::Damaged { file: file.to_owned(), reason: error.to_string() }),
    }
    let damaged = |reason: String| BackupError::Damaged { file: file.to_owned(), reason };
    let found = migration::schema_of(&conn).map_err(|e| damaged(e.to_string()))?;
    if found > migration::SCHEMA {
        return Err(BackupError::NewerSchema { file: file.to_owned(), found, known: migration::SCHEMA });
    }
    if found == 0 {
        return Err(BackupError::NotABackup(file.to_owned()));
    }
    match quick_check(&conn).map_err(|e| damaged(e.to_string()))?.into_iter().next() {
        Some(reason) => Err(damaged(reason)),
        None => Ok(conn),
    }
}

/// What is wrong with the database's structure, at most 100 lines.
fn quick_check(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = conn.prepare("PRAGMA quick_check(100)")?;
    let lines: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn failed(file: &Path, error: impl std::fmt::Display) -> BackupError {
    BackupError::Failed { file: file.to_owned(), reason: error.to_string() }
}

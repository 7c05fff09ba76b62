//! The data directory: who may use it, what lies in it, and that it is on stable storage.
//!
//! | file | what |
//! | --- | --- |
//! | `countersign.lock` | locked while a process uses the directory |
//! | `countersign.db`, `-wal`, `-shm` | the database |
//! | `countersign.reserve` | space given up when the disk is full, so that settling goes on |
//! | `secret.key` | the key of the vault, unless one is given |

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::fault::OpenError;
pub(super) use crate::private_file::{private_file, sync_folder};

/// The database's file in a data directory.
pub const DATABASE_FILE: &str = "countersign.db";
/// The vault's key in a data directory.
pub const KEY_FILE: &str = "secret.key";
const LOCK_FILE: &str = "countersign.lock";
const RESERVE_FILE: &str = "countersign.reserve";

/// File systems on which a write-ahead log shared by memory map is not safe, or locks are not kept.
const NETWORK_FILE_SYSTEMS: [&str; 10] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"];

/// A data directory that belongs to this process until the value goes.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    held: Mutex<Option<Held>>,
}

/// What is open for as long as the directory belongs to this process; goes in this order.
#[derive(Debug)]
struct Held {
    /// Where locks are POSIX's, closing any descriptor of a file drops all locks that the process has on it, SQLite's among them. So this
    /// one is opened before SQLite opens the file and closed after.
    database: Arc<File>,
    /// The lock goes with the file.
    _lock: File,
}

impl DataDir {
    /// Makes the folder (0700) when it is missing, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        make_folder(path).map_err(|e| unusable(path, &e))?;
        let lock = private_file(&path.join(LOCK_FILE)).map_err(|e| unusable(path, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: path.to_owned() }),
            Err(TryLockError::Error(e)) => return Err(unusable(path, &e)),
        }
        // Made here and not by SQLite, so that nobody else can ever read it; the log's files take over its permissions.
        let file = path.join(DATABASE_FILE);
        let is_new = !file.exists();
        let database = private_file(&file).map_err(|e| unusable(path, &e))?;
        if is_new {
            database.sync_all().map_err(|e| unusable(path, &e))?;
        }
        sync_folder(path).map_err(|e| unusable(path, &e))?;
        Ok(Self { path: path.to_owned(), held: Mutex::new(Some(Held { database: Arc::new(database), _lock: lock })) })
    }

    /// Lets others use the directory; nothing of it may be open any more.
    pub(super) fn release(&self) {
        self.held().take();
    }

    /// What puts the database's file on stable storage, beside SQLite. To be dropped before the directory is given free.
    pub(super) fn database_sync(&self) -> impl Fn() -> io::Result<()> + Send + use<> {
        let database = self.held().as_ref().map(|held| Arc::clone(&held.database));
        move || database.as_ref().map_or(Ok(()), |database| database.sync_data())
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database's file.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    /// The key's file.
    pub(super) fn key(&self) -> PathBuf {
        self.path.join(KEY_FILE)
    }

    /// The reserve's file.
    pub(super) fn reserve(&self) -> PathBuf {
        self.path.join(RESERVE_FILE)
    }

    /// Bytes on disk of what lies beside the database and its log: the reserve above all.
    pub(super) fn bytes_beside_database(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.path) else { return 0 };
        let beside = entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with(DATABASE_FILE));
        beside.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|found| found.len()).sum()
    }

    /// The kind of file system, when it is one that a database should not be on.
    pub(super) fn network_file_system(&self) -> Option<&'static str> {
        let path = self.path.canonicalize().ok()?;
        network_file_system(&path, &fs::read_to_string("/proc/self/mounts").ok()?)
    }
}

/// Whether a database's file is there and may be looked at; why not, and what to do.
pub(super) fn look_for(database: &Path) -> Result<(), String> {
    match fs::metadata(database) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err("it is no file; name the data directory of the server".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err("there is no such file; name the data directory of the server".to_owned()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(format!("{error}; run this as the user of the server, with sudo -u"))
        }
        Err(error) => Err(format!("{error}; name the data directory of the server")),
    }
}

/// The longest mount point that leads to `path` decides.
fn network_file_system(path: &Path, mounts: &str) -> Option<&'static str> {
    let kind = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            // Spaces in mount points are written as octal.
            Some((words.next()?.replace("\\040", " "), words.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())?
        .1;
    NETWORK_FILE_SYSTEMS.into_iter().find(|known| *known == kind)
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn unusable(dir: &Path, error: &io::Error) -> OpenError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OpenError::NoSpace { dir: dir.to_owned() },
        _ => OpenError::Unusable { dir: dir.to_owned(), reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_decides_about_the_file_system() {
        let mounts =
            "/dev/sda / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\n/dev/sdb /data/local xfs rw 0 0\nh:/ /with\\040space cifs rw 0 0";
        for (path, kind) in [
            ("/var/lib", None),
            ("/data/countersign", Some("nfs4")),
            ("/data/local/countersign", None),
            ("/database", None),
            ("/with space/x", Some("cifs")),
        ] {
            assert_eq!(network_file_system(Path::new(path), mounts), kind, "{path}");
        }
    }

    #[test]
    fn a_second_user_of_the_folder_is_refused_and_told_which() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let first = DataDir::open(&path).expect("opens");
        let refused = DataDir::open(&path).expect_err("is in use");
        assert_eq!(refused, OpenError::InUse { dir: path.clone() });
        assert!(refused.to_string().contains(&path.display().to_string()));
        drop(first);
        DataDir::open(&path).expect("is free again");
    }

    #[test]
    fn a_database_that_is_not_there_is_told_from_one_that_cannot_be_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a file");
        fs::write(&file, "").expect("written");
        assert_eq!(look_for(&file), Ok(()));
        for (path, words) in [
            (folder.path().join("none"), "there is no such file"),
            (folder.path().to_owned(), "it is no file"),
            (file.join(DATABASE_FILE), "Not a directory"),
        ] {
            let refused = look_for(&path).expect_err("there is none");
            assert!(refused.starts_with(words) && refused.ends_with("name the data directory of the server"), "{refused}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let dir = DataDir::open(&folder.path().join("data")).expect("opens");
        let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(mode(&dir.database()), 0o600);
        crate::private_file::replace_file(&dir.key(), b"key").expect("written");
        assert_eq!(mode(&dir.key()), 0o600);
    }
}

//! Backups of a store in use, and their way back.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_core::{
    Secret, Timestamp,
    config::{ConfigKind, Secrets},
    id::AccountGuid,
};
use countersign_store::{
    Store,
    objects::{Object, ObjectKey},
    sqlite::{BackupError, BackupProgress, DATABASE_FILE, KEY_FILE, OpenError, Settings, SqliteStore, backup, restore},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

fn settings(dir: &Path) -> Settings {
    Settings { reserve_bytes: 0, readers: 1, ..Settings::new(dir) }
}

fn guid(number: u128) -> AccountGuid {
    AccountGuid(uuid::Uuid::from_u128(number))
}

/// A store with an account, a sealed secret, and enough bulk for several steps of a backup.
async fn filled(dir: &Path) -> (SqliteStore, ObjectKey) {
    let store = SqliteStore::open(settings(dir)).expect("opens");
    let account = store.create_account(guid(1), "One", NOW).await.expect("stored").expect("new").id;
    let key = ObjectKey { account, kind: ConfigKind::SigningKey, id: "k".into() };
    let secrets = Secrets::from([("secret".to_owned(), Secret::new("hush"))]);
    store.put_object(key.clone(), Object { body: "{}".into(), secrets, contents: Vec::new() }, None).await.expect("stored").expect("new");
    for number in 0..12_u8 {
        store.put_content(account, [number; 32], bytes::Bytes::from(vec![number; 1 << 20]), NOW).await.expect("stored");
    }
    (store, key)
}

#[tokio::test]
async fn a_backup_of_a_store_in_use_is_restored_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, key) = filled(&folder.path().join("data")).await;
    let backup = folder.path().join("backup.db");
    let seen = Arc::new(Mutex::new(Vec::<BackupProgress>::new()));
    let reports = Arc::clone(&seen);
    let writing = {
        let store = store.clone();
        // Commits while the backup runs: they must neither hold it up nor show up in it by halves.
        tokio::spawn(async move {
            for number in 100..160 {
                store.create_account(guid(number), "Later", NOW).await.expect("stored").expect("new");
            }
        })
    };
    store.backup_to(&backup, move |progress| reports.lock().expect("whole").push(progress)).await.expect("backed up");
    writing.await.expect("written");
    let seen = seen.lock().expect("whole").clone();
    assert!(seen.len() >= 3, "{seen:?}");
    assert!(seen.is_sorted_by_key(|progress| progress.done_bytes), "{seen:?}");
    let last = seen.last().expect("several");
    assert!(last.done_bytes == last.total_bytes && last.total_bytes > 12 << 20, "{last:?}");
    let names: Vec<_> = fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(names.len(), 2, "the backup is one file: {names:?}");
    store.close().await;

    let target = folder.path().join("restored");
    restore(&backup, &target, |_| {}).expect("restored");
    let refused = SqliteStore::open(settings(&target)).expect_err("the key is not in the backup");
    assert_eq!(refused, OpenError::NoKey { file: target.join(KEY_FILE) });
    fs::copy(folder.path().join("data").join(KEY_FILE), target.join(KEY_FILE)).expect("copied");
    let store = SqliteStore::open(settings(&target)).expect("opens");
    let stored = store.object(key.clone()).await.expect("read").expect("exists");
    assert_eq!(stored.object.secrets["secret"].expose_secret(), "hush");
    for number in [0, 11_u8] {
        // Put under a hash that is not theirs, which is found out on reading: the bytes are what counts here.
        assert!(store.content(key.account, [number; 32]).await.is_err());
    }
    assert_eq!(store.verify().await.expect("read"), Vec::<String>::new());
    let accounts = store.accounts().await.expect("read").len();
    assert!((1..=61).contains(&accounts), "{accounts}");
    store.create_account(guid(999), "After", NOW).await.expect("takes writes").expect("new");
}

#[tokio::test]
async fn a_backup_is_made_from_outside_whether_the_directory_is_in_use_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("data");
    let (store, key) = filled(&dir).await;
    let restored = async |name: &str| {
        let (file, target) = (folder.path().join(name), folder.path().join(format!("{name}-restored")));
        backup(&dir, &file, |_| {}).expect("backed up");
        assert_eq!(backup(&dir, &file, |_| {}), Err(BackupError::Exists(file.clone())));
        restore(&file, &target, |_| {}).expect("restored");
        fs::copy(dir.join(KEY_FILE), target.join(KEY_FILE)).expect("copied");
        let store = SqliteStore::open(settings(&target)).expect("opens");
        assert!(store.object(key.clone()).await.expect("read").is_some(), "{name}");
        store.close().await;
    };
    restored("in use").await;
    store.create_account(guid(7), "After", NOW).await.expect("still takes writes").expect("new");
    store.close().await;
    restored("closed").await;
    let nowhere = folder.path().join("nowhere");
    assert!(matches!(backup(&nowhere, &folder.path().join("b"), |_| {}), Err(BackupError::Failed { .. })));
    assert!(!nowhere.exists(), "nothing is made by looking");
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = filled(&folder.path().join("data")).await;
    let backup = folder.path().join("backup.db");
    store.backup_to(&backup, |_| {}).await.expect("backed up");
    assert_eq!(store.backup_to(&backup, |_| {}).await, Err(BackupError::Exists(backup.clone())));
    store.close().await;
    let dir = folder.path().join("data");
    assert_eq!(restore(&backup, &dir, |_| {}), Err(BackupError::NotEmpty(dir)));
}

#[tokio::test]
async fn a_store_in_use_is_not_restored_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = filled(&folder.path().join("data")).await;
    let backup = folder.path().join("backup.db");
    store.backup_to(&backup, |_| {}).await.expect("backed up");
    // The database was taken away under a running store: the lock still says that it is in use.
    let busy = folder.path().join("busy");
    let _running = SqliteStore::open(settings(&busy)).expect("opens");
    fs::remove_file(busy.join(DATABASE_FILE)).expect("removed");
    assert_eq!(restore(&backup, &busy, |_| {}), Err(BackupError::DataDir(OpenError::InUse { dir: busy })));
    store.close().await;
}

#[tokio::test]
async fn what_is_not_a_sound_backup_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = filled(&folder.path().join("data")).await;
    let backup = folder.path().join("backup.db");
    store.backup_to(&backup, |_| {}).await.expect("backed up");
    store.close().await;

    let file = |name: &str| folder.path().join(name);
    fs::write(file("text"), vec![b'x'; 50_000]).expect("written");
    rusqlite::Connection::open(file("foreign")).expect("opens").execute_batch("CREATE TABLE t (x)").expect("written");
    fs::copy(&backup, file("newer")).expect("copied");
    let newer = rusqlite::Connection::open(file("newer")).expect("opens");
    newer.execute_batch("INSERT INTO schema_migrations VALUES (99, 'later', x'00', 0)").expect("written");
    drop(newer);
    let mut content = fs::read(&backup).expect("read");
    let middle = content.len() / 2 / 16_384 * 16_384;
    content[middle..middle + 16_384].fill(0x5a);
    content.truncate(content.len() - 16_384);
    fs::write(file("damaged"), &content).expect("written");

    for name in ["text", "foreign", "newer", "damaged", "missing"] {
        let target = file("target");
        let error = restore(&file(name), &target, |_| {}).expect_err(name);
        let fits = match &error {
            BackupError::NotABackup(found) => matches!(name, "text" | "foreign") && *found == file(name),
            BackupError::NewerSchema { found: 99, .. } => name == "newer",
            BackupError::Damaged { file: found, .. } => name == "damaged" && *found == file(name),
            BackupError::Failed { file: found, .. } => name == "missing" && *found == file(name),
            _ => false,
        };
        assert!(fits, "{name}: {error:?}");
        assert!(!target.exists(), "{name}: nothing is made");
    }
}

#[tokio::test]
async fn a_backup_into_a_folder_that_is_not_there_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = filled(&folder.path().join("data")).await;
    let nowhere = folder.path().join("no-such-folder").join("backup.db");
    let error = store.backup_to(&nowhere, |_| {}).await.expect_err("there is no such folder");
    assert!(matches!(&error, BackupError::NoFolder(file) if *file == nowhere), "{error:?}");
    // The store goes on.
    let node = store.register_node("n", 1, NOW, Duration::from_secs(1)).await;
    assert!(node.is_ok());
    store.close().await;
}

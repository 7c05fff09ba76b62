//! Opening a data directory: what is there after a restart, and one clear line for everything that can be wrong.

use std::{fs, path::Path, time::Duration};

use countersign_core::{
    Secret, Timestamp,
    config::{ConfigKind, Secrets},
    id::{AccountGuid, AccountId},
};
use countersign_store::{
    Store, StoreError,
    objects::{Object, ObjectKey},
    sqlite::{DATABASE_FILE, KEY_FILE, KeySource, OpenError, Settings, SqliteStore},
    vault::{VaultError, VaultKey},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

fn settings(dir: &Path) -> Settings {
    Settings { reserve_bytes: 0, readers: 1, ..Settings::new(dir) }
}

fn refused(dir: &Path) -> OpenError {
    SqliteStore::open(settings(dir)).expect_err("must not open")
}

fn sealed_object(account: AccountId) -> (ObjectKey, Object) {
    let key = ObjectKey { account, kind: ConfigKind::SigningKey, id: "crd_1".into() };
    let secrets = Secrets::from([("secret".to_owned(), Secret::new("correct horse battery"))]);
    (key, Object { body: "{}".into(), secrets, contents: Vec::new() })
}

/// Opens, stores one account with one sealed object, closes.
async fn filled(settings: Settings) -> ObjectKey {
    let store = SqliteStore::open(settings).expect("opens");
    let account = store.create_account(AccountGuid(uuid::Uuid::from_u128(7)), "One", NOW).await.expect("stored").expect("new");
    let (key, object) = sealed_object(account.id);
    store.put_object(key.clone(), object, None).await.expect("stored").expect("new");
    store.close().await;
    key
}

async fn secret(store: &SqliteStore, key: &ObjectKey) -> Result<String, StoreError> {
    let stored = store.object(key.clone()).await?.expect("exists");
    Ok(stored.object.secrets["secret"].expose_secret().to_owned())
}

#[tokio::test]
async fn opening_ends_the_lives_that_a_crash_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let died = SqliteStore::open(settings(folder.path())).expect("opens");
    let before = died.register_node("the one before", 1, NOW, Duration::from_secs(30)).await.expect("stored");
    // Without a word: it is not retired.
    drop(died);

    let next = SqliteStore::open(settings(folder.path())).expect("opens again");
    let nodes = next.nodes().await.expect("read");
    assert_eq!(nodes.iter().map(|node| node.incarnation).collect::<Vec<_>>(), [before.incarnation]);
    assert!(nodes[0].expires_at < NOW, "nobody else can be alive in it, so that its leases need not run out: {nodes:?}");
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = filled(settings(folder.path())).await;
    let store = SqliteStore::open(settings(folder.path())).expect("opens again");
    assert_eq!(secret(&store, &key).await.as_deref(), Ok("correct horse battery"));
    let database = fs::read(folder.path().join(DATABASE_FILE)).expect("read");
    assert!(!database.windows(13).any(|bytes| bytes == b"correct horse"), "secrets are sealed");
}

#[tokio::test]
async fn the_directory_is_free_as_soon_as_the_store_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = SqliteStore::open(settings(folder.path())).expect("opens");
    assert_eq!(refused(folder.path()), OpenError::InUse { dir: folder.path().to_owned() });
    first.close().await;
    let second = SqliteStore::open(settings(folder.path())).expect("opens, though the closed one is still there");
    drop(first);
    assert_eq!(refused(folder.path()), OpenError::InUse { dir: folder.path().to_owned() });
    drop(second);
    SqliteStore::open(settings(folder.path())).expect("opens after a drop as well");
}

#[tokio::test]
async fn an_idle_store_leaves_no_log_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(settings(folder.path())).await;
    let log = folder.path().join(format!("{DATABASE_FILE}-wal"));
    assert!(fs::metadata(&log).map_or(0, |found| found.len()) == 0, "all of it was copied back");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("data");
    fs::write(&dir, b"a file").expect("written");
    let error = refused(&dir);
    assert!(matches!(&error, OpenError::Unusable { dir: named, .. } if *named == dir), "{error:?}");
    assert!(error.to_string().starts_with(&format!("data directory {} cannot be used", dir.display())), "{error}");
}

#[test]
fn another_file_in_the_place_of_the_database_is_refused_and_left_alone() {
    for (row, content) in [("text", vec![b'x'; 70_000]), ("short", b"not a database".to_vec())] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(DATABASE_FILE);
        fs::write(&file, &content).expect("written");
        assert_eq!(refused(folder.path()), OpenError::NotADatabase { file: file.clone() }, "{row}");
        assert_eq!(fs::read(&file).expect("read"), content, "{row}");
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(DATABASE_FILE);
    let conn = rusqlite::Connection::open(&file).expect("opens");
    conn.execute_batch("CREATE TABLE guests (name TEXT); INSERT INTO guests VALUES ('Ann')").expect("written");
    drop(conn);
    let before = fs::read(&file).expect("read");
    assert_eq!(refused(folder.path()), OpenError::NotADatabase { file: file.clone() });
    assert_eq!(fs::read(&file).expect("read"), before);
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(settings(folder.path())).await;
    let file = folder.path().join(DATABASE_FILE);
    let mut content = fs::read(&file).expect("read");
    // The first page after its header: where the schema stands.
    content[100..16_384].fill(0xa5);
    fs::write(&file, &content).expect("written");
    let error = refused(folder.path());
    assert!(matches!(&error, OpenError::Damaged { file: named, .. } if *named == file), "{error:?}");
}

#[tokio::test]
async fn a_newer_schema_and_another_migration_are_refused() {
    for (row, sql) in [
        ("newer", "INSERT INTO schema_migrations VALUES (99, 'later', x'00', 0)"),
        ("other", "UPDATE schema_migrations SET checksum = x'00' WHERE version = 1"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        filled(settings(folder.path())).await;
        let file = folder.path().join(DATABASE_FILE);
        rusqlite::Connection::open(&file).expect("opens").execute_batch(sql).expect("written");
        match (row, refused(folder.path())) {
            ("newer", OpenError::NewerSchema { file: named, found: 99, known }) => assert!(named == file && known < 99),
            ("other", OpenError::OtherMigration { file: named, version: 1 }) => assert_eq!(named, file),
            (row, error) => panic!("{row}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_a_missing_and_an_unreadable_key_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = filled(settings(folder.path())).await;
    let file = folder.path().join(KEY_FILE);
    let right = fs::read_to_string(&file).expect("read");
    let id = VaultKey::from_text(&right).expect("a key").id();

    fs::remove_file(&file).expect("removed");
    assert_eq!(refused(folder.path()), OpenError::NoKey { file: file.clone() });
    assert!(!file.exists(), "no other key is made in its place");
    fs::write(&file, "hello\n").expect("written");
    assert_eq!(refused(folder.path()), OpenError::BadKeyFile { file: file.clone(), reason: VaultError::NotAKey });
    let wrong = VaultKey::random().expect("a key");
    fs::write(&file, wrong.to_text().expose_secret()).expect("written");
    assert_eq!(refused(folder.path()), OpenError::WrongKey(VaultError::UnknownKey(id)));

    let given = Settings { keys: KeySource::Given(vec![VaultKey::from_text(&right).expect("a key")]), ..settings(folder.path()) };
    let store = SqliteStore::open(given).expect("opens with the key given");
    assert_eq!(secret(&store, &key).await.as_deref(), Ok("correct horse battery"));
}

#[tokio::test]
async fn a_rotated_key_opens_everything_and_the_old_one_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = filled(settings(folder.path())).await;
    let file = folder.path().join(KEY_FILE);
    let old = fs::read_to_string(&file).expect("read");

    let store = SqliteStore::open(settings(folder.path())).expect("opens");
    let rotated = store.rotate_key().await.expect("rotated");
    assert_eq!(rotated.resealed, 1);
    assert_eq!(secret(&store, &key).await.as_deref(), Ok("correct horse battery"), "while it is in use");
    let (other, object) = sealed_object(key.account);
    let other = ObjectKey { id: "crd_2".into(), ..other };
    store.put_object(other.clone(), object, None).await.expect("stored").expect("new");
    store.close().await;

    let new = fs::read_to_string(&file).expect("read");
    assert_eq!(VaultKey::from_text(&new).expect("one key alone").id(), rotated.key_id);
    let store = SqliteStore::open(settings(folder.path())).expect("opens with the new key");
    for key in [&key, &other] {
        assert_eq!(secret(&store, key).await.as_deref(), Ok("correct horse battery"));
    }
    store.close().await;
    fs::write(&file, &old).expect("written");
    assert_eq!(refused(folder.path()), OpenError::WrongKey(VaultError::UnknownKey(rotated.key_id)));
}

#[tokio::test]
async fn keys_given_from_outside_are_rotated_to_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (VaultKey::random().expect("a key"), VaultKey::random().expect("a key"));
    let given =
        |keys: &[&VaultKey]| Settings { keys: KeySource::Given(keys.iter().copied().cloned().collect()), ..settings(folder.path()) };
    let key = filled(given(&[&old])).await;
    assert!(!folder.path().join(KEY_FILE).exists(), "a key that is given is not written down");

    let store = SqliteStore::open(given(&[&new, &old])).expect("opens with both");
    assert_eq!(secret(&store, &key).await.as_deref(), Ok("correct horse battery"));
    assert_eq!(store.rotate_key().await.expect("rotated").key_id, new.id());
    assert_eq!(store.rotate_key().await.expect("rotated").resealed, 0, "once is enough");
    store.close().await;

    let store = SqliteStore::open(given(&[&new])).expect("opens with the new one alone");
    assert_eq!(secret(&store, &key).await.as_deref(), Ok("correct horse battery"));
    store.close().await;
    let refused = SqliteStore::open(given(&[&old])).expect_err("the old one opens nothing");
    assert_eq!(refused, OpenError::WrongKey(VaultError::UnknownKey(new.id())));
}

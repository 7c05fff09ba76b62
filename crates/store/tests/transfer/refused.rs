//! What is refused, and that nothing was done then.

use std::path::PathBuf;

use countersign_core::Secret;
use countersign_store::{
    conformance::World,
    postgres::{KeySource, PostgresSource, Settings},
    sqlite::SqliteSource,
    transfer::{TransferError, check, export, keys_in},
    vault::VaultError,
};
use countersign_testkit::PostgresServer;
use tempfile::TempDir;

use super::support::{KEY, Place, full_store, keys, runtime, vault};

/// A folder with a store and its export.
async fn exported() -> (TempDir, Place, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, _) = full_store(folder.path()).await;
    let file = folder.path().join("a.export");
    first.export(&file).await.expect("exported");
    (folder, first, file)
}

#[test]
fn a_wrong_key_is_refused_before_anything_is_made() {
    runtime().block_on(async {
        let (folder, _, file) = exported().await;
        let refused = check(&file, Some(&vault(8)), &mut |_| {}).expect_err("the key is another one");
        let reason = VaultError::UnknownKey(keys(KEY)[0].id());
        let what = "the value that tells a right key from a wrong one".to_owned();
        assert_eq!(refused, TransferError::WrongKey { file, what, reason });
        assert!(!folder.path().join("second").exists());
    });
}

#[test]
fn a_missing_key_file_is_not_replaced_by_a_fresh_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret.key");
    assert_eq!(keys_in(&file).expect_err("there is none"), TransferError::NoKey(file.clone()));
    assert!(!file.exists());
    std::fs::write(&file, "no key").expect("written");
    assert!(matches!(keys_in(&file), Err(TransferError::BadKeyFile { .. })));
    std::fs::write(&file, keys(KEY)[0].to_text().expose_secret()).expect("written");
    assert_eq!(keys_in(&file).expect("a key")[0].id(), keys(KEY)[0].id());
}

/// The key of one store does not open a secret that another key had sealed, as in the middle of a rotation.
#[test]
fn a_secret_that_none_of_the_keys_opens_is_named() {
    runtime().block_on(async {
        let (folder, first, file) = exported().await;
        let database = folder.path().join("first/countersign.db");
        let conn = rusqlite::Connection::open(database).expect("opens");
        conn.execute("UPDATE object SET sealed = zeroblob(60) WHERE kind = 'signing_key' AND id = 'b'", []).expect("written");
        std::fs::remove_file(&file).expect("there");
        first.export(&file).await.expect("exported");
        let refused = check(&file, Some(&vault(KEY)), &mut |_| {}).expect_err("it does not open");
        assert!(refused.to_string().contains("a secret of signing_key b"), "{refused}");
    });
}

#[test]
fn an_altered_or_cut_file_is_refused_with_the_place() {
    runtime().block_on(async {
        let (_folder, _, file) = exported().await;
        let whole = std::fs::read(&file).expect("read");
        for at in [whole.len() / 3, whole.len() / 2, whole.len() - 50] {
            let mut altered = whole.clone();
            altered[at] ^= 0x10;
            std::fs::write(&file, &altered).expect("written");
            match check(&file, None, &mut |_| {}) {
                Err(TransferError::Damaged { from, to, .. }) => assert!((from..to).contains(&(at as u64)), "byte {at}: {from}..{to}"),
                other => panic!("byte {at}: {other:?}"),
            }
            std::fs::write(&file, &whole[..at]).expect("written");
            let expected = TransferError::Truncated { file: file.clone(), at: at as u64 };
            assert_eq!(check(&file, None, &mut |_| {}), Err(expected));
        }
        std::fs::write(&file, [&whole[..], b"more"].concat()).expect("written");
        assert!(matches!(check(&file, None, &mut |_| {}), Err(TransferError::Truncated { .. } | TransferError::Damaged { .. })));
    });
}

#[test]
fn other_files_and_newer_forms_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.export");
    std::fs::write(&file, "countersign export 2\n...").expect("written");
    assert_eq!(check(&file, None, &mut |_| {}), Err(TransferError::NewerForm { file: file.clone(), found: 2, known: 1 }));
    std::fs::write(&file, "a text").expect("written");
    assert_eq!(check(&file, None, &mut |_| {}), Err(TransferError::NotAnExport(file.clone())));
    std::fs::remove_file(&file).expect("there");
    assert!(matches!(check(&file, None, &mut |_| {}), Err(TransferError::File { .. })));
}

#[test]
fn nothing_is_overwritten_and_a_missing_folder_is_named() {
    runtime().block_on(async {
        let (folder, first, file) = exported().await;
        assert_eq!(first.export(&file).await, Err(TransferError::Exists(file.clone())));
        let elsewhere = folder.path().join("missing/a.export");
        assert_eq!(first.export(&elsewhere).await, Err(TransferError::NoFolder(elsewhere)));
        let nowhere = Place::embedded(folder.path(), "nowhere");
        let refused = nowhere.export(&folder.path().join("b")).await.expect_err("there is no store");
        assert!(refused.to_string().contains("name the data directory of the server"), "{refused}");
    });
}

#[test]
fn a_store_that_is_not_empty_or_in_use_takes_no_import() {
    let server = PostgresServer::start();
    runtime().block_on(async {
        let (folder, _, file) = exported().await;
        let mut places = vec![Place::embedded(folder.path(), "second")];
        if let Some(server) = &server {
            server.create_database("second", "template1");
            places.push(Place::Postgres(server.url("second")));
        }
        for place in &places {
            let world: World = place.world().await;
            if matches!(place, Place::Postgres(_)) {
                // A node that lives; in a data directory the lock says it.
                let now = countersign_core::Timestamp::from_secs(u32::MAX.into());
                let node = world.store.register_node("a node", 1, now, countersign_store::conformance::LONG).await.expect("registered");
                let refused = place.import(&file).await.expect_err("it is in use");
                assert!(refused.to_string().contains("is in use by node 'a node'; stop it first"), "{refused}");
                world.store.retire_node(node.incarnation, now).await.expect("retired");
            }
            world.account().await;
            world.store.close().await;
            let refused = place.import(&file).await.expect_err("it is not empty");
            assert!(matches!(refused, TransferError::NotEmpty { table: "account", .. }), "{refused}");
            place.open().await.close().await;
        }
    });
}

/// A store that was opened once, and holds nothing, is empty: `migrate` makes such a one.
#[test]
fn an_empty_store_that_was_opened_before_takes_an_import() {
    runtime().block_on(async {
        let (folder, _, file) = exported().await;
        let second = Place::embedded(folder.path(), "second");
        second.open().await.close().await;
        assert_eq!(second.import(&file).await, Ok(0));
    });
}

#[test]
fn another_file_does_not_go_on_with_an_import() {
    runtime().block_on(async {
        let (folder, first, file) = exported().await;
        let second = Place::embedded(folder.path(), "second");
        let checked = check(&file, Some(&vault(KEY)), &mut |_| {}).expect("whole");
        let broken_off = tokio::spawn({
            let second = second.clone();
            async move { second.import_told(&checked, &mut |progress| assert!(progress.done < progress.total / 2, "broken off")).await }
        });
        assert!(broken_off.await.is_err(), "it panicked");
        let store = first.open().await;
        store.next_subscription_ids(1).await.expect("ids");
        store.close().await;
        let other = folder.path().join("b.export");
        first.export(&other).await.expect("exported");
        assert!(matches!(second.import(&other).await, Err(TransferError::OtherImport { .. })));
        assert!(second.import(&file).await.expect("goes on") > 0);
    });
}

/// Whoever moves must know that what a running node takes in afterwards is not in the file.
#[test]
fn an_export_knows_who_uses_the_store() {
    let server = PostgresServer::start();
    runtime().block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::embedded(folder.path(), "used");
        let world = place.world().await;
        let now = countersign_core::Timestamp::from_secs(1_763_800_000);
        world.store.register_node("a node", 1, now, countersign_store::conformance::LONG).await.expect("registered");
        let used = folder.path().join("used");
        let mut source = SqliteSource::open(&used, now.as_micros()).expect("opens");
        assert_eq!(source.used_by(), Some("a node"));
        assert_eq!(SqliteSource::open(&used, i64::MAX).expect("opens").used_by(), None, "its life is over");
        export(&mut source, &folder.path().join("a.export"), &mut |_| {}).await.expect("exported");
        world.store.close().await;

        let Some(server) = &server else { return };
        server.create_database("used", "template1");
        let place = Place::Postgres(server.url("used"));
        let world = place.world().await;
        let settings = Settings::new(Secret::new(server.url("used")), KeySource::Given(keys(KEY)));
        assert_eq!(PostgresSource::open(&settings).await.expect("opens").used_by(), None);
        let now = countersign_core::Timestamp::from_secs(u32::MAX.into());
        world.store.register_node("a node", 1, now, countersign_store::conformance::LONG).await.expect("registered");
        assert_eq!(PostgresSource::open(&settings).await.expect("opens").used_by(), Some("a node"));
        world.store.close().await;
    });
}

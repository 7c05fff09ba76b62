//! Replacing the secret key on PostgreSQL: while nodes run that have it, and not while others do.

use std::{path::Path, sync::Arc, time::Duration};

use countersign_core::{
    Secret, Timestamp,
    config::{ConfigKind, Secrets},
    id::AccountId,
};
use countersign_store::{
    Store, StoreError,
    objects::{Object, ObjectKey},
    postgres::{KeySource, OpenError, PostgresStore, RotateError, Settings},
    vault::{KEY_BYTES, VaultKey},
};
use countersign_testkit::PostgresServer;

const LEASE: Duration = Duration::from_secs(3_600);

fn key(number: u8) -> VaultKey {
    VaultKey::new([number; KEY_BYTES])
}

fn given(server: &PostgresServer, database: &str, numbers: &[u8]) -> Settings {
    let keys = KeySource::Given(numbers.iter().map(|number| key(*number)).collect());
    Settings { connections: 4, hints: false, ..Settings::new(Secret::new(server.url(database)), keys) }
}

async fn open(settings: &Settings) -> PostgresStore {
    PostgresStore::open(settings.clone()).await.expect("opens")
}

fn object(number: usize) -> (String, Object) {
    let secrets: Secrets = [("text".to_owned(), Secret::new(format!("secret {number}")))].into();
    (format!("key-{number}"), Object { body: "{}".into(), secrets, contents: Vec::new() })
}

async fn put(store: &PostgresStore, account: AccountId, number: usize) {
    let (id, object) = object(number);
    let key = ObjectKey { account, kind: ConfigKind::SigningKey, id };
    store.put_object(key, object, None).await.expect("stored").expect("taken");
}

async fn reads(store: &PostgresStore, account: AccountId, count: usize) {
    for number in 0..count {
        let (id, object) = object(number);
        let read = store.object(ObjectKey { account, kind: ConfigKind::SigningKey, id }).await.expect("opens").expect("exists");
        assert_eq!(read.object.secrets["text"].expose_secret(), object.secrets["text"].expose_secret());
    }
}

/// An account with a subscription and more secrets than one step takes.
async fn filled(store: &PostgresStore, count: usize) -> AccountId {
    let guid = countersign_core::id::AccountGuid(uuid::Uuid::from_u128(7));
    let account = store.create_account(guid, "One", Timestamp::EPOCH).await.expect("stored").expect("new").id;
    let subscription = store.next_subscription_ids(1).await.expect("ids")[0];
    store.put_subscription(account, subscription, object(0).1, true).await.expect("stored").expect("new");
    for number in 0..count {
        put(store, account, number).await;
    }
    account
}

/// Between the look at the nodes and the first step no node registers that could not read what is sealed from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_registers_at_the_same_time_keeps_the_key_from_being_replaced() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("meanwhile", "template1");
    let old = open(&given(&server, "meanwhile", &[1])).await;
    let account = filled(&old, 3).await;
    let (registering, driver) = tokio_postgres::connect(&server.url("meanwhile"), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(driver);
    let late = "BEGIN; SELECT next FROM sequence WHERE name = 'node' FOR UPDATE;
        INSERT INTO node (incarnation, name, number, started_at, expires_at, fenced) VALUES (1, 'late', 1, 0, 9000000000000000, false)";
    registering.batch_execute(late).await.expect("a node that has not committed yet");
    let both = given(&server, "meanwhile", &[2, 1]);
    let rotating = open(&both).await;
    let rotation = tokio::spawn(async move { rotating.rotate_key(&both).await });
    while server.ask("meanwhile", "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") != ["t"] {
        assert!(!rotation.is_finished(), "it waits for the node to be there, or not");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    registering.batch_execute("COMMIT").await.expect("registered");
    let refused = rotation.await.expect("it does not panic").expect_err("the node would read nothing any more");
    let RotateError::NodesWithoutKey { nodes, .. } = &refused else { panic!("{refused}") };
    assert_eq!(nodes, &["late"]);
    reads(&old, account, 3).await;
    old.close().await;
}

/// In steps, without a stop: nodes that have both keys go on before, during and after it.
#[tokio::test]
async fn nodes_that_have_both_keys_go_on_while_everything_is_sealed_again() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("either", "template1");
    let old = open(&given(&server, "either", &[1])).await;
    let account = filled(&old, 250).await;
    let now = Timestamp::from_secs(4_000_000_000);
    let node = old.register_node("old/1", 1, now, LEASE).await.expect("registered").incarnation;

    let both = given(&server, "either", &[2, 1]);
    let rotating = open(&both).await;
    let refused = rotating.rotate_key(&both).await.expect_err("a node would read nothing any more");
    let RotateError::NodesWithoutKey { nodes, .. } = &refused else { panic!("{refused}") };
    assert_eq!(nodes, &["old/1"]);
    assert!(refused.to_string().contains("COUNTERSIGN_SECRET_KEY=new,old"), "{refused}");
    assert!(!refused.to_string().contains(key(2).to_text().expose_secret()));
    reads(&old, account, 250).await;
    old.retire_node(node, now).await.expect("retired");

    let node = open(&both).await;
    node.register_node("new/2", 2, now, LEASE).await.expect("registered");
    let rotated = rotating.rotate_key(&both).await.expect("rotated");
    assert_eq!((rotated.resealed, rotated.key_id), (251, key(2).id()));
    reads(&node, account, 250).await;
    put(&node, account, 250).await;
    let again = rotating.rotate_key(&both).await.expect("rotated");
    assert_eq!(again.resealed, 0, "given again it finds everything done");

    // The new key alone opens everything; the old one is told what to do, at its start and where it wakes.
    let new = open(&given(&server, "either", &[2])).await;
    reads(&new, account, 251).await;
    let refused = PostgresStore::open(given(&server, "either", &[1])).await.err();
    assert!(matches!(refused, Some(OpenError::WrongKey(_))), "{refused:?}");
    let refused = PostgresStore::open(given(&server, "either", &[1, 2])).await.err();
    assert_eq!(refused, Some(OpenError::RetiredKey(key(1).id())));
    let refused = old.register_node("old/1", 3, now, LEASE).await;
    let Err(StoreError::Sealed(said)) = refused else { panic!("{refused:?}") };
    assert!(said.contains("restart it"), "{said}");
}

/// Broken off at any row it goes on where it was.
#[tokio::test]
async fn a_rotation_that_was_broken_off_goes_on() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("broken", "template1");
    let store = open(&given(&server, "broken", &[1])).await;
    let account = filled(&store, 3).await;
    let both = given(&server, "broken", &[2, 1]);
    let rotating = open(&both).await;
    // One that is damaged ends it in the middle.
    let damage = "UPDATE object SET sealed = sealed || '\\x00' WHERE id = 'key-1'";
    let _ = server.ask("broken", damage);
    assert!(matches!(rotating.rotate_key(&both).await, Err(RotateError::Store(StoreError::Sealed(_)))));
    let _ = server.ask("broken", "UPDATE object SET sealed = substring(sealed FROM 1 FOR length(sealed) - 1) WHERE id = 'key-1'");
    assert_eq!(rotating.rotate_key(&both).await.map(|rotated| rotated.resealed), Ok(3));
    reads(&open(&given(&server, "broken", &[2])).await, account, 3).await;
}

/// With a key file the new key is made, kept before anything is sealed with it, and alone in the file at the end.
#[tokio::test]
async fn the_key_file_has_both_keys_until_all_is_sealed() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("file", "template1");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret.key");
    let settings = Settings { connections: 4, ..Settings::new(Secret::new(server.url("file")), KeySource::File(file.clone())) };
    let store = Arc::new(open(&settings).await);
    let account = filled(&store, 2).await;
    let now = Timestamp::from_secs(4_000_000_000);
    let node = store.register_node("here/1", 1, now, LEASE).await.expect("registered").incarnation;
    let old = lines(&file);
    let refused = store.rotate_key(&settings).await.expect_err("the node does not have it");
    assert!(refused.to_string().contains("secret.key, which holds both"), "{refused}");
    let both = lines(&file);
    assert_eq!((both.len(), &both[1]), (2, &old[0]));
    store.retire_node(node, now).await.expect("retired");
    let rotated = open(&settings).await.rotate_key(&settings).await.expect("rotated");
    assert_eq!((rotated.resealed, lines(&file)), (3, vec![both[0].clone()]), "the key that was made before");
    reads(&open(&settings).await, account, 2).await;
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).expect("a key file").lines().map(str::to_owned).collect()
}

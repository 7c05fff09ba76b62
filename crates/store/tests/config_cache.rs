//! The configuration cache over a real store.

use std::{collections::BTreeSet, sync::Arc};

use countersign_core::{
    Secret, Timestamp,
    auth::BasicCredentials,
    config::{ConfigKind, Configured, SigningKey},
    id::{AccountGuid, AccountId, CredentialId, EnvelopeId, SubscriptionId},
    subscription::{Activity, MessageShape, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};
use countersign_store::{
    Store,
    cache::ConfigCache,
    objects::{Object, ObjectKey},
    record::{Record, Recorded},
    sqlite::{Settings, SqliteStore},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

struct House {
    store: Arc<dyn Store>,
    cache: Arc<ConfigCache>,
    account: AccountId,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { reserve_bytes: 0, readers: 2, ..Settings::new(folder.path()) };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(settings).expect("opens"));
    let account = store.create_account(AccountGuid(uuid::Uuid::from_u128(7)), "One", NOW).await.expect("stored").expect("new").id;
    House { cache: Arc::new(ConfigCache::new(Arc::clone(&store))), store, account, _folder: folder }
}

fn subscription(id: SubscriptionId, account: AccountId, scope: Scope) -> Subscription {
    Subscription {
        id,
        account,
        scope,
        name: "first".into(),
        url: "https://listener.example/hook".parse().expect("a URL"),
        activity: Activity::Active,
        paused: false,
        users: Users::All,
        events: WantedEvents::default(),
        shape: MessageShape::JsonSim,
        include: BTreeSet::new(),
        proofs: Proofs { basic: Some(BasicCredentials::try_new("ann", Secret::new("hush hush")).expect("fine")), ..Proofs::default() },
        pace: Pace::default(),
        headers: Vec::new(),
        require_acknowledgement: true,
        log: true,
        created_at: NOW,
        failing_since: None,
        times_gone: 0,
        revision: 0,
        extra: serde_json::Map::new(),
    }
}

impl House {
    async fn put(&self, subscription: &Subscription, create: bool) {
        let object = Object::of(subscription).expect("serialises");
        self.store.put_subscription(self.account, subscription.id, object, create).await.expect("stored").expect("taken");
    }

    async fn put_key(&self, number: u64, created_at: Timestamp) {
        let id = CredentialId::from_raw(number);
        let key = SigningKey { id, created_at, hint: "abcd".into(), secret: Secret::new(format!("a key of enough bytes {number}")) };
        let place = ObjectKey { account: self.account, kind: ConfigKind::SigningKey, id: id.to_string() };
        self.store.put_object(place, Object::of(&key).expect("serialises"), Some(0)).await.expect("stored").expect("new");
    }

    async fn new_id(&self) -> SubscriptionId {
        self.store.next_subscription_ids(1).await.expect("ids")[0]
    }
}

#[tokio::test]
async fn an_account_is_loaded_once_with_everything_that_sending_needs() {
    let house = house().await;
    let id = house.new_id().await;
    house.put(&subscription(id, house.account, Scope::Account), true).await;
    // Ids do not decide the order of keys: the time of creation does.
    house.put_key(2, NOW).await;
    house.put_key(1, NOW + std::time::Duration::from_secs(1)).await;
    let first = house.cache.account(house.account).await.expect("read").expect("exists");
    assert_eq!(first.subscriptions.keys().collect::<Vec<_>>(), [&id]);
    let secrets = first.subscriptions[&id].secrets();
    assert!(secrets.values().any(|secret| secret.expose_secret() == "hush hush"), "secrets are put back");
    assert_eq!(first.hmac_keys.len(), 2);
    let again = house.cache.account(house.account).await.expect("read").expect("exists");
    assert!(Arc::ptr_eq(&first, &again), "one value for all");
    assert!(house.cache.account(AccountId(5)).await.expect("read").is_none());
}

/// What people put into headers is often a secret: the values are sealed with the others.
#[tokio::test]
async fn values_of_own_headers_are_sealed_and_put_back() {
    let house = house().await;
    let id = house.new_id().await;
    let headers = vec![("X-Api-Key".to_owned(), "open sesame".to_owned()), ("X-Empty".to_owned(), String::new())];
    let asked = Subscription { headers: headers.clone(), ..subscription(id, house.account, Scope::Account) };
    house.put(&asked, true).await;
    let read = async || house.cache.account(house.account).await.expect("read").expect("exists").subscriptions[&id].clone();
    assert_eq!(read().await.headers, headers);
    assert!(read().await.proofs.basic.as_ref().is_some_and(|basic| basic.secrets()[0].1.expose_secret() == "hush hush"));
    for entry in std::fs::read_dir(house._folder.path()).expect("listed") {
        let bytes = std::fs::read(entry.expect("listed").path()).expect("read");
        assert!(!bytes.windows(11).any(|part| part == b"open sesame"));
    }

    // A row of before has them in its body, and nothing of them among the secrets.
    let mut of_before = Object::of(&asked).expect("serialises");
    of_before.body = of_before.body.replace(r#"["X-Api-Key",""]"#, r#"["X-Api-Key","of before"]"#);
    of_before.secrets.retain(|name, _| !name.starts_with("header "));
    house.store.put_subscription(house.account, id, of_before, false).await.expect("stored").expect("taken");
    house.cache.invalidate(house.account);
    assert_eq!(read().await.headers[0].1, "of before");
}

#[tokio::test]
async fn a_herd_gets_one_value() {
    let house = house().await;
    let mut herd = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (cache, account) = (Arc::clone(&house.cache), house.account);
        herd.spawn(async move { cache.account(account).await.expect("read").expect("exists") });
    }
    let all = herd.join_all().await;
    assert!(all.iter().all(|config| Arc::ptr_eq(config, &all[0])));
}

#[tokio::test]
async fn a_write_of_this_process_is_seen_after_its_invalidation_and_of_another_after_a_poll() {
    let house = house().await;
    let id = house.new_id().await;
    let mut changed = subscription(id, house.account, Scope::Account);
    house.put(&changed, true).await;
    let name = async || house.cache.account(house.account).await.expect("read").expect("exists").subscriptions[&id].name.clone();
    assert_eq!(name().await, "first");
    changed.name = "second".into();
    house.put(&changed, false).await;
    assert_eq!(name().await, "first", "nobody told the cache");
    house.cache.invalidate(house.account);
    assert_eq!(name().await, "second");
    changed.name = "third".into();
    house.put(&changed, false).await;
    house.cache.poll().await.expect("compared");
    assert_eq!(name().await, "third");
    let before = house.cache.account(house.account).await.expect("read").expect("exists");
    house.cache.poll().await.expect("compared");
    let after = house.cache.account(house.account).await.expect("read").expect("exists");
    assert!(Arc::ptr_eq(&before, &after), "a poll that finds nothing new forgets nothing");
}

#[tokio::test]
async fn envelope_subscriptions_follow_the_version_of_their_account() {
    let house = house().await;
    let id = house.new_id().await;
    let envelope = EnvelopeId(uuid::Uuid::from_u128(9));
    let mut changed = subscription(id, house.account, Scope::Envelope(envelope));
    let item = Record {
        account: house.account,
        config: None,
        envelope: None,
        events: Vec::new(),
        deliveries: Vec::new(),
        subscriptions: vec![(id, envelope, Object::of(&changed).expect("serialises"))],
        idempotency: None,
    };
    assert_eq!(house.store.record(vec![item]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    let find = async || house.cache.subscription(house.account, id).await.expect("read");
    let (config, first) = find().await.expect("exists");
    assert!(config.subscriptions.is_empty(), "it is not an account-level one");
    assert!(Arc::ptr_eq(&first, &find().await.expect("exists").1), "remembered");
    changed.paused = true;
    let object = Object::of(&changed).expect("serialises");
    house.store.put_subscription_at(house.account, id, object, changed.revision).await.expect("stored").expect("exists");
    house.cache.invalidate(house.account);
    assert!(find().await.expect("exists").1.paused);
    assert!(house.cache.subscription(AccountId(5), id).await.expect("read").is_none(), "of another account");
    house.store.delete_subscription(house.account, id, NOW).await.expect("stored").expect("existed");
    house.cache.poll().await.expect("compared");
    assert!(find().await.is_none());
}

//! Rows about accounts, subscriptions, objects and the version of a configuration.

use countersign_core::{
    Secret,
    account::{ApiToken, Right},
    config::{ConfigKind, Secrets},
    delivery::{DeliveryState, Hold},
    id::{AccountGuid, AccountId, SubscriptionId},
};

use super::world::{START, World, at, held, object, record, waiting_until};
use crate::{
    Refused,
    objects::{Object, ObjectKey, StoredToken},
    record::{EnvelopeChange, Record, Recorded},
};

fn guid(number: u64) -> AccountGuid {
    AccountGuid(uuid::Uuid::from_u64_pair(1, number))
}

fn secrets(pairs: &[(&str, &str)]) -> Secrets {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Secret::new(*text))).collect()
}

fn exposed(secrets: &Secrets) -> Vec<(&str, &str)> {
    secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose_secret())).collect()
}

/// Accounts are numbered from 10000001 and found by number and GUID; a GUID is used once.
pub async fn accounts_are_numbered_and_found_by_guid(world: World) {
    let first = world.store.create_account(guid(1), "One", START).await.expect("stored").expect("new");
    let second = world.store.create_account(guid(2), "Two", at(1)).await.expect("stored").expect("new");
    assert_eq!((first.id, second.id), (AccountId(10_000_001), AccountId(10_000_002)));
    assert_eq!((second.name.as_str(), second.created_at), ("Two", at(1)));
    assert_eq!(world.store.create_account(guid(1), "Again", START).await.expect("answered"), Err(Refused::Exists));
    assert_eq!(world.store.accounts().await.expect("read"), [first.clone(), second.clone()]);
    assert_eq!(world.store.account_by_guid(guid(2)).await.expect("read"), Some(second));
    assert_eq!(world.store.account_by_guid(guid(3)).await.expect("read"), None);
    assert_eq!(world.store.account(first.id).await.expect("read").map(|(account, _)| account), Some(first));
    assert_eq!(world.store.account(AccountId(7)).await.expect("read"), None);
}

/// Of many that start on an empty store at once one makes the account, and one its token.
pub async fn of_many_first_starts_one_makes_account_and_token(world: World) {
    let starts = (0..8).map(|number| {
        let store = std::sync::Arc::clone(&world.store);
        tokio::spawn(async move { store.create_first_account(guid(number), "First", START).await.expect("answered") })
    });
    let mut made = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        made.extend(start.await.expect("it does not panic").ok());
    }
    assert_eq!(world.store.accounts().await.expect("read"), made);
    let [account] = &made[..] else { panic!("{made:?}") };
    assert_eq!(world.store.create_first_account(guid(9), "Later", START).await.expect("answered"), Err(Refused::Exists));
    let tokens = (1..=8).map(|number| {
        let token = ApiToken {
            id: world.credential_id(),
            account: account.id,
            user: world.user_id(),
            name: "first token".into(),
            right: Right::Admin,
            hint: "abcd".into(),
            created_at: START,
            expires_at: None,
        };
        let store = std::sync::Arc::clone(&world.store);
        tokio::spawn(async move { store.put_first_token(StoredToken { sha256: [number; 32], token }).await.expect("answered") })
    });
    let mut kept = 0;
    for token in tokens.collect::<Vec<_>>() {
        kept += u32::from(token.await.expect("it does not panic").is_ok());
    }
    assert_eq!((kept, world.store.tokens(account.id).await.expect("read").len()), (1, 1));
}

/// A change of the account itself raises its version; the GUID and the number stay.
pub async fn a_changed_account_has_a_new_version(world: World) {
    let account = world.store.create_account(guid(1), "One", START).await.expect("stored").expect("new");
    let before = world.version(account.id).await;
    let renamed = countersign_core::account::Account {
        name: "Renamed".into(),
        recipient_domains: ["example.com".to_owned()].into(),
        time_zone: "Pacific Standard Time".into(),
        time_zone_offset_hours: -8,
        ..account.clone()
    };
    assert_eq!(world.store.update_account(renamed.clone()).await.expect("stored"), Ok(()));
    let (read, after) = world.store.account(account.id).await.expect("read").expect("exists");
    assert_eq!(read, renamed);
    assert!(after > before);
    for (row, wrong) in [
        ("another number", countersign_core::account::Account { id: AccountId(5), ..renamed.clone() }),
        ("another GUID", countersign_core::account::Account { guid: guid(9), ..renamed }),
    ] {
        assert_eq!(world.store.update_account(wrong).await.expect("answered"), Err(Refused::NotFound), "{row}");
    }
}

/// Subscriptions are numbered from 10000001; numbers are handed out once.
pub async fn subscription_numbers_are_handed_out_once(world: World) {
    let first = world.store.next_subscription_ids(2).await.expect("ids");
    let second = world.store.next_subscription_ids(1).await.expect("ids");
    assert_eq!(first, [SubscriptionId(10_000_001), SubscriptionId(10_000_002)]);
    assert_eq!(second, [SubscriptionId(10_000_003)]);
}

/// A subscription is created once, changed where it is, read with its secrets, and each change raises the version.
pub async fn subscriptions_are_created_changed_and_read(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let id = world.store.next_subscription_ids(1).await.expect("ids")[0];
    let mut last = world.version(account).await;
    let body = |text: &str, secret: &str| Object { secrets: secrets(&[("basic_password", secret)]), ..object(text) };
    for (row, of, create, refused) in [
        ("changed before it is created", account, false, Some(Refused::NotFound)),
        ("created", account, true, None),
        ("created again", account, true, Some(Refused::Exists)),
        ("created again elsewhere", other, true, Some(Refused::Exists)),
        ("changed", account, false, None),
        ("changed from elsewhere", other, false, Some(Refused::NotFound)),
        ("created in no account", AccountId(9), true, Some(Refused::Exists)),
    ] {
        let answer = world.store.put_subscription(of, id, body(&format!("{{\"row\":\"{row}\"}}"), row), create).await.expect("answered");
        match refused {
            Some(refused) => assert_eq!(answer, Err(refused), "{row}"),
            None => {
                let version = answer.expect(row);
                assert!(version > last, "{row}");
                last = version;
                let (found, read) = world.store.subscription(id).await.expect("read").expect("exists");
                assert_eq!((found, read.body), (account, format!("{{\"row\":\"{row}\"}}")), "{row}");
                assert_eq!(exposed(&read.secrets), [("basic_password", row)], "{row}");
            }
        }
    }
    let (version, all) = world.store.subscriptions(account).await.expect("read");
    assert_eq!(version, last);
    assert_eq!(all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id]);
    assert_eq!(exposed(&all[0].1.secrets), [("basic_password", "changed")]);
    assert!(world.store.subscriptions(other).await.expect("read").1.is_empty());
}

/// Who names the revision that was read changes nothing that somebody else has changed since.
pub async fn a_subscription_is_changed_at_the_revision_that_was_read(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let id = world.store.next_subscription_ids(1).await.expect("ids")[0];
    let body = |revision: u64| object(&format!("{{\"revision\":{revision}}}"));
    world.store.put_subscription(account, id, object("{}"), true).await.expect("stored").expect("new");
    let changed = Refused::WrongState("it was changed in the meantime".to_owned());
    for (row, of, read, expected) in [
        ("a later one", account, 1, Some(changed.clone())),
        ("made before there were revisions", account, 0, None),
        ("an earlier one", account, 0, Some(changed)),
        ("the present one", account, 1, None),
        ("of somebody else", other, 2, Some(Refused::NotFound)),
    ] {
        let before = world.version(account).await;
        let answer = world.store.put_subscription_at(of, id, body(read + 1), read).await.expect("answered");
        match expected {
            None => assert!(answer.expect(row) > before, "{row}"),
            Some(refused) => {
                assert_eq!(answer, Err(refused), "{row}");
                assert_eq!(world.version(account).await, before, "{row}");
            }
        }
    }
    assert_eq!(world.store.subscription(id).await.expect("read").expect("exists").1.body, "{\"revision\":2}");
}

/// A deleted subscription is gone, what waits for it is cancelled, what is parked or under way stays.
pub async fn deleting_a_subscription_cancels_what_waits(world: World) {
    let (account, subscription) = world.subscribed().await;
    let kept = world.subscription(account).await;
    let by = world.node().await;
    let mut waiting = Vec::new();
    // More than are cancelled in one step of any backend.
    let event = world.event(account);
    let deliveries: Vec<_> = (0..1_200).map(|_| world.delivery(&event, subscription, 7)).collect();
    world.record(vec![event], deliveries.clone()).await;
    waiting.extend([deliveries[0].clone(), deliveries[1_199].clone()]);
    waiting.push(world.recorded_as(account, subscription, 7, held(START, Hold::Paused)).await);
    let leased = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    let other = world.waiting(account, kept, 7).await;
    let before = world.version(account).await;
    assert_eq!(
        world.store.delete_subscription(world.account().await, subscription, at(1)).await.expect("answered"),
        Err(Refused::NotFound),
        "from another account"
    );
    let version = world.store.delete_subscription(account, subscription, at(1)).await.expect("stored").expect("existed");
    assert!(version > before);
    for delivery in &waiting {
        assert_eq!(world.state(delivery).await, DeliveryState::Cancelled { at: at(1) });
    }
    assert_eq!(world.state(&leased).await, DeliveryState::Leased { by });
    assert_eq!(world.state(&other).await, waiting_until(START));
    assert_eq!(world.store.backlog(Some(account), None).await.expect("read").waiting, 1);
    assert!(world.store.subscription(subscription).await.expect("read").is_none());
    assert_eq!(world.store.delete_subscription(account, subscription, at(2)).await.expect("answered"), Err(Refused::NotFound));
}

/// Envelope-level subscriptions are changed in their place and raise the version like others, and are written by nobody who means one of the
/// account.
pub async fn envelope_subscriptions_are_changed_in_place(world: World) {
    let (account, _) = world.subscribed().await;
    let row = world.envelope_row(account);
    let id = world.store.next_subscription_ids(1).await.expect("ids")[0];
    let sealed = Object { secrets: secrets(&[("oauth", "hush")]), ..object("{}") };
    let item = Record {
        envelope: Some(EnvelopeChange { read: None, row: row.clone(), timers: Vec::new() }),
        subscriptions: vec![(id, row.id, sealed)],
        ..record(account)
    };
    assert_eq!(world.store.record(vec![item]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    let (_, read) = world.store.subscription(id).await.expect("read").expect("exists");
    assert_eq!(exposed(&read.secrets), [("oauth", "hush")]);
    let before = world.version(account).await;
    let version = world.store.put_subscription_at(account, id, object("{\"paused\":true}"), 0).await.expect("stored").expect("exists");
    assert!(version > before);
    let found = world.store.envelope_subscriptions(account, row.id).await.expect("read");
    assert_eq!((found[0].1.body.as_str(), found[0].1.secrets.len()), ("{\"paused\":true}", 0));
    let refused = Err(Refused::NotFound);
    assert_eq!(world.store.put_subscription(account, id, object("{}"), false).await.expect("answered"), refused);
    let other = world.account().await;
    assert_eq!(world.store.put_subscription_at(other, id, object("{}"), 0).await.expect("answered"), refused);
    assert!(world.store.envelope_subscriptions(other, row.id).await.expect("read").is_empty());
    assert!(world.store.delete_subscription(account, id, at(1)).await.expect("stored").is_ok());
    assert!(world.store.envelope_subscriptions(account, row.id).await.expect("read").is_empty());
}

/// An object is written under the revision that was read; hot kinds raise the configuration's version, others do not.
pub async fn objects_are_written_under_the_revision_read(world: World) {
    for (kind, hot) in [(ConfigKind::SigningKey, true), (ConfigKind::User, false)] {
        let account = world.account().await;
        let key = ObjectKey { account, kind, id: "one".into() };
        let mut revision = 0;
        for (row, read, refused) in [
            ("changed before it exists", Some(1), Some(Refused::NotFound)),
            ("created", Some(0), None),
            ("created again", Some(0), Some(Refused::Exists)),
            ("changed", Some(1), None),
            ("changed under an old revision", Some(1), Some(Refused::StaleConfig(world.version(account).await))),
            ("overwritten", None, None),
        ] {
            let before = world.version(account).await;
            let body = Object { secrets: secrets(&[("secret", row)]), ..object(&format!("{{\"row\":\"{row}\"}}")) };
            let answer = world.store.put_object(key.clone(), body, read).await.expect("answered");
            match (refused, answer) {
                (Some(Refused::StaleConfig(_)), Err(Refused::StaleConfig(now))) => assert_eq!(now, before, "{row}"),
                (Some(refused), answer) => assert_eq!(answer, Err(refused), "{row}"),
                (None, answer) => {
                    let written = answer.expect(row);
                    assert!(written > revision, "{row}");
                    revision = written;
                    let stored = world.store.object(key.clone()).await.expect("read").expect("exists");
                    assert_eq!((stored.revision, stored.object.body), (revision, format!("{{\"row\":\"{row}\"}}")), "{row}");
                    assert_eq!(exposed(&stored.object.secrets), [("secret", row)], "{row}");
                    assert_eq!(world.version(account).await > before, hot, "{row}");
                }
            }
        }
        let before = world.version(account).await;
        assert_eq!(world.store.delete_object(key.clone()).await.expect("stored"), Ok(()));
        assert_eq!(world.version(account).await > before, hot);
        assert!(world.store.object(key.clone()).await.expect("read").is_none());
        assert_eq!(world.store.delete_object(key).await.expect("answered"), Err(Refused::NotFound));
    }
}

/// Objects are listed by id, page by page, per account and kind; some are found without their account.
pub async fn objects_are_listed_by_id_and_found_across_accounts(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let key = |account, kind, id: &str| ObjectKey { account, kind, id: id.into() };
    for (of, kind, id) in [
        (account, ConfigKind::User, "b"),
        (account, ConfigKind::User, "c"),
        (account, ConfigKind::User, "a"),
        (account, ConfigKind::IntegrationKey, "x"),
        (other, ConfigKind::User, "d"),
    ] {
        world.store.put_object(key(of, kind, id), object(&format!("\"{id}\"")), Some(0)).await.expect("stored").expect("new");
    }
    let list = async |after: Option<&str>, limit| {
        let found = world.store.objects(account, ConfigKind::User, after.map(str::to_owned), limit).await.expect("read");
        found.into_iter().map(|stored| stored.key.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 10).await, ["a", "b", "c"]);
    assert_eq!(list(None, 2).await, ["a", "b"]);
    assert_eq!(list(Some("b"), 2).await, ["c"]);
    let found = world.store.find_object(ConfigKind::User, "d").await.expect("read").expect("exists");
    assert_eq!(found.key, key(other, ConfigKind::User, "d"));
    assert!(world.store.find_object(ConfigKind::User, "x").await.expect("read").is_none(), "of another kind");
    let nowhere = key(AccountId(9), ConfigKind::User, "a");
    assert_eq!(world.store.put_object(nowhere, object("1"), None).await.expect("answered"), Err(Refused::NotFound));
}

/// The present versions of many accounts; those that do not exist are left out.
pub async fn versions_of_many_accounts_are_read_at_once(world: World) {
    let (first, second) = (world.account().await, world.account().await);
    world.subscription(second).await;
    let expected = [(first, world.version(first).await), (second, world.version(second).await)];
    assert_ne!(expected[0].1, expected[1].1);
    assert_eq!(world.store.config_versions(vec![first, AccountId(9), second]).await.expect("read"), expected);
}

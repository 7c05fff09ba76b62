//! The first start and every one after it.

use countersign_core::{
    config::ConfigKind,
    id::{AccountGuid, IdSource},
    secret::Secret,
};
use countersign_server::{
    bootstrap::{BootstrapError, FirstStart, bootstrap},
    token_text,
};
use countersign_store::{
    Store,
    sqlite::{Settings, SqliteStore},
};
use countersign_testkit::ManualClock;

fn empty() -> (SqliteStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (SqliteStore::open(Settings { reserve_bytes: 0, ..Settings::new(dir.path()) }).unwrap(), dir)
}

#[tokio::test]
async fn the_first_start_makes_an_account_and_later_ones_change_nothing() {
    let (store, _dir) = empty();
    let (ids, now) = (IdSource::new(1), ManualClock::new().now());
    let first = bootstrap(&store, &ids, &FirstStart::default(), now).await.unwrap();
    assert!(first.is_new_account);
    let token = first.new_token.expect("a token to be shown once");
    let stored = store.token(token_text::sha256(token.expose_secret())).await.unwrap().expect("kept by its hash");
    assert_eq!((stored.token.account, stored.token.user), (first.account.id, first.user));

    let second = bootstrap(&store, &ids, &FirstStart::default(), now).await.unwrap();
    assert!(!second.is_new_account);
    assert!(second.new_token.is_none(), "a token is shown once");
    assert_eq!((second.account.id, second.user), (first.account.id, first.user));
    assert_eq!(store.accounts().await.unwrap().len(), 1);
    assert_eq!(store.tokens(first.account.id).await.unwrap().len(), 1);
}

/// Nodes of one installation that start at the same time: one account, one administrator, one token, and one node shows it.
#[tokio::test]
async fn first_starts_at_the_same_time_make_one_account() {
    let (store, _dir) = empty();
    let (ids, now) = (IdSource::new(1), ManualClock::new().now());
    let asked = FirstStart::default();
    let (one, other) = tokio::join!(bootstrap(&store, &ids, &asked, now), bootstrap(&store, &ids, &asked, now));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.account.id, one.user), (other.account.id, other.user));
    assert!(one.is_new_account != other.is_new_account && one.new_token.is_some() != other.new_token.is_some());
    assert_eq!(store.accounts().await.unwrap().len(), 1);
    assert_eq!(store.tokens(one.account.id).await.unwrap().len(), 1);
    assert_eq!(store.objects(one.account.id, ConfigKind::User, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_given_is_taken_and_a_new_token_is_added() {
    let (store, _dir) = empty();
    let (ids, now) = (IdSource::new(1), ManualClock::new().now());
    let guid = AccountGuid(uuid::Uuid::new_v4());
    let given = |token: &str| FirstStart { account: Some(guid), token: Some(Secret::new(token)), ..FirstStart::default() };
    let first = bootstrap(&store, &ids, &given("a-token-of-the-operators-own-choice"), now).await.unwrap();
    assert_eq!(first.account.guid, guid);
    assert!(first.new_token.is_none(), "a given token is not shown");
    bootstrap(&store, &ids, &given("a-token-of-the-operators-own-choice"), now).await.unwrap();
    bootstrap(&store, &ids, &given("another-token-of-the-operators-own"), now).await.unwrap();
    for token in ["a-token-of-the-operators-own-choice", "another-token-of-the-operators-own"] {
        assert!(store.token(token_text::sha256(token)).await.unwrap().is_some(), "{token}");
    }
    assert_eq!(store.tokens(first.account.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_start_that_died_half_way_is_completed() {
    let (store, _dir) = empty();
    let (ids, now) = (IdSource::new(1), ManualClock::new().now());
    store.create_account(AccountGuid(uuid::Uuid::new_v4()), "Half made", now).await.unwrap().unwrap();
    let done = bootstrap(&store, &ids, &FirstStart::default(), now).await.unwrap();
    assert!(!done.is_new_account);
    assert!(done.new_token.is_some(), "the account could not be entered");
}

#[tokio::test]
async fn a_start_that_cannot_be_meant_is_refused() {
    let (store, _dir) = empty();
    let (ids, now) = (IdSource::new(1), ManualClock::new().now());
    let token = |text: &str| FirstStart { token: Some(Secret::new(text)), ..FirstStart::default() };
    for text in ["short", "with a blank inside it", "with\u{a0}nbsp-inside", &"x".repeat(513)] {
        let refused = bootstrap(&store, &ids, &token(text), now).await.expect_err(text);
        assert!(matches!(refused, BootstrapError::BadToken(_)), "{text}: {refused}");
    }
    assert!(store.accounts().await.unwrap().is_empty(), "nothing was made");

    let here = bootstrap(&store, &ids, &token("the-token-of-the-first-account!!"), now).await.unwrap();
    let elsewhere = FirstStart { account: Some(AccountGuid(uuid::Uuid::new_v4())), ..FirstStart::default() };
    assert!(
        matches!(bootstrap(&store, &ids, &elsewhere, now).await, Err(BootstrapError::NoSuchAccount { present, .. }) if present == here.account.guid)
    );

    let other = store.create_account(AccountGuid(uuid::Uuid::new_v4()), "Other", now).await.unwrap().unwrap();
    let foreign = FirstStart { account: Some(other.guid), ..token("the-token-of-the-first-account!!") };
    assert_eq!(bootstrap(&store, &ids, &foreign, now).await.expect_err("foreign"), BootstrapError::ForeignToken(here.account.id));
}

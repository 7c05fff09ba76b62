//! Rows about API tokens and tickets.

use std::sync::Arc;

use countersign_core::account::{ApiToken, Right};

use super::world::{START, World, at};
use crate::{
    Refused,
    objects::{StoredToken, Ticket},
};

/// Tokens are found by their hash, listed newest first, revoked by id within their account.
pub async fn tokens_are_found_by_hash_listed_and_revoked(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let mut stored = Vec::new();
    for (number, of) in [(1, account), (2, account), (3, other)] {
        let token = ApiToken {
            id: world.credential_id(),
            account: of,
            user: world.user_id(),
            name: format!("token {number}"),
            right: Right::Write,
            hint: "abcd".into(),
            created_at: START,
            expires_at: (number == 2).then(|| at(5)),
        };
        stored.push(StoredToken { sha256: [number; 32], token });
        world.store.put_token(stored[stored.len() - 1].clone()).await.expect("stored");
    }
    assert_eq!(world.store.token([2; 32]).await.expect("read"), Some(stored[1].clone()), "expired or not");
    assert_eq!(world.store.token([9; 32]).await.expect("read"), None);
    assert_eq!(world.store.tokens(account).await.expect("read"), [stored[1].clone(), stored[0].clone()]);
    let id = stored[0].token.id;
    assert_eq!(world.store.delete_token(other, id).await.expect("answered"), Err(Refused::NotFound));
    assert_eq!(world.store.delete_token(account, id).await.expect("answered"), Ok(()));
    assert_eq!(world.store.token([1; 32]).await.expect("read"), None);
    assert_eq!(world.store.delete_token(account, id).await.expect("answered"), Err(Refused::NotFound));
}

/// A ticket is taken once, by its kind, before its end.
pub async fn a_ticket_is_taken_once(world: World) {
    let ticket = |number: u8, seconds| Ticket { sha256: [number; 32], kind: "signing".into(), body: "{}".into(), expires_at: at(seconds) };
    for number in 1..=3 {
        assert_eq!(world.store.put_ticket(ticket(number, 10), START).await.expect("stored"), Ok(()));
    }
    assert_eq!(world.store.put_ticket(ticket(1, 99), at(9)).await.expect("answered"), Err(Refused::Exists), "it lives");
    for (row, kind, number, now, expected) in [
        ("another kind", "code", 1, 5, None),
        ("unknown", "signing", 9, 5, None),
        ("taken", "signing", 1, 5, Some(ticket(1, 10))),
        ("taken again", "signing", 1, 5, None),
        ("after its end", "signing", 2, 10, None),
    ] {
        assert_eq!(world.store.take_ticket(kind, [number; 32], at(now)).await.expect("answered"), expected, "{row}");
    }
    assert_eq!(world.store.put_ticket(ticket(3, 99), at(10)).await.expect("answered"), Ok(()), "the earlier one has expired");
}

/// Of many who take a ticket at once one gets it.
pub async fn only_one_of_many_gets_a_ticket(world: World) {
    let ticket = Ticket { sha256: [1; 32], kind: "code".into(), body: "{}".into(), expires_at: at(10) };
    assert_eq!(world.store.put_ticket(ticket, START).await.expect("stored"), Ok(()));
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&world.store);
        takers.spawn(async move { store.take_ticket("code", [1; 32], START).await.expect("answered").is_some() });
    }
    assert_eq!(takers.join_all().await.into_iter().filter(|got| *got).count(), 1);
}

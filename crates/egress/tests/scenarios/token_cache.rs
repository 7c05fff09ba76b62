//! One request for all, ahead of time, and never a stale token.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    Secret,
    auth::{CustomParameters, OAuthConnection},
};
use countersign_egress::{BoundConnection, Clock as _, Renewal, TlsProfile, Token, TokenFailure, TokenFailureCause};
use tokio::task::JoinHandle;

use crate::{
    authorization_server::{AuthorizationServer, Source, bind, token_answer},
    server::{Authority, answer},
};

const HOUR: Duration = Duration::from_secs(3_600);

fn ask_together(source: &Source, bound: &BoundConnection, callers: usize) -> Vec<JoinHandle<Result<Token, TokenFailure>>> {
    (0..callers)
        .map(|_| {
            let (tokens, bound) = (source.tokens.clone(), bound.clone());
            tokio::spawn(async move { tokens.token(&bound).await })
        })
        .collect()
}

#[tokio::test]
async fn ten_thousand_callers_at_once_make_one_request() {
    let authority = AuthorizationServer::with(0, |number, _| token_answer(&format!("token-{number}"), "")).await;
    let (source, bound) = (Source::new(), authority.bound());
    let callers = ask_together(&source, &bound, 10_000);
    authority.read(1).await;
    authority.gate.add_permits(10_000);
    for caller in callers {
        assert_eq!(caller.await.unwrap().expect("a token").header(), "Bearer token-1");
    }
    assert_eq!(authority.requests(), 1);
}

#[tokio::test]
async fn fifty_messages_cost_one_request() {
    let authority = AuthorizationServer::start().await;
    let (source, bound) = (Source::new(), authority.bound());
    for _ in 0..50 {
        assert_eq!(source.header(&bound).await, "Bearer token-1");
    }
    let state = source.tokens.state(&bound.key()).expect("it was asked for");
    assert_eq!((authority.requests(), state.requests, state.hits), (1, 1, 49));
    assert!(state.authorized && state.last_failure.is_none());
    assert_eq!(state.expires_at, Some(source.clock.now() + HOUR));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_from_the_others() {
    let authority = AuthorizationServer::with(0, |number, _| token_answer(&format!("token-{number}"), "")).await;
    let (source, bound) = (Source::new(), authority.bound());
    let first = ask_together(&source, &bound, 1).pop().unwrap();
    authority.read(1).await;
    let others = ask_together(&source, &bound, 5);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    authority.gate.add_permits(1);
    for other in others {
        assert_eq!(other.await.unwrap().expect("a token").header(), "Bearer token-1");
    }
    assert_eq!(authority.requests(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_the_old_one_is_sent() {
    let authority = AuthorizationServer::with(1, |number, _| token_answer(&format!("token-{number}"), r#","expires_in":3600"#)).await;
    let (source, bound) = (Source::new(), authority.bound());
    assert_eq!(source.header(&bound).await, "Bearer token-1");
    source.probe().await.result.expect("a token");

    source.clock.advance(HOUR.mul_f64(0.69));
    assert_eq!(source.header(&bound).await, "Bearer token-1");
    assert_eq!(authority.requests(), 1, "it is not renewed before 70 % of its life");

    source.clock.advance(HOUR.mul_f64(0.12));
    for _ in 0..20 {
        assert_eq!(source.header(&bound).await, "Bearer token-1", "nobody waits for the renewal");
    }
    authority.read(2).await;
    assert_eq!(source.header(&bound).await, "Bearer token-1");
    authority.gate.add_permits(1);
    source.probe().await.result.expect("a token");
    assert_eq!(source.header(&bound).await, "Bearer token-2");
    assert_eq!(authority.requests(), 2, "twenty callers started one renewal");
}

#[tokio::test]
async fn an_expired_token_is_never_sent() {
    let authority = AuthorizationServer::start().await;
    let (source, bound) = (Source::new(), authority.bound());
    for number in 1..=5 {
        assert_eq!(source.header(&bound).await, format!("Bearer token-{number}"));
        source.clock.advance(HOUR);
    }
    assert_eq!(authority.requests(), 5);
}

#[tokio::test]
async fn a_failing_renewal_leaves_the_old_token_in_use_to_its_end() {
    let authority = AuthorizationServer::with(usize::MAX >> 4, |number, _| match number {
        1 => token_answer("token-1", r#","expires_in":3600"#),
        _ => answer("503 Down", &[], "maintenance"),
    })
    .await;
    let (source, bound) = (Source::new(), authority.bound());
    assert_eq!(source.header(&bound).await, "Bearer token-1");
    source.probe().await.result.expect("a token");
    source.clock.advance(HOUR.mul_f64(0.9));
    assert_eq!(source.header(&bound).await, "Bearer token-1");
    source.probe().await.result.expect_err("down");
    let state = source.tokens.state(&bound.key()).unwrap();
    assert!(state.authorized && state.failing_since == Some(source.clock.now()), "{state:?}");
    for _ in 0..20 {
        assert_eq!(source.header(&bound).await, "Bearer token-1");
    }
    assert_eq!(authority.requests(), 2, "the pause holds for renewals too");
    source.clock.advance(HOUR.mul_f64(0.1));
    let failure = source.tokens.token(&bound).await.expect_err("nothing is sent without a token");
    assert_eq!(failure.to_string(), "there is no access token: the authorization server answered 503: maintenance");
    assert!(!source.tokens.state(&bound.key()).unwrap().authorized);
}

#[tokio::test]
async fn every_change_of_a_connection_takes_effect_at_once() {
    type Change = fn(&mut OAuthConnection);
    let authority = AuthorizationServer::start().await;
    let source = Source::new();
    let changes: [Change; 5] = [
        |_| {},
        |c| c.client_secret = Secret::new("rotated"),
        |c| c.scope = Some("read".to_owned()),
        |c| c.custom_parameters = CustomParameters::new([("resource", "https://a.example/")]),
        |c| c.custom_parameters = CustomParameters::new([("resource", "https://b.example/")]),
    ];
    for round in 0..2 {
        for (at, change) in changes.iter().enumerate() {
            let mut connection = authority.connection();
            change(&mut connection);
            assert_eq!(source.header(&bind(connection)).await, format!("Bearer token-{}", at + 1), "round {round}");
        }
    }
    assert_eq!(authority.requests(), 5);
}

#[tokio::test]
async fn tokens_of_two_tls_identities_are_kept_apart() {
    let authority = AuthorizationServer::start().await;
    let source = Source::new();
    let connection = Arc::new(authority.connection());
    let other = TlsProfile::try_new(None, &[&Authority::new("own").pem]).unwrap();
    let (plain, own) = (BoundConnection::new(Arc::clone(&connection), TlsProfile::plain()), BoundConnection::new(connection, other));
    assert_eq!(source.header(&plain).await, "Bearer token-1");
    assert_eq!(source.header(&own).await, "Bearer token-2");
    assert_eq!(source.header(&plain).await, "Bearer token-1");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_held_it() {
    let authority = AuthorizationServer::start().await;
    let (source, bound) = (Source::new(), authority.bound());
    let refused = source.tokens.token(&bound).await.unwrap();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (tokens, bound, refused) = (source.tokens.clone(), bound.clone(), refused.clone());
            tokio::spawn(async move { tokens.renew(&bound, &refused).await })
        })
        .collect();
    for caller in callers {
        match caller.await.unwrap().expect("a token") {
            Renewal::Token(token) => assert_eq!(token.header(), "Bearer token-2"),
            Renewal::TooSoon => panic!("it was the first renewal"),
        }
    }
    // One who comes late with the old token gets the new one without a request.
    assert!(matches!(source.tokens.renew(&bound, &refused).await, Ok(Renewal::Token(token)) if token.header() == "Bearer token-2"));
    assert_eq!(authority.requests(), 2);
}

#[tokio::test]
async fn a_listener_that_refuses_every_token_does_not_load_the_authorization_server() {
    let authority = AuthorizationServer::start().await;
    let (source, bound) = (Source::new(), authority.bound());
    let mut renewed = 0;
    for _ in 0..100 {
        let token = source.tokens.token(&bound).await.unwrap();
        renewed += usize::from(matches!(source.tokens.renew(&bound, &token).await, Ok(Renewal::Token(_))));
    }
    assert_eq!((renewed, authority.requests()), (3, 4));
    source.clock.advance(Duration::from_secs(60));
    let token = source.tokens.token(&bound).await.unwrap();
    assert!(matches!(source.tokens.renew(&bound, &token).await, Ok(Renewal::Token(_))));
}

#[tokio::test]
async fn a_renewal_that_fails_holds_and_does_not_bring_the_refused_token_back() {
    let authority = AuthorizationServer::with(usize::MAX >> 4, |number, _| match number {
        1 => token_answer("token-1", r#","expires_in":3600"#),
        _ => answer("401 No", &["Content-Type: application/json"], r#"{"error":"invalid_client"}"#),
    })
    .await;
    let (source, bound) = (Source::new(), authority.bound());
    let token = source.tokens.token(&bound).await.unwrap();
    let failure = source.tokens.renew(&bound, &token).await.expect_err("the client is gone");
    assert!(failure.cause.is_configuration_fault());
    assert_eq!(source.tokens.token(&bound).await.expect_err("held"), failure);
    assert_eq!(source.tokens.renew(&bound, &token).await.expect_err("held"), failure);
    assert_eq!(authority.requests(), 2);
}

#[tokio::test]
async fn while_a_server_is_down_there_is_one_probe_for_each_step() {
    let authority = AuthorizationServer::with(usize::MAX >> 4, |number, _| match number {
        1..=6 => answer("503 Down", &[], "maintenance"),
        _ => token_answer("token", ""),
    })
    .await;
    let (source, bound) = (Source::new(), authority.bound());
    let mut pauses = Vec::new();
    for step in 1..=6 {
        let failures: Vec<_> = ask_together(&source, &bound, 200);
        let mut all = Vec::new();
        for failure in failures {
            all.push(failure.await.unwrap().expect_err("down"));
        }
        assert!(all.iter().all(|failure| *failure == all[0]), "everybody hears the same");
        assert_eq!(authority.requests(), step);
        let pause = all[0].retry_at.since(source.clock.now());
        pauses.push(pause);
        // Just before the time has come nobody asks.
        source.clock.advance(pause - Duration::from_millis(1));
        assert_eq!(source.tokens.token(&bound).await.expect_err("not yet"), all[0]);
        source.clock.advance(Duration::from_millis(1));
    }
    for (pause, seconds) in pauses.into_iter().zip([1, 2, 4, 8, 16, 32]) {
        let least = Duration::from_secs(seconds);
        assert!((least..=least.mul_f64(1.1)).contains(&pause), "{pause:?} for {seconds} s");
    }
    assert_eq!(source.header(&bound).await, "Bearer token");
    let state = source.tokens.state(&bound.key()).unwrap();
    assert_eq!((state.failing_since, state.failures, state.last_failure), (None, 0, None), "over is over");
}

#[tokio::test]
async fn a_fault_of_configuration_is_probed_slowly_and_its_correction_at_once() {
    let authority = AuthorizationServer::with(usize::MAX >> 4, |_, seen| {
        match seen.header("Authorization")[..] {
            // client:right
            ["Basic Y2xpZW50OnJpZ2h0"] => token_answer("token", ""),
            _ => answer("401 No", &["Content-Type: application/json"], r#"{"error":"invalid_client","error_description":"wrong secret"}"#),
        }
    })
    .await;
    let source = Source::new();
    let wrong = authority.bound();
    let failure = source.tokens.token(&wrong).await.expect_err("wrong secret");
    assert_eq!(failure.cause.to_string(), "the authorization server answered 401: invalid_client: wrong secret");
    assert!(failure.retry_at.since(source.clock.now()) >= Duration::from_secs(10));
    let mut connection = authority.connection();
    connection.client_secret = Secret::new("right");
    assert_eq!(source.header(&bind(connection)).await, "Bearer token");
}

#[tokio::test]
async fn saving_asks_at_once_whatever_is_cached_or_has_failed() {
    let authority = AuthorizationServer::with(usize::MAX >> 4, |number, _| match number {
        1 => answer("503 Down", &[], ""),
        _ => token_answer(&format!("token-{number}"), r#","expires_in":3600"#),
    })
    .await;
    let (source, bound) = (Source::new(), authority.bound());
    source.tokens.fetch(&bound).await.expect_err("down");
    assert_eq!(source.tokens.fetch(&bound).await.expect("it does not wait").header(), "Bearer token-2");
    assert_eq!(source.tokens.fetch(&bound).await.expect("it does not look").header(), "Bearer token-3");
    assert_eq!(source.header(&bound).await, "Bearer token-3", "what it brought is used");
    source.tokens.forget(&bound.key());
    assert_eq!(source.tokens.state(&bound.key()), None);
    assert_eq!(source.header(&bound).await, "Bearer token-4");
}

#[tokio::test]
async fn a_server_gets_few_requests_at_a_time() {
    let authority = AuthorizationServer::with(0, |number, _| token_answer(&format!("token-{number}"), "")).await;
    let source = Source::new();
    let callers: Vec<_> = (0..20)
        .flat_map(|number| {
            let mut connection = authority.connection();
            connection.client_id = format!("client-{number}");
            ask_together(&source, &bind(connection), 2)
        })
        .collect();
    authority.read(4).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(authority.requests(), 4, "the fifth waits");
    authority.gate.add_permits(20);
    for caller in callers {
        caller.await.unwrap().expect("a token");
    }
    assert_eq!(authority.requests(), 20);
}

#[tokio::test]
async fn every_request_is_reported_with_its_outcome() {
    let authority = AuthorizationServer::with(usize::MAX >> 4, |number, _| match number {
        1 => answer("503 Down", &[], ""),
        _ => token_answer("very-secret-token", r#","expires_in":60"#),
    })
    .await;
    let (source, bound) = (Source::new(), authority.bound());
    source.tokens.token(&bound).await.expect_err("down");
    source.clock.advance(Duration::from_secs(2));
    let token = source.tokens.token(&bound).await.expect("a token");
    let (first, second) = (source.probe().await, source.probe().await);
    assert!(first.key == bound.key() && second.key == bound.key());
    assert!(matches!(first.result.as_ref().map_err(|failure| &failure.cause), Err(TokenFailureCause::Refused(_))));
    assert_eq!(second.asked_at, source.clock.now());
    assert_eq!(second.result.as_ref().ok(), Some(&(source.clock.now() + Duration::from_secs(60))));
    let printed = format!("{first:?} {second:?} {token:?} {:?} {:?}", source.tokens.state(&bound.key()), source.tokens);
    assert!(!printed.contains("very-secret") && !printed.contains("horse"), "{printed}");
}

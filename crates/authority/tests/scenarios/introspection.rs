//! Introspection and revocation.

use countersign_authority::{Client, Settings};
use serde_json::json;

use crate::caller::{ISSUER, START_S, Subject, basic, form};

fn subject() -> Subject {
    Subject::with(
        Settings::new(ISSUER)
            .client(Client::with_secret_basic("sender", "s").scopes(["notify"]).audiences(["https://one.test/"]))
            .client(Client::with_secret_basic("opaque", "s").opaque_tokens().audiences(["https://one.test/"]))
            .client(Client::with_secret_basic("other", "s"))
            .client(Client::with_secret_basic("listener", "s").resource_server().audiences(["https://one.test/"]))
            .client(Client::with_secret_basic("elsewhere", "s").resource_server().audiences(["https://two.test/"]))
            .client(Client::with_secret_basic("any", "s").resource_server()),
    )
}

#[tokio::test]
async fn a_listener_learns_everything_about_a_token_for_it() {
    let subject = subject();
    let token = subject.token(&basic("sender", "s")).await;
    let mut seen = subject.introspect(&basic("listener", "s"), &token).await;
    assert!(seen.as_object_mut().unwrap().remove("jti").is_some_and(|jti| jti.is_string()));
    assert_eq!(
        seen,
        json!({
            "active": true,
            "client_id": "sender",
            "token_type": "Bearer",
            "exp": START_S + 3600,
            "iat": START_S,
            "sub": "sender",
            "aud": "https://one.test/",
            "iss": ISSUER,
            "scope": "notify",
        })
    );
}

#[tokio::test]
async fn as_7662_1_a_foreign_token_is_inactive_and_nothing_more() {
    let subject = subject();
    for sender in ["sender", "opaque"] {
        let token = subject.token(&basic(sender, "s")).await;
        for (who, active) in [("listener", true), ("any", true), (sender, true), ("elsewhere", false), ("other", false)] {
            let seen = subject.introspect(&basic(who, "s"), &token).await;
            if active {
                assert_eq!(seen["active"], true, "{who} asks about the token of {sender}");
            } else {
                assert_eq!(seen, json!({ "active": false }), "{who} asks about the token of {sender}");
            }
        }
    }
}

#[tokio::test]
async fn as_7662_1_unknown_expired_and_revoked_tokens_are_inactive_and_nothing_more() {
    let subject = subject();
    let inactive = json!({ "active": false });
    assert_eq!(subject.introspect(&basic("listener", "s"), "never-issued").await, inactive);

    let revoked = subject.token(&basic("opaque", "s")).await;
    assert_eq!(subject.post("/revoke", &basic("opaque", "s"), &form(&[("token", &revoked)])).await.status, 200);
    assert_eq!(subject.introspect(&basic("listener", "s"), &revoked).await, inactive);

    let expired = subject.token(&basic("opaque", "s")).await;
    subject.let_pass(3599);
    assert_eq!(subject.introspect(&basic("listener", "s"), &expired).await["active"], true);
    subject.let_pass(1);
    assert_eq!(subject.introspect(&basic("listener", "s"), &expired).await, inactive);
}

#[tokio::test]
async fn as_7662_1_introspection_and_revocation_demand_authentication() {
    let subject = subject();
    for path in ["/introspect", "/revoke"] {
        for authorization in [String::new(), basic("listener", "wrong")] {
            let answer = subject.post(path, &authorization, "token=abc").await;
            assert_eq!(answer.error(), (401, "invalid_client".into()), "{path}");
            assert!(!answer.header("www-authenticate").is_empty(), "{path}");
        }
        assert_eq!(subject.post(path, &basic("listener", "s"), "").await.error(), (400, "invalid_request".into()), "{path}");
    }
    assert_eq!((subject.authority.stats().introspections, subject.authority.stats().revocations), (3, 3));
}

#[tokio::test]
async fn as_7009_1_an_unknown_token_is_revoked_with_success() {
    let subject = subject();
    let body = form(&[("token", "never-issued"), ("token_type_hint", "refresh_token")]);
    assert_eq!(subject.post("/revoke", &basic("other", "s"), &body).await.status, 200);
}

#[tokio::test]
async fn only_its_own_client_revokes_a_token() {
    let subject = subject();
    let token = subject.token(&basic("sender", "s")).await;
    let answer = subject.post("/revoke", &basic("other", "s"), &form(&[("token", &token)])).await;
    assert_eq!(answer.error(), (400, "unauthorized_client".into()));
    assert_eq!(subject.introspect(&basic("listener", "s"), &token).await["active"], true);
}

#[tokio::test]
async fn as_6749_1_an_answer_about_a_token_is_kept_out_of_every_cache() {
    let subject = subject();
    for path in ["/introspect", "/revoke"] {
        assert_eq!(subject.post(path, &basic("other", "s"), "token=abc").await.header("cache-control"), "no-store");
    }
}

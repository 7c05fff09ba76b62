//! `/connect/oauth`, connections of single configurations, and `oauth` under `/api/v1`.

use countersign_core::{
    delivery::{DeliveryState, Hold},
    subscription::OAuthUse,
};
use countersign_store::settle::Next;
use countersign_testkit::{Answer, Listener};
use serde_json::{Value, json};

use crate::house::{House, listening, text, with};

fn token() -> Answer {
    Answer::json(&json!({"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 3600}))
}

fn connection(server: &Listener) -> Value {
    json!({
        "authorizationServerUrl": server.url("/token"),
        "clientId": "client",
        "clientSecret": "correct-horse-battery",
        "scope": "hooks",
        "customParameters": {"audience": "https://api.example/"},
    })
}

#[tokio::test]
async fn saving_a_connection_asks_for_a_token_and_masks_the_secret() {
    let house = House::new().await;
    let server = Listener::start().await;
    server.answer(token());
    house.rest("GET", "/connect/oauth", None).await.expect(404);
    house.rest("PUT", "/connect/oauth", Some(connection(&server))).await.expect(404);
    let made = house.rest("POST", "/connect/oauth", Some(connection(&server))).await.expect(201);
    let mut expected = connection(&server);
    expected["clientSecret"] = "********tery".into();
    assert_eq!(made, expected);
    assert_eq!(house.rest("GET", "/connect/oauth", None).await.expect(200), expected);
    let asked = server.requests();
    assert_eq!(asked.len(), 1);
    let form = String::from_utf8(asked[0].body.to_vec()).unwrap();
    assert!(form.contains("grant_type=client_credentials") && form.contains("audience=https"), "{form}");

    // What was read can be sent back: the masked secret stays what it was.
    let changed = house.rest("PUT", "/connect/oauth", Some(with(made, &json!({"scope": "other"})))).await.expect(200);
    assert_eq!((&changed["scope"], &changed["customParameters"]["audience"]), (&json!("other"), &json!("https://api.example/")));
    let config = house.app.configs.account(house.home.account.id).await.unwrap().unwrap();
    let stored = config.oauth.as_ref().unwrap();
    assert_eq!(stored.connection.client_secret.expose_secret(), "correct-horse-battery");
    assert!(stored.verified_at.is_some());

    // A part of a connection changes it; a whole one takes its place.
    let changed = house.rest("PUT", "/connect/oauth", Some(json!({"scope": "third"}))).await.expect(200);
    assert_eq!((&changed["scope"], &changed["customParameters"]["audience"]), (&json!("third"), &json!("https://api.example/")));
    let mut whole = connection(&server);
    whole.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "scope" | "customParameters"));
    let replaced = house.rest("PUT", "/connect/oauth", Some(whole)).await.expect(200);
    assert_eq!((&replaced["scope"], &replaced["customParameters"]), (&json!(""), &json!({})));
    let form = String::from_utf8(server.requests().pop().unwrap().body.to_vec()).unwrap();
    assert!(!form.contains("audience") && !form.contains("scope"), "the trial is made with what is saved: {form}");

    house.rest("DELETE", "/connect/oauth", Some(json!({}))).await.expect(200);
    house.rest("GET", "/connect/oauth", None).await.expect(404);
}

#[tokio::test]
async fn a_refusal_is_answered_with_the_servers_words_and_nothing_is_saved() {
    let house = House::new().await;
    let server = Listener::start().await;
    server.answer(
        Answer::status(401)
            .header("content-type", "application/json")
            .body(json!({"error": "invalid_client", "error_description": "unknown client, got correct-horse-battery"}).to_string()),
    );
    let refused = house.rest("POST", "/connect/oauth", Some(connection(&server))).await.expect(400);
    assert_eq!(refused["errorCode"], "AUTHORIZATION_SERVER_REFUSED");
    let said = text(&refused, "message");
    assert!(said.contains("401") && said.contains("unknown client"), "{said}");
    assert!(!said.contains("correct-horse-battery"), "{said}");
    house.rest("GET", "/connect/oauth", None).await.expect(404);
}

#[tokio::test]
async fn a_server_that_is_out_of_reach_leaves_the_connection_unverified() {
    let house = House::new().await;
    for answer in [Answer::status(503), Answer::close()] {
        let server = Listener::start().await;
        server.answer(answer);
        let made = house.rest("POST", "/connect/oauth", Some(connection(&server))).await.expect(201);
        assert!(made["warnings"][0].as_str().unwrap().starts_with("saved unverified: "), "{made}");
        let read = house.rest("GET", "/connect/oauth", None).await.expect(200);
        assert!(read["warnings"][0].as_str().unwrap().starts_with("not verified"), "{read}");
        assert_eq!(house.api("GET", "/oauth", None).await.expect(200)["verifiedAt"], Value::Null);
    }
    let server = Listener::start().await;
    server.answer(token());
    let made = house.rest("PUT", "/connect/oauth", Some(connection(&server))).await.expect(200);
    assert_eq!(made.get("warnings"), None);
}

#[tokio::test]
async fn what_cannot_be_a_connection_is_refused_without_asking() {
    let house = House::new().await;
    let server = Listener::start().await;
    for (row, more) in [
        ("no URL", json!({"authorizationServerUrl": ""})),
        ("no client", json!({"clientId": ""})),
        ("no secret", json!({"clientSecret": ""})),
        ("inside", json!({"authorizationServerUrl": "https://192.168.0.1/token"})),
        ("plain beyond loopback", json!({"authorizationServerUrl": "http://8.8.8.8/token"})),
        ("a reserved parameter", json!({"customParameters": {"grant_type": "password"}})),
        ("another client", json!({"customParameters": {"Client_ID": "admin"}})),
        ("not a map", json!({"customParameters": [1]})),
        ("an unknown method", json!({"customParameters": {"token_endpoint_auth_method": "none"}})),
        ("a control character", json!({"clientId": "a\nb"})),
    ] {
        let answer = house.rest("POST", "/connect/oauth", Some(with(connection(&server), &more))).await;
        assert_eq!(answer.status, 400, "{row}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_configuration_can_have_a_connection_of_its_own() {
    let house = House::new().await;
    let server = Listener::start().await;
    server.answer(token());
    let own = json!({"includeOAuth": "true", "enableOAuthPerConfiguration": "true", "oAuthConfiguration": connection(&server)});
    let made = house.rest("POST", "/connect", Some(with(listening(), &own))).await.expect(201);
    assert_eq!(made["oAuthConfiguration"]["clientSecret"], "********tery");
    let id = text(&made, "connectId").to_owned();
    let OAuthUse::Own(stored) = house.stored(&id).await.proofs.oauth else { panic!("its own") };
    assert_eq!(stored.client_secret.expose_secret(), "correct-horse-battery");
    assert_eq!(server.requests().len(), 1);

    house.rest("PUT", "/connect", Some(json!({"connectId": id, "name": "Other"}))).await.expect(200);
    assert_eq!(server.requests().len(), 1, "an unchanged connection is not tried again");

    server.answer(Answer::status(400).header("content-type", "application/json").body(r#"{"error":"invalid_scope"}"#));
    let change = json!({"connectId": id, "oAuthConfiguration": {"scope": "wrong"}});
    let refused = house.rest("PUT", "/connect", Some(change)).await.expect(400);
    assert!(text(&refused, "message").contains("invalid_scope"), "{refused}");
    let OAuthUse::Own(stored) = house.stored(&id).await.proofs.oauth else { panic!("its own") };
    assert_eq!(stored.scope.as_deref(), Some("hooks"), "nothing was saved");

    let off = house.rest("PUT", "/connect", Some(json!({"connectId": id, "includeOAuth": "false"}))).await.expect(200);
    assert!(off["warnings"][0].as_str().unwrap().contains("oAuthConfiguration is not kept"), "{off}");
}

#[tokio::test]
async fn oauth_beside_basic_warns() {
    let house = House::new().await;
    let server = Listener::start().await;
    server.answer(token());
    house.rest("POST", "/connect/oauth", Some(connection(&server))).await.expect(201);
    let both = json!({"includeOAuth": "true", "userName": "anna", "password": "secret"});
    let made = house.rest("POST", "/connect", Some(with(listening(), &both))).await.expect(201);
    assert!(made["warnings"][0].as_str().unwrap().contains("OAuth token is sent"), "{made}");
}

#[tokio::test]
async fn a_saved_connection_lets_go_what_waited_for_a_token() {
    let house = House::new().await;
    let server = Listener::start().await;
    server.answer(token());
    house.rest("POST", "/connect/oauth", Some(connection(&server))).await.expect(201);
    house.configuration(&json!({"includeOAuth": "true"})).await;
    house.post("envelope-sent", None).await;
    let now = house.clock.now();
    let held = house.settle_all(401, Next::Waiting { due_at: now, held: Some(Hold::NoToken) }).await[0].id;
    assert!(matches!(house.state(held).await, DeliveryState::Waiting { held: Some(Hold::NoToken), .. }));
    house.rest("PUT", "/connect/oauth", Some(connection(&server))).await.expect(200);
    assert!(matches!(house.state(held).await, DeliveryState::Waiting { held: None, .. }));
}

#[tokio::test]
async fn our_own_form_says_how_we_authenticate_and_never_shows_a_secret() {
    let house = House::new().await;
    let server = Listener::start().await;
    server.answer(token());
    let form = json!({
        "tokenUrl": server.url("/token"),
        "clientId": "client",
        "clientSecret": "correct-horse-battery",
        "clientAuthentication": {"method": "client_secret_post"},
        "refreshStatuses": [403],
    });
    let made = house.api("PUT", "/oauth", Some(form)).await.expect(200);
    assert_eq!((&made["clientAuthentication"]["method"], &made["refreshStatuses"]), (&json!("client_secret_post"), &json!([403])));
    assert!(made["verifiedAt"].is_string() && !made.to_string().contains("correct-horse"), "{made}");
    let sent = String::from_utf8(server.requests()[0].body.to_vec()).unwrap();
    assert!(sent.contains("client_secret=correct-horse-battery"), "{sent}");
    let changed = house.api("PATCH", "/oauth", Some(json!({"scope": "a"}))).await.expect(200);
    assert_eq!((&changed["scope"], &changed["clientAuthentication"]["method"]), (&json!("a"), &json!("client_secret_post")));
    assert_eq!(house.api("PATCH", "/oauth", Some(json!({"scope": null}))).await.expect(200)["scope"], Value::Null);
    assert_eq!(house.rest("GET", "/connect/oauth", None).await.expect(200)["clientId"], "client", "the same connection");
    for (row, body) in [
        ("unknown property", json!({"tokenURL": "x"})),
        ("unknown method", json!({"clientAuthentication": {"method": "none"}})),
        ("a key without its method", json!({"clientAuthentication": {"method": "client_secret_basic", "privateKey": "x"}})),
        ("a method without its key", json!({"clientAuthentication": {"method": "private_key_jwt"}})),
        ("a key that cannot sign", json!({"clientAuthentication": {"method": "private_key_jwt", "privateKey": "not PEM"}})),
        ("not a status", json!({"refreshStatuses": [500]})),
    ] {
        let answer = house.api("PATCH", "/oauth", Some(body)).await;
        assert_eq!(answer.status, 400, "{row}: {}", String::from_utf8_lossy(&answer.body));
    }
    house.api("DELETE", "/oauth", None).await.expect(204);
    house.api("DELETE", "/oauth", None).await.expect(404);
    house.api("GET", "/oauth", None).await.expect(404);
}

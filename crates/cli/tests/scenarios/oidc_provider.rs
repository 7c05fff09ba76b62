//! A certified authorization server issues the tokens, and a listener with another library verifies them: `oidc-provider` and
//! `jose`, in `tests/node`.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Client, NodeScript, Reply, Server, server::Options, until};

/// Client id and secret, where nothing else is said.
const CLIENT: (&str, &str) = ("sender", "s3cret");

/// A server, an authorization server, and a listener that trusts the latter.
struct Scene {
    server: Server,
    provider: NodeScript,
    listener: NodeScript,
    /// `/control` of the authorization server.
    provider_control: Client,
    /// `/control` of the listener.
    listener_control: Client,
}

impl Scene {
    /// Sets the scene; `None` when the test was skipped.
    async fn set(clients: &[(&str, &str)], ttl_seconds: u32) -> Option<Self> {
        let provider = NodeScript::start("oidc_provider.mjs", &json!({"clients": registered(clients), "ttl": ttl_seconds})).await?;
        let listener = NodeScript::start("token_listener.mjs", &provider.says).await?;
        let server = Server::start(Options::dev().with(&["--retry-schedule", "1h,1h"])).await;
        let provider_control = Client::new(format!("{}/control", provider.text("issuer")), None);
        let listener_control = Client::new(format!("{}/control", listener.text("url")), None);
        Some(Self { server, provider, listener, provider_control, listener_control })
    }

    fn connection(&self, (client_id, client_secret): (&str, &str)) -> Value {
        json!({
            "authorizationServerUrl": self.provider.text("tokenUrl"), "clientId": client_id, "clientSecret": client_secret, "scope": "notify",
        })
    }

    async fn save(&self, connection: &Value) -> Reply {
        self.server.restapi().send(Method::POST, "/connect/oauth", Some(connection)).await.expect("an answer")
    }

    /// Saves a connection that works.
    async fn saved(&self, connection: &Value) {
        let reply = self.save(connection).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{connection}: {}{}", reply.text, self.provider.words());
    }

    /// Saves a connection and subscribes the listener, with a token on each message.
    async fn subscribed(&self, connection: &Value) {
        self.saved(connection).await;
        let configuration = json!({
            "configurationType": "custom", "name": "with tokens", "urlToPublishTo": format!("{}/hook", self.listener.text("url")),
            "allowEnvelopePublish": "true", "allUsers": "true", "includeOAuth": "true", "deliveryMode": "SIM",
            "events": ["click-agreed"], "eventData": {"version": "restv2.1"},
        });
        self.server.restapi().post("/connect", &configuration).await;
    }

    /// Changes clients or lives of tokens at the authorization server.
    async fn provider_has(&self, settings: Value) {
        self.provider_control.put("/settings", &settings).await;
    }

    async fn post_event(&self) -> String {
        let answer = self.server.api().post("/events", &json!({"event": "click-agreed", "data": {"click": 1}})).await;
        answer["id"].as_str().expect("an event has an id").to_owned()
    }

    /// What the listener has seen, once so many messages were good.
    async fn good_messages(&self, count: usize) -> Vec<Value> {
        let look = async || {
            let all = list(self.listener_control.get("/messages").await);
            let good: Vec<Value> = all.into_iter().filter(|message| message["refused"].is_null()).collect();
            (good.len() >= count).then_some(good)
        };
        until(&format!("{count} good messages"), look).await
    }

    async fn all_messages(&self) -> Vec<Value> {
        list(self.listener_control.get("/messages").await)
    }

    async fn token_requests(&self) -> Vec<Value> {
        list(self.provider_control.get("/token-requests").await)
    }

    /// The one delivery of an event, once it is as wanted.
    async fn delivery(&self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let look = async || {
            let deliveries = list(self.server.api().get(&format!("/deliveries?event={event}")).await["deliveries"].take());
            deliveries.into_iter().next().filter(|delivery| wanted(delivery))
        };
        until(&format!("the delivery of {event}"), look).await
    }
}

#[tokio::test]
async fn fifty_messages_cost_one_token_request() {
    let Some(scene) = Scene::set(&[CLIENT], 600).await else { return };
    scene.subscribed(&scene.connection(CLIENT)).await;
    let events: Vec<Value> = (0..50).map(|click| json!({"event": "click-agreed", "data": {"click": click}})).collect();
    scene.server.api().post("/events", &Value::from(events)).await;
    let messages = scene.good_messages(50).await;
    let deliveries: HashSet<&str> = messages.iter().filter_map(|message| message["delivery"].as_str()).collect();
    assert_eq!((messages.len(), deliveries.len(), scene.all_messages().await.len()), (50, 50, 50));

    let requests = scene.token_requests().await;
    assert_eq!(requests.len(), 1, "saving asked for it, and all messages used it: {requests:?}");
    assert_eq!(requests[0]["parameters"], json!({"grant_type": "client_credentials", "scope": "notify"}));
    assert_eq!((&requests[0]["scheme"], &requests[0]["repeated"]), (&json!("Basic"), &json!(false)));
    scene.server.terminate().await;
}

#[tokio::test]
async fn tokens_that_live_two_seconds_are_renewed_without_a_failed_message() {
    let Some(scene) = Scene::set(&[CLIENT], 2).await else { return };
    scene.subscribed(&scene.connection(CLIENT)).await;
    // For the life of several tokens, one message after the other.
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < Duration::from_secs(7) {
        count += 1;
        scene.post_event().await;
        scene.good_messages(count).await;
    }
    let all = scene.all_messages().await;
    let refused: Vec<&Value> = all.iter().filter(|message| !message["refused"].is_null()).collect();
    assert_eq!((refused.len(), all.len()), (0, count), "{refused:?}");
    let tokens: HashSet<String> = all.iter().map(|message| message["claims"]["jti"].to_string()).collect();
    let requests = scene.token_requests().await;
    println!("{count} messages, {} tokens, {} token requests in {:.1?}", tokens.len(), requests.len(), began.elapsed());
    // A token is used for a second at most, the last of its two being uncertain.
    let at_most = began.elapsed().as_secs_f64() / 0.9 + 2.0;
    assert!(tokens.len() >= 3 && (requests.len() as f64) < at_most, "{} token requests in {:?}", requests.len(), began.elapsed());
    assert!(requests.iter().all(|request| request["status"] == 200), "{requests:?}");
}

#[tokio::test]
async fn a_rotated_client_secret_takes_effect_at_once() {
    let Some(scene) = Scene::set(&[CLIENT], 600).await else { return };
    scene.subscribed(&scene.connection(CLIENT)).await;
    scene.post_event().await;
    let before = scene.good_messages(1).await[0]["claims"]["jti"].clone();

    scene.provider_has(json!({"clients": registered(&[("sender", "rotated")])})).await;
    let reply = scene.server.restapi().put("/connect/oauth", &json!({"clientSecret": "rotated"})).await;
    assert_eq!((&reply["clientId"], &reply["scope"]), (&json!("sender"), &json!("notify")), "what was absent stayed");
    scene.post_event().await;
    let after = scene.good_messages(2).await[1]["claims"]["jti"].clone();
    assert_ne!(before, after, "the token that the old secret obtained is not used any more");
    assert_eq!(scene.token_requests().await.len(), 2);
}

#[tokio::test]
async fn a_connection_with_a_wrong_secret_is_refused_with_the_servers_own_words_and_not_saved() {
    let Some(scene) = Scene::set(&[CLIENT], 600).await else { return };
    let reply = scene.save(&scene.connection(("sender", "not-the-secret"))).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.text);
    for words in ["invalid_client", "client authentication failed"] {
        assert!(reply.text.contains(words), "{words}: {}", reply.text);
    }
    assert!(!reply.text.contains("not-the-secret"), "{}", reply.text);
    let kept = scene.server.restapi().send(Method::GET, "/connect/oauth", None).await.expect("an answer");
    assert_eq!(kept.status, StatusCode::NOT_FOUND, "{}", kept.text);
    assert_eq!(scene.token_requests().await.len(), 1, "another form of authentication is not tried unasked");

    // A change for the worse leaves what works.
    scene.subscribed(&scene.connection(CLIENT)).await;
    let change = json!({"clientSecret": "not-the-secret"});
    let reply = scene.server.restapi().send(Method::PUT, "/connect/oauth", Some(&change)).await.expect("an answer");
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.text);
    scene.post_event().await;
    scene.good_messages(1).await;
}

#[tokio::test]
async fn a_secret_that_becomes_wrong_holds_deliveries_until_it_is_right_again() {
    let Some(scene) = Scene::set(&[CLIENT], 2).await else { return };
    scene.subscribed(&scene.connection(CLIENT)).await;
    scene.post_event().await;
    scene.good_messages(1).await;

    // The authorization server's administrator changes the secret; the token in use soon ends.
    scene.provider_has(json!({"clients": registered(&[("sender", "changed-there")])})).await;
    let held = loop {
        let sent = scene.all_messages().await.len();
        let event = scene.post_event().await;
        let delivery = scene.delivery(&event, |delivery| delivery["state"] == "delivered" || delivery["held"] == "no_token").await;
        if delivery["state"] == "waiting" {
            assert_eq!(scene.all_messages().await.len(), sent, "nothing is sent without a token");
            break (event, sent);
        }
    };
    let (event, sent) = held;
    let failures = scene.server.restapi().get("/connect/failures").await;
    let failure = &list(failures["failures"].clone())[0];
    let words = failure["error"].as_str().unwrap_or_default();
    assert!(words.contains("invalid_client") && words.contains("client authentication failed"), "the server's own words: {failure}");
    assert!(!words.contains("s3cret"), "{failure}");
    let delivery = scene.delivery(&event, |_| true).await;
    assert_eq!((&delivery["held"], &delivery["attemptsMade"]), (&json!("no_token"), &json!(0)), "no attempt was spent: {delivery}");
    assert_eq!(scene.all_messages().await.len(), sent);
    assert!(scene.all_messages().await.iter().all(|message| message["authorization"] == "Bearer"), "none without a token");

    // The secret is made right here, and what was held goes at once.
    scene.server.restapi().put("/connect/oauth", &json!({"clientSecret": "changed-there"})).await;
    scene.delivery(&event, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(scene.good_messages(sent + 1).await.len(), sent + 1);
}

#[tokio::test]
async fn a_listener_that_answers_401_gets_one_forced_renewal() {
    let Some(scene) = Scene::set(&[CLIENT], 600).await else { return };
    scene.subscribed(&scene.connection(CLIENT)).await;
    scene.post_event().await;
    scene.good_messages(1).await;

    scene.listener_control.post("/revoke", &json!({})).await;
    let event = scene.post_event().await;
    let delivery = scene.delivery(&event, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(delivery["attemptsMade"], 1, "it is one attempt: {delivery}");
    let messages = scene.all_messages().await;
    let verdicts: Vec<&Value> = messages.iter().map(|message| &message["refused"]).collect();
    assert_eq!(verdicts, [&Value::Null, &json!("the token was revoked"), &Value::Null]);
    assert_eq!(messages[1]["delivery"], messages[2]["delivery"]);
    assert_eq!(messages[1]["body"], messages[2]["body"], "the same message, signed the same");
    assert_eq!(scene.token_requests().await.len(), 2);
}

#[tokio::test]
async fn ids_and_secrets_with_special_characters_arrive_whole() {
    let clients = [
        ("client:with:colons", "secret:with:colons"),
        ("a b+c%d&e=f/g?h", "p+q/r=s&t%u v~w:x;y@z"),
        ("plus+plus", "%2B%3a%zz"),
        (r#"quotes"'`<>\|^{}[]"#, r#"!#$&'()*+,/:;=?@[]{}<>\|^`"~-_. "#),
    ];
    let Some(scene) = Scene::set(&clients, 600).await else { return };
    for (number, client) in clients.iter().enumerate() {
        let connection = scene.connection(*client);
        if number == 0 {
            scene.subscribed(&connection).await
        } else {
            scene.saved(&connection).await
        };
        scene.post_event().await;
        let messages = scene.good_messages(number + 1).await;
        assert_eq!(messages[number]["claims"]["client_id"], client.0);
    }
}

#[tokio::test]
async fn audience_and_resource_reach_the_authorization_server_and_the_token() {
    let Some(scene) = Scene::set(&[CLIENT], 600).await else { return };
    for (number, parameters) in [
        json!({"audience": "https://listener.example/?a=b&c=d"}),
        json!({"resource": "https://resource.example/api"}),
        json!({"audience": "urn:ignored by the server", "resource": "urn:countersign:resource", "tenant": "näh & fern"}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut connection = scene.connection(CLIENT);
        connection["customParameters"] = parameters.clone();
        if number == 0 {
            scene.subscribed(&connection).await
        } else {
            scene.saved(&connection).await
        };
        let requests = scene.token_requests().await;
        for (name, value) in parameters.as_object().expect("it is a map") {
            assert_eq!(&requests[number]["parameters"][name], value, "{requests:?}");
        }
        scene.post_event().await;
        let messages = scene.good_messages(number + 1).await;
        let wanted = parameters.get("resource").unwrap_or(&parameters["audience"]);
        assert_eq!(&messages[number]["claims"]["aud"], wanted);
        assert_eq!(messages[number]["claims"]["scope"], "notify");
    }
}

fn registered(clients: &[(&str, &str)]) -> Value {
    clients.iter().map(|(id, secret)| json!({"client_id": id, "client_secret": secret})).collect()
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => panic!("{other} is no list"),
    }
}

//! The verbs that operate a server, against a real one.

use countersign_signature::{HmacKey, verify};
use countersign_testkit::{Answer, Listener};

use crate::server::{ACCOUNT, Server};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_triggered_delivered_looked_at_and_replayed() {
    let (server, listener) = (Server::start(), Listener::start().await);
    let key = server.json(&["keys", "create"]);
    let config = server.json(&["config", "create", "--url", &listener.url("/connect"), "--events", "test,invoice.*", "--hmac", "true"]);
    let id = config["id"].as_str().unwrap();

    let matches = server.json(&["trigger", "--event", "invoice.paid", "--wait", "20s"]);
    assert_eq!(matches["matches"][0]["state"], "delivered", "{matches}");
    let message = listener.wait_for(1).await.remove(0);
    let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert!(verify(&[HmacKey::try_new(key["secret"].as_str().unwrap()).unwrap()], headers, &message.body).is_ok());

    let deliveries = server.json(&["deliveries", "--state", "delivered", "--event", "invoice.paid"]);
    let delivery = deliveries["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let shown = server.text(&["deliveries", "show", &delivery]);
    assert!(shown.contains("nothing: the listener accepted it"), "{shown}");
    let attempt = server.text(&["deliveries", "show", &delivery, "--attempt", "last"]);
    assert!(attempt.contains("x-docusign-signature-1: ") && attempt.contains("200 OK"), "{attempt}");
    assert_eq!(server.run(&["deliveries", "body", &delivery]).out.as_bytes(), message.body);
    server.run(&["deliveries", "cancel", &delivery]).refused(1, "only what waits or is parked can be cancelled");
    server.run(&["deliveries", "show", "dlv_0000000000000"]).refused(1, "the server answered 404");

    assert_eq!(server.text(&["replay", "--subscription", id, "--dry-run"]), "would do: 0 attempted again, 1 sent anew, 0 passed over\n");
    let job = server.json(&["replay", "--subscription", id]);
    assert_eq!((&job["state"], &job["progress"]["replayed"]), (&"finished".into(), &1.into()), "{job}");
    let again = listener.wait_for(2).await.remove(1);
    assert_eq!(again.header("x-countersign-replay-of"), Some(delivery.as_str()));
    server.run(&["replay"]).refused(2, "--all for everything");

    let unwanted = server.run(&["trigger", "--event", "order.paid"]);
    assert_eq!(unwanted.code, 1, "{unwanted:?}");
    assert!(unwanted.out.ends_with("nobody wanted it; why, each subscription's line above says\n"), "{unwanted:?}");
    let unwanted = server.run(&["trigger", "--event", "order.paid", "--json"]);
    assert_eq!((unwanted.code, &unwanted.json()["matches"][0]["matched"]), (1, &false.into()), "{unwanted:?}");

    server.json(&["keys", "delete", key["id"].as_str().unwrap()]);
    assert_eq!(server.text(&["keys"]), "there is no key; messages are sent without a signature\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_shown_retried_and_cancelled() {
    let (server, listener) = (Server::start(), Listener::start().await);
    listener.answer(Answer::status(503));
    server.json(&["config", "create", "--url", &listener.url("/"), "--events", "test"]);
    let run = server.run(&["trigger", "--wait", "20s"]);
    assert_eq!(run.code, 1, "what was waited for was not delivered: {run:?}");
    assert!(run.out.contains("waiting"), "{run:?}");
    let failures = server.json(&["deliveries", "list", "--failures", "--class", "http_5xx"]);
    let delivery = failures["deliveries"][0]["id"].as_str().unwrap();
    let table = server.text(&["deliveries", "--failures"]);
    assert!(table.contains("503"), "{table}");
    server.text(&["deliveries", "retry", delivery]);
    listener.wait_for(2).await;
    // The attempt under way may not have been settled yet; what is in flight cannot be cancelled.
    let mut run = server.run(&["deliveries", "cancel", delivery, "--json"]);
    while run.code != 0 {
        run = server.run(&["deliveries", "cancel", delivery, "--json"]);
    }
    assert_eq!(run.json()["state"], "cancelled");
    server.run(&["deliveries", "--state", "sent"]).refused(1, "state is 'sent'");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_made_changed_paused_tested_and_deleted() {
    let (server, listener) = (Server::start(), Listener::start().await);
    let file = server.folder.path().join("subscription.json");
    std::fs::write(&file, r#"{"name": "from a file", "url": "http://127.0.0.1:9/", "events": ["test"]}"#).unwrap();
    let run =
        server.run(&["config", "create", "--file", file.to_str().unwrap(), "--url", &listener.url("/"), "--header", "X-A=b", "--json"]);
    let config = run.json();
    let id = config["id"].as_str().unwrap();
    assert_eq!((&config["name"], &config["headers"]["X-A"]), (&"from a file".into(), &"b".into()), "{config}");

    assert_eq!(server.json(&["config", "update", id, "--basic", "anna:pass", "--retry", "1s,2s"])["basic"]["user"], "anna");
    assert_eq!(server.json(&["config", "pause", id])["paused"], true);
    assert_eq!(server.json(&["config", "resume", id])["paused"], false);
    assert_eq!(server.json(&["config", "deactivate", id])["active"], false);
    assert_eq!(server.json(&["config", "activate", id])["active"], true);
    let shown = server.text(&["config", "show", id]);
    assert!(shown.contains("basic") && !shown.contains("pass"), "{shown}");
    let table = server.text(&["config"]);
    assert!(table.contains("from a file") && table.contains("active"), "{table}");

    let sent = server.text(&["config", "test", id, "--event", "odd.one"]);
    assert!(sent.contains("countersign deliveries show dlv_"), "{sent}");
    assert_eq!(listener.wait_for(1).await[0].json()["event"], "odd.one");
    server.text(&["config", "delete", id]);
    server.run(&["config", "show", id]).refused(1, "there is no such subscription");
    server.run(&["config", "update", id]).refused(2, "nothing is given");
    server.run(&["config", "create", "--url", "nowhere"]).refused(1, "url");
}

#[test]
fn an_envelope_is_sent_viewed_signed_and_completed() {
    let server = Server::start();
    let document = server.folder.path().join("contract.pdf");
    std::fs::write(&document, "%PDF-1.4\n%%EOF\n").unwrap();
    let document = document.to_str().unwrap();
    let sent = server.json(&[
        "envelope",
        "send",
        document,
        "--to",
        "Anna Berg <anna@example.com>",
        "--to",
        "bob@example.com",
        "--cc",
        "Cy <cy@example.com>",
        "--field",
        "City",
        "--subject",
        "Sign this",
    ]);
    let id = sent["envelopeId"].as_str().unwrap();
    let recipients =
        |text: &str| text.lines().skip(2).map(|line| line.split_whitespace().last().unwrap_or_default().to_owned()).collect::<Vec<_>>();

    assert_eq!(recipients(&server.text(&["envelope", "view", id])), ["delivered", "created", "created"]);
    assert_eq!(recipients(&server.text(&["envelope", "sign", id, "--tab", "City=Oslo"])), ["completed", "sent", "created"]);
    assert_eq!(server.json(&["envelope", "sign", id, "--recipient", "Bob@Example.com"])["envelope"]["status"], "completed");
    let shown = server.text(&["envelope", "show", id]);
    assert!(shown.contains("Sign this") && shown.contains("1 contract.pdf") && shown.contains("completed"), "{shown}");
    let history = server.text(&["envelope", "history", id]);
    assert!(history.contains("Anna Berg opened the documents."), "{history}");
    let table = server.text(&["envelope"]);
    assert!(table.contains("Anna Berg, bob, Cy"), "{table}");
    let copy = server.folder.path().join("copy.pdf");
    server.text(&["envelope", "download", id, "--document", "1", "--output", copy.to_str().unwrap()]);
    assert_eq!(std::fs::read(&copy).unwrap(), b"%PDF-1.4\n%%EOF\n");
    server.run(&["envelope", "sign", id]).refused(1, "nobody's turn");

    let other = server.json(&["envelope", "send", document, "--to", "anna@example.com", "--to", "bob@example.com", "--parallel"]);
    let other = other["envelopeId"].as_str().unwrap();
    assert_eq!(server.json(&["envelope", "decline", other, "--reason", "no"])["envelope"]["status"], "declined");
    let third = server.json(&["envelope", "send", document, "--to", "anna@example.com"]);
    server.text(&["envelope", "void", third["envelopeId"].as_str().unwrap(), "--reason", "a mistake"]);
    let voided = server.json(&["envelope", "list", "--status", "voided"]);
    assert_eq!(voided["envelopes"][0]["envelopeId"], third["envelopeId"], "{voided}");
    let fourth = server.json(&["envelope", "send", document, "--to", "anna@example.com", "--to", "bob@example.com"]);
    assert_eq!(server.json(&["envelope", "sign", fourth["envelopeId"].as_str().unwrap(), "--all"])["envelope"]["status"], "completed");

    server.run(&["envelope", "send", document]).refused(2, "nobody is to sign");
    server.run(&["envelope", "send", "/no/such.pdf", "--to", "a@example.com"]).refused(2, "/no/such.pdf cannot be read");
    server.run(&["envelope", "send", document, "--to", "nobody"]).refused(2, "write it like 'Anna Berg <anna@example.com>'");
    server.run(&["envelope", "view", id, "--recipient", "nobody"]).refused(2, "no recipient nobody");
}

#[test]
fn users_tokens_and_applications_are_made_listed_and_ended() {
    let server = Server::start();
    let account = server.text(&["account"]);
    assert!(account.contains(ACCOUNT), "{account}");
    assert_eq!(server.json(&["account", "update", "--name", "Acme"])["name"], "Acme");
    server.run(&["account", "update"]).refused(2, "nothing to change");

    let user = server.json(&["account", "users", "create", "--name", "Bo", "--email", "bo@example.com"]);
    assert!(server.text(&["account", "users"]).contains("bo@example.com"));
    server.text(&["account", "users", "delete", user["id"].as_str().unwrap()]);

    let token = server.json(&["account", "tokens", "create", "--name", "reader"]);
    let text = token["token"].as_str().unwrap();
    assert!(server.text(&["account", "tokens"]).contains("reader") && !server.text(&["account", "tokens"]).contains(text));
    server.run(&["keys", "create", "--token", text]).refused(1, "the token has the right 'read'");
    server.text(&["account", "tokens", "revoke", token["id"].as_str().unwrap()]);
    server.run(&["account", "--token", text]).refused(1, "the server answered 401");

    let key = server.json(&[
        "account",
        "integration-keys",
        "create",
        "--name",
        "sdk",
        "--redirect-uri",
        "https://app.example/back",
        "--key-pair",
    ]);
    assert!(key["privateKeyPem"].as_str().unwrap().contains("PRIVATE KEY") && key["clientSecret"].is_string());
    let id = key["clientId"].as_str().unwrap();
    let renewed = server.json(&["account", "integration-keys", "new-secret", id]);
    assert_ne!(renewed["clientSecret"], key["clientSecret"]);
    assert!(server.text(&["account", "integration-keys", "new-key-pair", id]).contains("PRIVATE KEY"));
    server.text(&["account", "integration-keys", "delete", id]);
    assert_eq!(server.text(&["account", "integration-keys"]), "there is no integration key\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_what_is_wrong_and_says_what_to_do() {
    let (server, listener) = (Server::start(), Listener::start().await);
    let healthy = server.text(&["doctor"]);
    for words in ["is in use by a process", "this machine and the server agree", "it takes traffic", "1 live", "none is active"] {
        assert!(healthy.contains(words), "'{words}' in {healthy}");
    }
    let nodes = server.text(&["nodes"]);
    for words in ["live", "waiting         0", "given up        0", "lanes of ", "  lanes  ", "  with backlog  0", "  breaker open  0"] {
        assert!(nodes.contains(words), "'{words}' in {nodes}");
    }
    let shown = server.json(&["nodes"]);
    assert_eq!(shown["lanes"]["incarnation"], shown["nodes"][0]["incarnation"], "{shown}");
    assert_eq!((&shown["backlog"]["waiting"], &shown["lanes"]["breakerOpen"]), (&0.into(), &0.into()), "{shown}");

    let closed = crate::program::closed_address();
    server.json(&["config", "create", "--url", &listener.url("/"), "--events", "test"]);
    server.json(&["config", "create", "--url", &format!("http://{closed}/"), "--events", "test"]);
    let run = server.run(&["doctor"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("takes connections, unencrypted") && run.out.contains("no connection from this machine"), "{run:?}");
    assert_eq!(server.run(&["doctor", "--no-listeners"]).code, 0);
    let checks = server.run(&["doctor", "--json"]).json();
    assert!(checks["checks"].as_array().unwrap().iter().any(|check| check["state"] == "failed"), "{checks}");

    let gone = server.run(&["doctor", "--server", &format!("http://{closed}")]);
    assert_eq!(gone.code, 1);
    assert!(gone.out.contains("is the server running?") && gone.out.contains("there is no server to ask"), "{gone:?}");
    std::fs::write(server.folder.path().join("countersign.toml"), "colour = 'red'\n").unwrap();
    let unknown = server.run(&["doctor", "--no-listeners"]);
    assert!(unknown.code == 1 && unknown.out.contains("unknown field `colour`"), "{unknown:?}");
}

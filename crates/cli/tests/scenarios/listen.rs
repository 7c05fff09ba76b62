//! `countersign listen`: what it accepts, refuses, explains, passes on and keeps.

use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_authority::{Client, Running, Settings};
use countersign_listener::DUPLICATE_HEADER;
use countersign_testkit::{Answer, Listener, TestCa};
use serde_json::{Value, json};

use super::support::{
    Listening, Sender,
    listening::{KEY, envelope, message, signed},
    until,
};

/// How long what is under way may go on after one signal, for requests as for attempts.
const GRACE: Duration = Duration::from_secs(30);

fn is_arrival(value: &Value, number: u64) -> bool {
    value["type"] == "arrival" && value["number"] == number
}

#[tokio::test]
async fn what_is_signed_is_accepted_once_and_what_does_not_match_is_explained() {
    let mut listening = Listening::start(&["--hmac-key", KEY, "--json"]).await;
    let (sender, body) = (Sender::new(), message("envelope-sent", 1));
    assert_eq!(sender.send(&listening.url, &body).await.0, 200);
    let first = listening.told(|told| is_arrival(told, 1)).await;
    assert_eq!(
        (&first["result"], &first["event"], &first["envelopeId"]),
        (&json!("accepted"), &json!("envelope-sent"), &json!(envelope(1)))
    );
    assert_eq!(first["verdict"]["hmac"], json!({"result": "passed", "key": 1, "header": 1}));
    assert_eq!(first["body"].as_str(), Some(std::str::from_utf8(&body).unwrap()));

    let again = sender.send(&listening.url, &body).await;
    assert_eq!((again.0.as_u16(), again.1.get(DUPLICATE_HEADER).is_some()), (200, true));

    let value: Value = serde_json::from_slice(&body).unwrap();
    let pretty = Bytes::from(serde_json::to_string_pretty(&value).unwrap());
    let refused = sender.post(&listening.url, &signed(&body), pretty).await.unwrap();
    assert_eq!((refused.0.as_u16(), refused.1.contains_key("www-authenticate")), (401, true));
    let third = listening.told(|told| is_arrival(told, 3)).await;
    assert_eq!((&third["refusal"]["kind"], &third["findings"][0]["causes"]), (&json!("hmac"), &json!(["body-pretty-printed"])));
    assert_eq!(third["findings"][0]["certainty"], "proved");

    let words = listening.terminate().await;
    assert!(words.contains(r#""accepted":1,"duplicates":1,"refused":1,"refusals":{"hmac":1}"#), "{words}");
    assert!(!words.contains(KEY), "no key in any output{words}");
}

#[tokio::test]
async fn lines_for_people_say_loudly_when_nothing_is_verified_and_obey_no_sender() {
    let mut listening = Listening::start(&["--no-verify"]).await;
    listening.line("WARNING: NOTHING IS VERIFIED").await;
    let sender = Sender::new();
    let secret = [("authorization".to_owned(), "Bearer s3cret-t0ken".to_owned())];
    sender.post(&format!("{}/a?b=c", listening.url), &secret, Bytes::from_static(b"{\"event\":\"\\u001b[2Jx\"}")).await.unwrap();
    let line = listening.line("not verified").await;
    assert!(line.contains("  message  -  not verified  accepted  answered 200  "), "{line}");
    let (status, _) = sender.get(&listening.url).await;
    assert_eq!(status, 405, "messages come by POST");
    assert_eq!(sender.get(&format!("{}/healthz", listening.url)).await.0, 200);
    let words = listening.terminate().await;
    assert!(words.contains("1 accepted, 0 duplicates, 0 refused") && !words.contains("s3cret"), "{words}");
    assert!(!words.contains('\u{1b}'), "{words:?}");
}

#[tokio::test]
async fn basic_and_the_account_are_checked_too() {
    let listening = Listening::start(&[
        "--basic",
        "connect:a long password",
        "--hmac-key",
        KEY,
        "--account",
        "8b411bfe-54f5-47fc-bbf2-55d9a71a200f",
        "--json",
    ])
    .await;
    let (sender, body) = (Sender::new(), message("envelope-sent", 1));
    let basic = ("authorization".to_owned(), "Basic Y29ubmVjdDphIGxvbmcgcGFzc3dvcmQ=".to_owned());
    let account = ("x-docusign-accountid".to_owned(), "8B411BFE-54F5-47FC-BBF2-55D9A71A200F".to_owned());
    for (row, headers, status) in [
        ("nothing", vec![], 401),
        ("no basic", signed(&body), 401),
        ("no account", [signed(&body), vec![basic.clone()]].concat(), 403),
        ("no signature", vec![basic.clone(), account.clone()], 401),
        ("all", [signed(&body), vec![basic, account]].concat(), 200),
    ] {
        let answer = sender.post(&listening.url, &headers, body.clone()).await.unwrap();
        assert_eq!(answer.0, status, "{row}");
    }
    let last = listening.told(|told| is_arrival(told, 5)).await;
    assert_eq!(last["verdict"]["authorization"], json!({"result": "passed", "scheme": "basic", "user": "connect"}));
    assert_eq!(last["headers"]["authorization"], "Basic ********");
}

#[tokio::test]
async fn tokens_are_verified_with_published_keys_and_by_introspection() {
    let audience = "https://listener.example/connect";
    let settings = Settings::new("http://127.0.0.1")
        .client(Client::with_secret_basic("connect", "connect-secret").audiences([audience]))
        .client(Client::with_secret_basic("listener", "listener-secret").resource_server());
    let authority = Running::start(settings).await.unwrap();
    let token = token(&authority.token_endpoint(), audience).await;
    let (jwks, introspect) = (authority.jwks_uri(), authority.introspection_endpoint());
    let common = ["--issuer", authority.issuer(), "--audience", audience, "--client", "connect", "--json"];
    for way in [vec![], vec!["--jwks", &jwks], vec!["--introspect", &introspect, "--introspect-client", "listener:listener-secret"]] {
        let listening = Listening::start(&[&common[..], &way].concat()).await;
        let sender = Sender::new();
        for (number, text, status) in [(1, format!("Bearer {token}"), 200), (2, format!("Bearer {token}x"), 401)] {
            let headers = [("authorization".to_owned(), text)];
            let answer = sender.post(&listening.url, &headers, message("envelope-sent", number)).await.unwrap();
            assert_eq!(answer.0, status, "{way:?} {number}{}", listening.words());
        }
        let first = listening.told(|told| is_arrival(told, 1)).await;
        assert_eq!(first["verdict"]["authorization"]["claims"]["client_id"], "connect", "{way:?}");
        assert!(!listening.words().contains(&token), "{way:?}");
    }
}

/// A client-credentials token.
async fn token(endpoint: &str, audience: &str) -> String {
    let run = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["token", "--token-url", endpoint, "--client-id", "connect", "--client-secret", "connect-secret"])
        .args(["--param", &format!("audience={audience}"), "--print-token"])
        .output()
        .await
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_message_is_passed_on_byte_for_byte_and_the_answer_says_whether_it_was_taken() {
    let (application, other) = (Listener::start().await, Listener::start().await);
    let (all, completed) = (application.url("/all?a=b"), format!("envelope-completed={}", other.url("/completed")));
    let listening = Listening::start(&["--hmac-key", KEY, "--forward", &all, "--forward", &completed, "--json"]).await;
    let sender = Sender::new();
    let body = message("envelope-sent", 1);
    let mut headers = signed(&body);
    headers.push(("x-docusign-accountid".to_owned(), "acc".to_owned()));
    headers.push(("x-countersign-verified".to_owned(), "hmac=9".to_owned()));
    headers.push(("cookie".to_owned(), "a=b".to_owned()));

    application.status_next([500]);
    assert_eq!(sender.post(&listening.url, &headers, body.clone()).await.unwrap().0, 502, "it is to come again");
    assert_eq!(sender.post(&listening.url, &headers, body.clone()).await.unwrap().0, 200);
    assert_eq!(sender.post(&listening.url, &headers, body.clone()).await.unwrap().0, 200, "a duplicate");
    assert_eq!(sender.send(&listening.url, &message("envelope-completed", 2)).await.0, 200);

    let received = application.wait_for(3).await;
    let first = &received[1];
    assert_eq!((&first.body, first.path.as_str()), (&body, "/all?a=b"));
    for (name, value) in [
        ("x-docusign-accountid", "acc"),
        ("x-countersign-verified", "hmac=1"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-docusign-signature-1", headers[0].1.as_str()),
    ] {
        assert_eq!(first.header_all(name), [value], "{name}");
    }
    assert!(first.header("cookie").is_none());
    let id = |n: usize| received[n].header("x-countersign-delivery").unwrap().to_owned();
    assert_eq!((id(0) == id(1), id(1) == id(2)), (true, false), "one message has one id");
    let filtered = other.wait_for(1).await;
    assert_eq!((application.requests().len(), filtered.len(), filtered[0].path.as_str()), (3, 1, "/completed"));
    let told = listening.told(|told| is_arrival(told, 1)).await;
    assert_eq!((&told["result"], &told["forwards"][0]["status"]), (&json!("not_taken"), &json!(500)));
}

#[tokio::test]
async fn answers_can_be_told_in_turn() {
    let listening = Listening::start(&["--no-verify", "--respond", "500,200"]).await;
    let sender = Sender::new();
    let mut statuses = Vec::new();
    for number in 1..=3 {
        statuses.push(sender.send(&listening.url, &message("envelope-sent", number)).await.0.as_u16());
    }
    assert_eq!(statuses, [500, 200, 200]);
}

#[tokio::test]
async fn https_is_served_and_a_client_certificate_can_be_demanded() {
    let ca = TestCa::new();
    let (files, client) = (tempfile::tempdir().unwrap(), ca.client("connect"));
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, cert, key) = (file("ca", &ca.certificate_pem()), file("cert", client.certificate_pem()), file("key", &client.key_pem()));
    let listening = Listening::start(&["--hmac-key", KEY, "--tls", "--require-client-cert", &ca]).await;
    assert!(listening.url.starts_with("https://"), "{}", listening.url);
    let own_ca = listening.path("countersign-data/dev-ca.pem");
    let to = ["trigger", "--to", &listening.url, "--key", KEY, "--ca", own_ca.to_str().unwrap(), "--json"];
    for (row, shown, delivered) in [("without", vec![], false), ("with", vec!["--cert", &cert, "--cert-key", &key], true)] {
        let run = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign")).args(to).args(shown).output().await.unwrap();
        assert_eq!(run.status.success(), delivered, "{row}: {run:?}");
    }
    listening.line("hmac key 1 fits header 1").await;
}

#[tokio::test]
async fn the_inbox_keeps_what_it_acknowledged_until_the_application_takes_it() {
    let application = Listener::start().await;
    application.answer(Answer::status(503));
    let url = application.url("/connect");
    let arguments = ["--hmac-key", KEY, "--store", "inbox", "--forward", &url, "--ordered", "--retry-schedule", "100ms,100ms,1h", "--json"];
    let mut listening = Listening::start(&arguments).await;
    let sender = Sender::new();
    // Two envelopes, three events each.
    let events = ["envelope-sent", "envelope-delivered", "envelope-completed"];
    let messages: Vec<Bytes> = (1..=2).flat_map(|number| events.map(|event| message(event, number))).collect();
    for body in &messages {
        assert_eq!(sender.send(&listening.url, body).await.0, 200, "{}", listening.words());
    }
    let again = sender.send(&listening.url, &messages[0]).await;
    assert_eq!((again.0.as_u16(), again.1.get(DUPLICATE_HEADER).is_some()), (200, true));
    let (_, metrics) = sender.get(&format!("{}/metrics", listening.url)).await;
    for figure in
        ["countersign_listener_arrivals_total{result=\"accepted\"} 6", "countersign_listener_arrivals_total{result=\"duplicate\"} 1"]
    {
        assert!(metrics.contains(figure), "{figure} in {metrics}");
    }
    let failed = listening.told(|told| told["type"] == "forward").await;
    assert_eq!(failed["status"], 503);

    // Ended and started again, with the application back: all of it goes, in order for each envelope, each once.
    listening.terminate().await;
    application.clear();
    application.answer(Answer::ok());
    listening.start_again().await;
    let received = application.wait_for(6).await;
    for number in 1..=2 {
        let of_one: Vec<_> = received.iter().filter(|received| received.json()["data"]["envelopeId"] == envelope(number)).collect();
        assert_eq!(of_one.iter().map(|received| received.json()["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), events);
        assert!(of_one.iter().all(|received| messages.contains(&received.body) && received.header("x-docusign-signature-1").is_some()));
    }
    // It remembers over the restart what came before.
    assert!(sender.send(&listening.url, &messages[5]).await.1.contains_key(DUPLICATE_HEADER));
    let idle = async || {
        let (_, metrics) = sender.get(&format!("{}/metrics", listening.url)).await;
        metrics.contains("countersign_deliveries_settled_total{result=\"delivered\"} 6").then_some(())
    };
    until("all of it settled", idle).await;
    assert_eq!(application.requests().len(), 6);
    listening.terminate().await;
}

#[tokio::test]
async fn what_waits_goes_to_where_the_application_moved() {
    let (old, new) = (Listener::start().await, Listener::start().await);
    old.answer(Answer::status(503));
    let (first, second) = (old.url("/a"), new.url("/b"));
    let mut listening = Listening::start(&["--no-verify", "--store", "inbox", "--forward", &first, "--retry-schedule", "1h"]).await;
    let sender = Sender::new();
    assert_eq!(sender.send(&listening.url, &message("envelope-sent", 1)).await.0, 200);
    old.wait_for(1).await;
    listening.terminate().await;
    listening.start_again_with(&["--no-verify", "--store", "inbox", "--forward", &second]).await;
    let received = new.wait_for(1).await;
    assert_eq!((received[0].header("x-countersign-verified"), received[0].path.as_str()), (Some("none"), "/b"));
    listening.terminate().await;
}

#[tokio::test]
async fn a_second_signal_cuts_off_what_hangs_and_loses_nothing() {
    let application = Listener::start().await;
    application.answer(Answer::hang());
    let url = application.url("/connect");
    let arguments = ["--no-verify", "--store", "inbox", "--forward", &url, "--forward-timeout", "300s", "--quiet"];
    let mut listening = Listening::start(&arguments).await;
    let sender = Sender::new();
    assert_eq!(sender.send(&listening.url, &message("envelope-sent", 1)).await.0, 200);
    application.wait_for(1).await;
    let told = Instant::now();
    let words = listening.end_in_a_hurry().await;
    assert!(words.contains("stopping at once") && words.contains("1 accepted"), "{words}");
    assert!(told.elapsed() < GRACE, "nobody waited for the attempt: {:?}{words}", told.elapsed());

    application.answer(Answer::ok());
    listening.start_again().await;
    let received = application.wait_for(2).await;
    assert_eq!(received[0].header("x-countersign-delivery"), received[1].header("x-countersign-delivery"));
    listening.terminate().await;
}

#[tokio::test]
async fn a_second_signal_drops_requests_under_way() {
    let application = Listener::start().await;
    application.answer(Answer::hang());
    let url = application.url("/connect");
    let mut listening = Listening::start(&["--no-verify", "--forward", &url, "--forward-timeout", "300s"]).await;
    let (sender, to) = (Sender::new(), listening.url.clone());
    let answer = tokio::spawn(async move { sender.post(&to, &[], message("envelope-sent", 1)).await });
    application.wait_for(1).await;
    let told = Instant::now();
    listening.end_in_a_hurry().await;
    assert!(told.elapsed() < GRACE, "nobody waited for the request: {:?}", told.elapsed());
    assert!(answer.await.unwrap().is_err(), "it was not answered");
}

#[tokio::test]
async fn a_proxy_names_the_client_certificate_and_nobody_else_is_believed() {
    let ca = TestCa::new();
    let (sender_of, other) = (ca.server(&["connect.example.com"]), ca.server(&["somebody.example.com"]));
    let escaped = |pem: &str| pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B");
    let with = |pem: Option<&str>, verdict: Option<&str>| {
        let mut headers = signed(&message("envelope-sent", 1));
        headers.extend(pem.map(|pem| ("ssl-client-escaped-cert".to_owned(), escaped(pem))));
        headers.extend(verdict.map(|verdict| ("ssl-client-verify".to_owned(), verdict.to_owned())));
        headers
    };
    let (good, bad) = (sender_of.certificate_pem(), other.certificate_pem());
    let flags = ["--client-cert-header", "ssl-client-escaped-cert", "--client-cert-verify-header", "ssl-client-verify"];
    let named = ["--client-cert-name", "connect.example.com", "--hmac-key", KEY, "--json", "--trusted-proxy"];
    let sender = Sender::new();
    let trusting = Listening::start(&[&flags[..], &named, &["127.0.0.0/8"]].concat()).await;
    for (row, headers, accepted) in [
        ("no certificate", with(None, None), false),
        ("one that the proxy has not verified", with(Some(good), Some("FAILED:certificate has expired")), false),
        ("one without the proxy's verdict", with(Some(good), None), false),
        ("another name", with(Some(bad), Some("SUCCESS")), false),
        ("the sender's", with(Some(good), Some("SUCCESS")), true),
    ] {
        let answered = sender.post(&trusting.url, &headers, message("envelope-sent", 1)).await.unwrap().0;
        assert_eq!(answered == 200, accepted, "{row}: {answered}");
    }
    let told = trusting.told(|told| is_arrival(told, 5)).await;
    assert_eq!((&told["result"], &told["verified"]), (&"accepted".into(), &true.into()));
    // The same request from an address that is not the proxy's.
    let elsewhere = Listening::start(&[&flags[..], &named, &["192.0.2.1"]].concat()).await;
    let refused = sender.post(&elsewhere.url, &with(Some(good), Some("SUCCESS")), message("envelope-sent", 1)).await.unwrap().0;
    assert_ne!(refused, 200);
    let told = elsewhere.told(|told| is_arrival(told, 1)).await;
    assert_eq!(told["verified"], false, "{told}");
    assert!(told["refusal"]["reason"].as_str().unwrap().ends_with("127.0.0.1 is no trusted proxy"), "{told}");
}

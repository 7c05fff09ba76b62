//! Nobody can send the server into its operator's network: not by a webhook URL, not by a token URL, not in any spelling, and
//! not by a name that leads inside. A canary on this machine counts who comes.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Client, Reply, Server, server::Options, until};

/// The table of `core`: a URL on each line, and behind a blank what a name leads to.
const TARGETS: &str = include_str!("../../../core/tests/data/forbidden-targets.txt");

/// Listens on one port of all loopback addresses that the spellings lead to, and counts connections.
struct Canary {
    port: u16,
    visits: Arc<AtomicUsize>,
}

impl Canary {
    fn start() -> Self {
        let visits = Arc::new(AtomicUsize::new(0));
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = first.local_addr().expect("it is bound").port();
        let mut sockets = vec![first];
        for address in [[127, 0, 0, 2], [127, 127, 127, 127], [127, 255, 255, 254]] {
            sockets.extend(TcpListener::bind(SocketAddr::from((address, port))));
        }
        // A machine without IPv6 has no such address to be led to.
        sockets.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, port)));
        for socket in sockets {
            let visits = Arc::clone(&visits);
            thread::spawn(move || {
                for _ in socket.incoming() {
                    visits.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, visits }
    }

    /// Connections so far. One that was made is counted: our own, made last, is waited for.
    async fn visits(&self) -> usize {
        let before = self.visits.load(Ordering::SeqCst);
        drop(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the canary listens"));
        let look = async || Some(self.visits.load(Ordering::SeqCst)).filter(|visits| *visits > before);
        until("our own visit to the canary", look).await - 1
    }
}

/// The URLs of the table for which no resolver is needed, and those without a port once more with the canary's.
fn spellings(port: u16) -> Vec<String> {
    let mut spellings = Vec::new();
    for line in TARGETS.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains(' ')) {
        spellings.push(line.to_owned());
        if let Some(authority) = line.strip_prefix("https://").and_then(|rest| rest.strip_suffix('/'))
            && !authority.contains(['/', '@', '#', '\\'])
            && !authority.rsplit(']').next().is_some_and(|tail| tail.contains(':'))
        {
            spellings.push(format!("https://{authority}:{port}/"));
        }
    }
    spellings
}

fn configuration(url: &str) -> Value {
    json!({
        "configurationType": "custom", "name": "led astray", "urlToPublishTo": url, "allowEnvelopePublish": "true", "allUsers": "true",
        "deliveryMode": "SIM", "events": ["click-agreed"], "eventData": {"version": "restv2.1"},
    })
}

fn connection(url: &str) -> Value {
    json!({"authorizationServerUrl": url, "clientId": "client", "clientSecret": "secret"})
}

async fn post(client: &Client, path: &str, body: &Value) -> Reply {
    client.send(Method::POST, path, Some(body)).await.expect("an answer")
}

#[tokio::test]
async fn no_spelling_of_a_forbidden_target_can_be_saved() {
    let canary = Canary::start();
    let server = Server::start(Options::production()).await;
    let restapi = server.restapi();
    let spellings = spellings(canary.port);
    for url in &spellings {
        // What stands before an @ in a webhook URL is taken out as Basic credentials; this one then leads to a public name.
        let leads_outside = url.ends_with("@listener.example/") && !url.contains('#');
        for (path, body) in [("/connect", configuration(url)), ("/connect/oauth", connection(url))] {
            if leads_outside && path == "/connect" {
                continue;
            }
            let reply = post(&restapi, path, &body).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path} took {url}: {}", reply.text);
            assert_eq!(reply.json()["errorCode"], "INVALID_REQUEST_PARAMETER", "{path} {url}: {}", reply.text);
        }
    }
    assert_eq!(restapi.get("/connect").await["totalRecords"], "0", "nothing was saved");
    assert_eq!(canary.visits().await, 0);
    println!("{} spellings refused, each as a webhook URL and as a token URL", spellings.len());
    assert!(spellings.len() >= 300, "only {}", spellings.len());
    server.terminate().await;
}

#[tokio::test]
async fn no_envelope_is_sent_with_a_listener_in_the_operators_network() {
    let canary = Canary::start();
    let server = Server::start(Options::production()).await;
    let restapi = server.restapi();
    let port = canary.port;
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://localhost.:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let envelope = json!({
            "status": "sent", "emailSubject": "A lease",
            "documents": [{"documentBase64": "bGVhc2U=", "name": "Lease", "fileExtension": "txt", "documentId": "1"}],
            "recipients": {"signers": [{"name": "Ada", "email": "ada@example.com", "recipientId": "1", "routingOrder": "1"}]},
            "eventNotification": {"url": url, "events": ["envelope-sent"], "deliveryMode": "SIM", "eventData": {"version": "restv2.1"}},
        });
        let reply = post(&restapi, "/envelopes", &envelope).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{url}: {}", reply.text);
    }
    let envelopes = restapi.get("/envelopes?from_date=2025-11-01").await;
    assert_eq!(envelopes["totalSetSize"], "0", "nothing was half-applied");
    assert_eq!(canary.visits().await, 0);
}

/// Once the operator has opened any network, inner names can be meant; what they lead to is looked at when they are dialled.
#[tokio::test]
async fn names_that_lead_inside_are_refused_when_they_are_dialled() {
    let canary = Canary::start();
    let options = Options::production().with(&["--allow-private-targets", "10.20.30.0/24", "--retry-schedule", "1h"]);
    let server = Server::start(options).await;
    let (restapi, api) = (server.restapi(), server.api());
    let port = canary.port;
    let mut names = ["localhost", "LOCALHOST", "localhost.", "LocalHost.", "loc%61lhost", "ｌｏｃａｌｈｏｓｔ"].map(str::to_owned).to_vec();
    names.extend(std::fs::read_to_string("/etc/hosts").iter().flat_map(|hosts| names_of_this_machine(hosts)));
    let mut refused = Vec::new();
    for name in &names {
        let url = format!("https://{name}:{port}/hook");
        let reply = post(&restapi, "/connect", &configuration(&url)).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{url} can be meant: {}", reply.text);
        let connect_id = reply.json()["connectId"].clone();

        let event = post(&api, "/events", &json!({"event": "click-agreed", "data": {}})).await.json()["id"].clone();
        let path = format!("/deliveries?event={}&subscription={}", event.as_str().unwrap(), connect_id.as_str().unwrap());
        let failed = until(&format!("the attempt to reach {url}"), async || {
            api.get(&path).await["deliveries"].as_array()?.iter().find(|delivery| delivery["lastClass"].is_string()).cloned()
        })
        .await;
        assert_eq!(failed["state"], "waiting", "{url}: {failed}");
        // Whether a name resolves that ends in a dot is the resolver's affair.
        if failed["lastClass"] == "dns" && name.ends_with('.') {
            continue;
        }
        assert_eq!(failed["lastClass"], "forbidden_address", "{url}: {failed}");
        let reply = post(&restapi, "/connect/oauth", &connection(&url)).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{url} as a token URL: {}", reply.text);
        refused.push(name);
    }
    assert!(refused.len() >= 4, "only {refused:?}");
    let literal = post(&restapi, "/connect", &configuration(&format!("https://127.0.0.1:{port}/"))).await;
    assert_eq!(literal.status, StatusCode::BAD_REQUEST, "opening one network opens no other: {}", literal.text);
    assert_eq!(canary.visits().await, 0);
    println!("refused when dialled: {refused:?}");
    server.terminate().await;
}

/// Names that the machine's own table leads to loopback.
fn names_of_this_machine(hosts: &str) -> Vec<String> {
    let lines = hosts.lines().filter_map(|line| line.split('#').next()).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words.first().and_then(|first| first.parse().ok()).is_some_and(|address: std::net::IpAddr| address.is_loopback()))
        .flat_map(|words| words[1..].iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)))
        .collect()
}

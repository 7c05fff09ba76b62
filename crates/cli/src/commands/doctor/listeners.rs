//! Checks of the listeners: connected to from this machine, and nothing sent.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use rustls::ClientConfig;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use url::Url;

use super::finding::Finding;
use crate::{table::text, trust};

/// Time for name, connection and TLS of one listener.
const LISTENER_TIMEOUT: Duration = Duration::from_secs(5);
/// Listeners looked at; more would take minutes.
const LISTENERS_MAX: usize = 50;

/// Connects to the listener of each active subscription, each origin once.
pub(super) async fn check(subscriptions: &[Value], ca: Option<&Path>) -> Vec<Finding> {
    let mut origins: BTreeMap<String, Url> = BTreeMap::new();
    for subscription in subscriptions.iter().filter(|subscription| subscription["active"] == true) {
        if let Ok(url) = Url::parse(&text(subscription, "url")) {
            origins.insert(url.origin().ascii_serialization(), url);
        }
    }
    let tls = match trust::client_config(ca) {
        Ok(tls) => tls,
        Err(error) => return vec![Finding::failed("listeners", format!("{error:#}"))],
    };
    let mut findings = Vec::new();
    let left_out = origins.len().saturating_sub(LISTENERS_MAX);
    for (origin, url) in origins.into_iter().take(LISTENERS_MAX) {
        let check = format!("listener {origin}");
        findings.push(match timeout(LISTENER_TIMEOUT, connect(&url, &tls)).await {
            Ok(Ok(how)) => Finding::fine(check, how),
            Ok(Err(Unreachable::Connection(words))) => Finding::failed(check, format!("no connection from this machine: {words}")),
            // The account may trust a CA, or show a certificate, that this machine does not know of.
            Ok(Err(Unreachable::Tls(words))) => Finding::odd(check, format!("TLS from this machine: {words}")),
            Err(_) => Finding::failed(check, format!("no connection from this machine within {} s", LISTENER_TIMEOUT.as_secs())),
        });
    }
    if left_out > 0 {
        findings.push(Finding::skipped("listeners", format!("{left_out} more were not looked at")));
    }
    findings
}

enum Unreachable {
    Connection(String),
    Tls(String),
}

async fn connect(url: &Url, tls: &Arc<ClientConfig>) -> Result<&'static str, Unreachable> {
    let no_connection = |words: &dyn ToString| Unreachable::Connection(words.to_string());
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| no_connection(&error))?;
    if url.scheme() != "https" {
        return Ok("takes connections, unencrypted");
    }
    let name = rustls_pki_types::ServerName::try_from(host).map_err(|error| no_connection(&error))?;
    let connected = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    connected.map(|_| "takes connections, its certificate is trusted").map_err(|error| Unreachable::Tls(error.to_string()))
}

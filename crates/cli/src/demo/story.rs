//! The story: an envelope for two signers and a copy, sent, viewed and signed; every message proved twice.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::Secret;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    receiver::{self, Expected, Heard},
    screen::Screen,
};
use crate::{
    caller::Api,
    process::{Plan, Process},
    settings::ServeSettings,
};

/// How long the story waits for a message.
const PATIENCE: Duration = Duration::from_secs(15);
/// The client that Connect is at the authorization server.
const CLIENT: &str = "countersign-demo";
/// Whom the tokens are for.
const AUDIENCE: &str = "https://listener.example/connect";

/// A text document, small enough to read in a message.
const DOCUMENT: &str = "Lease of a small garden\n\nThe tenant waters the roses. The landlord enjoys them.\n";

/// A running demo.
pub(crate) struct Demo {
    process: Process,
    /// Holds the data until the end.
    _folder: tempfile::TempDir,
    api: Api,
    heard: mpsc::UnboundedReceiver<Heard>,
    account: String,
    screen: Screen,
    verified: usize,
    refused: usize,
}

impl Demo {
    /// Starts all three and configures Connect.
    pub(crate) async fn start(screen: Screen) -> anyhow::Result<Self> {
        screen.title("Countersign: an envelope changes state, and a listener hears of it, signed and provable");
        let folder = tempfile::tempdir().context("a folder for the demo's data")?;
        let secret = random_text()?;
        let token = random_text()?;
        let client = countersign_authority::Client::with_secret_basic(CLIENT, &secret).audiences([AUDIENCE]);
        let settings = ServeSettings {
            listen: Some("127.0.0.1:0".parse().context("the demo's address")?),
            data_dir: Some(folder.path().to_owned()),
            ..ServeSettings::default()
        };
        let plan = Plan { settings, dev: true, token: Some(Secret::new(token.clone())), dev_clients: vec![client], ..Plan::default() };
        let process = Process::start(plan).await?;
        let authority = process.authority.clone().context("the development authorization server")?;
        let first = process.first.as_ref().context("the demo has no account")?;
        let account = first.account.guid.to_string();
        let api = Api::new(process.url(), token, 4);
        screen.thing("server", &process.url());
        screen.thing("authorization server", authority.issuer());

        let rest = format!("/restapi/v2.1/accounts/{account}");
        let key = api.expect(Method::POST, &format!("{rest}/connect/secret"), "{}").await?;
        let key = key["secret"].as_str().context("the key is missing in the answer")?.to_owned();
        let (listener, address) = receiver::bind().await?;
        let expected = Expected {
            issuer: authority.issuer().to_owned(),
            jwks: authority.jwks_uri(),
            audience: AUDIENCE.to_owned(),
            client: CLIENT.to_owned(),
        };
        let heard = receiver::start(listener, &key, expected).await?;
        let url = format!("http://{address}/connect");
        screen.thing("listener", &url);
        let oauth = json!({
            "authorizationServerUrl": authority.token_endpoint(), "clientId": CLIENT, "clientSecret": secret,
            "customParameters": {"audience": AUDIENCE},
        });
        api.expect(Method::POST, &format!("{rest}/connect/oauth"), oauth.to_string()).await?;
        let configuration = json!({
            "configurationType": "custom", "name": "Demo", "urlToPublishTo": url, "allowEnvelopePublish": "true", "allUsers": "true",
            "enableLog": "true", "requiresAcknowledgement": "true", "includeHMAC": "true", "includeOAuth": "true",
            "deliveryMode": "SIM", "eventData": {"version": "restv2.1", "includeData": ["recipients", "tabs", "custom_fields"]},
            "events": [
                "envelope-sent", "envelope-delivered", "envelope-completed", "recipient-sent", "recipient-delivered", "recipient-completed",
            ],
        });
        let made = api.expect(Method::POST, &format!("{rest}/connect"), configuration.to_string()).await?;
        let connect_id = made["connectId"].as_str().context("the configuration's id is missing in the answer")?;
        // Connect promises no order; a reader of the story expects the one in which things happened.
        let own = format!("/api/v1/accounts/{account}/subscriptions/{connect_id}");
        api.expect(Method::PATCH, &own, json!({"ordered": true}).to_string()).await?;
        screen.thing("Connect configuration", &format!("{connect_id}: JSON SIM, HMAC with 1 key, OAuth client {CLIENT}"));
        Ok(Self { process, _folder: folder, api, heard, account, screen, verified: 0, refused: 0 })
    }

    /// Sends the envelope and plays its recipients. True when every message was verified and the envelope is completed.
    pub(crate) async fn play(&mut self) -> anyhow::Result<bool> {
        let began = Instant::now();
        let envelopes = format!("/restapi/v2.1/accounts/{}/envelopes", self.account);
        self.screen.act("The sender sends “Garden lease” to Ann, then to Bo, with a copy to Cy");
        let at = Instant::now();
        let sent = self.api.expect(Method::POST, &envelopes, definition().to_string()).await?;
        let envelope = sent["envelopeId"].as_str().context("the envelope's id is missing in the answer")?.to_owned();
        self.expect_messages(at, &["envelope-sent", "recipient-sent"]).await?;

        self.play_recipient(&envelope, "1", "Ann opens it", json!({"action": "deliver"}), &["recipient-delivered"]).await?;
        let signed = json!({"action": "complete", "tabs": {"favourite": "Rosa gallica"}});
        self.play_recipient(&envelope, "1", "Ann writes “Rosa gallica” and signs", signed, &["recipient-completed", "recipient-sent"])
            .await?;
        self.play_recipient(&envelope, "2", "Bo opens it", json!({"action": "deliver"}), &["recipient-delivered"]).await?;
        let all = ["recipient-completed", "envelope-delivered", "recipient-sent", "recipient-completed", "envelope-completed"];
        self.play_recipient(&envelope, "2", "Bo signs; Cy gets a copy", json!({"action": "complete"}), &all).await?;

        let state = self.api.expect(Method::GET, &format!("{envelopes}/{envelope}"), "").await?;
        let status = state["status"].as_str().unwrap_or("?").to_owned();
        let tokens = self.process.authority.as_ref().map_or(0, |authority| authority.stats().token_requests);
        let good = status == "completed" && self.refused == 0;
        self.screen.end(
            good,
            &format!(
                "{status}: {} messages, {} verified, {} refused, {tokens} token request{}, {:.1} s",
                self.verified + self.refused,
                self.verified,
                self.refused,
                if tokens == 1 { "" } else { "s" },
                began.elapsed().as_secs_f64(),
            ),
        );
        Ok(good)
    }

    /// Says how to go on looking around.
    pub(crate) fn invite(&self, token: &str) {
        let url = self.process.url();
        self.screen.note("");
        self.screen.note(&format!("It stays up until Ctrl-C. Look around in another terminal:\n\n    export COUNTERSIGN_URL={url} COUNTERSIGN_API_TOKEN={token}\n    countersign deliveries list"));
    }

    /// The token of the demo's API.
    pub(crate) fn token(&self) -> &str {
        self.api.token()
    }

    /// Takes everything down.
    pub(crate) async fn end(self) {
        self.process.shut_down(std::future::pending()).await;
    }

    async fn play_recipient(
        &mut self,
        envelope: &str,
        recipient: &str,
        what: &str,
        action: Value,
        expected: &[&str],
    ) -> anyhow::Result<()> {
        self.screen.act(what);
        let at = Instant::now();
        let path = format!("/api/v1/accounts/{}/envelopes/{envelope}/recipients/{recipient}/actions", self.account);
        self.api.expect(Method::POST, &path, action.to_string()).await?;
        self.expect_messages(at, expected).await
    }

    /// Waits for these messages, in any order, and for any that come with them. Shows each.
    async fn expect_messages(&mut self, since: Instant, expected: &[&str]) -> anyhow::Result<()> {
        let mut missing: Vec<&str> = expected.to_vec();
        while !missing.is_empty() {
            match tokio::time::timeout(PATIENCE, self.heard.recv()).await {
                Err(_) => bail!("no message for {} seconds; still expected: {}", PATIENCE.as_secs(), missing.join(", ")),
                Ok(None) => bail!("the listener has ended"),
                Ok(Some(Heard::Refused(why))) => {
                    self.refused += 1;
                    self.screen.end(false, &format!("the listener refused a message: {why}"));
                }
                Ok(Some(Heard::Message(arrived))) => {
                    self.verified += usize::from(arrived.verdict.is_accepted());
                    self.screen.message(&arrived, arrived.at.saturating_duration_since(since));
                    if let Some(at) = missing.iter().position(|name| *name == arrived.event) {
                        missing.swap_remove(at);
                    }
                }
            }
        }
        Ok(())
    }
}

fn definition() -> Value {
    let signer = |id: &str, name: &str, mail: &str, order: &str, tabs: Value| json!({"recipientId": id, "name": name, "email": mail, "routingOrder": order, "tabs": tabs});
    let here = |x: &str| json!([{"documentId": "1", "pageNumber": "1", "xPosition": x, "yPosition": "200"}]);
    json!({
        "emailSubject": "Garden lease",
        "status": "sent",
        "documents": [{"documentId": "1", "name": "Garden lease.txt", "fileExtension": "txt", "documentBase64": STANDARD.encode(DOCUMENT)}],
        "customFields": {"textCustomFields": [{"name": "plot", "value": "7b"}]},
        "recipients": {
            "signers": [
                signer("1", "Ann Tenant", "ann@tenant.example", "1", json!({
                    "signHereTabs": here("100"),
                    "textTabs": [{"documentId": "1", "pageNumber": "1", "xPosition": "100", "yPosition": "260", "tabLabel": "favourite"}],
                })),
                signer("2", "Bo Landlord", "bo@landlord.example", "2", json!({"signHereTabs": here("300")})),
            ],
            "carbonCopies": [{"recipientId": "3", "name": "Cy Archive", "email": "cy@archive.example", "routingOrder": "3"}],
        },
    })
}

/// 32 random bytes as text.
fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

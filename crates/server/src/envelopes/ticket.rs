//! The way to the signing page: an address that works once and for five minutes (Connect: recipient views), and the sitting that
//! begins when it is opened.
//!
//! The secret part of an address is 32 random bytes and is kept as its SHA-256 alone. What is spent or too late is remembered for a
//! day, so that who comes back with it is sent where the application wants them and not left before an error.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    Timestamp,
    id::{AccountId, EnvelopeId},
};
use countersign_store::objects::Ticket;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{App, failure::Failure};

/// How long an address works (Connect: 5 minutes).
pub const VIEW_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long a sitting lasts without anything being sent.
pub const SITTING_LIFE: Duration = Duration::from_secs(20 * 60);
/// How long a spent or late one is known, to send its bearer on.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
const SECRET_BYTES: usize = 32;
/// A secret in Base64 has 43 characters; longer texts are not worth hashing.
const SECRET_CHARS_MAX: usize = 64;

/// What a ticket is for, as stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// The address from `views/recipient`.
    View,
    /// The form on the page.
    Sitting,
    /// One that was used.
    Spent,
}

impl Use {
    fn as_str(self) -> &'static str {
        match self {
            Self::View => "signing_view",
            Self::Sitting => "signing_sitting",
            Self::Spent => "signing_spent",
        }
    }
}

/// Who comes, to which envelope, and where they go afterwards.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pass {
    /// The account.
    pub account: AccountId,
    /// The envelope.
    pub envelope: EnvelopeId,
    /// The recipient's id.
    pub recipient: String,
    /// Where the browser goes in the end, with `event=`.
    pub return_url: Url,
    /// Who may show the page in a frame.
    #[serde(default)]
    pub frame_ancestors: Vec<String>,
    /// Until when it counts.
    pub until: Timestamp,
    /// With which event the browser was sent back; `None` while it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_with: Option<String>,
}

impl Pass {
    /// The same, spent, with what to send its bearer back with who comes again.
    #[must_use]
    pub fn ending(&self, event: &str) -> Self {
        Self { ended_with: Some(event.to_owned()), ..self.clone() }
    }

    /// The return address with its `event`.
    #[must_use]
    pub fn returning(&self, event: &str) -> Url {
        let mut url = self.return_url.clone();
        url.query_pairs_mut().append_pair("event", event);
        url
    }
}

/// Keeps a pass; answers the secret that stands for it.
///
/// # Errors
/// The store's.
pub async fn issue(app: &App, kind: Use, pass: &Pass) -> Result<String, Failure> {
    let mut secret = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|e| {
        tracing::error!(error = %e, "no random bytes from the operating system");
        Failure::new(http::StatusCode::SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE", "no random bytes; try again")
    })?;
    let secret = URL_SAFE_NO_PAD.encode(secret);
    put(app, kind, &secret, pass).await?;
    Ok(secret)
}

/// Remembers that this secret is spent.
///
/// # Errors
/// The store's.
pub async fn spend(app: &App, secret: &str, pass: &Pass) -> Result<(), Failure> {
    put(app, Use::Spent, secret, pass).await
}

/// Gives back what was taken and could not be used.
///
/// # Errors
/// The store's.
pub async fn give_back(app: &App, kind: Use, secret: &str, pass: &Pass) -> Result<(), Failure> {
    put(app, kind, secret, pass).await
}

async fn put(app: &App, kind: Use, secret: &str, pass: &Pass) -> Result<(), Failure> {
    let now = app.now();
    let body = serde_json::to_string(pass).map_err(|e| countersign_store::StoreError::Backend(format!("serialising a pass: {e}")))?;
    let ticket =
        Ticket { sha256: Sha256::digest(secret).into(), kind: kind.as_str().to_owned(), body, expires_at: pass.until.max(now) + MEMORY };
    app.store.put_ticket(ticket, now).await??;
    Ok(())
}

/// Takes the pass that a secret stands for; only one caller gets it.
///
/// # Errors
/// The store's.
pub async fn take(app: &App, kind: Use, secret: &str) -> Result<Option<Pass>, Failure> {
    if secret.len() > SECRET_CHARS_MAX {
        return Ok(None);
    }
    let taken = app.store.take_ticket(kind.as_str(), Sha256::digest(secret).into(), app.now()).await?;
    let read =
        |ticket: Ticket| serde_json::from_str(&ticket.body).map_err(|e| countersign_store::StoreError::Damaged(format!("a pass: {e}")));
    Ok(taken.map(read).transpose()?)
}

//! What each check said about a message.

use countersign_signature::{Match, standard_webhooks::StandardMatch};

use crate::{certificate::AcceptedCertificate, refusal::Refusal, token::TokenClaims};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Checked<T> {
    /// The listener is not configured to ask for it.
    #[default]
    NotAsked,
    /// An earlier check refused the message first.
    NotReached,
    /// It passed; this is what it found.
    Passed(T),
    /// It refused the message.
    Refused(Refusal),
}

impl<T> Checked<T> {
    /// What a passed check found.
    pub const fn passed(&self) -> Option<&T> {
        match self {
            Self::Passed(found) => Some(found),
            _ => None,
        }
    }

    /// Why the check refused the message.
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    pub(crate) fn from_result(result: Result<T, impl Into<Refusal>>) -> Self {
        match result {
            Ok(found) => Self::Passed(found),
            Err(refused) => Self::Refused(refused.into()),
        }
    }
}

/// Who sent the message, by the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorized {
    /// HTTP Basic, with this user name.
    Basic {
        /// The user name.
        user: String,
    },
    /// A bearer token that says this.
    Bearer(Box<TokenClaims>),
}

/// What each check said. A request that reaches the application carries its verdict in the extensions, every check asked for passed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Verdict {
    /// The client certificate.
    pub certificate: Checked<AcceptedCertificate>,
    /// Basic or bearer.
    pub authorization: Checked<Authorized>,
    /// The body arrived whole and within the limit: its length in bytes.
    pub body: Checked<usize>,
    /// `X-DocuSign-Signature-n`: which key (from 0, in the order configured) and which header (from 1) fit.
    pub hmac: Checked<Match>,
    /// The Standard Webhooks signature.
    pub standard_webhooks: Checked<StandardMatch>,
    /// `X-DocuSign-AccountId`: the account.
    pub account: Checked<String>,
    /// The replay guard.
    pub replay: Checked<Freshness>,
}

/// Whether a message was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is new and goes to the application.
    New,
    /// It was handled before; the sender gets 200 and the application nothing.
    Duplicate,
}

impl Verdict {
    /// The first refusal in the order of the checks; `None` when the message is accepted.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        let Self { certificate, authorization, body, hmac, standard_webhooks, account, replay } = self;
        let head = [certificate.refusal(), authorization.refusal(), body.refusal()];
        let rest = [hmac.refusal(), standard_webhooks.refusal(), account.refusal(), replay.refusal()];
        head.into_iter().chain(rest).flatten().next()
    }

    /// Whether the message may go to the application.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.refusal().is_none()
    }
}

//! Accounts and who may act in them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountGuid, AccountId, CredentialId, UserId},
    time::Timestamp,
};

/// A tenant. Accounts never see each other's data by any id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The external number and the key of every row.
    pub id: AccountId,
    /// `accountId` on the wire.
    pub guid: AccountGuid,
    /// For people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Domains that the operator assigned to the account; Recipient Connect hears of envelopes sent to their users.
    #[serde(default)]
    pub recipient_domains: BTreeSet<String>,
    /// `TimeZone` of XML messages, in Windows' naming as Connect writes it, such as `Pacific Standard Time`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// `TimeZoneOffset` of XML messages: hours east of UTC, -12 to 14.
    #[serde(default)]
    pub time_zone_offset_hours: i8,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A user of an account: sends envelopes, owns tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// `userId` on the wire.
    pub id: UserId,
    /// Where they belong.
    pub account: AccountId,
    /// Full name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// May call the Connect endpoints.
    pub admin: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a token may do. Each right includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read.
    Read,
    /// Post events, send envelopes, act on deliveries.
    Write,
    /// Change subscriptions, credentials, users.
    Admin,
}

impl Right {
    /// The word used in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// A bearer token of the API. Only its SHA-256 is kept: 32 random bytes need no slow hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id; the token itself is shown once.
    pub id: CredentialId,
    /// Where it works.
    pub account: AccountId,
    /// On whose behalf.
    pub user: UserId,
    /// For people.
    pub name: String,
    /// What it may do.
    pub right: Right,
    /// The last four characters, so that a person can tell tokens apart.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` is never.
    pub expires_at: Option<Timestamp>,
}

impl ApiToken {
    /// True while it may be used.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// An integration key: an application that logs in through `/oauth/token` (Docusign's authentication endpoints).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IntegrationKey {
    /// `client_id`, a GUID.
    pub client_id: uuid::Uuid,
    /// Whose application it is; its keys and OAuth connection sign `integratorManaged` messages.
    pub account: AccountId,
    /// For people.
    pub name: String,
    /// SHA-256 of the client secret for the authorization-code grant, in hex; `None` when it has none.
    pub secret_sha256: Option<String>,
    /// Where the consent page may send its code.
    pub redirect_uris: Vec<String>,
    /// RSA public keys (PEM) that sign JWT-grant assertions.
    pub public_keys_pem: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

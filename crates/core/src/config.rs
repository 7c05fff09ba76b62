//! What an account has configured, as the matching and the worker read it.
//!
//! Objects are kept one row each as JSON; their secrets travel apart ([`Configured::secrets`]) and are sealed by the
//! store. Every change raises the account's [`ConfigVersion`]; what was matched with an older one is refused and matched
//! again.

use std::{collections::BTreeMap, sync::Arc};

use countersign_signature::HmacKey;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    account::Account,
    auth::{ClientAuthentication, OAuthConnection},
    id::{AccountId, CredentialId, SubscriptionId},
    secret::Secret,
    subscription::{OAuthUse, Subscription},
    time::Timestamp,
};

/// Counts the changes of an account's configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigVersion(pub i64);

/// The kinds of configured objects, as stored. Subscriptions have a table of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConfigKind {
    /// [`SigningKey`]
    SigningKey,
    /// [`AccountOAuth`]
    OAuth,
    /// [`ClientCertificate`]
    ClientCertificate,
    /// [`TrustAnchor`]
    TrustAnchor,
    /// [`crate::account::User`]
    User,
    /// [`crate::account::IntegrationKey`]
    IntegrationKey,
    /// A template.
    Template,
    /// A bin of the inspector.
    Bin,
}

impl ConfigKind {
    /// The word stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SigningKey => "signing_key",
            Self::OAuth => "oauth",
            Self::ClientCertificate => "client_certificate",
            Self::TrustAnchor => "trust_anchor",
            Self::User => "user",
            Self::IntegrationKey => "integration_key",
            Self::Template => "template",
            Self::Bin => "bin",
        }
    }

    /// True when objects of this kind take part in matching or sending, so that a change of one raises the version.
    #[must_use]
    pub fn is_hot(self) -> bool {
        matches!(self, Self::SigningKey | Self::OAuth | Self::ClientCertificate | Self::TrustAnchor)
    }
}

/// Secrets of an object by name, in order.
pub type Secrets = BTreeMap<String, Secret>;

/// An object that is stored as JSON with its secrets apart.
pub trait Configured: Serialize + DeserializeOwned {
    /// The secrets, which serialisation leaves out.
    fn secrets(&self) -> Secrets {
        Secrets::new()
    }

    /// Puts the secrets back after deserialisation. Unknown names are ignored.
    fn restore(&mut self, _secrets: Secrets) {}
}

impl Configured for crate::account::User {}
impl Configured for crate::account::IntegrationKey {}

/// An HMAC key of the account (Connect: `connect/secret`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningKey {
    /// `keyId`.
    pub id: CredentialId,
    /// When it was made: keys are numbered in the order of creation.
    pub created_at: Timestamp,
    /// The first characters, for lists; the whole is shown once.
    pub hint: String,
    /// The key text, used as is (Connect: the 44 characters are not decoded).
    #[serde(skip, default = "no_secret")]
    pub secret: Secret,
}

impl Configured for SigningKey {
    fn secrets(&self) -> Secrets {
        Secrets::from([("secret".to_owned(), self.secret.clone())])
    }

    fn restore(&mut self, mut secrets: Secrets) {
        if let Some(secret) = secrets.remove("secret") {
            self.secret = secret;
        }
    }
}

/// The account's OAuth connection (Connect: `connect/oauth`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountOAuth {
    /// Where and how tokens are fetched.
    pub connection: OAuthConnection,
    /// When a token was first obtained with it; `None` when it was saved while the server was out of reach.
    pub verified_at: Option<Timestamp>,
    /// When it was saved.
    pub saved_at: Timestamp,
}

impl Configured for AccountOAuth {
    fn secrets(&self) -> Secrets {
        by_name(self.connection.secrets())
    }

    fn restore(&mut self, secrets: Secrets) {
        for (name, secret) in secrets {
            self.connection.set_secret(&name, secret);
        }
    }
}

/// A client certificate with its key, for mutual TLS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// Its id; part of the listener's identity.
    pub id: CredentialId,
    /// For people.
    pub name: String,
    /// The chain, leaf first (PEM).
    pub chain_pem: String,
    /// SHA-256 of the leaf's DER form, in hex.
    pub fingerprint: String,
    /// When the leaf ends.
    pub not_after: Timestamp,
    /// When it was put here.
    pub created_at: Timestamp,
    /// The private key (PKCS #8 PEM).
    #[serde(skip, default = "no_secret")]
    pub key_pem: Secret,
}

impl Configured for ClientCertificate {
    fn secrets(&self) -> Secrets {
        Secrets::from([("key_pem".to_owned(), self.key_pem.clone())])
    }

    fn restore(&mut self, mut secrets: Secrets) {
        if let Some(key) = secrets.remove("key_pem") {
            self.key_pem = key;
        }
    }
}

/// A CA of the account's own, trusted beside the system's roots for this account alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustAnchor {
    /// Its id.
    pub id: CredentialId,
    /// For people.
    pub name: String,
    /// One or more certificates (PEM).
    pub certificates_pem: String,
    /// When it was put here.
    pub created_at: Timestamp,
}

impl Configured for TrustAnchor {}

impl Configured for Subscription {
    fn secrets(&self) -> Secrets {
        let mut secrets = match &self.proofs.oauth {
            OAuthUse::Own(connection) => by_name(connection.secrets()),
            OAuthUse::Off | OAuthUse::Account => Secrets::new(),
        };
        if let Some(basic) = &self.proofs.basic {
            secrets.extend(by_name(basic.secrets()));
        }
        secrets.extend(self.headers.iter().map(|(name, value)| (header_secret(name), Secret::new(value.as_str()))));
        secrets
    }

    fn restore(&mut self, mut secrets: Secrets) {
        for (name, value) in &mut self.headers {
            if let Some(secret) = secrets.remove(&header_secret(name)) {
                secret.expose_secret().clone_into(value);
            }
        }
        for (name, secret) in secrets {
            let basic = self.proofs.basic.as_mut().is_some_and(|basic| basic.set_secret(&name, secret.clone()));
            if !basic && let OAuthUse::Own(connection) = &mut self.proofs.oauth {
                connection.set_secret(&name, secret);
            }
        }
    }
}

/// The name of a header's value among the secrets. No other name has a blank in it.
fn header_secret(header: &str) -> String {
    format!("header {header}")
}

fn by_name(secrets: Vec<(&'static str, Secret)>) -> Secrets {
    secrets.into_iter().map(|(name, secret)| (name.to_owned(), secret)).collect()
}

fn no_secret() -> Secret {
    Secret::new("")
}

/// Everything that matching and sending need of an account, read as one. Immutable; a change makes a new one.
#[derive(Debug)]
pub struct AccountConfig {
    /// The account.
    pub account: Account,
    /// Which state of the configuration this is.
    pub version: ConfigVersion,
    /// Account-level and Recipient Connect subscriptions, by id. Envelope-level ones are read with their envelope.
    pub subscriptions: BTreeMap<SubscriptionId, Arc<Subscription>>,
    /// Signing keys in order of creation, ready to sign.
    pub hmac_keys: Arc<[HmacKey]>,
    /// The account's OAuth connection.
    pub oauth: Option<Arc<AccountOAuth>>,
    /// Client certificates, newest last.
    pub certificates: Vec<Arc<ClientCertificate>>,
    /// Further CAs.
    pub trust_anchors: Vec<Arc<TrustAnchor>>,
}

impl AccountConfig {
    /// The account's id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.account.id
    }

    /// The client certificate used for mutual TLS when a subscription names none: the newest.
    #[must_use]
    pub fn identity(&self) -> Option<CredentialId> {
        self.certificates.last().map(|certificate| certificate.id)
    }

    /// The client certificate shown to the listener of a subscription, if mutual TLS is on.
    #[must_use]
    pub fn listener_identity(&self, subscription: &Subscription) -> Option<CredentialId> {
        let proofs = &subscription.proofs;
        proofs.mutual_tls.then(|| proofs.certificate.or(self.identity())).flatten()
    }

    /// The client certificate shown to the authorization server when a token is asked for on behalf of a subscription: the one its
    /// listener sees, since a bound token needs the same at both (RFC 8705 §3); otherwise the newest, where the connection
    /// authenticates by it.
    #[must_use]
    pub fn token_identity(&self, subscription: &Subscription, connection: &OAuthConnection) -> Option<CredentialId> {
        let by_certificate = matches!(connection.effective_authentication(), Ok(ClientAuthentication::MutualTls));
        self.listener_identity(subscription).or_else(|| by_certificate.then(|| self.identity()).flatten())
    }

    /// A client certificate of the account.
    #[must_use]
    pub fn certificate(&self, id: CredentialId) -> Option<&Arc<ClientCertificate>> {
        self.certificates.iter().find(|certificate| certificate.id == id)
    }
}

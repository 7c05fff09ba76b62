//! What an authority is started with.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer};

use crate::{
    client::{Client, ClientError, is_token_lifetime},
    clock::Clock,
    issuer::{Issuer, IssuerError},
    key::{KeyError, SigningAlgorithm},
};

/// Clients of one authority. It is for development; a thousand is a mistake in the file.
const CLIENTS_MAX: usize = 1_000;

/// Settings of an authority. Unknown names are refused when they are read from a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The issuer identifier (RFC 8414 §2), which is also the address under which the endpoints lie: an absolute http or
    /// https address without query and fragment.
    pub issuer: String,
    /// How JWT access tokens are signed. Default: ES256.
    #[serde(default)]
    pub signing: SigningAlgorithm,
    /// How long an access token lives, 1 s to 24 h, in whole seconds; `token_lifetime_s` in a file. Default: one hour.
    #[serde(default = "one_hour", rename = "token_lifetime_s", deserialize_with = "seconds")]
    pub token_lifetime: Duration,
    /// The audience of a token whose request names none and whose client has none. Default: the issuer.
    #[serde(default)]
    pub default_audience: Option<String>,
    /// Which `aud` of a client assertion is accepted. Default: the issuer alone.
    #[serde(default)]
    pub assertion_audience: AssertionAudience,
    /// Whether faults and key rotation can also be switched over HTTP, under `control/`. Anyone who can connect may then
    /// use them. Default: no.
    #[serde(default)]
    pub control_endpoints: bool,
    /// The clients.
    #[serde(default)]
    pub clients: Vec<Client>,
    /// Where the time comes from. Default: the machine.
    #[serde(skip)]
    pub clock: Clock,
}

/// Which audiences a client assertion may name. It is a single text in every case: a list lets one assertion be used at
/// two servers (draft-ietf-oauth-rfc7523bis).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer identifier, as draft-ietf-oauth-rfc7523bis wants it since the audience injection attacks of 2025.
    #[default]
    Issuer,
    /// The address of the token endpoint, as RFC 7523 §3 proposed and older servers want.
    TokenEndpoint,
    /// Either of the two.
    Either,
}

/// The settings make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The issuer cannot be one.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// A client cannot be registered.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Two clients have the same id.
    #[error("client '{0}' is registered twice")]
    DuplicateClient(String),
    /// More clients than an authority for development needs.
    #[error("{0} clients are registered; the limit is {CLIENTS_MAX}")]
    TooManyClients(usize),
    /// The token lifetime is outside 1 s to 24 h.
    #[error("token_lifetime_s must be 1 to 86400")]
    TokenLifetime,
    /// No signing key could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Settings {
    /// The defaults with this issuer and no client.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            signing: SigningAlgorithm::default(),
            token_lifetime: one_hour(),
            default_audience: None,
            assertion_audience: AssertionAudience::default(),
            control_endpoints: false,
            clients: Vec::new(),
            clock: Clock::default(),
        }
    }

    /// With one more client.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// With another clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The checked issuer.
    pub(crate) fn parsed_issuer(&self) -> Result<Issuer, SettingsError> {
        Ok(Issuer::parse(&self.issuer)?)
    }

    /// Checks what types cannot say, and gives the clients by their id.
    pub(crate) fn checked_clients(&self) -> Result<HashMap<String, Arc<Client>>, SettingsError> {
        if !is_token_lifetime(self.token_lifetime) {
            return Err(SettingsError::TokenLifetime);
        }
        if self.clients.len() > CLIENTS_MAX {
            return Err(SettingsError::TooManyClients(self.clients.len()));
        }
        let mut clients = HashMap::with_capacity(self.clients.len());
        for client in &self.clients {
            client.check()?;
            if clients.insert(client.id.clone(), Arc::new(client.clone())).is_some() {
                return Err(SettingsError::DuplicateClient(client.id.clone()));
            }
        }
        Ok(clients)
    }
}

fn one_hour() -> Duration {
    Duration::from_secs(60 * 60)
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_toml_with_their_defaults() {
        let settings: Settings = toml::from_str(
            r#"
            issuer = "http://127.0.0.1:8401"
            signing = "RS256"
            token_lifetime_s = 60
            assertion_audience = "either"

            [[clients]]
            client_id = "sender"
            client_secret = "s3cret"
            "#,
        )
        .expect("settings");
        assert_eq!(settings.signing, SigningAlgorithm::Rs256);
        assert_eq!(settings.token_lifetime, Duration::from_secs(60));
        assert_eq!(settings.assertion_audience, AssertionAudience::Either);
        assert!(!settings.control_endpoints);
        assert_eq!(settings.clients.len(), 1);
        assert!(toml::from_str::<Settings>("issuer = 'http://a'\ncolour = 1").is_err(), "unknown names are refused");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let good = Settings::new("http://127.0.0.1:8401");
        let client = Client::with_secret_basic("a", "s");
        let refused = |settings: &Settings| settings.checked_clients().expect_err("refused");
        assert_eq!(refused(&good.clone().client(client.clone()).client(client.clone())), SettingsError::DuplicateClient("a".into()));
        assert_eq!(refused(&Settings { token_lifetime: Duration::ZERO, ..good.clone() }), SettingsError::TokenLifetime);
        assert_eq!(refused(&Settings { clients: vec![client; 1_001], ..good.clone() }), SettingsError::TooManyClients(1_001));
        assert_eq!(refused(&good.client(Client::with_secret_basic("", "s"))), SettingsError::Client(ClientError::Id(String::new())));
    }
}

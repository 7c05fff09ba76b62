//! A connection to an account's own authorization server (Connect: `connectOAuthConfig`).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    client_authentication::{AssertionKey, AssertionType, ClientAuthentication},
    custom_parameters::{CustomParameters, ParameterFault, TOKEN_ENDPOINT_AUTH_METHOD},
};
use crate::secret::Secret;

/// Longest client id, client secret or scope, in bytes; Basic makes three bytes of one and must stay within a header.
pub const CONNECTION_TEXT_BYTES_MAX: usize = 2_048;

/// Longest PEM of a private key, in bytes: an RSA key of 16,384 bits has about 13 KB.
pub const PRIVATE_KEY_BYTES_MAX: usize = 32 * 1_024;

/// Statuses that may call for a forced renewal, besides 401.
pub const REFRESH_STATUSES_MAX: usize = 8;

/// Where tokens come from and what is asked for (RFC 6749 §4.4). Serialised without its secrets: see
/// [`secrets`](Self::secrets).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OAuthConnection {
    /// Where tokens are asked for; vetted by the address policy like every other target. A query is kept, a fragment
    /// is refused (RFC 6749 §3.2).
    pub token_url: String,
    /// As registered with the authorization server.
    pub client_id: String,
    /// Empty for `private_key_jwt` and mutual TLS.
    #[serde(skip, default = "nothing")]
    pub client_secret: Secret,
    /// Scopes separated by blanks; `None` and empty leave the parameter out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Sent as further form fields.
    #[serde(default, skip_serializing_if = "CustomParameters::is_empty")]
    pub custom_parameters: CustomParameters,
    /// Unless the custom parameter `token_endpoint_auth_method` says otherwise: see
    /// [`effective_authentication`](Self::effective_authentication).
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// How id and secret are written in Basic.
    #[serde(default)]
    pub basic_encoding: BasicEncoding,
    /// Which `Content-Type` a token answer must have.
    #[serde(default)]
    pub content_type_rule: ContentTypeRule,
    /// Statuses of the listener that call for a forced renewal, besides 401: some gateways say 403.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refresh_statuses: Vec<u16>,
}

/// How client id and secret are written before Basic joins them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasicEncoding {
    /// Form-encoded first, as RFC 6749 §2.3.1 says.
    #[default]
    FormEncoded,
    /// As they are, for old servers that do not decode them.
    Raw,
}

/// Which `Content-Type` a token answer must have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentTypeRule {
    /// `application/json` or a type ending in `+json` (RFC 6749 §5.1).
    #[default]
    Json,
    /// Any, or none: for servers that label their JSON wrongly.
    Any,
}

/// Names everything that a token depends on: two connections with the same key may share tokens, and a change of
/// anything makes another key, so that it takes effect at once. Prints nothing, as it is a digest over secrets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentKey([u8; 32]);

/// Why a connection cannot be used. The account administrator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionFault {
    /// Nothing to ask as.
    #[error("the client id is empty")]
    NoClientId,
    /// The client authentication sends a secret and there is none.
    #[error("the client secret is empty, and {method} needs one")]
    NoClientSecret {
        /// Registered name.
        method: &'static str,
    },
    /// Chosen by the custom parameter alone, or the key was left out.
    #[error("there is no private key for private_key_jwt; set one under client authentication")]
    NoPrivateKey,
    /// Not one of those that we can do.
    #[error(
        "the client authentication '{method}' is not one of client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth and self_signed_tls_client_auth"
    )]
    UnknownMethod {
        /// Escaped and cut.
        method: String,
    },
    /// RFC 6749 appendix A: these are made of printable characters.
    #[error("the {part} holds a control character")]
    ControlCharacter {
        /// `client id`, `client secret` or `scope`.
        part: &'static str,
    },
    /// Longer than [`CONNECTION_TEXT_BYTES_MAX`], or [`PRIVATE_KEY_BYTES_MAX`] for the private key.
    #[error("the {part} is too long")]
    TooLong {
        /// `client id`, `client secret`, `scope` or `private key`.
        part: &'static str,
    },
    /// Only the form-encoded kind can carry it.
    #[error("a client id with a colon cannot be sent raw in Basic; use the form-encoded kind")]
    ColonInRawClientId,
    /// Not a 4xx status, or more than [`REFRESH_STATUSES_MAX`].
    #[error("statuses that renew the token are 4xx, at most {REFRESH_STATUSES_MAX} of them")]
    RefreshStatuses,
    /// A custom parameter is refused.
    #[error(transparent)]
    Parameter(#[from] ParameterFault),
}

impl OAuthConnection {
    /// A connection with every default: Basic, form-encoded, JSON demanded.
    pub fn new(token_url: impl Into<String>, client_id: impl Into<String>, client_secret: impl Into<Secret>) -> Self {
        Self {
            token_url: token_url.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scope: None,
            custom_parameters: CustomParameters::default(),
            client_authentication: ClientAuthentication::default(),
            basic_encoding: BasicEncoding::default(),
            content_type_rule: ContentTypeRule::default(),
            refresh_statuses: Vec::new(),
        }
    }

    /// Everything that can be checked without a network, except the URL, which is for the address policy.
    ///
    /// # Errors
    /// The first [`ConnectionFault`].
    pub fn check(&self) -> Result<(), ConnectionFault> {
        let secret = self.client_secret.expose_secret();
        for (part, text) in
            [("client id", self.client_id.as_str()), ("client secret", secret), ("scope", self.scope.as_deref().unwrap_or(""))]
        {
            if text.len() > CONNECTION_TEXT_BYTES_MAX {
                return Err(ConnectionFault::TooLong { part });
            }
            if text.chars().any(char::is_control) {
                return Err(ConnectionFault::ControlCharacter { part });
            }
        }
        if self.client_id.is_empty() {
            return Err(ConnectionFault::NoClientId);
        }
        self.custom_parameters.check()?;
        if self.asked_scope().is_some() && self.custom_parameters.value("scope").is_some() {
            return Err(ParameterFault::Twice { name: "scope".to_owned() }.into());
        }
        let renews = |status: &u16| (400..500).contains(status);
        if self.refresh_statuses.len() > REFRESH_STATUSES_MAX || !self.refresh_statuses.iter().all(renews) {
            return Err(ConnectionFault::RefreshStatuses);
        }
        let authentication = self.effective_authentication()?;
        if authentication.uses_client_secret() && secret.is_empty() {
            return Err(ConnectionFault::NoClientSecret { method: authentication.name() });
        }
        if matches!(authentication, ClientAuthentication::Basic)
            && self.basic_encoding == BasicEncoding::Raw
            && self.client_id.contains(':')
        {
            return Err(ConnectionFault::ColonInRawClientId);
        }
        if let ClientAuthentication::PrivateKeyJwt(key) = authentication
            && key.private_key.expose_secret().len() > PRIVATE_KEY_BYTES_MAX
        {
            return Err(ConnectionFault::TooLong { part: "private key" });
        }
        Ok(())
    }

    /// The client authentication in force: the custom parameter `token_endpoint_auth_method`, which is consumed and not
    /// sent, before the field.
    ///
    /// # Errors
    /// [`ConnectionFault::UnknownMethod`], and [`ConnectionFault::NoPrivateKey`] when `private_key_jwt` has no key.
    pub fn effective_authentication(&self) -> Result<&ClientAuthentication, ConnectionFault> {
        static BASIC: ClientAuthentication = ClientAuthentication::Basic;
        static BODY: ClientAuthentication = ClientAuthentication::Body;
        static MUTUAL_TLS: ClientAuthentication = ClientAuthentication::MutualTls;

        let field = &self.client_authentication;
        let chosen = match self.custom_parameters.value(TOKEN_ENDPOINT_AUTH_METHOD) {
            None | Some("") => field,
            Some("client_secret_basic") => &BASIC,
            Some("client_secret_post") => &BODY,
            Some("tls_client_auth" | "self_signed_tls_client_auth") => &MUTUAL_TLS,
            Some("private_key_jwt") if matches!(field, ClientAuthentication::PrivateKeyJwt(_)) => field,
            Some("private_key_jwt") => return Err(ConnectionFault::NoPrivateKey),
            Some(other) => {
                return Err(ConnectionFault::UnknownMethod { method: other.chars().take(64).flat_map(char::escape_debug).collect() });
            }
        };
        match chosen {
            ClientAuthentication::PrivateKeyJwt(key) if key.private_key.is_empty() => Err(ConnectionFault::NoPrivateKey),
            usable => Ok(usable),
        }
    }

    /// The scope that is asked for by its own field.
    #[must_use]
    pub fn asked_scope(&self) -> Option<&str> {
        self.scope.as_deref().filter(|scope| !scope.trim().is_empty())
    }

    /// True when this status of the listener calls for one forced renewal and one more try.
    #[must_use]
    pub fn calls_for_renewal(&self, status: u16) -> bool {
        status == 401 || self.refresh_statuses.contains(&status)
    }

    /// The secret parts by name, for the store to seal. Empty ones are left out.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, Secret)> {
        let mut secrets = Vec::with_capacity(2);
        if !self.client_secret.is_empty() {
            secrets.push(("client_secret", self.client_secret.clone()));
        }
        if let ClientAuthentication::PrivateKeyJwt(key) = &self.client_authentication
            && !key.private_key.is_empty()
        {
            secrets.push(("private_key", key.private_key.clone()));
        }
        secrets
    }

    /// Puts a secret part back; false when there is no place for one of that name.
    pub fn set_secret(&mut self, name: &str, secret: Secret) -> bool {
        match (name, &mut self.client_authentication) {
            ("client_secret", _) => self.client_secret = secret,
            ("private_key", ClientAuthentication::PrivateKeyJwt(key)) => key.private_key = secret,
            _ => return false,
        }
        true
    }

    /// SHA-256 over everything that the token depends on, secrets and custom parameters (with `resource`) included, and
    /// the fingerprint of the TLS identity that asks (`None`: no client certificate and no extra CA).
    ///
    /// What only concerns the use of the token (`refresh_statuses`) and the reading of the answer is left out.
    #[must_use]
    pub fn content_key(&self, tls_identity: Option<&[u8; 32]>) -> ContentKey {
        let mut digest = Sha256::new();
        let mut feed = |field: &[u8]| {
            // Each field is preceded by its length: ("ab", "c") and ("a", "bc") differ.
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field);
        };
        feed(b"countersign token 1");
        feed(self.token_url.as_bytes());
        feed(self.client_id.as_bytes());
        feed(self.client_secret.expose_secret().as_bytes());
        feed(self.asked_scope().unwrap_or("").as_bytes());
        feed(self.client_authentication.name().as_bytes());
        feed(&[u8::from(self.basic_encoding == BasicEncoding::Raw), u8::from(self.content_type_rule == ContentTypeRule::Any)]);
        if let ClientAuthentication::PrivateKeyJwt(AssertionKey { private_key, key_id, audience, assertion_type }) =
            &self.client_authentication
        {
            feed(private_key.expose_secret().as_bytes());
            for part in [key_id, audience] {
                feed(&[u8::from(part.is_some())]);
                feed(part.as_deref().unwrap_or("").as_bytes());
            }
            feed(&[u8::from(*assertion_type == AssertionType::Jwt)]);
        }
        for (name, value) in self.custom_parameters.iter() {
            feed(name.as_bytes());
            feed(value.as_bytes());
        }
        feed(tls_identity.map_or(&[], |identity| identity.as_slice()));
        ContentKey(digest.finalize().into())
    }
}

impl ContentKey {
    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

fn nothing() -> Secret {
    Secret::new("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> OAuthConnection {
        OAuthConnection::new("https://id.example/token", "client", "correct horse battery")
    }

    fn with_key() -> OAuthConnection {
        let mut connection = connection();
        connection.client_authentication = ClientAuthentication::PrivateKeyJwt(AssertionKey {
            private_key: Secret::new("PEM"),
            key_id: None,
            audience: None,
            assertion_type: AssertionType::default(),
        });
        connection
    }

    #[test]
    fn any_change_makes_another_content_key() {
        type Change = fn(&mut OAuthConnection);
        let changes: [(&str, Change); 16] = [
            ("nothing", |_| {}),
            ("url", |c| c.token_url.push('x')),
            ("id", |c| c.client_id.push('x')),
            ("secret", |c| c.client_secret = Secret::new("other")),
            ("scope", |c| c.scope = Some("a".to_owned())),
            ("resource", |c| c.custom_parameters = CustomParameters::new([("resource", "https://a.example/")])),
            ("other resource", |c| c.custom_parameters = CustomParameters::new([("resource", "https://b.example/")])),
            ("moved boundary", |c| c.custom_parameters = CustomParameters::new([("resourceh", "ttps://b.example/")])),
            ("body", |c| c.client_authentication = ClientAuthentication::Body),
            ("mutual TLS", |c| c.client_authentication = ClientAuthentication::MutualTls),
            ("raw", |c| c.basic_encoding = BasicEncoding::Raw),
            ("lenient", |c| c.content_type_rule = ContentTypeRule::Any),
            ("key", |c| *c = with_key()),
            ("other key", |c| {
                *c = with_key();
                c.set_secret("private_key", Secret::new("PEM 2"));
            }),
            ("key id", |c| {
                *c = with_key();
                if let ClientAuthentication::PrivateKeyJwt(key) = &mut c.client_authentication {
                    key.key_id = Some("1".to_owned());
                }
            }),
            ("audience", |c| {
                *c = with_key();
                if let ClientAuthentication::PrivateKeyJwt(key) = &mut c.client_authentication {
                    key.audience = Some("1".to_owned());
                }
            }),
        ];
        let mut seen = Vec::new();
        for (name, change) in changes {
            let mut changed = connection();
            change(&mut changed);
            for identity in [None, Some(&[0; 32]), Some(&[1; 32])] {
                let key = changed.content_key(identity);
                assert!(!seen.contains(&key), "{name} {identity:?} has the key of another");
                seen.push(key);
            }
        }
        assert_eq!(connection().content_key(None), connection().content_key(None));
    }

    #[test]
    fn the_custom_parameter_chooses_the_client_authentication() {
        for (value, name) in [
            ("", Ok("client_secret_basic")),
            ("client_secret_basic", Ok("client_secret_basic")),
            ("client_secret_post", Ok("client_secret_post")),
            ("tls_client_auth", Ok("tls_client_auth")),
            ("self_signed_tls_client_auth", Ok("tls_client_auth")),
            ("private_key_jwt", Err(ConnectionFault::NoPrivateKey)),
            ("client_secret_jwt", Err(ConnectionFault::UnknownMethod { method: "client_secret_jwt".to_owned() })),
            ("none\n", Err(ConnectionFault::UnknownMethod { method: "none\\n".to_owned() })),
        ] {
            let mut connection = connection();
            connection.custom_parameters = CustomParameters::new([(TOKEN_ENDPOINT_AUTH_METHOD, value)]);
            assert_eq!(connection.effective_authentication().map(ClientAuthentication::name), name, "{value:?}");
        }
        let mut keyed = with_key();
        keyed.custom_parameters = CustomParameters::new([(TOKEN_ENDPOINT_AUTH_METHOD, "private_key_jwt")]);
        assert_eq!(keyed.effective_authentication().map(ClientAuthentication::name), Ok("private_key_jwt"));
    }

    #[test]
    fn unusable_connections_are_refused() {
        type Change = fn(&mut OAuthConnection);
        let rows: [(Change, ConnectionFault); 10] = [
            (|c| c.client_id.clear(), ConnectionFault::NoClientId),
            (|c| c.client_secret = Secret::new(""), ConnectionFault::NoClientSecret { method: "client_secret_basic" }),
            (|c| c.client_secret = Secret::new("a\nb"), ConnectionFault::ControlCharacter { part: "client secret" }),
            (|c| c.client_id = "x".repeat(2_049), ConnectionFault::TooLong { part: "client id" }),
            (|c| c.scope = Some("a\0".to_owned()), ConnectionFault::ControlCharacter { part: "scope" }),
            (|c| c.refresh_statuses = vec![200], ConnectionFault::RefreshStatuses),
            (
                |c| {
                    c.client_id = "a:b".to_owned();
                    c.basic_encoding = BasicEncoding::Raw;
                },
                ConnectionFault::ColonInRawClientId,
            ),
            (
                |c| {
                    c.scope = Some("a".to_owned());
                    c.custom_parameters = CustomParameters::new([("scope", "b")]);
                },
                ConnectionFault::Parameter(ParameterFault::Twice { name: "scope".to_owned() }),
            ),
            (
                |c| c.custom_parameters = CustomParameters::new([("grant_type", "password")]),
                ConnectionFault::Parameter(ParameterFault::Reserved { name: "grant_type".to_owned() }),
            ),
            (
                |c| {
                    *c = with_key();
                    c.set_secret("private_key", Secret::new(""));
                },
                ConnectionFault::NoPrivateKey,
            ),
        ];
        for (change, fault) in rows {
            let mut changed = connection();
            change(&mut changed);
            assert_eq!(changed.check(), Err(fault));
        }
        assert_eq!(connection().check(), Ok(()));
        let mut certificate = connection();
        certificate.client_authentication = ClientAuthentication::MutualTls;
        certificate.client_secret = Secret::new("");
        assert_eq!(certificate.check(), Ok(()), "mutual TLS needs no secret");
    }

    #[test]
    fn secrets_travel_beside_the_serialised_connection() {
        let connection = with_key();
        let text = serde_json::to_string(&connection).expect("plain data");
        assert!(!text.contains("horse") && !text.contains("PEM"), "{text}");
        assert!(!format!("{connection:?}").contains("horse"));
        let mut back: OAuthConnection = serde_json::from_str(&text).expect("what was written is read");
        assert_ne!(back.content_key(None), connection.content_key(None));
        for (name, secret) in connection.secrets() {
            assert!(back.set_secret(name, secret), "{name}");
        }
        assert_eq!(back.content_key(None), connection.content_key(None));
        assert!(!back.set_secret("nonsense", Secret::new("x")));
    }

    #[test]
    fn a_minimal_stored_connection_is_read_with_the_defaults() {
        let read: OAuthConnection =
            serde_json::from_str(r#"{"token_url":"https://id.example/token","client_id":"c"}"#).expect("two fields suffice");
        assert_eq!(read.client_authentication.name(), "client_secret_basic");
        assert_eq!((read.basic_encoding, read.content_type_rule), (BasicEncoding::FormEncoded, ContentTypeRule::Json));
        assert!(read.calls_for_renewal(401) && !read.calls_for_renewal(403));
    }
}

//! A bin: an address that takes everything, with the checks that its arrivals are held against.

use std::{fmt, str::FromStr};

use countersign_core::{
    Secret, Timestamp,
    config::{Configured, Secrets},
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::reply::Reply;
use crate::hex;

/// Random bytes of an address: nobody guesses 160 bits.
const ID_BYTES: usize = 20;
/// What an address begins with.
const PREFIX: &str = "bin_";
/// Arrivals kept by a bin unless it says otherwise.
pub const KEEP_DEFAULT: u32 = 100;
/// Most arrivals kept by a bin.
pub const KEEP_MAX: u32 = 500;
/// Own HMAC keys of a bin. Each of them hashes each body once.
pub const HMAC_KEYS_MAX: usize = 10;

/// The id of a bin, which is its address: `bin_` and 40 hexadecimal digits that nobody can guess.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BinId(String);

impl BinId {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut random = [0; ID_BYTES];
        getrandom::fill(&mut random)?;
        Ok(Self(format!("{PREFIX}{}", hex::encode(&random))))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not the id of a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form bin_ and 40 hexadecimal digits")]
pub struct NotABinId;

impl FromStr for BinId {
    type Err = NotABinId;

    fn from_str(text: &str) -> Result<Self, NotABinId> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotABinId)?;
        let fits = digits.len() == 2 * ID_BYTES && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text.to_owned())) } else { Err(NotABinId) }
    }
}

impl fmt::Display for BinId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BinId {
    /// Without most of it: who reads a log shall not be able to send to the bin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.0.get(..PREFIX.len() + 6).unwrap_or_default())
    }
}

/// A bin as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bin {
    /// Its id and address.
    pub id: BinId,
    /// For people.
    pub name: String,
    /// How many arrivals are kept, 1 to [`KEEP_MAX`]; the oldest goes first.
    pub keep: u32,
    /// What arrivals are held against.
    pub checks: Checks,
    /// What arrivals are answered.
    pub reply: Reply,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What arrivals are held against. Nothing here decides about the answer: a bin takes everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checks {
    /// The account's own signing keys, as they are when a message arrives.
    pub account_keys: bool,
    /// Further HMAC keys; with them a bin can stand for the listener of somebody else's account.
    #[serde(skip)]
    pub hmac_keys: Vec<Secret>,
    /// Whether `X-DocuSign-AccountId` must name this account.
    pub account_id: bool,
    /// User name and password.
    pub basic: Option<BasicPair>,
    /// Access tokens.
    pub token: Option<TokenCheck>,
}

/// HTTP Basic credentials.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BasicPair {
    /// User name.
    pub user: String,
    /// Password.
    #[serde(skip, default = "no_secret")]
    pub password: Secret,
}

/// What an access token must say, and who vouches for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenCheck {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// The clients it may have been issued to; empty: any.
    pub clients: Vec<String>,
    /// A scope it must have.
    pub scope: Option<String>,
    /// Whether a JWT may be called `JWT` and lack what RFC 9068 demands, as with many servers.
    pub plain_jwt: bool,
    /// Who vouches for it.
    pub source: TokenSource,
}

/// Who vouches for a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum TokenSource {
    /// Its signature, by the keys published here.
    Jwks(Url),
    /// Its server, asked here (RFC 7662).
    Introspection {
        /// The endpoint.
        url: Url,
        /// Who asks.
        client_id: String,
        /// With which secret.
        #[serde(skip, default = "no_secret")]
        client_secret: Secret,
    },
}

impl Default for Checks {
    fn default() -> Self {
        Self { account_keys: true, hmac_keys: Vec::new(), account_id: false, basic: None, token: None }
    }
}

impl Configured for Bin {
    fn secrets(&self) -> Secrets {
        let checks = &self.checks;
        // Two digits, so that the order of the names is the order of the keys.
        let mut secrets: Secrets = checks.hmac_keys.iter().enumerate().map(|(at, key)| (format!("hmac.{at:02}"), key.clone())).collect();
        if let Some(basic) = &checks.basic {
            secrets.insert("basic".to_owned(), basic.password.clone());
        }
        if let Some(TokenSource::Introspection { client_secret, .. }) = checks.token.as_ref().map(|token| &token.source) {
            secrets.insert("introspection".to_owned(), client_secret.clone());
        }
        secrets
    }

    fn restore(&mut self, secrets: Secrets) {
        let checks = &mut self.checks;
        for (name, secret) in secrets {
            match name.as_str() {
                "basic" => {
                    if let Some(basic) = &mut checks.basic {
                        basic.password = secret;
                    }
                }
                "introspection" => {
                    if let Some(TokenSource::Introspection { client_secret, .. }) = checks.token.as_mut().map(|token| &mut token.source) {
                        *client_secret = secret;
                    }
                }
                _ if name.starts_with("hmac.") => checks.hmac_keys.push(secret),
                _ => {}
            }
        }
    }
}

fn no_secret() -> Secret {
    Secret::new("")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use countersign_store::objects::Object;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is_one() {
        let id = BinId::random().unwrap();
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_ne!(id, BinId::random().unwrap());
        let upper = id.as_str().to_uppercase();
        for text in ["", "bin_", "bin_12", &id.as_str()[1..], &upper, &format!("{id}0"), "bin_../../../../../../../../../../../../../etc"] {
            assert_eq!(text.parse::<BinId>(), Err(NotABinId), "{text}");
        }
        assert!(!format!("{id:?}").contains(&id.as_str()[20..]), "a log line gives no address away");
    }

    #[test]
    fn a_bin_comes_back_from_the_store_with_its_secrets_and_shows_none() {
        let bin = Bin {
            id: BinId::random().unwrap(),
            name: "n".into(),
            keep: 7,
            checks: Checks {
                hmac_keys: vec![Secret::new("first-canary"), Secret::new("second-canary")],
                basic: Some(BasicPair { user: "u".into(), password: Secret::new("third-canary") }),
                token: Some(TokenCheck {
                    issuer: "https://id.example".into(),
                    audience: "a".into(),
                    clients: vec!["c".into()],
                    scope: None,
                    plain_jwt: false,
                    source: TokenSource::Introspection {
                        url: "https://id.example/introspect".parse().unwrap(),
                        client_id: "c".into(),
                        client_secret: Secret::new("fourth-canary"),
                    },
                }),
                ..Checks::default()
            },
            reply: Reply::default(),
            created_at: Timestamp::from_millis(0),
        };
        let object = Object::of(&bin).unwrap();
        assert!(!object.body.contains("canary") && !format!("{bin:?}").contains("canary"), "secrets travel apart");
        let back: Bin = object.read().unwrap();
        let keys: Vec<&str> = back.checks.hmac_keys.iter().map(Secret::expose_secret).collect();
        assert_eq!(keys, ["first-canary", "second-canary"], "in their order");
        assert_eq!(back.checks.basic.unwrap().password.expose_secret(), "third-canary");
        let TokenSource::Introspection { client_secret, .. } = back.checks.token.unwrap().source else { panic!("introspection") };
        assert_eq!(client_secret.expose_secret(), "fourth-canary");
    }
}

//! Faults on request: the ways in which real authorization servers have failed, each by a name. None is on by default.
//!
//! They are for tests of those who ask for tokens and of those who verify them: nothing may be sent without a token,
//! nothing may hang, and no answer may choose how much memory it takes. A fault is switched on for one endpoint, for
//! good or for a number of requests. Several may be on at once: the delay comes first, then the first fault that answers
//! in place of the endpoint (in the order of [`Fault::ALL`]); the others change the token or its answer together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Serialize, Serializer};

/// How long [`Fault::Slow`] waits unless told otherwise: longer than a person waits, shorter than most time-outs.
const DELAY: Duration = Duration::from_secs(5);

/// Longest wait of [`Fault::Slow`]; a request that waits holds its connection.
const DELAY_MAX: Duration = Duration::from_secs(600);

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The answer comes late, by [`Faults::set_delay`].
    Slow,
    /// The connection is reset without an answer. Behind a server of another crate it is closed without an answer.
    ConnectionReset,
    /// 500 with a line of text.
    ServerError,
    /// 503 with `Retry-After: 1`.
    Unavailable,
    /// 429 with `Retry-After: 1`.
    TooManyRequests,
    /// 307 to another host, which must not be followed with credentials.
    Redirect,
    /// 200, called JSON, and no JSON inside.
    Garbage,
    /// 200 with a login page, as captive portals and proxies answer.
    Html,
    /// 200 with JSON that goes on for 1 GiB.
    HugeAnswer,
    /// The right answer under `Content-Type: text/plain`.
    WrongContentType,
    /// 401 whose description repeats the client's secret or assertion.
    SecretEchoed,
    /// `token_type` is `mac`.
    WrongTokenType,
    /// `access_token` is a number.
    TokenNotText,
    /// `access_token` has a line break and a header in it.
    TokenWithLineBreak,
    /// No `expires_in`.
    NoExpiresIn,
    /// `expires_in` is 0.
    ExpiresInZero,
    /// `expires_in` is -1.
    ExpiresInNegative,
    /// `expires_in` is 1.
    ExpiresInOne,
    /// `expires_in` is 1e18.
    ExpiresInHuge,
    /// `expires_in` is the text "3600".
    ExpiresInText,
    /// The token has expired when it arrives, whatever `expires_in` says.
    ExpiredOnArrival,
    /// The token is revoked when it arrives. A JWT still has a good signature; introspection tells.
    RevokedOnArrival,
    /// The token is for another audience.
    WrongAudience,
    /// The token is signed by a new key, and all older ones are no longer published.
    KeyRotated,
}

/// An endpoint that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7662.
    Introspection,
    /// RFC 7009.
    Revocation,
    /// RFC 7517 §5.
    Jwks,
    /// RFC 8414, at either place.
    Metadata,
}

/// How often a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Until it is switched off.
    Always,
    /// For so many requests.
    Times(u32),
}

/// A fault that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveFault {
    /// Where.
    pub endpoint: Endpoint,
    /// What.
    pub fault: Fault,
    /// How often from now on.
    pub uses: Uses,
}

/// A fault cannot be switched on as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// There is no fault of this name.
    #[error("there is no fault '{0}'")]
    UnknownFault(String),
    /// There is no endpoint of this name.
    #[error("there is no endpoint '{0}'; there are token, introspection, revocation, jwks and metadata")]
    UnknownEndpoint(String),
    /// The number behind `*` is not one.
    #[error("'{0}' is not a number of requests")]
    Times(String),
    /// A fault of tokens at an endpoint that issues none.
    #[error("fault '{fault}' needs the token endpoint, not {endpoint}")]
    TokenOnly {
        /// The fault.
        fault: Fault,
        /// Where it was asked for.
        endpoint: Endpoint,
    },
}

impl Fault {
    /// Every fault, in the order in which they take effect.
    pub const ALL: [Self; 24] = [
        Self::Slow,
        Self::ConnectionReset,
        Self::ServerError,
        Self::Unavailable,
        Self::TooManyRequests,
        Self::Redirect,
        Self::Garbage,
        Self::Html,
        Self::HugeAnswer,
        Self::WrongContentType,
        Self::SecretEchoed,
        Self::WrongTokenType,
        Self::TokenNotText,
        Self::TokenWithLineBreak,
        Self::NoExpiresIn,
        Self::ExpiresInZero,
        Self::ExpiresInNegative,
        Self::ExpiresInOne,
        Self::ExpiresInHuge,
        Self::ExpiresInText,
        Self::ExpiredOnArrival,
        Self::RevokedOnArrival,
        Self::WrongAudience,
        Self::KeyRotated,
    ];

    /// Its name on command lines and in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::ConnectionReset => "connection-reset",
            Self::ServerError => "server-error",
            Self::Unavailable => "unavailable",
            Self::TooManyRequests => "too-many-requests",
            Self::Redirect => "redirect",
            Self::Garbage => "garbage",
            Self::Html => "html",
            Self::HugeAnswer => "huge-answer",
            Self::WrongContentType => "wrong-content-type",
            Self::SecretEchoed => "secret-echoed",
            Self::WrongTokenType => "wrong-token-type",
            Self::TokenNotText => "token-not-text",
            Self::TokenWithLineBreak => "token-with-line-break",
            Self::NoExpiresIn => "no-expires-in",
            Self::ExpiresInZero => "expires-in-zero",
            Self::ExpiresInNegative => "expires-in-negative",
            Self::ExpiresInOne => "expires-in-one",
            Self::ExpiresInHuge => "expires-in-huge",
            Self::ExpiresInText => "expires-in-text",
            Self::ExpiredOnArrival => "expired-on-arrival",
            Self::RevokedOnArrival => "revoked-on-arrival",
            Self::WrongAudience => "wrong-audience",
            Self::KeyRotated => "key-rotated",
        }
    }

    /// Whether it can show at this endpoint: faults of answers everywhere, faults of tokens where tokens are issued.
    #[must_use]
    pub fn applies_to(self, endpoint: Endpoint) -> bool {
        endpoint == Endpoint::Token || self <= Self::WrongContentType
    }
}

impl Endpoint {
    /// Every endpoint that can fail.
    pub const ALL: [Self; 5] = [Self::Token, Self::Introspection, Self::Revocation, Self::Jwks, Self::Metadata];

    /// Its name on command lines and in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
            Self::Jwks => "jwks",
            Self::Metadata => "metadata",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ActiveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.endpoint, self.fault)?;
        match self.uses {
            Uses::Always => Ok(()),
            Uses::Times(times) => write!(f, "*{times}"),
        }
    }
}

impl Serialize for ActiveFault {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(name: &str) -> Result<Self, FaultError> {
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or_else(|| FaultError::UnknownFault(name.to_owned()))
    }
}

impl FromStr for Endpoint {
    type Err = FaultError;

    fn from_str(name: &str) -> Result<Self, FaultError> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name).ok_or_else(|| FaultError::UnknownEndpoint(name.to_owned()))
    }
}

/// `[endpoint:]fault[*times]`: `html`, `jwks:slow`, `token:server-error*3`. Without an endpoint, the token endpoint.
impl FromStr for ActiveFault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (endpoint, rest) = match text.split_once(':') {
            Some((endpoint, rest)) => (endpoint.parse()?, rest),
            None => (Endpoint::Token, text),
        };
        let (fault, uses) = match rest.split_once('*') {
            Some((fault, times)) => (fault, Uses::Times(times.parse().map_err(|_| FaultError::Times(times.to_owned()))?)),
            None => (rest, Uses::Always),
        };
        let fault: Fault = fault.parse()?;
        if fault.applies_to(endpoint) { Ok(Self { endpoint, fault, uses }) } else { Err(FaultError::TokenOnly { fault, endpoint }) }
    }
}

/// The switches of an authority. Clones switch the same ones.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Switches>>);

#[derive(Debug)]
struct Switches {
    on: BTreeMap<(Endpoint, Fault), Uses>,
    delay: Duration,
}

impl Default for Switches {
    fn default() -> Self {
        Self { on: BTreeMap::new(), delay: DELAY }
    }
}

impl Faults {
    /// Switches a fault on at the token endpoint, until it is switched off.
    pub fn on(&self, fault: Fault) {
        self.lock().on.insert((Endpoint::Token, fault), Uses::Always);
    }

    /// Switches a fault on at the token endpoint for the next requests.
    pub fn times(&self, fault: Fault, times: u32) {
        self.lock().on.insert((Endpoint::Token, fault), Uses::Times(times));
    }

    /// Switches a fault on at any endpoint.
    ///
    /// # Errors
    /// [`FaultError::TokenOnly`] when the fault needs the token endpoint.
    pub fn switch_on(&self, wanted: ActiveFault) -> Result<(), FaultError> {
        let ActiveFault { endpoint, fault, uses } = wanted;
        if !fault.applies_to(endpoint) {
            return Err(FaultError::TokenOnly { fault, endpoint });
        }
        self.lock().on.insert((endpoint, fault), uses);
        Ok(())
    }

    /// Switches a fault on by name, `[endpoint:]fault[*times]`: `html`, `jwks:slow`, `token:server-error*3`.
    ///
    /// # Errors
    /// [`FaultError`] when there is no such fault or endpoint.
    pub fn switch_on_by_name(&self, text: &str) -> Result<(), FaultError> {
        self.switch_on(text.parse()?)
    }

    /// Switches a fault off.
    pub fn off(&self, endpoint: Endpoint, fault: Fault) {
        self.lock().on.remove(&(endpoint, fault));
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.lock().on.clear();
    }

    /// How long [`Fault::Slow`] waits; ten minutes at most. Default: 5 s.
    pub fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay.min(DELAY_MAX);
    }

    /// The faults that are on.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveFault> {
        self.lock().on.iter().map(|(&(endpoint, fault), &uses)| ActiveFault { endpoint, fault, uses }).collect()
    }

    /// How long [`Fault::Slow`] waits now.
    pub(crate) fn delay(&self) -> Duration {
        self.lock().delay
    }

    /// The faults for one request at this endpoint; those with a number are counted down.
    pub(crate) fn take(&self, endpoint: Endpoint) -> FaultSet {
        let mut taken = BTreeSet::new();
        self.lock().on.retain(|(place, fault), uses| {
            if *place != endpoint {
                return true;
            }
            match uses {
                Uses::Always => {
                    taken.insert(*fault);
                    true
                }
                Uses::Times(0) => false,
                Uses::Times(times) => {
                    taken.insert(*fault);
                    *times -= 1;
                    *times > 0
                }
            }
        });
        FaultSet(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultSet(BTreeSet<Fault>);

impl FaultSet {
    /// Whether this fault shows.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// The faults in the order in which they take effect.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Fault> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_name_and_is_found_by_it() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse::<Fault>(), Ok(fault));
        }
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(Fault::ALL.is_sorted(), "they take effect in the order of the list");
    }

    #[test]
    fn no_fault_is_on_by_default() {
        let faults = Faults::default();
        assert_eq!(faults.active(), []);
        for endpoint in Endpoint::ALL {
            assert_eq!(faults.take(endpoint).iter().count(), 0, "{endpoint}");
        }
    }

    #[test]
    fn a_fault_with_a_number_goes_off_by_itself() {
        let faults = Faults::default();
        faults.times(Fault::Html, 2);
        faults.on(Fault::Slow);
        let seen: Vec<bool> = (0..4).map(|_| faults.take(Endpoint::Token).has(Fault::Html)).collect();
        assert_eq!(seen, [true, true, false, false]);
        assert!(faults.take(Endpoint::Token).has(Fault::Slow));
        faults.clear();
        assert!(!faults.take(Endpoint::Token).has(Fault::Slow));
    }

    #[test]
    fn a_fault_shows_at_its_endpoint_alone() {
        let faults = Faults::default();
        faults.switch_on_by_name("jwks:server-error").expect("a known fault");
        assert!(!faults.take(Endpoint::Token).has(Fault::ServerError));
        assert!(faults.take(Endpoint::Jwks).has(Fault::ServerError));
        faults.off(Endpoint::Jwks, Fault::ServerError);
        assert!(!faults.take(Endpoint::Jwks).has(Fault::ServerError));
    }

    #[test]
    fn faults_are_read_as_they_are_written() {
        for text in ["token:html", "jwks:slow", "introspection:server-error*3"] {
            assert_eq!(text.parse::<ActiveFault>().map(|fault| fault.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("html".parse::<ActiveFault>().map(|fault| fault.to_string()), Ok("token:html".to_owned()));
        for (text, expected) in [
            ("sleepy", FaultError::UnknownFault("sleepy".into())),
            ("door:html", FaultError::UnknownEndpoint("door".into())),
            ("html*x", FaultError::Times("x".into())),
            ("jwks:wrong-audience", FaultError::TokenOnly { fault: Fault::WrongAudience, endpoint: Endpoint::Jwks }),
        ] {
            assert_eq!(text.parse::<ActiveFault>(), Err(expected), "{text}");
        }
    }
}

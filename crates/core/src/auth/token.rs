//! When a cached token is used, and when another is fetched.
//!
//! A token is renewed ahead of its end: from [`CachedToken::refresh_at`] on, between 70 and 80 % of its life by chance,
//! one caller starts a renewal in the background and everybody goes on using the old one. Only from
//! [`CachedToken::usable_until`] on does a caller wait for a new one. (Where a life is too short for both, the renewal starts a little
//! ahead of that moment.) The chance spreads the renewals of many connections
//! that were set up in the same minute.

use std::{fmt, time::Duration};

use http::HeaderValue;

use crate::{secret::Secret, time::Timestamp};

/// The life taken for granted without `expires_in`; a listener's 401 corrects the guess (RFC 6749 §5.1 only recommends it).
pub const LIFE_UNSTATED: Duration = Duration::from_secs(5 * 60);

/// Longest life believed. Renewing once a day costs nothing, and a token of years would outlive every rotation.
pub const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A token is not sent in the last moments of its life, as it would expire on the way: this long, or a tenth of its life
/// if that is less.
pub const MARGIN_MAX: Duration = Duration::from_secs(5);

/// But at least this long, if half of its life is not less: ends are whole seconds (`expires_in`: RFC 6749 §5.1; `exp` as servers
/// write it), so that a token ends up to a second before what it says of itself.
pub const MARGIN_MIN: Duration = Duration::from_secs(1);

/// Longest token: with it a request's headers stay below the 16 KiB that common servers take.
pub const TOKEN_BYTES_MAX: usize = 12 * 1_024;

/// An access token and its times.
#[derive(Clone)]
pub struct CachedToken {
    /// The token itself.
    pub access_token: Secret,
    /// When the request was answered.
    pub obtained_at: Timestamp,
    /// When the server says it expires, or what was assumed.
    pub expires_at: Timestamp,
    /// From then on it is renewed in the background.
    pub refresh_at: Timestamp,
    /// `scope` of the answer, when it had one: what was granted may be less than what was asked (RFC 6749 §3.3).
    pub granted_scope: Option<String>,
    header: HeaderValue,
}

/// What to do about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStep {
    /// Send it.
    Use,
    /// Send it, and let one caller renew it in the background.
    UseAndRefresh,
    /// Wait for a new one; nothing is sent without it.
    Fetch,
}

/// A token that no `Authorization` header can carry: RFC 6750 §2.1 lets it match `[A-Za-z0-9._~+/-]+=*`, and we take at
/// most [`TOKEN_BYTES_MAX`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token holds characters that a bearer token cannot have, or is too long")]
pub struct NotABearerToken;

impl CachedToken {
    /// A token obtained at `now` that lives for `life` (`None`: [`LIFE_UNSTATED`]; more than [`LIFE_MAX`] is cut).
    /// `jitter` in `[0, 1)` moves the renewal.
    ///
    /// # Errors
    /// [`NotABearerToken`] before any header is built from it.
    pub fn try_new(access_token: Secret, life: Option<Duration>, now: Timestamp, jitter: f64) -> Result<Self, NotABearerToken> {
        let header = bearer_header(&access_token)?;
        let life = life.unwrap_or(LIFE_UNSTATED).min(LIFE_MAX);
        let share = if jitter.is_nan() { 0.8 } else { 0.8 - 0.1 * jitter.clamp(0.0, 1.0) };
        Ok(Self {
            access_token,
            obtained_at: now,
            expires_at: now + life,
            refresh_at: now + life.mul_f64(share).min((life - margin(life)).mul_f64(0.9)),
            granted_scope: None,
            header,
        })
    }

    /// The value of the `Authorization` header (RFC 6750 §2.1), marked sensitive. Cloning it does not copy the token.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The last moment at which it may be sent.
    #[must_use]
    pub fn usable_until(&self) -> Timestamp {
        self.expires_at.minus(margin(self.expires_at.since(self.obtained_at)))
    }

    /// The granted scope, when it is not the one asked for, whatever the order: the listener must check scopes itself,
    /// as servers drop unknown ones in silence.
    #[must_use]
    pub fn other_scope_than(&self, asked: Option<&str>) -> Option<&str> {
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
            words.sort_unstable();
            words
        };
        // Without `scope` in the answer the one asked for was granted (RFC 6749 §5.1).
        let granted = self.granted_scope.as_deref()?;
        (words(granted) != words(asked.unwrap_or(""))).then_some(granted)
    }
}

/// How long before its end a token of this life is given up.
fn margin(life: Duration) -> Duration {
    (life / 10).clamp(MARGIN_MIN, MARGIN_MAX).min(life / 2)
}

/// What to do, given what is cached.
///
/// A clock that was set back does not make a token young: one that was obtained later than `now` is fetched again.
#[must_use]
pub fn token_step(cached: Option<&CachedToken>, now: Timestamp) -> TokenStep {
    match cached {
        None => TokenStep::Fetch,
        Some(token) if now >= token.usable_until() || now < token.obtained_at.minus(CLOCK_STEP_MAX) => TokenStep::Fetch,
        Some(token) if now >= token.refresh_at => TokenStep::UseAndRefresh,
        Some(_) => TokenStep::Use,
    }
}

/// Steps of the clock within this are left alone: NTP makes them daily.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(60);

/// `Bearer` and the token.
fn bearer_header(token: &Secret) -> Result<HeaderValue, NotABearerToken> {
    let text = token.expose_secret();
    let body = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if body.is_empty() || text.len() > TOKEN_BYTES_MAX || !body.bytes().all(allowed) {
        return Err(NotABearerToken);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| NotABearerToken)?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedToken")
            .field("obtained_at", &self.obtained_at)
            .field("expires_at", &self.expires_at)
            .field("refresh_at", &self.refresh_at)
            .field("granted_scope", &self.granted_scope)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn token(life_s: u64, jitter: f64) -> CachedToken {
        CachedToken::try_new(Secret::new("abc"), Some(Duration::from_secs(life_s)), START, jitter).expect("a fine token")
    }

    fn after_ms(ms: i64) -> Timestamp {
        Timestamp::from_micros(START.as_micros() + ms * 1_000)
    }

    #[test]
    fn a_token_is_used_renewed_and_given_up_in_time() {
        for (life_s, jitter, at_ms, step) in [
            (3_600, 0.0, 0, TokenStep::Use),
            (3_600, 0.0, 2_879_999, TokenStep::Use),
            (3_600, 0.0, 2_880_000, TokenStep::UseAndRefresh),
            (3_600, 0.999, 2_530_000, TokenStep::UseAndRefresh),
            (3_600, 0.0, 3_594_999, TokenStep::UseAndRefresh),
            (3_600, 0.0, 3_595_000, TokenStep::Fetch),
            (3_600, 0.0, 9_000_000, TokenStep::Fetch),
            (20, 0.0, 15_999, TokenStep::Use),
            (20, 0.0, 16_000, TokenStep::UseAndRefresh),
            (20, 0.0, 18_000, TokenStep::Fetch),
            (5, 0.0, 3_599, TokenStep::Use),
            (5, 0.0, 3_600, TokenStep::UseAndRefresh),
            (5, 0.0, 4_000, TokenStep::Fetch),
            (2, 0.0, 899, TokenStep::Use),
            (2, 0.0, 900, TokenStep::UseAndRefresh),
            (2, 0.0, 1_000, TokenStep::Fetch),
            (1, 0.0, 0, TokenStep::Use),
            (1, 0.0, 450, TokenStep::UseAndRefresh),
            (1, 0.0, 500, TokenStep::Fetch),
            (3_600, 0.0, -59_000, TokenStep::Use),
            (3_600, 0.0, -61_000, TokenStep::Fetch),
        ] {
            assert_eq!(
                token_step(Some(&token(life_s, jitter)), after_ms(at_ms)),
                step,
                "life {life_s} s, jitter {jitter}, after {at_ms} ms"
            );
        }
        assert_eq!(token_step(None, START), TokenStep::Fetch);
    }

    #[test]
    fn lives_are_assumed_when_unstated_and_cut_when_endless() {
        let unstated = CachedToken::try_new(Secret::new("abc"), None, START, 0.0).expect("a fine token");
        assert_eq!(unstated.expires_at.since(START), LIFE_UNSTATED);
        assert_eq!(token(u64::MAX / 1_000_000_000, 0.0).expires_at.since(START), LIFE_MAX);
    }

    #[test]
    fn only_bearer_tokens_become_headers() {
        for (text, fine) in [
            ("mF_9.B5f-4.1JqM", true),
            ("abc==", true),
            ("a~+/-", true),
            ("", false),
            ("==", false),
            ("a=b", false),
            ("a b", false),
            ("a\r\nX-Evil: 1", false),
            ("\u{e9}", false),
            (&"x".repeat(TOKEN_BYTES_MAX + 1), false),
        ] {
            let made = CachedToken::try_new(Secret::new(text), None, START, 0.0);
            assert_eq!(made.is_ok(), fine, "{text:?}");
            if let Ok(token) = made {
                assert_eq!(token.header().to_str().expect("ASCII"), format!("Bearer {text}"));
                assert!(token.header().is_sensitive());
            }
        }
    }

    #[test]
    fn a_granted_scope_that_differs_is_told() {
        let mut token = token(60, 0.0);
        for (granted, asked, told) in [
            (None, Some("a b"), None),
            (Some("b a"), Some("a b"), None),
            (Some("a"), Some("a b"), Some("a")),
            (Some("a"), None, Some("a")),
            (Some(""), None, None),
        ] {
            token.granted_scope = granted.map(str::to_owned);
            assert_eq!(token.other_scope_than(asked), told, "{granted:?} {asked:?}");
        }
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let token = CachedToken::try_new(Secret::new("very-secret-token"), None, START, 0.0).expect("a fine token");
        assert!(!format!("{token:?}").contains("very-secret"));
    }

    proptest! {
        #[test]
        fn no_expired_token_is_ever_used(life_s in 0_u64..200_000, jitter in 0.0..1.0_f64, at_ms in 0_i64..300_000_000) {
            let token = token(life_s, jitter);
            let now = after_ms(at_ms);
            if now >= token.expires_at {
                prop_assert_eq!(token_step(Some(&token), now), TokenStep::Fetch);
            }
            prop_assert!(token.refresh_at <= token.usable_until());
            // A second off, as the clocks of servers are written, and still not expired.
            if life_s >= 2 && token_step(Some(&token), now) != TokenStep::Fetch {
                prop_assert!(now < token.expires_at.minus(MARGIN_MIN));
            }
        }
    }
}

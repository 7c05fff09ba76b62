//! Why a message is refused.

use countersign_signature::{Mismatch, standard_webhooks::StandardMismatch};

use crate::{certificate::CertificateRefused, token::TokenRefused};

/// The reason of a refusal: for the log and for people who look at the listener, never for the sender (rule L-6750-4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The client certificate is not accepted.
    #[error(transparent)]
    Certificate(#[from] CertificateRefused),
    /// The request shows no credentials of a kind that is accepted here.
    #[error("no credentials of an accepted kind")]
    NoCredentials,
    /// More than one `Authorization` header, or a token in a second place.
    #[error("credentials in more than one place")]
    SeveralCredentials,
    /// User name or password are wrong.
    #[error("wrong user name or password")]
    Basic,
    /// The token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenRefused),
    /// No Connect signature fits.
    #[error(transparent)]
    Hmac(#[from] Mismatch),
    /// No Standard Webhooks signature fits.
    #[error(transparent)]
    StandardWebhooks(#[from] StandardMismatch),
    /// `X-DocuSign-AccountId` is missing or names an account that is not expected.
    #[error("the message is of an account that is not expected here")]
    Account,
    /// The body is longer than allowed.
    #[error("the body has more than {bytes_max} bytes")]
    BodyTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body broke off.
    #[error("the body could not be read to its end")]
    BodyUnreadable,
    /// The body did not arrive in time.
    #[error("the body did not arrive within {seconds} s")]
    BodyTooSlow {
        /// The limit.
        seconds: u64,
    },
    /// The bodies of other requests take all the memory there is for them.
    #[error("the bodies of other requests take all the memory there is for them")]
    Busy,
    /// The same message is being handled at this moment.
    #[error("the same message is being handled already")]
    ReplayInProgress,
    /// The memory of handled messages failed.
    #[error("the replay guard cannot be asked: {0}")]
    ReplayGuard(String),
}

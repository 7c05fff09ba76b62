//! What the application gets of a message that passed: its bytes, what each check said, and what it says.

use bytes::Bytes;
use http::Extensions;

use crate::{
    message::{Message, NotAMessage},
    verdict::Verdict,
};

/// The body as the layer verified it, in the extensions of the request. Only the layer can put one there.
#[derive(Clone)]
pub(crate) struct VerifiedBody(pub(crate) Bytes);

/// A message that passed every check of the listener.
///
/// With the feature `axum` (on by default) it is an extractor for handlers behind [`Listener::layer`](crate::Listener::layer). Its bytes
/// are those that were verified, whatever stands between the layer and the handler, and the body limit of axum does not apply to them.
///
/// ```
/// use axum::{Router, http::StatusCode, routing::post};
/// use countersign_listener::{Listener, VerifiedMessage, message::Message};
/// use countersign_signature::HmacKey;
///
/// async fn receive(verified: VerifiedMessage) -> StatusCode {
///     match verified.message() {
///         Ok(Message::Event(message)) => println!("{} of envelope {:?}", message.event, message.envelope_id()),
///         Ok(other) => println!("envelope {:?}", other.envelope_id()),
///         Err(error) => println!("{} bytes: {error}", verified.body().len()),
///     }
///     StatusCode::OK
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = Listener::builder().hmac([HmacKey::try_new("bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=")?]).build()?;
/// let app: Router = Router::new().route("/webhook", post(receive)).layer(listener.layer());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct VerifiedMessage {
    body: Bytes,
    verdict: Verdict,
}

/// The request did not come through the layer of a listener. Answered with 500: the route is put together wrongly, and what arrives there
/// is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request did not pass a listener; put its layer in front of this route")]
pub struct NotVerified;

impl VerifiedMessage {
    /// The message in the extensions of a request behind the layer.
    ///
    /// # Errors
    /// [`NotVerified`] when the request did not come through the layer.
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, NotVerified> {
        match (extensions.get::<VerifiedBody>(), extensions.get::<Verdict>()) {
            (Some(body), Some(verdict)) => Ok(Self { body: body.0.clone(), verdict: verdict.clone() }),
            _ => Err(NotVerified),
        }
    }

    /// The raw body, byte for byte as it was signed.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// What each check said.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What the message says. Read anew on each call.
    ///
    /// # Errors
    /// [`NotAMessage`] when the body is none that Connect sends. It was sent by whoever the checks vouch for all the same: answer as the
    /// application sees fit, and mind that an answer outside 2xx makes the sender try again.
    pub fn message(&self) -> Result<Message, NotAMessage> {
        Message::try_read(&self.body)
    }
}

#[cfg(feature = "axum")]
impl<S: Sync> axum_core::extract::FromRequestParts<S> for VerifiedMessage {
    type Rejection = NotVerified;

    async fn from_request_parts(parts: &mut http::request::Parts, _state: &S) -> Result<Self, NotVerified> {
        Self::from_extensions(&parts.extensions)
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for NotVerified {
    fn into_response(self) -> axum_core::response::Response {
        tracing::error!("{self}");
        http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

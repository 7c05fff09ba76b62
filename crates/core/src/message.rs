//! Message bodies: what is sent for an event, byte by byte.
//!
//! A [`Message`] names what it is made of. [`Message::contents`] says which documents have to be fetched for it, and
//! [`Message::prepare`] makes a [`PreparedBody`] of it, once per delivery. Only `retryCount` differs between its attempts
//! (and with it the signature), so an attempt costs the writing of one number.
//!
//! Docusign's own names stand here and in the REST interface, and nowhere else. [`summary`], [`recipient`], [`document`],
//! [`tab`] and [`custom_field`] write the parts of an envelope; REST uses them with other dates ([`View::rest`]).

mod body;
pub mod custom_field;
pub mod document;
mod facts;
mod json;
mod object;
pub mod placement;
mod received;
pub mod recipient;
pub mod summary;
pub mod tab;
mod view;
mod xml;

pub use body::{JSON_CONTENT_TYPE, OCTETS_CONTENT_TYPE, PreparedBody, XML_CONTENT_TYPE};
pub use facts::{Contents, Message, Unrenderable};
pub use object::DateStyle;
pub use view::View;

use crate::{
    envelope::Content,
    subscription::{Include, MessageShape},
};

impl Message<'_> {
    /// The documents whose bytes it carries, each once; [`Message::prepare`] asks for them. In Base64 they take a third more.
    ///
    /// # Errors
    /// [`Unrenderable`] when the snapshot is gone or damaged, and bytes of it are asked for.
    pub fn contents(&self) -> Result<Vec<Content>, Unrenderable> {
        if self.shape == MessageShape::AsReceived {
            return Ok(Vec::new());
        }
        let carries_bytes = self.include.contains(&Include::Documents) || self.include.contains(&Include::CertificateOfCompletion);
        let shows_envelope = self.shape_sent() != MessageShape::JsonSim || view::asks_for_summary(self.include);
        if !(carries_bytes && shows_envelope && self.is_about_an_envelope()) {
            return Ok(Vec::new());
        }
        let (envelope, view) = (self.envelope()?, self.view());
        let mut contents = Vec::new();
        for document in document::shown(&envelope, &view).filter(|d| document::shows_bytes(d, &view)) {
            contents.extend(document.shown().filter(|content| !contents.contains(content)));
        }
        Ok(contents)
    }

    /// The body, but for the number of the attempt.
    ///
    /// # Errors
    /// [`Unrenderable`] when something that belongs into it is gone or damaged.
    pub fn prepare(&self, contents: &Contents) -> Result<PreparedBody, Unrenderable> {
        match self.shape_sent() {
            MessageShape::JsonSim => json::sim(self, contents),
            MessageShape::JsonAggregate => json::aggregate(self, contents),
            MessageShape::XmlAggregate | MessageShape::XmlSim => xml::prepare(self, contents),
            MessageShape::AsReceived => received::prepare(self),
        }
    }

    fn shape_sent(&self) -> MessageShape {
        let has_every_shape = self.is_about_an_envelope() || self.shape == MessageShape::AsReceived;
        if has_every_shape { self.shape } else { MessageShape::JsonSim }
    }
}

#[cfg(test)]
mod tests;

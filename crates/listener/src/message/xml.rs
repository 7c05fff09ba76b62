//! The legacy XML: `DocuSignEnvelopeInformation`, kept as a tree, with names for what applications read.
//!
//! Only elements, attributes, text and the five predefined entities are understood. A document type is refused, and with it every other
//! entity: there is nothing to expand and nothing to fetch.

use std::borrow::Cow;

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use super::NotAMessage;

/// Deeper nesting is refused; Connect's own messages have eight levels.
pub const XML_DEPTH_MAX: usize = 32;
/// More elements are refused: each costs some hundred bytes of memory, however few it has on the wire.
pub const XML_ELEMENTS_MAX: usize = 100_000;
/// The root of Connect's messages.
const ROOT: &str = "DocuSignEnvelopeInformation";

/// An envelope in the legacy XML. Times are those of the account's time zone, without a suffix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlMessage {
    root: XmlElement,
}

/// An element with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct XmlElement {
    /// Its name without the prefix.
    pub name: String,
    /// Its attributes, names as written.
    pub attributes: Vec<(String, String)>,
    /// Its text, without that of the elements in it; spaces at both ends are cut off.
    pub text: String,
    /// The elements in it.
    pub elements: Vec<Self>,
}

impl XmlMessage {
    pub(super) fn try_read(body: &[u8]) -> Result<Self, NotAMessage> {
        let text = std::str::from_utf8(body).map_err(|_| refused("it is not UTF-8"))?;
        let root = read_tree(text)?;
        if root.name == ROOT { Ok(Self { root }) } else { Err(refused("its root is not DocuSignEnvelopeInformation")) }
    }

    /// The whole tree.
    #[must_use]
    pub const fn root(&self) -> &XmlElement {
        &self.root
    }

    /// `EnvelopeStatus`: the envelope.
    #[must_use]
    pub fn envelope_status(&self) -> Option<&XmlElement> {
        self.root.first("EnvelopeStatus")
    }

    /// The envelope's id.
    #[must_use]
    pub fn envelope_id(&self) -> Option<&str> {
        self.of_envelope("EnvelopeID")
    }

    /// Its status in sentence case (`Completed`).
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.of_envelope("Status")
    }

    /// When the message was made.
    #[must_use]
    pub fn time_generated(&self) -> Option<&str> {
        self.of_envelope("TimeGenerated")
    }

    /// The subject of the mail.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.of_envelope("Subject")
    }

    /// The account's time zone, when it is included.
    #[must_use]
    pub fn time_zone(&self) -> Option<&str> {
        self.root.text_of("TimeZone")
    }

    /// Hours that the account's time zone is ahead of UTC, when included.
    #[must_use]
    pub fn time_zone_offset(&self) -> Option<i32> {
        self.root.text_of("TimeZoneOffset")?.parse().ok()
    }

    /// The recipients, `RecipientStatus` each.
    pub fn recipients(&self) -> impl Iterator<Item = &XmlElement> {
        let list = self.envelope_status().and_then(|status| status.first("RecipientStatuses"));
        list.into_iter().flat_map(|list| list.all("RecipientStatus"))
    }

    /// The documents with their bytes, `DocumentPDF` each, when included.
    pub fn documents(&self) -> impl Iterator<Item = &XmlElement> {
        self.root.first("DocumentPDFs").into_iter().flat_map(|list| list.all("DocumentPDF"))
    }

    fn of_envelope(&self, name: &str) -> Option<&str> {
        self.envelope_status()?.text_of(name)
    }
}

impl XmlElement {
    /// The first element of that name in it.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Self> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// All elements of that name in it.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// The text of the first element of that name in it; `None` when there is none or its text is empty.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.first(name).map(|element| element.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// Reads the one tree of a text, without recursion.
fn read_tree(text: &str) -> Result<XmlElement, NotAMessage> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let (mut open, mut root, mut count) = (Vec::<XmlElement>::new(), None, 0_usize);
    loop {
        match reader.read_event().map_err(|error| NotAMessage::Xml(error.to_string()))? {
            Event::Start(tag) => {
                enter(&mut count, open.len())?;
                open.push(element_of(&tag)?);
            }
            Event::Empty(tag) => {
                enter(&mut count, open.len())?;
                close(element_of(&tag)?, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(|| refused("an element is closed that was not opened"))?;
                close(element, &mut open, &mut root)?;
            }
            Event::Text(text) => add_text(&mut open, &text)?,
            Event::CData(text) => add_text(&mut open, &text)?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|_| refused("a reference to no character"))? {
                    Some(character) => Cow::Owned(character.to_string()),
                    None => Cow::Borrowed(resolve_predefined_entity(&reference).ok_or_else(|| refused("an unknown entity"))?),
                };
                add_text(&mut open, &resolved)?;
            }
            Event::DocType(_) => return Err(refused("it declares a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(refused("it ends within an element"));
    }
    root.ok_or_else(|| refused("it has no element"))
}

fn enter(count: &mut usize, depth: usize) -> Result<(), NotAMessage> {
    *count += 1;
    if depth >= XML_DEPTH_MAX {
        return Err(refused("it is nested too deep"));
    }
    if *count > XML_ELEMENTS_MAX {
        return Err(refused("it has too many elements"));
    }
    Ok(())
}

fn close(mut element: XmlElement, open: &mut [XmlElement], root: &mut Option<XmlElement>) -> Result<(), NotAMessage> {
    let trimmed = element.text.trim();
    if trimmed.len() != element.text.len() {
        element.text = trimmed.to_owned();
    }
    match open.last_mut() {
        Some(parent) => parent.elements.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err(refused("it has more than one root")),
    }
    Ok(())
}

fn element_of(tag: &BytesStart<'_>) -> Result<XmlElement, NotAMessage> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| NotAMessage::Xml(error.to_string()))?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|error| NotAMessage::Xml(error.to_string()))?;
        attributes.push((attribute.key.into_inner().to_owned(), value.into_owned()));
    }
    Ok(XmlElement { name: tag.local_name().into_inner().to_owned(), attributes, ..XmlElement::default() })
}

fn add_text(open: &mut [XmlElement], text: &str) -> Result<(), NotAMessage> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(refused("there is text outside its root")),
    }
    Ok(())
}

fn refused(words: &str) -> NotAMessage {
    NotAMessage::Xml(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_whole_and_nothing_is_expanded() {
        let text = "<?xml version=\"1.0\"?><!-- c --><a:x b=\"1 &lt; 2\" xsi:nil='true'> t&amp;&#x41;<![CDATA[<y>]]> <z/></a:x>";
        let root = read_tree(text).expect("it is well-formed");
        assert_eq!((root.name.as_str(), root.text.as_str()), ("x", "t&A<y>"));
        assert_eq!(root.attributes, [("b".to_owned(), "1 < 2".to_owned()), ("xsi:nil".to_owned(), "true".to_owned())]);
        assert_eq!(root.elements.len(), 1);
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read_tree(&deep(XML_DEPTH_MAX)).is_ok());
        let many = format!("<a>{}</a>", "<b/>".repeat(XML_ELEMENTS_MAX));
        for broken in [
            "",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>text",
            "<a>&unknown;</a>",
            "<a>&#0;</a>",
            "<a b='1' b='2'/>",
            "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            &deep(XML_DEPTH_MAX + 1),
            &many,
        ] {
            assert!(read_tree(broken).is_err(), "{broken:.60}");
        }
    }
}

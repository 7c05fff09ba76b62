//! What is to be drawn on the pages of a document: values of tabs, signatures, and the envelope's id.
//!
//! A recipient's values are drawn once they have finished; what they put off is nobody's to read yet. What the sender filled in is
//! drawn as soon as the envelope is out.

use countersign_core::{
    envelope::{Document, Envelope, EnvelopeStatus, Recipient, Tab, TabKind},
    message::{
        placement::{self, Look, Place},
        summary,
    },
};
use serde::{Deserialize, Serialize};

/// Lines drawn of one tab; a longer text ends there.
const LINES_MAX: usize = 200;
/// Letters of initials.
const INITIALS_MAX: usize = 4;
/// Digits of a recipient's id under their signature, enough to tell the signatures of one envelope apart.
const CODE_CHARS: usize = 16;

/// All that is drawn on one document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// Each at its place.
    pub marks: Vec<Mark>,
    /// What stands at the top of every page.
    pub stamp: Option<String>,
}

/// Something drawn at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Where; the top left of it.
    pub place: Place,
    /// What.
    pub ink: Ink,
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ink {
    /// Lines of text.
    Text {
        /// Broken to the width of the field.
        lines: Vec<String>,
        /// How they look.
        look: Look,
    },
    /// A name, written as a signature.
    Signature {
        /// Whose.
        name: String,
        /// What tells it from others, below it.
        code: String,
        /// 1 for the usual size.
        scale: f32,
    },
    /// The first letters of a name, written like a signature.
    Initials {
        /// The letters.
        letters: String,
        /// 1 for the usual size.
        scale: f32,
    },
    /// A ticked check box.
    Tick,
    /// The chosen one of several buttons.
    Dot,
}

impl Drawing {
    /// What is drawn on this document as the envelope stands; nothing on a draft.
    #[must_use]
    pub fn of(envelope: &Envelope, document: &Document) -> Self {
        if envelope.status == EnvelopeStatus::Created {
            return Self::default();
        }
        let mut marks: Vec<Mark> = document.prefill_tabs.iter().flat_map(values).collect();
        for recipient in &envelope.recipients {
            let here = |tab: &&Tab| tab.signed && tab.document_id.as_deref() == Some(document.id.as_str());
            marks.extend(recipient.tabs.iter().filter(here).flat_map(|tab| marks_of(tab, recipient)));
        }
        let stamp = summary::is_stamped(envelope).then(|| format!("Envelope ID: {}", envelope.id.to_string().to_uppercase()));
        Self { marks, stamp }
    }

    /// True when the document is to stay as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.stamp.is_none()
    }
}

fn marks_of(tab: &Tab, recipient: &Recipient) -> Vec<Mark> {
    let name = &recipient.person.name;
    let ink = match tab.kind {
        TabKind::SignHere => {
            let code: String = recipient.guid.simple().to_string().to_uppercase().chars().take(CODE_CHARS).collect();
            Ink::Signature { name: name.clone(), code, scale: placement::scale(tab) }
        }
        TabKind::InitialHere => Ink::Initials { letters: initials(name), scale: placement::scale(tab) },
        _ => return values(tab),
    };
    placement::of_tab(tab).map(|place| Mark { place, ink }).into_iter().collect()
}

/// The value of a tab at its place.
fn values(tab: &Tab) -> Vec<Mark> {
    let at = |place: Option<Place>, ink: Ink| place.map(|place| Mark { place, ink }).into_iter().collect();
    match tab.kind {
        TabKind::Checkbox if tab.selected => at(placement::of_tab(tab), Ink::Tick),
        TabKind::RadioGroup => {
            let chosen = tab.choices.iter().find(|choice| choice.selected);
            at(chosen.and_then(placement::of_choice), Ink::Dot)
        }
        TabKind::List => {
            let chosen = tab.choices.iter().find(|choice| choice.selected);
            at(placement::of_tab(tab), text(tab, chosen.map_or(tab.data(), |choice| choice.text.as_deref().unwrap_or(&choice.value))))
        }
        // What the sender says on the page, and buttons.
        TabKind::Checkbox
        | TabKind::SignHere
        | TabKind::InitialHere
        | TabKind::Approve
        | TabKind::CommentThread
        | TabKind::Decline
        | TabKind::Note
        | TabKind::SignerAttachment
        | TabKind::SmartSection
        | TabKind::View => Vec::new(),
        _ if tab.data().is_empty() => Vec::new(),
        _ => at(placement::of_tab(tab), text(tab, tab.data())),
    }
}

fn text(tab: &Tab, value: &str) -> Ink {
    let look = placement::look(tab);
    let concealed = placement::is_concealed(tab).then(|| "*".repeat(value.chars().count().min(LINES_MAX)));
    let value = concealed.as_deref().unwrap_or(value);
    let columns = placement::width(tab).map_or(usize::MAX, |width| columns(width, look));
    let lines = value.lines().flat_map(|line| broken(line, columns)).take(LINES_MAX).collect();
    Ink::Text { lines, look }
}

/// Characters that fit, at least one: exact for a typeface of one width, a fair guess for the others.
fn columns(width: f32, look: Look) -> usize {
    let each = if look.typeface == placement::Typeface::Mono { 0.6 } else { 0.5 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a quotient of positive numbers below 14,400 and 1")]
    let columns = (width / (look.size * each)) as usize;
    columns.max(1)
}

/// A line broken at blanks, or anywhere within a word that is longer than the field.
fn broken(line: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line.trim_end();
    while let Some((end, _)) = rest.char_indices().nth(columns) {
        if lines.len() == LINES_MAX {
            return lines;
        }
        let at = rest[..end].rfind(' ').filter(|&at| at > 0).unwrap_or(end);
        lines.push(rest[..at].to_owned());
        rest = rest[at..].trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

/// `ADL` of `Ada de Lovelace`.
fn initials(name: &str) -> String {
    name.split_whitespace().filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).take(INITIALS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_to_the_width_of_its_field() {
        for (line, columns, expected) in [
            ("one two three", 8, &["one two", "three"][..]),
            ("abcdefgh", 3, &["abc", "def", "gh"]),
            ("", 3, &[""]),
            ("é é é", 1, &["é", "é", "é"]),
            ("short", usize::MAX, &["short"]),
        ] {
            assert_eq!(broken(line, columns), expected, "{line}");
        }
        assert_eq!(broken(&"x".repeat(5_000), 1).len(), LINES_MAX, "lines are bounded while they are made");
    }

    #[test]
    fn initials_are_the_first_letters() {
        for (name, expected) in [("Ada de Lovelace", "ADL"), ("ßeta", "SS"), ("a b c d e f", "ABCD"), ("  ", "")] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }
}

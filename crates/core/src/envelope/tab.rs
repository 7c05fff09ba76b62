//! The fields on a document that belong to a recipient, and what filling them in does.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! kinds {
    ($($variant:ident = $stem:literal;)+) => {
        /// What a tab is for. Named by the stem that Connect's own names are built from (`signHere` of `signHereTabs`).
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum TabKind {
            $(#[doc = concat!("`", $stem, "`")] $variant,)+
            /// A kind this version does not know; kept and echoed under its stem.
            Other(String),
        }

        impl TabKind {
            /// Every kind known by name.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The stem of the name, such as `signHere`.
            #[must_use]
            pub fn stem(&self) -> &str {
                match self {
                    $(Self::$variant => $stem,)+
                    Self::Other(stem) => stem,
                }
            }

            /// The kind of this stem, read without case.
            #[must_use]
            pub fn from_stem(stem: &str) -> Self {
                $(if stem.eq_ignore_ascii_case($stem) { return Self::$variant; })+
                Self::Other(stem.to_owned())
            }
        }
    };
}

kinds! {
    Approve = "approve";
    Checkbox = "checkbox";
    CommentThread = "commentThread";
    CommissionCounty = "commissionCounty";
    CommissionExpiration = "commissionExpiration";
    CommissionNumber = "commissionNumber";
    CommissionState = "commissionState";
    Company = "company";
    Currency = "currency";
    DateSigned = "dateSigned";
    Date = "date";
    Decline = "decline";
    Draw = "draw";
    EmailAddress = "emailAddress";
    Email = "email";
    EnvelopeId = "envelopeId";
    FirstName = "firstName";
    Formula = "formula";
    FullName = "fullName";
    InitialHere = "initialHere";
    LastName = "lastName";
    List = "list";
    Notarize = "notarize";
    NotarySeal = "notarySeal";
    Note = "note";
    Number = "number";
    Numerical = "numerical";
    PhoneNumber = "phoneNumber";
    PolyLineOverlay = "polyLineOverlay";
    RadioGroup = "radioGroup";
    SenderCompany = "senderCompany";
    SenderName = "senderName";
    SignerAttachment = "signerAttachment";
    SignHere = "signHere";
    SmartSection = "smartSection";
    Ssn = "ssn";
    Text = "text";
    Title = "title";
    View = "view";
    Zip = "zip";
}

impl Serialize for TabKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.stem())
    }
}

impl<'de> Deserialize<'de> for TabKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stem = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::from_stem(&stem))
    }
}

/// One way to answer a list or a radio group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TabChoice {
    /// What it stands for in the data.
    pub value: String,
    /// What the signer reads; the value where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// True for the choice made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub selected: bool,
    /// Everything else that was given, echoed as it came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// A field of a recipient. Only what playing a recipient needs has a name here; position, font and the like are
/// kept in `extra` as they came.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Tab {
    /// What it is for.
    pub kind: TabKind,
    /// Its id.
    pub id: Uuid,
    /// The name of its data; tabs of one recipient with the same label share their value. The group's name for radio groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its text. For check boxes see `selected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What the sender had put there before the signer changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_value: Option<String>,
    /// True for a ticked check box.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub selected: bool,
    /// True when the recipient cannot finish without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// True when the recipient cannot change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// True once the recipient has finished with it there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// The document it stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<String>,
    /// Items of a list, buttons of a radio group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<TabChoice>,
    /// Everything else that was given, echoed as it came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// Why a tab does not take a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTabValue {
    /// The sender has locked it.
    #[error("it is locked")]
    Locked,
    /// A check box takes a yes or a no.
    #[error("a check box takes true or false")]
    NotABoolean,
    /// A list or a radio group takes one of its choices.
    #[error("it is none of its choices")]
    NotAChoice,
    /// Signatures, initials, dates and names are filled in by signing.
    #[error("it is filled in by signing")]
    FilledBySigning,
}

/// Who is signing, for the tabs that fill themselves in.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The recipient's full name.
    pub name: &'a str,
    /// The recipient's address.
    pub email: &'a str,
    /// The envelope's id.
    pub envelope: Uuid,
    /// When they sign.
    pub at: Timestamp,
}

impl Tab {
    /// A tab of this kind with nothing in it.
    #[must_use]
    pub fn new(kind: TabKind, id: Uuid, label: Option<String>) -> Self {
        Self {
            kind,
            id,
            label,
            value: None,
            original_value: None,
            selected: false,
            required: false,
            locked: false,
            signed: false,
            document_id: None,
            choices: Vec::new(),
            extra: Map::new(),
        }
    }

    /// Takes what the recipient wrote, ticked or chose.
    ///
    /// # Errors
    /// [`BadTabValue`] when the tab cannot hold it; nothing has changed then.
    pub fn fill(&mut self, text: &str) -> Result<(), BadTabValue> {
        if self.locked {
            return Err(BadTabValue::Locked);
        }
        match self.kind {
            TabKind::Checkbox => {
                let selected = read_boolean(text).ok_or(BadTabValue::NotABoolean)?;
                self.original_value.get_or_insert_with(|| self.selected.to_string());
                self.selected = selected;
            }
            TabKind::RadioGroup | TabKind::List => {
                let chosen = self.choices.iter().position(|c| c.value == text || c.text.as_deref() == Some(text));
                let chosen = chosen.ok_or(BadTabValue::NotAChoice)?;
                for (i, choice) in self.choices.iter_mut().enumerate() {
                    choice.selected = i == chosen;
                }
                let value = self.choices[chosen].value.clone();
                self.replace_value(value);
            }
            TabKind::SignHere
            | TabKind::InitialHere
            | TabKind::DateSigned
            | TabKind::FullName
            | TabKind::FirstName
            | TabKind::LastName
            | TabKind::EmailAddress
            | TabKind::EnvelopeId => return Err(BadTabValue::FilledBySigning),
            _ => self.replace_value(text.to_owned()),
        }
        Ok(())
    }

    /// Takes what the sender puts there before anybody signs. What cannot be put there is left as it is: senders
    /// fill in by label, and a label may stand on tabs of several kinds.
    pub fn prefill(&mut self, text: &str) {
        let locked = std::mem::take(&mut self.locked);
        if self.fill(text).is_ok() {
            self.original_value = None;
        }
        self.locked = locked;
    }

    fn replace_value(&mut self, value: String) {
        let before = self.value.replace(value);
        if self.original_value.is_none() {
            self.original_value = Some(before.unwrap_or_default());
        }
    }

    /// Marks it as signed and fills in what signing fills in: date signed, names, address, envelope id.
    pub fn sign(&mut self, signing: Signing<'_>) {
        let (first, last) = signing.name.split_once(' ').unwrap_or((signing.name, ""));
        let value = match self.kind {
            TabKind::DateSigned => Some(civil_date(signing.at)),
            TabKind::FullName => Some(signing.name.to_owned()),
            TabKind::FirstName => Some(first.to_owned()),
            TabKind::LastName => Some(last.to_owned()),
            TabKind::EmailAddress => Some(signing.email.to_owned()),
            TabKind::EnvelopeId => Some(signing.envelope.to_string()),
            _ => None,
        };
        if value.is_some() {
            self.value = value;
        }
        self.signed = true;
    }

    /// True when the recipient still owes it an answer. Signatures are given by finishing, so they never do.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        let fills_itself = matches!(
            self.kind,
            TabKind::SignHere
                | TabKind::InitialHere
                | TabKind::DateSigned
                | TabKind::FullName
                | TabKind::FirstName
                | TabKind::LastName
                | TabKind::EmailAddress
                | TabKind::EnvelopeId
        );
        let empty = match self.kind {
            TabKind::Checkbox => !self.selected,
            _ => self.data().is_empty(),
        };
        self.required && !fills_itself && empty
    }

    /// What stands in the form data: the text, the chosen value, `X` for a ticked check box, empty when there is nothing.
    #[must_use]
    pub fn data(&self) -> &str {
        match self.kind {
            TabKind::Checkbox => {
                if self.selected {
                    "X"
                } else {
                    ""
                }
            }
            TabKind::List | TabKind::RadioGroup => {
                let chosen = self.choices.iter().find(|c| c.selected);
                chosen.map(|c| c.value.as_str()).or(self.value.as_deref()).unwrap_or("")
            }
            _ => self.value.as_deref().unwrap_or(""),
        }
    }

    /// True when the signer changed what the sender had put there.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let now = match self.kind {
            TabKind::Checkbox => {
                if self.selected {
                    "true"
                } else {
                    "false"
                }
            }
            _ => self.data(),
        };
        self.original_value.as_deref().is_some_and(|original| original != now)
    }
}

fn read_boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "x" | "yes" | "on" | "1" => Some(true),
        "false" | "" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `12/21/2020`: month, day, year without leading zeros, as Connect's messages show a date-signed tab.
fn civil_date(at: Timestamp) -> String {
    let text = at.to_seven_digits();
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<u16>().ok()).unwrap_or(0);
    format!("{}/{}/{}", number(5..7), number(8..10), number(0..4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tab(kind: TabKind) -> Tab {
        Tab::new(kind, Uuid::from_u128(1), Some("label".into()))
    }

    fn with_choices(kind: TabKind) -> Tab {
        let choice = |value: &str, text: &str| TabChoice { value: value.into(), text: Some(text.into()), ..TabChoice::default() };
        Tab { choices: vec![choice("r", "Red"), choice("g", "Green")], ..tab(kind) }
    }

    #[test]
    fn a_tab_takes_what_its_kind_can_hold() {
        let cases: &[(Tab, &str, Result<&str, BadTabValue>)] = &[
            (tab(TabKind::Text), "hello", Ok("hello")),
            (tab(TabKind::Company), "Acme", Ok("Acme")),
            (tab(TabKind::Other("holo".into())), "any", Ok("any")),
            (tab(TabKind::Checkbox), "true", Ok("X")),
            (tab(TabKind::Checkbox), "FALSE", Ok("")),
            (tab(TabKind::Checkbox), "perhaps", Err(BadTabValue::NotABoolean)),
            (with_choices(TabKind::List), "g", Ok("g")),
            (with_choices(TabKind::List), "Red", Ok("r")),
            (with_choices(TabKind::RadioGroup), "blue", Err(BadTabValue::NotAChoice)),
            (tab(TabKind::SignHere), "x", Err(BadTabValue::FilledBySigning)),
            (tab(TabKind::DateSigned), "x", Err(BadTabValue::FilledBySigning)),
            (Tab { locked: true, ..tab(TabKind::Text) }, "x", Err(BadTabValue::Locked)),
        ];
        for (before, text, expected) in cases {
            let mut after = before.clone();
            let result = after.fill(text).map(|()| after.data());
            assert_eq!(result, *expected, "{before:?} <- {text}");
            if expected.is_err() {
                assert_eq!(after, *before);
            }
        }
    }

    #[test]
    fn signing_fills_in_what_the_signer_need_not_write() {
        let signing =
            Signing { name: "Ada King Lovelace", email: "ada@example.com", envelope: Uuid::nil(), at: Timestamp::from_secs(1_763_800_000) };
        for (kind, expected) in [
            (TabKind::DateSigned, "11/22/2025"),
            (TabKind::FullName, "Ada King Lovelace"),
            (TabKind::FirstName, "Ada"),
            (TabKind::LastName, "King Lovelace"),
            (TabKind::EmailAddress, "ada@example.com"),
            (TabKind::SignHere, ""),
        ] {
            let mut signed = Tab { required: true, ..tab(kind) };
            assert!(!signed.is_owed(), "{signed:?}");
            signed.sign(signing);
            assert_eq!((signed.data(), signed.signed), (expected, true), "{:?}", signed.kind);
        }
    }

    #[test]
    fn a_changed_value_is_told_from_an_untouched_one() {
        let mut text = Tab { value: Some("before".into()), ..tab(TabKind::Text) };
        assert!(!text.is_changed());
        text.fill("after").expect("a text tab");
        assert!(text.is_changed());
        text.fill("before").expect("a text tab");
        assert!(!text.is_changed());
    }

    #[test]
    fn every_kind_reads_back_by_its_stem() {
        for kind in TabKind::KNOWN {
            assert_eq!(TabKind::from_stem(&kind.stem().to_uppercase()), *kind);
        }
        assert_eq!(TabKind::from_stem("hologram"), TabKind::Other("hologram".into()));
    }
}

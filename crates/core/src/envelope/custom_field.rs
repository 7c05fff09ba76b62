//! Names and values that the sender hangs on an envelope, for their own systems to find again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a custom field is filled in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CustomFieldKind {
    /// Free text.
    Text,
    /// One of these.
    List(Vec<String>),
}

/// A custom field of an envelope or a template.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CustomField {
    /// Its id, a number as text.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
    /// Whether it is shown to recipients.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show: bool,
    /// Whether the sender has to fill it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// How it is filled in.
    pub kind: CustomFieldKind,
    /// Everything else that was given, echoed as it came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl CustomField {
    /// A text field that is neither shown nor required.
    #[must_use]
    pub fn text(id: impl Into<String>, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            value: value.into(),
            show: false,
            required: false,
            kind: CustomFieldKind::Text,
            extra: Map::new(),
        }
    }
}

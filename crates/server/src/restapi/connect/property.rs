//! Properties of a configuration or an `eventNotification` as they are sent, each brought into one spelling.

use serde_json::{Map, Value, json};

use super::vocabulary::OlderList;
use crate::{
    failure::Failure,
    restapi::wire::{Wire, flag_text},
};

/// How a property is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `"true"` or `"false"`.
    Flag,
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// A list of codes, or of objects that hold one.
    Codes(OlderList),
    /// `connectEventData`.
    Data,
    /// Anything.
    Any,
}

/// A property in its own spelling; `None` when it was not sent.
pub(super) fn read(wire: &Wire, name: &str, kind: Kind, before: Option<&Value>) -> Result<Option<Value>, Failure> {
    Ok(match kind {
        Kind::Flag => wire.flag(name)?.map(|flag| flag_text(flag).into()),
        Kind::Text => wire.text(name)?.map(Value::String),
        Kind::Texts if wire.has(name) => Some(json!(wire.texts(name)?)),
        Kind::Codes(list) if wire.has(name) => Some(json!(codes(wire, name, list)?)),
        Kind::Any => wire.get(name).cloned(),
        Kind::Data => match wire.object(name)? {
            None => None,
            Some(sent) => {
                let mut data = match before {
                    Some(Value::Object(data)) => data.clone(),
                    _ => Map::new(),
                };
                for part in ["version", "format"] {
                    if let Some(text) = sent.text(part)? {
                        data.insert(part.to_owned(), text.into());
                    }
                }
                if sent.has("includeData") {
                    data.insert("includeData".to_owned(), json!(sent.texts("includeData")?));
                }
                Some(Value::Object(data))
            }
        },
        Kind::Texts | Kind::Codes(_) => None,
    })
}

/// Codes as a list of texts or of objects; both are in use at both levels.
fn codes(wire: &Wire, name: &str, list: OlderList) -> Result<Vec<String>, Failure> {
    if !matches!(wire.get(name), Some(Value::Array(items)) if items.iter().any(Value::is_object)) {
        return wire.texts(name);
    }
    let code = |item: Wire| {
        let code = item.text(list.code_property())?;
        code.ok_or_else(|| Failure::invalid_parameter(format!("{name} holds an object without {}", list.code_property())))
    };
    wire.objects(name)?.into_iter().map(code).collect()
}

/// True when a switch of a form is on.
pub(super) fn is_on(form: &Map<String, Value>, name: &str) -> bool {
    form.get(name).and_then(Value::as_str) == Some("true")
}

/// A text of a form, empty when absent.
pub(super) fn text_of<'a>(form: &'a Map<String, Value>, name: &str) -> &'a str {
    form.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list in a form, where every list was read as one of texts.
pub(super) fn texts(list: Option<&Value>) -> Vec<String> {
    let Some(Value::Array(items)) = list else { return Vec::new() };
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

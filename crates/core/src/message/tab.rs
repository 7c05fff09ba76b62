//! Tabs as Connect writes and reads them: arrays by kind, such as `textTabs`.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{object::Object, view::View};
use crate::{
    envelope::{Tab, TabChoice, TabKind},
    subscription::Include,
};

/// The array that holds tabs of this kind, such as `signHereTabs`.
#[must_use]
pub fn array_name(kind: &TabKind) -> String {
    match kind.stem() {
        stem if stem == GROUPS => GROUPS.to_owned(),
        stem => format!("{stem}Tabs"),
    }
}

/// Groups of tabs are tabs to us; they are the one array whose name does not end in `Tabs`.
const GROUPS: &str = "tabGroups";

/// The kind of the tabs in an array of this name, read without case; `None` when no array of tabs is called so.
#[must_use]
pub fn kind_of_array(name: &str) -> Option<TabKind> {
    if name.eq_ignore_ascii_case(GROUPS) {
        return Some(TabKind::Other(GROUPS.to_owned()));
    }
    // The comparison is done on bytes, so a name that ends in something else at this place is not cut within a character.
    let stem_len = name.len().checked_sub(4).filter(|&n| n > 0 && name.is_char_boundary(n))?;
    name[stem_len..].eq_ignore_ascii_case("tabs").then(|| TabKind::from_stem(&name[..stem_len]))
}

/// Reads an object of arrays of tabs. Arrays of other names are left out; so is what is no object within one. Ids that are
/// missing or no GUIDs come from `guids`.
#[must_use]
pub fn read(tabs: &Map<String, Value>, guids: &mut dyn FnMut() -> Uuid) -> Vec<Tab> {
    let arrays = tabs.iter().filter_map(|(name, value)| Some((kind_of_array(name)?, value.as_array()?)));
    let mut read = Vec::new();
    for (kind, array) in arrays {
        read.extend(array.iter().filter_map(Value::as_object).map(|tab| read_one(kind.clone(), tab, guids)));
    }
    read
}

/// Reads one tab. Property names are compared without case; what has no meaning here is kept as it came.
#[must_use]
pub fn read_one(kind: TabKind, properties: &Map<String, Value>, guids: &mut dyn FnMut() -> Uuid) -> Tab {
    let mut tab = Tab::new(kind, Uuid::nil(), None);
    let mut id = None;
    for (key, value) in properties {
        let text = scalar(value);
        match (key.to_ascii_lowercase().as_str(), text) {
            ("tablabel" | "groupname", Some(text)) => tab.label = Some(text),
            ("value", Some(text)) => tab.value = Some(text),
            ("selected", Some(text)) => tab.selected = is_true(&text),
            ("required", Some(text)) => tab.required = is_true(&text),
            ("locked", Some(text)) => tab.locked = is_true(&text),
            ("documentid", Some(text)) => tab.document_id = Some(text),
            ("tabid", Some(text)) => id = text.parse().ok(),
            // Ours to say: who it belongs to, what kind it is, what became of it.
            ("recipientid" | "recipientidguid" | "tabtype" | "status" | "originalvalue" | "selectedoriginal", _) => {}
            ("radios" | "listitems", None) if value.is_array() => tab.choices = read_choices(value),
            _ => {
                tab.extra.insert(key.clone(), value.clone());
            }
        }
    }
    tab.id = id.unwrap_or_else(guids);
    choose_given_value(&mut tab);
    tab
}

/// A list whose value was given instead of a chosen item has that item chosen.
fn choose_given_value(tab: &mut Tab) {
    if tab.choices.iter().any(|choice| choice.selected) {
        return;
    }
    if let Some(choice) = tab.choices.iter_mut().find(|choice| Some(&choice.value) == tab.value.as_ref()) {
        choice.selected = true;
    }
}

fn read_choices(list: &Value) -> Vec<TabChoice> {
    let read = |properties: &Map<String, Value>| {
        let mut choice = TabChoice::default();
        for (key, value) in properties {
            match (key.to_ascii_lowercase().as_str(), scalar(value)) {
                ("value", Some(text)) => choice.value = text,
                ("text", Some(text)) => choice.text = Some(text),
                ("selected", Some(text)) => choice.selected = is_true(&text),
                _ => {
                    choice.extra.insert(key.clone(), value.clone());
                }
            }
        }
        choice
    };
    list.as_array().into_iter().flatten().filter_map(Value::as_object).map(read).collect()
}

/// Tabs by kind. `recipient` is the id of whom they belong to; `None` for those that the sender filled in.
#[must_use]
pub fn write<'t>(tabs: impl IntoIterator<Item = &'t Tab>, recipient: Option<&str>, view: &View<'_>) -> Map<String, Value> {
    let mut arrays = Map::new();
    for tab in tabs {
        let array = arrays.entry(array_name(&tab.kind)).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(array) = array {
            array.push(write_one(tab, recipient, view).into());
        }
    }
    arrays
}

/// The tabs of a recipient that this view shows: without `payment_tabs` no tab that takes money, without `tabs` no other.
pub(super) fn shown<'t>(tabs: &'t [Tab], view: &View<'_>) -> Vec<&'t Tab> {
    let shows = |tab: &&Tab| view.shows(if takes_payment(tab) { Include::PaymentTabs } else { Include::Tabs });
    tabs.iter().filter(shows).collect()
}

fn takes_payment(tab: &Tab) -> bool {
    tab.extra.keys().any(|key| key.eq_ignore_ascii_case("paymentDetails"))
        || tab.extra.iter().any(|(key, value)| key.eq_ignore_ascii_case("isPaymentAmount") && scalar(value).is_some_and(|v| is_true(&v)))
}

/// One tab.
#[must_use]
pub fn write_one(tab: &Tab, recipient: Option<&str>, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    let is_radio = tab.kind == TabKind::RadioGroup;
    let is_mark = matches!(tab.kind, TabKind::SignHere | TabKind::InitialHere);
    if !tab.choices.is_empty() {
        let choices: Vec<Value> = tab.choices.iter().map(|choice| write_choice(choice, view).into()).collect();
        object.value(if is_radio { "radios" } else { "listItems" }, choices);
    }
    if tab.kind == TabKind::Checkbox {
        object.flag("selected", tab.selected);
        object.text("selectedOriginal", tab.original_value.clone().unwrap_or_else(|| tab.selected.to_string()));
    } else if !is_mark {
        object.text_opt("value", tab.value.as_deref());
        object.text_opt("originalValue", tab.original_value.as_deref());
    }
    if !is_mark {
        object.flag("required", tab.required);
        object.flag("locked", tab.locked);
    }
    object.echo_rest(&tab.extra, &[]);
    object.text_opt(if is_radio { "groupName" } else { "tabLabel" }, tab.label.as_deref());
    object.text_opt("documentId", tab.document_id.as_deref());
    object.text_opt("recipientId", recipient);
    object.text("tabId", tab.id.to_string());
    if tab.signed {
        object.text("status", "signed");
    } else if is_mark {
        object.text("status", "active");
    }
    let kind = tab.kind.stem().to_ascii_lowercase();
    object.text("tabType", if recipient.is_some() { kind } else { "prefilltab".to_owned() });
    object.finish()
}

fn write_choice(choice: &TabChoice, view: &View<'_>) -> Object {
    let mut object = Object::new(view.dates);
    object.echo_rest(&choice.extra, &["text", "value", "selected"]);
    object.text_opt("text", choice.text.as_deref());
    object.text("value", choice.value.clone());
    object.flag("selected", choice.selected);
    object
}

/// A scalar as text, whatever type a client sent it as.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_true(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn guids() -> impl FnMut() -> Uuid {
        let mut last = 0;
        move || {
            last += 1;
            Uuid::from_u128(last)
        }
    }

    #[test]
    fn names_of_arrays_read_back() {
        for kind in TabKind::KNOWN {
            assert_eq!(kind_of_array(&array_name(kind).to_uppercase()), Some(kind.clone()));
        }
        assert_eq!(kind_of_array("tabGroups").map(|kind| array_name(&kind)), Some("tabGroups".into()));
        for name in ["", "tabs", "prefill", "é", "éabs"] {
            assert_eq!(kind_of_array(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_read_is_written_again_with_scalars_as_text() {
        let given = json!({
            "textTabs": [{"tabLabel": "city", "Value": "Riga", "required": true, "xPosition": 12, "documentId": "1", "font": "arial"}],
            "checkboxTabs": [{"tabLabel": "yes", "selected": "true"}],
            "radioGroupTabs": [{"groupName": "colour", "radios": [{"value": "r", "pageNumber": "1"}, {"value": "g", "selected": "true"}]}],
            "listTabs": [{"tabLabel": "size", "value": "L", "listItems": [{"text": "Large", "value": "L"}]}],
            "signHereTabs": [{"tabLabel": "sig", "anchorString": "/s/"}],
            "notTabsAtAll": [{"a": 1}],
        });
        let tabs = read(given.as_object().expect("an object"), &mut guids());
        assert_eq!(tabs.iter().map(Tab::data).collect::<Vec<_>>(), ["Riga", "X", "g", "L", ""]);
        let nothing = BTreeSet::new();
        let written = write(&tabs, Some("1"), &View::message(&nothing));
        let id = |n| Uuid::from_u128(n).to_string();
        let expected = json!({
            "textTabs": [{
                "value": "Riga", "required": "true", "locked": "false", "xPosition": "12", "font": "arial", "tabLabel": "city",
                "documentId": "1", "recipientId": "1", "tabId": id(1), "tabType": "text",
            }],
            "checkboxTabs": [{
                "selected": "true", "selectedOriginal": "true", "required": "false", "locked": "false", "tabLabel": "yes",
                "recipientId": "1", "tabId": id(2), "tabType": "checkbox",
            }],
            "radioGroupTabs": [{
                "radios": [{"pageNumber": "1", "value": "r", "selected": "false"}, {"value": "g", "selected": "true"}],
                "required": "false", "locked": "false", "groupName": "colour", "recipientId": "1", "tabId": id(3), "tabType": "radiogroup",
            }],
            "listTabs": [{
                "listItems": [{"text": "Large", "value": "L", "selected": "true"}], "value": "L", "required": "false", "locked": "false",
                "tabLabel": "size", "recipientId": "1", "tabId": id(4), "tabType": "list",
            }],
            "signHereTabs": [{
                "anchorString": "/s/", "tabLabel": "sig", "recipientId": "1", "tabId": id(5), "status": "active", "tabType": "signhere",
            }],
        });
        assert_eq!(Value::Object(written), expected);
    }

    #[test]
    fn tabs_that_take_money_are_shown_when_asked_for() {
        let given = json!({"numberTabs": [{"tabLabel": "fee", "isPaymentAmount": "true"}], "textTabs": [{"tabLabel": "city"}]});
        let tabs = read(given.as_object().expect("an object"), &mut guids());
        for (include, expected) in [
            (vec![Include::Tabs], vec!["city"]),
            (vec![Include::PaymentTabs], vec!["fee"]),
            (vec![Include::Tabs, Include::PaymentTabs], vec!["fee", "city"]),
            (vec![Include::Recipients], vec![]),
        ] {
            let include = include.into_iter().collect();
            let labels: Vec<_> = shown(&tabs, &View::message(&include)).into_iter().filter_map(|tab| tab.label.as_deref()).collect();
            assert_eq!(labels, expected, "{include:?}");
        }
    }
}

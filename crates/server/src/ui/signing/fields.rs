//! The fields of a recipient as they stand on the page.

use std::borrow::Cow;

use countersign_core::envelope::{Recipient, Tab, TabKind};

/// How form fields of tabs begin; what follows is the label.
pub(super) const TAB_PREFIX: &str = "tab.";

/// One field.
pub(super) struct Field<'a> {
    /// Its name in the form.
    pub(super) name: String,
    /// What people read beside it.
    pub(super) label: Cow<'a, str>,
    /// What stands there.
    pub(super) value: &'a str,
    pub(super) required: bool,
    /// On how many places of the documents it stands.
    pub(super) places: usize,
    pub(super) input: Input<'a>,
}

/// How a field is filled in.
pub(super) enum Input<'a> {
    /// A line of text.
    Line,
    /// A check box.
    Tick { ticked: bool },
    /// One of these: value, text, chosen.
    Choice(Vec<(&'a str, &'a str, bool)>),
    /// Not here: locked, or filled in by signing.
    Fixed,
}

/// The fields of a recipient. Tabs that share a label share a value and are one field, and so are all signatures, all initials, ...
pub(super) fn fields(recipient: &Recipient, may_sign: bool) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    for tab in recipient.tabs.iter().filter(|tab| !is_not_a_field(&tab.kind)) {
        let label = tab.label.as_deref().unwrap_or_default();
        let name = if is_by_signing(&tab.kind) { tab.kind.stem().to_owned() } else { format!("{TAB_PREFIX}{label}") };
        if let Some(before) = fields.iter_mut().find(|field| field.name == name) {
            before.required |= tab.required;
            before.places += 1;
            continue;
        }
        let input = if may_sign && is_open(tab) { input(tab) } else { Input::Fixed };
        let value = match (&tab.kind, tab.data()) {
            (TabKind::SignHere | TabKind::InitialHere, _) if tab.signed => recipient.person.name.as_str(),
            (kind, "") if is_by_signing(kind) && may_sign => "filled in when you finish",
            (_, value) => value,
        };
        // What is filled in by signing is not asked for.
        let required = tab.required && !is_by_signing(&tab.kind);
        fields.push(Field { name, label: shown_label(tab), value, required, places: 1, input });
    }
    fields
}

/// The label that the sender gave; what the tab is for where a label would say nothing to a person.
fn shown_label(tab: &Tab) -> Cow<'_, str> {
    match (&tab.kind, tab.label.as_deref()) {
        (TabKind::SignHere, _) => "Signature".into(),
        (TabKind::InitialHere, _) => "Initials".into(),
        (kind, Some(label)) if !is_by_signing(kind) && !label.is_empty() && !is_made_up(tab, label) => label.into(),
        (kind, _) => words_of(kind.stem()).into(),
    }
}

/// True for a label that a tab was given because it came without one: its kind and a part of its id.
fn is_made_up(tab: &Tab, label: &str) -> bool {
    let part = label.strip_prefix(tab.kind.stem()).and_then(|rest| rest.strip_prefix(' '));
    part.is_some_and(|part| part.len() == 8 && tab.id.simple().to_string().starts_with(part))
}

/// `Phone number` of `phoneNumber`.
fn words_of(stem: &str) -> String {
    let mut words = String::with_capacity(stem.len() + 4);
    for (index, character) in stem.chars().enumerate() {
        match (index, character.is_uppercase()) {
            (0, _) => words.extend(character.to_uppercase()),
            (_, true) => {
                words.push(' ');
                words.extend(character.to_lowercase());
            }
            (_, false) => words.push(character),
        }
    }
    words
}

/// True for a tab that the person fills in.
pub(super) fn is_open(tab: &Tab) -> bool {
    !tab.locked && tab.label.is_some() && !is_by_signing(&tab.kind) && !is_not_a_field(&tab.kind)
}

fn is_by_signing(kind: &TabKind) -> bool {
    matches!(
        kind,
        TabKind::SignHere
            | TabKind::InitialHere
            | TabKind::DateSigned
            | TabKind::FullName
            | TabKind::FirstName
            | TabKind::LastName
            | TabKind::EmailAddress
            | TabKind::EnvelopeId
    )
}

fn is_not_a_field(kind: &TabKind) -> bool {
    matches!(kind, TabKind::Note | TabKind::Approve | TabKind::Decline | TabKind::View | TabKind::SmartSection | TabKind::Formula)
}

fn input(tab: &Tab) -> Input<'_> {
    match tab.kind {
        TabKind::Checkbox => Input::Tick { ticked: tab.selected },
        TabKind::List | TabKind::RadioGroup => Input::Choice(
            tab.choices
                .iter()
                .map(|choice| (choice.value.as_str(), choice.text.as_deref().unwrap_or(choice.value.as_str()), choice.selected))
                .collect(),
        ),
        _ => Input::Line,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_field_has_a_name_for_people() {
        let id = Uuid::from_u128(0x1234_5678_u128 << 96);
        let tab = |kind: TabKind, label: Option<&str>| Tab::new(kind, id, label.map(str::to_owned));
        for (kind, label, expected) in [
            (TabKind::SignHere, Some("signHere 12345678"), "Signature"),
            (TabKind::InitialHere, Some("init_1"), "Initials"),
            (TabKind::DateSigned, Some("date_tenant_3"), "Date signed"),
            (TabKind::Text, Some("City"), "City"),
            (TabKind::Text, Some("text 12345678"), "Text"),
            (TabKind::Text, Some("text 87654321"), "text 87654321"),
            (TabKind::PhoneNumber, None, "Phone number"),
            (TabKind::Text, Some(""), "Text"),
        ] {
            let tab = tab(kind, label);
            assert_eq!(shown_label(&tab), expected, "{tab:?}");
        }
    }
}

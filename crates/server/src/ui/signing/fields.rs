//! The fields of a recipient as they stand on the page.

use countersign_core::envelope::{Recipient, Tab, TabKind};

/// How form fields of tabs begin; what follows is the label.
pub(super) const TAB_PREFIX: &str = "tab.";

/// One field.
pub(super) struct Field<'a> {
    /// Its name in the form.
    pub(super) name: String,
    /// What people read beside it.
    pub(super) label: &'a str,
    /// What stands there.
    pub(super) value: &'a str,
    pub(super) required: bool,
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

/// The fields of a recipient. Tabs that share a label share a value and are one field.
pub(super) fn fields(recipient: &Recipient, may_sign: bool) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    for tab in &recipient.tabs {
        let label = tab.label.as_deref().unwrap_or_else(|| tab.kind.stem());
        let name = format!("{}{label}", TAB_PREFIX);
        if let Some(before) = fields.iter_mut().find(|field| field.name == name) {
            before.required |= tab.required;
            continue;
        }
        let input = if may_sign && is_open(tab) { input(tab) } else { Input::Fixed };
        let value = match (&input, tab.data()) {
            (Input::Fixed, "") if is_by_signing(&tab.kind) => "filled in when you finish",
            (_, value) => value,
        };
        fields.push(Field { name, label, value, required: tab.required, input });
    }
    fields
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

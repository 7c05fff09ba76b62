//! What recipients wrote, without where it stands on the page.

use super::{
    recipient::Recipient,
    state::Envelope,
    tab::{Tab, TabKind},
};

/// A value and the label it goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FormItem<'a> {
    /// The label of its tab.
    pub name: &'a str,
    /// What stands there.
    pub value: &'a str,
    /// What the sender had put there, when the recipient changed it.
    pub original_value: Option<&'a str>,
    /// True when it was chosen from a list.
    pub is_list: bool,
}

/// What one recipient wrote.
#[derive(Clone, PartialEq, Debug)]
pub struct RecipientForm<'a> {
    /// Who.
    pub recipient: &'a Recipient,
    /// What.
    pub items: Vec<FormItem<'a>>,
}

/// The data of an envelope.
#[derive(Clone, PartialEq, Debug)]
pub struct FormData<'a> {
    /// What the sender filled in, belonging to no recipient.
    pub prefilled: Vec<FormItem<'a>>,
    /// By recipient, those without tabs left out.
    pub recipients: Vec<RecipientForm<'a>>,
}

impl Envelope {
    /// What was written into its fields so far.
    #[must_use]
    pub fn form_data(&self) -> FormData<'_> {
        let prefilled = self.documents.iter().flat_map(|d| &d.prefill_tabs).filter_map(item).collect();
        let form = |recipient| RecipientForm { recipient, items: items(recipient) };
        FormData { prefilled, recipients: self.recipients.iter().filter(|r| !r.tabs.is_empty()).map(form).collect() }
    }
}

/// Tabs that share a label share a value, which is told once.
fn items(recipient: &Recipient) -> Vec<FormItem<'_>> {
    let mut items: Vec<FormItem<'_>> = Vec::new();
    for item in recipient.tabs.iter().filter_map(item) {
        if !items.iter().any(|before| before.name == item.name) {
            items.push(item);
        }
    }
    items
}

fn item(tab: &Tab) -> Option<FormItem<'_>> {
    let holds_no_data = matches!(
        tab.kind,
        TabKind::SignHere | TabKind::InitialHere | TabKind::Approve | TabKind::Decline | TabKind::View | TabKind::SmartSection
    );
    if holds_no_data {
        return None;
    }
    let original_value = tab.original_value.as_deref().filter(|_| tab.is_changed());
    Some(FormItem { name: tab.label.as_deref()?, value: tab.data(), original_value, is_list: tab.kind == TabKind::List })
}

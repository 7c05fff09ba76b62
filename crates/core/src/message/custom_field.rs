//! Custom fields as Connect writes them.

use serde_json::{Map, Value};

use super::{object::Object, view::View};
use crate::{
    account::Account,
    envelope::{CustomField, CustomFieldKind},
};

/// What `AccountSite` says in the fields that name the sender's account. Connect names its data centre there.
pub const ACCOUNT_SITE: &str = "countersign";

/// The fields that name the sender's account (Connect: `includeSenderAccountAsCustomField`).
#[must_use]
pub fn of_account(account: &Account) -> Vec<CustomField> {
    vec![
        CustomField::text("", "AccountId", account.id.to_string()),
        CustomField::text("", "AccountName", account.name.clone()),
        CustomField::text("", "AccountSite", ACCOUNT_SITE),
    ]
}

/// `{textCustomFields, listCustomFields}`.
#[must_use]
pub fn write(fields: &[CustomField], view: &View<'_>) -> Map<String, Value> {
    let of_kind = |is_text: bool| -> Vec<Value> {
        let fields = fields.iter().filter(|field| (field.kind == CustomFieldKind::Text) == is_text);
        fields.map(|field| write_one(field, view).into()).collect()
    };
    let mut object = Object::new(view.dates);
    object.value("textCustomFields", of_kind(true));
    object.value("listCustomFields", of_kind(false));
    object.finish()
}

/// One field.
#[must_use]
pub fn write_one(field: &CustomField, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    if let CustomFieldKind::List(items) = &field.kind {
        object.value("listItems", items.clone());
    }
    if !field.id.is_empty() {
        object.text("fieldId", field.id.clone());
    }
    object.text("name", field.name.clone());
    object.flag("show", field.show);
    object.flag("required", field.required);
    object.text("value", field.value.clone());
    object.echo_rest(&field.extra, &[]);
    object.finish()
}

//! Custom fields as a caller gives them.

use countersign_core::envelope::{CustomField, CustomFieldKind, TEXT_CHARS_MAX};

use crate::{failure::Failure, restapi::wire::Wire};

/// A custom field as given; its own id is empty when none was given.
#[derive(Clone, Debug)]
pub(in crate::restapi) struct FieldDefinition {
    /// `fieldId`.
    pub(in crate::restapi) id: Option<String>,
    /// `None` leaves what is there.
    pub(in crate::restapi) name: Option<String>,
    /// `None` leaves what is there.
    pub(in crate::restapi) value: Option<String>,
    show: Option<bool>,
    required: Option<bool>,
    /// Whether it stood among the list fields.
    list_items: Option<Vec<String>>,
    extra: serde_json::Map<String, serde_json::Value>,
}

impl FieldDefinition {
    /// As a new field under this id.
    ///
    /// # Errors
    /// 400 when it has no name, or its value is none of its items.
    pub(in crate::restapi) fn field(self, id: String) -> Result<CustomField, Failure> {
        let name = self.name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Failure::invalid_parameter("a custom field needs a name"))?;
        let field = CustomField {
            id,
            name,
            value: self.value.unwrap_or_default(),
            show: self.show.unwrap_or(false),
            required: self.required.unwrap_or(false),
            kind: self.list_items.map_or(CustomFieldKind::Text, CustomFieldKind::List),
            extra: self.extra,
        };
        sound(field)
    }

    /// As another form of a field.
    ///
    /// # Errors
    /// 400 when its value is none of its items.
    pub(in crate::restapi) fn alter(self, before: &CustomField) -> Result<CustomField, Failure> {
        let mut field = before.clone();
        field.name = self.name.filter(|name| !name.is_empty()).unwrap_or(field.name);
        field.value = self.value.unwrap_or(field.value);
        field.show = self.show.unwrap_or(field.show);
        field.required = self.required.unwrap_or(field.required);
        if let Some(items) = self.list_items.filter(|items| !items.is_empty()) {
            field.kind = CustomFieldKind::List(items);
        }
        field.extra.extend(self.extra);
        sound(field)
    }
}

fn sound(field: CustomField) -> Result<CustomField, Failure> {
    for (what, text) in [("name", &field.name), ("value", &field.value)] {
        if text.chars().nth(TEXT_CHARS_MAX).is_some() {
            return Err(Failure::invalid_parameter(format!("the {what} of a custom field is longer than {TEXT_CHARS_MAX} characters")));
        }
    }
    match &field.kind {
        CustomFieldKind::List(items) if !field.value.is_empty() && !items.contains(&field.value) => {
            Err(Failure::invalid_parameter(format!("custom field '{}' does not list the value '{}'", field.name, field.value)))
        }
        _ => Ok(field),
    }
}

/// Reads a `customFields` object.
///
/// # Errors
/// 400 for what is of the wrong type.
pub(in crate::restapi) fn custom_fields(mut wire: Wire) -> Result<Vec<FieldDefinition>, Failure> {
    let mut read = Vec::new();
    for (array, is_list) in [("textCustomFields", false), ("listCustomFields", true)] {
        for mut one in wire.take_objects(array)?.unwrap_or_default() {
            let items = one.texts("listItems")?;
            read.push(FieldDefinition {
                id: one.take_text("fieldId")?.filter(|id| !id.is_empty()),
                name: one.take_text("name")?,
                value: one.take_text("value")?,
                show: one.take_flag("show")?,
                required: one.take_flag("required")?,
                list_items: is_list.then_some(items),
                extra: super::rest_of(one, &["listItems", "errorDetails"]),
            });
        }
    }
    Ok(read)
}

/// Where the numbers of custom fields start.
const FIRST_ID: u64 = 10_000_001;

/// The id of a further field.
pub(in crate::restapi) fn next_field_id<'f>(fields: impl IntoIterator<Item = &'f CustomField>) -> String {
    let last = fields.into_iter().filter_map(|field| field.id.parse::<u64>().ok()).max();
    last.map_or(FIRST_ID, |last| last.saturating_add(1).max(FIRST_ID)).to_string()
}

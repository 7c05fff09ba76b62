//! What a caller says an envelope or a template shall be: `envelopeDefinition` and its parts, read whole before anything is done,
//! so that a mistake in the last tab leaves nothing half-applied.
//!
//! Properties that have no meaning here are kept and echoed when Docusign's model of the object names them ([`ECHOED`]); others
//! are passed over, as Docusign does.

use countersign_core::envelope::{BlindCopy, Edit, EmailSettings};
use serde_json::{Map, Value};

use crate::{failure::Failure, restapi::wire::Wire};

mod document;
mod field;
mod notification;
mod recipient;
mod role;
mod tab;

pub(in crate::restapi) use document::{AttachmentDefinition, DocumentDefinition, attachments, document_fields, document_id, documents};
pub(in crate::restapi) use field::{FieldDefinition, custom_fields, next_field_id};
pub(in crate::restapi) use notification::notification;
pub(in crate::restapi) use recipient::{RecipientDefinition, recipients, with_ids};
pub(in crate::restapi) use role::{Composite, TemplateUse, template_use};
pub(in crate::restapi) use tab::tabs;

/// Scalars of an envelope that mean nothing here and are echoed, under Docusign's names.
const ECHOED: &[&str] = &[
    "accessibility",
    "allowComments",
    "allowMarkup",
    "allowReassign",
    "allowRecipientRecursion",
    "allowViewHistory",
    "asynchronous",
    "authoritativeCopy",
    "authoritativeCopyDefault",
    "autoNavigation",
    "brandId",
    "brandLock",
    "burnDefaultTabData",
    "copyRecipientData",
    "disableResponsiveDocument",
    "enableWetSign",
    "enforceSignerVisibility",
    "envelopeIdStamping",
    "externalEnvelopeId",
    "is21CFRPart11",
    "messageLock",
    "recipientsLock",
    "signerCanSignOnMobile",
    "signingLocation",
    "transactionId",
    "useDisclosure",
    "uSigState",
];
/// The longest echoed scalar, in bytes; all of them travel in every snapshot.
const ECHOED_BYTES_MAX: usize = 1_000;

/// What has no meaning here and would change what happens, so that passing over it would be a lie.
const OUT_OF_SCOPE: &[(&str, &str)] = &[
    ("accessControlListBase64", "an access control list of an envelope"),
    ("powerForm", "PowerForms"),
    ("workflow", "workflow steps of an envelope"),
    ("recipientViewRequest", "a recipient view in the answer of a create call; call views/recipient"),
];

/// The content of an envelope as a caller gave it; `None` where nothing was said.
#[derive(Clone, Debug, Default)]
pub(in crate::restapi) struct Definition {
    pub(in crate::restapi) subject: Option<String>,
    pub(in crate::restapi) blurb: Option<String>,
    pub(in crate::restapi) recipients: Vec<RecipientDefinition>,
    pub(in crate::restapi) documents: Vec<DocumentDefinition>,
    pub(in crate::restapi) attachments: Vec<AttachmentDefinition>,
    pub(in crate::restapi) custom_fields: Vec<FieldDefinition>,
    pub(in crate::restapi) notification: Option<Wire>,
    pub(in crate::restapi) email_settings: Option<EmailSettings>,
    pub(in crate::restapi) event_notifications: Vec<Wire>,
    pub(in crate::restapi) extra: Map<String, Value>,
}

impl Definition {
    /// Takes the content out of a request.
    ///
    /// # Errors
    /// 400 that names what cannot be, 501 for what is out of scope.
    pub(in crate::restapi) fn read(wire: &mut Wire) -> Result<Self, Failure> {
        for (name, what) in OUT_OF_SCOPE {
            if wire.get(name).is_some_and(says_something) {
                return Err(Failure::not_implemented(what));
            }
        }
        let mut event_notifications: Vec<Wire> = wire.take_object("eventNotification")?.into_iter().collect();
        event_notifications.extend(wire.take_objects("eventNotifications")?.unwrap_or_default());
        Ok(Self {
            subject: wire.take_text("emailSubject")?,
            blurb: wire.take_text("emailBlurb")?,
            recipients: wire.take_object("recipients")?.map(recipients).transpose()?.unwrap_or_default(),
            documents: documents(wire.take_objects("documents")?.unwrap_or_default())?,
            attachments: attachments(wire.take_objects("attachments")?.unwrap_or_default())?,
            custom_fields: wire.take_object("customFields")?.map(custom_fields).transpose()?.unwrap_or_default(),
            notification: wire.take_object("notification")?,
            email_settings: wire.take_object("emailSettings")?.map(email_settings).transpose()?,
            event_notifications,
            extra: echoed(wire)?,
        })
    }

    /// The changes of text, settings and echoed properties that it asks for.
    pub(in crate::restapi) fn plain_edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        edits.extend(self.subject.clone().map(Edit::Subject));
        edits.extend(self.blurb.clone().map(Edit::Blurb));
        edits.extend(self.email_settings.clone().map(|settings| Edit::EmailSettings(Some(settings))));
        if !self.extra.is_empty() {
            edits.push(Edit::Extra(self.extra.clone()));
        }
        edits
    }
}

/// False for null, empty objects and lists, and objects of nothing else: what SDKs send for a model that nobody filled in.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(map) => map.values().any(says_something),
        _ => true,
    }
}

fn echoed(wire: &mut Wire) -> Result<Map<String, Value>, Failure> {
    let mut extra = Map::new();
    for name in ECHOED {
        if let Some(text) = wire.take_text(name)? {
            if text.len() > ECHOED_BYTES_MAX {
                return Err(Failure::invalid_parameter(format!("{name} is longer than {ECHOED_BYTES_MAX} bytes")));
            }
            extra.insert((*name).to_owned(), text.into());
        }
    }
    Ok(extra)
}

/// Reads `emailSettings`.
///
/// # Errors
/// 400 for what is of the wrong type.
pub(in crate::restapi) fn email_settings(mut wire: Wire) -> Result<EmailSettings, Failure> {
    let mut blind_copies = Vec::new();
    for (index, mut copy) in wire.take_objects("bccEmailAddresses")?.unwrap_or_default().into_iter().enumerate() {
        let id = copy.take_text("bccEmailAddressId")?.filter(|id| !id.is_empty()).unwrap_or_else(|| (index + 1).to_string());
        let email = copy.take_text("email")?.ok_or_else(|| Failure::invalid_parameter("bccEmailAddresses holds one without an email"))?;
        blind_copies.push(BlindCopy { id, email });
    }
    Ok(EmailSettings {
        reply_email: wire.take_text("replyEmailAddressOverride")?,
        reply_name: wire.take_text("replyEmailNameOverride")?,
        blind_copies,
    })
}

/// What was given besides, without nulls, for echoing.
fn rest_of(wire: Wire, dropped: &[&str]) -> Map<String, Value> {
    let keep = |(key, _): &(String, Value)| !dropped.iter().any(|name| key.eq_ignore_ascii_case(name)) && !key.ends_with("Metadata");
    wire.into_map().into_iter().filter(keep).filter_map(|(key, value)| Some((key, without_nulls(value)?))).collect()
}

fn without_nulls(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) => Some(items.into_iter().filter_map(without_nulls).collect()),
        Value::Object(map) => Some(Value::Object(map.into_iter().filter_map(|(key, value)| Some((key, without_nulls(value)?))).collect())),
        scalar => Some(scalar),
    }
}

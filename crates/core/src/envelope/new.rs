//! What an envelope is made of, before it is one.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    custom_field::CustomField,
    document::{Attachment, Document},
    notification::Notification,
    recipient::Recipient,
    state::{AppliedTemplate, EmailSettings, Sender},
    tab::Tab,
};
use crate::id::{AccountGuid, EnvelopeId};

/// What an envelope is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct NewEnvelope {
    /// Its id.
    pub id: EnvelopeId,
    /// The account it belongs to.
    pub account: AccountGuid,
    /// Who sends it.
    pub sender: Sender,
    /// The subject of the mails.
    pub subject: String,
    /// The text of the mails.
    pub blurb: String,
    /// The people. Where they stand is ignored: nobody's turn has come.
    pub recipients: Vec<Recipient>,
    /// The documents.
    pub documents: Vec<Document>,
    /// Files beside the documents.
    pub attachments: Vec<Attachment>,
    /// The sender's own names and values.
    pub custom_fields: Vec<CustomField>,
    /// Reminders and expiry.
    pub notification: Notification,
    /// Reply address and blind copies.
    pub email_settings: Option<EmailSettings>,
    /// The templates it is made from.
    pub templates: Vec<AppliedTemplate>,
    /// Everything else that was given, echoed as it comes.
    pub extra: Map<String, Value>,
}

impl NewEnvelope {
    /// An envelope with nothing in it.
    #[must_use]
    pub fn empty(id: EnvelopeId, account: AccountGuid, sender: Sender) -> Self {
        Self {
            id,
            account,
            sender,
            subject: String::new(),
            blurb: String::new(),
            recipients: Vec::new(),
            documents: Vec::new(),
            attachments: Vec::new(),
            custom_fields: Vec::new(),
            notification: Notification::default(),
            email_settings: None,
            templates: Vec::new(),
            extra: Map::new(),
        }
    }

    /// Adds what another one brings, as when an envelope is made from several templates. What is here already stays:
    /// subject, text, properties, fields of the same name. A recipient of the same id and role is the same person and
    /// gets the further tabs; documents follow those that are here, with new ids where theirs are taken.
    pub fn absorb(&mut self, other: Self) {
        if self.subject.is_empty() {
            self.subject = other.subject;
        }
        if self.blurb.is_empty() {
            self.blurb = other.blurb;
        }
        let renamed = self.absorb_documents(other.documents);
        for mut recipient in other.recipients {
            rename_documents(&mut recipient.tabs, &renamed);
            match self.recipients.iter_mut().find(|r| r.id == recipient.id && same_role(r, &recipient)) {
                Some(before) => before.tabs.append(&mut recipient.tabs),
                None => {
                    recipient.id = free_id(&recipient.id, |id| self.recipients.iter().any(|r| r.id == id));
                    self.recipients.push(recipient);
                }
            }
        }
        for mut field in other.custom_fields {
            if !self.custom_fields.iter().any(|f| f.name == field.name) {
                field.id = free_id(&field.id, |id| self.custom_fields.iter().any(|f| f.id == id));
                self.custom_fields.push(field);
            }
        }
        for mut attachment in other.attachments {
            attachment.id = free_id(&attachment.id, |id| self.attachments.iter().any(|a| a.id == id));
            self.attachments.push(attachment);
        }
        self.email_settings = self.email_settings.take().or(other.email_settings);
        self.templates.extend(other.templates);
        for (key, value) in other.extra {
            self.extra.entry(key).or_insert(value);
        }
    }

    /// Adds documents behind those that are here; answers the ids that had to change.
    fn absorb_documents(&mut self, documents: Vec<Document>) -> HashMap<String, String> {
        let mut renamed = HashMap::new();
        let mut last = self.documents.iter().map(|d| d.order).max().unwrap_or(0);
        for mut document in documents {
            let id = free_id(&document.id, |id| self.documents.iter().any(|d| d.id == id));
            if id != document.id {
                renamed.insert(std::mem::replace(&mut document.id, id.clone()), id);
            }
            last += 1;
            document.order = last;
            rename_documents(&mut document.prefill_tabs, &renamed);
            self.documents.push(document);
        }
        renamed
    }
}

fn same_role(a: &Recipient, b: &Recipient) -> bool {
    match (&a.role, &b.role) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => a.person == b.person,
    }
}

fn rename_documents(tabs: &mut [Tab], renamed: &HashMap<String, String>) {
    for id in tabs.iter_mut().filter_map(|tab| tab.document_id.as_mut()) {
        if let Some(new) = renamed.get(id) {
            id.clone_from(new);
        }
    }
}

/// The id itself, or the next number that is free.
fn free_id(id: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(id) {
        return id.to_owned();
    }
    (1_u32..).map(|n| n.to_string()).find(|n| !taken(n)).unwrap_or_default()
}

//! `envelope send`: documents and people on the command line become the definition of an envelope.

use std::{path::PathBuf, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    input::{FileOrStdin, Inputs},
    misuse::Misuse,
};

/// Longest document, in bytes: what a server takes in one request, less what Base64 adds.
const DOCUMENT_BYTES_MAX: usize = 37 << 20;

/// Events that an envelope's own subscription asks for (Connect: JSON SIM event model).
const NOTIFIED: [&str; 12] = [
    "envelope-sent",
    "envelope-delivered",
    "envelope-completed",
    "envelope-declined",
    "envelope-voided",
    "envelope-resent",
    "recipient-sent",
    "recipient-delivered",
    "recipient-completed",
    "recipient-declined",
    "recipient-authenticationfailed",
    "recipient-finish-later",
];

/// Documents, recipients and what else an envelope is made of.
#[derive(Debug, Args)]
pub(super) struct Sending {
    /// Documents, in their order
    #[arg(value_name = "FILE", required = true)]
    documents: Vec<PathBuf>,
    /// Signer, as 'Name <mail@example.com>' or a bare address; may be repeated; they sign one after the other
    #[arg(long = "to", value_name = "PERSON")]
    signers: Vec<Person>,
    /// Who gets a copy when all have signed; may be repeated
    #[arg(long = "cc", value_name = "PERSON")]
    copies: Vec<Person>,
    /// All signers at once, not one after the other
    #[arg(long)]
    parallel: bool,
    /// Text field for every signer to fill in, by its label; may be repeated
    #[arg(long = "field", value_name = "LABEL")]
    fields: Vec<String>,
    /// Subject of the mail
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Message of the mail
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Keep it as a draft
    #[arg(long)]
    draft: bool,
    /// Tell this listener of all events of this envelope, signed with the account's keys
    #[arg(long, value_name = "URL")]
    notify: Option<String>,
}

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    name: String,
    email: String,
}

impl FromStr for Person {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write it like 'Anna Berg <anna@example.com>'";
        let (name, email) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, email)) => (name.trim().trim_matches('"').trim(), email.trim()),
            None => ("", text.trim()),
        };
        let (local, domain) = email.split_once('@').ok_or(FORM)?;
        if local.is_empty() || domain.is_empty() || email.contains(char::is_whitespace) || email.contains(['<', '>']) {
            return Err(FORM);
        }
        let name = if name.is_empty() { local } else { name };
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }
}

impl Sending {
    /// The definition, as `POST /envelopes` takes it.
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        if self.signers.is_empty() && !self.draft {
            return Err(Misuse::error("nobody is to sign; give a person with --to, or keep it with --draft"));
        }
        let mut inputs = Inputs::default();
        let mut documents = Vec::with_capacity(self.documents.len());
        for (number, path) in (1..).zip(&self.documents) {
            let bytes = inputs.file(&FileOrStdin::File(path.clone()), "FILE", DOCUMENT_BYTES_MAX)?;
            let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
            documents.push(json!({
                "documentId": number.to_string(),
                "name": part(path.file_name()).unwrap_or_else(|| format!("Document {number}")),
                "fileExtension": part(path.extension()).unwrap_or_else(|| "pdf".to_owned()),
                "documentBase64": STANDARD.encode(bytes),
            }));
        }
        let last = if self.parallel { 1 } else { self.signers.len().max(1) };
        let signers: Vec<Value> = (1..)
            .zip(&self.signers)
            .map(|(number, person)| {
                let order = if self.parallel { 1 } else { number };
                json!({
                    "recipientId": number.to_string(),
                    "routingOrder": order.to_string(),
                    "name": person.name,
                    "email": person.email,
                    "tabs": self.tabs(number),
                })
            })
            .collect();
        let copies: Vec<Value> = (self.signers.len() + 1..)
            .zip(&self.copies)
            .map(|(number, person)| {
                json!({"recipientId": number.to_string(), "routingOrder": (last + 1).to_string(), "name": person.name, "email": person.email})
            })
            .collect();
        let first = documents[0]["name"].as_str().unwrap_or_default().to_owned();
        let mut body = json!({
            "emailSubject": self.subject.clone().unwrap_or_else(|| format!("Please sign {first}")),
            "emailBlurb": self.message.clone().unwrap_or_default(),
            "status": if self.draft { "created" } else { "sent" },
            "documents": documents,
            "recipients": {"signers": signers, "carbonCopies": copies},
        });
        if let Some(url) = &self.notify {
            body["eventNotification"] = json!({
                "url": url,
                "loggingEnabled": "true",
                "requireAcknowledgment": "true",
                "includeHMAC": "true",
                "deliveryMode": "SIM",
                "eventData": {"version": "restv2.1", "format": "json"},
                "events": NOTIFIED,
            });
        }
        Ok(body)
    }

    /// A place to sign, and the fields to fill in, below each other on the first page.
    fn tabs(&self, number: usize) -> Value {
        let place = |row: usize| (100 + 40 * row).to_string();
        let fields: Vec<Value> = (1..)
            .zip(&self.fields)
            .map(|(row, label)| json!({"tabLabel": label, "documentId": "1", "pageNumber": "1", "xPosition": "100", "yPosition": place(row)}))
            .collect();
        let sign =
            json!({"documentId": "1", "pageNumber": "1", "xPosition": (100 + 150 * ((number - 1) % 3)).to_string(), "yPosition": "700"});
        json!({"signHereTabs": [sign], "textTabs": fields})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_a_name_and_an_address() {
        let person = |name: &str, email: &str| Ok(Person { name: name.to_owned(), email: email.to_owned() });
        for (text, read) in [
            ("Anna Berg <anna@example.com>", person("Anna Berg", "anna@example.com")),
            (" \"Berg, Anna\" < anna@example.com > ", person("Berg, Anna", "anna@example.com")),
            ("anna@example.com", person("anna", "anna@example.com")),
            ("<anna@example.com>", person("anna", "anna@example.com")),
        ] {
            assert_eq!(text.parse::<Person>(), read, "{text}");
        }
        for text in ["", "Anna", "Anna <>", "@example.com", "anna@", "a b@example.com", "A <a@b> <c@d>x"] {
            assert!(text.parse::<Person>().is_err(), "{text}");
        }
    }
}

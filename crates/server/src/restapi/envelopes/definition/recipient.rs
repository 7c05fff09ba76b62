//! Recipients as a caller gives them.

use countersign_core::{
    envelope::{Person, Recipient, RecipientChange, RecipientKind, Tab},
    message::recipient::array_name,
};
use uuid::Uuid;

use super::tab::tabs;
use crate::{failure::Failure, restapi::wire::Wire};

/// The kinds that can be played, in the order in which their arrays stand on the wire.
const KINDS: [RecipientKind; 4] =
    [RecipientKind::Signer, RecipientKind::CarbonCopy, RecipientKind::CertifiedDelivery, RecipientKind::InPersonSigner];

/// Kinds that cannot; taking one for nobody would send the envelope past them.
const OUT_OF_SCOPE: [&str; 8] =
    ["agents", "editors", "intermediaries", "seals", "witnesses", "notaries", "notaryWitnesses", "participants"];

/// What is ours to say of a recipient, and so not kept when a client sends back what it has read.
const OURS: [&str; 20] = [
    "status",
    "statusCode",
    "recipientIdGuid",
    "recipientType",
    "creationReason",
    "completedCount",
    "totalTabCount",
    "signedDateTime",
    "deliveredDateTime",
    "declinedDateTime",
    "sentDateTime",
    "declinedReason",
    "autoRespondedReason",
    "delegatedBy",
    "delegatedTo",
    "errorDetails",
    "firstName",
    "lastName",
    "fullName",
    "recipientAuthenticationStatus",
];

/// The longest recipient id, in characters.
const ID_CHARS_MAX: usize = 64;

/// A recipient as given.
#[derive(Clone, Debug)]
pub(in crate::restapi) struct RecipientDefinition {
    /// What is asked of them.
    pub(in crate::restapi) kind: RecipientKind,
    /// `recipientId`.
    pub(in crate::restapi) id: Option<String>,
    /// Who and when, as far as given.
    pub(in crate::restapi) change: RecipientChange,
    /// Their tabs.
    pub(in crate::restapi) tabs: Vec<Tab>,
}

impl RecipientDefinition {
    /// As a new recipient under this id.
    pub(in crate::restapi) fn recipient(self, id: String) -> Recipient {
        let RecipientChange { name, email, user, order, client_user_id, note, role, host, extra } = self.change;
        let person = Person { name: name.unwrap_or_default(), email: email.unwrap_or_default() };
        let mut recipient = Recipient::new(id, Uuid::new_v4(), self.kind, person, order.unwrap_or(1));
        recipient.user = user;
        recipient.client_user_id = client_user_id.filter(|id| !id.is_empty());
        recipient.note = note;
        recipient.role = role;
        recipient.host = host;
        recipient.extra = extra;
        recipient.tabs = self.tabs;
        recipient
    }
}

/// Reads a `recipients` object.
///
/// # Errors
/// 400 that names what cannot be; 501 for kinds of recipients that cannot be played.
pub(in crate::restapi) fn recipients(mut wire: Wire) -> Result<Vec<RecipientDefinition>, Failure> {
    for name in OUT_OF_SCOPE {
        if !wire.list(name)?.is_empty() {
            return Err(Failure::not_implemented(&format!("a recipient among {name}")));
        }
    }
    let mut read = Vec::new();
    for kind in KINDS {
        for one in wire.take_objects(array_name(kind))?.unwrap_or_default() {
            read.push(recipient(kind, one)?);
        }
    }
    Ok(read)
}

fn recipient(kind: RecipientKind, mut wire: Wire) -> Result<RecipientDefinition, Failure> {
    let id = wire.take_text("recipientId")?.filter(|id| !id.is_empty());
    if id.as_ref().is_some_and(|id| id.chars().nth(ID_CHARS_MAX).is_some()) {
        return Err(Failure::invalid_parameter(format!("a recipientId is longer than {ID_CHARS_MAX} characters")));
    }
    let order = match wire.take_number("routingOrder")? {
        None => None,
        Some(order) => {
            Some(u32::try_from(order).map_err(|_| Failure::invalid_parameter(format!("routingOrder is {order}; it starts at 1")))?)
        }
    };
    let tabs = wire.take_object("tabs")?.map(tabs).transpose()?.unwrap_or_default();
    let mut change = RecipientChange {
        name: name(&mut wire)?,
        email: wire.take_text("email")?.map(trimmed),
        user: wire.take_text("userId")?.and_then(|id| id.parse().ok()),
        order,
        client_user_id: wire.take_text("clientUserId")?,
        note: wire.take_text("note")?,
        role: wire.take_text("roleName")?.filter(|role| !role.is_empty()),
        host: None,
        extra: serde_json::Map::new(),
    };
    if kind == RecipientKind::InPersonSigner {
        change.name = wire.take_text("signerName")?.or(change.name);
        change.email = wire.take_text("signerEmail")?.map(trimmed).or(change.email);
        let (host_name, host_email) = (wire.take_text("hostName")?, wire.take_text("hostEmail")?.map(trimmed));
        if host_name.is_some() || host_email.is_some() {
            change.host = Some(Person { name: host_name.unwrap_or_default(), email: host_email.unwrap_or_default() });
        }
    }
    change.extra = super::rest_of(wire, &OURS);
    Ok(RecipientDefinition { kind, id, change, tabs })
}

/// `name`, or what it is made of.
fn name(wire: &mut Wire) -> Result<Option<String>, Failure> {
    let name = wire.take_text("name")?.filter(|name| !name.trim().is_empty());
    let full = wire.text("fullName")?.filter(|name| !name.trim().is_empty());
    let parts = match (wire.text("firstName")?, wire.text("lastName")?) {
        (None, None) => None,
        (first, last) => {
            Some(format!("{} {}", first.unwrap_or_default(), last.unwrap_or_default()).trim().to_owned()).filter(|name| !name.is_empty())
        }
    };
    Ok(name.or(full).or(parts))
}

fn trimmed(text: String) -> String {
    text.trim().to_owned()
}

/// Recipients under the ids given; who has none gets the next free number.
pub(in crate::restapi) fn with_ids(definitions: Vec<RecipientDefinition>, taken: &[Recipient]) -> Vec<Recipient> {
    let mut given: Vec<String> = definitions.iter().filter_map(|definition| definition.id.clone()).collect();
    given.extend(taken.iter().map(|recipient| recipient.id.clone()));
    let mut recipients = Vec::with_capacity(definitions.len());
    let mut number = 0_u32;
    for mut definition in definitions {
        let id = definition.id.take().unwrap_or_else(|| {
            loop {
                number += 1;
                let free = number.to_string();
                if !given.contains(&free) {
                    return free;
                }
            }
        });
        recipients.push(definition.recipient(id));
    }
    recipients
}

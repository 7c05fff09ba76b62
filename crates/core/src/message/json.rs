//! JSON bodies: SIM and aggregate.

use serde_json::{Map, Value};

use super::{
    body::{JSON_CONTENT_TYPE, Pieces, PreparedBody},
    document,
    facts::{Contents, Message, Unrenderable},
    summary,
    view::asks_for_summary,
};
use crate::{envelope::Envelope, event::Snapshot};

/// One event (Connect: JSON SIM). Keys in the order of real messages; `data` of posted events goes in as it came.
pub(super) fn sim(message: &Message<'_>, contents: &Contents) -> Result<PreparedBody, Unrenderable> {
    let mut head = Pieces::default();
    head.push(br#"{"event":"#);
    push_json(&mut head, message.event.name.as_str());
    head.push(br#","apiVersion":"v2.1","uri":"#);
    push_json(&mut head, uri(message).as_str());
    head.push(br#","retryCount":"#);

    let mut tail = Pieces::default();
    let generated_at = message.generated_at.to_seven_digits();
    tail.push(format!(r#","configurationId":{},"generatedDateTime":"{generated_at}","data":"#, message.configuration).as_bytes());
    match &message.event.snapshot {
        Snapshot::Posted(data) => tail.share(data.clone()),
        Snapshot::Envelope(_) | Snapshot::Nothing => push_data(&mut tail, message, contents)?,
    }
    tail.push(b"}");
    Ok(PreparedBody::counted(head, tail))
}

/// The envelope as the change left it (Connect: JSON aggregate): its object is the whole body.
pub(super) fn aggregate(message: &Message<'_>, contents: &Contents) -> Result<PreparedBody, Unrenderable> {
    let mut body = Pieces::default();
    push_envelope(&mut body, message, &message.envelope()?, contents)?;
    Ok(PreparedBody::fixed(body, JSON_CONTENT_TYPE))
}

/// Where the thing can be read under the REST interface, or what the caller said.
fn uri(message: &Message<'_>) -> String {
    let account = message.account.guid;
    let event = message.event;
    match (&event.detail.uri, event.envelope, &event.detail.template) {
        (Some(uri), ..) => uri.clone(),
        (None, Some(envelope), _) => format!("/restapi/v2.1/accounts/{account}/envelopes/{envelope}"),
        (None, None, Some((template, _))) => format!("/restapi/v2.1/accounts/{account}/templates/{template}"),
        (None, None, None) => format!("/api/v1/accounts/{account}/events/{}", event.id),
    }
}

/// `data` of an event of ours.
fn push_data(pieces: &mut Pieces, message: &Message<'_>, contents: &Contents) -> Result<(), Unrenderable> {
    let (event, detail) = (message.event, &message.event.detail);
    pieces.push(br#"{"accountId":"#);
    push_json(pieces, &message.account.guid);
    let template = detail.template.as_ref();
    let members = [
        (r#","userId":"#, event.user.map(|user| user.to_string())),
        (r#","envelopeId":"#, event.envelope.map(|envelope| envelope.to_string())),
        (r#","recipientId":"#, detail.recipient_id.clone()),
        (r#","reassignedRecipientId":"#, detail.reassigned_recipient_id.clone()),
        (r#","templateId":"#, template.map(|(id, _)| id.clone())),
        (r#","name":"#, template.map(|(_, name)| name.clone())),
    ];
    for (key, value) in members {
        if let Some(value) = value {
            pieces.push(key.as_bytes());
            push_json(pieces, &value);
        }
    }
    if message.is_about_an_envelope() && asks_for_summary(message.include) {
        pieces.push(br#","envelopeSummary":"#);
        push_envelope(pieces, message, &message.envelope()?, contents)?;
    }
    pieces.push(b"}");
    Ok(())
}

fn push_envelope(pieces: &mut Pieces, message: &Message<'_>, envelope: &Envelope, contents: &Contents) -> Result<(), Unrenderable> {
    let view = message.view();
    let object = summary::write(envelope, message.account, &view);
    pieces.push(b"{");
    for (i, (key, value)) in object.iter().enumerate() {
        pieces.push(if i == 0 { b"" } else { b"," });
        push_json(pieces, key);
        pieces.push(b":");
        match value {
            Value::Array(documents) if key == DOCUMENTS => push_documents(pieces, message, envelope, documents, contents)?,
            _ => push_json(pieces, value),
        }
    }
    pieces.push(b"}");
    Ok(())
}

/// The one key whose members get bytes.
const DOCUMENTS: &str = "envelopeDocuments";

/// The documents, with their bytes where they are shown. Those are encoded straight into the body: a document can have
/// megabytes, and each copy of it would count.
fn push_documents(
    pieces: &mut Pieces,
    message: &Message<'_>,
    envelope: &Envelope,
    written: &[Value],
    contents: &Contents,
) -> Result<(), Unrenderable> {
    let view = message.view();
    pieces.push(b"[");
    for (i, (document, value)) in document::shown(envelope, &view).zip(written).enumerate() {
        pieces.push(if i == 0 { b"{" } else { b",{" });
        let empty = Map::new();
        for (i, (key, value)) in value.as_object().unwrap_or(&empty).iter().enumerate() {
            pieces.push(if i == 0 { b"" } else { b"," });
            push_json(pieces, key);
            pieces.push(b":");
            push_json(pieces, value);
        }
        if document::shows_bytes(document, &view) {
            pieces.push(br#","PDFBytes":""#);
            pieces.push_base64(document::bytes(document, contents)?);
            pieces.push(b"\"");
        }
        pieces.push(b"}");
    }
    pieces.push(b"]");
    Ok(())
}

fn push_json<T: serde::Serialize + ?Sized>(pieces: &mut Pieces, value: &T) {
    serde_json::to_writer(pieces, value).expect("text and JSON values always serialise, and memory takes them");
}

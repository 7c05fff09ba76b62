//! `/envelopes/{id}/documents`: the list, the bytes, and putting others in a draft.

use std::sync::Arc;

use axum::{
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_core::{
    envelope::{Action, Edit, Envelope, Refused},
    id::AccountId,
    message::placement,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{
    answer,
    definition::{self, DocumentDefinition},
    edits::document_edits,
    request::{Editor, Parameters, Target, cut},
};
use crate::{
    App,
    access::{Caller, Reads},
    documents::{content_type, file_name},
    envelopes::{self, refused},
    failure::{Failure, refused_body},
    restapi::wire::{Answer, Wire},
};

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    Ok(Answer::ok(listed(&envelope)))
}

fn listed(envelope: &Envelope) -> Value {
    json!({"envelopeId": envelope.id, "envelopeDocuments": answer::documents(envelope)})
}

/// Bytes to give out.
struct Download {
    name: String,
    content_type: &'static str,
    bytes: Bytes,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    target: Target,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    let id = target.part("document_id");
    let download = download(&app, caller.account_id(), &envelope, id, &parameters).await?;
    let disposition = format!("file; filename=\"{}\"; documentid=\"{}\"", ascii(&download.name), ascii(id));
    let as_text = match parameters.text("encoding") {
        None => false,
        Some(encoding) if encoding.eq_ignore_ascii_case("base64") => true,
        Some(other) => return Err(Failure::invalid_parameter(format!("encoding is '{}'; it can be base64", cut(other)))),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(download.content_type));
    // What was uploaded is shown by nobody's browser as a page of this site.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    let bytes = if as_text {
        headers.insert("content-transfer-encoding", HeaderValue::from_static("base64"));
        Bytes::from(STANDARD.encode(&download.bytes))
    } else {
        download.bytes
    };
    Ok((StatusCode::OK, headers, bytes).into_response())
}

fn ascii(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ' { c } else { '_' }).collect()
}

async fn download(app: &App, account: AccountId, envelope: &Envelope, id: &str, parameters: &Parameters) -> Result<Download, Failure> {
    let pdf = |name: &str, bytes| Download { name: file_name(name, "pdf"), content_type: content_type("pdf"), bytes };
    let is_purged = envelope.documents.iter().any(|document| document.content.is_none());
    match id.to_ascii_lowercase().as_str() {
        "portfolio" => return Err(Failure::not_implemented("a PDF portfolio")),
        "combined" | "archive" if is_purged => return Err(purged()),
        "combined" => {
            let bytes = envelopes::combined(app, account, envelope, parameters.flag("certificate")?).await?;
            return Ok(pdf(&envelope.subject, bytes));
        }
        "archive" => {
            let bytes = envelopes::archive(app, account, envelope).await?;
            return Ok(Download { name: file_name(&envelope.subject, "zip"), content_type: content_type("zip"), bytes });
        }
        "certificate" => return Ok(pdf("Summary", envelopes::certificate(app, account, envelope).await?)),
        _ => {}
    }
    let document = envelope.document(id).ok_or_else(|| unknown(id))?;
    let file = envelopes::file(app, account, envelope, document).await?.ok_or_else(purged)?;
    Ok(Download { name: file_name(&file.name, &file.extension), content_type: content_type(&file.extension), bytes: file.bytes })
}

fn unknown(id: &str) -> Failure {
    Failure::not_found("DOCUMENT_DOES_NOT_EXIST", format!("the envelope has no document '{}'", cut(id)))
}

fn purged() -> Failure {
    Failure::not_found("DOCUMENT_DOES_NOT_EXIST", "the documents of the envelope were purged")
}

/// Tabs that the sender filled in; `page_numbers` asks for those of some pages.
pub(super) async fn prefill_tabs(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    target: Target,
    parameters: Parameters,
) -> Result<Answer, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    let id = target.part("document_id");
    let mut document = envelope.document(id).ok_or_else(|| unknown(id))?.clone();
    let mut pages = Vec::new();
    for text in parameters.list("page_numbers") {
        let page: u32 =
            text.parse().map_err(|_| Failure::invalid_parameter(format!("page_numbers holds '{}', which is no number", cut(text))))?;
        pages.push(page);
    }
    if !pages.is_empty() {
        document.prefill_tabs.retain(|tab| placement::of_tab(tab).is_some_and(|place| pages.contains(&place.page)));
    }
    Ok(Answer::ok(json!({"prefillTabs": answer::prefill_tabs(&document)})))
}

/// They are given with their document.
pub(super) async fn fill_in(_caller: Caller<Reads>) -> Failure {
    Failure::not_implemented("an address for changing the tabs of a document; give them in prefillTabs of the document")
}

pub(super) async fn put(State(app): State<Arc<App>>, editor: Editor, target: Target, mut wire: Wire) -> Result<Answer, Failure> {
    let given = definition::documents(wire.take_objects("documents")?.unwrap_or_default())?;
    if given.is_empty() {
        return Err(Failure::invalid_parameter("name documents in 'documents'"));
    }
    let changed = replace(&app, &editor, &target, given).await?;
    Ok(Answer::ok(listed(&changed)))
}

/// The bytes themselves as the body, named by `Content-Disposition`.
pub(super) async fn put_one(
    State(app): State<Arc<App>>,
    editor: Editor,
    target: Target,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Answer, Failure> {
    let bytes = body.map_err(refused_body)?;
    if bytes.is_empty() {
        return Err(Failure::invalid_body("the body holds the bytes of the document, and is empty"));
    }
    let id = definition::document_id(Some(target.part("document_id")))?;
    let disposition = headers.get(header::CONTENT_DISPOSITION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parameter = |name: &str| {
        disposition
            .split(';')
            .filter_map(|part| part.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let given = DocumentDefinition {
        id: id.clone(),
        name: parameter("filename"),
        extension: parameter("fileExtension"),
        bytes: Some(bytes),
        ..DocumentDefinition::default()
    };
    let changed = replace(&app, &editor, &target, vec![given]).await?;
    let document = changed.document(&id).ok_or_else(|| unknown(&id))?;
    Ok(Answer::ok(answer::one_document(&changed, document)))
}

async fn replace(app: &Arc<App>, editor: &Editor, target: &Target, given: Vec<DocumentDefinition>) -> Result<Envelope, Failure> {
    let id = target.envelope()?;
    let (_, envelope) = envelopes::find(app, editor.caller.account_id(), id).await?;
    let edits = document_edits(app, editor.caller.account_id(), &envelope, given).await?;
    let changed = envelopes::change(app, &editor.caller.account, id, |_| Ok(vec![editor.command(Action::Edit(edits.clone()))])).await?;
    Ok(changed.envelope)
}

pub(super) async fn remove(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let mut named = Vec::new();
    for one in wire.objects("documents")? {
        named.push(definition::document_id(one.text("documentId")?.as_deref())?);
    }
    if named.is_empty() {
        return Err(Failure::invalid_parameter("name documents by documentId in 'documents'"));
    }
    let changed = envelopes::change(&app, &editor.caller.account, target.envelope()?, |envelope| {
        if let Some(unknown) = named.iter().find(|id| envelope.documents.iter().all(|document| document.id != **id)) {
            return Err(refused(Refused::Unknown { what: "document", id: unknown.clone() }));
        }
        Ok(vec![editor.command(Action::Edit(named.iter().cloned().map(Edit::RemoveDocument).collect()))])
    })
    .await?;
    Ok(Answer::ok(listed(&changed.envelope)))
}

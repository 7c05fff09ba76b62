//! What completion makes of the documents, and the documents themselves as bytes.

use bytes::Bytes;
use countersign_core::{
    envelope::{AuditEvent, Content, Document, Envelope, EnvelopeStatus, PageSize, Purge, Renderings, Source},
    id::AccountId,
};
use countersign_store::StoreError;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    App,
    documents::{self, Drawing, File, NotDrawn, NotRead, Patience},
    failure::Failure,
};

/// Renderings at once: each holds all documents of one envelope in memory, twice for a moment.
const RENDERINGS_MAX: usize = 2;
static RENDERING: Semaphore = Semaphore::const_new(RENDERINGS_MAX);

/// True when the renderings of a completed envelope are still to be made.
pub(super) fn is_wanted(envelope: &Envelope) -> bool {
    envelope.renderings.is_empty() && !matches!(envelope.purge, Purge::Purged { .. })
}

/// Draws what recipients wrote on the documents, makes certificate, combined PDF and archive, and keeps all of it: before the change
/// that refers to them is recorded.
pub(super) async fn render(app: &App, account: AccountId, envelope: &mut Envelope) -> Result<(), Failure> {
    let mut patience = Patience::default();
    let files = draw(app, account, envelope, &mut patience).await?;
    let combined = app.reader.combined(files.clone(), Vec::new(), &mut patience).await?;
    let as_it_is = envelope.clone();
    let (certificate, archive) = aside(move || {
        let certificate = Bytes::from(documents::certificate(&as_it_is).map_err(ours)?);
        let pages = documents::measure(&summary(certificate.clone()));
        let archive: Vec<File> = files.into_iter().chain([summary(certificate.clone())]).collect();
        let archive = Bytes::from(documents::archive(&archive).map_err(ours)?);
        Ok(((certificate, pages), archive))
    })
    .await?;
    let (certificate, (pages, page_size)) = certificate;
    envelope.renderings = Renderings {
        certificate: Some(certificate_document(keep(app, account, certificate).await?, pages, page_size)),
        combined: Some(keep(app, account, combined).await?),
        archive: Some(keep(app, account, archive).await?),
    };
    Ok(())
}

/// The documents with their bytes, in order, drawn on where that can be done; the envelope refers to the drawn ones afterwards, and its
/// audit trail says which could not be.
async fn draw(app: &App, account: AccountId, envelope: &mut Envelope, patience: &mut Patience) -> Result<Vec<File>, Failure> {
    let mut places: Vec<usize> = (0..envelope.documents.len()).collect();
    places.sort_by_key(|&place| envelope.documents[place].order);
    let mut files = Vec::with_capacity(places.len());
    for place in places {
        let document = &envelope.documents[place];
        let Some(mut file) = file_as_it_came(app, account, document).await? else { continue };
        let (id, drawing) = (document.id.clone(), Drawing::of(envelope, document));
        match drawn(app, &file, drawing, patience).await? {
            Drawn::Yes(bytes) => {
                envelope.documents[place].drawn = Some(keep(app, account, bytes.clone()).await?);
                file.bytes = bytes;
            }
            Drawn::Nothing => {}
            Drawn::Not(why) => note(envelope, &id, why),
        }
        files.push(file);
    }
    Ok(files)
}

/// What came of drawing.
enum Drawn {
    Yes(Bytes),
    /// There is nothing to draw, or nothing to draw on.
    Nothing,
    Not(NotDrawn),
}

async fn drawn(app: &App, file: &File, drawing: Drawing, patience: &mut Patience) -> Result<Drawn, Failure> {
    if drawing.is_empty() {
        return Ok(Drawn::Nothing);
    }
    Ok(match app.reader.drawn(file, drawing, patience).await? {
        Ok(bytes) => Drawn::Yes(bytes),
        Err(NotDrawn::NotAPdf) => Drawn::Nothing,
        Err(why) => Drawn::Not(why),
    })
}

/// Says in the audit trail that a document stayed as it came.
fn note(envelope: &mut Envelope, document: &str, why: NotDrawn) {
    envelope.audit.push(AuditEvent {
        at: envelope.dates.modified_at,
        action: "Not Drawn".to_owned(),
        message: format!("Nothing was drawn on document {document}, which is kept as it came: {why}."),
        name: String::new(),
        user: None,
        source: Source::System.as_str().to_owned(),
        ip_address: None,
        status: envelope.status,
    });
}

/// The certificate as a document of the envelope (Connect: id `certificate`, name `Summary`, order 999).
fn certificate_document(content: Content, pages: u32, page_size: PageSize) -> Document {
    let mut document = Document::new("certificate", Uuid::new_v4(), "Summary", 999, content, pages);
    document.page_size = page_size;
    document
}

/// All documents in one PDF: what was kept at completion, else made as the envelope stands.
///
/// # Errors
/// The store's, and faults of ours.
pub async fn combined(app: &App, account: AccountId, envelope: &Envelope, with_certificate: bool) -> Result<Bytes, Failure> {
    match envelope.renderings.combined {
        Some(kept) if !with_certificate => Ok(content(app, account, kept).await?),
        _ => {
            let mut patience = Patience::default();
            let files = files(app, account, envelope, &mut patience).await?;
            let own = if with_certificate { vec![summary(certificate(app, account, envelope).await?)] } else { Vec::new() };
            Ok(app.reader.combined(files, own, &mut patience).await?)
        }
    }
}

/// All documents and the certificate in one zip: what was kept at completion, else made as the envelope stands.
///
/// # Errors
/// The store's, and faults of ours.
pub async fn archive(app: &App, account: AccountId, envelope: &Envelope) -> Result<Bytes, Failure> {
    if let Some(kept) = envelope.renderings.archive {
        return Ok(content(app, account, kept).await?);
    }
    let mut files = files(app, account, envelope, &mut Patience::default()).await?;
    files.push(summary(certificate(app, account, envelope).await?));
    aside(move || Ok(documents::archive(&files).map_err(ours)?.into())).await
}

/// The certificate: what was kept at completion, else made as the envelope stands.
///
/// # Errors
/// The store's, and faults of ours.
pub async fn certificate(app: &App, account: AccountId, envelope: &Envelope) -> Result<Bytes, Failure> {
    if let Some(kept) = envelope.renderings.certificate.as_ref().and_then(|document| document.content) {
        return Ok(content(app, account, kept).await?);
    }
    let as_it_is = envelope.clone();
    aside(move || Ok(documents::certificate(&as_it_is).map_err(ours)?.into())).await
}

fn summary(bytes: Bytes) -> File {
    File { name: "Summary".to_owned(), extension: "pdf".to_owned(), bytes }
}

/// Counts the pages of uploaded files and names their bytes by hash. Nothing is kept yet: see [`keep_all`].
///
/// # Errors
/// When nobody can read them now, and faults of ours.
pub async fn measured(app: &App, uploads: Vec<(Document, File)>) -> Result<Vec<(Document, Bytes)>, Failure> {
    let mut patience = Patience::default();
    let mut measured = Vec::with_capacity(uploads.len());
    for (mut document, file) in uploads {
        (document.pages, document.page_size) = app.reader.measure(&file, &mut patience).await?;
        let (content, bytes) = aside(move || Ok((Content::of(&file.bytes), file.bytes))).await?;
        document.content = Some(content);
        measured.push((document, bytes));
    }
    Ok(measured)
}

/// Keeps bytes under their hashes, before the change that refers to them is recorded. What no record refers to in the end is swept away.
///
/// # Errors
/// The store's.
pub async fn keep_all(app: &App, account: AccountId, contents: Vec<Bytes>) -> Result<(), StoreError> {
    for bytes in contents {
        keep(app, account, bytes).await?;
    }
    Ok(())
}

/// Runs work for the processor where it blocks nobody, few at a time. A panic in it is a failure of that request alone.
async fn aside<T, F>(work: F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Failure> + Send + 'static,
{
    let permit = RENDERING.acquire().await.map_err(ours)?;
    let done = tokio::task::spawn_blocking(move || {
        let _held = permit;
        work()
    });
    done.await.map_err(ours)?
}

impl From<NotRead> for Failure {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::Ours(why) => return ours(why),
            NotRead::Busy => {}
            NotRead::Closed(_) => tracing::error!(%error, "documents cannot be read"),
        }
        Self { retry_after: Some(1), ..Self::new(http::StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_DOCUMENTS", error.to_string()) }
    }
}

fn ours(error: impl std::fmt::Display) -> Failure {
    tracing::error!(%error, "documents could not be rendered");
    Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the documents could not be rendered; the log says why")
}

async fn keep(app: &App, account: AccountId, bytes: Bytes) -> Result<Content, StoreError> {
    let content = Content::of(&bytes);
    app.store.put_content(account, content.hash.0, bytes, app.now()).await?;
    Ok(content)
}

/// The documents of an envelope with their bytes, in order and as they are shown; purged ones are left out.
///
/// # Errors
/// The store's.
pub(super) async fn files(app: &App, account: AccountId, envelope: &Envelope, patience: &mut Patience) -> Result<Vec<File>, Failure> {
    let mut documents: Vec<&Document> = envelope.documents.iter().collect();
    documents.sort_by_key(|document| document.order);
    let mut files = Vec::with_capacity(documents.len());
    for document in documents {
        files.extend(shown(app, account, envelope, document, patience).await?);
    }
    Ok(files)
}

/// A document of an envelope as it is shown: with what recipients have written so far. `None` once purged.
///
/// # Errors
/// The store's.
pub async fn file(app: &App, account: AccountId, envelope: &Envelope, document: &Document) -> Result<Option<File>, Failure> {
    shown(app, account, envelope, document, &mut Patience::default()).await
}

async fn shown(
    app: &App,
    account: AccountId,
    envelope: &Envelope,
    document: &Document,
    patience: &mut Patience,
) -> Result<Option<File>, Failure> {
    let Some(mut file) = file_as_it_came(app, account, document).await? else { return Ok(None) };
    if let Some(kept) = document.drawn {
        file.bytes = content(app, account, kept).await?;
    } else if envelope.status != EnvelopeStatus::Created
        && let Drawn::Yes(bytes) = drawn(app, &file, Drawing::of(envelope, document), patience).await?
    {
        file.bytes = bytes;
    }
    Ok(Some(file))
}

/// A document with the bytes that were uploaded; `None` once purged.
///
/// # Errors
/// The store's.
pub async fn file_as_it_came(app: &App, account: AccountId, document: &Document) -> Result<Option<File>, Failure> {
    let Some(kept) = document.content else { return Ok(None) };
    let bytes = content(app, account, kept).await?;
    Ok(Some(File { name: document.name.clone(), extension: document.extension.clone(), bytes }))
}

/// Bytes that an envelope refers to.
///
/// # Errors
/// The store's; [`StoreError::Damaged`] when they are gone.
pub async fn content(app: &App, account: AccountId, content: Content) -> Result<Bytes, StoreError> {
    let found = app.store.content(account, content.hash.0).await?;
    found.ok_or_else(|| StoreError::Damaged(format!("the content {} of a document is missing", content.hash)))
}

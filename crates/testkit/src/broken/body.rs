//! Bodies as Connect sends them: compact, in the order of the wire, non-ASCII characters and slashes as themselves.

/// A SIM message without data: what most listeners receive.
pub(super) fn minimal(envelope: usize, retry_count: u32) -> String {
    outer("envelope-completed", envelope, retry_count, &format!("{{{}}}", ids(envelope)))
}

/// A message about one recipient.
pub(super) fn recipient(envelope: usize) -> String {
    outer("recipient-delivered", envelope, 0, &format!(r#"{{{},"recipientId":"2"}}"#, ids(envelope)))
}

/// With the envelope's summary: recipients, custom fields, non-ASCII names, characters that HTML escapes, quotes and line ends.
pub(super) fn summary(envelope: usize, retry_count: u32) -> String {
    outer("envelope-sent", envelope, retry_count, &format!(r#"{{{},"envelopeSummary":{}}}"#, ids(envelope), summary_object(envelope, "")))
}

/// With a document of 1,200 bytes in it.
pub(super) fn with_document(envelope: usize) -> String {
    // Base64 with + and / in it, as that of any real PDF.
    let pdf = "JVBERi0xLjcK+/Zx9Qe/".repeat(60);
    let documents = format!(
        r#","envelopeDocuments":[{{"documentId":"1","documentIdGuid":"{}","name":"Lease & annex.pdf","type":"content","uri":"/envelopes/{}/documents/1","order":"1","pages":[{{"pageId":"{}","sequence":"1","height":"792","width":"612","dpi":"72"}}],"display":"inline","includeInDownload":"true","signerMustAcknowledge":"no_interaction","templateRequired":"false","authoritativeCopy":"false","PDFBytes":"{pdf}"}}]"#,
        guid(envelope, 7),
        guid(envelope, 1),
        guid(envelope, 8),
    );
    outer(
        "envelope-completed",
        envelope,
        0,
        &format!(r#"{{{},"envelopeSummary":{}}}"#, ids(envelope), summary_object(envelope, &documents)),
    )
}

/// The aggregate message: the envelope itself, without an outer object.
pub(super) fn aggregate(envelope: usize) -> String {
    summary_object(envelope, "")
}

/// An event of an application's own, its data as it was posted: numbers of every form.
pub(super) fn posted(envelope: usize, data: &str) -> String {
    outer("invoice.paid", envelope, 0, data)
}

/// A legacy XML message, over several lines that end in `line_end`.
pub(super) fn xml(envelope: usize, line_end: &str) -> String {
    [
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<DocuSignEnvelopeInformation xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="http://www.docusign.net/API/3.0">"#,
        "  <EnvelopeStatus>",
        "    <RecipientStatuses>",
        "      <RecipientStatus><Type>Signer</Type><Email>zoe+x@example.com</Email><UserName>Zoë Müller</UserName></RecipientStatus>",
        "    </RecipientStatuses>",
        "    <TimeGenerated>2022-12-09T18:29:31.4534217</TimeGenerated>",
        &format!("    <EnvelopeID>{}</EnvelopeID>", guid(envelope, 1)),
        "    <Subject>Lease &amp; annex</Subject>",
        "    <Status>Completed</Status>",
        "  </EnvelopeStatus>",
        "</DocuSignEnvelopeInformation>",
    ]
    .join(line_end)
}

fn outer(event: &str, envelope: usize, retry_count: u32, data: &str) -> String {
    let (account, id) = (guid(0, 0), guid(envelope, 1));
    format!(
        r#"{{"event":"{event}","apiVersion":"v2.1","uri":"/restapi/v2.1/accounts/{account}/envelopes/{id}","retryCount":{retry_count},"configurationId":10363315,"generatedDateTime":"2022-12-09T18:29:29.7360000Z","data":{data}}}"#
    )
}

fn ids(envelope: usize) -> String {
    format!(r#""accountId":"{}","userId":"{}","envelopeId":"{}""#, guid(0, 0), guid(0, 2), guid(envelope, 1))
}

fn guid(envelope: usize, part: usize) -> String {
    format!("8b411bfe-54f5-47fc-{part:04x}-{envelope:012x}")
}

fn summary_object(envelope: usize, documents: &str) -> String {
    let id = guid(envelope, 1);
    let signer = |name: &str, email: &str, number: u32, status: &str| {
        format!(
            r#"{{"creationReason":"sender","canSignOffline":"false","isBulkRecipient":"false","requireUploadSignature":"false","name":"{name}","email":"{email}","recipientId":"{number}","recipientIdGuid":"{}","requireIdLookup":"false","userId":"{}","routingOrder":"{number}","note":"Please sign \"today\",\nthanks","status":"{status}","completedCount":"0","sentDateTime":"2022-12-09T18:29:29.736Z","deliveryMethod":"email","recipientType":"signer"}}"#,
            guid(envelope, 10 + number as usize),
            guid(envelope, 20 + number as usize),
        )
    };
    format!(
        r#"{{"status":"sent","documentsUri":"/envelopes/{id}/documents","recipientsUri":"/envelopes/{id}/recipients","attachmentsUri":"/envelopes/{id}/attachments","envelopeUri":"/envelopes/{id}","emailSubject":"Zoë & José: lease <2023>, it's 5 €","envelopeId":"{id}","signingLocation":"online","customFieldsUri":"/envelopes/{id}/custom_fields","notificationUri":"/envelopes/{id}/notification","enableWetSign":"true","allowMarkup":"false","allowReassign":"true","createdDateTime":"2022-12-09T18:29:29.1Z","lastModifiedDateTime":"2022-12-09T18:29:29.267Z","initialSentDateTime":"2022-12-09T18:29:29.736Z","sentDateTime":"2022-12-09T18:29:29.736Z","statusChangedDateTime":"2022-12-09T18:29:29.736Z","documentsCombinedUri":"/envelopes/{id}/documents/combined","certificateUri":"/envelopes/{id}/documents/certificate","templatesUri":"/envelopes/{id}/templates","expireEnabled":"true","expireDateTime":"2023-04-08T18:29:29.736Z","expireAfter":"120","sender":{{"userName":"José Núñez","userId":"{user}","accountId":"{account}","email":"jose+sales@example.com"}},"customFields":{{"textCustomFields":[{{"fieldId":"1","name":"deal","show":"true","required":"false","value":"A/B = 4 + 2"}}],"listCustomFields":[]}},"recipients":{{"signers":[{first},{second}],"agents":[],"editors":[],"intermediaries":[],"carbonCopies":[],"certifiedDeliveries":[],"inPersonSigners":[],"seals":[],"witnesses":[],"notaries":[],"recipientCount":"2","currentRoutingOrder":"1"}}{documents},"purgeState":"unpurged","envelopeIdStamping":"true","is21CFRPart11":"false","signerCanSignOnMobile":"true","autoNavigation":"true","isSignatureProviderEnvelope":"false","hasFormDataChanged":"false","allowComments":"true","hasComments":"false","allowViewHistory":"true","disableResponsiveDocument":"false","envelopeMetadata":{{"allowAdvancedCorrect":"true","enableSignWithNotary":"false","allowCorrect":"true"}},"anySigner":null,"envelopeLocation":"current_site","isDynamicEnvelope":"false"}}"#,
        user = guid(0, 2),
        account = guid(0, 0),
        first = signer("Zoë Müller", "zoe+x@example.com", 1, "sent"),
        second = signer("王小明 😀", "wang@example.cn", 2, "created"),
    )
}

//! The XML body, whole: elements in the order of Docusign's published samples.

use quick_xml::{Reader, events::Event as XmlEvent};

use super::{
    super::XML_CONTENT_TYPE, Action, Envelope, EventName, Include, MessageShape, RecipientAction, completed, event, prepare, sent,
    snapshot, text,
};

fn xml(envelope: &Envelope, include: &[Include]) -> String {
    let event = event(EventName::ENVELOPE_COMPLETED, None, snapshot(envelope));
    let body = prepare(&event, MessageShape::XmlAggregate, include).expect("renderable");
    assert_eq!(body.content_type(), XML_CONTENT_TYPE);
    assert_eq!(body, prepare(&event, MessageShape::XmlSim, include).expect("renderable"));
    assert_eq!(body.render(0), body.render(7), "nothing in it counts attempts");
    text(&body, 0)
}

/// The local names of all elements, in order, and the texts between them.
fn parse(xml: &str) -> (Vec<String>, Vec<String>) {
    let mut reader = Reader::from_str(xml);
    let (mut names, mut texts) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().expect("well-formed XML") {
            XmlEvent::Start(start) | XmlEvent::Empty(start) => names.push(start.name().as_ref().to_owned()),
            XmlEvent::Text(text) => texts.push(text.xml10_content().into_owned()),
            XmlEvent::GeneralRef(reference) => texts.push(format!("&{};", &*reference)),
            XmlEvent::Eof => return (names, texts),
            _ => {}
        }
    }
}

#[test]
fn a_completed_envelope_looks_like_the_published_one() {
    let expected = concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<DocuSignEnvelopeInformation xmlns="http://www.docusign.net/API/3.0" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#,
        "<EnvelopeStatus><RecipientStatuses>",
        "<RecipientStatus><Type>Signer</Type><Email>ada@example.com</Email><UserName>Ada</UserName><RoutingOrder>1</RoutingOrder>",
        "<Sent>2022-12-09T10:29:29.736</Sent><Delivered>2022-12-09T10:29:29.736</Delivered><Signed>2022-12-09T10:29:29.736</Signed>",
        r#"<DeclineReason xsi:nil="true" /><Status>Completed</Status><RecipientIPAddress>198.51.100.9</RecipientIPAddress>"#,
        "<ClientUserId>1000</ClientUserId><CustomFields /><TabStatuses>",
        "<TabStatus><TabType>SignHere</TabType><Status>Signed</Status><XPosition>427</XPosition><YPosition>321</YPosition>",
        "<TabLabel>Sign Here</TabLabel><TabName>SignHere</TabName><TabValue /><DocumentID>3</DocumentID><PageNumber>1</PageNumber></TabStatus>",
        "<TabStatus><TabType>Custom</TabType><Status>Signed</Status><XPosition>427</XPosition><YPosition>321</YPosition>",
        "<TabLabel>city</TabLabel><TabName>Custom</TabName><TabValue>Riga</TabValue><DocumentID>3</DocumentID><PageNumber>1</PageNumber>",
        "<OriginalValue /><CustomTabType>Text</CustomTabType></TabStatus>",
        "</TabStatuses><AccountStatus>Active</AccountStatus><RecipientId>11111111-2222-4333-8444-000000000005</RecipientId></RecipientStatus>",
        "<RecipientStatus><Type>CarbonCopy</Type><Email>bob@example.com</Email><UserName>Bob</UserName><RoutingOrder>2</RoutingOrder>",
        r#"<Sent>2022-12-09T10:29:29.736</Sent><DeclineReason xsi:nil="true" /><Status>Completed</Status><RecipientIPAddress />"#,
        "<CustomFields /><AccountStatus>Active</AccountStatus><RecipientId>11111111-2222-4333-8444-000000000008</RecipientId>",
        "</RecipientStatus></RecipientStatuses>",
        "<TimeGenerated>2022-12-09T10:29:29.7360000</TimeGenerated><EnvelopeID>11111111-2222-4333-8444-000000000003</EnvelopeID>",
        "<Subject>Please sign</Subject><UserName>Sender</UserName><Email>sender@example.com</Email><Status>Completed</Status>",
        "<Created>2022-12-09T10:29:29.736</Created><Sent>2022-12-09T10:29:29.736</Sent><Delivered>2022-12-09T10:29:29.736</Delivered>",
        "<Signed>2022-12-09T10:29:29.736</Signed><Completed>2022-12-09T10:29:29.736</Completed><ACStatus>Original</ACStatus>",
        "<ACStatusDate>2022-12-09T10:29:29.736</ACStatusDate><ACHolder>Sender</ACHolder><ACHolderEmail>sender@example.com</ACHolderEmail>",
        "<ACHolderLocation>DocuSign</ACHolderLocation><SigningLocation>Online</SigningLocation><SenderIPAddress>192.0.2.7</SenderIPAddress>",
        "<EnvelopePDFHash /><CustomFields>",
        "<CustomField><Name>AccountId</Name><Show>false</Show><Required>false</Required><Value>4197000</Value><CustomFieldType>Text</CustomFieldType></CustomField>",
        "<CustomField><Name>AccountName</Name><Show>false</Show><Required>false</Required><Value>World &amp; Co</Value><CustomFieldType>Text</CustomFieldType></CustomField>",
        "<CustomField><Name>AccountSite</Name><Show>false</Show><Required>false</Required><Value>countersign</Value><CustomFieldType>Text</CustomFieldType></CustomField>",
        "</CustomFields><AutoNavigation>true</AutoNavigation><EnvelopeIdStamping>true</EnvelopeIdStamping><AuthoritativeCopy>false</AuthoritativeCopy>",
        "<DocumentStatuses><DocumentStatus><ID>3</ID><Name>Lease</Name><TemplateName /><Sequence>1</Sequence></DocumentStatus></DocumentStatuses>",
        "</EnvelopeStatus><TimeZone>Pacific Standard Time</TimeZone><TimeZoneOffset>-8</TimeZoneOffset></DocuSignEnvelopeInformation>",
    );
    assert_eq!(xml(&completed(), &[Include::TimeZone, Include::SenderAccountAsCustomField]), expected);
}

#[test]
fn documents_follow_the_status_and_come_only_when_asked_for() {
    let with = xml(&completed(), &[Include::Documents]);
    let documents = "</EnvelopeStatus><DocumentPDFs><DocumentPDF><Name>Lease</Name><PDFBytes>JVBERi0xLjcgb2YgYSBsZWFzZQ==</PDFBytes>\
                     <DocumentID>3</DocumentID><DocumentType>CONTENT</DocumentType></DocumentPDF></DocumentPDFs></DocuSignEnvelopeInformation>";
    assert!(with.ends_with(documents), "{with}");
    assert!(!xml(&completed(), &[]).contains("PDFBytes"));
    assert!(!xml(&completed(), &[]).contains("TimeZone"));
}

#[test]
fn other_ends_have_their_own_dates_and_reasons() {
    let decline = RecipientAction::Decline { reason: Some("too <expensive>".into()) };
    let (declined, _) = sent().apply(Action::Recipient { id: "1".into(), does: decline }, super::AT).expect("their turn");
    let text = xml(&declined, &[]);
    assert!(text.contains(
        "<Declined>2022-12-09T10:29:29.736</Declined><DeclineReason>too &lt;expensive&gt;</DeclineReason><Status>Declined</Status>"
    ));
    assert!(text.contains("<Sent>2022-12-09T10:29:29.736</Sent><Declined>2022-12-09T10:29:29.736</Declined><ACStatus>"));
    let (voided, _) = sent().apply(Action::Void { reason: "gone".into() }, super::AT).expect("in process");
    assert!(xml(&voided, &[Include::VoidReason]).contains("</Voided><VoidReason>gone</VoidReason><ACStatus>"));
    assert!(!xml(&voided, &[]).contains("VoidReason"));
}

#[test]
fn nothing_breaks_out_of_its_element() {
    let mut envelope = completed();
    let (plain_names, _) = parse(&xml(&envelope, &[]));
    let nasty = "</Subject><Evil a=\"1\">&amp;]]>\u{0}\u{1f}\u{fffe} 'ž'\u{1f600}";
    envelope.subject = nasty.into();
    envelope.sender.person.name = nasty.into();
    envelope.recipients[0].person.name = nasty.into();
    envelope.documents[0].name = nasty.into();
    let (names, texts) = parse(&xml(&envelope, &[]));
    assert_eq!(names, plain_names);
    let shown = texts.concat();
    assert!(shown.contains("Evil") && shown.contains("&apos;ž&apos;\u{1f600}") && shown.contains('\u{fffd}'), "{shown}");
    assert!(!shown.contains(['\u{0}', '\u{1f}', '\u{fffe}']));
}

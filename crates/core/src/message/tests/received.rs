//! Messages that are passed on as they came in.

use super::*;

fn event(snapshot: Snapshot) -> Event {
    Event {
        id: EventId::from_raw(1),
        account: AccountId(4_197_000),
        name: EventName::ENVELOPE_SENT,
        at: AT,
        user: None,
        envelope: Some(EnvelopeId(guid(3))),
        detail: EventDetail { received_headers: vec![("x-docusign-signature-1".into(), "abc=".into())], ..EventDetail::default() },
        snapshot,
    }
}

fn prepared(event: &Event) -> Result<PreparedBody, Unrenderable> {
    let message = Message {
        account: &account(),
        configuration: SubscriptionId(10_000_001),
        shape: MessageShape::AsReceived,
        include: &[Include::Documents].into(),
        generated_at: AT,
        event,
    };
    assert_eq!(message.contents(), Ok(Vec::new()));
    message.prepare(&Contents::new())
}

#[test]
fn the_bytes_are_those_that_came_in_on_every_attempt() {
    for bytes in [&b"{\"retryCount\":0} \r\n"[..], b"<DocuSignEnvelopeInformation/>", b"\x00\xff", b""] {
        let body = prepared(&event(Snapshot::Posted(Bytes::from_static(bytes)))).expect("a body");
        assert_eq!((&body.render(0)[..], &body.render(7)[..]), (bytes, bytes));
        assert_eq!(body.content_type(), "application/octet-stream");
    }
}

#[test]
fn what_did_not_come_in_is_not_passed_on() {
    for snapshot in [Snapshot::Nothing, Snapshot::Envelope(Bytes::from_static(b"{}"))] {
        assert_eq!(prepared(&event(snapshot)), Err(Unrenderable::NothingReceived));
    }
}

#[test]
fn headers_go_on_with_this_shape_alone() {
    let event = event(Snapshot::Posted(Bytes::new()));
    assert_eq!(event.headers_carried_on(MessageShape::AsReceived).len(), 1);
    for shape in [MessageShape::JsonSim, MessageShape::JsonAggregate, MessageShape::XmlSim, MessageShape::XmlAggregate] {
        assert!(event.headers_carried_on(shape).is_empty(), "{shape:?}");
    }
}

"""Envelopes through the SDK: sent to two recipients one after the other, played to the end, polled, and withdrawn, while
an account-level configuration and the envelope's own listen."""

import base64
import datetime

from docusign_esign import (
    CarbonCopy, ConnectApi, ConnectCustomConfiguration, ConnectEventData, Document, Envelope, EnvelopeDefinition, EnvelopeEvent,
    EnvelopeIdsRequest, EnvelopesApi, EventNotification, Recipients, RecipientEvent, Signer, SignHere, Tabs, Text, TextCustomField, CustomFields,
)

from support import ACCOUNT, NOWHERE, Listener, all_well, check, done, new_key, play, raw, refused, same, sdk_client, verified

client = sdk_client()
envelopes = EnvelopesApi(client)
listener = Listener()
began = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)
keys = [new_key()[1], new_key()[1]]

EVENTS = [
    "envelope-created", "envelope-sent", "envelope-delivered", "envelope-completed", "envelope-declined", "envelope-voided",
    "recipient-sent", "recipient-delivered", "recipient-completed", "recipient-declined",
]
configuration = ConnectApi(client).create_configuration(ACCOUNT, connect_custom_configuration=ConnectCustomConfiguration(
    configuration_type="custom", name="everything", url_to_publish_to=listener.url("/account"), allow_envelope_publish="true",
    all_users="true", include_hmac="true", delivery_mode="SIM", events=EVENTS,
    event_data=ConnectEventData(version="restv2.1", include_data=["custom_fields", "recipients", "tabs", "documents"])))


def definition(**more):
    return EnvelopeDefinition(
        email_subject="Please sign the lease",
        email_blurb="Thank you",
        documents=[Document(document_base64=base64.b64encode(b"The lease. " * 40).decode(), name="Lease", file_extension="txt", document_id="1")],
        custom_fields=CustomFields(text_custom_fields=[TextCustomField(name="order", value="A-17", show="true", required="false")]),
        recipients=Recipients(
            signers=[
                Signer(name="Ada Tenant", email="ada@example.com", recipient_id="1", routing_order="1", tabs=Tabs(
                    sign_here_tabs=[SignHere(document_id="1", page_number="1", x_position="100", y_position="100")],
                    text_tabs=[Text(document_id="1", page_number="1", x_position="100", y_position="150", tab_label="city", required="true")])),
                Signer(name="Ben Landlord", email="ben@example.com", recipient_id="2", routing_order="2", tabs=Tabs(
                    sign_here_tabs=[SignHere(document_id="1", page_number="1", x_position="100", y_position="200")])),
            ],
            carbon_copies=[CarbonCopy(name="Cy Agent", email="cy@example.com", recipient_id="3", routing_order="3")],
        ),
        **more,
    )


# --- sent, with a listener of its own ---

summary, status, _ = envelopes.create_envelope_with_http_info(ACCOUNT, _return_http_data_only=False, envelope_definition=definition(
    status="sent",
    event_notification=EventNotification(
        url=listener.url("/envelope"), include_hmac="true", logging_enabled="true", require_acknowledgment="true", delivery_mode="SIM",
        events=["envelope-sent", "recipient-completed", "envelope-completed"], event_data=ConnectEventData(version="restv2.1")),
))
same((status, summary.status), (201, "sent"), "an envelope is sent")
same(summary.uri, f"/envelopes/{summary.envelope_id}", "its URI")
check(summary.status_date_time.endswith("Z") and len(summary.status_date_time) == 28, "dates have seven digits", summary.status_date_time)
lease = summary.envelope_id
done("sent")


def heard(path, count):
    """What has been told at a path, every message verified; order is not promised."""
    arrived = listener.wait_for(path, count)
    return sorted(verified(message, keys).told() for message in arrived)


same(heard("/account", 2), ["envelope-sent", "recipient-sent 1"], "what sending tells")
same(heard("/envelope", 1), ["envelope-sent"], "what it tells the envelope's own listener")
own = listener.messages("/envelope")[0].json()
check("envelopeSummary" not in own["data"], "nothing is included unless it was asked for", own)
same(own["uri"], f"/restapi/v2.1/accounts/{ACCOUNT}/envelopes/{lease}", "the URI in a message")
check(own["configurationId"] != int(configuration.connect_id), "the envelope's own subscription has a number of its own")
done("what sending tells")

# --- played to the end ---

told = ["envelope-sent", "recipient-sent 1"]
same(envelopes.get_envelope(ACCOUNT, lease).status, "sent", "the envelope's status")
refusal = raw("POST", f"/api/v1/accounts/{ACCOUNT}/envelopes/{lease}/recipients/2/actions", {"action": "complete"})
check(400 <= refusal[0] < 500, "whose turn it is not cannot sign", refusal)
for recipient, action, more, tells in [
    ("1", "deliver", {}, ["recipient-delivered 1"]),
    ("1", "complete", {"tabs": {"city": "Utrecht"}}, ["recipient-completed 1", "recipient-sent 2"]),
    ("2", "deliver", {}, ["recipient-delivered 2"]),
    ("2", "complete", {}, ["recipient-completed 2", "recipient-sent 3", "recipient-completed 3", "envelope-delivered", "envelope-completed"]),
]:
    play(lease, recipient, action, **more)
    told += tells
    same(heard("/account", len(told)), sorted(told), f"what {action} by {recipient} tells")
same(heard("/envelope", 5), sorted(["envelope-sent", *(f"recipient-completed {n}" for n in (1, 2, 3)), "envelope-completed"]),
     "what the envelope's own listener was told")
completed = next(message.json() for message in listener.messages("/account") if message.told() == "envelope-completed")
told_of = completed["data"]["envelopeSummary"]
same((told_of["status"], told_of["emailSubject"]), ("completed", "Please sign the lease"), "the summary in the message")
same([signer["status"] for signer in told_of["recipients"]["signers"]], ["completed", "completed"], "the signers in the message")
same(told_of["recipients"]["signers"][0]["tabs"]["textTabs"][0]["value"], "Utrecht", "the tab in the message")
same(told_of["customFields"]["textCustomFields"][0]["value"], "A-17", "the custom field in the message")
content = base64.b64decode(told_of["envelopeDocuments"][0]["PDFBytes"])
check(content, "the document in the message")
done("played to the end, every message verified")

# --- read ---

envelope = envelopes.get_envelope(ACCOUNT, lease)
same(envelope.status, "completed", "the envelope's status")
check(envelope.completed_date_time and envelope.completed_date_time.endswith("Z"), "when it was completed", envelope.completed_date_time)
recipients = envelopes.list_recipients(ACCOUNT, lease, include_tabs="true")
same([(one.recipient_id, one.status) for one in recipients.signers], [("1", "completed"), ("2", "completed")], "the signers")
same([(one.recipient_id, one.status) for one in recipients.carbon_copies], [("3", "completed")], "the copies")
same(recipients.signers[0].tabs.text_tabs[0].value, "Utrecht", "the text tab")
documents = envelopes.list_documents(ACCOUNT, lease).envelope_documents
same([document.document_id for document in documents], ["1", "certificate"], "the documents")
for document in ("combined", "certificate"):
    check(envelopes.get_document(ACCOUNT, document, lease)[:5] == b"%PDF-", f"the {document} document is a PDF")
check(envelopes.get_document(ACCOUNT, "archive", lease)[:2] == b"PK", "the archive is a zip")
form = envelopes.get_form_data(ACCOUNT, lease)
check(("city", "Utrecht") in [(field.name, field.value) for field in form.form_data], "the form data", form)
check(len(envelopes.list_audit_events(ACCOUNT, lease).audit_events) > 5, "the audit events")
done("read back")

# --- a draft, sent later, and declined ---

draft = envelopes.create_envelope(ACCOUNT, envelope_definition=definition(status="created")).envelope_id
same(envelopes.get_envelope(ACCOUNT, draft).status, "created", "a draft")
envelopes.update(ACCOUNT, draft, envelope=Envelope(status="sent"))
play(draft, "1", "decline", reason="Too dear")
same(envelopes.get_envelope(ACCOUNT, draft).status, "declined", "a declined envelope")
same(envelopes.list_recipients(ACCOUNT, draft).signers[0].declined_reason, "Too dear", "why it was declined")
told += ["envelope-created", "envelope-sent", "recipient-sent 1", "recipient-declined 1", "envelope-declined"]
same(heard("/account", len(told)), sorted(told), "what a decline tells")
done("a draft was sent and declined")

# --- void ---

withdrawn = envelopes.create_envelope(ACCOUNT, envelope_definition=definition(status="sent")).envelope_id
told += ["envelope-sent", "recipient-sent 1"]
message = refused(400, "INVALID_REQUEST_PARAMETER", envelopes.update, ACCOUNT, withdrawn, envelope=Envelope(status="voided"))
check("voidedReason" in message, "voiding needs a reason", message)
envelopes.update(ACCOUNT, withdrawn, envelope=Envelope(status="voided", voided_reason="Sold to another"))
envelope = envelopes.get_envelope(ACCOUNT, withdrawn)
same((envelope.status, envelope.voided_reason), ("voided", "Sold to another"), "a voided envelope")
told += ["envelope-voided"]
same(heard("/account", len(told)), sorted(told), "what voiding tells")
refused(400, "ENVELOPE_CANNOT_VOID_INVALID_STATE", envelopes.update, ACCOUNT, lease, envelope=Envelope(status="voided", voided_reason="too late"))
refused(404, "ENVELOPE_DOES_NOT_EXIST", envelopes.get_envelope, ACCOUNT, NOWHERE)
done("withdrawn")

# --- the legacy event lists ---

legacy = envelopes.create_envelope(ACCOUNT, envelope_definition=definition(status="sent", event_notification=EventNotification(
    url=listener.url("/legacy"), include_hmac="true", envelope_events=[EnvelopeEvent(envelope_event_status_code="sent")],
    recipient_events=[RecipientEvent(recipient_event_status_code="Sent")], delivery_mode="aggregate"))).envelope_id
for xml in listener.wait_for("/legacy", 1):
    verified(xml, keys)
    check(xml.headers["content-type"].startswith("text/xml") and legacy.encode() in xml.body, "without a version the message is XML", xml.body[:200])
done("an envelope with the legacy lists hears XML")

# --- polling, in the ways dates are sent ---

for from_date in (began.date().isoformat(), began.isoformat(), began.strftime("%Y/%m/%d"), began.strftime("%Y-%m-%dT%H:%M:%S")):
    polled = envelopes.list_status_changes(ACCOUNT, from_date=from_date)
    same({one.envelope_id for one in polled.envelopes}, {lease, draft, withdrawn, legacy}, f"what has changed since {from_date}")
same((polled.result_set_size, polled.total_set_size, polled.start_position, polled.next_uri), ("4", "4", "0", ""), "the counts of a page")
page = envelopes.list_status_changes(ACCOUNT, from_date=began.isoformat(), count="3", order_by="created", order="asc")
same([one.envelope_id for one in page.envelopes], [lease, draft, withdrawn], "a page")
check(page.next_uri, "there is a page after it", page)
polled = envelopes.list_status_changes(ACCOUNT, from_date=began.isoformat(), status="completed,voided")
same({one.envelope_id for one in polled.envelopes}, {lease, withdrawn}, "the completed and voided ones")
polled = envelopes.list_status_changes(ACCOUNT, envelope_ids=f"{lease},{draft}")
same({one.envelope_id: one.status for one in polled.envelopes}, {lease: "completed", draft: "declined"}, "those asked for by id")
polled = envelopes.list_status(ACCOUNT, envelope_ids="request_body", envelope_ids_request=EnvelopeIdsRequest(envelope_ids=[withdrawn]))
same([one.status for one in polled.envelopes], ["voided"], "those asked for in the body")
message = refused(400, "INVALID_REQUEST_PARAMETER", envelopes.list_status_changes, ACCOUNT)
check("from_date" in message, "polling needs a date or ids", message)
message = refused(400, "INVALID_REQUEST_PARAMETER", envelopes.list_status_changes, ACCOUNT, from_date=began.isoformat(), powerformids="1")
check("powerformids" in message, "a filter that is not supported is named", message)
done("polled")

all_well()

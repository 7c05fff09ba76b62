"""Logs, failures and republishing through the SDK, with a listener that refuses for a while. The server's retry schedule
must be far away: what arrives again here was asked for."""

from docusign_esign import (
    ConnectApi, ConnectCustomConfiguration, ConnectEventData, ConnectFailureFilter, ConnectHistoricalEnvelopeRepublish, Envelope,
    EnvelopeDefinition, EnvelopesApi, Recipients, Signer,
)

from support import ACCOUNT, NOWHERE, Listener, all_well, api, check, done, new_key, refused, same, sdk_client, until, verified

client = sdk_client()
connects, envelopes = ConnectApi(client), EnvelopesApi(client)
listener = Listener()
_, key = new_key()


def configuration(name, **more):
    return ConnectCustomConfiguration(
        configuration_type="custom", name=name, allow_envelope_publish="true", all_users="true", include_hmac="true", delivery_mode="SIM",
        event_data=ConnectEventData(version="restv2.1"), **{"url_to_publish_to": listener.url(f"/{name}"), **more})


def sent():
    return envelopes.create_envelope(ACCOUNT, envelope_definition=EnvelopeDefinition(
        status="sent", email_subject="A lease", documents=[{"documentBase64": "bGVhc2U=", "name": "Lease", "fileExtension": "txt", "documentId": "1"}],
        recipients=Recipients(signers=[Signer(name="Ada", email="ada@example.com", recipient_id="1", routing_order="1")]))).envelope_id


logging = connects.create_configuration(ACCOUNT, connect_custom_configuration=configuration("logging", enable_log="true", events=["envelope-sent"]))
connects.create_configuration(ACCOUNT, connect_custom_configuration=configuration("silent", enable_log="false", events=["envelope-voided"]))

# --- a failure is seen ---

listener.answer("/logging", 503)
first, second, third = sent(), sent(), sent()
listener.wait_for("/logging", 3)
deliveries = {message.json()["data"]["envelopeId"]: message.headers["x-countersign-delivery"] for message in listener.messages("/logging")}
same(set(deliveries), {first, second, third}, "each envelope was told of once")

failures = until(lambda: (found := connects.list_event_failure_logs(ACCOUNT)).total_records == "3" and found, "three failures")
same({failure.envelope_id for failure in failures.failures}, {first, second, third}, "the envelopes whose messages failed")
failure = next(failure for failure in failures.failures if failure.envelope_id == first)
same((failure.connect_id, failure.config_url), (logging.connect_id, listener.url("/logging")), "where it failed")
check("503" in failure.error, "why it failed", failure.error)
check(failure.failure_id and failure.last_try and failure.retry_count is not None, "the failure's particulars", failure)
same((failure.subject, failure.status), ("A lease", "Sent"), "the envelope's particulars")
done("a failure is seen, with the reason")

# --- logs ---

logs = connects.list_event_logs(ACCOUNT)
same({log.envelope_id for log in logs.logs}, {first, second, third}, "the log")
entry = connects.get_event_log(ACCOUNT, next(log.log_id for log in logs.logs if log.envelope_id == first), additional_info="true")
check(entry.connect_debug_log and "503" in str(entry.connect_debug_log), "each attempt is told", entry)
same(connects.list_event_logs(ACCOUNT, from_date="2099-01-01").logs, [], "nothing was logged in the future")
refused(404, "CONNECT_LOG_DOES_NOT_EXIST", connects.get_event_log, ACCOUNT, "dlv_0000000000000")
done("logged")

# --- republished ---

listener.answer("/logging", 200)
results = connects.retry_event_for_envelope(ACCOUNT, first).retry_queue
same([(one.config_id, one.config_url, one.envelope_id) for one in results], [(logging.connect_id, listener.url("/logging"), first)], "what was queued")
again = verified(listener.wait_for("/logging", 4)[3], [key])
same(again.json()["data"]["envelopeId"], first, "what arrives again")
check(again.json()["retryCount"] > 0, "it says that it is a retry", again.json())
same(again.headers["x-countersign-delivery"], deliveries[first], "it is the same delivery")
until(lambda: connects.list_event_failure_logs(ACCOUNT).total_records == "2", "one failure less")

refused(400, "INVALID_REQUEST_PARAMETER", connects.retry_event_for_envelopes, ACCOUNT,
        connect_failure_filter=ConnectFailureFilter(envelope_ids=[second], synchronous="true"))
results = connects.retry_event_for_envelopes(ACCOUNT, connect_failure_filter=ConnectFailureFilter(envelope_ids=[second, NOWHERE], synchronous="false"))
same([one.envelope_id for one in results.retry_queue], [second, NOWHERE], "an answer for each envelope")
check(results.retry_queue[1].status_message, "and a reason for the one that does not exist", results)
again = verified(listener.wait_for("/logging", 5)[4], [key])
same((again.json()["data"]["envelopeId"], again.headers["x-countersign-delivery"]), (second, deliveries[second]), "what arrives again")
done("republished, for one and for many")

# --- failures and logs are deleted ---

left = until(lambda: (found := connects.list_event_failure_logs(ACCOUNT)).total_records == "1" and found, "one failure that is left")
connects.delete_event_failure_log(ACCOUNT, left.failures[0].failure_id)
same(connects.list_event_failure_logs(ACCOUNT).total_records, "0", "failures that are left")
listener.answer("/logging", 500)
fourth = sent()
until(lambda: connects.list_event_failure_logs(ACCOUNT).total_records == "1", "a new failure")
connects.delete_event_failure_log(ACCOUNT, "all")
same(connects.list_event_failure_logs(ACCOUNT).total_records, "0", "failures that are left")
same(connects.retry_event_for_envelope(ACCOUNT, third).retry_queue or [], [], "a deleted failure is not republished")
logs = connects.list_event_logs(ACCOUNT).logs
connects.delete_event_log(ACCOUNT, logs[0].log_id)
same(len(connects.list_event_logs(ACCOUNT).logs), len(logs) - 1, "log entries that are left")
connects.delete_event_logs(ACCOUNT)
same(connects.list_event_logs(ACCOUNT).logs or [], [], "log entries that are left")
done("failures and logs are deleted")

# --- a configuration that does not log still shows its failures ---

listener.answer("/silent", 500)
envelopes.update(ACCOUNT, fourth, envelope=Envelope(status="voided", voided_reason="enough"))
until(lambda: connects.list_event_failure_logs(ACCOUNT).total_records == "1", "the failure of a configuration that does not log")
same(connects.list_event_logs(ACCOUNT).logs or [], [], "what it does not log")
same(len(api("GET", f"/deliveries?envelope={fourth}")["deliveries"]), 2, "what is kept all the same")
done("failures are shown whether or not they are logged")

# --- historical publish, to a configuration that is not stored ---

transaction, status, _ = envelopes.create_historical_envelope_publish_transaction_with_http_info(
    ACCOUNT, _return_http_data_only=False, connect_historical_envelope_republish=ConnectHistoricalEnvelopeRepublish(
        envelopes=[first, second], config=configuration("history", events=["envelope-sent"])))
same((status, transaction.processing_status), (201, "processing"), "a historical publish begins")
check(transaction.envelope_publish_transaction_id, "it has an id", transaction)
history = [verified(message, [key]) for message in listener.wait_for("/history", 2)]
same({message.json()["data"]["envelopeId"] for message in history}, {first, second}, "what is published again")
check(not {message.headers["x-countersign-delivery"] for message in history} & set(deliveries.values()), "these are new deliveries")
same(connects.list_configurations(ACCOUNT).total_records, "2", "no configuration was stored for it")
done("published again to another place")

all_well()

"""Connect configurations through the SDK, and keys by raw call: made, listed, read, changed, deleted; and what they do to
a message."""

from docusign_esign import ConnectApi, ConnectCustomConfiguration, ConnectEventData

from support import (
    ACCOUNT, NOWHERE, Listener, all_well, api, check, connect, done, new_key, refused, same, sdk_client, verified,
)

connects = ConnectApi(sdk_client())
listener = Listener()

# --- keys: the SDK has no methods for them ---

same(connect("GET", "/secret"), (200, []), "there are no keys")
(first_id, first), (second_id, second_key) = new_key(), new_key()
check(first != second_key, "keys differ")
status, keys = connect("GET", "/secret")
same((status, [key["keyId"] for key in keys]), (200, [first_id, second_id]), "keys in the order in which they were made")
check(all(first not in key["secret"] and second_key not in key["secret"] for key in keys), "listed keys are cut", keys)
done("keys are made and shown once")

# --- made ---

asked = ConnectCustomConfiguration(
    configuration_type="custom",
    name="Orders",
    url_to_publish_to=listener.url("/orders"),
    allow_envelope_publish="true",
    enable_log="true",
    all_users="true",
    delivery_mode="SIM",
    requires_acknowledgement="true",
    include_hmac="true",
    user_name="countersign",
    password="a password",
    events=["envelope-sent", "envelope-completed"],
    event_data=ConnectEventData(version="restv2.1", include_data=["recipients"]),
)
made, status, _ = connects.create_configuration_with_http_info(ACCOUNT, connect_custom_configuration=asked, _return_http_data_only=False)
same(status, 201, "a configuration is made")
check(made.connect_id.isdigit() and int(made.connect_id) >= 10_000_001, "its id is a number of eight digits", made.connect_id)
same(made.name, "Orders", "its name")
same(made.url_to_publish_to, listener.url("/orders"), "its URL")
for name in ("allow_envelope_publish", "enable_log", "all_users", "include_hmac", "requires_acknowledgement"):
    same(getattr(made, name), "true", f"{name} is text")
same(made.pause_publish, "false", "what was not asked for is off")
same(sorted(made.events), ["envelope-completed", "envelope-sent"], "its events")
same(made.event_data.include_data, ["recipients"], "what its messages include")
check("a password" not in str(made), "the password is not shown")
done("made")

refused(400, "INVALID_REQUEST_PARAMETER", connects.create_configuration, ACCOUNT, connect_custom_configuration=ConnectCustomConfiguration(
    configuration_type="custom", name="no URL", all_users="true"))
status, answer = connect("POST", "", {"configurationType": "salesforce", "name": "a preset", "urlToPublishTo": listener.url("/")})
same(status, 501, f"a preset is out of scope: {answer}")
check(answer["errorCode"] and answer["message"], "and that is said", answer)
done("what cannot be is refused")

# --- listed and read ---

second = connects.create_configuration(ACCOUNT, connect_custom_configuration=ConnectCustomConfiguration(
    configuration_type="custom", name="Audit", url_to_publish_to=listener.url("/audit"), allow_envelope_publish="true", all_users="true",
    delivery_mode="SIM", events=["click-agreed"], event_data=ConnectEventData(version="restv2.1")))
listed = connects.list_configurations(ACCOUNT)
same(listed.total_records, "2", "configurations")
same([one.connect_id for one in listed.configurations], [made.connect_id, second.connect_id], "in the order in which they were made")

wrapped = connects.get_configuration(ACCOUNT, made.connect_id)
same((wrapped.total_records, len(wrapped.configurations)), ("1", 1), "one configuration comes in the wrapper of a list")
same(wrapped.configurations[0].name, "Orders", "and is the one that was asked for")
refused(404, "CONNECT_CONFIGURATION_DOES_NOT_EXIST", connects.get_configuration, ACCOUNT, "19999999")
same(connects.list_configurations(ACCOUNT.upper()).total_records, "2", "the case of the account's GUID does not matter")
check(connects.api_client.last_response.getheader("X-DocuSign-TraceToken"), "every answer names its trace token")
refused(404, "USER_DOES_NOT_BELONG_TO_SPECIFIED_ACCOUNT", connects.list_configurations, NOWHERE)
stranger = sdk_client()
stranger.set_default_header("Authorization", "Bearer not-a-token")
refused(401, "AUTHORIZATION_INVALID_TOKEN", ConnectApi(stranger).list_configurations, ACCOUNT)
done("listed and read")

# --- changed: the id stands in the body, and what is absent stays ---

changed, status, _ = connects.update_configuration_with_http_info(ACCOUNT, _return_http_data_only=False, connect_custom_configuration=(
    ConnectCustomConfiguration(connect_id=made.connect_id, configuration_type="custom", name="Orders, renamed",
                               events=["envelope-voided", "click-agreed"])))
same(status, 200, "a configuration is changed")
same((changed.connect_id, changed.name), (made.connect_id, "Orders, renamed"), "its name has changed")
same(sorted(changed.events), ["click-agreed", "envelope-voided"], "its events have changed")
same((changed.url_to_publish_to, changed.enable_log, changed.user_name), (listener.url("/orders"), "true", "countersign"), "the rest has stayed")
refused(400, "INVALID_REQUEST_PARAMETER", connects.update_configuration, ACCOUNT,
        connect_custom_configuration=ConnectCustomConfiguration(configuration_type="custom", name="which one?"))
done("changed")

# --- what all this does to a message ---


def agreed(number):
    return api("POST", "/events", {"event": "click-agreed", "data": {"click": number, "text": "naïve ✓ </script> \u2028"}})["id"]


agreed(1)
message = verified(listener.wait_for("/orders", 1)[0], [first, second_key])
same(message.json()["event"], "click-agreed", "the event")
same(message.json()["configurationId"], int(made.connect_id), "the configuration's id is a number")
same(message.json()["data"]["click"], 1, "the data is the caller's")
same(message.headers["authorization"], "Basic Y291bnRlcnNpZ246YSBwYXNzd29yZA==", "Basic credentials")
verified(listener.wait_for("/audit", 1)[0], [])
done("a message is signed with every key, and only where that was asked for")

same(connect("DELETE", f"/secret/{first_id}", {})[0], 200, "a key is deleted")
same(connect("DELETE", f"/secret/{first_id}", {})[0], 404, "and gone")
agreed(2)
verified(listener.wait_for("/orders", 2)[1], [second_key])
done("a deleted key signs no more, and the others close the gap")

# --- deleted ---

same(connects.delete_configuration_with_http_info(ACCOUNT, second.connect_id)[1], 200, "a configuration is deleted")
refused(404, "CONNECT_CONFIGURATION_DOES_NOT_EXIST", connects.delete_configuration, ACCOUNT, second.connect_id)
same(connects.list_configurations(ACCOUNT).total_records, "1", "configurations that are left")
agreed(3)
verified(listener.wait_for("/orders", 3)[2], [second_key])
same(len(listener.messages("/audit")), 2, "messages to the deleted one")
done("a deleted configuration hears no more")

all_well()

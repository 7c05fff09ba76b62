"""`connect/oauth` through the SDK, against the development authorization server: every message brings a token that the server
vouches for."""

import base64
import urllib.parse

from docusign_esign import ConnectApi, ConnectCustomConfiguration, ConnectEventData, ConnectOAuthConfig

from support import ACCOUNT, AUTHORITY, Listener, all_well, api, check, done, raw, refused, same, sdk_client, until

connects = ConnectApi(sdk_client())
listener = Listener()
CLIENT, SECRET = "countersign-dev", "countersign-dev-secret"


def stats():
    return raw("GET", "/control/stats", base=AUTHORITY, token=None)[1]


def introspected(message):
    """What the authorization server says about the token of a message."""
    scheme, token = message.headers["authorization"].split(" ")
    same(scheme, "Bearer", "the scheme")
    credentials = base64.b64encode(f"{urllib.parse.quote(CLIENT)}:{urllib.parse.quote(SECRET)}".encode()).decode()
    status, answer = raw("POST", "/introspect", base=AUTHORITY, token=None, form=urllib.parse.urlencode({"token": token}),
                         headers={"Authorization": f"Basic {credentials}"})
    same(status, 200, f"introspection: {answer}")
    return answer


def connection(**more):
    return ConnectOAuthConfig(**{"authorization_server_url": f"{AUTHORITY}/token", "client_id": CLIENT, "client_secret": SECRET, **more})


# --- refused ---

refused(404, "OAUTH_CONNECTION_NOT_FOUND", connects.get_connect_o_auth_config, ACCOUNT)
message = refused(400, "AUTHORIZATION_SERVER_REFUSED", connects.create_connect_o_auth_config, ACCOUNT,
                  connect_o_auth_config=connection(client_secret="not the secret"))
check("invalid_client" in message and "not the secret" not in message, "the server's words, and no secret", message)
refused(404, "OAUTH_CONNECTION_NOT_FOUND", connects.get_connect_o_auth_config, ACCOUNT)
refused(400, "INVALID_REQUEST_PARAMETER", connects.create_connect_o_auth_config, ACCOUNT,
        connect_o_auth_config=connection(authorization_server_url="ftp://127.0.0.1/token"))
done("a connection that cannot work is refused and not saved")

# --- saved ---

saved, status, _ = connects.create_connect_o_auth_config_with_http_info(
    ACCOUNT, connect_o_auth_config=connection(custom_parameters={"audience": "urn:countersign:python"}), _return_http_data_only=False)
same(status, 201, "a connection is saved")
read = connects.get_connect_o_auth_config(ACCOUNT)
same((read.authorization_server_url, read.client_id), (f"{AUTHORITY}/token", CLIENT), "the connection")
same(read.custom_parameters, {"audience": "urn:countersign:python"}, "its custom parameters")
check(SECRET not in f"{saved}{read}", "the secret is not shown", read)
done("saved and read")

# --- used ---

connects.create_configuration(ACCOUNT, connect_custom_configuration=ConnectCustomConfiguration(
    configuration_type="custom", name="oauth", url_to_publish_to=listener.url("/oauth"), allow_envelope_publish="true", all_users="true",
    include_o_auth="true", delivery_mode="SIM", events=["click-agreed"], event_data=ConnectEventData(version="restv2.1")))
for number in range(5):
    api("POST", "/events", {"event": "click-agreed", "data": {"click": number}})
tokens = set()
for message in listener.wait_for("/oauth", 5):
    token = introspected(message)
    same((token["active"], token["client_id"], token["aud"]), (True, CLIENT, "urn:countersign:python"), "the token")
    tokens.add(message.headers["authorization"])
same(len(tokens), 1, "tokens for all messages")
done("every message brings a token that the server vouches for")

# --- changed: what is absent stays, and a change takes effect at once ---

changed = connects.update_connect_o_auth_config(ACCOUNT, connect_o_auth_config=ConnectOAuthConfig(custom_parameters={"audience": "urn:other"}))
same((changed.client_id, changed.custom_parameters), (CLIENT, {"audience": "urn:other"}), "the changed connection")
api("POST", "/events", {"event": "click-agreed", "data": {"click": 5}})
same(introspected(listener.wait_for("/oauth", 6)[5])["aud"], "urn:other", "the audience from then on")
refused(400, "AUTHORIZATION_SERVER_REFUSED", connects.update_connect_o_auth_config, ACCOUNT,
        connect_o_auth_config=ConnectOAuthConfig(client_secret="not the secret"))
same(connects.get_connect_o_auth_config(ACCOUNT).custom_parameters, {"audience": "urn:other"}, "a refused change changes nothing")
done("changed")

# --- deleted: without a token nothing is sent ---

same(connects.delete_connect_o_auth_config_with_http_info(ACCOUNT)[1], 200, "the connection is deleted")
refused(404, "OAUTH_CONNECTION_NOT_FOUND", connects.get_connect_o_auth_config, ACCOUNT)
event = api("POST", "/events", {"event": "click-agreed", "data": {"click": 6}})["id"]
waiting = until(lambda: [one for one in api("GET", f"/deliveries?event={event}")["deliveries"] if one.get("lastClass") or one.get("held")],
                "a delivery that cannot be sent")
same((waiting[0]["state"], waiting[0].get("held"), waiting[0]["attemptsMade"]), ("waiting", "no_token", 0), "it is held, and no attempt is spent")
failure = connects.list_event_failure_logs(ACCOUNT).failures[0]
check("no OAuth connection" in failure.error, "and the reason is shown", failure)
same(len(listener.messages("/oauth")), 6, "messages without a token")
connects.create_connect_o_auth_config(ACCOUNT, connect_o_auth_config=connection(custom_parameters={"audience": "urn:again"}))
same(introspected(listener.wait_for("/oauth", 7)[6])["aud"], "urn:again", "what waited goes with the new connection's token")
done("without a connection nothing is sent, and with one it goes")

all_well()

"""The SDK's login helpers, over the https port of --dev: the JWT grant, the authorization-code grant, who the user is; and
the API with the tokens they give."""

import json
import ssl
import urllib.parse
import urllib.request

from docusign_esign import ApiClient, Configuration, ConnectApi, EnvelopesApi
from docusign_esign.client.api_exception import ApiException

from support import ACCOUNT, CA, HTTPS_URL, NOWHERE, URL, all_well, api, check, done, same

REDIRECT = "http://127.0.0.1:1/callback"
Configuration().ssl_ca_cert = CA
host = HTTPS_URL.removeprefix("https://")
user = next(user for user in api("GET", "/users")["users"] if user["admin"])
key = api("POST", "/integration-keys", {"name": "Python SDK", "generateKeyPair": True, "redirectUris": [REDIRECT]})
private_key = key["privateKeyPem"].encode()
SCOPES = ["signature", "impersonation"]


def new_client():
    client = ApiClient(oauth_host_name=host)
    client.host = f"{URL}/restapi"
    return client


def login_refused(error, **changed):
    """Fails unless the JWT grant is refused so."""
    asked = {"client_id": key["clientId"], "user_id": user["id"], "oauth_host_name": host, "private_key_bytes": private_key, "expires_in": 3600,
             "scopes": SCOPES, **changed}
    try:
        new_client().request_jwt_user_token(**asked)
    except ApiException as refusal:
        body = json.loads(refusal.body)
        same((refusal.status, body["error"], body.get("error_description")), (400, *error), "the refusal")
        return
    raise AssertionError(f"{changed} was let in")


# --- the JWT grant ---

client = new_client()
token = client.request_jwt_user_token(client_id=key["clientId"], user_id=user["id"], oauth_host_name=host, private_key_bytes=private_key,
                                      expires_in=3600, scopes=SCOPES)
check(token.access_token and token.token_type == "Bearer" and int(token.expires_in) > 60, "the token", token)
same(ConnectApi(client).list_configurations(ACCOUNT).total_records, "0", "the token opens the API")
info = client.get_user_info(token.access_token)
same((info.sub, info.email), (user["id"], user["email"]), "the user")
account = next(account for account in info.accounts if account.is_default == "True" or account.is_default is True)
same(account.account_id.lower(), ACCOUNT, "the account")
same(account.base_uri, URL, "where the account lives")
# As Docusign's examples go on from there.
at_home = ApiClient(oauth_host_name=host)
at_home.host = f"{account.base_uri}/restapi"
at_home.set_default_header("Authorization", f"Bearer {token.access_token}")
same(EnvelopesApi(at_home).list_status_changes(account.account_id, from_date="2025-11-01").total_set_size, "0", "polling from there")
done("the JWT grant")

other = api("POST", "/integration-keys", {"name": "another", "generateKeyPair": True})
login_refused(("invalid_grant", "no_valid_keys_or_signatures"), private_key_bytes=other["privateKeyPem"].encode())
login_refused(("invalid_grant", "issuer_not_found"), client_id=NOWHERE)
login_refused(("invalid_grant", "user_not_found"), user_id=NOWHERE)
api("DELETE", f"/integration-keys/{other['clientId']}")
login_refused(("invalid_grant", "issuer_not_found"), client_id=other["clientId"], private_key_bytes=other["privateKeyPem"].encode())
done("who is not who they say is refused")

# --- the authorization-code grant: consent is given at once under --dev ---


class NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


browser = urllib.request.build_opener(NotFollowed, urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=CA)))
client = new_client()
page = client.get_authorization_uri(key["clientId"], ["signature"], urllib.parse.quote(REDIRECT, safe=""), "code", state="a state")
check(page.startswith(f"{HTTPS_URL}/oauth/auth?"), "the consent page", page)
try:
    browser.open(page.replace("a state", "a%20state"), timeout=30)
    raise AssertionError("the consent page did not redirect")
except urllib.error.HTTPError as redirect:
    same(redirect.code, 302, "the consent page redirects")
    location = redirect.headers["Location"]
check(location.startswith(REDIRECT), "to where the application said", location)
returned = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(location).query))
same(returned["state"], "a state", "the state comes back")
token = client.generate_access_token(key["clientId"], key["clientSecret"], returned["code"])
check(token.access_token and token.refresh_token, "the token", token)
client.set_default_header("Authorization", f"Bearer {token.access_token}")
same(ConnectApi(client).list_configurations(ACCOUNT).total_records, "0", "the token opens the API")
try:
    client.generate_access_token(key["clientId"], key["clientSecret"], returned["code"])
    raise AssertionError("a code was taken twice")
except ApiException as refusal:
    same((refusal.status, json.loads(refusal.body)["error"]), (400, "invalid_grant"), "a code is good for one time")
done("the authorization-code grant")

# --- the bare token, as set_access_token() leaves it ---

client = new_client()
token = client.request_jwt_user_token(key["clientId"], user["id"], host, private_key, 3600, SCOPES)
client.set_access_token(token)
same(client.default_headers["Authorization"], token.access_token, "the SDK leaves out the scheme")
same(ConnectApi(client).list_configurations(ACCOUNT).total_records, "0", "and the API is lenient")
done("a token without its scheme")

all_well()

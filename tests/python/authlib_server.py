"""An authorization server made of Authlib and Flask, for tests of those who verify its tokens.

    python authlib_server.py '{"clients": [{"client_id": "sender", "client_secret": "s3cret"}], "format": "jwt"}'

The first line on stdout is {"issuer": ..., "tokenUrl": ..., "jwksUrl": ..., "introspectionUrl": ...}; it runs until its stdin ends.
Tokens are JWTs (RFC 9068) signed with `algorithm`, or opaque and to be asked about; all are for `audience`.
"""

import json
import logging
import os
import sys
import threading
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # http on loopback
logging.getLogger("werkzeug").setLevel(logging.ERROR)

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask
from joserfc.jwk import ECKey, KeySet, RSAKey
from werkzeug.serving import make_server

settings = {"clients": [], "format": "jwt", "algorithm": "RS256", "audience": "urn:countersign:listener", **json.loads(sys.argv[1])}
LIFE_SECONDS = 600

parameters = {"kid": "authlib-1", "use": "sig", "alg": settings["algorithm"]}
if settings["algorithm"].startswith("ES"):
    signing_key = ECKey.generate_key("P-256", parameters=parameters, private=True)
else:
    signing_key = RSAKey.generate_key(2048, parameters=parameters, private=True)


class Client(ClientMixin):
    def __init__(self, client_id, client_secret):
        self.client_id = client_id
        self.client_secret = client_secret

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return " ".join(name for name in (scope or "").split() if name == "notify")

    def check_client_secret(self, client_secret):
        return self.client_secret == client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Token(TokenMixin):
    def __init__(self, client, token):
        self.client = client
        self.scope = token.get("scope", "")
        self.issued_at = int(time.time())
        self.expires_at = self.issued_at + token["expires_in"]

    def check_client(self, client):
        return self.client is client

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.expires_at - self.issued_at

    def is_expired(self):
        return time.time() >= self.expires_at

    def is_revoked(self):
        return False


class Jwts(JWTBearerTokenGenerator):
    def get_jwks(self):
        return signing_key

    def get_audiences(self, client, user, scope):
        return settings["audience"]


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]

    def check_permission(self, token, client, request):
        return True

    def query_token(self, token_string, token_type_hint):
        return tokens.get(token_string)

    def introspect_token(self, token):
        return {
            "active": True,
            "client_id": token.client.client_id,
            "sub": token.client.client_id,
            "token_type": "Bearer",
            "scope": token.scope,
            "aud": settings["audience"],
            "iss": issuer,
            "exp": token.expires_at,
            "iat": token.issued_at,
        }


clients = {client["client_id"]: Client(**client) for client in settings["clients"]}
tokens = {}


def save_token(token, request):
    tokens[token["access_token"]] = Token(request.client, token)


app = Flask(__name__)
listening = make_server("127.0.0.1", 0, app, threaded=True)
issuer = f"http://127.0.0.1:{listening.server_port}"
server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)
server.register_grant(grants.ClientCredentialsGrant)
server.register_endpoint(Introspection)
life = lambda client, grant_type: LIFE_SECONDS
if settings["format"] == "jwt":
    generator = Jwts(issuer=issuer, alg=settings["algorithm"], expires_generator=life)
else:
    from authlib.common.security import generate_token

    generator = BearerTokenGenerator(lambda **_: generate_token(42), expires_generator=life)
server.register_token_generator("default", generator)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/introspect")
def introspect():
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.get("/jwks")
def jwks():
    return KeySet([signing_key]).as_dict(private=False)


@app.get("/.well-known/oauth-authorization-server")
def metadata():
    return {"issuer": issuer, "token_endpoint": f"{issuer}/token", "jwks_uri": f"{issuer}/jwks", "introspection_endpoint": f"{issuer}/introspect"}


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_stdin, daemon=True).start()
print(
    json.dumps({"issuer": issuer, "tokenUrl": f"{issuer}/token", "jwksUrl": f"{issuer}/jwks", "introspectionUrl": f"{issuer}/introspect"}),
    flush=True,
)
listening.serve_forever()

"""What the scripts share: the server under test, the SDK's client, a listener that keeps every message, and checks that
say what they saw.

The server is named by the environment: TARGET_URL, TARGET_ACCOUNT, TARGET_TOKEN, and under --dev TARGET_HTTPS_URL,
TARGET_CA and TARGET_AUTHORITY.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from docusign_esign import ApiClient
from docusign_esign.client.api_exception import ApiException

URL = os.environ["TARGET_URL"]
ACCOUNT = os.environ["TARGET_ACCOUNT"]
TOKEN = os.environ["TARGET_TOKEN"]
HTTPS_URL = os.environ.get("TARGET_HTTPS_URL")
CA = os.environ.get("TARGET_CA")
AUTHORITY = os.environ.get("TARGET_AUTHORITY")

# Longest wait for a message or a state: far beyond what any of them takes on a busy machine.
PATIENCE = 30.0
# A GUID that nothing has.
NOWHERE = "00000000-0000-4000-8000-000000000000"

_checks = 0


def check(holds, what, *seen):
    """Fails, with what was seen, unless it holds."""
    global _checks
    _checks += 1
    if not holds:
        raise AssertionError(": ".join([what, *(repr(item) for item in seen)]))


def same(seen, wanted, what):
    """Fails unless both are equal."""
    check(seen == wanted, f"{what}: {seen!r} is not {wanted!r}")


def done(step):
    """Says that a step is behind us."""
    print(f"  {step}")


def all_well():
    """The verdict that the test looks for."""
    print(f"all well: {_checks} checks")


def sdk_client():
    """The SDK's client as Docusign's examples make it, with the token of an API user."""
    client = ApiClient()
    client.host = f"{URL}/restapi"
    client.set_default_header("Authorization", f"Bearer {TOKEN}")
    return client


def refused(status, error_code, call, *arguments, **named):
    """Fails unless the SDK's call is refused so; gives the message."""
    try:
        answer = call(*arguments, **named)
    except ApiException as refusal:
        body = json.loads(refusal.body)
        same((refusal.status, body.get("errorCode")), (status, error_code), f"the refusal {refusal.body!r}")
        check(body.get("message"), "a refusal says why", body)
        check(refusal.trace_token, "a refusal names its trace token", refusal.headers)
        return body["message"]
    raise AssertionError(f"{call.__name__} was not refused: {answer!r}")


def raw(method, path, body=None, token=TOKEN, base=URL, form=None, headers=None):
    """A request past the SDK: status and JSON."""
    data = None
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    if form is not None:
        data = form.encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    request = urllib.request.Request(base + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        status, text = refusal.code, refusal.read()
    return status, json.loads(text) if text else None


def api(method, path, body=None, wanted=(200, 201, 202, 204)):
    """A request to the project's own API of the account, which must be answered so; gives the JSON."""
    status, answer = raw(method, f"/api/v1/accounts/{ACCOUNT}{path}", body)
    check(status in wanted, f"{method} {path} was answered {status}", answer)
    return answer


def connect(method, path, body=None):
    """A raw request to Connect, for what the SDK has no method: status and JSON."""
    return raw(method, f"/restapi/v2.1/accounts/{ACCOUNT}/connect{path}", body)


def play(envelope, recipient, action, **more):
    """Plays a recipient of an envelope."""
    return api("POST", f"/envelopes/{envelope}/recipients/{recipient}/actions", {"action": action, **more})


def new_key():
    """Makes an HMAC key: its id and its text."""
    status, key = connect("POST", "/secret", {})
    same(status, 201, "a key is made")
    return key["keyId"], key["secret"]


class Message:
    """A message as it arrived."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def signatures(self):
        """The signatures in the order of their numbers, which must be 1, 2, 3 and so on."""
        prefix = "x-docusign-signature-"
        numbered = {int(name[len(prefix):]): value for name, value in self.headers.items() if name.startswith(prefix)}
        same(sorted(numbered), list(range(1, len(numbered) + 1)), "signatures are numbered without a gap")
        return [numbered[number] for number in sorted(numbered)]

    def told(self):
        """The event and, where there is one, whom it is about."""
        message = self.json()
        recipient = message["data"].get("recipientId")
        return message["event"] if recipient is None else f"{message['event']} {recipient}"


def verified(message, keys):
    """Checks every signature of a message over its bytes as they arrived, one for each key, in the order of the keys."""
    wanted = [base64.b64encode(hmac.new(key.encode(), message.body, hashlib.sha256).digest()).decode() for key in keys]
    seen = message.signatures()
    same(len(seen), len(wanted), "signatures on the message")
    for one, other in zip(seen, wanted):
        check(hmac.compare_digest(one, other), f"the signature fits: {one} and {other}")
    if keys:
        same(message.headers.get("x-authorization-digest"), "HMACSHA256", "the digest is named")
    same(message.headers.get("x-docusign-accountid", "").lower(), ACCOUNT, "the account is named")
    return message


class Listener:
    """An HTTP server that keeps every message, and answers 200 unless told otherwise."""

    def __init__(self):
        self._messages = []
        self._statuses = {}
        self._changed = threading.Condition()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self._body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = listener._keep(Message(self.path, headers, body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", "0")))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.base = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def url(self, path):
        return self.base + path

    def answer(self, path, status):
        """Answers everything at this path with this status."""
        with self._changed:
            self._statuses[path] = status

    def messages(self, path):
        """What has arrived at this path so far."""
        with self._changed:
            return [message for message in self._messages if message.path == path]

    def wait_for(self, path, count):
        """Waits until so many messages have arrived at this path, and gives them."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                arrived = [message for message in self._messages if message.path == path]
                if len(arrived) >= count:
                    return arrived
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"{len(arrived)} of {count} messages at {path}: {[m.body[:200] for m in arrived]}")

    def _keep(self, message):
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()
            return self._statuses.get(message.path, 200)


def until(look, what):
    """Looks again until there is something to see, and gives it: for states that nobody announces."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}; at last it was {seen!r}")
        time.sleep(0.02)

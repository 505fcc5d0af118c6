"""An ID system made of libraries that share no code with the gateway: jwcrypto for JWS and JWE, and the library of Standard Webhooks. `.ci/run`
runs it where they can be installed.

    python3 -m venv target/jose && target/jose/bin/pip install jwcrypto==1.6.1 standardwebhooks==1.1.0
    cargo build && target/jose/bin/python tests/peers/id_system.py target/debug/mosip-gateway

The gateway posts an EventDocument to two systems: to one sealed to its certificate and signed by a detached JWS, to the other under a tag of
Standard Webhooks. Each proves what came with its own library, and that a changed body does not verify.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jwcrypto import jwe, jwk, jws
from jwcrypto.common import base64url_decode, base64url_encode, json_decode
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

KEYS = Path("keys.example").resolve()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DOCUMENT = '{"type":"birth", "id":"e-1","n":1.0,"actions":[{"id":"a-1","type":"REGISTER","registrationNumber":"2026B1"}]}'.encode()
came = {}


class System(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        came[self.path] = (dict(self.headers.items()), body)
        answer = b'{"nid":"NIA-0042"}'
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def verifies(token, body):
    """A detached JWS (RFC 7515, appendix F) under the certificate that the system knows; x5c has to say the same."""
    header, empty, signature = token.split(".")
    assert empty == ""
    known = (KEYS / "partner.crt").read_bytes()
    der = x509.load_pem_x509_certificate(known).public_bytes(Encoding.DER)
    protected = json_decode(base64url_decode(header))
    assert protected["alg"] == "RS256" and base64.b64decode(protected["x5c"][0]) == der
    whole = jws.JWS()
    whole.deserialize(".".join([header, base64url_encode(body), signature]))
    try:
        whole.verify(jwk.JWK.from_pem(known))
    except jws.InvalidJWSSignature:
        return False
    return whole.payload == body


def sealed_and_signed(headers, body):
    assert headers["content-type"] == "application/jose" and headers["webhook-id"] == "e-1-a-1", headers
    assert verifies(headers["x-jws-signature"], body)
    assert not verifies(headers["x-jws-signature"], body + b" ")
    token = jwe.JWE(algs=["RSA-OAEP-256", "A256GCM"])
    token.deserialize(body.decode(), jwk.JWK.from_pem((KEYS / "simulator/mosip-priv.key").read_bytes()))
    assert token.payload == DOCUMENT and token.jose_header["cty"] == "json", token.jose_header
    print("jwcrypto verified the detached JWS over what was posted, and opened it: the EventDocument as it was")


def webhook(headers, body):
    Webhook(SECRET).verify(body, headers)
    try:
        Webhook(SECRET).verify(body + b" ", headers)
        raise SystemExit("a changed body verifies")
    except WebhookVerificationError:
        pass
    assert body == DOCUMENT and headers["content-type"] == "application/json"
    print("the library of Standard Webhooks verified the tag: the EventDocument as it was")


def main(gateway):
    server = HTTPServer(("127.0.0.1", 0), System)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/api.sock"
        config = Path(folder) / "gateway.toml"
        config.write_text(f"""
[listen]
internal = "unix:{socket}"
ops = "unix:{folder}/ops.sock"
[keys]
dir = "{KEYS}"
own = [{{ name = "partner", file = "keystore.p12", password_file = "keystore.password", use = ["sign"] }}]
peers = [{{ name = "nia", file = "mosip-public.key" }}]
[[systems]]
name = "jose"
url = "{base}/jose"
kinds = ["birth"]
sign = "jws"
seal_to = "nia"
[[systems]]
name = "webhooks"
url = "{base}/webhooks"
kinds = ["birth"]
sign = "standard-webhooks"
secret_env = "SYSTEM_SECRET"
""")
        process = subprocess.Popen(
            [gateway, "serve", "--config", config, "--allow-example-keys"], env={**os.environ, "SYSTEM_SECRET": SECRET}
        )
        try:
            until(lambda: Path(socket).exists())
            post = ["curl", "-sS", "--unix-socket", socket, "-H", "Content-Type: application/json", "--data-binary", DOCUMENT]
            answer = json.loads(subprocess.check_output([*post, "http://localhost/v1/events/birth"]))
            assert answer["id"] == "e-1-a-1" and len(answer["entries"]) == 2, answer
            until(lambda: len(came) == 2)
        finally:
            process.terminate()
            process.wait()
    lower = {path: ({name.lower(): value for name, value in headers.items()}, body) for path, (headers, body) in came.items()}
    sealed_and_signed(*lower["/jose"])
    webhook(*lower["/webhooks"])


def until(holds):
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise SystemExit("it never came about")


main(sys.argv[1])

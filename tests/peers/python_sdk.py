"""MOSIP's published Python SDK (PyPI mosip-auth-sdk 0.5.4) as a peer, in both directions. `.ci/run` runs it where the SDK can be installed.

    python3 -m venv target/sdk && target/sdk/bin/pip install mosip-auth-sdk==0.5.4
    cargo build && target/sdk/bin/python tests/peers/python_sdk.py target/debug/mosip-gateway

1. What the SDK sends passes our strict simulator, and the SDK opens the identity that the simulator seals.
2. What the gateway sends opens and verifies under the SDK's own functions, played by an IDA made of them, and the gateway accepts
   a reply that the SDK signed.
"""

import base64
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from jwcrypto import jwk, jws
from mosip_auth_sdk import MOSIPAuthenticator
from mosip_auth_sdk._authenticator.utils import CryptoUtility
from mosip_auth_sdk.models import DemographicsModel

KEYS = Path("keys.example")
LICENSE_KEY, PARTNER, API_KEY = "example-licence-key", "opencrvs-partner", "example-api-key"
PERSON = {"dob": "1990/03/14", "name": [{"language": "eng", "value": "Leila Karim"}]}
UIN = "4152630978"
log = logging.getLogger("sdk")


def crypto_settings(p12, password, encrypt_cert):
    encrypt = SimpleNamespace(
        encrypt_cert_path=str(encrypt_cert),
        decrypt_p12_file_path=str(p12),
        decrypt_p12_file_password=password,
        symmetric_key_size=256,
        symmetric_nonce_size=128,
        symmetric_gcm_tag_size=128,
    )
    sign = SimpleNamespace(sign_p12_file_path=str(p12), sign_p12_file_password=password, algorithm="RS256")
    return encrypt, sign


def sdk(url):
    encrypt, sign = crypto_settings(KEYS / "keystore.p12", "mosip123", KEYS / "ida-partner.crt")
    return MOSIPAuthenticator(
        config=SimpleNamespace(
            mosip_auth_server=SimpleNamespace(ida_auth_url=url, ida_auth_domain_uri="https://ida.example.org"),
            mosip_auth=SimpleNamespace(
                authorization_header_constant="Authorization",
                partner_misp_lk=LICENSE_KEY,
                partner_id=PARTNER,
                partner_apikey=API_KEY,
                ida_auth_version="1.0",
                ida_auth_request_demo_id="mosip.identity.auth",
                ida_auth_request_kyc_id="mosip.identity.kyc",
                ida_auth_request_otp_id="mosip.identity.otp",
                ida_auth_env="Staging",
                timestamp_format="%Y-%m-%dT%H:%M:%S",
            ),
            crypto_encrypt=encrypt,
            crypto_signature=sign,
        ),
        logger=log,
    )


def wait_for(url):
    for _ in range(100):
        try:
            return urllib.request.urlopen(url).read()
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def the_sdk_against_our_simulator():
    ida = sdk("http://127.0.0.1:4600/idauthentication/v1")
    person = dict(individual_id=UIN, individual_id_type="UIN", consent=True)
    auth = ida.auth(demographic_data=DemographicsModel(**PERSON), **person).json()
    assert auth["errors"] is None and auth["response"]["authStatus"] is True, auth
    kyc = ida.kyc(demographic_data=DemographicsModel(**PERSON), **person).json()
    assert ida.decrypt_response(kyc)["name_eng"] == "Leila Karim"
    otp = ida.genotp(individual_id=UIN, individual_id_type="UIN", email=True, txn_id="1234567890").json()
    assert otp["response"]["maskedEmail"], otp
    used = ida.auth(otp_value="111111", txn_id="1234567890", **person).json()
    assert used["errors"] is None and used["response"]["authStatus"] is True, used
    wrong = ida.auth(demographic_data=DemographicsModel(dob="1990/03/15"), **person).json()
    assert wrong["errors"][0]["errorCode"] == "IDA-DEA-001", wrong
    print("1  the SDK's auth, kyc and otp pass the simulator; its identity opens")


def bundle(folder, name, key, certificate):
    """A p12 of a key of the simulator's side, which is how the SDK takes keys."""
    key = serialization.load_pem_private_key((KEYS / "simulator" / key).read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((KEYS / certificate).read_bytes())
    protection = serialization.BestAvailableEncryption(b"mosip123")
    path = Path(folder) / name
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"key", key, certificate, None, protection))
    return path


def ida_of_the_sdk(folder):
    """An IDA that opens with the SDK's functions and signs with them. Returns the server and what it was sent."""
    opener = CryptoUtility(
        *crypto_settings(bundle(folder, "ida.p12", "ida-priv.key", "ida-partner.crt"), "mosip123", KEYS / "partner.crt"), log
    )
    signer = CryptoUtility(
        *crypto_settings(bundle(folder, "sign.p12", "ida-sign-priv.key", "ida-sign.crt"), "mosip123", KEYS / "partner.crt"), log
    )
    partner = x509.load_pem_x509_certificate((KEYS / "partner.crt").read_bytes())
    seen = []

    def decode(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            request = json.loads(body)
            session_key = opener._asymmetric_decrypt(decode(request["requestSessionKey"]))
            inner = opener._symmetric_decrypt(decode(request["request"]), session_key)
            digest = hashes.Hash(hashes.SHA256())
            digest.update(inner)
            sealed_digest = opener._symmetric_decrypt(decode(request["requestHMAC"]), session_key)
            assert sealed_digest == digest.finalize().hex().upper().encode()
            head, _, signature = self.headers["signature"].split(".")
            payload = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
            token = jws.JWS()
            token.deserialize(f"{head}.{payload}.{signature}")
            pem = partner.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            token.verify(jwk.JWK.from_pem(pem))
            seen.append(json.loads(inner))
            reply = json.dumps({
                "id": request["id"],
                "version": "v1",
                "transactionID": request["transactionID"],
                "responseTime": request["requestTime"],
                "response": {"authStatus": True, "authToken": "1" * 36},
                "errors": None,
            })
            self.send_response(200)
            self.send_header("response-signature", signer.sign_auth_request_data(reply))
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply.encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, seen


def the_gateway_against_an_ida_of_the_sdk(seen):
    body = {"individualId": UIN, "individualIdType": "UIN", "consent": True, "demographics": PERSON}
    request = urllib.request.Request(
        "http://127.0.0.1:4546/v1/ida/auth", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    verdict = json.load(urllib.request.urlopen(request))
    assert verdict["authStatus"] is True and verdict["verified"] == "signature", verdict
    assert seen[0]["demographics"] == PERSON, seen
    print("2  the gateway's request opens and verifies with the SDK's functions; a reply that the SDK signed is accepted")


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        server, seen = ida_of_the_sdk(folder)
        variables = os.environ | {
            "MOSIP_AUTH_CLIENT_SECRET": "example-client-secret",
            "PARTNER_MISP_LK": LICENSE_KEY,
            "PARTNER_APIKEY": API_KEY,
            "MOSIP_GATEWAY__UPSTREAM__IDA__URL": f"http://127.0.0.1:{server.server_port}/idauthentication/v1",
            "MOSIP_GATEWAY__OUTBOX__PATH": f"{folder}/outbox.db",
            "MOSIP_GATEWAY_LOG": "error",
        }
        serve = [program, "serve", "--config", "deploy/example.toml", "--allow-example-keys"]
        quiet = {"stderr": subprocess.DEVNULL}
        with subprocess.Popen([program, "simulator"], **quiet) as simulator, subprocess.Popen(serve, env=variables) as gateway:
            try:
                wait_for("http://127.0.0.1:4600/simulator/history")
                wait_for("http://127.0.0.1:4546/v1/keys")
                the_sdk_against_our_simulator()
                the_gateway_against_an_ida_of_the_sdk(seen)
            finally:
                simulator.terminate()
                gateway.terminate()


if __name__ == "__main__":
    main()

"""A gateway that serves all that it can, beside the simulator, and something of everything in it."""

import hashlib
import hmac
import json
import re
import socket
import time
import urllib.parse
import urllib.request
from pathlib import Path

KEYS = Path("keys.example").resolve()
LISTENERS = ["internal", "callback", "faces", "ops"]
UIN, VID = "4152630978", "6042817395162840"
TOPIC = "opencrvs-partner/CREDENTIAL_ISSUED"
# The end of the hub's path, which nobody can guess.
UNGUESSABLE = "0123456789abcdef0123456789abcdef"
SECRETS = {
    "MOSIP_AUTH_CLIENT_SECRET": "example-client-secret",
    "PARTNER_MISP_LK": "example-licence-key",
    "PARTNER_APIKEY": "example-api-key",
    "HUB_SECRET": "example-hub-secret",
    "WEBHOOK_SECRET": "example-webhook-secret",
    "TOKEN": "0123456789abcdef0123456789abcdef",
}


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def configuration(folder, mosip, at):
    def keycloak(client):
        url = f"{mosip}/auth/realms/mosip/protocol/openid-connect/token"
        return f'{{ url = "{url}", client_id = "{client}", client_secret_env = "MOSIP_AUTH_CLIENT_SECRET" }}'

    authmanager = (
        f'{{ url = "{mosip}/v1/authmanager/authenticate/clientidsecretkey", kind = "authmanager", app_id = "admin", '
        'client_id = "opencrvs", client_secret_env = "MOSIP_AUTH_CLIENT_SECRET" }'
    )
    return f"""
[listen]
internal = "{at["internal"]}"
callback = "{at["callback"]}"
ops = "{at["ops"]}"
[internal]
token_env = "TOKEN"
[ops]
token_env = "TOKEN"
[callback]
require = ["opencrvs-jwt", "hub-hmac"]
opencrvs_jwt = {{ url = "{mosip}/core/auth/.well-known", issuer = "opencrvs:auth-service", audience = "opencrvs:mosip-user" }}
[keys]
dir = "{KEYS}"
own = [{{ name = "partner", file = "keystore.p12", password_file = "keystore.password", use = ["sign", "decrypt"] }},
       {{ file = "opencrvs-priv.key", cert = "opencrvs-pub.key", use = ["decrypt"] }},
       {{ name = "esignet", file = "esignet-jwk.txt", use = ["sign"] }}]
peers = [{{ name = "mosip", file = "mosip-public.key", unknown_thumbprint = "try" }},
         {{ name = "partner", file = "partner.crt" }},
         {{ name = "ida", file = "ida-partner.crt" }},
         {{ name = "ida-sign", file = "ida-sign.crt" }}]
[outbox]
path = "{folder}/outbox.db"
[upstream]
probe_interval = "1s"
token = {keycloak("opencrvs")}
[upstream.mediator]
birth = "{mosip}/opencrvs/v1/birth"
death = "{mosip}/opencrvs/v1/death"
birth-revocation = "http://127.0.0.1:{free_port()}"
aid = "{mosip}/opencrvs/v1/generateAid"
[upstream.ida]
url = "{mosip}/idauthentication/v1"
partner_id = "opencrvs-partner"
misp_license_key_env = "PARTNER_MISP_LK"
api_key_env = "PARTNER_APIKEY"
reply_signers = ["ida-sign"]
[upstream.packets]
create = "{mosip}/commons/v1/packetmanager/createPacket"
process = "{mosip}/registrationprocessor/v1/workflowmanager/workflowinstance"
center_id = "10123"
machine_id = "10234"
token = {authmanager}
[opencrvs]
url = "{mosip}/core"
auth_url = "{mosip}/core/auth"
client_id = "opencrvs"
client_secret_env = "MOSIP_AUTH_CLIENT_SECRET"
webhooks = {{ url = "{mosip}/core/webhooks", callback_url = "http://{at["faces"]}/webhooks" }}
search = {{ url = "{mosip}/core", client_id = "opencrvs", client_secret_env = "MOSIP_AUTH_CLIENT_SECRET" }}
[faces]
listen = "{at["faces"]}"
token_env = "TOKEN"
webhooks = true
webhook_secret_env = "WEBHOOK_SECRET"
mosip_api = true
consent = true
opencrvs_jwt = {{ url = "{mosip}/core/auth/.well-known" }}
[esignet]
issuer = "{mosip}"
clients = ["opencrvs-client"]
key = "esignet"
[websub]
hub_url = "{mosip}/hub"
callback_url = "http://{at["callback"]}/websub/callback/{UNGUESSABLE}"
secret_env = "HUB_SECRET"
token = {keycloak("opencrvs")}
topics = {{ credential = "opencrvs-partner/CREDENTIAL_ISSUED", packet_status = "REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT" }}
[credentials]
contexts_dir = "{Path("tests/vectors/contexts").resolve()}"
context = ["https://www.w3.org/2018/credentials/v1", "https://api.example.org/.well-known/mosip-context.json", {{ sec = "https://w3id.org/security#" }}]
issuers = [{{ verification_method = "https://api.example.org/.well-known/public-key.json", file = "{Path("tests/vectors/keys/issuer.crt.pem").resolve()}" }}]
[[systems]]
name = "nia"
url = "http://127.0.0.1:{free_port()}"
kinds = ["death"]
"""


def call(url, body=None, token=None, method=None, kind="application/json"):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": kind} | ({"authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as reply:
        text = reply.read()
        return json.loads(text) if text else None


def until(what, holds):
    for _ in range(600):
        try:
            if found := holds():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what}: it never came about")


def birth(number):
    text = Path("src/demo/birth.json").read_text()
    return json.loads(text.replace("3b1c2f40-0000-4000-8000-000000000001", f"3b1c2f40-0000-4000-8000-{number:012}"))


def vector(name):
    return json.loads(Path("tests/vectors", name).read_text())


def something_of_everything(at, mosip):
    """What `hooks.py` gives requests: names that are there, and bodies that lead somewhere. Names are by method and path."""
    api, token = f"http://{at['internal']}", SECRETS["TOKEN"]

    def post(path, body, kind="application/json"):
        return call(f"{api}{path}", body, token, kind=kind)

    person = {"individualId": UIN, "individualIdType": "UIN", "consent": True, "demographics": {"dob": "1990/03/14"}}
    done = [post("/v1/events/birth", birth(number))["id"] for number in range(1, 3)]
    waiting = [post("/v1/events/birth-revocation", birth(number))["id"] for number in range(11, 31)]
    jobs = [post("/v1/uin-tokens", [person | {"demographics": {"dob": f"1990/03/{day}"}}])["job"] for day in range(10, 14)]
    sealed = post("/v1/seal?to=partner", b"plaintext", "application/octet-stream")
    signed = post("/v1/sign?form=jws", b"payload", "application/octet-stream")
    until("messages", lambda: len(call(f"{api}/v1/inbox", token=token)["messages"]) >= len(done))
    messages = [message["id"] for message in call(f"{api}/v1/inbox", token=token)["messages"]]
    quarantined = [signed_webhook(at["faces"], f'"{number}"'.encode())["id"] for number in range(20)]
    until("a report", lambda: all(call(f"{api}/v1/uin-tokens/{job}", token=token)["state"] == "done" for job in jobs))
    login = {"clientId": "opencrvs-client", "redirectUri": "https://register.example.org/form"}
    begin = {"client_id": login["clientId"], "redirect_uri": login["redirectUri"], "response_type": "code", "scope": "openid", "state": "s"}
    registration = {"trackingId": "T1", "requestFields": {"birthCertificateNumber": "2026B1", "VID": "8031687218"}}
    seeder = {"id": "", "version": "", "metadata": "", "requesttime": "2026-11-24T08:00:00.000Z"}
    someone = {"vid": VID, "name": "Leila Karim", "gender": "Female", "dob": "1990/03/14"}
    file = "vid,name,gender,dob\n" + ",".join(someone.values()) + "\n"
    hub_message = {"publisher": "p", "topic": TOPIC, "publishedOn": "2026-11-28T10:00:00.000Z", "event": {"id": "e", "data": {}}}
    form = {"about": f"event:{waiting[0]}", "do": "retry", "reason": "r", "token": csrf(at["ops"], waiting[0])}
    names = {
        "GET /v1/events/{id}": done + waiting[:1],
        "DELETE /v1/events/{id}": waiting[10:],
        "POST /v1/events/{id}/retry": waiting[:10],
        "GET /v1/uin-tokens/{job}": jobs,
        "GET /authtoken/status/{job}": jobs,
        "GET /authtoken/file/{job}": jobs,
        "POST /v1/inbox/{id}/ack": messages,
        "POST /v1/quarantine/{id}/verify": quarantined[:10],
        "DELETE /v1/quarantine/{id}": quarantined[10:],
        "POST /v1/hub/{topic}/settle": ["credential", "unknown"],
        "GET /websub/callback/{unguessable}": [UNGUESSABLE],
        "POST /websub/callback/{unguessable}": [UNGUESSABLE],
    }
    query = {
        "/v1/seal to": "mosip",
        "/v1/seal key": "partner",
        "/v1/sign key": "partner",
        "/openapi.json listener": "ops",
        "/docs listener": "ops",
        "/v1/opencrvs/missing since": "2026-01-01",
        "/v1/opencrvs/missing until": "2026-02-01",
        "/webhooks mode": "subscribe",
        "/webhooks topic": "BIRTH_REGISTERED",
        # That the hub denies a topic that nobody asked it about.
        "/websub/callback/{unguessable} hub.mode": "denied",
        "/websub/callback/{unguessable} hub.topic": "unknown",
    }
    bodies = {
        "POST /v1/events/{id}": [birth(0)],
        "POST /v1/packets/{kind}": [registration],
        "POST /v1/uin-tokens": [[person]],
        "POST /v1/ida/auth": [person],
        "POST /v1/ida/kyc": [person],
        "POST /v1/ida/otp": [{name: person[name] for name in ("individualId", "individualIdType", "consent")} | {"otpChannel": ["email"]}],
        "POST /v1/open": [{"data": sealed["data"], "signature": sealed["signature"], "from": "partner"}],
        "POST /v1/verify": [{"token": signed["signature"], "from": "partner"}],
        "POST /v1/credentials/verify": [{"credential": vector("vc.json")["cases"][0]["credential"]}],
        "POST /v1/esignet/authorize": [login | {"state": "s"}],
        "POST /v1/esignet/userinfo": [login | {"code": "c"}],
        "POST /v1/import/mosip-api": [{"rows": [{"row": 1, "id": "100019876543210", "registrationNumber": "B9", "eventId": "e9"}]}],
        "POST /esignet/get-oidp-user-info": [login],
        "POST /events/registration": [registration],
        "POST /events/update-biographics": [registration],
        "POST /verify": [{"nid": UIN, "dob": "1990-03-14", "name": {"firstname": "Leila", "surname": "Karim"}}],
        "POST /authtoken/json": [seeder | {"request": {"lang": "eng", "authdata": someone}}],
        "POST /authtoken/csv": [{"request": json.dumps(seeder | {"request": {"deliverytype": "sync"}}), "csv_file": file}],
        "POST /webhooks": [birth(0)],
        "POST /websub/callback/{unguessable}": [hub_message],
        "POST /": [{"find": done[0]}, form],
    }
    return {
        "names": names,
        "query": query,
        "bodies": bodies,
        "secrets": {"hub": SECRETS["HUB_SECRET"], "webhooks": SECRETS["WEBHOOK_SECRET"]},
        "login": f"{mosip}/authorize?{urllib.parse.urlencode(begin)}",
    }


def signed_webhook(address, body):
    """Posts what OpenCRVS could have signed."""
    tag = hmac.new(SECRETS["WEBHOOK_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"http://{address}/webhooks", body, {"x-hub-signature": f"sha256={tag}"})
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def csrf(ops, event):
    """The token of the form that retries `event` on the operators' page."""
    headers = {"authorization": f"Bearer {SECRETS['TOKEN']}"}
    with urllib.request.urlopen(urllib.request.Request(f"http://{ops}/?event={event}", headers=headers)) as reply:
        return re.search(r'name="token" value="([^"]+)"', reply.read().decode())[1]

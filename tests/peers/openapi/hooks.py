"""What schemathesis cannot know of the gateway: signatures, names that are there, and bodies that lead somewhere."""

import copy
import hashlib
import hmac
import itertools
import json
import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation

SITE = json.loads(Path(os.environ["SITE"]).read_text())
REACHED = Path(os.environ["REACHED"])
numbers = itertools.count(int(os.environ["FIRST_NUMBER"]))


class Signed(requests.auth.AuthBase):
    """`X-Hub-Signature` over the body as it goes."""

    def __init__(self, secret):
        self.secret = secret.encode()

    def __call__(self, request):
        body = request.body or b""
        body = body if isinstance(body, bytes) else body.encode()
        request.headers["X-Hub-Signature"] = "sha256=" + hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        return request


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Tokens are set here, so that they are demanded wherever a guard stands. And no body of an answer has a member that is not described."""
    guarded = ("/v1/", "/docs", "/openapi.json")
    schemas = raw_schema["components"]["schemas"]
    for path, item in raw_schema["paths"].items():
        for operation in item.values():
            if path.startswith(guarded) or path == "/":
                operation["security"] = [{"token": []}]
            for response in operation["responses"].values():
                for media in response.get("content", {}).values():
                    media["schema"] = closed(media["schema"], schemas)


def closed(schema, schemas, is_part=False):
    """`schema` with what it refers to in its place, so that an object has the members that are described and no other."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return closed(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas, is_part)
    whole = dict(schema)
    for word in ("items", "additionalProperties"):
        if word in whole:
            whole[word] = closed(whole[word], schemas)
    for word in ("oneOf", "allOf"):
        if word in whole:
            whole[word] = [closed(part, schemas, is_part or word == "allOf") for part in whole[word]]
    if "properties" in whole:
        whole["properties"] = {name: closed(member, schemas) for name, member in whole["properties"].items()}
    if not is_part and ("properties" in whole and "additionalProperties" not in whole or "allOf" in whole):
        whole["unevaluatedProperties"] = False
    return whole


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(numbers)
    path = case.path.rstrip("/") or "/"
    route = f"{case.method} {path}"
    # Every second request leads somewhere, as far as the document allows what it brings.
    if number % 2:
        if case.path_parameters and route in SITE["names"] and allowed(case, ParameterLocation.PATH):
            names = SITE["names"][route]
            case.path_parameters = dict.fromkeys(case.path_parameters, names[number // 2 % len(names)])
        if case.query and allowed(case, ParameterLocation.QUERY):
            case.query = {name: SITE["query"].get(f"{path} {name}", value) for name, value in case.query.items()}
        if route in SITE["bodies"] and allowed(case, ParameterLocation.BODY):
            case.body = alone(copy.deepcopy(SITE["bodies"][route][number // 2 % len(SITE["bodies"][route])]), number)
            if path == "/v1/esignet/userinfo":
                case.body["code"] = code()
        if path == "/esignet/get-oidp-user-info" and case.query and allowed(case, ParameterLocation.QUERY):
            case.query["code"] = code()
    if "X-Hub-Signature" in case.headers and allowed(case, ParameterLocation.HEADER):
        kwargs["auth"] = Signed(SITE["secrets"]["webhooks" if path == "/webhooks" else "hub"])


def allowed(case, place):
    """Whether the document allows what stands at `place`. Of what is not there the whole request says it."""
    return case.meta is None or case.meta.components.get(place, case.meta.generation).mode.is_positive


def alone(body, number):
    """An event or a registration that nobody has posted yet."""
    if "event" in body and "context" in body["event"]:
        task = body["event"]["context"][0]["entry"][0]["resource"]
        task["focus"]["reference"] = f"Composition/3b1c2f40-0000-4000-8000-{number:012}"
    if "requestFields" in body:
        body["requestFields"]["birthCertificateNumber"] = f"2026B{number}"
    return body


def code():
    """What eSignet gives the browser of somebody who has just logged in."""
    back = requests.get(SITE["login"], allow_redirects=False).headers["location"]
    return parse_qs(urlsplit(back).query)["code"][0]


@schemathesis.hook
def after_call(context, case, response):
    """Notes what was done, so that a run of nothing but refusals is told from one that reached something."""
    if 200 <= response.status_code < 400:
        with REACHED.open("a") as reached:
            reached.write(f"{case.method} {case.path}\n")

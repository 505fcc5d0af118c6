"""Makes tests/vectors/esignet.json with jwcrypto, which shares no code with the gateway.

    python3 -m venv target/jose && target/jose/bin/pip install jwcrypto==1.6.1
    target/jose/bin/python tests/peers/make_esignet_vectors.py > tests/vectors/esignet.json

What it signs with stands in tests/vectors/keys, except the EC keys, which stand in the file itself. A file that is made again has other
signatures and proves the same.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from jwcrypto import jwe, jwk, jws
from jwcrypto.common import base64url_decode, base64url_encode

KEYS = Path(__file__).parent.parent / "vectors" / "keys"
NOW = 1_800_000_000
ISSUER = "https://esignet.example.org"
CLIENT = "opencrvs-client"
SUB = "ce1pPs1sTqwzkg9XpmgdQ0xQZPpmJ1yVl0dKp3zZb3w"


def pem(name):
    return jwk.JWK.from_pem((KEYS / name).read_bytes())


RSA, STRANGER, PARTNER = pem("issuer.key.pem"), pem("stranger.key.pem"), pem("partner.key.pem")
EC = jwk.JWK.generate(kty="EC", crv="P-256")
CLIENT_EC = jwk.JWK.generate(kty="EC", crv="P-256")


def b64(data):
    return base64url_encode(data if isinstance(data, bytes) else data.encode())


def public(key, **more):
    return {**json.loads(key.export_public()), **more}


def signed(claims, key=RSA, alg="RS256", kid="es-rsa", header=None, payload=None):
    protected = {"alg": alg, "typ": "JWT", **({"kid": kid} if kid else {}), **(header or {})}
    token = jws.JWS(payload if payload is not None else json.dumps(claims))
    token.allowed_algs = ["RS256", "PS256", "ES256", "HS256", "RS512"]
    token.add_signature(key, None, json.dumps(protected), None)
    return token.serialize(compact=True)


def by_hand(header, claims, signature=b""):
    return ".".join([b64(json.dumps(header)), b64(json.dumps(claims)), b64(signature)])


def sealed(inner, zip=False, to=PARTNER, alg="RSA-OAEP-256", enc="A256GCM"):
    protected = {"alg": alg, "enc": enc, "typ": "JWT", "cty": "JWT", **({"zip": "DEF"} if zip else {})}
    token = jwe.JWE(inner, json.dumps(protected), algs=["RSA-OAEP-256", "RSA-OAEP", "A256GCM", "A128GCM"])
    token.add_recipient(jwk.JWK(**json.loads(to.export_public())))
    return token.serialize(compact=True)


def with_trailing_bytes(inner):
    """Sealed and deflated, with bytes behind the end of the stream."""
    real = jwe.zlib

    class Trailing:
        def __getattr__(self, name):
            return getattr(real, name)

        @staticmethod
        def compress(data):
            # jwcrypto drops the head of two bytes and the checksum of four.
            whole = real.compress(data)
            return whole[:-4] + b"behind" + whole[-4:]

    jwe.zlib = Trailing()
    try:
        return sealed(inner, zip=True)
    finally:
        jwe.zlib = real


def es256_by_hand(signature):
    """Under the kid of the EC key, with a signature of any form."""
    return by_hand({"alg": "ES256", "kid": "es-ec"}, WHOLE, signature)


PERSON = {"sub": SUB, "given_name": "Leila", "middle_name": "Noor", "family_name": "Karim", "gender": "Female",
          "birthdate": "1990/03/14", "address": {"country": "Utopia", "region": "Nord"}, "name#ara": "ليلى كريم"}
WHOLE = {**PERSON, "iss": ISSUER, "aud": CLIENT, "iat": NOW - 5, "exp": NOW + 600}
ID = {"iss": ISSUER, "sub": SUB, "aud": CLIENT, "iat": NOW - 5, "exp": NOW + 600, "nonce": "n-0S6_WzA2Mj",
      "acr": "mosip:idp:acr:generated-code"}
ACCESS = "eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


def half(text):
    return b64(hashlib.sha256(text.encode()).digest()[:16])


def case(name, token, valid=True, **more):
    return {"name": name, "token": token, "valid": valid, **more}


userinfo = [
    case("rs256-as-ida-signs", signed(PERSON), claims=PERSON),
    case("ps256-as-esignet-signs", signed(PERSON, alg="PS256"), claims=PERSON),
    case("es256", signed(PERSON, EC, "ES256", "es-ec"), claims=PERSON),
    case("with-issuer-audience-and-dates", signed(WHOLE), claims=WHOLE),
    case("audience-is-a-list", signed({**WHOLE, "aud": ["other", CLIENT]}), claims={**WHOLE, "aud": ["other", CLIENT]}),
    case("nested-jwe", sealed(signed(PERSON)), claims=PERSON),
    case("nested-jwe-deflated", sealed(signed(PERSON, alg="PS256"), zip=True), claims=PERSON),
    case("nested-jwe-es256", sealed(signed(PERSON, EC, "ES256", "es-ec")), claims=PERSON),
    case("alg-none", by_hand({"alg": "none", "kid": "es-rsa"}, WHOLE), False, refused="tampered"),
    case("unsigned", by_hand({"alg": "RS256", "kid": "es-rsa"}, WHOLE), False, refused="tampered"),
    case("hs256-under-the-public-key",
         signed(WHOLE, jwk.JWK(kty="oct", k=b64(RSA.export_to_pem())), "HS256"), False, refused="tampered"),
    case("rs512-is-not-agreed", signed(WHOLE, alg="RS512"), False, refused="tampered"),
    case("unknown-crit", None, False, refused="tampered"),
    case("strangers-key", signed(WHOLE, STRANGER), False, refused="tampered"),
    case("es256-under-the-kid-of-an-rsa-key", signed(WHOLE, EC, "ES256", "es-rsa"), False, refused="tampered"),
    case("ps256-under-the-kid-of-an-ec-key", signed(WHOLE, RSA, "PS256", "es-ec"), False, refused="tampered"),
    case("unknown-kid", signed(WHOLE, kid="es-next"), False, refused="unknown-kid"),
    case("wrong-issuer", signed({**WHOLE, "iss": "https://other.example.org"}), False, refused="tampered"),
    case("wrong-audience", signed({**WHOLE, "aud": "other"}), False, refused="tampered"),
    case("wrong-sub", signed({**WHOLE, "sub": "somebody-else"}), False, refused="tampered"),
    case("no-sub", signed({k: v for k, v in WHOLE.items() if k != "sub"}), False, refused="tampered"),
    case("expired", signed({**WHOLE, "exp": NOW - 600}), False, refused="tampered"),
    case("from-the-future", signed({**WHOLE, "iat": NOW + 600, "nbf": NOW + 600}), False, refused="tampered"),
    case("issued-in-the-future", signed({**WHOLE, "iat": NOW + 600}), False, refused="tampered"),
    case("no-object", signed(None, payload="[1]"), False, refused="tampered"),
    case("two-members-of-one-name", signed(None, payload='{"sub":"%s","given_name":"a","given_name":"b"}' % SUB), False,
         refused="tampered"),
    case("sealed-to-somebody-else", sealed(signed(PERSON), to=STRANGER), False, refused="decrypt"),
    case("sealed-and-not-signed", sealed(json.dumps(PERSON)), False, refused="tampered"),
    case("sealed-strangers-key", sealed(signed(PERSON, STRANGER)), False, refused="tampered"),
    case("sealed-twice", sealed(sealed(signed(PERSON))), False, refused="tampered"),
    case("sealed-with-bytes-behind-the-deflated-stream", with_trailing_bytes(signed(PERSON)), False, refused="decrypt"),
    case("sealed-with-sha1", sealed(signed(PERSON), alg="RSA-OAEP"), False, refused="tampered"),
    case("sealed-with-a128gcm", sealed(signed(PERSON), enc="A128GCM"), False, refused="tampered"),
    case("es256-strangers-key", signed(WHOLE, CLIENT_EC, "ES256", "es-ec"), False, refused="tampered"),
    case("es256-of-zeros", es256_by_hand(bytes(64)), False, refused="tampered"),
    case("es256-in-der", None, False, refused="tampered"),
    case("es256-over-other-claims", None, False, refused="tampered"),
]
# The two numbers of a good signature as ASN.1, as other protocols carry them; and a good signature under other claims.
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
head, claims, numbers = signed(WHOLE, EC, "ES256", "es-ec").split(".")
numbers = base64url_decode(numbers)
der = encode_dss_signature(int.from_bytes(numbers[:32]), int.from_bytes(numbers[32:]))
next(c for c in userinfo if c["name"] == "es256-in-der")["token"] = ".".join([head, claims, b64(der)])
other = b64(json.dumps({**WHOLE, "given_name": "Mallory"}))
next(c for c in userinfo if c["name"] == "es256-over-other-claims")["token"] = ".".join([head, other, b64(numbers)])
# jwcrypto itself refuses to write a crit that it does not know: signed by its key, written by hand.
unknown = [b64(json.dumps({"alg": "RS256", "kid": "es-rsa", "crit": ["exp2"], "exp2": 1})), b64(json.dumps(WHOLE))]
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
signature = RSA.get_op_key("sign").sign(".".join(unknown).encode(), padding.PKCS1v15(), hashes.SHA256())
next(c for c in userinfo if c["name"] == "unknown-crit")["token"] = ".".join([*unknown, b64(signature)])

id_tokens = [
    case("ps256-as-esignet-signs", signed(ID, alg="PS256"), sub=SUB),
    case("rs256", signed(ID), sub=SUB),
    case("es256", signed(ID, EC, "ES256", "es-ec"), sub=SUB),
    case("with-at-hash", signed({**ID, "at_hash": half(ACCESS)}, alg="PS256"), sub=SUB),
    case("for-several-by-us", signed({**ID, "aud": [CLIENT, "other"], "azp": CLIENT}), sub=SUB),
    case("for-several-by-another", signed({**ID, "aud": [CLIENT, "other"], "azp": "other"}), False),
    case("of-another-access-token", signed({**ID, "at_hash": half("other")}, alg="PS256"), False),
    case("alg-none", by_hand({"alg": "none"}, ID), False),
    case("hs256-under-the-public-key", signed(ID, jwk.JWK(kty="oct", k=b64(RSA.export_to_pem())), "HS256"), False),
    case("strangers-key", signed(ID, STRANGER), False),
    *[case("no-" + claim, signed({k: v for k, v in ID.items() if k != claim}), False)
      for claim in ["iss", "aud", "exp", "iat", "sub"]],
    case("wrong-issuer", signed({**ID, "iss": ISSUER + "/"}), False),
    case("wrong-audience", signed({**ID, "aud": "other"}), False),
    case("expired", signed({**ID, "exp": NOW - 600}), False),
    case("from-the-future", signed({**ID, "iat": NOW + 600}), False),
    case("wrong-nonce", signed({**ID, "nonce": "other"}), False),
    case("no-nonce", signed({k: v for k, v in ID.items() if k != "nonce"}), False),
]

thumbprints = [{"jwk": public(key), "thumbprint": key.thumbprint()} for key in (RSA, EC, CLIENT_EC)]
# RFC 7638 3.1.
thumbprints.append({"jwk": {"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst"
    "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n"
    "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")},
    "thumbprint": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"})

json.dump({
    "now": NOW, "issuer": ISSUER, "client_id": CLIENT, "sub": SUB, "nonce": ID["nonce"], "access_token": ACCESS,
    "recipient": "partner",
    "jwks": {"keys": [public(RSA, kid="es-rsa", use="sig"), public(EC, kid="es-ec", use="sig", alg="ES256")]},
    "signer_jwk": json.loads(EC.export_private()),
    "client_jwk": json.loads(CLIENT_EC.export_private()),
    "userinfo": userinfo, "id_tokens": id_tokens, "thumbprints": thumbprints,
    # RFC 9449 4.2 and its example of 7.1; RFC 7636 appendix B.
    "access_token_hash": {"token": "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
                          "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"},
}, sys.stdout, indent=1, ensure_ascii=False)
print()

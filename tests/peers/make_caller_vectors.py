"""Makes tests/vectors/callers.json with jwcrypto: tokens of callers, good and bad.

    python3 -m venv target/jose && target/jose/bin/pip install jwcrypto==1.6.1
    target/jose/bin/python tests/peers/make_caller_vectors.py > tests/vectors/callers.json

What it signs with stands in tests/vectors/keys. `of` is the maker of the token: OpenCRVS's auth service or MOSIP's IAM; `refused` is a word
of the reason that the operator's log gives.
"""

import json
import sys
from pathlib import Path

from jwcrypto import jwk, jws
from jwcrypto.common import base64url_encode

KEYS = Path(__file__).parent.parent / "vectors" / "keys"
NOW = 1_800_000_000


def pem(name):
    return jwk.JWK.from_pem((KEYS / name).read_bytes())


RSA, STRANGER = pem("issuer.key.pem"), pem("stranger.key.pem")
EC = jwk.JWK.generate(kty="EC", crv="P-256")
# The public key of the issuer as a secret of HMAC, in both forms in which a verifier may hold it.
SECRETS = {
    "public-key": jwk.JWK(kty="oct", k=base64url_encode(RSA.export_to_pem())),
    "certificate": jwk.JWK(kty="oct", k=base64url_encode((KEYS / "issuer.crt.pem").read_bytes())),
}

OPENCRVS = {"iss": "opencrvs:auth-service", "aud": ["opencrvs:x", "opencrvs:mosip-user"], "sub": "7", "iat": NOW - 5,
            "exp": NOW + 600}
MOSIP = {"iss": "https://iam.example.org/auth/realms/mosip", "azp": "mosip-regproc-client", "aud": "account",
         "iat": NOW - 5, "exp": NOW + 600, "realm_access": {"roles": ["REGISTRATION_PROCESSOR"]}}


class Signer(jws.JWSCore):
    """Signs whatever the header says: jwcrypto itself writes no critical header that it does not know."""

    def __init__(self, header, payload, key, alg):
        super().__init__(alg, key, json.dumps(header), payload, algs=[alg])


def signed(claims, key=RSA, alg="RS256", header=None, typ="JWT"):
    protected = {"alg": alg, **({"typ": typ} if typ else {}), **(header or {})}
    payload = json.dumps(claims)
    made = Signer(protected, payload, key, alg).sign()
    return ".".join([made["protected"], base64url_encode(payload), made["signature"]])


def unsigned(header, claims):
    return ".".join([base64url_encode(json.dumps(header)), base64url_encode(json.dumps(claims)), ""])


def other_claims(claims):
    """The signature of a good token, under claims that it does not cover."""
    head, _, signature = signed(claims).split(".")
    return ".".join([head, base64url_encode(json.dumps({**claims, "sub": "8"})), signature])


def without(claims, *names):
    return {name: value for name, value in claims.items() if name not in names}


def good(of, name, token):
    return {"of": of, "name": name, "token": token}


def bad(of, name, token, refused):
    return {"of": of, "name": name, "token": token, "refused": refused}


def of_both(of, claims):
    """What holds for either maker."""
    return [
        good(of, "rs256", signed(claims)),
        good(of, "without-typ-and-iat", signed(without(claims, "iat"), typ=None)),
        bad(of, "alg-none", unsigned({"alg": "none", "typ": "JWT"}, claims), "JWT"),
        bad(of, "unsigned", unsigned({"alg": "RS256", "typ": "JWT"}, claims), "signature"),
        *[bad(of, "hs256-under-the-" + name, signed(claims, secret, "HS256"), "algorithm")
          for name, secret in SECRETS.items()],
        bad(of, "ps256-is-not-agreed", signed(claims, alg="PS256"), "algorithm"),
        bad(of, "es256-is-not-agreed", signed(claims, EC, "ES256"), "algorithm"),
        bad(of, "strangers-key", signed(claims, STRANGER), "signature"),
        bad(of, "under-other-claims", other_claims(claims), "signature"),
        bad(of, "unknown-crit", signed(claims, header={"crit": ["exp2"], "exp2": 1}), "crit"),
        bad(of, "wrong-issuer", signed({**claims, "iss": "https://other.example.org"}), "iss"),
        bad(of, "no-issuer", signed(without(claims, "iss")), "iss"),
        bad(of, "expired", signed({**claims, "exp": NOW - 600}), "exp"),
        bad(of, "no-expiry", signed(without(claims, "exp")), "exp"),
        bad(of, "not-yet", signed({**claims, "nbf": NOW + 600}), "nbf"),
        bad(of, "from-the-future", signed({**claims, "iat": NOW + 600}), "iat"),
        bad(of, "no-object", signed([claims]), "claims"),
    ]


tokens = [
    *of_both("opencrvs", OPENCRVS),
    good("opencrvs", "audience-is-a-text", signed({**OPENCRVS, "aud": "opencrvs:mosip-user"})),
    bad("opencrvs", "wrong-audience", signed({**OPENCRVS, "aud": ["opencrvs:x"]}), "aud"),
    bad("opencrvs", "no-audience", signed(without(OPENCRVS, "aud")), "aud"),
    bad("opencrvs", "rs512-is-not-agreed", signed(OPENCRVS, alg="RS512"), "algorithm"),
    *of_both("mosip", MOSIP),
    # MOSIP may sign so, and the key names another algorithm.
    bad("mosip", "rs512-under-a-key-for-rs256", signed(MOSIP, alg="RS512"), "for its key"),
    good("mosip", "by-kid", signed(MOSIP, header={"kid": "issuer-1"})),
    # MOSIP's own services ask for one of both.
    good("mosip", "audience-of-two-without-azp",
         signed({**without(MOSIP, "azp"), "aud": ["account", "mosip-regproc-client"]})),
    bad("mosip", "wrong-audience-of-two-without-azp",
        signed({**without(MOSIP, "azp"), "aud": ["account", "other"]}), "azp"),
    bad("mosip", "wrong-azp", signed({**MOSIP, "azp": "other"}), "azp"),
    bad("mosip", "without-the-role", signed({**MOSIP, "realm_access": {"roles": ["ADMIN"]}}), "role"),
]

json.dump({"now": NOW, "tokens": tokens}, sys.stdout, indent=1)
print()

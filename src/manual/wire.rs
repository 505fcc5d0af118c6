//! Every byte layout that travels or is stored, and the function that writes or reads it.
//!
//! # The hybrid envelope
//!
//! [`mosip::envelope`](crate::mosip::envelope). A fresh AES-256 key for each message, wrapped by RSA-OAEP with SHA-256,
//! MGF1-SHA-256 and an empty label; AES-256-GCM with a 128-bit tag. `k` is the length of the recipient's modulus in bytes: 256,
//! 384 or 512. `n` is the length of the plaintext, which may be 0. The thumbprint is SHA-256 over the DER certificate, not over
//! the SPKI and not over PEM text.
//!
//! `VER_R2`, what is written and what MOSIP sends. It is `n + k + 100` bytes long:
//!
//! | offset | length | content |
//! | --- | --- | --- |
//! | 0 | 6 | `VER_R2` in ASCII |
//! | 6 | 32 | thumbprint of the recipient's certificate |
//! | 38 | k | wrapped AES key |
//! | 38 + k | 14 | `#KEY_SPLITTER#` in ASCII |
//! | 52 + k | 32 | random; GCM's associated data are all 32 bytes, its nonce the first 12 |
//! | 84 + k | n | ciphertext |
//! | 84 + k + n | 16 | tag |
//!
//! Legacy with thumbprint, `n + k + 78` bytes, written on request (`format=legacy`):
//!
//! | offset | length | content |
//! | --- | --- | --- |
//! | 0 | 32 | thumbprint of the recipient's certificate |
//! | 32 | k | wrapped AES key |
//! | 32 + k | 14 | `#KEY_SPLITTER#` |
//! | 46 + k | n | ciphertext |
//! | 46 + k + n | 16 | tag |
//! | 62 + k + n | 16 | nonce, **after** the tag; the associated data are the caller's `aad`, or none |
//!
//! Legacy without thumbprint (keymanager 1.1.3), `n + k + 46` bytes, read only:
//!
//! | offset | length | content |
//! | --- | --- | --- |
//! | 0 | k | wrapped AES key |
//! | k | 14 | `#KEY_SPLITTER#` |
//! | k + 14 | n | ciphertext |
//! | k + 14 + n | 16 | tag |
//! | k + 30 + n | 16 | nonce; associated data as above |
//!
//! [`Parts::parse`](crate::mosip::envelope::Parts::parse) looks for the splitter where the three usual key lengths put it, and
//! scans only if it is at none of them. Base64 goes out strict (standard with padding towards the mediator, URL-safe without
//! padding on request) and is read in either alphabet, with or without padding. White space, mixed alphabets and trailing bits
//! are refused.
//!
//! # Signatures beside an envelope
//!
//! SHA512withRSA, PKCS#1 v1.5, in base64. **The direction decides what is signed:** towards MOSIP the envelope bytes, from MOSIP
//! the plaintext bytes. Both are accepted on opening, and `x-mosip-verified` says which it was.
//!
//! # Tokens
//!
//! - JWS ([`crypto::jws`](crate::crypto::jws)): compact and detached, RS256, RS384, RS512, PS256 as far as the peer's `algs`
//!   allow. We write RS256 with `x5c` (standard base64 of DER, no line breaks) and `x5t#S256`. An `x5c` that comes must be the
//!   certificate of the peer that the caller names: it never chooses the key. `crit` may hold `b64` and nothing else.
//! - JWE ([`crypto::jwe`](crate::crypto::jwe)): compact, `RSA-OAEP-256`, `A256GCM`, `zip=DEF` up to 64 MiB. A JWS inside is
//!   verified under the peer; any other content is unsigned, unless a signature over it travels beside the token.
//! - Access tokens ([`mosip::access`](crate::mosip::access)): asked for at Keycloak's token endpoint (form) or at authmanager's
//!   `clientidsecretkey` (JSON; the token is in a cookie or a header of the answer), sent as `Cookie: Authorization=<token>`.
//!   Opaque: `exp` is read without verifying, else `expires_in`, else the token is not kept; used until 30 s before it ends; a
//!   401 drops it and tries once more with a new one.
//! - Callers' tokens ([`mosip::caller`](crate::mosip::caller)): RS256, RS384, RS512, PS256 under the configured key; `exp`, `iss`
//!   and `aud` demanded, `nbf` where present, 60 s of leeway, any `crit` refused.
//!
//! # To and from the MOSIP-side mediator
//!
//! [`mosip::mediator`](crate::mosip::mediator).
//!
//! | message | body |
//! | --- | --- |
//! | `POST` birth, death and the other kinds, ours | `{"id","requestTime","data","signature"}`: the id of the entry, now with milliseconds and `Z`, VER_R2 in padded standard base64, signature over the envelope |
//! | the answer | accepted is: 2xx, an object, `errors` absent, null or empty, `response` an object. Errors come inside HTTP 200 too |
//! | `GET` generateAid, the answer | a bare JSON string: 1 to 64 letters, digits, `-`, `.` |
//! | `POST /birthReceiveNid`, theirs | `{"id":"","requestTime":"","data","signature"}`: VER_R2 in unpadded base64url, signature over the **plaintext** `{"uinToken","opencrvsBRN"}`; `Authorization: Bearer` with a token of OpenCRVS's auth service; the thumbprint inside may be random |
//! | `POST /websub/callback`, the hub's | `X-Hub-Signature: method=hex`, HMAC over the raw body; kept in quarantine, since credentials are not verified yet |
//!
//! What is sealed is the text of the whole webhook as OpenCRVS sent it: key order, spacing and number text stay, since the
//! application id is spliced into the text.
//!
//! **Where the application id stands**: an element at the end of `identifier` of the first `Patient` in `event.context[0].entry`,
//!
//! ```json
//! {"type":{"coding":[{"system":"http://opencrvs.org/specs/identifier-type","code":"MOSIP_AID"}]},"value":"<aid>"}
//! ```
//!
//! or `{"type":"MOSIP_AID","value":"<aid>"}` where the identifiers of that `Patient` have a plain text as their type. Both forms
//! are read. Without a `Patient` there is no place, and none is fetched.
//!
//! **Ids**: the first birth or death of a composition goes under the composition id; everything else of it under that id, `-` and
//! eight random hex digits, drawn once and stored. The mediator answers a repeated id with a plain success and drops it, so that
//! a resend is harmless and a correction under the birth's id would be lost.
//!
//! # Deliveries to our mediator
//!
//! [`outbox::delivery`](crate::outbox::delivery). One JSON object a post, headers `webhook-id`, `webhook-timestamp` (seconds)
//! and, with a secret, `webhook-signature: v1,<base64>` where the tag is HMAC-SHA256 over `id.timestamp.body` (Standard
//! Webhooks). A secret that begins with `whsec_` is decoded from base64 behind it; any other is used as it is.
//!
//! # At rest
//!
//! [`outbox::vault`](crate::outbox::vault). `outbox.key_file` holds 32 bytes in base64 a line; the first line seals, all open. A
//! sealed value:
//!
//! | offset | length | content |
//! | --- | --- | --- |
//! | 0 | 1 | version, 1 |
//! | 1 | 4 | key tag: the first bytes of HMAC-SHA256 under the key over `mosip-gateway outbox key tag` |
//! | 5 | 12 | random nonce |
//! | 17 | n | ciphertext; associated data: table, row and column, each closed by a zero byte |
//! | 17 + n | 16 | GCM tag |
//!
//! Two posts are one event when kind, composition id and the canonical JSON (RFC 8785) of `event.context` are equal; kept is an
//! HMAC-SHA256 over the word `event` and these three, each part behind its length as eight big-endian bytes.

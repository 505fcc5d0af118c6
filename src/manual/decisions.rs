//! Why it is built this way, and what was turned down.
//!
//! # Libraries
//!
//! | work | crate | why this one |
//! | --- | --- | --- |
//! | RSA private operations, GCM with 12-byte nonces, digests, HMAC | aws-lc-rs | constant time; many times faster on private operations than `rsa`; incremental signing, so that an input need not stand in one buffer |
//! | RSA key parsing, key making, the check of every loaded key | `rsa`, 0.10 or later | an independent second implementation; before 0.10 it leaked by timing (RUSTSEC-2023-0071) |
//! | GCM with 16-byte nonces | aes-gcm | aws-lc-rs's safe API takes 12 bytes only |
//! | certificates | x509-parser, and a chain walk of ours | MOSIP's leaves may say `CA:true`, and webpki refuses those |
//! | PKCS#12 | p12-keystore, its `Pkcs12Archive` | reads RC2-40 and 3DES of old bundles and PBES2 of new ones. Its `KeyStore` drops keys without an id, so key and certificate are matched by public key |
//! | JWTs of callers | jsonwebtoken, behind [`mosip::caller`](crate::mosip::caller) | alone it accepts an unknown `crit` and an absent `iss`, and reads the wall clock |
//! | detached and unencoded JWS | ours, on aws-lc-rs | no kept crate does `b64:false` with `crit` |
//! | JWE | ours, of the parts above and flate2 | no small kept crate; inflation has a cap |
//! | base64 | base64 and base64-simd | lenient decoding with strict trailing bits; SIMD for payloads |
//! | TLS | rustls on aws-lc-rs | one provider: two in one build make rustls panic |
//! | HTTP | hyper, HTTP/1.1 only; axum for routes | hyper's builder for both versions never times out a connection that sends no byte |
//! | limits that hyper has not | tokio-io-timeout, `http::server::head`, governor | a caller that does not read; rest told from a slow head; a rate for listeners that others reach |
//! | store | SQLite (rusqlite, bundled) | one file, no server; WAL, `synchronous=FULL`; one thread and group commit make it faster than a pool of connections |
//! | canonical JSON | serde_json_canonicalizer | RFC 8785, for telling a repeated event |
//! | core dumps, free space | rustix | safe calls, without `unsafe` of ours |
//!
//! `deny.toml` bans what these decisions exclude, each with its reason.
//!
//! # The outbox stores intents, not envelopes
//!
//! An envelope is good for one certificate, and a request to IDA for 60 s. Certificates rotate, and MOSIP may be away for days.
//! So the event is kept as it came, and every attempt seals and signs it anew with the keys of that moment. A repaired key file
//! then cures everything that waited for it.
//!
//! # An attempt marks its entry before the first byte leaves
//!
//! The application id is fetched, and stored with the mark `sent`, before the event goes. A crash between the two costs an unused
//! id. After the mark none is fetched any more: MOSIP may have made its own number, and a second one would belong to no
//! application.
//!
//! # The outbox has a clock of its own
//!
//! [`outbox::uptime`](crate::outbox::uptime) counts milliseconds that a gateway has run over the database, and goes on where the
//! last run ended. Backoff, retention and giving up go by it. A machine that starts in 1970, or jumps a year ahead, thus parks
//! nothing and forgets nothing; a gateway that was off for a month does not give up everything it held the moment it starts. The
//! wall clock serves for what people read (`acceptedAt`, `occurredAt`) and for dates of certificates and tokens.
//!
//! # A channel for each URL
//!
//! What is wrong with one entry parks that entry. What is wrong with MOSIP, with our registration or with our keys hits all
//! alike, and belongs to the URL: ten transport failures in a row open its breaker for 5 s, a fault `partner` or `keys` pauses
//! it, and one entry at a time, each in its turn, tries whether it is over. So an expired client secret parks nobody, and once it
//! is put right everything flows. Only a success shows that it is, or a refusal of what is in an event: a code that is not known, a
//! time-out and a 5xx leave a pause as it is. [`outbox::channel`](crate::outbox::channel) decides this without I/O, and has the table.
//!
//! # Behind the others after a failure
//!
//! The queue of a URL goes by a position: the next number at acceptance, and the next number again after an attempt that failed. So
//! an event on which MOSIP hangs until the deadline is tried again only after every other that is due, and two of them do not stop
//! the rest. An attempt that a crash cut off counts as a failed one. Within a composition the order of acceptance holds whatever
//! fails: what follows an event waits until it is settled.
//!
//! # Stored first, judged after
//!
//! The MOSIP-side mediator posts a UINTOKEN once and drops it on any error. Were a push verified before it is answered, a wrong
//! file in `keys.dir` would cost every token of that day. So it is durable, answered, and then judged; what does not verify stays
//! in quarantine with its reason, and is judged again when keys change or a person asks. The quarantine is bounded, and the end
//! of the disk (`outbox.reserve`) belongs to events, so that no flood of pushes stops registrations.
//!
//! # Readiness is about the disk alone
//!
//! `/readyz` is 200 exactly while an event post would be taken. A sidecar that is not ready takes the mediator's whole pod out of
//! service, which must not happen because MOSIP is away or a certificate has expired. Those stand in its body.
//!
//! # Keys are watched by content
//!
//! Kubernetes swaps symlinks and shared volumes send no inotify events, so the files are read every 10 s and compared. A key is
//! promoted only after a signature made by aws-lc-rs verifies under `rsa` and a session key wrapped by `rsa` unwraps under
//! aws-lc-rs. A file that breaks leaves the key loaded before in use; one that is replaced goes on decrypting, in memory and up
//! to eight of them.
//!
//! # Private operations have a pool
//!
//! An RSA operation takes long beside everything else of a request. As many run at once as there are cores, beside the reactor,
//! and 1,024 may wait; beyond that a caller hears `busy` at once. Listeners and clients have half as many threads as there are
//! cores: what they do is a fraction of it, and threads without work wake each other (`benches/README.md`, `ida_http`).
//!
//! # Errors by fault
//!
//! "MOSIP is away" must never read as "invalid person". Every refusal says whose move it is, and `advice` speaks to that person.
//! A code of MOSIP that the table does not know ([`mosip::codes`](crate::mosip::codes)) means that MOSIP is broken, never that
//! the record is.

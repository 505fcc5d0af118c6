//! What is protected, against whom, and where the protection ends.
//!
//! # What is worth protecting
//!
//! | asset | where it is |
//! | --- | --- |
//! | private keys and their passwords | `keys.dir`; in memory while the process runs |
//! | the right to sign and to open in the registry's name | whoever may call the plain API |
//! | records of births and deaths | bodies in flight; sealed rows of the outbox until MOSIP took them |
//! | UINTOKENs and application ids | sealed rows until the mediator took them; `aid` and the results of jobs until `outbox.retention` |
//! | persons whom IDA is asked about | bodies in flight; of a job, sealed rows until IDA answered |
//! | licence key and API key of IDA | configuration; memory; the path of each call, which is never logged |
//! | client secret and access token of MOSIP's IAM | configuration; memory |
//! | that every registered event arrives, once | the database of the outbox |
//!
//! # Who attacks, and from where
//!
//! **On the network between the gateway and MOSIP.** Every URL is `https`, or names the loopback, unless
//! `upstream.danger_plain_http` is on. Server certificates chain to the public roots, or to `upstream.ca_file` alone. No redirect
//! is followed, no answer is read beyond 1 MiB (IDA: 8 MiB), none is waited for beyond its deadline. Events are sealed and signed besides.
//! What MOSIP never signs (acceptance, application id, token) rests on that TLS connection alone and says so: `"verified":"tls"`.
//!
//! **In the place of IDA,** or between it and the gateway with a certificate that a root trusts. A token, an identity and
//! `authStatus:true` come only under a signature of `upstream.ida.reply_signers` over the very bytes, for this service and this
//! transaction, of which 50 bits are fresh, and within five minutes; else the answer is `tampered`. IDA does not sign refusals: such
//! an attacker can have a person not confirmed, which says `"verified":"tls"`, and can confirm nobody.
//!
//! **At the callback listener.** It is off until `listen.callback` is set, and off the loopback it wants `callback.require`. The
//! order is: rate (200 requests a second over all callers, 1,000 at once), the caller's proof, size (6 MiB), and for the hub its
//! HMAC over the raw bytes. What fails there is not stored. What passes is on the disk before it is judged, in a bounded
//! quarantine that never touches the last `outbox.reserve` of the disk; the answer is the same empty 200 whatever the verdict, so
//! that it tells an attacker nothing. Of a push only a [`Verified`](crate::mosip::Verified) value reaches the mediator, and
//! nothing outside the functions that check a signature can make one. `/webhooks`, where it is on, demands OpenCRVS's HMAC over the
//! raw bytes on every listener.
//!
//! **In a browser on the same machine.** A page can send requests to the loopback, and a name can be rebound to it. On the plain
//! API and on ops an `Origin` of elsewhere, a `Sec-Fetch-Site` other than `none` and `same-origin`, and an unknown `Host` are
//! refused with 403. The routes that take JSON want `application/json`, which a page cannot send to another origin without
//! asking. The forms of the operators' page carry a token of this process, bound to the event and the hour; the page runs no
//! script, loads nothing and cannot be framed, and shows neither payloads nor application ids. Off the loopback it is there only
//! under `ops.token_file`, which a browser sends as a password.
//!
//! **In another process of the machine or pod.** The loopback keeps nobody out who is already there. `internal.token_file`
//! demands a bearer token, compared in constant time; a unix socket is open to its owner and group only; `internal.tls` with
//! `client_ca` demands a certificate.
//!
//! **As the mediator, taken over.** The plain API signs what it is given and opens what it is given: it is an oracle by nature,
//! and no check makes it less. A caller cannot take a key away, and loses everything at the moment the token or the socket is
//! closed to it. `internal.primitives = false` switches `seal`, `open`, `sign` and `verify` off; events are still sealed and
//! signed.
//!
//! **With a copy of the disk or of a backup.** Payloads, application ids, deliveries and pushes are AES-256-GCM under
//! `outbox.key_file`, bound to table, row and column, so that no row can be moved to another place. In clear are: composition
//! ids, kinds, states, times, sizes, attempts, problem codes, the reason that a person gave for a discard, and HMAC-SHA256
//! identities under a key of their own. That protects copies *without* the key file. The default key file lies beside the
//! database: back the two up apart, or the copy protects nothing.
//!
//! **With the stolen host.** Everything is lost that the process can read. Core dumps and tracing by other processes of the same
//! user are switched off, and secrets are wiped when dropped; against root, or a snapshot of memory, that is no protection.
//!
//! **With an old copy of the database.** Nothing detects that a database was rolled back. The gateway then sends again what the
//! old copy holds as queued, under the same ids and with the application ids that it holds. Today's mediator drops a repeated
//! birth, and takes a repeated death again. A discard made since is undone.
//!
//! **By the key volume.** Whoever can write `keys.dir` decides whom we seal to and whose signature counts: a peer's certificate
//! is trusted because it lies there. `keys.ca_file` narrows that to certificates that chain to it. `doctor` reports a folder that
//! all may write.
//!
//! **By timing and by error texts.** Whatever fails in unwrapping or in GCM is one refusal, `decrypt`, byte for byte; the step
//! goes to the operator's log. RSA private operations are aws-lc-rs's, GCM is its and aes-gcm's, all of it constant
//! time; no padding check and no tag comparison is ours. `unknown-key`, `malformed` and `signature-invalid` differ from `decrypt` on purpose: they rest on what
//! the sender knows already, or come after a good tag. Nothing is done to make refusals take equally long.
//!
//! **By exhaustion.** Bodies, heads, connections, deadlines, bytes in flight, inflated JWEs (64 MiB), keys tried on one envelope
//! (4) and the queue for private operations (1,024) are bounded, each by a constant or a setting with its reason beside it. A
//! bare TCP flood is the network's business.
//!
//! # What each protection is not
//!
//! - **A signature is no freshness.** `/birthReceiveNid` carries neither time nor id. A captured push can be posted again by
//!   whoever has a bearer token; the same token and number are delivered once within `outbox.remember`.
//! - **A push verifies under an expired certificate of `mosip`** as well as under a valid one: a date must not cost a message
//!   that MOSIP sends once. `/v1/verify` does judge the dates. Sealing to an expired certificate, and signing with one, waits
//!   with fault `keys`.
//! - **`unknown_thumbprint = "try"` weakens no check.** It lets at most four own keys of the fitting size try an envelope that
//!   names none of them. Opening is not trusting: the signature decides.
//! - **A transaction id that the caller gives is as fresh as the caller makes it.** Who gives one twice within five minutes can
//!   be answered with the reply to the first.
//! - **Memory is wiped where it is ours.** p12-keystore leaves a decrypted key in freed heap, hyper copies bodies and tokens into
//!   buffers of its own, and a body is not wiped when its request ends.
//! - **Certificates are not checked for revocation.** No list and no responder is asked. A certificate that is not to be trusted
//!   any more has to be replaced, or removed **and the gateway restarted**: a file that goes missing leaves the key loaded before
//!   in use.
//!
//! # Logs
//!
//! A line holds ids, thumbprints, codes, hosts, file names and sizes, and never a payload, a token, a password, a header, a
//! query, MOSIP's own sentence or a person's number; [`telemetry`](crate::telemetry) says the same where lines are made. Two
//! things in them are written by people: the reason of a discard and the subject of a refused client certificate. Dependencies
//! are capped at `warn`.
//!
//! # Every way round a check
//!
//! Each has `danger` in its name and is a warning at every start: `envelope.danger_accept_unsigned` (an absent signature passes,
//! a wrong one never), `upstream.ida.danger_accept_unsigned_replies`, `credentials.danger_accept_jcs`,
//! `upstream.danger_plain_http`, `listen.danger_internal_beyond_loopback`, `callback.danger_open`, `faces.danger_open`.

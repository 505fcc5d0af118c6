//! Where the code differs from the design that it was built from, and why.
//!
//! # Files
//!
//! - `gateway.rs` holds what is made at start, in which order, and how it stops; `lib.rs` is the crate map alone.
//! - `pool.rs` is the pool for private operations, which no room owned.
//! - `demo.rs`, `doctor.rs`, `inspect.rs` and `local.rs` (asks a running gateway: `health`, `outbox`) hold the work of commands,
//!   so that `cli/` has no logic.
//! - `outbox/worker` became nouns: `dispatch` (the loops), `channel` (what a failure means, without I/O), `exchange` (one call),
//!   `inbox`, `delivery`; `uptime` and `vault` are the clock and the encryption at rest.
//! - The breaker is in `outbox/channel`, not in `upstream/`: it counts entries, which `upstream` does not know.
//! - `mosip/` has besides its messages: `event` (OpenCRVS's webhook), `signature` (MOSIP's tokens), `roles` (from a role to a
//!   usable key), `caller` (tokens of callers), `primitives` (seal, open, sign and verify for the API and the command line
//!   alike), `verified` (the two proofs).
//! - `ida.rs` is the caller of IDA beside `outbox/exchange`: an immediate call needs no outbox. `mosip/body.rs` and `mosip/json.rs`
//!   write and read bodies for several messages.
//! - `config` and `manual` are folders: each had outgrown one file.
//! - `clippy.toml` and `rustfmt.toml` stand at the root, where the tools look for them.
//!
//! # Events and the outbox
//!
//! - **An event that brings an application id keeps it**, and none is fetched: a second one would belong to no application.
//! - **Ages run on the outbox's own clock**, which stands while the gateway is down: `give_up_after`, `retention`, `remember` and
//!   every backoff. [`decisions`](super::decisions) says why. Hence the API gives seconds until the next try (`nextTryIn`), not a
//!   moment.
//! - **What an attempt needs counts towards the channel of the event's URL**: a token or an application id that cannot be had
//!   pauses or breaks it as a refused post does. Without them nothing of that URL can go.
//! - **A failed trial of a broken or paused channel puts its entry back without a backoff of its own**: the channel's wait is the
//!   wait. A backoff that an entry had before still counts, and so does `Retry-After`.
//! - **News of our own events that nobody takes is dropped after `outbox.retention`** (`aid.assigned`, `event.accepted`): `GET
//!   /v1/events` tells the same, and a mediator that never pulls would fill the disk. What MOSIP sent, and `event.parked`, stays
//!   until it is taken.
//! - **A death waits 10 s at most for its link** (`events.death.link`) and goes without it then. IDA is asked once, right before the
//!   event first leaves; the token is kept in the event.
//! - A discard needs a reason, as `?reason=` or `--reason`: it is logged and kept.
//! - `Prefer: wait` waits 60 s at most. An event that parks meanwhile is answered 202 with `"state":"parked"`.
//!
//! # The plain API
//!
//! - Two codes more: `method-not-allowed` (405), since a wrong method is no missing thing, and `timeout` (408), a body that did
//!   not arrive within `listen.request_deadline`.
//! - `GET /v1/inbox` and `GET /v1/quarantine` answer `{"messages","next"}`: what they list are no events.
//! - `DELETE /v1/quarantine/{id}?reason=` takes a message out of the quarantine, as the page does: a stranger's would else hold the
//!   alarm and a place for ever.
//! - `POST …/retry` is also a probe of a paused channel: whoever presses it has put something right.
//! - Every answer carries `x-request-id`, the `id` of its log line.
//!
//! # IDA
//!
//! - **Technical failures among the codes that the design lists as verdicts are problems**: of the capture device (IDA-BIA-004,
//!   -005, -012, -014, -015) and of IDA (IDA-BIA-016, -017, -018, IDA-OTA-002), and so is IDA-DEA-002, a language that IDA does not
//!   know: none says anything about the person. IDA-MLC-022 is a verdict only where its sentence names a number: IDA sends it for
//!   hot-listed partners and devices, too.
//! - On `/v1/ida/otp` a verdict is a 422 `field` with MOSIP's code: the route has no `authStatus`.
//! - An error reply with a wrong signature is `tampered`; with none, `"verified":"tls"`.
//! - A signed kyc reply that is sealed to an unknown thumbprint is 503 `keys`: our key is missing, nothing was forged.
//! - `doctor` calls IDA only with `--online`, so that it can run where nothing may be sent.
//! - `POST /v1/uin-tokens` takes a list in which every record has its own `consent`; `individualIdType` is read off the length
//!   (`upstream.ida.uin_length`, `vid_length`) where it is absent. A list of nothing but wrong records is refused as a whole, at
//!   the first one's pointer.
//! - `GET /v1/uin-tokens/{job}` has `state` (`running`, `waiting` while IDA is away, `paused` with the reason under `paused`,
//!   `done`), the settled records a thousand at a time (`from`, `next`), and all of them as CSV.
//!
//! # The Token Seeder's face
//!
//! - It has no switch in `[faces]`: `seeder.consent` is the switch, on by default as the design says. Off the loopback it is not
//!   there (404) unless its callers are known; `faces.token_file` counts on `faces.listen`, `internal.token_file` on the internal
//!   listener, since both travel in the same header.
//! - There is no `/authtoken/odk`: it would have the gateway log in to a survey server, with a password that came in a request.
//!   Export the survey as CSV.
//! - A value that has a code with the seeder is refused under it; any other that IDA would not take under `ATS-REQ-102`.
//! - A row of a CSV is a line: a quotation that is left open spoils its own row alone, and an address does not break over lines.
//! - **A call of a job that may have arrived is made again**, at least once as an event: nobody else asks for these records, and a
//!   record that is never settled would be lost. What IDA refuses without looking pauses the jobs where it hits several records in a
//!   row; a record that alone is refused ten times is settled with MOSIP's code. A list has at most 50,000 records.
//! - A reply that does not verify pauses the jobs, as a fault of keys does: asking again and again would cure nothing.
//! - A job goes on for as long as IDA is away: `outbox.give_up_after` is for events.
//!
//! # Settings
//!
//! - **`upstream.ca_file` replaces the public roots** instead of adding to them: a country that names its root means that one
//!   alone.
//! - More settings: `listen.in_flight_limit` (the design's 256 MiB), `listen.request_deadline` and `listen.drain` (deadlines that
//!   it demands), `keys.ca_file` (where chains are enforced), `keys.own[].password_env` (the aliases of older systems hold
//!   passwords in variables), `deliver.deadline`, `upstream.ida.env` (biometrics name it),
//!   `upstream.ida.uin_length` and `vid_length` (countries set MOSIP's).
//! - `callback.require` refuses `mosip-jwt` until it is built: a setting that protects works or is refused.

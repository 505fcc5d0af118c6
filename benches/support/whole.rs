//! Bodies at a gateway in a process of its own, until MOSIP has the events among them: what it holds at most beside what it holds when
//! idle.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong")]

use std::path::Path;

use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::load::{AWAY, gateway_over};
use crate::support::mediator::Mediator;
use crate::support::process::{memory, peak_memory};
use crate::support::rings::event::birth;
use crate::support::rings::gateway::EXAMPLE;
use crate::support::rings::mosip::{Push, private_key};
use crate::support::rings::process::{Gateway, client, post_large};
use crate::support::rings::rows::Rows;
use crate::support::rings::seeder::{BOUNDARY, batch, leila};

/// (peak - idle) in lengths of all bodies together.
const WANTED: f64 = 6.0;
/// The same of plaintexts that are sealed.
const SEALED: f64 = 3.0;
/// The same of a list, which holds no body.
const LISTED: f64 = 0.5;
/// Bodies that come at once.
const AT_ONCE: usize = 5;
const JSON: &str = "application/json";
const EVENTS: &str = "/v1/events/birth";
/// Of a kind that MOSIP does not take.
const DOCUMENTS: &str = "/v1/events/death";
const IMPORT: &str = "/v1/import/mosip-api";
const PACKETS: &str = "/v1/packets/birth";
const MOSIP_KEY: &str = "keys.example/simulator/mosip-priv.key";

/// Bodies of one kind.
struct Case {
    name: &'static str,
    route: &'static str,
    content_type: &'static str,
    /// The one of this number, of about so many bytes.
    body: fn(usize, usize) -> String,
    /// The length of each where several come at once: what the route takes at most, and less where it is only shown that this runs.
    bytes: usize,
    /// The length of one that comes alone; none: none does.
    alone: Option<usize>,
    /// MOSIP is to have them before the measurement ends.
    are_events: bool,
    /// The database comes from a gateway that knew the first formula of identity alone.
    is_upgraded: bool,
    /// The gateway refuses them.
    are_refused: bool,
    /// The most extra memory, in lengths of all bodies together.
    wanted: f64,
}

/// Measures every kind of body, `briefly` with small ones, and prints a table. Whether all keep the limit.
pub(crate) fn measure(briefly: bool) -> bool {
    let (large, alone) = if briefly { (3 << 20, 45 << 20) } else { (47 << 20, 47 << 20) };
    let alone = Some(alone);
    // A debug build takes minutes over members. Fewer would measure what the allocator keeps for the next body.
    let members = alone.filter(|_| !briefly);
    let job_bytes = if briefly { 1 << 20 } else { 9 << 19 };
    let case = |name, route, body, bytes, alone| {
        let (content_type, are_events) = (JSON, [EVENTS, DOCUMENTS, PACKETS].contains(&route));
        let (is_upgraded, are_refused) = (false, false);
        let wanted = WANTED;
        Case { name, route, content_type, body, bytes, alone, are_events, is_upgraded, are_refused, wanted }
    };
    let cases = [
        case("events of many members", EVENTS, many_members, large, members),
        case("events of one text", EVENTS, one_text, large, alone),
        Case { is_upgraded: true, ..case("events, upgraded database", EVENTS, many_members, large, members) },
        case("EventDocuments of many actions", DOCUMENTS, many_actions, large, members),
        Case { are_refused: true, ..case("import of many rows", IMPORT, many_rows, large, members) },
        case("packets of many fields", PACKETS, many_fields, large, alone),
        Case { wanted: SEALED, ..case("`/v1/seal`", "/v1/seal?to=mosip", plaintext, large, Some(32 << 20)) },
        case("`/v1/open`", "/v1/open", sealed, large, alone),
        case("`/v1/verify`", "/v1/verify", token, large, alone),
        case("jobs", "/v1/uin-tokens", job, job_bytes, Some(9 << 19)),
        Case { content_type: BOUNDARY, ..case("CSV", "/authtoken/csv", csv, 15 << 16, Some(15 << 16)) },
    ];
    println!("\n| peak extra memory of a gateway | bodies | bytes each | of their bytes | wanted |");
    println!("| --- | --- | --- | --- | --- |");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut kept = true;
    for case in cases {
        let alone = case.alone.map(|bytes| (1, bytes));
        for (bodies, bytes) in std::iter::once((AT_ONCE, case.bytes)).chain(alone) {
            let (bytes, ratio) = runtime.block_on(case.measure(bodies, bytes));
            println!("| {} | {bodies} | {bytes} | {ratio:.2} N | ≤ {:.1} N |", case.name, case.wanted);
            kept &= ratio <= case.wanted;
        }
    }
    let (bytes, ratio) = runtime.block_on(measure_list(large));
    println!("| a list of events | {AT_ONCE} | {bytes} | {ratio:.2} N | ≤ {LISTED:.1} N |");
    kept && ratio <= LISTED
}

/// `GET /v1/events` while these are parked: bytes of one of them, each of about `bytes`, and the extra memory in lengths of all of them.
async fn measure_list(bytes: usize) -> (usize, f64) {
    let disk = tempfile::tempdir_in("target").unwrap();
    let database = std::path::absolute(disk.path().join("outbox.db")).unwrap();
    let mut gateway = gateway_over(&database, AWAY);
    gateway.set(&[("LISTEN__REQUEST_DEADLINE", "5m")]);
    gateway.start();
    gateway.ready().await;
    let url = format!("{}{EVENTS}", gateway.api());
    let mut sum = 0;
    for number in 0..AT_ONCE {
        let body = one_text(number, bytes);
        sum += body.len();
        let reply = post_large(&client(), &url, JSON, body.into()).await.expect("an answer");
        assert!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.body));
    }
    gateway.terminate();
    assert_eq!(Rows::of(&database).change("UPDATE entry SET state='parked'", []), AT_ONCE);
    // Another process, which has held none of them.
    gateway.start();
    gateway.ready().await;
    let idle = memory(gateway.pid());
    assert_eq!(gateway.events().await.len(), AT_ONCE);
    let extra = peak_memory(gateway.pid()).saturating_sub(idle);
    (sum / AT_ONCE, (extra << 10) as f64 / sum as f64)
}

impl Case {
    /// Bytes of one of `bodies`, each of about `bytes`, and the extra memory in lengths of all of them.
    async fn measure(&self, bodies: usize, bytes: usize) -> (usize, f64) {
        let disk = tempfile::tempdir_in("target").unwrap();
        let database = std::path::absolute(disk.path().join("outbox.db")).unwrap();
        let mut mediator = Mediator::start().await;
        let gateway = self.started_over(&database, &mediator.url).await;
        let url = format!("{}{}", gateway.api(), self.route);
        // What a first request leaves behind is no part of a body.
        let small = Bytes::from((self.body)(bodies, 1 << 10));
        assert!(post_large(&client(), &url, self.content_type, small).await.unwrap().status.is_success());
        if self.are_events {
            mediator.takes(1).await;
        }
        let idle = memory(gateway.pid());
        let all: Vec<Bytes> = (0..bodies).map(|number| (self.body)(number, bytes).into()).collect();
        let bytes: usize = all.iter().map(Bytes::len).sum();
        let mut posting = JoinSet::new();
        for body in all {
            let (url, content_type, are_taken) = (url.clone(), self.content_type, !self.are_refused);
            posting.spawn(async move {
                let reply = post_large(&client(), &url, content_type, body).await.expect("an answer");
                assert_eq!(reply.status.is_success(), are_taken, "{}", String::from_utf8_lossy(&reply.body));
            });
        }
        posting.join_all().await;
        if self.are_events {
            mediator.takes(bodies).await;
        }
        let extra = peak_memory(gateway.pid()).saturating_sub(idle);
        (bytes / bodies, (extra << 10) as f64 / bytes as f64)
    }

    async fn started_over(&self, database: &Path, mosip: &str) -> Gateway {
        let mut gateway = gateway_over(database, mosip);
        let system = format!(
            "[[systems]]\nname = \"other\"\nurl = \"{mosip}/system\"\nkinds = [\"death\"]\ndeadline = \"5m\""
        );
        gateway.configure(&format!("{EXAMPLE}\n{system}\n"));
        gateway.set(&[("UPSTREAM__IDA__URL", AWAY)]);
        let [create, process] = ["createPacket", "workflowinstance"].map(|path| format!("{mosip}/{path}"));
        gateway.set(&[("UPSTREAM__PACKETS__CREATE", &create), ("UPSTREAM__PACKETS__PROCESS", &process)]);
        gateway.set(&[("UPSTREAM__PACKETS__CENTER_ID", "10123"), ("UPSTREAM__PACKETS__MACHINE_ID", "10234")]);
        // A debug build takes its time over the largest bodies.
        gateway.set(&[("LISTEN__REQUEST_DEADLINE", "5m"), ("UPSTREAM__MEDIATOR__DEADLINE", "5m")]);
        gateway.set(&[("UPSTREAM__PACKETS__DEADLINE", "5m")]);
        gateway.start();
        gateway.ready().await;
        if self.is_upgraded {
            gateway.terminate();
            let removed = Rows::of(database).change("DELETE FROM meta WHERE name = 'since-formula'", []);
            assert_eq!(removed, 1, "the database says since which formula it stands");
            gateway.start();
            gateway.ready().await;
        }
        gateway
    }
}

/// A birth with a resource that unfolds to as many members as its bytes can hold.
fn many_members(number: usize, bytes: usize) -> String {
    with_resource(number, &format!("[{}{{}}]", r#"{"a":1,"b":[]},"#.repeat(bytes / 15)))
}

/// A birth with a resource that is one long text.
fn one_text(number: usize, bytes: usize) -> String {
    with_resource(number, &format!("\"{}\"", "photograph".repeat(bytes / 10)))
}

/// An EventDocument with as many actions as its bytes can hold.
fn many_actions(number: usize, bytes: usize) -> String {
    let actions = "0,".repeat(bytes / 2);
    format!(r#"{{"id":"e-{number}-{bytes}","type":"death","actions":[{actions}{{"id":"a"}}]}}"#)
}

/// More rows than are taken at once, where there is room for them.
fn many_rows(_: usize, bytes: usize) -> String {
    format!(r#"{{"rows":[{}{{"row":1}}]}}"#, r#"{"row":1},"#.repeat(bytes / 10))
}

/// A birth that goes as a packet, with as many fields as its bytes can hold.
fn many_fields(number: usize, bytes: usize) -> String {
    let fields: String = (0..bytes / 13).map(|field| format!(",\"f{field:07}\":1")).collect();
    format!(r#"{{"requestFields":{{"birthCertificateNumber":"{number}-{bytes}"{fields}}}}}"#)
}

fn with_resource(number: usize, content: &str) -> String {
    const MARK: &str = "content-of-the-bench";
    let mut event: Value =
        serde_json::from_str(&birth(&format!("memory-{number}-{}", content.len()))).unwrap();
    let entries = event.pointer_mut("/event/context/0/entry").and_then(Value::as_array_mut).unwrap();
    entries.push(json!({"resource": {"resourceType": "Observation", "note": MARK}}));
    event.to_string().replace(&format!("\"{MARK}\""), content)
}

/// What is sealed to MOSIP.
fn plaintext(_: usize, bytes: usize) -> String {
    "x".repeat(bytes)
}

/// What the mediator pushes, to be opened.
fn sealed(number: usize, bytes: usize) -> String {
    let plaintext = format!("{number}{}", "x".repeat(bytes / 4 * 3));
    let Push { data, signature } = Push::holding(&private_key(MOSIP_KEY), &plaintext);
    json!({"data": data, "signature": signature, "from": "mosip"}).to_string()
}

/// A compact JWS of MOSIP.
fn token(number: usize, bytes: usize) -> String {
    let key = EncodingKey::from_rsa_pem(&std::fs::read(MOSIP_KEY).unwrap()).unwrap();
    let claims = json!({"number": number, "text": "x".repeat(bytes / 4 * 3)});
    let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap();
    json!({"token": token, "from": "mosip"}).to_string()
}

fn job(_: usize, bytes: usize) -> String {
    let record = leila("4152630978");
    Value::from(vec![record.clone(); (bytes / record.to_string().len()).max(1)]).to_string()
}

fn csv(number: usize, bytes: usize) -> String {
    let request = batch(
        json!({"lang": "eng", "mapping": {"vid": "vid", "name": ["name"], "gender": "gender", "dob": "dob"}}),
    );
    let line = "4152630978,Leila Karim,Female,1990/03/14\n";
    let lines = line.repeat((bytes / line.len()).max(1));
    format!(
        "--line\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{request}\r\n--line\r\nContent-Disposition: form-data; \
         name=\"csv_file\"; filename=\"people-{number}.csv\"\r\nContent-Type: text/csv\r\n\r\nvid,name,gender,dob\n{lines}\r\n--line--\r\n"
    )
}

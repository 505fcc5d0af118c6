//! Bodies at a gateway in a process of its own: what it holds at most beside what it holds when idle.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong")]

use std::path::Path;

use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::load::{AWAY, gateway_over};
use crate::support::process::{memory, peak_memory};
use crate::support::rings::event::birth;
use crate::support::rings::mosip::{Push, private_key};
use crate::support::rings::process::{Gateway, client, post_large};
use crate::support::rings::rows::Rows;
use crate::support::rings::seeder::{BOUNDARY, batch, leila};

/// (peak - idle) in lengths of all bodies together.
const WANTED: f64 = 6.0;
/// Bodies that come at once.
const AT_ONCE: usize = 5;
const JSON: &str = "application/json";
const MOSIP_KEY: &str = "keys.example/simulator/mosip-priv.key";

/// Bodies of one kind.
struct Case {
    name: &'static str,
    route: &'static str,
    content_type: &'static str,
    /// The one of this number, of about so many bytes.
    body: fn(usize, usize) -> String,
    /// Its length: what the route takes at most, and less where it is only shown that this runs.
    bytes: usize,
    /// The database comes from a gateway that knew the first formula of identity alone.
    is_upgraded: bool,
}

/// Measures every kind of body, `briefly` with small ones, and prints a table. Whether all keep the limit.
pub(crate) fn measure(briefly: bool) -> bool {
    let large = if briefly { 3 << 20 } else { 44 << 20 };
    let case =
        |name, route, body, bytes| Case { name, route, content_type: JSON, body, bytes, is_upgraded: false };
    let cases = [
        case("events of many members", "/v1/events/birth", many_members, large),
        case("events of one text", "/v1/events/birth", one_text, large),
        Case {
            is_upgraded: true,
            ..case("events, upgraded database", "/v1/events/birth", many_members, large)
        },
        case("`/v1/open`", "/v1/open", sealed, large),
        case("`/v1/verify`", "/v1/verify", token, large),
        case("jobs", "/v1/uin-tokens", job, if briefly { 1 << 20 } else { 9 << 19 }),
        Case { content_type: BOUNDARY, ..case("CSV", "/authtoken/csv", csv, 15 << 16) },
    ];
    println!(
        "\n| peak extra memory of a gateway, {AT_ONCE} bodies at once | bytes each | of their bytes | wanted |"
    );
    println!("| --- | --- | --- | --- |");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut kept = true;
    for case in cases {
        let (bytes, ratio) = runtime.block_on(case.measure());
        println!("| {} | {bytes} | {ratio:.2} N | ≤ {WANTED:.1} N |", case.name);
        kept &= ratio <= WANTED;
    }
    kept
}

impl Case {
    /// Bytes of a body, and the extra memory in lengths of all of them.
    async fn measure(&self) -> (usize, f64) {
        let disk = tempfile::tempdir_in("target").unwrap();
        let database = std::path::absolute(disk.path().join("outbox.db")).unwrap();
        let gateway = self.started_over(&database).await;
        let url = format!("{}{}", gateway.api(), self.route);
        // What a first request leaves behind is no part of a body.
        let small = Bytes::from((self.body)(AT_ONCE, 1 << 10));
        assert!(post_large(&client(), &url, self.content_type, small).await.unwrap().status.is_success());
        let idle = memory(gateway.pid());
        let bodies: Vec<Bytes> = (0..AT_ONCE).map(|number| (self.body)(number, self.bytes).into()).collect();
        let bytes: usize = bodies.iter().map(Bytes::len).sum();
        let mut posting = JoinSet::new();
        for body in bodies {
            let (url, content_type) = (url.clone(), self.content_type);
            posting.spawn(async move {
                let reply = post_large(&client(), &url, content_type, body).await.expect("an answer");
                assert!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.body));
            });
        }
        posting.join_all().await;
        let extra = peak_memory(gateway.pid()).saturating_sub(idle);
        (bytes / AT_ONCE, (extra << 10) as f64 / bytes as f64)
    }

    async fn started_over(&self, database: &Path) -> Gateway {
        let mut gateway = gateway_over(database, AWAY);
        gateway.set(&[("UPSTREAM__IDA__URL", AWAY)]);
        // A debug build takes its time over the largest bodies.
        gateway.set(&[("LISTEN__REQUEST_DEADLINE", "5m")]);
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

fn with_resource(number: usize, content: &str) -> String {
    const MARK: &str = "content-of-the-bench";
    let mut event: Value =
        serde_json::from_str(&birth(&format!("memory-{number}-{}", content.len()))).unwrap();
    let entries = event.pointer_mut("/event/context/0/entry").and_then(Value::as_array_mut).unwrap();
    entries.push(json!({"resource": {"resourceType": "Observation", "note": MARK}}));
    event.to_string().replace(&format!("\"{MARK}\""), content)
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

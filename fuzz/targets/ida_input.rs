//! What callers post for IDA: an intent, a list of records, and the bodies of MOSIP's Token Seeder.

#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::jws::Jws;
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::error::{Code, Error};
use mosip_gateway::mosip::authtoken::{self, Asked, Refused};
use mosip_gateway::mosip::ida::{
    self, IdLengths, IdType, Individual, Intent, ListedRecord, Origin, Record, RecordList, Service,
    SignedRequest,
};
use mosip_gateway_fuzz::refusal::{self, NUMBER, SECRET};
use mosip_gateway_fuzz::{ida_side, keys};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const LENGTHS: IdLengths = IdLengths { uin: 10, vid: 16 };

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 6 {
        0 => intent(Service::Auth, rest),
        1 => intent(Service::Kyc, rest),
        2 => intent(Service::Otp, rest),
        3 => records(rest),
        4 => seeder_json(rest),
        _ => seeder_csv(usize::from(mode / 6), rest),
    }
});

/// What is asked for is what is sent, no more and no less.
fn intent(service: Service, body: &[u8]) {
    let intent = match Intent::parse(service, body) {
        Ok(intent) => intent,
        Err(error) => return check(&error),
    };
    let asked: Value = serde_json::from_slice(body).unwrap();
    assert!(asked.is_object() && asked["consent"] == true);
    assert!(intent.service() == service);
    check_transaction(intent.transaction().as_str(), &asked["transactionId"]);

    let certificate = keys::peer("mosip").certificate.as_ref().unwrap();
    let signer = &keys::ring().own()[0];
    let sent = ida::request(&intent, Origin::default(), certificate, signer, keys::NOW).unwrap();
    let sent_body: Value = serde_json::from_slice(&sent.body).unwrap();
    let head = ["id", "individualId", "individualIdType", "transactionID", "requestTime"]
        .map(|name| &sent_body[name]);
    let id = json!(format!("mosip.identity.{}", service.segment()));
    let transaction = json!(intent.transaction().as_str());
    let stamp = json!(keys::NOW.to_iso());
    assert_eq!(head, [&id, &asked["individualId"], &asked["individualIdType"], &transaction, &stamp]);
    assert!(is_signed(&sent));
    if service == Service::Otp {
        assert!(sent.sealed_to.is_none() && sent_body.get("request").is_none());
        let channels = asked["otpChannel"].to_string().to_lowercase();
        assert_eq!(sent_body["otpChannel"].to_string(), channels);
    } else {
        assert_eq!(sent.sealed_to, Some(certificate.thumbprint()));
        assert_eq!(sent_body["consentObtained"], true);
        check_sealed(&sent, &asked);
    }
}

/// Only the receiver reads the factors, and reads them as they were given.
fn check_sealed(sent: &SignedRequest, asked: &Value) {
    let inner = ida_side::open(&sent.body, keys::mosip_key());
    let given = |name: &str| asked.get(name).filter(|value| !value.is_null());
    assert_eq!(inner["timestamp"], keys::NOW.to_iso());
    assert_eq!(inner.get("demographics"), given("demographics"));
    assert_eq!(inner.get("otp"), Some(given("otp").unwrap_or(&json!(""))));
    assert_eq!(inner.get("biometrics"), Some(given("biometrics").unwrap_or(&json!([]))));
    let mut sent_body: BTreeMap<String, Value> = serde_json::from_slice(&sent.body).unwrap();
    sent_body.remove("individualId");
    assert!(!json!(sent_body).to_string().contains(SECRET));
}

fn check_transaction(ours: &str, asked: &Value) {
    match asked.as_str() {
        Some(asked) => assert_eq!(ours, asked),
        None => assert!(asked.is_null()),
    }
    assert!(ours.len() == 10 && ours.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

fn is_signed(sent: &SignedRequest) -> bool {
    let token = Jws::parse(&sent.signature).unwrap();
    let public = keys::our_certificate().public_key();
    token.verify(public, &[SignatureAlgorithm::Rs256], Some(&sent.body)).is_ok()
}

/// Each record of a list is read as if it stood alone.
fn records(body: &[u8]) {
    let list = match RecordList::read(body, LENGTHS) {
        Ok(list) => list,
        Err(error) => return check(&error),
    };
    let items: Vec<&RawValue> = serde_json::from_slice(body).unwrap();
    assert_eq!(list.lines().count(), items.len());
    for (place, (line, item)) in list.lines().zip(items).enumerate() {
        let alone = RecordList::read(format!("[{item}]"), LENGTHS);
        match (line.record, alone.map(|alone| alone.lines().next().unwrap())) {
            (Ok(record), Ok(alone)) => {
                assert_eq!(line.id, alone.id);
                let alone = alone.record.unwrap();
                let item: Value = serde_json::from_str(item.get()).unwrap();
                let kept = kept(record);
                assert_eq!(kept, self::kept(alone));
                assert_eq!(kept["individualId"], line.id);
                assert_eq!(kept["consent"], true);
                for name in ["individualId", "consent", "demographics"] {
                    assert_eq!(kept[name], item[name]);
                }
                assert!(
                    item["individualIdType"].is_null()
                        || item["individualIdType"] == kept["individualIdType"]
                );
            }
            (Err(error), Err(alone)) => {
                check(&error);
                assert_eq!((error.code(), error.detail()), (alone.code(), alone.detail()));
                let rest = error.pointer().map(|pointer| pointer.strip_prefix(&format!("/{place}")).unwrap());
                assert_eq!(rest, alone.pointer().map(|pointer| pointer.strip_prefix("/0").unwrap()));
            }
            _ => panic!("record {place} is read in another way alone"),
        }
    }
}

/// What is kept of a record, which is the same person when it is read again.
fn kept(record: Record) -> Value {
    let id = record.id().to_owned();
    let kept = record.into_kept();
    let value: Value = serde_json::from_slice(&kept).unwrap();
    let Ok(Intent::Auth(again)) = ida::read_kept(&kept) else { panic!("a record reads only once") };
    assert_eq!(again.individual.id(), id);
    assert_eq!(json!(again.individual.id_type()), value["individualIdType"]);
    assert_eq!(json!(again.demographics), value["demographics"]);
    assert!(again.otp.is_none() && again.biometrics.is_empty());
    value
}

/// Each record of a batch is read as if it were the only one.
fn seeder_json(body: &[u8]) {
    let batch = match authtoken::read_json(body, LENGTHS) {
        Ok(Asked::One(line)) => return drop(seeded(line)),
        Ok(Asked::Many(batch)) => batch,
        Err(refused) => return assert_eq!(refused, Refused::INVALID),
    };
    // Members that nobody reads may be no text.
    let body = String::from_utf8_lossy(body);
    let request = &members(&body)["request"];
    let people: Vec<Box<RawValue>> = serde_json::from_str(members(request.get())["authdata"].get()).unwrap();
    assert_eq!(batch.lines().count(), people.len());
    for (line, person) in batch.lines().zip(people) {
        if person.get().starts_with('{') {
            let mut request = members(request.get());
            request.insert("authdata".to_owned(), person);
            let body = serde_json::to_vec(&BTreeMap::from([("request", request)])).unwrap();
            let Ok(Asked::One(alone)) = authtoken::read_json(&body, LENGTHS) else {
                panic!("no single record")
            };
            assert_eq!(seeded(line), seeded(alone));
        } else {
            assert_eq!(seeded(line), (String::new(), Err(Refused::RECORD_WRONG)));
        }
    }
}

fn members(object: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(object).unwrap()
}

/// The form field `request`, a line feed, and the file. Where no quoted cell goes over a line break, a row is a line of the answer,
/// whatever stands in the others; nothing of a row is overlooked.
fn seeder_csv(broken: usize, input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (Some(request), Some(file)) = (parts.next(), parts.next()) else { return };
    let read = |file: &[u8]| authtoken::read_csv(request, Bytes::copy_from_slice(file), LENGTHS);
    let lines: Vec<_> = match read(file) {
        Ok(batch) => batch.lines().map(seeded).collect(),
        Err(refused) => return assert_eq!(refused, Refused::INVALID),
    };
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut rows: Vec<&[u8]> =
        file.split(|byte| *byte == b'\n').filter(|row| !row.trim_ascii().is_empty()).collect();
    if rows.iter().any(|row| row.iter().filter(|byte| **byte == b'"').count() % 2 == 1) {
        // A cell that goes over a line break: several lines are one row.
        return assert!(lines.len() < rows.len());
    }
    if rows.len() < 2 {
        return assert!(lines.is_empty());
    }
    let header = rows.remove(0);
    assert_eq!(lines.len(), rows.len());

    for (line, row) in lines.iter().zip(&rows) {
        let batch = read(&[header, row].join(&b'\n')).ok().unwrap();
        let mut alone = batch.lines();
        assert_eq!(alone.next().map(seeded).as_ref(), Some(line));
        assert!(alone.next().is_none());
        if let [Some(columns), Some(fields)] = [header, row].map(|row| columns(request, row))
            && columns != fields
        {
            assert!(matches!(line.1, Err(Refused::ROW_LENGTH | Refused::ROW_NOT_TEXT)));
        }
    }

    let broken = broken % rows.len();
    rows[broken] = b"\"";
    let others = read(&[&[header], &rows[..]].concat().join(&b'\n')).ok().unwrap();
    for (place, (line, other)) in lines.into_iter().zip(others.lines()).enumerate() {
        let expected = if place == broken { (String::new(), Err(Refused::ROW_QUOTES)) } else { line };
        assert_eq!(seeded(other), expected);
    }
}

/// How many columns a row has that quotes nothing.
fn columns(request: &[u8], row: &[u8]) -> Option<usize> {
    let request = String::from_utf8_lossy(request);
    let request = members(members(&request)["request"].get());
    let delimiter: Option<String> =
        request.get("csvDelimiter").and_then(|text| serde_json::from_str(text.get()).unwrap());
    let delimiter = delimiter.map_or(b',', |text| text.as_bytes()[0]);
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    (!row.contains(&b'"')).then(|| row.split(|byte| *byte == delimiter).count())
}

/// The number of a line, and what is kept of it or its code. The length of the number says what it is.
fn seeded(line: ListedRecord<Refused>) -> (String, Result<Value, Refused>) {
    let record = line.record.map(|record| {
        let kept = kept(record);
        let id_type = if line.id.len() == LENGTHS.uin { IdType::Uin } else { IdType::Vid };
        assert!(id_type == IdType::Uin || line.id.len() == LENGTHS.vid);
        assert!(Individual::new(id_type, line.id.clone()).is_ok());
        assert_eq!((&kept["individualId"], &kept["individualIdType"]), (&json!(line.id), &json!(id_type)));
        let name = kept.pointer("/demographics/name/0/value").and_then(Value::as_str);
        assert!(name.is_some_and(|name| !name.trim().is_empty()));
        kept
    });
    (line.id, record)
}

fn check(error: &Error) {
    refusal::check(error, &[Code::Malformed, Code::Field]);
    assert_eq!(error.code() == Code::Field, error.pointer().is_some());
    assert!(!error.detail().contains(NUMBER) && !error.advice().contains(NUMBER));
}

//! A valid request to each route. Of a route that is not listed the test says so, so that nobody forgets a new one.

use http::Method;
use serde_json::{Value, json};

use super::requests::{Body, Route, Sample};
use super::site::{Site, mosip_token, sealed};
use crate::support::event::{COMPOSITION, birth};
use crate::support::ida_setup::{UIN, person};
use crate::support::seeder::{BOUNDARY, VID, batch, death, leila};
use crate::support::vectors::{cases, file};
use crate::support::world::Hub;

/// What samples name.
pub(super) struct Facts {
    event: String,
    job: String,
}

impl Facts {
    /// An event that MOSIP has taken, and a job that is done.
    pub(super) async fn make(site: &Site) -> Self {
        let (status, taken) = site.call(Method::POST, "/v1/events/birth", &birth(COMPOSITION)).await;
        assert_eq!(status, 202, "{taken}");
        let (status, job) = site.call(Method::POST, "/v1/uin-tokens", &json!([leila(UIN)]).to_string()).await;
        assert_eq!(status, 202, "{job}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let facts = Self { event: text(&taken["id"]), job: text(&job["job"]) };
        site.until(&format!("/v1/events/{}", facts.event), |event| event["state"] == "done").await;
        site.until(&format!("/v1/uin-tokens/{}", facts.job), |job| job["state"] == "done").await;
        facts
    }

    /// A valid request to `route`. A route that this does not know fails, so that nobody forgets it.
    pub(super) fn sample(&self, route: &Route) -> Sample {
        let of = |segment: &str, query: &[(&'static str, &str)], body, statuses| Sample {
            segment: segment.to_owned(),
            query: query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            body,
            statuses,
        };
        let topic = Hub::CREDENTIALS;
        let hub = [("hub.mode", "unsubscribe"), ("hub.topic", "unknown"), ("hub.challenge", "c")];
        let path = route.path.trim_end_matches('/');
        match (route.method.as_str(), path) {
            ("GET", "/v1/events/{id}") => of(&self.event, &[], Body::None, &[200]),
            ("POST", "/v1/events/{id}") => of("birth", &[], json_of(&birth("sample")), &[202]),
            ("DELETE", "/v1/events/{id}") => of(&self.event, &[("reason", "r")], Body::None, &[409]),
            ("POST", "/v1/events/{id}/retry") => of(&self.event, &[], Body::None, &[409]),
            ("POST", "/v1/events/retry") => of("", &[("fault", "upstream")], Body::None, &[200]),
            ("POST", "/v1/inbox/{id}/ack") => of("none", &[], Body::None, &[404]),
            ("DELETE", "/v1/quarantine/{id}") => of("none", &[("reason", "r")], Body::None, &[404]),
            ("POST", "/v1/quarantine/{id}/verify") => of("none", &[], Body::None, &[404]),
            ("POST", "/v1/unanswered/{id}/settle" | "/v1/hub/{topic}/settle") => {
                of("none", &[("reason", "r")], Body::None, &[404])
            }
            ("GET", "/v1/uin-tokens/{job}" | "/authtoken/status/{job}" | "/authtoken/file/{job}") => {
                of(&self.job, &[], Body::None, &[200])
            }
            ("DELETE", "/v1/uin-tokens/{job}") => of(&self.job, &[("reason", "r")], Body::None, &[409]),
            ("POST", "/v1/packets/{kind}") => of("birth", &[], Body::Json(registration()), &[202]),
            ("POST", "/v1/import/mosip-api") => of("", &[], Body::Json(pending()), &[200]),
            // Nothing is subscribed here, and no search is known.
            ("GET" | "POST" | "DELETE", "/v1/opencrvs/webhooks") => of("", &[], Body::None, &[409]),
            ("GET", "/v1/opencrvs/missing") => of("", &[("since", "2026-11-01")], Body::None, &[409]),
            ("POST", "/v1/uin-tokens") => of("", &[], Body::Json(json!([leila(UIN)])), &[202]),
            ("POST", "/v1/outbox/rekey" | "/v1/outbox/resume" | "/v1/keys/reload") => {
                of("", &[], Body::None, &[200, 204])
            }
            ("POST", "/v1/ida/auth" | "/v1/ida/kyc") => of("", &[], Body::Json(person()), &[200]),
            ("POST", "/v1/ida/otp") => of("", &[], Body::Json(otp()), &[200]),
            // eSignet repeats the code as an error.
            ("POST", "/v1/esignet/userinfo") => of("", &[], Body::Json(login()), &[502]),
            ("POST", "/v1/esignet/authorize") => of("", &[], Body::Json(beginning()), &[200]),
            ("POST", "/esignet/get-oidp-user-info" | "/esignet/get-oidp-user-info/") => {
                let known = json!({"clientId": "opencrvs-client", "redirectUri": "https://register.example.org/form"});
                of("", &[("code", "c"), ("state", "s")], Body::Json(known), &[503])
            }
            ("POST", "/events/registration") => of("", &[], Body::Json(other_birth()), &[202]),
            ("POST", "/events/update-biographics") => of("", &[], Body::Json(update()), &[202]),
            ("POST", "/verify") => of("", &[], Body::Json(asked_about()), &[200]),
            ("POST", "/v1/credentials/verify") => of("", &[], Body::Json(credential()), &[200]),
            ("POST", "/v1/seal") => {
                of("", &[("to", "mosip")], Body::Text("application/octet-stream", "‹x›".into()), &[200])
            }
            ("POST", "/v1/sign") => {
                of("", &[("form", "jws")], Body::Text("application/octet-stream", "‹x›".into()), &[200])
            }
            ("POST", "/v1/open") => of("", &[], Body::Around(push(), opened), &[200]),
            ("POST", "/v1/verify") => of("", &[], Body::Around(push(), verified), &[200]),
            ("POST", "/authtoken/json") => of("", &[], Body::Json(death(VID, "1990/03/14")), &[200]),
            ("POST", "/authtoken/csv") => of("", &[], Body::Text(BOUNDARY, csv()), &[200]),
            ("GET", "/webhooks") => of(
                "",
                &[("mode", "subscribe"), ("topic", "BIRTH_REGISTERED"), ("challenge", "c")],
                Body::None,
                &[200],
            ),
            ("POST", "/webhooks") => of("", &[], json_of(&birth("webhook")), &[202]),
            ("POST", "/birthReceiveNid") => of("", &[], Body::Around(push(), pushed), &[200]),
            ("GET", "/websub/callback" | "/websub/callback/{unguessable}") => {
                of(unguessable(), &hub, Body::None, &[200, 404])
            }
            ("POST", "/websub/callback" | "/websub/callback/{unguessable}") => {
                of(unguessable(), &[], Body::Json(issued(topic)), &[200, 404])
            }
            ("POST", "/v1/log") => of("", &[("level", "trace")], Body::None, &[200]),
            ("GET", "") => of("", &[("list", "parked")], Body::None, &[200]),
            ("POST", "") => {
                of("", &[("list", "parked")], Body::Form(vec![("find", self.event.clone())]), &[303])
            }
            ("GET", path) if !path.contains('{') => of("", &[], Body::None, &[200]),
            _ => panic!("this test knows no valid request to {}", route.name()),
        }
    }
}

fn json_of(text: &str) -> Body {
    Body::Json(serde_json::from_str(text).unwrap())
}

fn pending() -> Value {
    json!({ "rows": [{ "row": 1, "id": "100019876543210", "registrationNumber": "B9", "token": "e30.e30.e30", "eventId": "e9" }] })
}

fn registration() -> Value {
    json!({
        "trackingId": "T1",
        "eventId": "e1",
        "actionId": "a1",
        "notification": { "recipientFullName": "Ada", "recipientPhone": "1", "recipientEmail": "a@example.org" },
        "requestFields": { "birthCertificateNumber": "B1", "fullName": "[]" },
        "metaInfo": { "creationDate": "2026-11-28" },
        "audit": { "uuid": "u" },
        "schemaJson": "{}",
    })
}

/// A birth, as the client of `mosip-api` posts it.
fn other_birth() -> Value {
    let mut body = registration();
    body["requestFields"]["birthCertificateNumber"] = json!("B2");
    body
}

fn update() -> Value {
    let mut body = registration();
    body["requestFields"] = json!({ "VID": "8031687218", "fullName": "[]" });
    body
}

/// A person, as a form asks about them.
fn asked_about() -> Value {
    let name = json!({ "firstname": "Leila", "middlename": "", "surname": "Karim" });
    json!({ "nid": UIN, "dob": "1990-03-14", "gender": "Female", "name": name, "transactionId": "t" })
}

fn unguessable() -> &'static str {
    Hub::CALLBACK.rsplit('/').next().unwrap()
}

fn login() -> Value {
    json!({
        "code": "c", "clientId": "opencrvs-client", "redirectUri": "https://register.example.org/form", "nonce": "n",
        "codeVerifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    })
}

fn beginning() -> Value {
    json!({"clientId": "opencrvs-client", "redirectUri": "https://register.example.org/form", "state": "s", "nonce": "n"})
}

fn otp() -> Value {
    json!({"individualId": UIN, "individualIdType": "UIN", "consent": true, "otpChannel": ["email"]})
}

fn credential() -> Value {
    let vectors: Value = serde_json::from_slice(&file("vc.json")).unwrap();
    json!({ "credential": vectors["cases"][0]["credential"] })
}

/// What the hub delivers of a credential, which nobody has signed.
fn issued(topic: &str) -> Value {
    let first = cases("event.json").remove(0);
    json!({
        "publisher": "p", "topic": topic, "publishedOn": "2026-11-28T10:00:00.000Z",
        "event": {
            "id": "e", "transactionId": "t", "timestamp": "2026-11-28T10:00:00.000Z",
            "data": {"credential": first["expect"]},
        },
    })
}

/// What the MOSIP-side mediator seals in a push.
fn push() -> Value {
    json!({"uinToken": "2601234567", "opencrvsBRN": "2026BPUSH01"})
}

fn pushed(inside: &Value) -> String {
    sealed(inside).body()
}

fn opened(inside: &Value) -> String {
    let push = sealed(inside);
    json!({"data": push.data, "signature": push.signature, "from": "mosip"}).to_string()
}

fn verified(payload: &Value) -> String {
    json!({"token": mosip_token(payload), "from": "mosip"}).to_string()
}

/// A file of one person for `/authtoken/csv`.
fn csv() -> String {
    format!(
        "--line\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n\
         --line\r\nContent-Disposition: form-data; name=\"csv_file\"; filename=\"‹people.csv›\"\r\nContent-Type: ‹text/csv›\r\n\r\n\
         vid,name,gender,dob,‹fullAddress›\n‹{VID}›,‹Leila Karim›,‹Female›,‹1990/03/14›,‹Port Sel›\r\n\
         --line\r\nContent-Disposition: form-data; name=\"‹more›\"\r\n\r\n‹x›\r\n--line--\r\n",
        batch(json!({"deliverytype": "‹sync›"}))
    )
}
